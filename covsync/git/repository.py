"""What git says of the user's repository. Nothing here changes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from covsync.errors import CovsyncError
from covsync.git.command import ask
from covsync.model import Source

LATEST = 253402300799  # the last second of the year 9999
OWN_FOLDER = ("--git-path", "covsync")


class Repository(NamedTuple):
    """A repository; ``top`` is its work tree's top level, symbolic links resolved.

    A bare one has no work tree: there ``top`` is its own folder, and what its ``HEAD`` holds stands
    for what is tracked. In ``own_folder``, under git's own folder, covsync may keep things of this
    work tree.
    """

    top: Path
    own_folder: Path
    is_bare: bool = False

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that ``folder`` lies in. Raises ``CovsyncError`` where there is none."""
        answer = ask(folder, "rev-parse", "--show-toplevel", *OWN_FOLDER)
        if answer.status == 0 and answer.output:
            top, _, own_folder = answer.text().partition("\n")
            if "\n" in own_folder:  # in the name of a folder, as the answers are two
                top = ask(folder, "rev-parse", "--show-toplevel").text()
                own_folder = ask(folder, "rev-parse", *OWN_FOLDER).text()
            return cls(Path(os.path.realpath(top)), folder / own_folder)
        dubious = re.search(r"dubious ownership in repository at '(.*?)' To add", answer.error)
        if dubious:
            import shlex

            trusting = shlex.join(["safe.directory", dubious[1]])
            raise CovsyncError(
                f"git does not trust this repository: {dubious[1]} belongs to another user",
                f"If you trust it: git config --global --add {trusting}",
            )
        if "must be run in a work tree" in answer.error:
            if ask(folder, "rev-parse", "--is-bare-repository").text() != "true":
                raise CovsyncError(
                    f"{folder} is git's own folder, where no project is",
                    "Run covsync in the checkout it belongs to.",
                )
            git_dir = ask(folder, "rev-parse", "--absolute-git-dir").text()
            own_folder = ask(folder, "rev-parse", *OWN_FOLDER).text()
            return cls(Path(os.path.realpath(git_dir)), folder / own_folder, is_bare=True)
        if "not a git repository" in answer.error:
            raise CovsyncError(
                f"{folder} is not in a git repository",
                "Run covsync inside the project's checkout, or make one: git init",
            )
        raise CovsyncError(
            f"git cannot read this repository: {answer.error}", "Mend what it names."
        )

    def tracked(self) -> frozenset[str]:
        """The paths in the index, relative to ``top``."""
        if self.is_bare:
            answer = ask(self.top, "ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD")
            return frozenset(os.fsdecode(answer.output).split("\0")) - {""}
        return self._listed()

    def present(self) -> frozenset[str]:
        """The paths in the index, and those that could be added to it."""
        return self._listed("--cached", "--others", "--exclude-standard")

    def _listed(self, *which: str) -> frozenset[str]:
        answer = ask(self.top, "ls-files", "-z", *which)
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
        if not 0 <= int(committed_at) <= LATEST:
            raise CovsyncError(
                f"the commit's time, {committed_at}, is no date",
                "Amend the commit: git commit --amend",
            )
        return Source(commit, int(committed_at))

    def has_checked_out(self, branch: str) -> bool:
        """Whether ``branch`` is the one that is checked out."""
        return ask(self.top, "symbolic-ref", "--quiet", "HEAD").text() == f"refs/heads/{branch}"

    def precedes(self, ours: Source, theirs: Source) -> bool:
        """Whether ``ours`` is older than ``theirs``: an ancestor, as far as this clone knows.

        Where it knows neither for the other's ancestor, as in a shallow clone, or where two
        branches publish, the commits' times tell.
        """
        if ours.commit == theirs.commit or self._is_ancestor(theirs, ours):
            return False
        return self._is_ancestor(ours, theirs) or ours.committed_at < theirs.committed_at

    def _is_ancestor(self, one: Source, other: Source) -> bool:
        commits = (one.commit, other.commit)
        return not ask(self.top, "merge-base", "--is-ancestor", "--end-of-options", *commits).status

    def changed_since_head(self) -> frozenset[str]:
        """The tracked paths whose files are not what ``HEAD`` holds, relative to ``top``."""
        listing = ask(
            self.top, "diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", "HEAD", "--"
        ).output
        return frozenset(os.fsdecode(listing).split("\0")) - {""}

    def push_urls(self, remote: str) -> tuple[str, ...]:
        """Where a push to ``remote`` goes, ``insteadOf`` applied; none if there is no such one."""
        if remote.startswith("-"):
            return ()
        answer = ask(self.top, "remote", "get-url", "--push", "--all", "--", remote)
        return tuple(answer.text().splitlines()) if answer.status == 0 else ()

    def remotes(self) -> list[str]:
        """The names of the remotes."""
        return ask(self.top, "remote").text().splitlines()

    def read(self, name: str) -> bytes | None:
        """A file's content by ``REF:PATH``, ``None`` where there is none."""
        answer = ask(self.top, "cat-file", "blob", name)
        return None if answer.status else answer.output

    def nearest_ancestor(self, commit: str, known: Iterable[str]) -> str | None:
        """The first of the ``known`` commits that git meets going back from ``commit``."""
        wanted = frozenset(known)
        history = ask(self.top, "rev-list", "--topo-order", commit, "--").text().split()
        return next((each for each in history if each in wanted), None)

    def local_variables(self) -> list[str]:
        """The environment variables that point git at one repository; settings are none."""
        names = ask(self.top, "rev-parse", "--local-env-vars").text().split()
        return [name for name in names if not name.startswith("GIT_CONFIG")]

    def object_format(self) -> str:
        """``sha1`` or ``sha256``."""
        return ask(self.top, "rev-parse", "--show-object-format").text() or "sha1"


def check_branch(repository: Repository, branch: str) -> None:
    """Raises ``CovsyncError`` unless ``branch`` may be the data branch of ``repository``."""
    answer = ask(repository.top, "check-ref-format", "--branch", branch)
    valid = answer.status == 0 and answer.text() == branch
    if branch.startswith(("-", "refs/")) or not valid:
        raise CovsyncError(
            f"{branch!r} is not a name that git allows for a branch",
            "Name another with --branch or the key `branch`, such as covsync-data.",
        )
    if repository.has_checked_out(branch):
        raise CovsyncError(
            f"{branch} is checked out: covsync would replace the project's files on it",
            "Name another branch for the data with --branch, such as covsync-data.",
        )
