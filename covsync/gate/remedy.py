"""What to do about a commit that is not what the tests ran on. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from covsync.model import Difference

ALONE = "git stash --keep-index --include-untracked"


class Situation(NamedTuple):
    """What decides which remedy there is for ``differences``.

    ``in_work_tree`` and ``recorded`` are object names by path. ``is_all_staged`` where the tests
    would run on what is staged now, ``is_rest_staged`` where they would once the differences are
    staged. ``is_whole`` where all tests ran: a part of them may judge nothing even then. ``files``
    are those that ``git add`` would stage, ``ignored`` those of them that git ignores, so that its
    stash leaves them where they are.
    """

    differences: Sequence[Difference]
    in_work_tree: Mapping[str, str]
    recorded: Mapping[str, str]
    is_all_staged: bool
    is_rest_staged: bool
    is_whole: bool
    files: Sequence[str]
    ignored: Collection[str]


def remedy(found: Situation, command: str) -> str:
    """How to get to a verdict, in one line. ``command`` runs the tests.

    Where the work tree still is what the tests ran on, running them again would change nothing:
    then staging it does, or running them on what is staged alone.
    """
    alone = f"run the tests on what is staged alone: {ALONE}, {command}, commit, git stash pop"
    if _is_cured_by_staging(found):
        rest = "" if found.is_whole else f", and run all tests: {command}"
        if found.ignored:
            add = shlex.join(["git", "add", "--force", *found.files])
            return (
                f"The tests ran on what git ignores. Add it: {add}{rest}. "
                f"Or move it away, and run the tests again: {command}"
            )
        add = shlex.join(["git", "add", *found.files])
        return f"The tests ran on what lies in the work tree. Stage it: {add}{rest}. Or {alone}."
    if not found.is_all_staged:
        return f"{alone[0].upper()}{alone[1:]}."
    return f"Run the tests again: {command}"


def remedy_within(
    dirty: Sequence[str],
    nested: Sequence[str],
    *,
    is_submodule: bool,
    is_ignored: bool,
    command: str,
) -> str | None:
    """What to do about repositories in this one, which git cannot add as they are; or ``None``.

    ``dirty`` are the submodules that have changes of their own, ``nested`` the repositories that
    are no submodules, of which tests loaded files. ``is_ignored`` where git ignores those.
    ``is_submodule`` where files within a submodule differ by their times: covsync's own run records
    its commit.
    """
    if dirty:
        return (
            f"Commit or discard the changes in {' and '.join(map(shlex.quote, dirty))}, then "
            f"{shlex.join(['git', 'add', *dirty])} and run the tests again: {command}"
        )
    if nested:
        others = "a repository of its own" if len(nested) == 1 else "repositories of their own"
        each = "it" if len(nested) == 1 else "each"
        return (
            f"The tests ran on {' and '.join(map(shlex.quote, nested))}, {others}. "
            f"{f'Move {each} away' if is_ignored else f'Ignore {each}, move {each} away'} "
            f"or make {each} a submodule, and run the tests again: {command}"
        )
    return f"Run the tests again: {command}" if is_submodule else None


def _is_cured_by_staging(found: Situation) -> bool:
    """Whether every path lies in the work tree as when the tests ran, or is missing as then."""
    return (found.is_whole or found.is_rest_staged) and all(
        each.what != "written"
        and found.in_work_tree.get(each.path) == found.recorded.get(each.path)
        for each in found.differences
    )
