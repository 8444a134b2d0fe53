"""The user's repository, which is only read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from covsync.errors import CovsyncError
from covsync.git.command import Answer, run_git, without_repository
from covsync.limits import BRANCH_DATA, exceeded, limit
from covsync.model import Source

LATEST = 253402300799  # the last second of the year 9999
OWN_FOLDER = ("--git-path", "covsync")
OBJECT_FORMAT = "--show-object-format"


class Repository(NamedTuple):
    """A repository; ``top`` is its work tree's top level, symbolic links resolved.

    A bare one has no work tree: there ``top`` is its own folder, and what its ``HEAD`` holds stands
    for what is tracked. In ``own_folder``, under git's own folder, covsync may keep things of this
    work tree. ``object_format`` is ``sha1`` or ``sha256``.
    """

    top: Path
    own_folder: Path
    is_bare: bool = False
    object_format: str = "sha1"

    @property
    def git_dir(self) -> Path:
        """Git's own folder for this work tree, where its index and its ``MERGE_HEAD`` are."""
        return self.own_folder.parent

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that ``folder`` lies in. Raises ``CovsyncError`` where there is none."""
        answer = run_git(folder, "rev-parse", "--show-toplevel", *OWN_FOLDER, OBJECT_FORMAT)
        if answer.status == 0 and answer.output:
            parts = answer.text().split("\n")
            if len(parts) > 3:  # a folder's name holds a line end
                parts = [_rev_parse(folder, "--show-toplevel"), *_own_folder_and_format(folder)]
            top, own_folder, object_format = parts
            return cls(
                Path(os.path.realpath(top)), folder / own_folder, object_format=object_format
            )
        dubious = re.search(r"dubious ownership in repository at '(.*?)' To add", answer.error)
        if dubious:
            import shlex

            trusting = shlex.join(["safe.directory", dubious[1]])
            raise CovsyncError(
                f"git does not trust this repository: {dubious[1]} belongs to another user",
                f"If you trust it: git config --global --add {trusting}",
            )
        if "must be run in a work tree" in answer.error:
            if _rev_parse(folder, "--is-bare-repository") != "true":
                raise CovsyncError(
                    f"{folder} is git's own folder, where no project is",
                    "Run covsync in the checkout it belongs to.",
                )
            git_dir = _rev_parse(folder, "--absolute-git-dir")
            own_folder, object_format = _own_folder_and_format(folder)
            return cls(
                Path(os.path.realpath(git_dir)),
                folder / own_folder,
                is_bare=True,
                object_format=object_format,
            )
        if "not a git repository" in answer.error and os.environ.get("GIT_DIR"):
            raise CovsyncError(
                f"GIT_DIR is {os.environ['GIT_DIR']}, where no git repository is",
                "Unset GIT_DIR; git itself sets it in hooks, seen from the folder they begin in.",
            )
        if "not a git repository" in answer.error:
            raise CovsyncError(
                f"{folder} is not in a git repository",
                "Run covsync inside the project's checkout, or make one: git init",
            )
        raise CovsyncError(
            f"git cannot read this repository: {answer.error}",
            "Run `git status` here, and repair what it names.",
        )

    def tracked(self) -> frozenset[str]:
        """The paths in the index, relative to ``top``."""
        if self.is_bare:
            answer = run_git(self.top, "ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD")
            return frozenset(answer.names())
        return self._listed()

    def present(self) -> frozenset[str]:
        """The paths in the index, and those that could be added to it."""
        return self._listed("--cached", "--others", "--exclude-standard")

    def missing(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths, of which there may be thousands, at which no regular file lies."""
        top = os.fspath(self.top)
        return {path for path in paths if not os.path.isfile(f"{top}/{path}")}  # noqa: PTH113

    def _listed(self, *which: str) -> frozenset[str]:
        answer = run_git(self.top, "ls-files", "-z", *which)
        if answer.status:
            raise unreadable(answer)
        return frozenset(answer.names())

    def head(self) -> Source:
        """The commit that is checked out. Raises ``CovsyncError`` where there is none yet."""
        answer = run_git(
            self.top, "log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD", "--"
        )
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
        return run_git(self.top, "symbolic-ref", "--quiet", "HEAD").text() == f"refs/heads/{branch}"

    def status(self, *, untracked: bool = False) -> dict[str, str]:
        """The two letters of ``git status`` for each path that differs from ``HEAD`` or the index.

        The first letter compares the index with ``HEAD``, the second the work tree with the index.
        It may say ``M`` where line ends alone differ, which git would not add, and it says nothing
        of files that git is set to assume unchanged. With ``untracked`` there is also ``??`` for
        each file that git neither tracks nor ignores.
        """
        answer = run_git(
            self.top,
            *("-c", "core.fsmonitor=false", "-c", "core.checkStat=default"),
            *("-c", "core.trustctime=true", "-c", "core.fileMode=false"),
            *("status", "--porcelain=v1", "-z", "--no-renames"),
            f"--untracked-files={'all' if untracked else 'no'}",
            "--ignore-submodules=untracked",
        )
        if answer.status:
            raise unreadable(answer)
        return {line[3:]: line[:2] for line in answer.names()}

    def push_urls(self, remote: str) -> tuple[str, ...]:
        """Where a push to ``remote`` goes, ``insteadOf`` applied; none if there is no such one."""
        if remote.startswith("-"):
            return ()
        answer = run_git(self.top, "remote", "get-url", "--push", "--all", "--", remote)
        return tuple(answer.text().splitlines()) if answer.status == 0 else ()

    def remotes(self) -> list[str]:
        """The names of the remotes."""
        return run_git(self.top, "remote").text().splitlines()

    def has_ref(self, name: str) -> bool:
        """Whether there is a ref of this full name."""
        return run_git(self.top, "rev-parse", "--verify", "--quiet", name).status == 0

    def read(self, name: str) -> bytes | None:
        """A file's content by ``REF:PATH``, ``None`` where there is none.

        Raises ``CovsyncError`` where it is larger than any of the data branch.
        """
        size = run_git(self.top, "cat-file", "-s", name).text()
        if size.isdigit() and int(size) > limit(BRANCH_DATA):
            raise exceeded(name, BRANCH_DATA, "bytes")
        answer = run_git(self.top, "cat-file", "blob", name)
        return None if answer.status else answer.output

    def nearest_ancestor(self, commit: str, candidates: Iterable[str]) -> str | None:
        """The first of the ``candidates`` that git meets going back from ``commit``."""
        wanted = frozenset(candidates)
        history = run_git(self.top, "rev-list", "--topo-order", commit, "--").text().split()
        return next((each for each in history if each in wanted), None)

    def local_variables(self) -> list[str]:
        """The environment variables that point git at one repository; settings are none."""
        names = run_git(self.top, "rev-parse", "--local-env-vars").text().split()
        return [name for name in names if not name.startswith("GIT_CONFIG")]


