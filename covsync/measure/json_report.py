"""The format of ``coverage json``: read into a ``Report``, and summed up as coverage.py does.

Pure; a document that is read from a file is not trusted.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from covsync.errors import CovsyncError
from covsync.limits import NAME_CHARACTERS, NUMBER_DIGITS, REPORT_SIZE, exceeded, limit
from covsync.model import (
    Branch,
    CoverageJson,
    FileReport,
    Lines,
    Report,
    ReportStyle,
    Totals,
    shown_percent,
)

FORMATS = (2, 3)
LARGEST_COUNT = 10**9
ROUNDING = 1e-6
SUMMARY_KEYS = {
    "statements": "num_statements",
    "missing": "missing_lines",
    "excluded": "excluded_lines",
    "branches": "num_branches",
    "partial_branches": "num_partial_branches",
    "missing_branches": "missing_branches",
}
BRANCH_KEYS = ("branches", "partial_branches", "missing_branches")
# By the name that a percentage carries: what is covered, of how many.
RATIOS = {
    "percent_covered": (("covered_lines", "covered_branches"), ("num_statements", "num_branches")),
    "percent_statements_covered": (("covered_lines",), ("num_statements",)),
    "percent_branches_covered": (("covered_branches",), ("num_branches",)),
}


class UnexpectedOutputError(Exception):
    """What coverage.py wrote is not built as covsync expects, so it is only used as a whole."""


class MalformedError(CovsyncError):
    """The document is not what ``coverage json`` writes."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the coverage json report is not usable: {what}",
            "Write it again with coverage.py 7.2 or newer: coverage json",
        )


class Entry(NamedTuple):
    """A file's entry under ``files``: its ``summary`` as JSON, and all of it compressed.

    Both are empty for a file that coverage.py leaves out of its reports.
    """

    summary: str
    content: bytes

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Entry:
        """The entry as it is stored."""
        return cls(json.dumps(entry["summary"]), compressed(json.dumps(entry)))


def compressed(text: str) -> bytes:
    """A text in few bytes."""
    return zlib.compress(text.encode(), 1)


def decompressed(content: bytes) -> str:
    """The text that was ``compressed``."""
    return zlib.decompress(content).decode()


