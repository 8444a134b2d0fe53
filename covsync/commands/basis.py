"""What the gate judges by: a snapshot held against the index, or else the data as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, partial
from typing import NamedTuple, TypeVar

from covsync.commands import project
from covsync.commands.clock import Clock
from covsync.commands.project import Project
from covsync.console import Console
from covsync.errors import NothingToJudgeError
from covsync.gate.committed import changed, committed, origins
from covsync.git import index
from covsync.measure import settings
from covsync.measure.analysis import known
from covsync.measure.analysis.kept import Kept
from covsync.measure.analysis.known import Known, MadeOf
from covsync.measure.snapshots import snapshot, store
from covsync.model import FileReport, Lines, Report, Snapshot, Totals
from covsync.render.verdict import stale_text

TESTS = "covsync run -m pytest"
Outcome = TypeVar("Outcome")


class Basis(NamedTuple):
    """A report to judge, and how far it can be relied on.

    ``files`` are the reports by path from the repository's top level. ``fail_under`` is
    coverage.py's own floor. ``unmeasured`` are the lines no test has seen, by path. It is
    ``verified`` where a snapshot says which text the tests ran on. ``command`` would measure anew.
    """

    report: Report
    files: Mapping[str, FileReport]
    fail_under: Fraction | None
    unmeasured: Mapping[str, tuple[int, ...]]
    verified: bool
    command: str


def by_basis(
    console: Console,
    clock: Clock,
    entered: Project,
    commit: str | None,
    judge: Callable[[Basis], Outcome],
) -> Outcome:
    """What ``judge`` makes of what there is to judge the index by, or else a ``commit``.

    It may be asked once more where the store turns out to be damaged. Raises ``NoDataError`` and
    others where there is nothing.
    """
    place, data_file = entered.repository.own_folder, entered.config.data_file
    with store.opened(place, entered.coverage_path) as taken:
        if taken is not None and snapshot.describes(taken, data_file):
            console.detail(f"judged by the snapshot in {place / store.NAME}")
            try:
                judged = _of_snapshot(entered, taken, commit)
                clock.lap("snapshot")
                return judge(judged)
            except store.DamagedError as error:
                console.detail(f"{place / store.NAME} is damaged and set aside: {error}")
    for other in store.newer_of_other_versions(place):
        console.note(
            f"{other} holds a newer snapshot, of a covsync of another version: this one reads "
            f"{store.NAME}. Let the hook's `rev` and the project's environment be the same covsync."
        )
    kept = entered.kept()
    found = known.load(kept)
    if found and found.still_holds(data_file, entered.folder, entered.repository.top):
        console.detail(f"coverage data: {found.data_file}, as analysed before")
        clock.lap("known report")
        return judge(_of_known(console, clock, entered, kept, found))
    judged = _of_data(console, entered, kept)
    clock.lap("analysis")
    return judge(judged)


def stale(entered: Project, judged: Basis) -> tuple[str, str]:
    """What no test has seen of ``judged``, and the one command that mends it."""
    lines = {entered.shown(path): lines for path, lines in judged.unmeasured.items()}
    return stale_text(lines, judged.command)


def _of_snapshot(entered: Project, taken: Snapshot, commit: str | None) -> Basis:
    fail_under = taken.fail_under
    if settings.digest_of_files(entered.folder) != taken.settings_digest:
        now = known.settings_of(entered.kept(), entered.folder)
        if now.bearing != taken.settings:
            raise NothingToJudgeError(
                "coverage.py's settings have changed since the tests ran",
                f"Run the tests again: {taken.command or TESTS}",
            )
        if str(now.fail_under) != taken.configured_fail_under:
            fail_under = now.fail_under or None
    blobs = index.listing(entered.repository, commit).files
    gone = taken.files.keys() - blobs.keys()
    origin = origins(taken, blobs, index.renames(entered.repository) if gone else {})
    tree = entered.tree_of(frozenset(blobs))
    new = [path for path in snapshot.new_sources(taken, blobs, tree) if path not in origin]
    edited = changed(taken, blobs, origin)
    wanted = [blobs[path] for path in (*edited, *new)]
    wanted += [taken.files[old].blob for old in edited.values() if taken.files[old].text is None]
    texts = index.read_blobs(entered.repository, wanted) if wanted else {}
    told = committed(taken, blobs, origin, new, texts, entered.names(origin))
    return Basis(
        told.report,
        told.files,
        fail_under,
        told.unmeasured,
        verified=True,
        command=taken.command or TESTS,
    )


def _of_known(console: Console, clock: Clock, entered: Project, kept: Kept, found: Known) -> Basis:
    """What coverage.py once made of data and work tree; it is asked again if lines are wanted."""

    @cache
    def analysed() -> Basis:
        clock.lap("judging")
        data = _of_data(console, entered, kept)
        clock.lap("analysis, for the lines")
        return data

    def lines(path: str) -> Lines:
        return analysed().files[path].lines

    names = entered.names(found.totals)
    files = {
        path: FileReport(names[path], totals, partial(lines, path))
        for path, totals in found.totals.items()
    }
    shown = tuple(sorted(files.values(), key=lambda file: file.path))
    totals = Totals.together(found.totals.values())
    report = Report(shown, totals, found.has_branches, found.style)
    return Basis(report, files, found.fail_under, {}, verified=False, command=TESTS)


def _of_data(console: Console, entered: Project, kept: Kept) -> Basis:
    """What coverage.py makes of the data and the work tree."""
    from covsync.measure.opened import opened

    config, folder, tree = entered.config, entered.folder, entered.work_tree()
    with opened(config.data_file, tree, kept, eager=True) as found:
        measurement = found.measurement()
        project.tell_source(console, measurement)
        report, floor = measurement.report, measurement.fail_under
        paths = snapshot.measured_paths(measurement)
        files = {paths[file.path]: file for file in report.files}
        made_of = MadeOf.now(measurement.data_file, folder)
        if found.is_repeatable(report):
            totals = {path: file.totals for path, file in files.items()}
            known.save(
                kept,
                Known(
                    named=known.named(config.data_file),
                    data_file=os.fspath(measurement.data_file),
                    made_of=made_of,
                    has_branches=report.has_branches,
                    style=report.style,
                    fail_under=floor,
                    texts=found.texts(),
                    totals=totals,
                ),
            )
    for note in kept.notes:
        console.detail(note)
    return Basis(report, files, floor, {}, verified=False, command=TESTS)
