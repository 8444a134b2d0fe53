"""The data of all processes of a run made one, as ``coverage combine`` does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from covsync.measure.coverage_errors import explained_with_warnings
from covsync.model import WorkTree


def combine(parts: Iterable[Path], data_file: Path, tree: WorkTree, *, append: bool) -> None:
    """Makes ``data_file`` of the data files ``parts``, in place of what it held before.

    With ``append`` that is added to. Raises ``CovsyncError``.
    """
    with explained_with_warnings(tree, []):
        from coverage import Coverage

        data_file.parent.mkdir(parents=True, exist_ok=True)
        combined = Coverage(data_file=os.fspath(data_file))
        if append:
            combined.load()
        combined.combine([os.fspath(part) for part in parts], strict=True)
        combined.save()
        combined.get_data().close(force=True)
