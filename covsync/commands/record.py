"""``covsync record``: stores what the tests ran on and what they covered."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from covsync.commands import project as projects
from covsync.commands.project import Project
from covsync.commands.recorded_files import AGAIN, committed_paths, recorded_files
from covsync.console import Console, Timings
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.git import index
from covsync.git.index import Listing, WorkTreeState
from covsync.measure import settings, store
from covsync.measure.data_file import begun, digest, newer
from covsync.measure.measure import MeasuredData, Measurement, measured
from covsync.measure.session import notes
from covsync.measure.session.copies import installed_copies, refuse_other_copies
from covsync.measure.session.loaded_files import Loaded, loaded, test_patterns, why_narrowed
from covsync.measure.session.notes import Session
from covsync.measure.store import StoreError
from covsync.model import FileReport, LoadedFile, Record, Refusal, Scope, Totals
from covsync.source_paths import is_python


def record(
    console: Console, flags: dict[str, object], *, began: int | None, notes_file: Path | None
) -> int:
    """Records what was just measured, for the gate to judge commits by; 0 when it is stored.

    ``began`` is when the tests began (Unix time in nanoseconds), where that is given.
    ``notes_file`` is what the test session noted; without it those are taken that earlier sessions
    left (of parallel data, which is combined by now).
    """
    timings = Timings()
    project = projects.open_project(flags)
    timings.lap("project")
    waiting = _notes_of_data(project)
    sessions = [_read(path) for path in ([notes_file] if notes_file else waiting)]
    try:
        figure = record_project(project, "", sessions, began=began)
    except NothingToJudgeError:
        _discard(waiting)
        raise
    _discard(waiting)
    timings.lap("analysis")
    console.say(f"covsync: coverage is {figure}%, recorded")
    for line in timings.lines():
        console.detail(line)
    return 0


def _notes_of_data(project: Project) -> list[Path]:
    """The notes of sessions that began before the data was written, so that it may be theirs."""
    data_file = project.config.data_file or settings.data_file()
    try:
        written = data_file.stat().st_mtime_ns
    except OSError:
        return []
    waiting = notes.waiting(project.repository.own_folder)
    return [path for path in waiting if _read(path).began <= written]


def _read(path: Path) -> Session:
    try:
        return notes.read(path)
    except (OSError, ValueError) as error:
        raise CovsyncError(
            f"the notes of a test session cannot be read: {error}", f"Delete {path}. {AGAIN}"
        ) from None


def _discard(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def record_project(
    project: Project, command: str, sessions: Sequence[Session], *, began: int | None = None
) -> str:
    """Records the data of a project; its total, as it is shown.

    ``command`` measured it, "" if unknown. ``sessions`` are what its processes noted:
    without any, files' times are the evidence. Data that cannot be recorded is refused in the
    store, so that no commit is judged by it. Raises ``NothingToJudgeError`` and ``CovsyncError``.
    """
    place = project.repository.own_folder
    observed = None if sessions else _observed(project)
    if observed is not None:
        return _shown_total(observed)
    with measured(project.config.data_file, project.work_tree(), project.results()) as measurement:
        try:
            taken = _record(project, measurement, command, sessions, began)
        except NothingToJudgeError as error:
            data_digest = measurement.data.inputs.data.digest
            refusal = Refusal(data_digest, error.message, error.fix)
            store.refuse(place, project.coverage_path, refusal)
            raise
        store.save_record(place, project.coverage_path, taken, measurement.entries())
    return _shown_total(taken)


def _shown_total(record: Record) -> str:
    """The total of what was measured of the repository; what git ignores is no part of it."""
    totals = Totals.together(file.totals for file in record.files.values() if file.totals)
    return totals.shown(record.style.precision)


def _observed(project: Project) -> Record | None:
    """The record of the data as it is that was made by what the tests' processes noted."""
    present = digest(project.config.data_file or settings.data_file())
    with contextlib.suppress(StoreError), project.stored() as stored:
        return next(stored.records(data_digest=present, by_times=False), None)
    return None


