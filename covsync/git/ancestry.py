"""Which of two commits came first: by ancestry, and by the commits' times only without it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from covsync.git.command import Answer, run_git
from covsync.git.repository import Repository
from covsync.git.scratch import REMOTE, Scratch
from covsync.limits import ANCESTRY, SECONDS_AHEAD, limit
from covsync.model import Source

# What a server says, in a trace of git's protocol version 2, that can leave out trees and files.
FILTERS = re.compile(r"< fetch=.*\bfilter\b")


def precedes(repository: Repository, scratch: Scratch, ours: Source, theirs: Source) -> bool:
    """Whether ``ours`` is older than ``theirs``, of which the remote's branch says that it exists.

    An ancestor is, as far as the clone knows, or else the remote. Where neither is the
    other's ancestor, as where two branches publish, the commits' times decide; but who says that
    theirs lies in the future is not believed.
    """
    if ours.commit == theirs.commit:
        return False
    is_older = _by_ancestry(partial(run_git, repository.top), ours, theirs)
    if is_older is None and not _knows_all(repository, theirs) and _filters(scratch):
        is_older = _by_ancestry(_with_ancestries(scratch, ours, theirs).run, ours, theirs)
    if is_older is None:
        now = int(time.time())
        return ours.committed_at < theirs.committed_at <= now + limit(SECONDS_AHEAD)
    return is_older


def _by_ancestry(git: Callable[..., Answer], ours: Source, theirs: Source) -> bool | None:
    """Whether ``ours`` is an ancestor of ``theirs``; ``None`` where neither is the other's."""

    def is_ancestor(one: Source, other: Source) -> bool:
        commits = (one.commit, other.commit)
        return not git("merge-base", "--is-ancestor", "--end-of-options", *commits).status

    if is_ancestor(theirs, ours):
        return False
    return True if is_ancestor(ours, theirs) else None


def _knows_all(repository: Repository, theirs: Source) -> bool:
    """Whether the clone holds ``theirs``, and the whole history of what it holds."""
    shallow = run_git(repository.top, "rev-parse", "--is-shallow-repository")
    found = run_git(repository.top, "cat-file", "-e", f"{theirs.commit}^{{commit}}")
    return shallow.text() == "false" and not found.status


def _filters(scratch: Scratch) -> bool:
    """Whether the remote can send commits alone; else it would send all that they hold."""
    tracing = replace(scratch, environ={**scratch.environ, "GIT_TRACE_PACKET": "2"})
    return bool(FILTERS.search(tracing.run("ls-remote", REMOTE, "HEAD").error))


def _with_ancestries(scratch: Scratch, *sources: Source) -> Scratch:
    """A repository with the newest ancestors of each source that the remote has, commits alone.

    It is apart from the scratch repository, of which git would lack objects from then on.
    """
    git_dir = f"{scratch.environ['GIT_DIR']}.ancestry"
    apart = replace(scratch, environ={**scratch.environ, "GIT_DIR": git_dir})
    if not os.path.isdir(git_dir):  # noqa: PTH112 - a text, as git has it
        kind = scratch.must("rev-parse", "--show-object-format").text()
        apart.must("init", "--quiet", "--bare", "--template=", f"--object-format={kind}")
    for source in sources:  # one by one, as the remote need not have both
        apart.run(
            *("fetch", "--quiet", "--filter=tree:0", f"--depth={limit(ANCESTRY)}"),
            *("--no-tags", "--no-write-fetch-head", REMOTE),
            f"+{source.commit}:refs/covsync/{source.commit}",
        )
    return apart
