"""Runs the git commands that read from the user's repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from covsync.errors import CovsyncError

NO_GIT = ("git is not installed, or not on PATH", "Install git 2.32 or newer.")
# Variables that point git at one repository, as `git rev-parse --local-env-vars` lists them.
REPOSITORY_VARIABLES = frozenset(
    (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_SHALLOW_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_PREFIX",
    )
)
# Variables that change what a diff or a listing says, of the same repository; see `man git`.
OUTPUT_VARIABLES = frozenset(
    (
        "GIT_DIFF_OPTS",
        "GIT_EXTERNAL_DIFF",
        "GIT_EXTERNAL_DIFF_TRUST_EXIT_CODE",
        "GIT_LITERAL_PATHSPECS",
        "GIT_GLOB_PATHSPECS",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
        "GIT_ATTR_SOURCE",
        "GIT_PRINT_SHA1_ELLIPSIS",
        "GIT_CURL_VERBOSE",
    )
)
OUTPUT_PREFIXES = ("GIT_TRACE", "GIT_REDIRECT_")


class Answer(NamedTuple):
    """How a git command ended; ``error`` is what it wrote to stderr."""

    status: int
    output: bytes
    error: str

    def text(self) -> str:
        """The output as text, less the line end."""
        return os.fsdecode(self.output).rstrip("\n")

    def names(self) -> list[str]:
        """The output as names that each end in a NUL byte, as with ``-z``."""
        return os.fsdecode(self.output).split("\0")[:-1]


def run_git(
    folder: Path, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> Answer:
    """What ``git ARGUMENTS`` answers in ``folder``, errors on one line and in English.

    ``environ`` (default: the process's) points git at a repository and at the user's settings. What
    in it would change the output or write to the index has no effect.
    """
    inherited = os.environ if environ is None else environ
    try:
        done = subprocess.run(  # noqa: S603 - git, with arguments of our own
            ["git", *arguments],  # noqa: S607 - the user's git is the one to use
            cwd=folder,
            env=_quiet(inherited),
            input=stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise CovsyncError(*NO_GIT) from None
    return Answer(done.returncode, done.stdout, " ".join(os.fsdecode(done.stderr).split()))


def without_repository(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without what points git at one repository, so that git looks for it."""
    return {name: value for name, value in environ.items() if name not in REPOSITORY_VARIABLES}


def _quiet(environ: Mapping[str, str]) -> dict[str, str]:
    passed = {
        name: value
        for name, value in environ.items()
        if name not in OUTPUT_VARIABLES and not name.startswith(OUTPUT_PREFIXES)
    }
    return {**passed, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
