"""Coverage data that is not recorded: whether it may be taken to be of the commit."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from covsync.commands.commit import SETTINGS, TESTS, Commit, shown_differences
from covsync.console import Console
from covsync.git import index
from covsync.measure import scope, settings
from covsync.measure.data_file import begun, newer
from covsync.model import Difference, Evidence
from covsync.source_paths import folders, is_python


def evidence_of_data(
    console: Console, commit: Commit, measured: Collection[str], data_file: Path
) -> Evidence:
    """Why data on the ``measured`` paths is taken to be of the commit.

    In CI, where a job may bring it from another one, that is the commit itself; elsewhere files'
    times. Raises ``NothingToJudgeError`` where they say otherwise, unless ``stale`` allows it.
    """
    written = data_file.stat().st_mtime_ns // 10**9
    if in_ci() and is_checked_out(commit):
        return Evidence("commit", written, len(measured))
    watched, differences = differences_by_times(commit, measured, data_file)
    mode = commit.project.config.stale
    if differences and mode == "fail":
        from covsync.commands.stale import stale

        is_as_tests_ran = all(each.what != "written" for each in differences)
        raise stale(commit, differences, TESTS, ran_on_work_tree=is_as_tests_ran)
    if differences and mode == "warn":
        console.note(
            f"the tests may not have run on this: {shown_differences(commit.project, differences)}"
        )
    return Evidence("file times", written, len(watched), differences=tuple(differences))


def in_ci() -> bool:
    """Whether this is a job of CI, as the variable ``CI`` says on every forge."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def is_checked_out(commit: Commit) -> bool:
    """Whether nothing is staged, and all that a test sees lies in the work tree as in ``HEAD``."""
    if any(commit.changes):
        return False
    paths = [
        path for path in commit.listing.files if is_python(path) or settings.may_be_set_in(path)
    ]
    return not index.work_tree_differs(commit.project.repository, paths)


def _watched(commit: Commit, measured: Collection[str], untracked: Collection[str]) -> set[str]:
    project = commit.project
    present = {path for path in (*untracked, *commit.listing.files) if is_python(path)}
    tests = [path for path in present if project.holds(path) and scope.is_test(path, scope.TESTS)]
    own = {_folder(path) for path in (*measured, *tests)}
    above = {"", *(each for path in (*measured, *tests) for each in folders(path))}
    return {
        path
        for path in present
        if _folder(path) in own or (_folder(path) in above and path.endswith("conftest.py"))
    } | set(measured)


def differences_by_times(
    commit: Commit, measured: Collection[str], data_file: Path
) -> tuple[set[str], list[Difference]]:
    """How the commit differs from what the data is of, as far as times say; and what was looked at.

    Those are the paths of the Python files in the folders of ``measured`` files or of tests, and of
    each ``conftest.py`` above.
    """
    repository = commit.project.repository
    state = index.work_tree_state(repository)
    watched = _watched(commit, measured, state.untracked)
    not_staged = [path for path in watched if path not in commit.objects]
    ignored = index.ignored(repository, not_staged)
    found = [Difference(path, 0, "missing") for path in not_staged if path not in ignored]
    tracked = [path for path in watched if path in commit.objects]
    containing = {_folder(path) for path in watched} - {_own_folder(repository.top, data_file)}
    asked = [path for path in commit.listing.files if settings.is_of_settings_alone(path)]
    looked_at = sorted({*tracked, *containing, *asked})
    written = newer(looked_at, begun(data_file), repository.top)
    found += [Difference(path or ".", 0, "written") for path in written]
    unstaged = state.differing.intersection([*tracked, *asked]).difference(written)
    found += [Difference(path, 0, "unstaged") for path in unstaged]
    if commit.name is not None:
        found += [Difference(path, 0, "elsewhere") for path in _not_in_index(commit, tracked)]
    if _has_other_settings(commit):
        found.append(Difference(SETTINGS, 0, "unstaged"))
    return watched, sorted(found)


def _has_other_settings(commit: Commit) -> bool:
    """Whether coverage.py or pytest is set otherwise in the work tree than in the commit."""
    depth, disk = commit.project.depth, settings.disk_reader(commit.project.folder)
    if all(commit.read(name) == disk(name) for name in settings.names(depth)):
        return False
    return settings.settings_in(disk, depth).bearing != commit.settings.bearing


def _not_in_index(commit: Commit, paths: Iterable[str]) -> list[str]:
    """The paths at which a commit that is pushed is not what the index holds."""
    staged = index.listing(commit.project.repository).files
    return [path for path in paths if staged.get(path) != commit.objects[path]]


def _own_folder(top: Path, data_file: Path) -> str:
    folder = os.path.relpath(data_file.absolute().parent, top)
    return "" if folder == "." else folder


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
