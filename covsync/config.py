"""The configuration: ``[tool.covsync]`` in pyproject.toml, ``.covsync.yaml``, and flags."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from covsync.errors import CovsyncError
from covsync.limits import CONFIGURATION_LINE, CONFIGURATION_SIZE, exceeded, limit

PYPROJECT = "pyproject.toml"
YAML = ".covsync.yaml"
PROJECT_FILES = (PYPROJECT, YAML, ".coveragerc", ".coveragerc.toml", "setup.cfg", "tox.ini")

NO_DATA = ("fail", "warn")
STALE = ("fail", "warn", "ignore")
HISTORY = ("auto", "single", "append")
HOSTING = ("auto", "github", "gitlab", "gitea", "bitbucket", "none")
BADGE_STYLES = ("flat", "flat-square", "for-the-badge")

Read = Callable[[str], bytes | None]
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+")
LONGEST_FLOOR = 20
SUBPROJECT = re.compile(r"\w[\w.-]*")
# What an error may quote of a file that could be a link to a secret: a key that looks like one.
KEY = re.compile(r"[\w.-]{1,40}")
TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)$")
# What a project without a name publishes at the branch's root, where this one gets a folder.
NO_SUBPROJECT = frozenset(
    (
        *("readme.md", "badge.svg", "endpoint.json", "data.json", "htmlcov", "history.jsonl"),
        *("trend.svg", "cname"),
    )
)


class Config(NamedTuple):
    """One value a key; ``docs/configuration.md`` says what each means.

    Floors are exact percentages, 0 to 100; ``None`` is no floor (for ``fail_under``:
    coverage.py's own). ``public`` is ``None`` where it is to be found out.
    """

    data_file: Path | None = None
    fail_under: Fraction | None = None
    fail_under_file: Fraction | None = None
    fail_under_diff: Fraction | None = None
    paths: Mapping[str, Fraction] = {}
    max_drop: Fraction | None = None
    no_data: str = "fail"
    stale: str = "fail"
    branch: str = "covsync-data"
    remote: str = "origin"
    history: str = "auto"
    html: bool = True
    subproject: str | None = None
    message: str = "ci: update coverage data"
    hosting: str = "auto"
    public: bool | None = None
    pages_url: str | None = None
    badge_label: str = "Coverage"
    badge_style: str = "flat"
    badge_green: Fraction | None = None
    badge_orange: Fraction = Fraction(70)


def floor(value: object) -> Fraction:
    """A percentage as the user wrote it, exactly. Raises ``ValueError`` outside 0 to 100."""
    wanted = "a percentage from 0 to 100"
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise ValueError(wanted)  # noqa: TRY004 - one kind of error for one kind of answer
    if isinstance(value, str) and not DECIMAL.fullmatch(value):
        raise ValueError(wanted)
    number = Decimal(str(value))
    if not number.is_finite() or not 0 <= number <= 100:
        raise ValueError(wanted)
    _, digits, exponent = number.as_tuple()
    if len(digits) > LONGEST_FLOOR or not -LONGEST_FLOOR <= int(exponent) <= 2:
        raise ValueError(f"{wanted} with at most {LONGEST_FLOOR} digits")
    return Fraction(number)


def _number(value: object) -> Fraction:
    if isinstance(value, str):
        raise ValueError("a number from 0 to 100, without quotes")  # noqa: TRY004 - as floor()
    return floor(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("a text of one line")
    return value


def subproject(value: object) -> str:
    """The name of one of several projects, a folder of the data branch. Raises ``ValueError``."""
    if not isinstance(value, str) or not SUBPROJECT.fullmatch(value):
        raise ValueError(
            "a name of letters, digits, `_`, `-` and `.`, that begins with none of `-.`"
        )
    if value.casefold() in NO_SUBPROJECT or value.endswith("."):
        raise ValueError("a name that no file of the data branch has")
    return value


def _path(value: object) -> Path:
    return Path(_text(value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - as floor()
    return value


def _public(value: object) -> bool | None:
    if value == "auto":
        return None
    if not isinstance(value, bool):
        raise ValueError('true, false or "auto"')  # noqa: TRY004 - as floor()
    return value


def _web_address(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        raise ValueError("a web address that begins with https://")
    if not value.isprintable() or any(char in value for char in ' "<>()'):
        raise ValueError("a web address without spaces, quotes, brackets or parentheses")
    return value.rstrip("/")


def _path_floors(value: object) -> Mapping[str, Fraction]:
    if not isinstance(value, dict):
        raise ValueError("a table of globs and floors")  # noqa: TRY004 - as floor()
    floors = {}
    for glob, wanted in value.items():
        try:
            floors[_text(glob)] = _number(wanted)
        except ValueError as error:
            raise ValueError(f"{error}, for the glob {glob!r:.80}") from None
    return floors


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def choice(value: object) -> str:
        if value not in choices or not isinstance(value, str):
            raise ValueError(" or ".join(f'"{choice}"' for choice in choices))
        return value

    return choice


PARSERS: Mapping[str, Callable[[object], Any]] = {
    "data_file": _path,
    "fail_under": _number,
    "fail_under_file": _number,
    "fail_under_diff": _number,
    "paths": _path_floors,
    "max_drop": _number,
    "no_data": _one_of(NO_DATA),
    "stale": _one_of(STALE),
    "branch": _text,
    "remote": _text,
    "history": _one_of(HISTORY),
    "html": _flag,
    "subproject": subproject,
    "message": _text,
    "hosting": _one_of(HOSTING),
    "public": _public,
    "pages_url": _web_address,
    "badge_label": _text,
    "badge_style": _one_of(BADGE_STYLES),
    "badge_green": _number,
    "badge_orange": _number,
}
assert tuple(PARSERS) == Config._fields  # noqa: S101 - holds for every import


def project_folder(start: Path, top: Path) -> Path:
    """The folder whose configuration counts: the nearest to ``start`` that has any, else ``top``.

    ``start`` is ``top`` or below it. Looks for the files in which covsync or coverage.py may be
    configured, as a project that is one of several in a repository has its own.
    """
    for folder in (start, *start.parents):
        if folder == top or any((folder / name).is_file() for name in PROJECT_FILES):
            return folder
    return top


def load(folder: Path, flags: Mapping[str, object], read: Read | None = None) -> Config:
    """The configuration of the project in ``folder``, with ``flags`` over it.

    A flag that is ``None`` was not given. ``read`` gives a file's content by its name, ``None``
    where there is no such file (default: as it is on disk). Raises ``CovsyncError`` for a file that
    cannot be read, an unknown key, a value of the wrong kind, and keys in both files.
    """
    read = read or _on_disk(folder)
    in_pyproject = _pyproject_table(read)
    in_yaml = _yaml_mapping(read)
    if in_pyproject is not None and in_yaml is not None:
        raise CovsyncError(
            f"covsync is configured twice: in [tool.covsync] of {PYPROJECT} and in {YAML}",
            f"Keep one of the two: move the keys of {YAML} into {PYPROJECT}, or the other way.",
        )
    if in_pyproject is not None:
        values = _parsed(in_pyproject, f"[tool.covsync] of {PYPROJECT}")
    else:
        values = _parsed(in_yaml or {}, YAML)
    values.update({key: value for key, value in flags.items() if value is not None})
    return Config(**values)


def _parsed(table: Mapping[object, object], where: str) -> dict[str, Any]:
    values = {}
    for key, value in table.items():
        if key not in PARSERS or not isinstance(key, str):
            import difflib

            name = key if isinstance(key, str) and KEY.fullmatch(key) else ""
            near = difflib.get_close_matches(name, PARSERS, n=1)
            raise CovsyncError(
                f"unknown key {name!r} in {where}" if name else f"unknown key in {where}",
                f"Did you mean {near[0]!r}?" if near else f"The keys are: {', '.join(PARSERS)}.",
            )
        try:
            values[key] = PARSERS[key](value)
        except ValueError as error:
            raise CovsyncError(f"{key} in {where} is not valid", f"Expected: {error}.") from None
    return values


def _on_disk(folder: Path) -> Read:
    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            return None

    return read


def _text_of(name: str, read: Read) -> str | None:
    try:
        content = read(name)
        if content is not None:
            refuse_large(name, content)
        return None if content is None else content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CovsyncError(
            f"cannot read {name}: {error}", "Make it a text file in UTF-8, or remove it."
        ) from None


def refuse_large(name: str, content: bytes) -> None:
    """Raises ``CovsyncError`` where a configuration file, or a line of it, is too long to parse."""
    if len(content) > limit(CONFIGURATION_SIZE):
        raise exceeded(name, CONFIGURATION_SIZE, "bytes")
    if max(map(len, content.split(b"\n"))) > limit(CONFIGURATION_LINE):
        raise exceeded(f"a line of {name}", CONFIGURATION_LINE, "bytes")


def place_of(error: BaseException | None) -> str:
    """Where in a file a parser found an error: " at line 3, column 5", "" where it does not say.

    Errors have that in place of the parser's own words, which quote the file.
    """
    mark = getattr(error, "problem_mark", None)  # PyYAML's
    if mark:
        return f" at line {mark.line + 1}, column {mark.column + 1}"
    lines = getattr(error, "errors", None)  # configparser's
    line = lines[0][0] if isinstance(lines, list) and lines else getattr(error, "lineno", None)
    if line:
        return f" at line {line}"
    found = TOML_PLACE.search(str(error))
    return f" at line {found[1]}, column {found[2]}" if found else ""


def parsed_toml(text: str, path: Path) -> dict[str, Any]:
    """The document ``text`` of the file at ``path``. Raises ``CovsyncError`` where it is none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise CovsyncError(
            f"{path.name} is not valid TOML{place_of(error)}", "Correct the file."
        ) from None


def _pyproject_table(read: Read) -> Mapping[object, object] | None:
    text = _text_of(PYPROJECT, read)
    if text is None or "covsync" not in text:
        return None
    tool = parsed_toml(text, Path(PYPROJECT)).get("tool", {})
    table = tool.get("covsync") if isinstance(tool, dict) else None
    if table is None or isinstance(table, dict):
        return table
    raise CovsyncError(f"tool.covsync in {PYPROJECT} is not a table", "Write it as [tool.covsync].")


def parsed_yaml(text: str, path: Path) -> dict[Any, Any]:
    """The mapping ``text`` of the file at ``path``. Raises ``CovsyncError`` where it is none."""
    import yaml

    try:
        # An alias stands for a text of any length, that of more aliases among them.
        aliases = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
        document = None if aliases else yaml.safe_load(text)
    except Exception as error:  # noqa: BLE001 - PyYAML lets a bad tag's own errors through
        raise CovsyncError(
            f"{path.name} is not valid YAML{place_of(error)}", "Correct the file."
        ) from None
    if aliases:
        raise CovsyncError(
            f"{path.name} has an alias (*name), which is not read", "Write the value itself."
        )
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise CovsyncError(
            f"{path.name} does not hold keys and values", "Write it as `key: value`."
        )
    return document


def _yaml_mapping(read: Read) -> Mapping[object, object] | None:
    text = _text_of(YAML, read)
    return None if text is None else parsed_yaml(text, Path(YAML))


def source(folder: Path, read: Read | None = None) -> Path | None:
    """The file that configures covsync in ``folder``, ``None`` where neither does; see ``load``."""
    read = read or _on_disk(folder)
    if _pyproject_table(read) is not None:
        return folder / PYPROJECT
    return None if read(YAML) is None else folder / YAML
