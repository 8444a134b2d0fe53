"""What git says of the user's repository. Nothing here changes it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.git.command import ask
from covsync.model import Source


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository with a work tree; ``top`` is its top level, symbolic links resolved."""

    top: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that ``folder`` lies in. Raises ``CovsyncError`` where there is none."""
        answer = ask(folder, "rev-parse", "--show-toplevel")
        if answer.status == 0 and answer.output:
            return cls(Path(os.path.realpath(answer.text())))
        if "dubious ownership" in answer.error:
            raise CovsyncError(
                f"git does not trust this repository: it belongs to another user ({folder})",
                f"If you trust it: git config --global --add safe.directory {folder}",
            )
        if "must be run in a work tree" in answer.error:
            raise CovsyncError(
                f"{folder} is a bare repository: it has no files to measure",
                "Run covsync in a checkout.",
            )
        raise CovsyncError(
            f"{folder} is not in a git repository",
            "Run covsync inside the project's checkout, or make one: git init",
        )

    def tracked(self) -> frozenset[str]:
        """The paths in the index, relative to ``top``."""
        answer = ask(self.top, "ls-files", "-z")
        if answer.status:
            raise CovsyncError(f"git cannot read its index: {answer.error}", "Mend the repository.")
        return frozenset(os.fsdecode(answer.output).split("\0")) - {""}

    def head(self) -> Source:
        """The commit that is checked out. Raises ``CovsyncError`` where there is none yet."""
        answer = ask(self.top, "log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD", "--")
        if answer.status:
            raise CovsyncError(
                "there is no commit yet whose coverage could be published",
                "Commit first: git commit",
            )
        commit, committed_at = answer.text().split()
        return Source(commit, int(committed_at))

    def current_branch(self) -> str | None:
        """The branch that is checked out, ``None`` on a detached HEAD."""
        answer = ask(self.top, "symbolic-ref", "--quiet", "--short", "HEAD")
        return answer.text() if answer.status == 0 else None

    def push_url(self, remote: str) -> str | None:
        """Where a push to ``remote`` goes, ``insteadOf`` applied; ``None`` if there is none."""
        if remote.startswith("-"):
            return None
        answer = ask(self.top, "remote", "get-url", "--push", "--", remote)
        return answer.text() if answer.status == 0 else None

    def remotes(self) -> list[str]:
        """The names of the remotes."""
        return ask(self.top, "remote").text().splitlines()

    def object_format(self) -> str:
        """``sha1`` or ``sha256``."""
        return ask(self.top, "rev-parse", "--show-object-format").text() or "sha1"


def check_branch(repository: Repository, branch: str) -> None:
    """Raises ``CovsyncError`` unless ``branch`` may be the data branch of ``repository``."""
    valid = ask(repository.top, "check-ref-format", f"refs/heads/{branch}").status == 0
    if branch.startswith("-") or not valid:
        raise CovsyncError(
            f"{branch!r} is not a name that git allows for a branch",
            "Name another with --branch or the key `branch`, such as covsync-data.",
        )
    if branch == repository.current_branch():
        raise CovsyncError(
            f"{branch} is checked out: covsync would replace the project's files on it",
            "Name another branch for the data with --branch, such as covsync-data.",
        )
