"""What configuration files set coverage.py and pytest to, plugins aside."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from covsync import __version__
from covsync.config import YAML, parsed_toml, place_of
from covsync.errors import CovsyncError
from covsync.measure.coverage_errors import wrong_settings
from covsync.measure.coverage_options import option, without_debug_file
from covsync.model import sha256

if TYPE_CHECKING:
    from coverage import Coverage

# As coverage.py's settings name variables of the environment.
VARIABLE = re.compile(rb"\$\{?(\w+)")
SUBSTITUTED = re.compile(r"\$(?:\$|\{(\w+)(?:\?|-([^}]*))?\}|(\w+))")
ENVIRONMENT = ("COVERAGE_FILE", "COVERAGE_RCFILE", "HOME")
FILES = (".coveragerc", ".coveragerc.toml", "setup.cfg", "tox.ini", "pyproject.toml")
PYTEST_FILES: tuple[str, ...] = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)
# What an option of coverage.py bears on: what is analysed and how, only the pages of its HTML
# report, or neither. One that is not listed, as of a later coverage.py, bears on the analysis.
ANALYSIS, PAGES, NEITHER = "analysis", "pages", "neither"
BEARS_ON = {
    "run:branch": ANALYSIS,
    "run:plugins": ANALYSIS,
    "run:relative_files": ANALYSIS,
    "report:contexts": ANALYSIS,
    "report:exclude_also": ANALYSIS,
    "report:exclude_lines": ANALYSIS,
    "report:ignore_errors": ANALYSIS,
    "report:include": ANALYSIS,
    "report:omit": ANALYSIS,
    "report:partial_also": ANALYSIS,
    "report:partial_branches": ANALYSIS,
    "report:partial_branches_always": ANALYSIS,
    "report:precision": ANALYSIS,
    "json:show_contexts": ANALYSIS,
    "html:extra_css": PAGES,
    "html:show_contexts": PAGES,
    "html:skip_covered": PAGES,
    "html:skip_empty": PAGES,
    "html:title": PAGES,
    "report:skip_covered": PAGES,
    "report:skip_empty": PAGES,
    "report:fail_under": NEITHER,
    "report:format": NEITHER,
    "report:show_missing": NEITHER,
    "report:sort": NEITHER,
    "run:data_file": NEITHER,
    "run:debug": NEITHER,
    "run:debug_file": NEITHER,
    "run:parallel": NEITHER,
}
REPORTS = ("html", "xml", "json", "lcov")
# What coverage.py raises for settings that are no tables, lists or texts where it expects those.
OF_ODD_SHAPES = (AttributeError, KeyError, TypeError, ValueError)
Read = Callable[[str], bytes | None]


def configured(wanted: Path | None = None) -> Coverage:
    """coverage.py as it is configured in the working directory, for the data file ``wanted``.

    That is by default its own choice. Raises ``CovsyncError`` where its settings are wrong.
    """
    from coverage import Coverage, CoverageException

    try:
        made = Coverage(data_file=os.fspath(wanted)) if wanted else Coverage()
    except (CoverageException, OSError, RecursionError, *OF_ODD_SHAPES) as error:
        raise wrong_settings(error) from None
    return without_debug_file(made)


def data_file() -> Path:
    """Where coverage.py keeps its data, as seen from the working directory."""
    with warnings.catch_warnings():  # of its settings a report warns
        warnings.simplefilter("ignore")
        return Path(str(configured().get_option("run:data_file")))


def current_data_file() -> Path:
    """Where the coverage.py that measures this process writes, or else its usual place."""
    from coverage import Coverage

    current = Coverage.current() or configured()
    return Path(str(current.get_option("run:data_file")))


def is_measuring() -> bool:
    """Whether coverage.py measures this process."""
    from coverage import Coverage

    return Coverage.current() is not None


def current_source() -> list[str]:
    """What coverage.py was given as ``source`` in this process, folders by absolute path."""
    from coverage import Coverage

    current = Coverage.current()
    names = ("run:source", "run:source_dirs", "run:source_pkgs") if current else ()
    lists = [option(current, name) for name in names if current]
    given = [str(each) for found in lists if isinstance(found, list) for each in found]
    return [os.path.realpath(each) if Path(each).is_dir() else each for each in given]


def current_config_files() -> list[str]:
    """The configuration files that coverage.py read in this process, by absolute path."""
    from coverage import Coverage

    current = Coverage.current()
    found = dict(current.sys_info())["configs_read"] if current else ()
    return [os.path.realpath(each) for each in found]


def disk_reader(folder: Path) -> Read:
    """What reads files of ``folder`` by their name, ``None`` for what cannot be read."""

    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes()
        except OSError:
            return None

    return read


def chosen_sections(read: Read) -> dict[str, dict[str, str]]:
    """The sections of the configuration file that coverage.py chooses, under their own names.

    ``read`` gives a file's content by its name. Raises ``CovsyncError`` for a file that cannot be
    parsed.
    """
    named = os.environ.get("COVERAGE_RCFILE")
    for name in (named,) if named else FILES:
        sections = _sections(name, read(name))
        if sections or (sections is not None and (name.startswith(".coveragerc") or named)):
            return sections
    return {}


def _sections(name: str, content: bytes | None) -> dict[str, dict[str, str]] | None:
    """coverage.py's sections of one file, ``None`` where that is not there or no text."""
    try:
        text = None if content is None else content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        return None
    if name.endswith(".toml"):
        table = parsed_toml(text, Path(name))
        tool = table.get("tool")
        if isinstance(tool, dict) and isinstance(tool.get("coverage"), dict):
            table = tool["coverage"]
        elif Path(name).name == "pyproject.toml":
            table = {}
        return {
            section: {key: _ini_value(value) for key, value in values.items()}
            for section, values in table.items()
            if isinstance(values, dict)
        }
    prefix = "coverage:" if name in ("setup.cfg", "tox.ini") else ""
    return {
        section.removeprefix(prefix): values
        for section, values in _ini_sections(name, text).items()
        if section.startswith(prefix)
    }


