"""What coverage.py is told by its configuration files, plugins aside."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from fractions import Fraction
from pathlib import Path

from covsync.config import floor

FILES = (".coveragerc", "setup.cfg", "tox.ini", "pyproject.toml")
# What an analysis depends on; a list that grows safely, as more of it only means more care.
BEARING = (
    *("run:branch", "run:source", "run:include", "run:omit", "run:plugins"),
    *("report:include", "report:omit", "report:exclude_lines", "report:exclude_also"),
    *("report:partial_branches", "report:precision"),
)


def version() -> tuple[int, ...]:
    """The installed coverage.py's version, without loading it."""
    numbers = re.match(r"\d+(\.\d+)*", importlib.metadata.version("coverage"))
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def data_file() -> Path:
    """Where coverage.py keeps its data, as seen from the working directory."""
    from coverage import Coverage

    return Path(str(Coverage().get_option("run:data_file")))


def current_data_file() -> Path:
    """Where the coverage.py that measures this process writes, or else its usual place."""
    from coverage import Coverage

    current = Coverage.current() or Coverage()
    return Path(str(current.get_option("run:data_file")))


def config_file() -> Path | None:
    """The configuration file that coverage.py chose in the working directory, if there is one."""
    for name in FILES:
        path = Path(name)
        marker = "tool.coverage" if name == "pyproject.toml" else "[coverage:"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if name == ".coveragerc" or marker in text:
            return path.absolute()
    return None


def digest_of_files(folder: Path) -> str:
    """Changes whenever coverage.py might be told something else in ``folder``."""
    digest = hashlib.sha256()
    for name in FILES:
        try:
            digest.update((folder / name).read_bytes())
        except OSError:
            digest.update(b"none")
    return digest.hexdigest()


def bearing() -> str:
    """The settings in the working directory that an analysis depends on, as one text."""
    from coverage import Coverage

    configured = Coverage()
    return json.dumps([configured.get_option(name) for name in BEARING], default=str)


def fail_under() -> Fraction:
    """The floor that the files in the working directory set, 0 for none."""
    from coverage import Coverage

    return floor(Coverage().get_option("report:fail_under") or 0)
