"""The figures of files, summed up as coverage.py's JSON report does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from covsync.model import shown_percent

# By the name that a percentage carries: what is covered, of how many.
RATIOS = {
    "percent_covered": (("covered_lines", "covered_branches"), ("num_statements", "num_branches")),
    "percent_statements_covered": (("covered_lines",), ("num_statements",)),
    "percent_branches_covered": (("covered_branches",), ("num_branches",)),
}


class UnknownFormError(Exception):
    """A report of coverage.py is not built as the ones that are known."""


def summed(summaries: Iterable[Mapping[str, Any]], precision: int) -> dict[str, Any]:
    """The totals of files with these ``summaries``. Raises ``UnknownFormError``.

    The keys and their order are those of the files, as coverage.py makes both alike.
    """
    names: list[str] | None = None
    counts: dict[str, int] = {}
    for summary in summaries:
        if names is None:
            names = list(summary)
            counts = {name: 0 for name in names if not name.startswith("percent_")}
        if list(summary) != names or any(type(summary[name]) is not int for name in counts):
            raise UnknownFormError
        for name in counts:
            counts[name] += summary[name]
    totals: dict[str, Any] = {}
    for name in names or ():
        ratio = RATIOS.get(name.removesuffix("_display"))
        if name in counts:
            totals[name] = counts[name]
        elif ratio is None:
            raise UnknownFormError
        else:
            covered, of = (sum(counts.get(key, 0) for key in keys) for keys in ratio)
            percent = (100.0 * covered) / of if of else 100.0
            shown = shown_percent(covered, of, precision)
            totals[name] = shown if name.endswith("_display") else percent
    return totals
