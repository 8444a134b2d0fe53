"""``covsync check``: judges the coverage of a commit against the floors."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from covsync.commands import project as projects
from covsync.commands.commit import Commit, shown_differences
from covsync.commands.current_report import CurrentReport, current_report, recorded_paths
from covsync.console import Console, Timings
from covsync.errors import NoDataError, NothingToJudgeError
from covsync.gate.floors import Asked, judge
from covsync.gate.unseen import is_seen
from covsync.git import index
from covsync.measure.store import StoreError
from covsync.model import Baseline
from covsync.render import verdict as verdicts

BELOW_A_FLOOR = 2
NOT_JUDGED = "no test can see what this commit changes"


def check(
    console: Console,
    flags: Mapping[str, object],
    *,
    compare_to: str | None,
    fetch: bool,
    as_json: bool,
) -> int:
    """Judges the coverage of what is being committed against every floor.

    0 where all held or no test can see the commit, 2 where one did not, 3 where there is nothing to
    judge one by. ``compare_to`` is a ref whose merge base counts as the commit before; ``fetch``
    refreshes the baseline.
    """
    timings = Timings()
    push = _push_of_pre_commit()
    project = projects.open_staged(flags, push.to_ref if push else None)
    projects.note_unstaged(console, project)
    commit = Commit(project, push.to_ref if push else None, push.from_ref if push else None)
    timings.lap("project")

    try:
        if compare_to is None and _is_unseen(commit):
            if as_json:
                console.document(verdicts.not_judged_json(NOT_JUDGED))
            else:
                console.say(f"covsync: {NOT_JUDGED}, so it was not judged")
            return 0
        current = current_report(console, timings, commit)
        return _judge(console, commit, current, compare_to, fetch=fetch, as_json=as_json)
    except NoDataError as error:
        if project.config.no_data != "warn":
            raise
        if as_json:
            console.document(verdicts.error_json(error.message, error.fix, 0))
        else:
            console.note(f'{error.message}; nothing was judged, as no_data = "warn" allows')
        return 0
    finally:
        timings.lap("judging")
        for line in timings.lines():
            console.detail(line)


def _is_unseen(commit: Commit) -> bool:
    """Whether no run of the tests depends on what the commit changes.

    Where nothing is staged, that is so in git's hook alone (``git commit --amend -m``): at a
    terminal and in CI what is committed already is judged.
    """
    if not any(commit.changes) and not os.environ.get("GIT_INDEX_FILE"):
        return False
    recorded = partial(recorded_paths, commit.project)
    try:
        return not is_seen(commit.changes, recorded, commit.changes_settings, commit.other_code)
    except StoreError:
        return False  # what the tests loaded cannot be found out


def _judge(
    console: Console,
    commit: Commit,
    current: CurrentReport,
    compare_to: str | None,
    *,
    fetch: bool,
    as_json: bool,
) -> int:
    project, evidence = commit.project, current.evidence
    if not current.report.totals.coverable:
        raise NothingToJudgeError(
            "nothing measured in this commit holds a statement",
            f"Measure files that do, by coverage.py's `source`, with all tests: {current.command}",
        )
    config, ref = project.config, compare_to or commit.base
    base = None if ref is None else index.merge_base(project.repository, ref, commit.name or "HEAD")
    if evidence.differences and config.stale == "warn":
        console.note(
            "the tests did not run on what is being committed: "
            + shown_differences(project, evidence.differences)
        )
    asked = Asked(
        fail_under=current.fail_under if config.fail_under is None else config.fail_under,
        fail_under_file=config.fail_under_file,
        fail_under_diff=config.fail_under_diff,
        paths=config.paths,
        changes=_changes(commit, current, base),
        max_drop=config.max_drop,
        before=_before(console, commit, base, fetch=fetch),
    )
    verdict = judge(current.report, asked)
    nothing = NothingToJudgeError.exit_code
    if verdict.findings:
        status = nothing if evidence.narrowed else BELOW_A_FLOOR
    else:
        status = nothing if verdict.unmatched_globs else 0
    if as_json:
        console.document(verdicts.as_json(current.report, verdict, status, evidence))
    else:
        text = verdicts.as_text(current.report, verdict, evidence, current.command)
        console.say(text, "red" if status else None)
        if console.is_terminal:
            console.say(f"covsync: {verdicts.evidence_text(evidence, int(time.time()))}")
        else:
            console.detail(verdicts.evidence_text(evidence, int(time.time())))
    return status


class _Push(NamedTuple):
    """What git is about to push, as pre-commit says at that stage."""

    from_ref: str | None
    to_ref: str


def _push_of_pre_commit() -> _Push | None:
    from_ref, to_ref = (os.environ.get(f"PRE_COMMIT_{end}_REF") for end in ("FROM", "TO"))
    if from_ref and to_ref:
        return _Push(from_ref, to_ref)
    whole = os.environ.get("PRE_COMMIT_LOCAL_BRANCH")  # a history of which the remote has nothing
    return _Push(None, whole) if whole else None


def _changes(
    commit: Commit, current: CurrentReport, base: str | None
) -> Mapping[str, frozenset[int]]:
    """The changed lines of each measured file; one that continues a statement is that statement."""
    project = commit.project
    if project.config.fail_under_diff is None:
        return {}
    from covsync.gate.text import statement_starts

    lines = index.changed_lines(project.repository, base, commit.name)
    changed = [path for path in current.files if lines.get(path)]
    objects = commit.listing.files
    texts = index.read_blobs(project.repository, [objects[path] for path in changed])
    starts = {path: statement_starts(texts[objects[path]]) for path in changed}
    return {
        current.files[path].path: frozenset(starts[path].get(line, line) for line in lines[path])
        for path in changed
    }


def _before(console: Console, commit: Commit, base: str | None, *, fetch: bool) -> Baseline | None:
    project = commit.project
    if project.config.max_drop is None:
        return None
    from covsync.commands.baseline import baseline, missing

    before = baseline(console, project, base, fetch=fetch)
    if before is None:
        console.note(missing(project, base, fetch=fetch))
    return before
