"""The report that is judged: from a record and the index, or else from the coverage data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from covsync.commands import project as projects
from covsync.commands.commit import SETTINGS, TESTS, Commit
from covsync.commands.project import Project
from covsync.config import floor
from covsync.console import Console, Timings
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.gate.index_report import IndexReport, changed, index_report
from covsync.git import index
from covsync.measure import scope, settings, store
from covsync.measure.data_file import digest
from covsync.measure.store import Reader, StoredReport, StoreError
from covsync.model import (
    Difference,
    Evidence,
    FileReport,
    LoadedFile,
    Record,
    Report,
    ReportStyle,
    Scope,
    Totals,
)
from covsync.source_paths import is_python

SCOPE_OF_COVERAGE = Scope._fields.index("tests")  # the runner's part follows


class CurrentReport(NamedTuple):
    """A report to judge, and why it is taken to be of the code that is judged.

    ``files`` are the reports by path from the repository's top level. ``fail_under`` is
    coverage.py's own floor. ``command`` would run the tests again.
    """

    report: Report
    files: Mapping[str, FileReport]
    fail_under: Fraction | None
    evidence: Evidence
    command: str


def current_report(console: Console, timings: Timings, commit: Commit) -> CurrentReport:
    """The report on the index, or on the commit that is pushed.

    Raises ``NoDataError`` and ``NothingToJudgeError`` where there is nothing to judge by.
    """
    project = commit.project
    place = project.repository.own_folder
    try:
        with project.stored() as stored:
            found = _of_records(commit, stored)
            timings.lap("record")
            if found is not None:
                console.detail(f"judged by the record in {place / store.NAME}")
                return found
            _note_other_versions(console, place, stored.newest_recording())
            found = _of_stored_report(console, commit, stored)
            if found is not None:
                timings.lap("stored report")
                return found
    except StoreError as error:
        console.detail(f"{place / store.NAME} cannot be read, so it is not used: {error}")
    found = _of_analysis(console, commit)
    timings.lap("analysis")
    return found


def _note_other_versions(console: Console, place: Path, since: int) -> None:
    for other in store.written_by_other_versions(place, since):
        console.note(
            f"{other} holds a newer record, of a covsync of another version: this one reads "
            f"{store.NAME}. Let the hook's `rev` and the project's environment be the same covsync."
        )


class Compared(NamedTuple):
    """A record, and what it says of the commit."""

    record: Record
    found: IndexReport
    fail_under: Fraction | None
    settings_differ: bool

    @property
    def differences(self) -> tuple[Difference, ...]:
        """How the commit differs from what the tests ran on, settings first."""
        changed_settings = [Difference(SETTINGS, 0, "settings")] if self.settings_differ else []
        return (*changed_settings, *self.found.differences)


def _of_records(commit: Commit, stored: Reader) -> CurrentReport | None:
    """The report by a record that is of this very commit.

    ``None`` where there is none, and the data is of another run. Raises ``NothingToJudgeError``
    where the data is recorded or refused, and of another text than the commit.
    """
    compared: list[Compared] = []
    for record in _asked_for(commit, stored):
        each = compare(commit, record, all_differences=False)
        if each.differences:
            compared.append(each)
        elif _is_of_newest_scope(record, compared):
            _refuse_left_out(commit, each, stored)
            _load_lines(commit, stored, record.files)
            return _current(each, _command(each.record, stored))
    return _of_other_text(commit, stored, compared)


def _asked_for(commit: Commit, stored: Reader) -> Iterator[Record]:
    """The records of the data file that the configuration names, or else of coverage.py's own."""
    data_file = commit.project.config.data_file
    for record in stored.records():
        if data_file is None and record.named:
            continue
        if data_file is None or record.data_file == os.fspath(data_file.absolute()):
            yield record


def _of_other_text(
    commit: Commit, stored: Reader, compared: Sequence[Compared]
) -> CurrentReport | None:
    """The report by the record of the data, where ``stale`` allows what differs."""
    config, refusal = commit.project.config, stored.refusal()
    if not compared and not refusal:
        return None
    named = config.data_file or (Path(compared[0].record.data_file) if compared else None)
    present = digest(named or settings.data_file())
    if refusal and refusal.data_digest == present:
        if config.stale == "fail":
            raise NothingToJudgeError(refusal.message, refusal.fix)
        return None
    found = next((each for each in compared if present in ("", each.record.data_digest)), None)
    if found is None:
        return None
    found = compare(commit, found.record)
    command = _command(found.record, stored)
    if config.stale == "fail":
        from covsync.commands.stale import stale

        raise stale(commit, found.differences, command, record=found.record)
    _load_lines(commit, stored, found.record.files)
    return _current(found, command)


