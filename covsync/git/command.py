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


def ask(folder: Path, *arguments: str, stdin: bytes = b"") -> Answer:
    """What ``git ARGUMENTS`` answers in ``folder``, errors on one line and in English."""
    environ = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603 - git, with arguments of our own
            ["git", *arguments],  # noqa: S607 - the user's git is the one to use
            cwd=folder,
            env=environ,
            input=stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise CovsyncError(*NO_GIT) from None
    return Answer(done.returncode, done.stdout, " ".join(os.fsdecode(done.stderr).split()))
