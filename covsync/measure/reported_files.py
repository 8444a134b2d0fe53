"""Which of the measured files are reported, and where each belongs in this repository."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covsync import __file__ as init_file
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.measure import data_tables
from covsync.measure.coverage_errors import MEASURE_AGAIN, OTHER_WAYS
from covsync.measure.coverage_options import without_debug_file
from covsync.measure.file_patterns import matches_any
from covsync.measure.json_report import read_document
from covsync.measure.path_mapping import paths_in, place
from covsync.measure.session.copies import elsewhere, refuse_other_copies
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

OWN = os.path.join(Path(init_file).parent, "")


def mapped_data(loaded: Coverage, path: Path, tree: WorkTree, scratch: Path) -> Coverage:
    """The same data with each measured path where it belongs in this repository."""
    from coverage import Coverage, CoverageData

    mapped = loaded
    if loaded.get_option("paths"):
        copies = elsewhere(loaded.get_data().measured_files(), tree.top)
        refuse_other_copies(copies, scratch, tree)
        mapped = without_debug_file(Coverage(data_file=os.fspath(scratch / "mapped")))
        mapped.combine([os.fspath(path)], strict=True, keep=True)
        mapped.set_option("paths", {})  # or every report would map all of it again
    data = mapped.get_data()
    stands_for = place(reported(mapped, tree), tree)
    if not loaded.get_option("run:relative_files"):  # then coverage.py asks for absolute names
        folder = os.fspath(tree.folder)
        stands_for = {name: os.path.join(folder, to) for name, to in stands_for.items()}
    if all(name == here for name, here in stands_for.items()):
        return mapped
    moved = CoverageData(basename=os.fspath(scratch / "moved"))
    moved.update(data, map_path=lambda name: stands_for.get(name, name))
    moved.write()
    moved.close()
    reporter = without_debug_file(Coverage(data_file=os.fspath(scratch / "moved")))
    reporter.load()
    return reporter


def reported(loaded: Coverage, tree: WorkTree) -> list[str]:
    """The measured files that coverage.py's ``[report] include`` and ``omit`` let through.

    The others may lie anywhere: they are neither mapped, read nor published.
    """
    paths = paths_in(tree)
    include, omit = loaded.get_option("report:include"), loaded.get_option("report:omit")

    def is_reported(name: str) -> bool:
        path = paths.by_name(name)
        if path.startswith(OWN) and not paths.is_below_top(path):
            return False  # covsync itself, installed as editable where no `source` is set
        if isinstance(include, list) and include and not matches_any(path, include, tree.folder):
            return False
        return not (isinstance(omit, list) and matches_any(path, omit, tree.folder))

    return sorted(filter(is_reported, loaded.get_data().measured_files()))


def sources(reporter: Coverage, tree: WorkTree, *, only_tracked: bool) -> list[str]:
    """The reported files of ``mapped_data``, by measured name.

    Raises ``CovsyncError``, with ``only_tracked`` also for one that git does not track.
    """
    names = reported(reporter, tree)
    if only_tracked:
        _refuse_untracked(names, tree)
    _refuse_missing(reporter, names, tree)
    _refuse_missing_plugins(reporter, names)
    return names


def _refuse_missing(reporter: Coverage, names: list[str], tree: WorkTree) -> None:
    """As coverage.py does, but before it has opened the database once a name."""
    if reporter.get_option("report:ignore_errors"):
        return
    folder = os.fspath(tree.folder)
    for name in names:
        if not os.path.lexists(os.path.join(folder, name)):
            here = os.path.relpath(os.path.join(folder, name), folder)
            raise NothingToJudgeError(
                f"the data does not match the code: No source for code: {here!r}", MEASURE_AGAIN
            )


def _refuse_missing_plugins(reporter: Coverage, names: list[str]) -> None:
    """Without its plugin coverage.py would leave a file out of the report and say nothing."""
    configured = reporter.get_option("run:plugins")
    plugins = configured if isinstance(configured, list) else []
    data = reporter.get_data()
    try:
        tracers = data_tables.tracers(data.data_filename())
    except sqlite3.Error:  # the tables of a coverage.py to come
        tracers = {name: data.file_tracer(name) or "" for name in names}
    for name in names:
        tracer = tracers.get(name)
        if tracer and not any(tracer.startswith(f"{plugin}.") for plugin in plugins):
            raise CovsyncError(
                f"{name} was measured by the coverage.py plugin {tracer}, which is not configured",
                "Name the plugin in coverage.py's [run] plugins. " + OTHER_WAYS,
            )


def _refuse_untracked(names: list[str], tree: WorkTree) -> None:
    """What git does not have must not be published either."""
    paths, folder = paths_in(tree), os.path.join(tree.folder, "")
    for name in names:
        relative = paths.inside(name)
        if not paths.by_name(name).startswith(folder):
            raise CovsyncError(
                f"{relative} is measured but lies outside the project's folder {tree.folder.name}/",
                "Measure from a folder that holds all sources, or leave it out with omit.",
            )
        if any(os.fspath(each) in tree.tracked for each in Path(relative or "").parents):
            raise CovsyncError(
                f"{relative} is measured but belongs to a submodule, another repository",
                "Publish it from there, or leave it out with coverage.py's omit.",
            )
        if relative not in tree.tracked:
            raise CovsyncError(
                f"{relative} is measured but git does not track it, so it must not be published",
                "Commit it, or leave it out with coverage.py's omit, in [run] or [report].",
            )


def json_document(path: Path, tree: WorkTree) -> dict[str, Any]:
    """A ``coverage json`` file's content, its files named as in this repository."""
    found = read_document(path)
    files = found.get("files", {})
    named: dict[str, Any] = {}
    stands_for = place(files, tree)
    for name, entry in files.items():
        here = os.path.relpath(os.path.join(tree.folder, stands_for[name]), tree.folder)
        if here in named:
            raise CovsyncError(
                f"{path} names {here} twice", "Combine the data before: coverage combine"
            )
        named[here] = entry
    if isinstance(found.get("meta"), dict):
        found["meta"].pop("timestamp", None)
    return {**found, "files": named} if files else found
