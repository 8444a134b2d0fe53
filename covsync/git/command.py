"""Asking git for facts: one process, its output. The data branch is GitPython's (see scratch)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from covsync.errors import CovsyncError

NO_GIT = ("git is not installed, or not on PATH", "Install git 2.32 or newer.")


class Answer(NamedTuple):
    """How a git command ended; ``error`` is what it wrote to stderr."""

    status: int
    output: bytes
    error: str

    def text(self) -> str:
        """The output as text, less the line end."""
        return os.fsdecode(self.output).rstrip("\n")


class Question(NamedTuple):
    """A git command under way."""

    process: subprocess.Popen[bytes]

    def answer(self, stdin: bytes | None = None) -> Answer:
        """Waits for its end, having given it ``stdin``."""
        with self.process as process:
            output, error = process.communicate(stdin)
        return Answer(process.returncode, output, " ".join(os.fsdecode(error).split()))


def begin(folder: Path, *arguments: str) -> Question:
    """Has git begin with ``git ARGUMENTS`` in ``folder``."""
    environ = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        process = subprocess.Popen(  # noqa: S603 - git, with arguments of our own
            ["git", *arguments],  # noqa: S607 - the user's git is the one to use
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        raise CovsyncError(*NO_GIT) from None
    return Question(process)


def ask(folder: Path, *arguments: str, stdin: bytes = b"") -> Answer:
    """What ``git ARGUMENTS`` answers in ``folder``, errors on one line and in English."""
    return begin(folder, *arguments).answer(stdin)
