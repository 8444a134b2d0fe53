"""A history whose every attempt to commit is held against the truth."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from histories import Commit, History, Ran, Verdict
from truth import Truth, exclusions_of, sense, settings_of, truth_of

BY_TIMES = ("file times", "record by file times")
IS_OBSERVED = importlib.util.find_spec("covsync.observer") is not None
STORED = 6  # the last runs, among which one of all tests is surely in the store
STASH = "git stash --keep-index --include-untracked"
STAGE = re.compile(r"Stage it: (git add .+?)(?:, and run all tests: (.+?))?\. Or run")
RUN = re.compile(
    r"(?:[Rr]un the tests again|[Rr]un all tests|run them again): (covsync .+|cov.+|p.+)"
)
TESTS = "covsync run -m pytest"


class JudgedHistory(History):
    """What the gate says is held against coverage.py's figures of the tree that it judged."""

    def __init__(self, folder: Path, settings: str) -> None:
        super().__init__(folder, settings)
        self.judged: list[str] = []

    def commit(self, step: Commit) -> None:
        """An attempt; where the gate asks for something, that may be done, and must help."""
        floor = self._floor(step.floor)
        verdict = self.attempt(step.command, floor)
        if verdict is None:
            return
        self._hold(verdict, floor)
        if verdict.status == 3 and step.follow:
            self._follow(step, verdict)

    def _floor(self, choice: str) -> str:
        """A floor beside the truth of what is staged, "" for none."""
        tree = self.git("write-tree").out.strip()
        if choice == "none" or not tree:
            return ""
        scaled = truth_of(self.top, tree).percent * 1000
        floor = min(-(-scaled.numerator // scaled.denominator), 100_000)
        if choice == "below":
            floor = scaled.numerator // scaled.denominator
        return f"{floor // 1000}.{floor % 1000:03}"

    def _hold(self, verdict: Verdict, floor: str) -> None:
        assert "Traceback" not in verdict.err
        if verdict.status == 1 and "a measured source cannot be read" in verdict.out:
            self.judged.append("unreadable")  # nor can coverage.py, where it was to report the file
            return
        assert verdict.status in (0, 2, 3), "covsync fails"
        document: dict[str, Any] = json.loads(verdict.out) if verdict.out.strip() else {}
        if verdict.status == 3:
            self.judged.append("3")
            assert not self._ran_on(verdict.tree), "exit 3, though the tests ran on this"
            return
        if document.get("judged") is False:
            self.judged.append("not judged")
            assert verdict.status == 0
            return
        self.judged.append(document["evidence"])
        if document["lower_bound"]:
            self.judged[-1] = "lower bound"
            assert self._fitting(verdict, _is_at_least), self._all_truths(verdict)
        elif document["evidence"] in BY_TIMES:
            if not self._fitting(verdict, _is_figure):
                self.judged[-1] += ", which miss something"
        else:
            truth = self._fitting(verdict, _is_true)
            assert truth, f"false: {self._all_truths(verdict)}"
            asked = floor or self._configured_floor(verdict.tree)
            is_below = bool(asked) and truth.percent < Fraction(asked)
            assert verdict.status == (2 if is_below else 0)

    def _fitting(
        self, verdict: Verdict, fits: Callable[[Truth, dict[str, Any]], bool]
    ) -> Truth | None:
        """The truth by one of the runners that were used, if it fits what the gate says."""
        document = json.loads(verdict.out)
        truths = (truth_of(self.top, verdict.tree, runner) for runner in sorted(self.runners))
        return next((truth for truth in truths if fits(truth, document)), None)

    def _all_truths(self, verdict: Verdict) -> list[Truth]:
        return [truth_of(self.top, verdict.tree, runner) for runner in sorted(self.runners)]

    def _configured_floor(self, tree: str) -> str:
        found = re.search(
            r"(?m)^fail_under = (.+)$", self.git("show", f"{tree}:pyproject.toml").out
        )
        return found[1] if found else ""

    def _ran_on(self, tree: str) -> bool:
        """Whether a run of all tests, which is recorded, ran on nothing but what a tree holds."""
        if not IS_OBSERVED:
            return False
        recorded = [ran for ran in self.ran[-STORED:] if ran]
        texts, settings = self.texts_of_tree(tree)
        here = _sense(Ran(texts, settings)) if recorded else None
        return any(_sense(ran) == here for ran in recorded)

    def _follow(self, step: Commit, verdict: Verdict) -> None:
        """Does what the gate says, after which it must have a verdict."""
        document = json.loads(verdict.out) if verdict.out.strip() else {}
        fix = document.get("fix") or verdict.err
        stage = STAGE.search(fix)
        if stage and step.follow == 1:
            self._note(stage[1])
            assert self.git(*stage[1].split()[1:]).status == 0
            if stage[2]:
                self.run(stage[2])
        else:
            command = self._command_in(fix)
            if STASH in fix:
                self._note(STASH)
                self.shell(STASH)
            if self.run(command).status not in (0, 1):
                self._pop(fix)
                return  # the tests cannot run on what is being committed
        is_partial = " -- " in step.command or "merge" in step.command  # git goes on with a merge
        again = self.attempt("git commit -qm Change" if is_partial else step.command)
        if again is not None:
            self._hold(again, "")
            # Without data nothing is compared yet: the first run may have been on other texts.
            is_compared = "the tests did not run on" in verdict.out
            assert again.status != 3 or not is_compared, "the remedy does not help"
            if again.status == 3 and "the tests did not run on" in again.out:
                self._follow(step, again)
        self._pop(fix)

    def _command_in(self, fix: str) -> str:
        if STASH in fix:
            return fix.partition(f"{STASH}, ")[2].partition(", commit")[0]
        found = RUN.search(fix)
        return found[1] if found else TESTS

    def _pop(self, fix: str) -> None:
        if STASH in fix and self.git("stash", "pop").status:
            self.git("reset", "--hard", "--quiet")
            self.git("stash", "drop", "--quiet")


def _sense(ran: Ran) -> object:
    exclusions = exclusions_of(ran.settings)
    settings = settings_of(ran.settings)
    seen = {
        path: sense(text, exclusions)
        for path, text in ran.texts.items()
        if "'.'" in settings or not path.startswith("scripts/")
    }
    return seen, settings


def _is_figure(truth: Truth, document: dict[str, Any]) -> bool:
    return (truth.covered, truth.coverable) == (document["covered"], document["coverable"])


def _is_true(truth: Truth, document: dict[str, Any]) -> bool:
    is_failing = truth.status != 0
    return _is_figure(truth, document) and document["tests_failed"] == is_failing


def _is_at_least(truth: Truth, document: dict[str, Any]) -> bool:
    """Whether the truth is at least the figure, so that floors that hold for this hold for it.

    A part of the tests may run where pytest cannot even collect all of them.
    """
    if truth.status not in (0, 1):
        return True
    figure = Fraction(document["covered"], document["coverable"] or 1)
    return truth.covered >= document["covered"] and truth.percent >= 100 * figure
