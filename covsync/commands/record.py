"""``covsync record``: ties the coverage data to what the tests ran on."""

from __future__ import annotations

import os

from covsync.commands import project
from covsync.commands.clock import Clock
from covsync.commands.project import Project
from covsync.console import Console
from covsync.errors import NothingToJudgeError
from covsync.git import index
from covsync.measure.measurement import Measurement
from covsync.measure.opened import measured
from covsync.measure.snapshots import snapshot, store
from covsync.model import Snapshot


def record(console: Console, flags: dict[str, object], *, began: int | None) -> int:
    """Records what was just measured, for the gate to judge commits by; 0 when it is kept.

    ``began`` is when the tests began (Unix time in nanoseconds), where it is known.
    """
    clock = Clock()
    entered = project.enter(flags)
    clock.lap("project")
    figure = record_entered(entered, "", began)
    clock.lap("analysis")
    console.say(f"covsync: coverage is {figure}%, recorded")
    for line in clock.lines():
        console.detail(line)
    return 0


def record_entered(entered: Project, command: str, began: int | None) -> str:
    """Records the data of a project that was entered; its total, as it is shown."""
    place, kept = entered.repository.own_folder, entered.kept()
    with measured(entered.config.data_file, entered.work_tree(), kept) as measurement:
        taken = _snapshot(entered, measurement, command, began)
        store.save(place, entered.coverage_path, taken)
        return measurement.report.shown_total()


def _snapshot(
    entered: Project, measurement: Measurement, command: str, began: int | None
) -> Snapshot:
    repository = entered.repository
    paths = [
        path
        for path in snapshot.measured_paths(measurement).values()
        if os.path.isfile(os.path.join(repository.top, path))  # noqa: PTH113 - the name is a text
    ]
    _refuse_newer(entered, measurement, paths, began)
    blobs = index.blob_ids(repository, paths)
    there = index.known(repository, blobs.values())
    texts = {
        path: (repository.top / path).read_bytes() for path in paths if blobs[path] not in there
    }
    return snapshot.taken(
        measurement, blobs=blobs, texts=texts, present=repository.present(), command=command
    )


def _refuse_newer(
    entered: Project, measurement: Measurement, paths: list[str], began: int | None
) -> None:
    """A text written after the tests began need not be what they ran on; recorded, it would be.

    Where it is not known when they began, the data's own time has to do.
    """
    latest = measurement.data_file.stat().st_mtime_ns if began is None else began
    since = "the coverage data" if began is None else "the tests began"
    for path in paths:
        if (entered.repository.top / path).stat().st_mtime_ns > latest:
            raise NothingToJudgeError(
                f"{entered.shown(path)} was written after {since}, so the tests may have run on "
                "another text",
                "Run the tests again, best by `covsync run`.",
            )
