"""A ``Measurement``: the report on a project, and what else coverage.py knows of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from covsync.measure.paths import shown_path
from covsync.model import FileReport, Report, Scope, WorkTree

if TYPE_CHECKING:
    from coverage import Coverage


class Measurement(NamedTuple):
    """A report, and what else coverage.py knows of the project.

    ``fail_under`` is coverage.py's own floor, ``None`` where it sets none. ``warnings`` are
    coverage.py's, in its words. ``coverage`` can make the HTML report of the files ``names``; a
    ``coverage json`` file cannot, so there it is ``None``. ``scope`` and ``exclusions`` are as in a
    ``Record``. ``pages`` are what the HTML report can be put together from, where they were asked
    for and stand each by itself. ``from_store``
    counts the files that were not analysed now. ``scratch`` is a temporary folder, ``notes``
    are for ``--verbose``.
    """

    report: Report
    fail_under: Fraction | None
    warnings: tuple[str, ...]
    data_file: Path
    tree: WorkTree
    coverage: Coverage | None
    names: tuple[str, ...]
    scope: Scope
    exclusions: tuple[tuple[str, ...], ...]
    scratch: Path
    pages: Mapping[str, bytes] | None
    from_store: int
    notes: list[str]

    @property
    def paths(self) -> Mapping[str, str]:
        """The paths that reports show, by measured name."""
        return {name: shown_path(name, self.tree) for name in self.names}


def measured_files(measurement: Measurement) -> dict[str, FileReport]:
    """The reported files by their path from the repository's top level."""
    tree = measurement.tree
    return {
        os.path.relpath(os.path.join(tree.folder, file.path), tree.top): file
        for file in measurement.report.files
    }
