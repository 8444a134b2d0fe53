"""``covsync check``: the gate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from covsync.commands import project
from covsync.commands.basis import Basis, by_basis, stale
from covsync.commands.clock import Clock
from covsync.commands.project import Project
from covsync.console import Console
from covsync.errors import NoDataError, NothingToJudgeError
from covsync.gate.floors import Asked, judge
from covsync.git import index
from covsync.model import Baseline
from covsync.render import verdict as verdicts

BELOW_A_FLOOR = 2


def check(
    console: Console,
    flags: Mapping[str, object],
    *,
    compare_to: str | None,
    fetch: bool,
    as_json: bool,
) -> int:
    """Judges the coverage of what is being committed against every floor.

    0 where all held, 2 where one did not, 3 where there is nothing to judge one by. ``compare_to``
    is a ref whose merge base counts as the commit before; ``fetch`` refreshes the baseline.
    """
    clock = Clock()
    entered = project.enter(flags)
    clock.lap("project")
    push = _push_of_pre_commit()

    def judged_by(judged: Basis) -> int:
        return _judge(console, entered, judged, push, compare_to, fetch=fetch, as_json=as_json)

    try:
        return by_basis(console, clock, entered, push.to_ref if push else None, judged_by)
    except NoDataError as error:
        if entered.config.no_data != "warn":
            raise
        if as_json:
            console.say(verdicts.error_json(error.message, error.fix, 0))
        else:
            console.note(f'{error.message}; nothing was judged, as no_data = "warn" allows')
        return 0
    finally:
        clock.lap("judging")
        for line in clock.lines():
            console.detail(line)


def _judge(
    console: Console,
    entered: Project,
    judged: Basis,
    push: _Push | None,
    compare_to: str | None,
    *,
    fetch: bool,
    as_json: bool,
) -> int:
    _judge_freshness(console, entered, judged)
    config, commit = entered.config, push.to_ref if push else None
    ref = compare_to or (push.from_ref if push else None)
    base = None if ref is None else index.merge_base(entered.repository, ref, commit or "HEAD")
    asked = Asked(
        fail_under=judged.fail_under if config.fail_under is None else config.fail_under,
        fail_under_file=config.fail_under_file,
        fail_under_diff=config.fail_under_diff,
        paths=config.paths,
        changes=_changes(entered, judged, base, commit),
        max_drop=config.max_drop,
        before=_before(console, entered, base, fetch=fetch),
    )
    verdict = judge(judged.report, asked)
    if verdict.findings:
        status = BELOW_A_FLOOR
    else:
        status = NothingToJudgeError.exit_code if verdict.unmatched_globs else 0
    if as_json:
        console.say(verdicts.as_json(judged.report, verdict, status, verified=judged.verified))
    else:
        text = verdicts.as_text(judged.report, verdict, verified=judged.verified)
        console.say(text, "red" if status else None)
    return status


class _Push(NamedTuple):
    """What git is about to push, as pre-commit tells its hooks at that stage."""

    from_ref: str | None
    to_ref: str


def _push_of_pre_commit() -> _Push | None:
    from_ref, to_ref = (os.environ.get(f"PRE_COMMIT_{end}_REF") for end in ("FROM", "TO"))
    if from_ref and to_ref:
        return _Push(from_ref, to_ref)
    whole = os.environ.get("PRE_COMMIT_LOCAL_BRANCH")  # a history of which the remote has nothing
    return _Push(None, whole) if whole else None


def _judge_freshness(console: Console, entered: Project, judged: Basis) -> None:
    """Raises ``NothingToJudgeError`` for lines no test has seen, unless ``stale`` allows them."""
    mode = entered.config.stale
    if not judged.unmeasured or mode == "ignore":
        return
    message, fix = stale(entered, judged)
    if mode == "fail":
        raise NothingToJudgeError(message, fix)
    console.note(message)


def _changes(
    entered: Project, judged: Basis, base: str | None, commit: str | None
) -> Mapping[str, frozenset[int]]:
    if entered.config.fail_under_diff is None:
        return {}
    lines = index.changed_lines(entered.repository, base, commit)
    return {file.path: lines[path] for path, file in judged.files.items() if lines.get(path)}


def _before(
    console: Console, entered: Project, base: str | None, *, fetch: bool
) -> Baseline | None:
    config = entered.config
    if config.max_drop is None:
        return None
    from covsync.commands.baseline import baseline, missing

    before = baseline(console, entered, base, fetch=fetch)
    if before is None:
        console.note(missing(entered, base, fetch=fetch))
    return before
