"""What is measured, in the order of a round, and what it should take."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from datasets import Project

BARE = "python -c pass"
REPORT = "coverage report --fail-under"
JSON = "coverage json"
MARKDOWN = "coverage report --format=markdown"
HTML = "coverage html --skip-empty"
REPORTS = "json, markdown and html together"
CHECK_COLD = "check, cold"
CHECK_TIMES = "check, nothing changed, by file times"
CHECK_RECORD = "check, nothing changed, by the record"
CHECK_FAILING = "check, nothing changed, by the record, below the floor"
CHECK_CHANGED = "check, 10 files changed"
RECORD_CHANGED = "record, 10 files changed"
PUSH_COLD = "push, cold"
PUSH_AGAIN = "push, already published"
PUSH_CHANGED = "push, 10 files changed"


@dataclass(frozen=True)
class Job:
    """A command, and what makes the state it starts from; the latter is not measured."""

    name: str
    command: tuple[str, ...]
    prepare: tuple[Callable[[], object], ...] = ()
    status: int = 0


@dataclass(frozen=True)
class Target:
    """A bound on a job, as a ratio to what another job took in the same run.

    The bound is the least speed-up where ``faster``, else the most of the other's figure. It is
    about peak memory where ``memory``, else about time.
    """

    job: str
    against: str
    bound: float
    faster: bool = False
    memory: bool = False


def _faster(job: str, bound: float) -> Target:
    return Target(job, REPORT, bound, faster=True)


TARGETS = {
    "small": (
        _faster(CHECK_RECORD, 4),
        Target(CHECK_RECORD, BARE, 10),
        Target(CHECK_TIMES, BARE, 10),
    ),
    "django": (
        _faster(CHECK_RECORD, 40),
        _faster(CHECK_FAILING, 40),
        _faster(CHECK_TIMES, 20),  # git looks at every file then
        _faster(CHECK_CHANGED, 15),
        Target(CHECK_COLD, REPORT, 0.7),
        Target(RECORD_CHANGED, REPORT, 0.08),
        Target(PUSH_COLD, REPORTS, 0.55),
        Target(PUSH_AGAIN, REPORTS, 0.05),
        Target(PUSH_CHANGED, REPORTS, 0.35),
    ),
    "large": (
        _faster(CHECK_RECORD, 150),
        _faster(CHECK_TIMES, 75),
        Target(CHECK_COLD, REPORT, 1, memory=True),
        Target(CHECK_RECORD, REPORT, 0.2, memory=True),
        Target(CHECK_TIMES, REPORT, 0.2, memory=True),
    ),
}
# The most bytes that a job may take in all its processes together.
MOST_MEMORY = {"large": {PUSH_COLD: 400_000_000}}


def jobs(project: Project, *, with_reports: bool) -> list[Job]:
    """The jobs of a round; ``with_reports`` those too that coverage.py writes whole reports in."""
    output = project.folder / "output"

    def coverage(*arguments: str) -> tuple[str, ...]:
        return (project.python, "-m", "coverage", *arguments)

    def covsync(*arguments: str) -> tuple[str, ...]:
        return (project.python, "-m", "covsync", *arguments)

    def start_anew() -> None:
        project.switch("main")
        shutil.rmtree(project.stored(), ignore_errors=True)
        project.stored().mkdir()  # as the hook has left it; without it `push` keeps nothing
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()

    def change() -> None:
        project.switch("changed")

    def unchange() -> None:
        project.switch("main")

    def record() -> None:
        project(*covsync("record"))

    check = covsync("check", "--fail-under=1")
    checks = [
        Job(CHECK_COLD, check, (start_anew,)),
        Job(CHECK_TIMES, check),
        Job(CHECK_RECORD, check, (record,)),
        Job(CHECK_FAILING, covsync("check", "--fail-under=100"), status=2),
        Job(CHECK_CHANGED, check, (change,)),
        Job(RECORD_CHANGED, covsync("record"), (unchange, record, change)),
    ]
    report = Job(REPORT, coverage("report", "--fail-under=1"))
    bare = Job(BARE, (project.python, "-c", "pass"), (start_anew,))
    push = covsync("push")
    push_cold = Job(PUSH_COLD, push, (start_anew, project.clear_remote))
    if not with_reports:
        return [bare, report, *checks, push_cold]
    return [
        bare,
        report,
        Job(JSON, coverage("json", "-o", str(output / "coverage.json"))),
        Job(MARKDOWN, coverage("report", "--format=markdown")),
        Job(HTML, coverage("html", "--skip-empty", "-d", str(output / "html"))),
        *checks,
        push_cold,
        Job(PUSH_AGAIN, push),
        Job(PUSH_CHANGED, push, (change,)),
    ]
