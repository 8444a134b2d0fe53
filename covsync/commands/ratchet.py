"""``covsync ratchet``: raises the configured floors to the coverage that was reached."""

from __future__ import annotations

import os
import stat
import tempfile
from fractions import Fraction
from pathlib import Path

from covsync import config as configuration
from covsync.commands import project as projects
from covsync.commands.commit import Commit, shown_differences
from covsync.commands.current_report import CurrentReport, current_report
from covsync.commands.project import Project
from covsync.config_edit import edited
from covsync.console import Console, Timings
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.gate.floors import Raised, raised
from covsync.model import exact_decimal, shown_name


def ratchet(console: Console, *, step: Fraction, allow_lower: bool) -> int:
    """Raises the configured floors to what the project holds, down to a multiple of ``step``.

    0 when they are there; the file's other bytes stay as they are.
    """
    timings = Timings()
    project = projects.open_staged({})
    project = project._replace(config=configuration.load(project.folder, {}))  # what is edited
    timings.lap("project")
    current = current_report(console, timings, Commit(project))
    status = _raise(console, project, current, step=step, allow_lower=allow_lower)
    timings.lap("floors")
    for line in timings.lines():
        console.detail(line)
    return status


def _raise(
    console: Console, project: Project, current: CurrentReport, *, step: Fraction, allow_lower: bool
) -> int:
    path = configuration.source(project.folder)
    if current.evidence.narrowed or current.evidence.differences:
        why = current.evidence.narrowed or shown_differences(project, current.evidence.differences)
        raise NothingToJudgeError(
            f"floors are raised by a run of all tests on the code as it is: {why}",
            f"Run all tests: {current.command}",
        )
    config = project.config
    floors = raised(
        current.report,
        fail_under=config.fail_under,
        fail_under_file=config.fail_under_file,
        paths=config.paths,
        step=step,
    )
    if path is None or not floors:
        raise CovsyncError(
            "no floor is configured that could be raised",
            "Set fail_under, fail_under_file or paths in [tool.covsync] first.",
        )
    changes = [
        each for each in floors if each.new > each.old or (allow_lower and each.new != each.old)
    ]
    if changes:
        _write(project, path, changes)
    for each in changes:
        console.say(f"{_name(each)}: {exact_decimal(each.old)} -> {exact_decimal(each.new)}")
    for glob in config.paths.keys() - {each.key[-1] for each in floors}:
        console.note(f"{shown_name(glob)} of `paths` matches no measured file: its floor stays")
    unchanged = len(floors) - len(changes)
    what = "floor stays" if unchanged == 1 else "floors stay"
    console.say(f"covsync: {path.name}: {len(changes)} changed, {unchanged} {what}")
    return 0


def _name(floor: Raised) -> str:
    return " ".join(shown_name(part) for part in floor.key)


def _write(project: Project, named: Path, changes: list[Raised]) -> None:
    path = named.resolve()
    text = path.read_bytes().decode()
    for each in changes:
        text = edited(text, named.name, each.key, each.old, each.new)
    _replace(path, text.encode())
    configuration.load(project.folder, {})


def _replace(path: Path, content: bytes) -> None:
    """The file holds its former content or the new one, whatever happens, and keeps its mode.

    The new file's name cannot be foretold, or a link could lie in wait for it.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(beside, path)  # noqa: PTH105 - whole or not at all
    finally:
        Path(beside).unlink(missing_ok=True)
