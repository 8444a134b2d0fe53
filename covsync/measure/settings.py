"""What coverage.py is told by its configuration files, plugins aside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from covsync import __version__
from covsync.config import floor, parsed_toml
from covsync.errors import CovsyncError

if TYPE_CHECKING:
    from coverage import Coverage

# As coverage.py's settings name variables of the environment.
VARIABLE = re.compile(rb"\$\{?(\w+)")
ENVIRONMENT = ("COVERAGE_FILE", "COVERAGE_RCFILE", "HOME")
FILES = (".coveragerc", ".coveragerc.toml", "setup.cfg", "tox.ini", "pyproject.toml")
# What an analysis depends on; a list that grows safely, as more of it only means more care.
BEARING = (
    *("run:branch", "run:source", "run:include", "run:omit", "run:plugins"),
    *("run:source_pkgs", "run:source_dirs", "report:partial_also"),
    *("report:include", "report:omit", "report:exclude_lines", "report:exclude_also"),
    *("report:partial_branches", "report:precision"),
)
EXCLUDING = (
    *("report:exclude_lines", "report:exclude_also"),
    *("report:partial_branches", "report:partial_also"),
)


def version() -> tuple[int, ...]:
    """The installed coverage.py's version, without loading it."""
    import importlib.metadata

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


def chosen_sections() -> dict[str, dict[str, str]]:
    """The sections of the configuration file that coverage.py chooses, under their own names."""
    import configparser

    named = os.environ.get("COVERAGE_RCFILE")
    for name in (named,) if named else FILES:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if name.endswith(".toml"):
            table = parsed_toml(text, Path(name))
            if "coverage" in table.get("tool", {}):
                table = table["tool"]["coverage"]
            elif name == "pyproject.toml":
                table = {}
            sections = {
                section: {key: _ini_value(value) for key, value in values.items()}
                for section, values in table.items()
                if isinstance(values, dict)
            }
        else:
            parser = configparser.ConfigParser(interpolation=None)
            try:
                parser.read_string(text)
            except configparser.Error as error:
                reason = " ".join(str(error).split())
                raise CovsyncError(f"{name} cannot be read: {reason}", "Mend the file.") from None
            prefix = "coverage:" if name in ("setup.cfg", "tox.ini") else ""
            sections = {
                section.removeprefix(prefix): dict(parser[section])
                for section in parser.sections()
                if section.startswith(prefix)
            }
        if sections or name.startswith(".coveragerc") or name == named:
            return sections
    return {}


def _ini_value(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def digest_of_files(folder: Path) -> str:
    """Changes whenever coverage.py might be told something else in ``folder``."""
    digest = hashlib.sha256()
    for name in (*FILES, os.environ.get("COVERAGE_RCFILE") or FILES[0]):
        try:
            text = (folder / name).read_bytes()
        except OSError:
            text = b"none"
        named = {os.fsdecode(each) for each in VARIABLE.findall(text)}  # of the environment
        values = [(each, os.environ.get(each)) for each in sorted(named)]
        digest.update(text + os.fsencode(repr(values)))
    return digest.hexdigest()


def analysed_by() -> str:
    """Which covsync, coverage.py and Python analyse, and what else these depend on.

    Told without loading coverage.py. Its plugins are not told.
    """
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec("coverage")
    origin = found.origin if found and found.origin else ""
    try:
        version = (Path(origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        version = ""
    python = (*sys.version_info, sys.implementation.name, sys.flags.optimize)
    environment = [os.environ.get(name) for name in ENVIRONMENT]
    return repr((__version__, origin, version, python, environment))


class Settings(NamedTuple):
    """What a snapshot remembers of the settings in the working directory.

    ``bearing`` are those that an analysis depends on, as one text; ``exclusions`` the regular
    expressions for lines and branches to leave out; ``fail_under`` the floor, 0 for none.
    """

    bearing: str
    exclusions: tuple[str, ...]
    fail_under: Fraction


def read() -> Settings:
    """The settings in the working directory."""
    from coverage import Coverage

    configured = Coverage()
    lists = (option(configured, name) for name in EXCLUDING)
    return Settings(
        json.dumps([option(configured, name) for name in BEARING], default=str),
        tuple(str(each) for entries in lists if isinstance(entries, list) for each in entries),
        floor(configured.get_option("report:fail_under") or 0),
    )


def option(configured: Coverage, name: str) -> object:
    """A setting, ``None`` where this coverage.py does not know it yet."""
    from coverage.exceptions import ConfigError

    try:
        return configured.get_option(name)
    except ConfigError:
        return None
