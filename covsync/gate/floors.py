"""The floors of a project, judged on exact figures, all in one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from covsync.errors import CovsyncError
from covsync.model import FileReport, Finding, Report, Totals, Verdict


def judge(
    report: Report,
    *,
    fail_under: Fraction | None,
    fail_under_file: Fraction | None,
    paths: Mapping[str, Fraction],
) -> Verdict:
    """Which floors ``report`` does not hold, the furthest below its floor first.

    ``paths`` maps a glob (as in ``.gitignore``) to the floor of all files under it together; a
    glob that fits no file is neither held nor broken, but told.
    """
    asked: list[tuple[str, str, Fraction, tuple[FileReport, ...]]] = []
    if fail_under is not None:
        asked.append(("fail_under", "total", fail_under, report.files))
    if fail_under_file is not None:
        asked += [("fail_under_file", each.path, fail_under_file, (each,)) for each in report.files]
    unmatched = []
    for glob, floor in paths.items():
        files = _under(glob, report.files)
        if files:
            asked.append(("paths", glob, floor, files))
        else:
            unmatched.append(glob)
    findings = []
    for rule, subject, floor, files in asked:
        totals = sum((each.totals for each in files), Totals())
        if totals.percent_covered < floor:
            findings.append(Finding(rule, subject, totals, floor, _most_missing_first(files)))
    findings.sort(key=lambda finding: (-finding.shortfall, finding.subject))
    return Verdict(tuple(findings), len(asked) - len(findings), tuple(unmatched))


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
