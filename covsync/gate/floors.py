"""Judges the floors of a project on exact figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from covsync.errors import CovsyncError
from covsync.model import HUNDRED, Baseline, FileReport, Finding, Report, Totals, Verdict, shown

SHOWN_LOSSES = 3


class Asked(NamedTuple):
    """The floors to judge, ``None`` for one that is not set.

    ``paths`` maps a glob (as in ``.gitignore``) to the floor of all files under it together.
    ``changes`` are, by file, the lines that ``fail_under_diff`` is about. ``max_drop`` are
    percentage points below what was published ``before``; without that it is not judged.
    """

    fail_under: Fraction | None = None
    fail_under_file: Fraction | None = None
    fail_under_diff: Fraction | None = None
    changes: Mapping[str, frozenset[int]] = {}
    paths: Mapping[str, Fraction] = {}
    max_drop: Fraction | None = None
    before: Baseline | None = None


def judge(report: Report, asked: Asked) -> Verdict:
    """Which floors ``report`` does not hold, the furthest below its floor first.

    A glob that matches no file is reported in ``unmatched_globs``.
    """
    judged: list[tuple[str, str, Fraction, tuple[FileReport, ...]]] = []
    if asked.fail_under is not None:
        judged.append(("fail_under", "total", asked.fail_under, report.files))
    if asked.fail_under_file is not None:
        floor = asked.fail_under_file
        judged += [("fail_under_file", each.path, floor, (each,)) for each in report.files]
    if asked.fail_under_diff is not None:
        files = _narrowed(report.files, asked.changes)
        judged.append(("fail_under_diff", "changed lines", asked.fail_under_diff, files))
    unmatched = []
    for glob, floor in asked.paths.items():
        files = _under(glob, report.files)
        if files:
            judged.append(("paths", glob, floor, files))
        else:
            unmatched.append(glob)
    if asked.max_drop is not None and asked.before is not None:
        floor = max(asked.before.percent - asked.max_drop, Fraction(0))
        judged.append(("max_drop", "total", floor, report.files))
    findings = []
    for rule, subject, floor, files in judged:
        totals = Totals.together(each.totals for each in files)
        if totals.is_below(floor):
            missing = _most_missing_first(files)
            before = asked.before if rule == "max_drop" else None
            note = _losses(report, before) if before else ""
            findings.append(Finding(rule, subject, totals, floor, missing, note))
    findings.sort(key=lambda finding: (-finding.shortfall, finding.subject))
    return Verdict(tuple(findings), len(judged) - len(findings), tuple(unmatched))


class Raised(NamedTuple):
    """A configured floor by its ``key``, and the highest one on a step that the project holds."""

    key: tuple[str, ...]
    old: Fraction
    new: Fraction


def raised(
    report: Report,
    *,
    fail_under: Fraction | None,
    fail_under_file: Fraction | None,
    paths: Mapping[str, Fraction],
    step: Fraction,
) -> list[Raised]:
    """What each floor that is set could be. A glob that matches no file is left out."""
    held: list[tuple[tuple[str, ...], Fraction, Fraction]] = []
    if fail_under is not None:
        held.append((("fail_under",), fail_under, report.totals.percent_covered))
    if fail_under_file is not None:
        lowest = min((each.totals.percent_covered for each in report.files), default=HUNDRED)
        held.append((("fail_under_file",), fail_under_file, lowest))
    for glob, floor in paths.items():
        files = _under(glob, report.files)
        if files:
            totals = Totals.together(file.totals for file in files)
            held.append((("paths", glob), floor, totals.percent_covered))
    return [Raised(key, old, figure // step * step) for key, old, figure in held]


def _narrowed(
    files: Iterable[FileReport], changes: Mapping[str, frozenset[int]]
) -> tuple[FileReport, ...]:
    """The files' reports on their changed lines alone."""
    return tuple(each.on_lines(changes[each.path]) for each in files if changes.get(each.path))


def _losses(report: Report, before: Baseline) -> str:
    """From what to what, and which files lost most."""
    files = before.files()
    lost = sorted(
        (each.totals.percent_covered - files[each.path], each.path, each)
        for each in report.files
        if each.path in files
    )
    precision = report.style.precision
    losses = [
        f"{each.path} {shown(files[each.path], precision)}% -> {each.totals.shown(precision)}%"
        for points, _, each in lost[:SHOWN_LOSSES]
        if points < 0
    ]
    was = f"was {shown(before.percent, precision)}%"
    return f"{was}; lost most: {', '.join(losses)}" if losses else was


def _under(glob: str, files: Iterable[FileReport]) -> tuple[FileReport, ...]:
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines([glob])
    except ValueError as error:
        raise CovsyncError(
            f"{glob!r} in `paths` is not a glob: {error}", "Write it as in .gitignore: src/core/**"
        ) from None
    return tuple(each for each in files if spec.match_file(each.path))


def _most_missing_first(files: Iterable[FileReport]) -> tuple[FileReport, ...]:
    def uncovered(each: FileReport) -> int:
        return each.totals.coverable - each.totals.covered

    missing = [each for each in files if uncovered(each)]
    return tuple(sorted(missing, key=lambda each: (-uncovered(each), each.path)))
