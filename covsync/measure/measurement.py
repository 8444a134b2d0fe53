"""A ``Measurement``: the report on a project, and what else coverage.py knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from covsync.measure.paths import shown_path
from covsync.model import Report, WorkTree

if TYPE_CHECKING:
    from coverage import Coverage


class Measurement(NamedTuple):
    """A report, and what else coverage.py knows of the project.

    ``fail_under`` is coverage.py's own floor, ``None`` where it sets none. ``warnings`` are
    coverage.py's, in its words. ``coverage`` can make the HTML report of the files ``names``; a
    ``coverage json`` file cannot, so there it is ``None``. ``omit`` are coverage.py's patterns of
    files to leave out, of ``[run]`` and ``[report]`` together. ``pages`` are what the HTML report
    can be put together from, where they were asked for and stand each by itself. ``from_store``
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
    omit: tuple[str, ...]
    scratch: Path
    pages: Mapping[str, bytes] | None
    from_store: int
    notes: list[str]

    @property
    def paths(self) -> Mapping[str, str]:
        """The paths that reports show, by measured name."""
        return {name: shown_path(name, self.tree) for name in self.names}
