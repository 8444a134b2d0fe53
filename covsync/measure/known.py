"""What coverage.py was asked before, to be known again without loading it.

The newest report holds while the data, the settings' files, the versions and all texts are what
they were; the settings while their files and the versions are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from covsync.measure import settings
from covsync.measure.kept import Kept
from covsync.measure.settings import Settings
from covsync.measure.snapshot import digest
from covsync.model import Report, ReportStyle, Totals

REPORT, SETTINGS, NEWEST = "report", "settings", b"newest"


class Known(NamedTuple):
    """What was reported: each file's totals by its path from the repository's top level.

    ``blobs`` are the files' texts by the same path. ``fail_under`` is coverage.py's own floor.
    """

    data_file: str
    has_branches: bool
    style: ReportStyle
    fail_under: Fraction | None
    blobs: Mapping[str, str]
    totals: Mapping[str, Totals]


def load(kept: Kept, data_file: Path | None, folder: Path) -> Known | None:
    """What is known of the data file, ``None``: of the one it was made of.

    Nothing where data, settings or versions are other ones; the texts are not looked at.
    """
    content = kept.load(REPORT, [NEWEST]).get(NEWEST)
    try:
        path, made_of, has_branches, style, fail_under, files = json.loads(content or b"null")
        if tuple(made_of) != _made_of(data_file or Path(path), folder):
            return None
        return Known(
            data_file=path,
            has_branches=has_branches,
            style=ReportStyle(*style),
            fail_under=None if fail_under is None else Fraction(fail_under),
            blobs={name: blob for name, blob, _ in files},
            totals={name: Totals(*counts) for name, _, counts in files},
        )
    except (ValueError, TypeError):
        return None


def save(
    kept: Kept,
    report: Report,
    fail_under: Fraction | None,
    data_file: Path,
    folder: Path,
    blobs: Mapping[str, str],
) -> None:
    """Keeps a report; ``blobs`` are its files' texts by path from the top, in the same order."""
    files = [
        (name, blob, file.totals)
        for (name, blob), file in zip(blobs.items(), report.files, strict=True)
    ]
    floor = None if fail_under is None else str(fail_under)
    known = (
        *(os.fspath(data_file), _made_of(data_file, folder)),
        *(report.has_branches, report.style, floor, files),
    )
    kept.save(REPORT, [NEWEST], {NEWEST: json.dumps(known).encode()})


def settings_of(kept: Kept, folder: Path) -> Settings:
    """The settings in ``folder``, which is the working directory."""
    key = repr((settings.digest_of_files(folder), settings.analysed_by())).encode()
    content = kept.load(SETTINGS, [key]).get(key)
    try:
        bearing, exclusions, fail_under = json.loads(content or b"null")
        return Settings(bearing, tuple(exclusions), Fraction(fail_under))
    except (ValueError, TypeError):
        now = settings.read()
    told = (now.bearing, now.exclusions, str(now.fail_under))
    kept.save(SETTINGS, [key], {key: json.dumps(told).encode()})
    return now


def _made_of(data_file: Path, folder: Path) -> tuple[str, ...]:
    return digest(data_file), settings.digest_of_files(folder), settings.analysed_by()
