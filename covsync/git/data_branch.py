"""Publishes files on the data branch: a commit in a scratch repository, pushed with a lease."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from covsync.contents import Files
from covsync.errors import PublicationError
from covsync.git.command import Answer
from covsync.git.fast_import import IDENTITY, commit_stream
from covsync.git.remote_errors import Refusal, asked_pause, is_redirect, refusal
from covsync.git.repository import LATEST
from covsync.git.scratch import REMOTE, Scratch
from covsync.limits import (
    BRANCH_DATA,
    BRANCH_DEPTH,
    BRANCH_FILE,
    REDIRECTS,
    exceeded,
    limit,
)

# Other tools have made commits without a time.
COMMITTER = re.compile(rb"committer (.*?)(?: (\d{1,18}) \S+)?$")
BASE = "refs/covsync/base"
NEW = "refs/covsync/new"
FILE_MODE = "100644"
# fast-import holds a smaller file in memory, and a second time to compress it.
STREAMED = ("--big-file-threshold=8m",)
LONGEST_PAUSE = 60
# Longer than forty jobs need for a push of four seconds each, one after the other.
LONGEST_RACE = 600


@dataclass(frozen=True, slots=True)
class Change:
    """A file that a publication adds, updates or removes."""

    verb: str
    path: str


@dataclass(frozen=True, slots=True)
class Tip:
    """The data branch as it is on the remote; ``commit`` is empty where there is none.

    ``scratch`` is the repository that reached it, past the remote's redirects.
    ``at`` is the commit's time, and ``by_covsync`` says whether covsync made it.
    """

    scratch: Scratch
    commit: str = ""
    parents: int = 0
    at: int = 0
    by_covsync: bool = False
    entries: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """A file's content, ``None`` where the branch has no such file.

        Raises ``PublicationError`` where it is too large.
        """
        mode, blob = self.entries.get(path, ("", ""))
        if not mode.startswith("100"):  # a link, a submodule
            return None
        size = self.sizes.get(path, 0)
        refuse_large(path, size)
        return self.scratch.blob(blob, size)

    @property
    def object_format(self) -> str:
        """How git names files here: ``sha1`` or ``sha256``."""
        return "sha256" if len(self.commit) > 40 else "sha1"

    def blobs(self) -> dict[str, str]:
        """The object names of the branch's regular files, by path, of others with the mode."""
        return {
            path: blob if mode == FILE_MODE else f"{mode} {blob}"
            for path, (mode, blob) in self.entries.items()
        }

    def changes(self, files: Files, is_owned: Callable[[str], bool]) -> tuple[Change, ...]:
        """What it takes to turn the branch's owned files into ``files``, by path.

        Raises ``PublicationError`` where a file and a folder of the same name would stand in each
        other's way: git would drop what is there and say nothing.
        """
        _refuse_in_the_way(self.entries, files)
        changes = []
        for path in files:
            if path not in self.entries:
                changes.append(Change("add", path))
            elif self.entries[path] != (FILE_MODE, files.content(path).blob_id(self.object_format)):
                changes.append(Change("update", path))
        gone = (path for path in self.entries if path not in files and is_owned(path))
        changes += [Change("remove", path) for path in gone]
        return tuple(sorted(changes, key=lambda change: change.path))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to publish on a tip: the ``changes`` to it, out of ``files``, as a commit.

    Without ``replaces_history`` the commit follows the tip. ``reason`` says why it is not the whole
    publication, if it is not.
    """

    files: Files
    changes: tuple[Change, ...]
    replaces_history: bool
    message: str
    at: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """Why the branch stays as it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a publication ended: with these changes; ``reason`` says why with none or a few only."""

    changes: tuple[Change, ...]
    attempts: int
    reason: str = ""


def publish(
    scratch: Scratch,
    branch: str,
    propose: Callable[[Tip], Proposal | NothingToDo],
    *,
    dry_run: bool = False,
) -> Outcome:
    """Brings the remote's ``branch`` to what ``propose`` wants of its tip.

    Whenever someone else was faster, the new tip is fetched and asked about again, so nothing
    that was pushed meanwhile is lost. Raises ``PublicationError`` where the remote refuses, or
    keeps changing.
    """
    began = time.monotonic()
    for attempt in itertools.count(1):
        tried = time.monotonic()
        base = tip(scratch, branch)
        scratch = base.scratch
        proposal = propose(base)
        if isinstance(proposal, NothingToDo):
            return Outcome((), attempt, proposal.reason)
        if dry_run:
            return Outcome(proposal.changes, attempt, proposal.reason)
        refused = offer(base, branch, committed(base, proposal))
        if refused is None:
            return Outcome(proposal.changes, attempt, proposal.reason)
        now = time.monotonic()
        if refused.is_race and now - began < LONGEST_RACE:
            _fall_out_of_step(attempt, now - tried)
        else:
            _wait_or_give_up(scratch, refused, attempt)
    raise AssertionError  # the loop has no other end


def offer(base: Tip, branch: str, commit: str) -> Refusal | None:
    """Pushes ``commit`` in place of ``base``, and of nothing else; why not, if it is refused."""
    answer = base.scratch.run(
        *("push", "--porcelain", "--no-verify", "--no-follow-tags"),
        f"--force-with-lease=refs/heads/{branch}:{base.commit}",
        *(REMOTE, f"{commit}:refs/heads/{branch}"),
    )
    if answer.status == 0 or _remote_tip(base.scratch, branch) == commit:
        return None
    return refusal(answer, branch, "push")


def tip(scratch: Scratch, branch: str, *, with_history: bool = False) -> Tip:
    """The remote's ``branch`` as it is now. Raises ``PublicationError`` where it cannot be had."""
    for attempt in itertools.count(1):
        found = _fetched_tip(scratch, branch, [] if with_history else ["--depth=1"])
        if isinstance(found, Tip):
            return found
        _wait_or_give_up(scratch, found, attempt)
    raise AssertionError  # the loop has no other end


