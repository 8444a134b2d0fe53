"""What ``covsync check`` says: a line a finding for people, a document for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction

from covsync.model import FileReport, Finding, Report, Verdict, exact_decimal, shown_name

UNVERIFIED = "Unverified: `covsync run` or `covsync record` would tell which code the tests ran on."
MEND_GLOB = "Mend the glob, or measure the files that it is meant for."
SHOWN_FILES = 3
SHOWN_ITEMS = 6
SHOWN_STALE = 5


def as_text(report: Report, verdict: Verdict, *, verified: bool) -> str:
    """One line where every floor held or none is set; else a line a finding, then what to do.

    Where it is not ``verified`` that the data belongs to the code, the line says so.
    """
    figure = f"coverage is {report.shown_total()}%" + ("" if verified else " (unverified)")
    lines = [_finding_line(report, finding) for finding in verdict.findings]
    lines += [f"{glob}: fits no measured file (paths)" for glob in verdict.unmatched_globs]
    if lines:
        lines.append(_what_to_do(verdict) if verdict.findings else MEND_GLOB)
        return "\n".join(lines if verified else [*lines, UNVERIFIED])
    if not verdict.held:
        return (
            f"covsync: {figure}; no floor is set, so nothing was enforced. Set one with "
            "fail_under in [tool.covsync] or in coverage.py's [report], or with --fail-under."
        )
    floors = "its floor" if verdict.held == 1 else f"all {verdict.held} floors"
    return f"covsync: {figure}, {floors} held"


def _finding_line(report: Report, finding: Finding) -> str:
    figure = finding.totals.shown_below(finding.floor, report.style.precision)
    if finding.rule == "fail_under_file":
        where = finding.files[0].missing_text()
    else:
        where = "; ".join(
            f"{shown_name(each.path)} {_first_items(each)}" for each in finding.files[:SHOWN_FILES]
        )
        if len(finding.files) > SHOWN_FILES:
            where += f"; and {len(finding.files) - SHOWN_FILES} more files"
    return (
        f"{shown_name(finding.subject)}: {figure}% is below {exact_decimal(finding.floor)}% "
        f"({finding.rule}{f': {finding.note}' if finding.note else ''}); missing {where}"
    )


def _first_items(file: FileReport) -> str:
    items = file.lines.missing_items()
    more = f" and {len(items) - SHOWN_ITEMS} more" if len(items) > SHOWN_ITEMS else ""
    return ", ".join(items[:SHOWN_ITEMS]) + more


def _what_to_do(verdict: Verdict) -> str:
    worst = verdict.findings[0]
    where = "" if worst.subject == "total" else f" in {shown_name(worst.subject)}"
    count = f"{worst.needed} more statement{'s' if worst.needed > 1 else ''}"
    if worst.totals.branches:
        count += " or branches" if worst.needed > 1 else " or branch"
    return f"Cover at least {count}{where}, run the tests under coverage.py, then try again."


def stale_text(unmeasured: Mapping[str, tuple[int, ...]], command: str) -> tuple[str, str]:
    """What no test has seen, and the one command that mends it."""
    told = [f"{shown_name(path)} {_ranges(lines)}" for path, lines in sorted(unmeasured.items())]
    shown = "; ".join(told[:SHOWN_STALE])
    if len(told) > SHOWN_STALE:
        shown += f"; and {len(told) - SHOWN_STALE} more files"
    return f"no test has run on this since it changed: {shown}", f"Run the tests again: {command}"


def _ranges(lines: Sequence[int]) -> str:
    """Sorted line numbers with those that follow each other joined: ``3, 5-7``."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def as_json(report: Report, verdict: Verdict, exit_code: int, *, verified: bool) -> str:
    """The same for programs. Counts are exact; percentages are the nearest floats."""
    document = {
        "exit_code": exit_code,
        "verified": verified,
        "percent_covered": float(report.totals.percent_covered),
        "percent_covered_display": report.shown_total(),
        "covered": report.totals.covered,
        "coverable": report.totals.coverable,
        "floors_held": verdict.held,
        "findings": [_finding_object(report, finding) for finding in verdict.findings],
        "unmatched_globs": list(verdict.unmatched_globs),
    }
    return json.dumps(document, indent=2)


def error_json(message: str, fix: str, exit_code: int) -> str:
    """What a program is told where nothing could be judged."""
    return json.dumps({"exit_code": exit_code, "error": message, "fix": fix}, indent=2)


def _finding_object(report: Report, finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "subject": finding.subject,
        "floor": _number(finding.floor),
        "percent_covered": float(finding.totals.percent_covered),
        "percent_covered_display": finding.totals.shown_below(
            finding.floor, report.style.precision
        ),
        "covered": finding.totals.covered,
        "coverable": finding.totals.coverable,
        "needed": finding.needed,
        "missing": {each.path: each.missing_text() for each in finding.files},
    }


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