def _load_lines(commit: Commit, stored: Reader, files: Mapping[str, LoadedFile]) -> None:
    """Has the lines at hand that judging and its report may ask for, before the store is closed."""
    judges_lines = commit.project.config.fail_under_diff is not None
    stored.load_lines(
        file
        for file in files.values()
        if file.totals and (judges_lines or file.totals.covered < file.totals.coverable)
    )


def _is_of_newest_scope(record: Record, newer: Iterable[Compared]) -> bool:
    """Whether a run with the same settings did not measure other files since.

    coverage.py's ``source`` may be given on the command line, as in ``pytest --cov=package``.
    """
    wider = (each.record for each in newer if each.record.settings == record.settings)
    newest = next((each for each in wider if not each.narrowed), record)
    return newest.scope[:SCOPE_OF_COVERAGE] == record.scope[:SCOPE_OF_COVERAGE]


def compare(commit: Commit, record: Record, *, all_differences: bool = True) -> Compared:
    """What a record says of the commit, and how that differs from what the tests ran on.

    Without ``all_differences`` the report is of use only where there is none.
    """
    edited = changed(record, commit.objects)
    wanted = [commit.objects[path] for path in edited]
    wanted += [file.name for path in edited for file in [record.files[path]] if not file.own_text]
    repository = commit.project.repository
    found = index_report(
        record,
        commit.objects,
        index.read_blobs(repository, wanted) if wanted else {},
        new=commit.new_files(record),
        deleted=commit.deleted if record.files.keys() - commit.objects.keys() else (),
        shown=commit.project.names(record.files),
        all_differences=all_differences,
    )
    fail_under, settings_differ = record.fail_under, False
    if (
        settings.digest(commit.read, commit.project.depth, record.settings)
        != record.settings_digest
    ):
        settings_differ = commit.settings.bearing != record.settings
        if commit.settings.fail_under != record.configured_fail_under:
            fail_under = _floor(commit.settings.fail_under)
    return Compared(record, found, fail_under, settings_differ)


def _floor(text: str) -> Fraction | None:
    """coverage.py's ``fail_under`` as its file has it. Raises ``CovsyncError``."""
    try:
        return floor(text or 0) or None
    except ValueError as error:
        raise CovsyncError(
            "coverage.py's [report] fail_under is not valid", f"Set it to {error}."
        ) from None


def _current(compared: Compared, command: str) -> CurrentReport:
    record, found = compared.record, compared.found
    if not found.files:
        raise NothingToJudgeError(
            "no file that was measured is in this commit",
            f"Stage what the tests measure, or run them again: {command}",
        )
    evidence = Evidence(
        kind="record by file times" if record.by_times else "record",
        recorded_at=record.recorded_at,
        files=len(record.files),
        narrowed=record.narrowed,
        failed=record.failed,
        differences=compared.differences,
    )
    return CurrentReport(found.report, found.files, compared.fail_under, evidence, command)


def _refuse_left_out(commit: Commit, compared: Compared, stored: Reader) -> None:
    """A part of the tests says nothing of a file that only the others run.

    Raises ``NothingToJudgeError`` for one that was measured before. Without ``source`` also for one
    that the commit changes, and where no run of all tests is stored, for any that there is.
    """
    record, project = compared.record, commit.project
    if not record.narrowed:
        return
    tree = project.tree_of(frozenset())
    measured = _measured(record)
    left_out = _measured_by_all_tests(commit, record, list(stored.records())) - measured
    for path in sorted(left_out.intersection(commit.listing.files)):
        if not is_python(path) or not project.holds(path):
            continue
        if not scope.is_omitted(path, record.scope, tree):
            raise NothingToJudgeError(
                f"only a part of the tests ran ({record.narrowed}), which does not measure "
                f"{project.shown(path)}",
                f"Run all tests: {_whole_command(stored)}",
            )


def _measured(record: Record) -> set[str]:
    return {path for path, file in record.files.items() if file.totals is not None}


def _measured_by_all_tests(commit: Commit, record: Record, records: Sequence[Record]) -> set[str]:
    """The files that a run of all tests may measure, as far as the stored ``records`` show."""
    found = set().union(*map(_measured, records))
    if not (record.scope.source_dirs or record.scope.source_pkgs):
        found |= {path for parent in commit.changes for path in parent}
        if all(each.narrowed for each in records):
            found |= commit.listing.files.keys()
    return found


def _command(record: Record, stored: Reader) -> str:
    """The command that runs the tests again: all of them, where the record is of a part."""
    return _whole_command(stored) if record.narrowed else record.command or TESTS


