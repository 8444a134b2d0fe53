"""The output of ``covsync check``: lines for people, a JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

from covsync.model import (
    Difference,
    Evidence,
    FileReport,
    Finding,
    Report,
    Verdict,
    exact_decimal,
    shown_name,
)

BY_TIMES = ("file times", "record by file times")

FIX_GLOB = "Correct the glob, or measure the files that it is meant for."
SHOWN_FILES = 3
SHOWN_ITEMS = 6
SHOWN_DIFFERENCES = 5
HAPPENED = {
    "edited": "was edited after the tests ran",
    "excluded": "is excluded from coverage otherwise than when the tests ran",
    "added": "was added after the tests ran",
    "deleted": "was loaded by the tests and is deleted",
    "missing": "was loaded by the tests and is not in this commit",
    "written": "was written after the coverage data",
    "unstaged": "has changes that are not staged",
    "elsewhere": "is another text in the work tree",
    "uncommitted": "has changes that are not committed",
    "settings": "changed after the tests ran",
}


def as_text(report: Report, verdict: Verdict, evidence: Evidence, command: str) -> str:
    """One line where every floor held or none is set; else a line a finding, then what to do.

    ``command`` runs all tests.
    """
    lines = [_finding_line(report, finding) for finding in verdict.findings]
    lines += [
        f"{shown_name(glob)}: matches no measured file (paths)" for glob in verdict.unmatched_globs
    ]
    if lines:
        lines += filter(None, [_reservations(evidence)])
        if evidence.narrowed:
            lines.append(
                f"Run all tests: {command}. Only a part of them ran ({evidence.narrowed})."
            )
        else:
            lines.append(_what_to_do(verdict) if verdict.findings else FIX_GLOB)
        return "\n".join(lines)
    figure = f"coverage is {_figure(report, evidence)}"
    if not verdict.held:
        return (
            f"covsync: {figure}; no floor is set, so nothing was enforced. Set one with "
            "fail_under in [tool.covsync] or in coverage.py's [report], or with --fail-under."
        )
    floors = "its floor" if verdict.held == 1 else f"all {verdict.held} floors"
    reservations = _reservations(evidence)
    return f"covsync: {figure}, {floors} held" + (f"; {reservations}" if reservations else "")


def _figure(report: Report, evidence: Evidence) -> str:
    figure = f"{report.shown_total()}%"
    if evidence.narrowed:
        part = f"only a part of the tests ran: {evidence.narrowed}"
        figure = f"{'at least ' if _is_bound(evidence) else ''}{figure} ({part})"
    return f"{figure} by file times" if evidence.kind in BY_TIMES else figure


def _is_bound(evidence: Evidence) -> bool:
    """Whether all tests cover at least as much, as where only a part of them ran on the same."""
    return bool(evidence.narrowed) and not evidence.differences


def _reservations(evidence: Evidence) -> str:
    """What the verdict stands on in spite of it, "" for nothing."""
    found = ["the tests had failed"] if evidence.failed else []
    if evidence.differences:
        count = len(evidence.differences)
        found.append(
            f"{count} {'file differs' if count == 1 else 'files differ'} from what the tests ran on"
        )
    return "; ".join(found)


def evidence_text(evidence: Evidence, now: int) -> str:
    """What stands behind a verdict: when the tests ran, and on how many files."""
    files = f"{evidence.files} {'file' if evidence.files == 1 else 'files'}"
    ago = _ago(now - evidence.recorded_at)
    return {
        "record": f"judged by the run of the tests {ago}, which loaded or measured {files}",
        "record by file times": f"judged by the coverage data recorded {ago}: {files}, older than "
        "the data by their times",
        "file times": f"judged by the coverage data written {ago}, which is not recorded: {files}, "
        "older than the data by their times",
        "commit": f"judged by the coverage data written {ago}, taken as measured on this commit: "
        f"{files}",
    }[evidence.kind]


def _ago(seconds: int) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = seconds // size
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "less than a minute ago"


def _finding_line(report: Report, finding: Finding) -> str:
    figure = finding.totals.shown_below(finding.floor, report.style.precision)
    if finding.rule == "fail_under_file":
        where = f"{shown_name(finding.subject)}:{finding.files[0].missing_text()}"
    else:
        where = "; ".join(
            f"{shown_name(each.path)}:{_first_items(each)}" for each in finding.files[:SHOWN_FILES]
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


def differences_text(differences: Sequence[Difference]) -> str:
    """How the commit differs from what the tests ran on, at most a few files, on one line."""
    lines = [
        f"{shown_name(each.path)}{f':{each.line}' if each.line else ''} {HAPPENED[each.what]}"
        for each in differences[:SHOWN_DIFFERENCES]
    ]
    if len(differences) > SHOWN_DIFFERENCES:
        count = len(differences) - SHOWN_DIFFERENCES
        lines.append(f"and {count} more {'file' if count == 1 else 'files'}")
    return "; ".join(lines)


def as_json(report: Report, verdict: Verdict, exit_code: int, evidence: Evidence) -> str:
    """The same for programs. Counts are exact; percentages are the nearest floats."""
    document = {
        "exit_code": exit_code,
        "judged": True,
        "evidence": evidence.kind,
        "lower_bound": _is_bound(evidence),
        "tests_failed": evidence.failed,
        "differences": [each._asdict() for each in evidence.differences],
        "percent_covered": float(report.totals.percent_covered),
        "percent_covered_display": report.shown_total(),
        "covered": report.totals.covered,
        "coverable": report.totals.coverable,
        "floors_held": verdict.held,
        "findings": [_finding_object(report, finding) for finding in verdict.findings],
        "unmatched_globs": list(verdict.unmatched_globs),
    }
    return json.dumps(document, indent=2)


def not_judged_json(reason: str) -> str:
    """What a program reads where a commit was not judged."""
    return json.dumps({"exit_code": 0, "judged": False, "reason": reason}, indent=2)


def error_json(message: str, fix: str, exit_code: int) -> str:
    """What a program reads where nothing could be judged."""
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