def _record(
    project: Project,
    measurement: Measurement,
    command: str,
    sessions: Sequence[Session],
    began: int | None,
) -> Record:
    """The record of a measurement. Raises ``NothingToJudgeError`` where that cannot be one."""
    ran = loaded(sessions, measurement.data.tree)
    base = _appended_to(project, sessions)
    before = base.files if base else {}
    staged, state = index.listing(project.repository), index.work_tree_state(project.repository)
    present, tests = _present(project, staged, state), test_patterns(sessions)
    reports = measurement.files()
    _refuse_copies(measurement, reports, sessions)
    by_times = not _covers(ran, before, reports)
    seen = _of_project(project, present) if by_times else set(ran.digests)
    seen |= _config_files(project, sessions)
    paths = committed_paths(project, seen.union(before, reports), present, tests)
    names, texts = recorded_files(project, paths, staged, state, ran)
    # What is edited from here on is not recorded; what was edited before shows now.
    if by_times:
        _refuse_newer(project, measurement.data.data_file, paths, began)
    else:
        _refuse_edited_settings(project, sessions)
        _refuse_edited_templates(project, reports.keys() - ran.digests.keys(), sessions)
    _refuse_changed_meanwhile(project, measurement.data)
    asked = settings.settings_in(settings.disk_reader(project.folder), project.depth)
    if base:
        _refuse_changed(project, base, names, present, asked.bearing)
    files = {
        path: _loaded_file(name, reports.get(path), texts.get(path)) for path, name in names.items()
    }
    scope = _scope(project, measurement, reports, sessions, ran)
    record = Record(
        data_file=os.fspath(measurement.data.data_file.absolute()),
        named=_is_elsewhere(project.config.data_file),
        data_digest=measurement.data.inputs.data.digest,
        recorded_at=int(time.time()),
        by_times=by_times,
        failed=any(each.exit_status for each in sessions),
        narrowed=why_narrowed(
            sessions, files, present, tests, _loaded_by_all_tests(project, asked.bearing)
        ),
        by_option=any(each.narrowed_by_option for each in sessions),
        doctests=by_times or any(each.doctests for each in sessions),
        command=command,
        has_branches=measurement.report.has_branches,
        style=measurement.report.style,
        fail_under=measurement.fail_under,
        configured_fail_under=asked.fail_under,
        exclusions=measurement.exclusions,
        settings=asked.bearing,
        settings_digest=asked.digest,
        scope=scope._replace(tests=tests, loads_all=any(each.loads_all for each in sessions)),
        unloaded=frozenset(present).difference(files),
        files=files,
    )
    if base is None:
        return record
    ran_all = not why_narrowed(sessions, ran.digests, present, tests, ())
    return _appended(base, record, ran_all=ran_all)


def _appended(base: Record, record: Record, *, ran_all: bool) -> Record:
    """The record of data that was appended to that of ``base``.

    ``ran_all`` says whether the later run was one of all tests.
    """
    narrowed, by_option = record.narrowed, record.by_option
    if ran_all or not base.narrowed:
        narrowed, by_option = "", False
    elif base.by_option:
        narrowed, by_option = base.narrowed, True
    return record._replace(
        by_times=record.by_times or base.by_times,
        failed=record.failed or base.failed,
        narrowed=narrowed,
        by_option=by_option,
        doctests=record.doctests or base.doctests,
        command=" && ".join(filter(None, [base.command, record.command])),
    )


def _loaded_by_all_tests(project: Project, bearing: str) -> Collection[str]:
    with contextlib.suppress(StoreError), project.stored() as stored:
        return stored.loaded_by_all_tests(bearing)
    return ()


def _refuse_copies(
    measurement: Measurement, reports: Collection[str], sessions: Sequence[Session]
) -> None:
    """An installed copy that ran in place of a source must be the same text."""
    data = measurement.data
    noted = {path: texts for each in sessions for path, texts in each.copies.items()}
    copies = noted if sessions else installed_copies(reports, data.tree)
    refuse_other_copies(copies, data.scratch, data.tree, noted)


def _present(project: Project, staged: Listing, state: WorkTreeState) -> list[str]:
    """The Python files that lie in the work tree, and those that a sparse checkout leaves out."""
    tracked = {*staged.files, *staged.links, *staged.submodules}
    deleted = project.repository.missing(state.differing)
    return [path for path in (tracked | state.untracked) - deleted if is_python(path)]


def _is_elsewhere(data_file: Path | None) -> bool:
    """Whether a data file is another than coverage.py's own choice, so that checks must name it."""
    return data_file is not None and data_file.absolute() != settings.data_file().absolute()


def _loaded_file(name: str, report: FileReport | None, text: bytes | None) -> LoadedFile:
    return LoadedFile(name, report.totals if report else None, own_text=text)


def _covers(ran: Loaded, before: Mapping[str, object], reports: Mapping[str, FileReport]) -> bool:
    """Whether the notes have every Python file of which the data says that it ran."""
    noted = ran.digests.keys() | before.keys()
    return bool(ran.digests) and all(
        path in noted or not is_python(path) or file.totals.missing == file.totals.statements
        for path, file in reports.items()
    )