def _whole_command(stored: Reader) -> str:
    """What ran all tests before, or else usually does."""
    return next((each.command for each in stored.records(narrowed="")), "") or TESTS


def _of_stored_report(console: Console, commit: Commit, stored: Reader) -> CurrentReport | None:
    """What coverage.py made of data and work tree before, where both are what they were then."""
    from covsync.commands.unrecorded_data import evidence_of_data

    project = commit.project
    found = stored.report(project.repository.top)
    if found is None or not _is_current(found, project):
        return None
    data_file = Path(found.inputs.data_file)
    console.detail(f"coverage data: {data_file}, as analysed before")
    reported = {path: file for path, file in found.files.items() if file.totals is not None}
    evidence = evidence_of_data(console, commit, found.files, data_file)
    _load_lines(commit, stored, reported)
    names = project.names(reported)
    files = {
        path: FileReport(names[path], file.totals, file.detail)
        for path, file in reported.items()
        if file.totals is not None and file.detail is not None
    }
    return _report(commit, files, found.has_branches, found.style, found.fail_under, evidence)


def _is_current(found: StoredReport, project: Project) -> bool:
    """Whether a stored report is of the data file that is asked for, and still what it would be.

    A folder that has become a link may lead out of the repository.
    """
    folders = {os.path.dirname(path) for path in found.inputs.sources}  # noqa: PTH120 - thousands
    return (
        found.folder == os.fspath(project.folder)  # it may be a copy of another checkout's store
        and found.data_file == _named(project.config.data_file)
        and found.inputs.are_current(project.folder)
        and all(os.path.realpath(each) == each for each in folders)
    )


def _named(data_file: Path | None) -> str | None:
    return None if data_file is None else os.fspath(data_file)


def _of_analysis(console: Console, commit: Commit) -> CurrentReport:
    """What coverage.py makes of the data and the work tree."""
    from covsync.commands.unrecorded_data import evidence_of_data
    from covsync.measure.measure import open_data
    from covsync.measure.session.copies import installed_copies, refuse_other_copies

    project = commit.project
    config, tree, results = project.config, project.work_tree(), project.results()
    with open_data(config.data_file, tree, results, eager=True) as data:
        paths = data.paths()
        evidence = evidence_of_data(console, commit, [*paths.values()], data.data_file)
        refuse_other_copies(installed_copies(paths.values(), tree), data.scratch, tree)
        measurement = data.measurement()
        projects.show_source(console, measurement)
        report, files = measurement.report, measurement.files()
        if data.is_repeatable(report):
            sources = {paths[name]: state for name, state in data.inputs.sources.items()}
            stored = StoredReport(
                folder=os.fspath(project.folder),
                data_file=_named(config.data_file),
                inputs=data.inputs._replace(sources=sources),
                has_branches=report.has_branches,
                style=report.style,
                fail_under=measurement.fail_under,
                files={
                    path: LoadedFile(state.digest, files[path].totals if path in files else None)
                    for path, state in sources.items()
                },
            )
            results.save_report(stored, measurement.entries())
    for note in results.notes:
        console.detail(note)
    fail_under = measurement.fail_under
    return _report(commit, files, report.has_branches, report.style, fail_under, evidence)


def _report(
    commit: Commit,
    files: Mapping[str, FileReport],
    has_branches: bool,  # noqa: FBT001 - a fact among others
    style: ReportStyle,
    fail_under: Fraction | None,
    evidence: Evidence,
) -> CurrentReport:
    """The report on those of the measured files that the commit has."""
    there = {path: file for path, file in files.items() if path in commit.listing.files}
    if not there:
        raise NothingToJudgeError(
            "no file that was measured is in this commit", f"Run the tests again: {TESTS}"
        )
    totals = Totals.together(file.totals for file in there.values())
    shown = tuple(sorted(there.values(), key=lambda file: file.path))
    report = Report(shown, totals, has_branches, style)
    return CurrentReport(report, there, fail_under, evidence, TESTS)


def recorded_paths(project: Project) -> frozenset[str]:
    """The paths of what runs of the tests loaded or measured, or else of what the data names.

    Raises ``StoreError``.
    """
    with project.stored() as stored:
        found = stored.paths()
    if found:
        return found
    from covsync.measure.data_tables import measured_names
    from covsync.measure.path_mapping import paths_in

    tree = project.tree_of(frozenset())
    paths, top = paths_in(tree), os.path.join(tree.top, "")
    data_file = project.config.data_file or Path(os.environ.get("COVERAGE_FILE") or ".coverage")
    return frozenset(paths.by_name(name).removeprefix(top) for name in measured_names(data_file))
