"""Whether coverage data is of the commit that it would be published for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from covsync.commands.commit import TESTS, Commit, shown_differences
from covsync.commands.current_report import compare
from covsync.commands.project import Project
from covsync.commands.unrecorded_data import differences_by_times, in_ci, is_checked_out
from covsync.console import Console
from covsync.errors import NothingToJudgeError
from covsync.git import index
from covsync.measure.data_file import digest
from covsync.measure.store import StoreError
from covsync.model import Difference, Record


def refuse_other_texts(
    console: Console, project: Project, measured: Collection[str], data_file: Path
) -> None:
    """Raises ``NothingToJudgeError`` for data that is not of ``HEAD``, or of a part of the tests.

    Its record says so, or else files' times; in CI, where a job may bring data from another one, it
    is taken as measured on the commit. ``measured`` are paths from the repository's top level.
    """
    found = _recorded(project, data_file)
    if isinstance(found, NothingToJudgeError):
        raise found
    if found is None:
        _refuse_by_times(project, measured, data_file)
        return
    record, differences = found
    if record.narrowed:
        raise NothingToJudgeError(
            f"only a part of the tests ran ({record.narrowed})", f"Run all tests: {TESTS}"
        )
    if differences:
        raise _other_texts(project, differences, record.command or TESTS)
    if record.failed:
        console.note("the tests had failed")


def _recorded(
    project: Project, data_file: Path
) -> tuple[Record, tuple[Difference, ...]] | NothingToJudgeError | None:
    """The record of the data and how ``HEAD`` differs from it, or why the data was refused."""
    present = digest(data_file)
    head = index.StagedFiles(
        project.repository, index.listing(project.repository, "HEAD"), project.folder
    )
    commit = Commit(project._replace(staged=head), "HEAD")
    try:
        with project.stored() as stored:
            refusal = stored.refusal()
            if refusal and refusal.data_digest == present:
                return NothingToJudgeError(refusal.message, refusal.fix)
            for record in stored.records():
                if record.data_digest == present:
                    return record, compare(commit, record).differences
    except StoreError:
        pass
    return None


def _refuse_by_times(project: Project, measured: Collection[str], data_file: Path) -> None:
    repository = project.repository
    staged = index.StagedFiles(repository, index.listing(repository), project.folder)
    commit = Commit(project._replace(staged=staged))
    if in_ci() and is_checked_out(commit):
        return
    watched, differences = differences_by_times(commit, measured, data_file)
    changed = {path for parent in commit.changes for path in parent}
    uncommitted = [Difference(path, 0, "uncommitted") for path in changed & watched]
    found = sorted((*differences, *uncommitted))
    if found:
        raise _other_texts(project, found, TESTS)


def _other_texts(
    project: Project, differences: Sequence[Difference], command: str
) -> NothingToJudgeError:
    return NothingToJudgeError(
        f"the coverage is not of this commit: {shown_differences(project, differences)}",
        f"Commit what the tests ran on, or run them again: {command}",
    )