def enter_repository(here: Path) -> Repository:
    """The repository around ``here``, and a process environment that means it in every folder.

    Git calls a hook in the work tree's top level and may set ``GIT_DIR``, ``GIT_WORK_TREE`` and
    ``GIT_INDEX_FILE`` as seen from there; a hook then goes to its project's folder. Raises
    ``CovsyncError`` where there is no repository, and where ``GIT_INDEX_FILE`` names no file: git
    would take that for an empty index.
    """
    _settle_git_dir(here)
    repository = Repository.around(here)
    if os.environ.get("GIT_DIR") and not repository.is_bare:
        top = _top_of_tracked_files(repository)
        if top != repository.top:
            os.environ["GIT_WORK_TREE"] = os.fspath(top)
            repository = repository._replace(top=top)
    if os.environ.get("GIT_INDEX_FILE"):
        _settle_index_file(repository, here)
    return repository


def _settle_git_dir(here: Path) -> None:
    """Makes ``GIT_DIR`` and ``GIT_WORK_TREE`` absolute, and drops what git finds without it."""
    git_dir, work_tree = (os.environ.get(name) for name in ("GIT_DIR", "GIT_WORK_TREE"))
    base = here
    if git_dir:
        folders = (here, *here.parents)
        base = next((folder for folder in folders if (folder / git_dir).is_dir()), here)
        os.environ["GIT_DIR"] = os.fspath(base / git_dir)
    if work_tree:
        os.environ["GIT_WORK_TREE"] = os.fspath(base / work_tree)
    elif git_dir:
        # In a linked work tree git sets this alone, and takes any folder for the top level then.
        environ = without_repository(os.environ)
        found = run_git(here, "rev-parse", "--absolute-git-dir", environ=environ).text()
        if os.path.realpath(found) == os.path.realpath(os.environ["GIT_DIR"]):
            del os.environ["GIT_DIR"]


def _top_of_tracked_files(repository: Repository) -> Path:
    """The top level, or the folder above it where more of the tracked files are.

    A hook of a repository apart from its work tree has ``GIT_WORK_TREE=.``; in a folder below, git
    takes that for the top level.
    """
    tracked = repository.tracked()

    def count(folder: Path) -> int:
        return sum(os.path.lexists(folder / path) for path in tracked)

    return max((repository.top, *repository.top.parents), key=count)


def _settle_index_file(repository: Repository, here: Path) -> None:
    base = repository.top if here.is_relative_to(repository.top) else here
    index = base / os.environ["GIT_INDEX_FILE"]
    is_usual = os.path.realpath(index) == os.path.realpath(repository.git_dir / "index")
    if not (is_usual or index.is_file()):  # a new repository has no index
        raise CovsyncError(
            f"GIT_INDEX_FILE is {index}, where no file is",
            "Unset GIT_INDEX_FILE, or name the index from the top level of the work tree.",
        )
    os.environ["GIT_INDEX_FILE"] = os.fspath(index)


def unreadable(answer: Answer) -> CovsyncError:
    """What is wrong where git could not list or compare; ``answer`` says why."""
    return CovsyncError(
        f"git cannot read this repository: {answer.error}",
        "Run `git fsck`, and repair what it names.",
    )


def _rev_parse(folder: Path, *arguments: str) -> str:
    return run_git(folder, "rev-parse", *arguments).text()


def _own_folder_and_format(folder: Path) -> tuple[str, str]:
    return _rev_parse(folder, *OWN_FOLDER), _rev_parse(folder, OBJECT_FORMAT)


def check_branch(repository: Repository, branch: str) -> None:
    """Raises ``CovsyncError`` unless ``branch`` may be the data branch of ``repository``."""
    answer = run_git(repository.top, "check-ref-format", "--branch", branch)
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