def _fall_out_of_step(attempt: int, took: float) -> None:
    """Sleeps a random while, by how long a try takes: of many rivals one wins in that time."""
    longest = max(0.1, took) * 2 ** min(attempt, 4)
    time.sleep(random.uniform(0, longest))  # noqa: S311 - no secret


def _wait_or_give_up(scratch: Scratch, problem: Refusal, attempt: int) -> None:
    """Sleeps a while that grows with the tries, unless these are enough.

    A server that wants to be left alone for a while is, if that is not too long.
    """
    asked = asked_pause(scratch.header("retry-after"), time.time()) if problem.is_throttling else 0
    if asked > LONGEST_PAUSE:
        raise PublicationError(f"{problem.message}, for {asked} seconds", problem.fix)
    if attempt >= problem.tries:
        tries = f": gave up after {attempt} tries" if attempt > 1 else ""
        raise PublicationError(f"{problem.message}{tries}", problem.fix)
    jitter = random.uniform(0, 0.1 * 2 ** min(attempt, 5))  # noqa: S311 - no secret
    time.sleep(asked + jitter)


def _remote_tip(scratch: Scratch, branch: str) -> str | None:
    """What the remote's branch is now: empty where there is none, ``None`` without an answer."""
    answer = _listed(scratch, branch)
    return None if answer.status else _tip_in(answer, branch)


def _listed(scratch: Scratch, branch: str) -> Answer:
    """The remote's refs of that name: of branches alone, as git asks for no single one."""
    return scratch.run("ls-remote", "--heads", REMOTE, f"refs/heads/{branch}")


def _reached(scratch: Scratch, branch: str) -> tuple[Scratch, Answer]:
    """The first answer that is no redirect, and the scratch repository that gets it.

    Raises ``PublicationError`` where a redirect leads to another host, or there are too many.
    """
    for _ in range(limit(REDIRECTS) + 1):
        answer = _listed(scratch, branch)
        location = scratch.header("location") if is_redirect(answer) else ""
        if not location:
            return scratch, answer
        scratch = scratch.moved(location)
    error = exceeded("the remote redirects again and again", REDIRECTS, "redirects")
    raise PublicationError(error.message, error.fix)


def _tip_in(listing: Answer, branch: str) -> str:
    """The commit of ``branch`` in what ``ls-remote`` answers, empty where it has none."""
    lines = (line.partition("\t") for line in listing.text().splitlines())
    return next((commit for commit, _, ref in lines if ref == f"refs/heads/{branch}"), "")


