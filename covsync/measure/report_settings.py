"""How coverage.py is told to report."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from covsync.config import floor
from covsync.errors import CovsyncError
from covsync.model import ReportStyle

if TYPE_CHECKING:
    from coverage import Coverage

SORTS = ("name", "stmts", "miss", "branch", "brpart", "cover")


def style_of(configured: Coverage) -> ReportStyle:
    """How its tables look. Raises ``CovsyncError`` for what coverage.py does not know."""
    sort = str(configured.get_option("report:sort") or "name")
    if sort.lower().lstrip("+-") not in SORTS:
        raise CovsyncError(
            f"coverage.py's [report] sort is {sort!r}", f"Set it to one of: {', '.join(SORTS)}."
        )
    return ReportStyle(
        precision=precision(configured),
        sort=sort,
        skip_covered=bool(configured.get_option("report:skip_covered")),
        skip_empty=bool(configured.get_option("report:skip_empty")),
    )


def omitted(configured: Coverage) -> tuple[str, ...]:
    """The patterns of files to leave out, of ``[run]`` and ``[report]`` together."""
    lists = (configured.get_option("run:omit"), configured.get_option("report:omit"))
    return tuple(str(pattern) for each in lists if isinstance(each, list) for pattern in each)


def fail_under(configured: Coverage) -> Fraction | None:
    """The floor, ``None`` where there is none. Raises ``CovsyncError``."""
    value = configured.get_option("report:fail_under") or 0
    try:
        return floor(value) or None
    except ValueError as error:
        raise CovsyncError(
            f"coverage.py's [report] fail_under is {value}", f"Set it to {error}."
        ) from None


def contexts_are_harmless(coverage: Coverage) -> bool:
    """Older coverage.py writes contexts into a script as they are."""
    return not any(set(context) & set("<>&") for context in coverage.get_data().measured_contexts())


def precision(configured: Coverage) -> int:
    """The decimals that percentages are shown with."""
    value = configured.get_option("report:precision")
    return value if isinstance(value, int) else 0