def _scope(
    project: Project,
    measurement: Measurement,
    reports: Mapping[str, FileReport],
    sessions: Iterable[Session],
    ran: Loaded,
) -> Scope:
    """The scope as configured, or else as coverage.py was given it on a command line.

    That is noted, or shows by a file that is reported though it did not run: then it was at most
    the project.
    """
    configured, top = measurement.scope, os.path.join(measurement.data.tree.top, "")
    if configured.source_dirs or configured.source_pkgs:
        return configured
    given = {name for session in sessions for name in session.source}
    folders = {name for name in given if name.startswith(os.sep)}
    if not given and any(
        is_python(path)
        and path not in ran.digests
        and 0 < file.totals.statements == file.totals.missing
        for path, file in reports.items()
    ):
        folders = {os.fspath(project.folder)}
    inside = [os.path.join(each, "") for each in folders]
    return configured._replace(
        source_dirs=tuple(sorted(each[len(top) : -1] for each in inside if each.startswith(top))),
        source_pkgs=tuple(sorted(given - folders)),
    )


def _config_files(project: Project, sessions: Iterable[Session]) -> set[str]:
    """The configuration files that a command line named: those of usual names are compared anyway.

    They count as a whole, like any file that was loaded.
    """
    top = os.path.join(project.repository.top, "")
    named = {os.path.realpath(path) for session in sessions for path in session.config_files}
    usual = {os.path.realpath(project.folder / name) for name in settings.names(project.depth)}
    return {path.removeprefix(top) for path in named - usual if path.startswith(top)}


def _of_project(project: Project, present: Iterable[str]) -> set[str]:
    """All Python files of the project, as any of them may have been loaded."""
    inside = set(filter(project.holds, present))
    return inside - project.repository.missing(inside)


def _refuse_newer(
    project: Project, data_file: Path, paths: Collection[str], began: int | None
) -> None:
    """Files' times are the evidence where the processes of the tests were not observed.

    A folder's time changes where a file in it is removed or renamed, or as data is written.
    """
    top = project.repository.top
    folders = {path.rpartition("/")[0] for path in paths}
    folders -= {os.path.relpath(data_file.absolute().parent, top).removeprefix(".")}
    watched = [*sorted(paths), *sorted(folders)] if began is None else sorted(paths)
    for path in newer(watched, began or begun(data_file), top):
        raise NothingToJudgeError(
            f"{project.shown(path)} was written after the coverage data, so the tests may have "
            "run on another text",
            AGAIN,
        )


def _refuse_edited_settings(project: Project, sessions: Iterable[Session]) -> None:
    began = min(session.began for session in sessions)
    names = [name for name in settings.names(project.depth) if (project.folder / name).is_file()]
    for name in newer(names, began, project.folder):
        raise NothingToJudgeError(f"{name} was edited while the tests ran", AGAIN)


def _refuse_edited_templates(
    project: Project, paths: Iterable[str], sessions: Iterable[Session]
) -> None:
    """Of what a plugin measured nothing was noted, so its time is the evidence."""
    began = min(session.began for session in sessions)
    templates = sorted(path for path in paths if not is_python(path))
    for path in newer(templates, began, project.repository.top):
        raise NothingToJudgeError(f"{project.shown(path)} was edited while the tests ran", AGAIN)


def _refuse_changed_meanwhile(project: Project, data: MeasuredData) -> None:
    """What coverage.py analysed must be what is recorded."""
    inputs = data.inputs
    if not inputs.is_data_file_current():
        raise NothingToJudgeError("the coverage data changed while it was recorded", AGAIN)
    for name, path in data.paths().items():
        if name in inputs.sources and not inputs.is_source_current(name):
            raise NothingToJudgeError(
                f"{project.shown(path)} was edited while the coverage was recorded", AGAIN
            )


def _appended_to(project: Project, sessions: Iterable[Session]) -> Record | None:
    """The record of the data that the sessions added theirs to, ``None`` where they did not.

    Raises ``NothingToJudgeError`` where that data was not recorded.
    """
    onto = next((each.onto for each in sessions if each.appended and each.onto), "")
    if not onto:
        return None
    with contextlib.suppress(StoreError), project.stored() as stored:
        base = next(stored.records(data_digest=onto), None)
        if base:
            return base
    raise NothingToJudgeError(
        "the coverage data was appended to data that is not recorded", "Run all tests again."
    )


def _refuse_changed(
    project: Project, base: Record, names: Mapping[str, str], present: Iterable[str], bearing: str
) -> None:
    """Data of one text: what the earlier run loaded must still be there as it was then."""
    since = "since the run that the coverage data was appended to"
    fix = "Run all tests again, without appending."
    if bearing != base.settings:
        raise NothingToJudgeError(f"coverage.py's or pytest's settings have changed {since}", fix)
    for path, file in base.files.items():
        if names.get(path) != file.name:
            raise NothingToJudgeError(f"{project.shown(path)} has changed {since}", fix)
    for path in sorted(set(present).difference(base.files, base.unloaded)):
        raise NothingToJudgeError(f"{project.shown(path)} was added {since}", fix)
