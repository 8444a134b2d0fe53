"""Whatever is done to a project, the gate never says what a fresh run of the tests would not.

``COVSYNC_TRUTH_ATTEMPTS`` says how many attempts to commit are made, ``COVSYNC_TRUTH_SEED`` which.
"""

from __future__ import annotations

import compileall
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sample_project
from edits import CODE, LAYOUT, TEST
from histories import (
    MOVES,
    NEW,
    OBSERVED,
    OTHER_RUNS,
    Commit,
    Configure,
    Delete,
    Edit,
    Git,
    Move,
    Run,
    Stage,
    Step,
    Write,
)
from judged_history import JudgedHistory

import covsync

PARTS = 4  # tests of this file, that two processes may share the work
ATTEMPTS = int(os.environ.get("COVSYNC_TRUTH_ATTEMPTS", "12"))
SEED = os.environ.get("COVSYNC_TRUTH_SEED", "0")
ROUNDS = 2  # attempts in a history
SHRINKING_SECONDS = 120.0

PRODUCT = [
    *["pkg/shapes.py", "pkg/flow.py"] * 4,
    *["tools.py", "tools.py", "pkg/unused.py", "pkg/skipped.py"],
    *["conftest.py", "pkg/__init__.py", "scripts/job.py"],
]
TESTS = ["tests/test_shapes.py", "tests/test_flow.py", "tests/test_more.py", "tests/support.py"]
PYTHON = [path for path in sample_project.FILES if path.endswith(".py")]
PLACES = (
    *["stash", "stash pop", "stash --keep-index", "switch other", "switch main"],
    *["commit --quiet --no-verify -m unseen", "commit --quiet --no-verify -a -m unseen"],
    *["revert --no-commit HEAD", "restore .", "reset --quiet --hard"],
)
COMMITS = (
    *["git commit -qm Change"] * 5,
    *["LIKE_PRE_COMMIT=1 git commit -qm Change"] * 2,
    "git commit -qam Change",
    "git commit -q --amend --no-edit",
    "git commit -qm Change -- pkg",
    "git merge -q --no-ff --no-edit other",
    "git merge -q --no-ff --no-commit other; git commit -qm Merge",
)


class Chance:
    """Draws steps."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def project(self) -> str:
        """A name of settings."""
        return self._random.choice([*sample_project.RUN])

    def history(self) -> list[Step]:
        """A history of a few attempts."""
        return [step for _ in range(ROUNDS) for step in self._round()]

    def _round(self) -> Iterator[Step]:
        kind = self._random.randrange(5)
        if kind in (0, 4):  # what a careful person does, and one who forgets a last run
            yield from self._changes(1, 3)
            yield Run(self._random.choice(OBSERVED))
            yield from self._layouts(0, 3)
            yield from self._changes(0, 0 if kind == 0 else 1)
            yield Stage("all", 0)
        else:
            yield from self._changes(0, 3)
            if kind == 1:
                yield Stage("all", 0)
            if kind == 2:
                yield from self._places()
            yield from self._runs()
            yield from self._few()
            yield from self._stages()
            if kind == 3:
                yield from self._places()
        yield Commit(
            self._random.choice(COMMITS),
            self._random.choice(["none", "below", "above"]),
            self._random.randrange(3),
        )

    def _count(self, least: int, most: int) -> range:
        return range(self._random.randint(least, most))

    def _changes(self, least: int, most: int) -> Iterator[Step]:
        for _ in self._count(least, most):
            yield self._random.choice([self._code, self._code, self._test, self._other])()

    def _layouts(self, least: int, most: int) -> Iterator[Step]:
        for _ in self._count(least, most):
            yield self._edit([*LAYOUT], PRODUCT + TESTS)

    def _few(self) -> Iterator[Step]:
        """Changes after the tests ran: mostly such that ask for nothing."""
        if self._random.random() < 0.6:
            yield from self._layouts(1, 3)
        if self._random.random() < 0.4:
            yield from self._changes(1, 2)

    def _runs(self) -> Iterator[Step]:
        for _ in self._count(0, 2):
            yield Run(self._random.choice([*OBSERVED, *OBSERVED, *OTHER_RUNS]))

    def _stages(self) -> Iterator[Step]:
        if self._random.random() < 0.5:
            yield Stage("all", 0)
            return
        for _ in self._count(1, 3):
            how = self._random.choice(["file", "file", "file", "hunk", "hunk", "reset", "rm"])
            yield Stage(how, self._random.randrange(100))

    def _places(self) -> Iterator[Step]:
        for _ in self._count(0, 2):
            yield Git(self._random.choice(PLACES))

    def _edit(self, edits: Sequence[str], paths: Sequence[str]) -> Edit:
        return Edit(
            self._random.choice(edits), self._random.choice(paths), self._random.randrange(400)
        )

    def _code(self) -> Step:
        return self._edit([*CODE], PRODUCT)

    def _test(self) -> Step:
        return self._edit([*TEST], TESTS)

    def _other(self) -> Step:
        kind = self._random.randrange(4)
        if kind == 0:
            path = self._random.choice([*MOVES])
            imports = self._random.random() < 0.6
            return Move(path, self._random.choice(MOVES[path]), imports)
        if kind == 1:
            return Write(self._random.choice([*NEW]))
        if kind == 2:
            return Delete(self._random.choice(PYTHON))
        floor = self._random.choice(["", "50", "99.5"])
        return Configure(self.project(), self._random.random() < 0.7, floor)


def failure(project: str, steps: Sequence[Step]) -> tuple[str, JudgedHistory]:
    """What does not hold in a history, "" where all does."""
    with tempfile.TemporaryDirectory() as folder:
        history = JudgedHistory(Path(folder), project)
        try:
            history.do(steps)
        except (AssertionError, KeyError, ValueError) as error:
            return str(error) or "an assertion fails", history
        return "", history


def shrunk(project: str, steps: Sequence[Step], until: float) -> list[Step]:
    """The steps without most of those that the failure does not need."""
    best = [*steps]
    for at in reversed(range(len(best))):
        fewer = best[:at] + best[at + 1 :]
        if time.monotonic() < until and failure(project, fewer)[0]:
            best = fewer
    return best


@pytest.mark.parametrize("part", range(PARTS))
def test_the_gate_passes_only_what_the_tests_ran_on_and_asks_for_a_run_only_where_they_did_not(
    part: int,
) -> None:
    for package in covsync.__path__:
        compileall.compile_dir(package, quiet=2)  # as the tests of the project write no bytecode
    chance = Chance(f"{SEED} {part}")
    attempts = 0
    while attempts < ATTEMPTS / PARTS:
        project, steps = chance.project(), chance.history()
        message, history = failure(project, steps)
        attempts += len(history.judged)
        if message:
            steps = shrunk(project, steps, time.monotonic() + SHRINKING_SECONDS)
            message, history = failure(project, steps)
            log = "\n".join(history.log)
            case = f"seed {SEED}, project = {project!r}\nhistory = {steps}"
            pytest.fail(f"{message}\n\n{log}\n\n{case}")
