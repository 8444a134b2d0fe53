"""``coverage json``'s format, read into a ``Report``. Pure; the input is not trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from covsync.errors import CovsyncError
from covsync.measure.analysis.packing import packed, unpacked
from covsync.model import Branch, CoverageJson, FileReport, Lines, Report, ReportStyle, Totals

FORMATS = (2, 3)
LONGEST_PATH = 4096
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


class MalformedError(CovsyncError):
    """The document is not what ``coverage json`` writes."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the coverage json report is not usable: {what}",
            "Write it again with coverage.py 7.2 or newer: coverage json",
        )


def in_parts(document: object) -> CoverageJson:
    """A whole document, such as a file's content, in parts. Raises ``MalformedError``."""
    whole = _mapping(document, "the document")
    _has_branches(whole)
    files = _mapping(whole.get("files"), "files")
    try:
        texts = {path: json.dumps(entry, allow_nan=False) for path, entry in files.items()}
    except ValueError:
        raise MalformedError("one of its figures is endless") from None
    entries = {path: packed(text) for path, text in texts.items()}
    return CoverageJson({**whole, "files": {}}, entries)


def report_from_json(
    told: CoverageJson, style: ReportStyle, coverage_version: tuple[int, ...]
) -> Report:
    """The report that ``told`` holds. Raises ``MalformedError``.

    The totals are summed here from the files; a document whose own totals differ is refused, as
    no one could tell which of its figures to believe.
    """
    has_branches = _has_branches(told.document)
    files = [
        _file_report(path, _entry(path, entry), has_branches=has_branches)
        for path, entry in sorted(told.entries.items())
    ]
    return _report(told, files, style, coverage_version)


def report_from_summaries(
    told: CoverageJson,
    summaries: Mapping[str, Mapping[str, Any]],
    style: ReportStyle,
    coverage_version: tuple[int, ...],
) -> Report:
    """The report that ``told`` holds, of which the files' ``summaries`` are known by their path.

    As coverage.py itself made the entries, they are looked into where a file's lines are asked for.
    Raises ``MalformedError``.
    """
    has_branches = _has_branches(told.document)

    def file_report(path: str) -> FileReport:
        totals = _counts(summaries[path], path, has_branches=has_branches)
        entry = told.entries[path]

        def lines() -> Lines:
            return _file_report(path, _entry(path, entry), has_branches=has_branches).lines

        return FileReport(path, totals, lines)

    return _report(told, list(map(file_report, sorted(told.entries))), style, coverage_version)


def _report(
    told: CoverageJson,
    files: Sequence[FileReport],
    style: ReportStyle,
    coverage_version: tuple[int, ...],
) -> Report:
    has_branches = _has_branches(told.document)
    totals = Totals.together(each.totals for each in files)
    if _totals(told.document.get("totals"), "totals", has_branches=has_branches) != totals:
        raise MalformedError("its totals are not the sum of its files")
    return Report(tuple(files), totals, has_branches, style, coverage_version, told)


def _has_branches(document: Mapping[str, Any]) -> bool:
    meta = _mapping(document.get("meta"), "meta")
    if meta.get("format") not in FORMATS:
        raise MalformedError(f"its format is {meta.get('format')!r}, known are 2 and 3")
    has_branches = meta.get("branch_coverage")
    if not isinstance(has_branches, bool):
        raise MalformedError("meta.branch_coverage is not true or false")
    return has_branches


def _entry(path: str, packed_entry: bytes) -> Mapping[str, Any]:
    return _mapping(json.loads(unpacked(packed_entry)), f"files[{path!r}]")


def _file_report(path: str, entry: Mapping[str, Any], *, has_branches: bool) -> FileReport:
    if len(path) > LONGEST_PATH:
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
    told = summary.get("percent_covered")
    if (
        not isinstance(told, (int, float))
        or not 0 <= told <= 100
        or abs(told - float(totals.percent_covered)) > ROUNDING
    ):
        raise MalformedError(f"{where}.percent_covered is not what its counts make")
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
    if not isinstance(value, list) or any(type(line) is not int or line < 0 for line in value):
        raise MalformedError(f"{where} is not a list of line numbers")
    return tuple(sorted(value))


def _branches(entry: Mapping[str, Any], key: str, where: str) -> tuple[Branch, ...]:
    pairs = entry.get(key)
    if not isinstance(pairs, list) or any(
        not isinstance(pair, list) or len(pair) != 2 or any(type(line) is not int for line in pair)
        for pair in pairs
    ):
        raise MalformedError(f"{where}.{key} is not a list of pairs of lines")
    return tuple(sorted((start, end) for start, end in pairs))