def read_document(path: Path) -> dict[str, Any]:
    """The content of a ``coverage json`` file. Raises ``CovsyncError``."""
    with path.open("rb") as stream:
        content = stream.read(limit(REPORT_SIZE) + 1)
    if len(content) > limit(REPORT_SIZE):
        raise exceeded(str(path), REPORT_SIZE, "bytes of a coverage json report")
    try:
        found = json.loads(
            content,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except (ValueError, RecursionError) as error:
        raise CovsyncError(
            f"{path} is not valid JSON: {error}", "Write it again: coverage json"
        ) from None
    document = _mapping(found, "the document")
    _mapping(document.get("files", {}), "files")
    return dict(document)


def in_parts(document: Mapping[str, Any]) -> CoverageJson:
    """A whole document in parts. Raises ``MalformedError``."""
    _has_branches(document)
    files = _mapping(document.get("files"), "files")
    entries = {path: compressed(json.dumps(entry)) for path, entry in files.items()}
    return CoverageJson({**document, "files": {}}, entries)


def sum_up(summaries: Iterable[Mapping[str, Any]], precision: int) -> dict[str, Any]:
    """The ``totals`` of files with these ``summaries``. Raises ``UnexpectedOutputError``.

    The keys and their order are those of the files, as coverage.py makes both alike.
    """
    names: list[str] | None = None
    counts: dict[str, int] = {}
    for summary in summaries:
        if names is None:
            names = list(summary)
            counts = {name: 0 for name in names if not name.startswith("percent_")}
        if list(summary) != names or any(type(summary[name]) is not int for name in counts):
            raise UnexpectedOutputError
        for name in counts:
            counts[name] += summary[name]
    return {
        name: counts[name] if name in counts else _percentage(name, counts, precision)
        for name in names or ()
    }


def _percentage(name: str, counts: Mapping[str, int], precision: int) -> float | str:
    """A percentage of the ``counts`` by its name, which ends in ``_display`` for a text."""
    ratio = RATIOS.get(name.removesuffix("_display"))
    if ratio is None:
        raise UnexpectedOutputError
    covered, coverable = (sum(counts.get(key, 0) for key in keys) for keys in ratio)
    if name.endswith("_display"):
        return shown_percent(covered, coverable, precision)
    return (100.0 * covered) / coverable if coverable else 100.0


def report_from_json(parts: CoverageJson, style: ReportStyle) -> Report:
    """The report that a document holds. Raises ``MalformedError``.

    The totals are summed here from the files; a document whose own totals differ is refused, as
    nothing says which of its figures is right.
    """
    has_branches = _has_branches(parts.document)
    files = [
        _file_report(path, _entry(path, entry), has_branches=has_branches)
        for path, entry in sorted(parts.entries.items())
    ]
    return _report(parts, files, style)


def report_from_summaries(
    parts: CoverageJson,
    summaries: Mapping[str, Mapping[str, Any]],
    style: ReportStyle,
) -> Report:
    """The same of a document that coverage.py made just now, with the files' ``summaries`` by path.

    An entry is only decompressed where a file's lines are asked for. Raises ``MalformedError``.
    """
    has_branches = _has_branches(parts.document)

    def file_report(path: str) -> FileReport:
        totals = _counts(summaries[path], path, has_branches=has_branches)
        lines = partial(Lines.of_entry, parts.entries[path], has_branches=has_branches)
        return FileReport(path, totals, lines)

    return _report(parts, list(map(file_report, sorted(parts.entries))), style)


def _report(
    parts: CoverageJson,
    files: Sequence[FileReport],
    style: ReportStyle,
) -> Report:
    has_branches = _has_branches(parts.document)
    totals = Totals.together(each.totals for each in files)
    if _totals(parts.document.get("totals"), "totals", has_branches=has_branches) != totals:
        raise MalformedError("its totals are not the sum of its files")
    return Report(tuple(files), totals, has_branches, style, parts)


def _has_branches(document: Mapping[str, Any]) -> bool:
    meta = _mapping(document.get("meta"), "meta")
    if meta.get("format") not in FORMATS:
        raise MalformedError(f"its format is {meta.get('format')!r}, expected 2 or 3")
    has_branches = meta.get("branch_coverage")
    if not isinstance(has_branches, bool):
        raise MalformedError("meta.branch_coverage is not true or false")
    return has_branches


def _entry(path: str, content: bytes) -> Mapping[str, Any]:
    return _mapping(json.loads(decompressed(content)), f"files[{path!r}]")


def _file_report(path: str, entry: Mapping[str, Any], *, has_branches: bool) -> FileReport:
    if len(path) > limit(NAME_CHARACTERS):
        raise MalformedError(f"a file's name has {len(path)} characters")
    where = f"files[{path!r}]"
    totals = _totals(entry.get("summary"), f"{where}.summary", has_branches=has_branches)
    lines = Lines(
        executed=_lines(entry.get("executed_lines"), f"{where}.executed_lines"),
        missing=_lines(entry.get("missing_lines"), f"{where}.missing_lines"),
        excluded=_lines(entry.get("excluded_lines"), f"{where}.excluded_lines"),
        missing_branches=_branches(entry, "missing_branches", where) if has_branches else (),
        executed_branches=_branches(entry, "executed_branches", where) if has_branches else (),
    )
    listed = (set(lines.executed) | set(lines.missing)) - set(lines.excluded)
    missing, branches = set(lines.missing), set(lines.missing_branches)
    if (
        len(missing) != totals.missing
        or len(lines.missing) != len(missing)
        or len(branches) != totals.missing_branches
        or len(listed) < totals.statements
    ):
        raise MalformedError(f"{where} lists other lines than it counts")
    return FileReport(path, totals, lines)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError(f"{where} is not an object")
    return value


def _totals(value: object, where: str, *, has_branches: bool) -> Totals:
    summary = _mapping(value, where)
    totals = _counts(summary, where, has_branches=has_branches)
    if totals.missing > totals.statements or totals.missing_branches > totals.branches:
        raise MalformedError(f"{where} misses more than there is")
    percent = summary.get("percent_covered")
    if (
        not isinstance(percent, (int, float))
        or not 0 <= percent <= 100
        or abs(percent - float(totals.percent_covered)) > ROUNDING
    ):
        raise MalformedError(f"{where}.percent_covered is not what its counts make")
    covered = {"covered_lines": totals.statements - totals.missing}
    if has_branches:
        covered["covered_branches"] = totals.branches - totals.missing_branches
    for key, count in covered.items():
        given = summary.get(key, count)
        if type(given) is not int or given != count:
            raise MalformedError(f"{where}.{key} is not what its counts make")
    return totals


def _counts(summary: Mapping[str, Any], where: str, *, has_branches: bool) -> Totals:
    counts = {}
    for name, key in SUMMARY_KEYS.items():
        if name in BRANCH_KEYS and not has_branches:
            continue
        count = summary.get(key)
        if type(count) is not int or not 0 <= count <= LARGEST_COUNT:
            raise MalformedError(f"{where}.{key} is not a count")
        counts[name] = count
    return Totals(**counts)


def _lines(value: object, where: str) -> tuple[int, ...]:
    if not isinstance(value, list) or any(
        type(line) is not int or not 0 <= line <= LARGEST_COUNT for line in value
    ):
        raise MalformedError(f"{where} is not a list of line numbers")
    return tuple(sorted(value))


def _branches(entry: Mapping[str, Any], key: str, where: str) -> tuple[Branch, ...]:
    pairs = entry.get(key)
    if not isinstance(pairs, list) or any(
        not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_line, pair))
        for pair in pairs
    ):
        raise MalformedError(f"{where}.{key} is not a list of pairs of lines")
    return tuple(sorted((start, end) for start, end in pairs))


def _is_line(value: object) -> bool:
    """Whether it is a line's number; below zero it leaves the code object that begins there."""
    return type(value) is int and abs(value) <= LARGEST_COUNT


def _whole(text: str) -> int:
    """A number; not every Python refuses to read millions of digits, which takes it hours."""
    if len(text) > limit(NUMBER_DIGITS):
        raise exceeded("a number in the coverage json report", NUMBER_DIGITS, "digits")
    return int(text)


def _finite(text: str) -> float:
    if len(text) > limit(NUMBER_DIGITS):
        raise exceeded("a number in the coverage json report", NUMBER_DIGITS, "digits")
    return float(text) if math.isfinite(float(text)) else _refuse_constant(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a figure")
