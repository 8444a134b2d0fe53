"""``covsync check``: the gate."""

from __future__ import annotations

from collections.abc import Mapping

from covsync.commands import project
from covsync.commands.baseline import Baseline, baseline
from covsync.commands.basis import Basis, basis
from covsync.commands.project import Project
from covsync.console import Console
from covsync.errors import NoDataError, NothingToJudgeError
from covsync.gate.floors import Asked, judge
from covsync.git import index
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
    entered = project.enter(flags)
    config = entered.config
    try:
        judged = basis(console, entered)
    except NoDataError as error:
        if config.no_data != "warn":
            raise
        if as_json:
            console.say(verdicts.error_json(error.message, error.fix, 0))
        else:
            console.note(f'{error.message}; nothing was judged, as no_data = "warn" allows')
        return 0
    if judged.unmeasured and config.stale == "fail":
        stale = verdicts.stale_text(_shown(entered, judged), judged.command)
        raise NothingToJudgeError(*stale)
    if judged.unmeasured and config.stale == "warn":
        console.note(verdicts.stale_text(_shown(entered, judged), judged.command)[0])
    verdict = judge(judged.report, _asked(console, entered, judged, compare_to, fetch=fetch))
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


def _shown(entered: Project, judged: Basis) -> Mapping[str, tuple[int, ...]]:
    return {entered.shown(path): lines for path, lines in judged.unmeasured.items()}


def _asked(
    console: Console, entered: Project, judged: Basis, compare_to: str | None, *, fetch: bool
) -> Asked:
    """The floors of the project, with what those that compare need to know."""
    config, repository = entered.config, entered.repository
    base = None if compare_to is None else index.merge_base(repository, compare_to)
    changes = None
    if config.fail_under_diff is not None:
        lines = index.changed_lines(repository, base)
        changes = {file.path: lines[path] for path, file in judged.files.items() if lines.get(path)}
    before: Baseline | None = None
    if config.max_drop is not None:
        before = baseline(entered, base, fetch=fetch)
        if before is None:
            console.note(f"there is no baseline yet on {config.remote}/{config.branch}")
    return Asked(
        fail_under=judged.fail_under if config.fail_under is None else config.fail_under,
        fail_under_file=config.fail_under_file,
        fail_under_diff=config.fail_under_diff,
        changes=changes or {},
        paths=config.paths,
        max_drop=config.max_drop if before is not None else None,
        baseline=before.percent if before is not None else None,
        baseline_files=before.files if before is not None else {},
    )
