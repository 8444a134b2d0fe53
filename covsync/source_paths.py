"""Whether a path is that of a Python source, and the folders around it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

PYTHON = (".py", ".pyw")


def is_python(path: str) -> bool:
    """Whether a path is that of a Python source."""
    return path.endswith(PYTHON)


def may_be_script(path: str) -> bool:
    """Whether a path is without an extension, as those of many scripts are."""
    return "." not in path.rpartition("/")[2]


def folders(path: str) -> Iterator[str]:
    """The folders around a path below the top level, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
