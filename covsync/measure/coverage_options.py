"""The options of a configured coverage.py, its plugins' changes included."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import TYPE_CHECKING

from covsync.config import floor
from covsync.errors import CovsyncError
from covsync.model import ReportStyle, Scope, WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

SORTS = ("name", "stmts", "miss", "branch", "brpart", "cover")


def without_debug_file(made: Coverage) -> Coverage:
    """The same, but it writes no ``[run] debug_file``, which a checkout may set to any file."""
    made.set_option("run:debug", [])
    made.set_option("run:debug_file", None)
    return made


def style_of(configured: Coverage) -> ReportStyle:
    """How its tables look. Raises ``CovsyncError`` for what coverage.py does not know."""
    sort = str(configured.get_option("report:sort") or "name")
    if sort.lower().lstrip("+-") not in SORTS:
        raise CovsyncError(
            "coverage.py's [report] sort is not valid", f"Set it to one of: {', '.join(SORTS)}."
        )
    return ReportStyle(
        precision=precision(configured),
        sort=sort,
        skip_covered=bool(configured.get_option("report:skip_covered")),
        skip_empty=bool(configured.get_option("report:skip_empty")),
    )


def scope_of(configured: Coverage, tree: WorkTree) -> Scope:
    """Which files coverage.py reports, as it is configured; the runner's part is left out."""
    top = os.path.join(tree.top, "")
    folders, packages = [], [*_texts(configured, "run:source_pkgs")]
    for name in (*_texts(configured, "run:source"), *_texts(configured, "run:source_dirs")):
        path = os.path.realpath(os.path.join(tree.folder, name))
        if not os.path.isdir(path):  # noqa: PTH112 - the name is a text
            packages.append(name)
        elif f"{path}/".startswith(top):
            folders.append(f"{path}/".removeprefix(top).rstrip("/"))
    return Scope(
        source_dirs=tuple(folders),
        source_pkgs=tuple(packages),
        include=tuple(_texts(configured, "report:include")),
        omit=(*_texts(configured, "run:omit"), *_texts(configured, "report:omit")),
        namespaces=bool(option(configured, "report:include_namespace_packages")),
    )


def _texts(configured: Coverage, name: str) -> list[str]:
    value = option(configured, name)
    return [str(each) for each in value] if isinstance(value, list) else []


def fail_under(configured: Coverage) -> Fraction | None:
    """The floor, ``None`` where there is none. Raises ``CovsyncError``."""
    value = configured.get_option("report:fail_under") or 0
    try:
        return floor(value) or None
    except ValueError as error:
        raise CovsyncError(
            "coverage.py's [report] fail_under is not valid", f"Set it to {error}."
        ) from None


def contexts_are_harmless(coverage: Coverage) -> bool:
    """Older coverage.py writes contexts into a script as they are."""
    return not any(set(context) & set("<>&") for context in coverage.get_data().measured_contexts())


def precision(configured: Coverage) -> int:
    """The decimals that percentages are shown with."""
    value = configured.get_option("report:precision")
    return value if isinstance(value, int) else 0


def exclusions(configured: Coverage) -> tuple[tuple[str, ...], ...]:
    """The regular expressions of lines to exclude, and those of branches that may be partial."""
    branches = ("report:partial_branches", "report:partial_branches_always")
    groups = (("report:exclude_lines",), branches)
    lists = [[configured.get_option(name) for name in group] for group in groups]
    return tuple(
        tuple(str(each) for entries in group if isinstance(entries, list) for each in entries)
        for group in lists
    )


def option(configured: Coverage, name: str) -> object:
    """A setting, ``None`` where this coverage.py does not know it yet."""
    from coverage.exceptions import ConfigError

    try:
        return configured.get_option(name)
    except ConfigError:
        return None