def _ini_sections(name: str, text: str) -> dict[str, dict[str, str]]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise CovsyncError(f"{name} is not valid{place_of(error)}", "Correct the file.") from None
    return {section: dict(parser[section]) for section in parser.sections()}


def _ini_value(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def digest_of_files(folder: Path) -> str:
    """Changes whenever coverage.py might be configured otherwise in ``folder``."""
    digest = sha256()
    for name in (*FILES, os.environ.get("COVERAGE_RCFILE") or FILES[0]):
        try:
            text = (folder / name).read_bytes()
        except OSError:
            text = b"none"
        named = {os.fsdecode(each) for each in VARIABLE.findall(text)}  # of the environment
        values = [(each, os.environ.get(each)) for each in sorted(named)]
        digest.update(text + os.fsencode(repr(values)))
    return digest.hexdigest()


def versions() -> str:
    """Which covsync, coverage.py and Python analyse, the same wherever they are installed.

    Found without loading coverage.py. Its plugins are left out.
    """
    origin = _origin()
    try:
        version = (Path(origin).parent / "version.py").read_text(encoding="utf-8") if origin else ""
    except (OSError, ValueError):
        version = ""
    if not version:  # an unusual installation
        import importlib.metadata

        version = importlib.metadata.version("coverage")
    python = (*sys.version_info, sys.implementation.name, sys.flags.optimize)
    return repr((__version__, version, python))


def environment() -> str:
    """What else of this machine coverage.py depends on: where it is installed, and variables."""
    return repr((_origin(), [os.environ.get(name) for name in ENVIRONMENT]))


def _origin() -> str:
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec("coverage")
    return found.origin if found and found.origin else ""


class Settings(NamedTuple):
    """The settings that a run of the tests goes by, as files hold them.

    ``bearing`` are those of coverage.py that bear on what is measured and reported, and pytest's,
    as one text; ``digest`` is that of the files. ``fail_under`` is coverage.py's floor as its file
    and the environment have it, "" for none.
    """

    bearing: str
    fail_under: str
    digest: str


def names(depth: int) -> list[str]:
    """The files that may set coverage.py or pytest, by their path from the project's folder.

    pytest looks for its own in the folders above, too, of which there are ``depth`` in the
    repository.
    """
    above = ["../" * level + name for level in range(depth + 1) for name in PYTEST_FILES]
    return list(dict.fromkeys((*FILES, os.environ.get("COVERAGE_RCFILE") or FILES[0], *above)))


def digest(read: Read, depth: int, bearing: str) -> str:
    """Changes whenever ``settings_in`` might, where it once found the settings ``bearing``.

    That is with the content of the files, and with the variables that the settings name.
    """
    found = sha256()
    for name in names(depth):
        content = read(name) or b""
        found.update(b"%d " % len(content) + content)
    variables = [name for name, _ in json.loads(bearing)[1]]
    found.update(os.fsencode(repr([os.environ.get(name, "") for name in variables])))
    return found.hexdigest()


def settings_in(read: Read, depth: int) -> Settings:
    """The settings in the files that ``read`` gives by name; see ``names``."""
    sections = chosen_sections(read)
    fail_under = sections.get("report", {}).get("fail_under", "")
    of_runs = {name: values for name, values in sections.items() if name not in REPORTS}
    bearing = without_options(of_runs, (PAGES, NEITHER))
    contents = [(name, read(name) or b"") for name in names(depth)]
    variables = _variables(json.dumps([bearing, fail_under]).encode())
    pytests = {name: _pytest_section(name, content) for name, content in contents}
    used = {name: section for name, section in pytests.items() if section}
    text = json.dumps([bearing, variables, used], sort_keys=True, default=str)
    return Settings(text, _substituted(fail_under), digest(read, depth, text))


def without_options(
    sections: Mapping[str, Mapping[str, str]], bearing: Collection[str]
) -> dict[str, dict[str, str]]:
    """The sections of a configuration file without the options that bear on any of ``bearing``."""
    left = {
        section: {
            key: value
            for key, value in values.items()
            if BEARS_ON.get(f"{section}:{key}", ANALYSIS) not in bearing
        }
        for section, values in sections.items()
    }
    return {section: values for section, values in left.items() if values}


def is_of_settings_alone(path: str) -> bool:
    """Whether a file holds nothing but settings of coverage.py or pytest, by its name."""
    mixed = ("pyproject.toml", "setup.cfg", "tox.ini")
    return path.rpartition("/")[2] in {*FILES, *PYTEST_FILES}.difference(mixed)


def may_be_set_in(path: str) -> bool:
    """Whether a file may set coverage.py, pytest or covsync, by its name."""
    named = os.environ.get("COVERAGE_RCFILE", "").rpartition("/")[2]
    return path.rpartition("/")[2] in (*FILES, *PYTEST_FILES, YAML, named)


def relevant(path: str, content: bytes) -> object:
    """What a file sets for coverage.py, pytest and covsync, to be compared with another text."""
    name = path.rpartition("/")[2]
    try:
        if name == "pyproject.toml":
            tool = parsed_toml(content.decode(), Path(path)).get("tool", {})
            return [tool.get(each) for each in ("coverage", "pytest", "covsync")]
        if name in ("setup.cfg", "tox.ini"):
            return _sections(name, content), _pytest_section(path, content)
    except (CovsyncError, UnicodeDecodeError, AttributeError):
        return content  # what cannot be read is compared as it is
    return content


def _variables(content: bytes) -> list[tuple[str, str]]:
    """The variables of the environment that a file names, with their values."""
    mentioned = sorted({os.fsdecode(each) for each in VARIABLE.findall(content)})
    return [(each, os.environ.get(each, "")) for each in mentioned]


def _substituted(text: str) -> str:
    """The text with variables of the environment in it, as coverage.py has them."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else os.environ.get(found[1] or found[3], found[2] or "")

    return SUBSTITUTED.sub(value, text)


def _pytest_section(path: str, content: bytes) -> dict[str, Any]:
    """What a file sets for pytest, empty where it has no section for it."""
    name = path.rpartition("/")[2]
    if name not in PYTEST_FILES or b"pytest" not in content:
        return {}
    text = content.decode(errors="replace")
    if name == "pyproject.toml":
        found = parsed_toml(text, Path(path)).get("tool", {})
        section = found.get("pytest", {}) if isinstance(found, dict) else {}
    elif name.endswith(".toml"):
        section = parsed_toml(text, Path(path)).get("pytest", {})
    else:
        section = _ini_sections(path, text).get("tool:pytest" if name == "setup.cfg" else "pytest")
    return section if isinstance(section, dict) else {}
