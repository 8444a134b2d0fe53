"""``covsync demo``: shows a commit being blocked and published, in a project of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from covsync.console import Console
from covsync.errors import CovsyncError
from covsync.git.command import NO_GIT

PROJECT = {
    "pyproject.toml": """\
[tool.coverage.run]
branch = true
source = ["greeting"]

[tool.covsync]
fail_under = 90
""",
    ".gitignore": ".coverage\n__pycache__/\n",
    "greeting/__init__.py": """\
def greet(name, hour):
    if hour < 12:
        return f"Good morning, {name}!"
    if hour < 18:
        return f"Good afternoon, {name}!"
    return f"Good evening, {name}!"
""",
    "tests/__init__.py": "",
    "tests/test_greeting.py": """\
from unittest import TestCase

from greeting import greet


class GreetTest(TestCase):
    def test_morning(self):
        self.assertEqual(greet("all", 9), "Good morning, all!")
""",
}
BETTER_TESTS = """
    def test_afternoon(self):
        self.assertEqual(greet("all", 15), "Good afternoon, all!")

    def test_evening(self):
        self.assertEqual(greet("all", 21), "Good evening, all!")
"""
# What would let the user's own git, coverage.py or CI have a say in the demo.
FOREIGN = ("GIT_", "COVERAGE_", "COVSYNC_", "GITHUB_", "CI_")
SHOWN_README_LINES = 7


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: it types commands there, and shows what they print."""

    console: Console
    folder: Path

    @property
    def project(self) -> Path:
        """The project's checkout."""
        return self.folder / "project"

    @property
    def remote(self) -> Path:
        """The bare repository that it is pushed to."""
        return self.folder / "remote.git"

    def types(self, typed: str, *, expected: int = 0) -> None:
        """Shows and runs a command in the project. Another exit code than expected is an error."""
        self.console.say(f"$ {typed}", "bold")
        done = self.runs(shlex.split(typed), self.project)
        for line in done.stdout.splitlines():
            self.console.say(f"  {line}")
        if done.returncode != expected:
            raise CovsyncError(
                f"`{typed}` ended with {done.returncode} instead of {expected}",
                "Run `covsync demo --keep DIR` and look at what it left there.",
            )

    def runs(self, command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """One command's result, its output and its errors together."""
        program, *arguments = command
        argv = [program] if program == "git" else [sys.executable, "-m", program]
        environ = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        environ |= {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "covsync demo",
            "GIT_AUTHOR_EMAIL": "demo@localhost",
            "GIT_COMMITTER_NAME": "covsync demo",
            "GIT_COMMITTER_EMAIL": "demo@localhost",
            "PYTHONIOENCODING": "utf-8",
        }
        try:
            return subprocess.run(  # noqa: S603 - the demo's own commands
                [*argv, *arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except FileNotFoundError:
            raise CovsyncError(*NO_GIT) from None


def demo(console: Console, keep: Path | None) -> int:
    """Plays it in ``keep``, or else in a temporary folder that is removed; 0 when all went well."""
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="covsync-demo-")))
        else:
            folder = keep
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise CovsyncError(
                    f"{folder} exists and is not an empty folder", "Name a new folder with --keep."
                )
        stage = Stage(console, folder)
        _set_up(stage)
        _play(stage)
        if keep is None:
            console.say("\nTo look around in it yourself: covsync demo --keep DIR")
        else:
            console.say(
                f"\nTo look around: the project is {stage.project}, its remote {stage.remote}.\n"
                f"The report as pages: cd {shlex.quote(str(stage.project))} "
                "&& git switch covsync-data, then open htmlcov/index.html."
            )
    return 0


def _set_up(stage: Stage) -> None:
    try:
        for name, text in PROJECT.items():
            path = stage.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CovsyncError(
            f"cannot make a project in {stage.folder}: {error.strerror}",
            "Name another folder with --keep.",
        ) from None
    for command in (
        ("git", "init", "--quiet", "--bare", "--initial-branch=main", str(stage.remote)),
        ("git", "init", "--quiet", "--initial-branch=main", str(stage.project)),
        ("git", "-C", str(stage.project), "remote", "add", "origin", "../remote.git"),
    ):
        done = stage.runs(command, stage.folder)
        if done.returncode:
            raise CovsyncError(
                f"git could not make the demo's repository: {done.stdout.strip()}",
                "covsync needs git 2.32 or newer.",
            )
    hook = stage.project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m covsync check\n")
    hook.chmod(0o755)


def _play(stage: Stage) -> None:
    say = stage.console.say
    say("A small project with tests. Its pre-commit hook runs `covsync check`; the floor is 90%.\n")
    stage.types("covsync run -m unittest -q")
    stage.types("git add .")
    say("\nThe tests pass, but they don't reach far enough. The hook stops the commit:\n")
    stage.types('git commit --quiet -m "Greet people"', expected=1)
    say("\nTwo more tests, and the same commit goes through:\n")
    tests = stage.project / "tests" / "test_greeting.py"
    tests.write_text(tests.read_text(encoding="utf-8") + BETTER_TESTS, encoding="utf-8")
    stage.types("covsync run -m unittest -q")
    stage.types("git add .")
    stage.types('git commit --quiet -m "Greet people"')
    say("\nIn CI, the coverage of that commit goes to a branch of the same repository:\n")
    stage.types("covsync push")
    stage.types("covsync push")
    say("\nThe data branch on the remote:\n")
    stage.types("git fetch --quiet")
    stage.types("git ls-tree -r --name-only origin/covsync-data")
    say("\nIts README.md begins:\n")
    readme = stage.runs(("git", "show", "origin/covsync-data:README.md"), stage.project).stdout
    for line in readme.splitlines()[:SHOWN_README_LINES]:
        say(f"  {line}")
