"""Snapshots: a measurement, tied to the very texts that the tests ran on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from covsync.measure import settings
from covsync.measure.data_file import digest
from covsync.measure.patterns import fits_any
from covsync.model import MeasuredFile, Snapshot, WorkTree

if TYPE_CHECKING:
    from covsync.measure.measurement import Measurement

PYTHON = ".py"


def measured_paths(measurement: Measurement) -> dict[str, str]:
    """The path from the top level of each reported file, by its path in the report."""
    tree = measurement.tree
    return {
        file.path: os.path.relpath(os.path.join(tree.folder, file.path), tree.top)
        for file in measurement.report.files
    }


def taken(
    measurement: Measurement,
    *,
    blobs: Mapping[str, str],
    texts: Mapping[str, bytes],
    present: Iterable[str],
    command: str,
) -> Snapshot:
    """The snapshot of a measurement; by path ``blobs``, and ``texts`` that git does not have.

    ``present`` are the paths that git tracks or would add.
    """
    report, tree, told = measurement.report, measurement.tree, settings.read()
    paths = measured_paths(measurement)
    placed = {paths[file.path]: file for file in report.files}
    files = {
        path: MeasuredFile(blobs[path], file.totals, file.lines, texts.get(path))
        for path, file in placed.items()
        if path in blobs
    }
    return Snapshot(
        data_file=os.fspath(measurement.data_file),
        data_digest=digest(measurement.data_file),
        has_branches=report.has_branches,
        style=report.style,
        fail_under=measurement.fail_under,
        omit=measurement.omit,
        exclusions=told.exclusions,
        configured_fail_under=str(told.fail_under),
        settings=told.bearing,
        settings_digest=settings.digest_of_files(tree.folder),
        command=command,
        seen=frozenset(path for path in present if path.endswith(PYTHON)) | files.keys(),
        files=files,
    )


def describes(snapshot: Snapshot, data_file: Path | None) -> bool:
    """Whether a snapshot is of the data there is now: the data file named, or else its own.

    Where its own data file is gone, the snapshot still tells what that held.
    """
    path = data_file or Path(snapshot.data_file)
    present = digest(path)
    return present == snapshot.data_digest or (not present and data_file is None)


def new_sources(snapshot: Snapshot, paths: Iterable[str], tree: WorkTree) -> list[str]:
    """Those of the ``paths`` that no test run has seen, but that the next one would measure.

    What is measured shows by example: a new Python file is in scope where the nearest folder
    that had Python files before had measured ones, unless coverage.py's ``omit`` leaves it out.
    """
    inside = os.path.join(os.path.relpath(tree.folder, tree.top), "").removeprefix("./")
    new = [
        path
        for path in paths
        if path.endswith(PYTHON) and path not in snapshot.seen and path.startswith(inside)
    ]
    if not new:
        return []
    measured: dict[str, bool] = {}
    for path in snapshot.seen:
        for folder in _folders(path):
            measured[folder] = measured.get(folder, False) or path in snapshot.files

    def in_scope(path: str) -> bool:
        if fits_any(os.path.join(tree.top, path), snapshot.omit, tree.folder):
            return False
        return next((measured[each] for each in _folders(path) if each in measured), False)

    return sorted(filter(in_scope, new))


def _folders(path: str) -> Iterator[str]:
    """The folders around a path, the nearest first, the top level as an empty text."""
    while path:
        path = path.rpartition("/")[0]
        yield path