def _fetched_tip(scratch: Scratch, branch: str, how: Iterable[str]) -> Tip | Refusal:
    scratch, answer = _reached(scratch, branch)
    if answer.status:
        return refusal(answer, branch, "fetch")
    if not _tip_in(answer, branch):
        return Tip(scratch)
    answer = scratch.run(
        *("fetch", "--quiet", *how, "--no-tags", "--no-write-fetch-head", REMOTE),
        f"+refs/heads/{branch}:{BASE}",
    )
    if answer.status:
        gone = _remote_tip(scratch, branch) == ""
        return Tip(scratch) if gone else refusal(answer, branch, "fetch")
    found = scratch.run("rev-parse", "--verify", "--quiet", f"{BASE}^{{commit}}")
    if found.status:
        return Refusal(
            f"{branch} on the remote does not point at a commit",
            "Delete it there, or name another with --branch.",
        )
    return _tip_of(scratch, found.text())


def _tip_of(scratch: Scratch, commit: str) -> Tip:
    head, _, _ = scratch.must("cat-file", "commit", commit).output.partition(b"\n\n")
    lines = head.splitlines()
    found = next(filter(None, map(COMMITTER.match, lines)), None)
    identity, at = found.groups() if found else (b"", b"")  # git makes none without one
    entries, sizes = _entries(scratch, commit)
    return Tip(
        scratch,
        commit,
        parents=sum(line.startswith(b"parent ") for line in lines),
        at=min(int(at or 0), LATEST),
        by_covsync=identity == IDENTITY,
        entries=entries,
        sizes=sizes,
    )


def _entries(scratch: Scratch, commit: str) -> tuple[dict[str, tuple[str, str]], dict[str, int]]:
    """Mode and object name of each file of a commit, and its size in bytes."""
    listing = scratch.must("ls-tree", "-r", "-z", "-l", "--full-tree", commit).output
    entries, sizes, deepest = {}, {}, limit(BRANCH_DEPTH)
    for line in filter(None, listing.decode(errors="surrogateescape").split("\0")):
        meta, _, path = line.partition("\t")
        mode, _, blob, size = meta.split()
        if path.count("/") > deepest:
            what = f"{path[:40]}... on the data branch"
            raise PublicationError.of(exceeded(what, BRANCH_DEPTH, "folders above a file"))
        entries[path] = (mode, blob)
        if size.isdigit():  # a submodule has none
            sizes[path] = int(size)
    return entries, sizes


def refuse_large(path: str, size: int) -> None:
    """Raises ``PublicationError`` where a file of the branch is larger than any of covsync's."""
    figure = BRANCH_DATA if path.endswith("data.json") else BRANCH_FILE
    if size > limit(figure):
        raise PublicationError.of(exceeded(f"{path} on the data branch", figure, "bytes"))


def committed(tip: Tip, proposal: Proposal) -> str:
    """Makes the proposed commit in the scratch repository; its object name."""
    scratch = tip.scratch
    replaced = tip.commit if proposal.replaces_history else ""
    tree = scratch.must("rev-parse", f"{replaced}^{{tree}}").text() if replaced else None
    stream = commit_stream(
        ref=NEW,
        message=proposal.message,
        at=proposal.at,
        parent=None if proposal.replaces_history else tip.commit or None,
        tree=tree,
        removed=[each.path for each in proposal.changes if each.verb == "remove"],
        written=proposal.files.only(
            each.path for each in proposal.changes if each.verb != "remove"
        ),
    )
    # A ref left by an earlier try would make fast-import refuse to replace what it points at.
    scratch.run("update-ref", "-d", NEW)
    scratch.must("fast-import", "--quiet", "--done", *STREAMED, stdin=stream)
    return scratch.must("rev-parse", NEW).text()


def _refuse_in_the_way(entries: Iterable[str], files: Iterable[str]) -> None:
    wanted = set(files)
    folders = {folder for path in wanted for folder in _above(path)}
    for path in entries:
        ours = path if path in folders else None
        ours = ours or next((folder for folder in _above(path) if folder in wanted), None)
        if ours:
            raise PublicationError(
                f"the data branch holds {path}, where covsync writes {ours}",
                "Move it away on the branch, or name another branch with --branch.",
            )


def _above(path: str) -> Iterator[str]:
    """The folders that a path lies in, as there may be a million of paths."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
