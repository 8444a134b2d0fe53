"""``covsync check``: the gate."""

from __future__ import annotations

from collections.abc import Mapping

from covsync.commands import project
from covsync.console import Console
from covsync.errors import NoDataError, NothingToJudgeError
from covsync.gate.floors import judge
from covsync.measure.measurement import measured
from covsync.render import verdict as verdicts

BELOW_A_FLOOR = 2


def check(console: Console, flags: Mapping[str, object], *, as_json: bool) -> int:
    """Judges the coverage against every floor: 0 all held, 2 one did not, 3 one has no file."""
    entered = project.enter(flags)
    config = entered.config
    try:
        with measured(config.data_file, entered.work_tree()) as measurement:
            report, own_floor = measurement.report, measurement.fail_under
            console.detail(f"coverage data: {measurement.data_file}")
            for warning in measurement.warnings:
                console.detail(f"coverage.py: {warning}")
    except NoDataError as error:
        if config.no_data != "warn":
            raise
        if as_json:
            console.say(verdicts.error_json(error.message, error.fix, 0))
        else:
            console.note(f'{error.message}; nothing was judged, as no_data = "warn" allows')
        return 0
    verdict = judge(
        report,
        fail_under=own_floor if config.fail_under is None else config.fail_under,
        fail_under_file=config.fail_under_file,
        paths=config.paths,
    )
    if verdict.findings:
        status = BELOW_A_FLOOR
    else:
        status = NothingToJudgeError.exit_code if verdict.unmatched_globs else 0
    if as_json:
        console.say(verdicts.as_json(report, verdict, status))
    else:
        console.say(verdicts.as_text(report, verdict), "red" if status else None)
    return status
