"""The error for a commit that differs from what the tests ran on."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from covsync.commands.commit import SETTINGS, Commit, is_loaded_unasked, shown_differences
from covsync.commands.project import Project
from covsync.errors import NothingToJudgeError
from covsync.gate.remedy import Situation, remedy, remedy_within
from covsync.git import index
from covsync.git.stashed import put_aside, work_tree_names
from covsync.measure import scope, settings
from covsync.measure.settings import Read
from covsync.model import Difference, Record
from covsync.source_paths import is_python


def stale(
    commit: Commit,
    differences: Sequence[Difference],
    command: str,
    *,
    record: Record | None = None,
    ran_on_work_tree: bool = False,
) -> NothingToJudgeError:
    """The error that names the differences and the command that ends them.

    ``record`` says what the tests ran on; without one nothing does, unless they
    ``ran_on_work_tree``, as it is now.
    """
    project, repository = commit.project, commit.project.repository
    shown = shown_differences(project, differences)
    message = f"the tests did not run on what is being committed: {shown}"
    if commit.name is not None:
        message = f"the tests did not run on what is being pushed: {shown}"
        return NothingToJudgeError(message, f"Check it out and run the tests on it: {command}")
    paths = [each.path for each in differences]
    changed = [path for path in paths if path != SETTINGS]
    aside = put_aside(repository, os.environ)
    disk = settings.settings_in(_reader(project, aside), project.depth)
    in_work_tree = {**work_tree_names(repository, paths, aside), SETTINGS: disk.bearing}
    files = [os.path.relpath(path, project.coverage_path) for path in changed]
    files += _unstaged_settings(commit, aside) if SETTINGS in paths else []
    staged = {**commit.objects, SETTINGS: commit.settings.bearing}
    recorded = in_work_tree if ran_on_work_tree else {}
    if record is not None:
        recorded = {path: file.name for path, file in record.files.items()}
        recorded[SETTINGS] = record.settings
    ignored = index.ignored(repository, changed)
    is_whole = not (record and record.narrowed)
    unstaged = _unstaged(commit, aside, record if is_whole else None)
    within = _remedy_within(
        commit, changed, in_work_tree, is_ignored=bool(ignored), command=command
    )
    situation = Situation(
        differences,
        in_work_tree=in_work_tree,
        recorded=recorded,
        is_all_staged=disk.bearing == commit.settings.bearing
        and all(in_work_tree.get(path) == staged.get(path) for path in changed)
        and not unstaged,
        is_rest_staged=unstaged <= {*changed},
        is_whole=is_whole,
        files=files,
        ignored=ignored,
    )
    return NothingToJudgeError(message, within or remedy(situation, command))


def _remedy_within(
    commit: Commit,
    paths: Sequence[str],
    in_work_tree: Mapping[str, str],
    *,
    is_ignored: bool,
    command: str,
) -> str | None:
    project = commit.project
    dirty = [path for path in paths if in_work_tree.get(path, "").endswith(index.DIRTY)]
    submodules = commit.listing.submodules
    absent = [path for path in paths if path not in commit.objects]
    nested = index.nested_repositories(project.repository, absent)
    return remedy_within(
        [os.path.relpath(path, project.coverage_path) for path in dirty],
        [
            os.path.relpath(path, project.coverage_path)
            for path in sorted(nested - submodules.keys())
        ],
        is_submodule=not nested.isdisjoint(submodules),
        is_ignored=is_ignored,
        command=command,
    )


def _unstaged(
    commit: Commit, aside: Mapping[str, bytes | None], record: Record | None
) -> frozenset[str]:
    """What a run of the tests would see now that is not as staged: edited and untracked files."""
    repository, staged = commit.project.repository, commit.listing.files
    loaded = record.files.keys() if record else {path for path in staged if is_python(path)}
    edited = index.work_tree_differs(repository, loaded & staged.keys())
    present = repository.present()
    untracked = present - commit.objects.keys()
    seen = [path for path in untracked if _is_seen(path, commit.project, record, present)]
    return frozenset({*edited, *(aside.keys() & loaded), *seen})


def _is_seen(path: str, project: Project, record: Record | None, present: Collection[str]) -> bool:
    """Whether a run would load or report an untracked file."""
    if record is None or not is_python(path):
        return is_python(path) and project.holds(path) and scope.is_test(path, scope.TESTS)
    asked, tree = record.scope, project.tree_of(frozenset())
    return is_loaded_unasked(path, project, record) or scope.is_reported(
        path, asked, present, record.files, tree
    )


def _reader(project: Project, aside: Mapping[str, bytes | None]) -> Read:
    """Reads files as the user's work tree holds them, by their name in the project's folder."""
    disk = settings.disk_reader(project.folder)

    def read(name: str) -> bytes | None:
        path = os.path.normpath(os.path.join(project.coverage_path, name))
        return aside[path] if path in aside else disk(name)

    return read


def _unstaged_settings(commit: Commit, aside: Mapping[str, bytes | None]) -> list[str]:
    """The files of settings, from the project's folder, that the work tree has otherwise."""
    project = commit.project
    paths = {
        name: os.path.normpath(os.path.join(project.coverage_path, name))
        for name in settings.names(project.depth)
    }
    return sorted(
        name for name, path in paths.items() if path in aside or name in commit.read.differing
    )
