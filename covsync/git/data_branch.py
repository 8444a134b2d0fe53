"""Publishing files on the data branch: made in a scratch repository, pushed with a lease."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.git.command import Answer
from covsync.git.fast_import import commit_stream
from covsync.git.refusal import Refusal, refusal
from covsync.git.scratch import REMOTE, Scratch
from covsync.model import blob_id

BASE = "refs/covsync/base"
NEW = "refs/covsync/new"
FILE_MODE = "100644"


@dataclass(frozen=True, slots=True)
class Change:
    """A file that a publication adds, updates or removes."""

    verb: str
    path: str


@dataclass(frozen=True, slots=True)
class Tip:
    """The data branch as it is on the remote; ``commit`` is empty where there is none."""

    scratch: Scratch
    commit: str = ""
    parents: int = 0
    entries: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """A file's content, ``None`` where the branch has no such file."""
        if not self.entries.get(path, ("", ""))[0].startswith("100"):  # no file: link, submodule
            return None
        return self.scratch.must("cat-file", "blob", self.entries[path][1]).output

    def blobs(self) -> dict[str, str]:
        """The object names of the branch's regular files, by path; another entry's mode is told."""
        return {
            path: blob if mode == FILE_MODE else f"{mode} {blob}"
            for path, (mode, blob) in self.entries.items()
        }

    def changes(
        self, files: Mapping[str, bytes], is_owned: Callable[[str], bool]
    ) -> tuple[Change, ...]:
        """What it takes to turn the branch's owned files into ``files``, by path."""
        algorithm = "sha256" if len(self.commit) > 40 else "sha1"
        changes = []
        for path, content in files.items():
            entry = (FILE_MODE, blob_id(content, algorithm))
            if path not in self.entries:
                changes.append(Change("add", path))
            elif self.entries[path] != entry:
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

    files: Mapping[str, bytes]
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
    that was pushed meanwhile is lost. Raises ``CovsyncError`` where the remote refuses, or keeps
    changing.
    """
    for attempt in itertools.count(1):
        base = tip(scratch, branch)
        proposal = propose(base)
        if isinstance(proposal, NothingToDo):
            return Outcome((), attempt, proposal.reason)
        if dry_run:
            return Outcome(proposal.changes, attempt, proposal.reason)
        commit = _commit(scratch, base, proposal)
        answer = scratch.run(
            *("push", "--porcelain", "--no-verify", "--no-follow-tags"),
            f"--force-with-lease=refs/heads/{branch}:{base.commit}",
            *(REMOTE, f"{commit}:refs/heads/{branch}"),
        )
        if answer.status == 0 or _remote_tip(scratch, branch) == commit:
            return Outcome(proposal.changes, attempt, proposal.reason)
        _wait_or_give_up(refusal(answer, branch), attempt)
    raise AssertionError  # the loop has no other end


def tip(scratch: Scratch, branch: str) -> Tip:
    """The remote's ``branch`` as it is now. Raises ``CovsyncError`` where it cannot be had."""
    for attempt in itertools.count(1):
        found = _fetched_tip(scratch, branch)
        if isinstance(found, Tip):
            return found
        _wait_or_give_up(found, attempt)
    raise AssertionError  # the loop has no other end


def _wait_or_give_up(problem: Refusal, attempt: int) -> None:
    """Sleeps a random while that grows with the tries, so that rivals fall out of step."""
    if attempt >= problem.tries:
        tries = f": gave up after {attempt} tries" if attempt > 1 else ""
        raise CovsyncError(f"{problem.message}{tries}", problem.fix)
    time.sleep(random.uniform(0, 0.1 * 2 ** min(attempt, 5)))  # noqa: S311 - jitter, no secret


def _remote_tip(scratch: Scratch, branch: str) -> str | None:
    """What the remote's branch is now: empty where there is none, ``None`` where it won't tell."""
    answer = scratch.run("ls-remote", REMOTE, f"refs/heads/{branch}")
    return None if answer.status else _tip_in(answer, branch)


def _tip_in(listing: Answer, branch: str) -> str:
    """The commit of ``branch`` in what ``ls-remote`` answers, empty where it has none."""
    lines = (line.partition("\t") for line in listing.text().splitlines())
    return next((commit for commit, _, ref in lines if ref == f"refs/heads/{branch}"), "")


def _fetched_tip(scratch: Scratch, branch: str) -> Tip | Refusal:
    answer = scratch.run("ls-remote", REMOTE, f"refs/heads/{branch}")
    if answer.status:
        return refusal(answer, branch)
    if not _tip_in(answer, branch):
        return Tip(scratch)
    answer = scratch.run(
        *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", REMOTE),
        f"+refs/heads/{branch}:{BASE}",
    )
    if answer.status:
        gone = _remote_tip(scratch, branch) == ""
        return Tip(scratch) if gone else refusal(answer, branch)
    found = scratch.run("rev-parse", "--verify", "--quiet", f"{BASE}^{{commit}}")
    if found.status:
        return Refusal(
            f"{branch} on the remote does not point at a commit",
            "Delete it there, or name another with --branch.",
        )
    commit = found.text()
    head, _, _ = scratch.must("cat-file", "commit", commit).output.partition(b"\n\n")
    parents = sum(line.startswith(b"parent ") for line in head.splitlines())
    return Tip(scratch, commit, parents, _entries(scratch, commit))


def _entries(scratch: Scratch, commit: str) -> dict[str, tuple[str, str]]:
    listing = scratch.must("ls-tree", "-r", "-z", "--full-tree", commit).output
    entries = {}
    for line in filter(None, listing.decode(errors="surrogateescape").split("\0")):
        meta, _, path = line.partition("\t")
        mode, _, blob = meta.split(" ")
        entries[path] = (mode, blob)
    return entries


def _commit(scratch: Scratch, tip: Tip, proposal: Proposal) -> str:
    """Makes the proposed commit in the scratch repository; its object name."""
    replaced = tip.commit if proposal.replaces_history else ""
    tree = scratch.must("rev-parse", f"{replaced}^{{tree}}").text() if replaced else None
    stream = commit_stream(
        ref=NEW,
        message=proposal.message,
        at=proposal.at,
        parent=None if proposal.replaces_history else tip.commit or None,
        tree=tree,
        removed=[each.path for each in proposal.changes if each.verb == "remove"],
        written={
            each.path: proposal.files[each.path]
            for each in proposal.changes
            if each.verb != "remove"
        },
    )
    # A ref left by an earlier try would make fast-import refuse to replace what it points at.
    scratch.run("update-ref", "-d", NEW)
    with tempfile.TemporaryFile(dir=Path(scratch.environ["GIT_DIR"])) as file:
        file.writelines(stream)
        file.seek(0)
        scratch.must("fast-import", "--quiet", "--done", stdin=file)
    return scratch.must("rev-parse", NEW).text()
