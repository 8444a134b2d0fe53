"""What coverage.py was asked before, to be known again without loading it.

The newest report holds while the data, the settings' files, the versions and all texts are what
they were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from covsync.measure import settings
from covsync.measure.analysis.kept import Kept
from covsync.measure.analysis.texts import Text
from covsync.measure.data_file import digest
from covsync.model import ReportStyle, Totals

REPORT, NEWEST = "report", b"newest"


class MadeOf(NamedTuple):
    """Digests of the data, of the settings' files, and of what else an analysis depends on."""

    data: str
    settings: str
    versions: str

    @classmethod
    def now(cls, data_file: Path, folder: Path) -> MadeOf:
        """What a report would be made of now, texts aside."""
        return cls(digest(data_file), settings.digest_of_files(folder), settings.analysed_by())


class Known(NamedTuple):
    """What was reported, by path from the repository's top level.

    ``texts`` are those of all measured files, ``totals`` of the reported ones. ``fail_under`` is
    coverage.py's own floor. The ``data_file`` was ``named`` so; ``None``: coverage.py's own choice.
    """

    named: str | None
    data_file: str
    made_of: MadeOf
    has_branches: bool
    style: ReportStyle
    fail_under: Fraction | None
    texts: Mapping[str, Text]
    totals: Mapping[str, Totals]

    def still_holds(self, data_file: Path | None, folder: Path, top: Path) -> bool:
        """Whether a report on the data file (``None``: coverage.py's own) would be the same."""
        if self.named != named(data_file):
            return False
        if MadeOf.now(data_file or Path(self.data_file), folder) != self.made_of:
            return False
        paths = {os.path.join(top, path): text for path, text in self.texts.items()}
        folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 - thousands
        # A folder that has become a link may lead out of the repository.
        return all(os.path.realpath(each) == each for each in folders) and all(
            text.is_still_in(path) for path, text in paths.items()
        )


def named(data_file: Path | None) -> str | None:
    """How a data file was named, as it is kept."""
    return None if data_file is None else os.fspath(data_file)


def load(kept: Kept) -> Known | None:
    """The newest report, ``None`` where there is none."""
    content = kept.load(REPORT, [NEWEST]).get(NEWEST)
    try:
        known = Known(**json.loads(content or b"null"))
        fail_under = known.fail_under
        return known._replace(
            made_of=MadeOf(*known.made_of),
            style=ReportStyle(*known.style),
            fail_under=None if fail_under is None else Fraction(fail_under),
            texts={
                path: Text(digest, tuple(state), read_at)
                for path, (digest, state, read_at) in known.texts.items()
            },
            totals={path: Totals(*counts) for path, counts in known.totals.items()},
        )
    except (ValueError, TypeError, AttributeError):
        return None


def save(kept: Kept, known: Known) -> None:
    """Keeps a report as the newest."""
    floor = None if known.fail_under is None else str(known.fail_under)
    told = {**known._asdict(), "fail_under": floor}
    kept.save(REPORT, [NEWEST], {NEWEST: json.dumps(told).encode()})
