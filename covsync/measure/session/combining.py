"""Combines the data of a run's processes, as ``coverage combine`` does."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.measure import plugins
from covsync.measure.coverage_errors import explained_with_warnings
from covsync.measure.coverage_options import without_debug_file
from covsync.measure.data_file import refuse_unusual_data
from covsync.measure.data_schema import look_through
from covsync.model import WorkTree


def combine(parts: Collection[Path], data_file: Path, tree: WorkTree, *, append: bool) -> list[str]:
    """Makes ``data_file`` of the data files ``parts``; returns coverage.py's warnings.

    They replace what it held, or with ``append`` are added to it. Raises ``CovsyncError``, and
    ``OSError`` where the file's folder cannot be made.
    """
    for part in (*parts, data_file) if append and data_file.exists() else parts:
        refuse_unusual_data(part)
        if part.stat().st_size:  # of an empty file coverage.py makes a new one
            look_through(part)
    data_file.parent.mkdir(parents=True, exist_ok=True)
    warnings: list[str] = []
    with explained_with_warnings(tree, warnings):
        from coverage import Coverage, CoverageException

        combined = without_debug_file(Coverage(data_file=os.fspath(data_file)))
        try:
            with plugins.importable(combined, os.fspath(tree.folder)):
                if append:
                    combined.load()
                combined.combine([os.fspath(part) for part in parts], strict=True)
            combined.save()
        except (CoverageException, sqlite3.Error, OSError) as error:
            raise CovsyncError(
                f"the data cannot be combined: {' '.join(str(error).split())}",
                "Run it again; `coverage debug data` says more.",
            ) from error
        finally:
            combined.get_data().close(force=True)
    return warnings
