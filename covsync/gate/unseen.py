"""Whether a run of the tests could see what a commit changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from covsync.source_paths import is_python


def is_seen(
    changes: Iterable[Mapping[str, tuple[str, str]]],
    recorded: Callable[[], Collection[str]],
    is_setting: Callable[[str, str, str], bool],
    other_code: Callable[[], Collection[str]],
) -> bool:
    """Whether a commit differs from a parent in what a run of the tests depends on.

    ``changes`` are, for each parent, the object names before and after by path. ``recorded``
    gives the paths that the tests loaded or a plugin measured. ``is_setting`` says whether a
    setting of coverage.py, pytest or covsync changes with a path. ``other_code`` gives those of the
    paths that hold or lead to code though their names do not say so.
    """
    paths = {path: names for parent in changes for path, names in parent.items()}
    return (
        any(map(is_python, paths))
        or any(is_setting(path, *names) for path, names in paths.items())
        or bool(paths and not paths.keys().isdisjoint(recorded()))
        or bool(paths and other_code())
    )
