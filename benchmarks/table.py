"""The results as a table in Markdown, held against the targets."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from jobs import (
    CHECK_COLD,
    CHECK_FAILING,
    CHECK_RECORD,
    CHECK_TIMES,
    MOST_MEMORY,
    PUSH_AGAIN,
    PUSH_COLD,
    REPORTS,
    TARGETS,
    Target,
)
from processes import Ended

MARKS = ("<!-- performance -->", "<!-- /performance -->")
VERSIONS = """\
import platform, subprocess, coverage
git = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.split()[2]
print(f"Python {platform.python_version()}, coverage.py {coverage.__version__}, git {git}")
"""
MEGA = 1_000_000
FEW = (CHECK_RECORD, CHECK_FAILING, PUSH_COLD, PUSH_AGAIN)


@dataclass(frozen=True)
class Result:
    """What the jobs took on a project: median seconds, and the most memory in bytes."""

    name: str
    files: int
    statements: int
    rounds: int
    seconds: Mapping[str, float]
    peak: Mapping[str, int]
    together: Mapping[str, int]

    @classmethod
    def of(cls, name: str, facts: Path, took: Mapping[str, Sequence[Ended]]) -> Result:
        """The result of all rounds."""
        found = json.loads(facts.read_text())
        return cls(
            name,
            found["files"],
            found["statements"],
            max(map(len, took.values())),
            {job: median(one.seconds for one in each) for job, each in took.items()},
            {job: max(one.peak for one in each) for job, each in took.items()},
            {job: max(one.together for one in each) for job, each in took.items()},
        )


def machine(versions: str) -> str:
    """What the table was measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores ({platform.machine()}), {versions.strip()}"


def text(results: Sequence[Result], where: str, *, judged: bool) -> str:
    """The whole table; with the targets and whether each was met where ``judged``."""
    head = ["project", "job", "median", "compared with", "", *(["target", ""] if judged else [])]
    rows = [head, ["---"] * len(head)]
    for result in results:
        rows += _timed(result, judged=judged)
        rows += _remembered(result, judged=judged)
    lines = [f"Medians of whole processes on {where}:", ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *(_described(result) for result in results)]
    lines += _growth(results)
    return "\n".join(lines) + "\n"


def short(results: Sequence[Result], where: str) -> str:
    """The rows about covsync alone, without the targets."""
    lines = text(results, where, judged=False).splitlines()
    of_covsync = (line for line in lines if "`covsync" in line or not line.endswith(" |  |  |"))
    return "\n".join(of_covsync) + "\n"


def few(results: Sequence[Result], where: str) -> str:
    """Four rows of the largest project that was published, and what it is."""
    result = next(each for each in reversed(results) if REPORTS in each.seconds)
    rows = [
        row[1:]
        for row in _timed(result, judged=False)
        if row[1] in map(_command, FEW) and not row[3].endswith("pass`")
    ]
    head = ["job", "median", "compared with", ""]
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    about = f"{result.name}, {result.files:,} files; medians of whole processes on {where}:"
    return f"{about[0].upper()}{about[1:]}\n\n" + "\n".join(lines) + "\n"


def write_between_marks(page: Path, text: str) -> None:
    """Puts ``text`` between the two marks of a ``page``."""
    whole = page.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        raise SystemExit(f"{page} has no {MARKS[0]} before a {MARKS[1]}")
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


def _timed(result: Result, *, judged: bool) -> list[list[str]]:
    rows = []
    for job, seconds in result.seconds.items():
        targets = [each for each in TARGETS[result.name] if each.job == job and not each.memory]
        shown = [result.name, _command(job), _seconds(seconds)]
        reference = REPORTS if job.startswith("push") else "coverage report --fail-under"
        is_ours = job.startswith(("check", "push", "record"))
        if not targets and is_ours and reference in result.seconds:
            targets = [Target(job, reference, 0, faster=job.startswith("check"))]
        rows += [
            shown + _ratio(seconds, result.seconds[target.against], target, judged=judged)
            for target in targets
        ] or [[*shown, *[""] * (4 if judged else 2)]]
    return rows


def _remembered(result: Result, *, judged: bool) -> list[list[str]]:
    """The rows about memory."""
    rows = []
    for target in (each for each in TARGETS[result.name] if each.memory):
        used, other = result.peak[target.job], result.peak[target.against]
        shown = f"{used / MEGA:.0f} MB"
        if result.together[target.job] > used:
            shown += f" ({result.together[target.job] / MEGA:.0f} MB all processes)"
        shown_job = f"peak memory of {_command(target.job)}"
        rows.append([result.name, shown_job, shown, *_ratio(used, other, target, judged=judged)])
    for job, most in MOST_MEMORY.get(result.name, {}).items():
        used = result.together[job]
        shown = f"{used / MEGA:.0f} MB all processes"
        met = "met" if 0 < used <= most else "missed"
        bound = [f"at most {most / MEGA:.0f} MB", met] if judged else []
        shown_job = f"peak memory of {_command(job)}"
        rows.append([result.name, shown_job, shown, "", "", *bound])
    return rows


def _ratio(figure: float, other: float, target: Target, *, judged: bool) -> list[str]:
    beside = f"`{target.against}`" if " -" in target.against else target.against
    if target.memory:
        beside = f"{beside}: {other / MEGA:.0f} MB"
    cells = [beside, _in_words(figure / other, is_memory=target.memory)]
    if target.faster:
        bound = f"at least {target.bound:g} times as fast"
        met = other / figure >= target.bound
    else:
        bound, met = f"at most {target.bound:g}", figure / other <= target.bound
    if not judged:
        return cells
    return cells + ([bound, "met" if met else "missed"] if target.bound else ["", ""])


def _in_words(ratio: float, *, is_memory: bool) -> str:
    if is_memory:
        return f"{ratio:.2g} of it"
    if 0.95 <= ratio <= 1.05:
        return "as fast"
    return f"{1 / ratio:.3g} times as fast" if ratio < 1 else f"takes {ratio:.2g} times as long"


def _command(job: str) -> str:
    if job.startswith(("check", "push", "record")):
        command, _, state = job.partition(", ")
        return f"`covsync {command}`, {state}"
    return job if job == REPORTS else f"`{job}`"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _described(result: Result) -> str:
    return (
        f"- {result.name}: {result.files:,} files, {result.statements:,} statements; "
        f"{result.rounds} round{'s' if result.rounds > 1 else ''}"
    )


def _growth(results: Sequence[Result]) -> list[str]:
    """What a thousand statements more cost when cold, and a file more when warm."""
    lines = []
    for one, two in pairwise(sorted(results, key=lambda result: result.files)):
        thousands = (two.statements - one.statements) / 1000
        files = two.files - one.files
        cold = (two.seconds[CHECK_COLD] - one.seconds[CHECK_COLD]) / thousands
        warm, stored = (
            (two.seconds[job] - one.seconds[job]) / files for job in (CHECK_RECORD, CHECK_TIMES)
        )
        lines.append(
            f"- cost of growth, {one.name} to {two.name}: cold {cold * 1000:.1f} ms per 1,000 "
            f"statements; warm {warm * 1e6:.0f} µs per file by the record, "
            f"{stored * 1e6:.0f} µs by file times"
        )
    return lines
