"""Publishing files on the data branch: made in a scratch repository, pushed with a lease."""

from __future__ import annotations

import hashlib
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.git.fast_import import commit_stream
from covsync.git.refusal import Refusal, refusal
from covsync.git.scratch import REMOTE, Scratch

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
    is_default: bool = False
    entries: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """A file's content, ``None`` where the branch has no such file."""
        if path not in self.entries:
            return None
        return self.scratch.must("cat-file", "blob", self.entries[path][1]).output

    def changes(
        self, files: Mapping[str, bytes], is_owned: Callable[[str], bool]
    ) -> tuple[Change, ...]:
        """What it takes to turn the branch's owned files into ``files``, by path."""
        algorithm = "sha256" if len(self.commit) > 40 else "sha1"
        changes = []
        for path, content in files.items():
            entry = (FILE_MODE, _blob_id(content, algorithm))
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

    Without ``replaces_history`` the commit follows the tip.
    """

    files: Mapping[str, bytes]
    changes: tuple[Change, ...]
    replaces_history: bool
    message: str
    at: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a publication ended: the new tip and its changes (none: nothing was pushed)."""

    commit: str
    changes: tuple[Change, ...]
    attempts: int


def publish(
    scratch: Scratch,
    branch: str,
    propose: Callable[[Tip], Proposal | None],
    *,
    dry_run: bool = False,
) -> Outcome:
    """Brings the remote's ``branch`` to what ``propose`` wants of its tip.

    Whenever someone else was faster, the new tip is fetched and asked about again, so nothing
    that was pushed meanwhile is lost. Where ``propose`` returns ``None``, there is nothing to do.
    Raises ``CovsyncError`` where the remote refuses, or keeps changing.
    """
    for attempt in itertools.count(1):
        tip = _fetched_tip(scratch, branch)
        if isinstance(tip, Refusal):
            _wait_or_give_up(tip, attempt)
            continue
        proposal = propose(tip)
        if proposal is None:
            return Outcome(tip.commit, (), attempt)
        if dry_run:
            return Outcome(tip.commit, proposal.changes, attempt)
        commit = _commit(scratch, tip, proposal)
        answer = scratch.run(
            *("push", "--porcelain", "--no-verify", "--no-follow-tags"),
            f"--force-with-lease=refs/heads/{branch}:{tip.commit}",
            *(REMOTE, f"{commit}:refs/heads/{branch}"),
        )
        if answer.status == 0 or _remote_tip(scratch, branch) == commit:
            return Outcome(commit, proposal.changes, attempt)
        _wait_or_give_up(refusal(answer, branch), attempt)
    raise AssertionError  # the loop has no other end


def _wait_or_give_up(problem: Refusal, attempt: int) -> None:
    """Sleeps a random while that grows with the tries, so that rivals fall out of step."""
    if attempt >= problem.tries:
        tries = f": gave up after {attempt} tries" if attempt > 1 else ""
        raise CovsyncError(f"{problem.message}{tries}", problem.fix)
    time.sleep(random.uniform(0, 0.1 * 2 ** min(attempt, 5)))  # noqa: S311 - jitter, no secret


def _remote_tip(scratch: Scratch, branch: str) -> str | None:
    answer = scratch.run("ls-remote", REMOTE, f"refs/heads/{branch}")
    return None if answer.status else _refs(answer.output).get(f"refs/heads/{branch}", "")


def _refs(listing: bytes) -> dict[str, str]:
    """The output of ``ls-remote``: what each ref points at."""
    lines = listing.decode(errors="surrogateescape").splitlines()
    return {ref: target for target, _, ref in (line.partition("\t") for line in lines)}


def _fetched_tip(scratch: Scratch, branch: str) -> Tip | Refusal:
    answer = scratch.run("ls-remote", "--symref", REMOTE, "HEAD", f"refs/heads/{branch}")
    if answer.status:
        return refusal(answer, branch)
    lines = answer.output.decode(errors="surrogateescape").splitlines()
    is_default = f"ref: refs/heads/{branch}\tHEAD" in lines
    if f"refs/heads/{branch}" not in _refs(answer.output):
        return Tip(scratch, is_default=is_default)
    answer = scratch.run(
        *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", REMOTE),
        f"+refs/heads/{branch}:{BASE}",
    )
    if answer.status:
        gone = _remote_tip(scratch, branch) == ""
        return Tip(scratch, is_default=is_default) if gone else refusal(answer, branch)
    commit = scratch.must("rev-parse", BASE).text()
    head, _, _ = scratch.must("cat-file", "commit", commit).output.partition(b"\n\n")
    parents = sum(line.startswith(b"parent ") for line in head.splitlines())
    return Tip(scratch, commit, parents, is_default, _entries(scratch, commit))


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


def _blob_id(content: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, b"blob %d\0" % len(content) + content).hexdigest()
