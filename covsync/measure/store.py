"""The analysis store: what was measured of which text, kept under git's own folder.

One SQLite file, never in the work tree and never committed. Deleting it changes no answer; it only
turns "verified" into "unverified". Its name holds the schema's version, as the hook's covsync and
the project's may differ.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.model import FileReport, MeasuredFile, ReportStyle, Snapshot, Totals

NAME = "store-1.sqlite"
WAIT_SECONDS = 5
SCHEMA = """
create table if not exists snapshot (folder text primary key, facts text not null);
create table if not exists file (
    folder text not null, path text not null, blob text not null, text blob,
    totals text not null, lines blob not null, primary key (folder, path)
) without rowid;
"""


def save(place: Path, folder: str, snapshot: Snapshot) -> None:
    """Keeps ``snapshot`` as the newest of the project in ``folder``, in the store at ``place``.

    A store that cannot be read is set aside and begun anew. Raises ``CovsyncError`` where nothing
    can be written.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        try:
            _write(place / NAME, folder, snapshot)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            (place / NAME).unlink()
            _write(place / NAME, folder, snapshot)
    except (OSError, sqlite3.Error) as error:
        raise CovsyncError(
            f"cannot record in {place / NAME}: {error}",
            "Look at the folder's rights and free space; deleting it does no harm.",
        ) from error


def load(place: Path, folder: str) -> Snapshot | None:
    """The newest snapshot of the project in ``folder``, ``None`` where the store has none."""
    path = place / NAME
    if not path.is_file():
        return None
    try:
        with _opened(f"{path.as_uri()}?mode=ro") as database:
            row = database.execute("select facts from snapshot where folder = ?", [folder])
            facts = next(row, None)
            if facts is None:
                return None
            files = dict(
                map(
                    _file,
                    database.execute(
                        "select path, blob, text, totals, lines from file where folder = ?",
                        [folder],
                    ),
                )
            )
            return _snapshot(json.loads(facts[0]), files)
    except (OSError, sqlite3.Error, ValueError, TypeError, KeyError, AssertionError, zlib.error):
        return None


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)
    with contextlib.closing(database), database:
        yield database


def _write(path: Path, folder: str, snapshot: Snapshot) -> None:
    style = snapshot.style
    facts = {
        "data_file": snapshot.data_file,
        "data_digest": snapshot.data_digest,
        "has_branches": snapshot.has_branches,
        "style": [style.precision, style.sort, style.skip_covered, style.skip_empty],
        "fail_under": None if snapshot.fail_under is None else str(snapshot.fail_under),
        "omit": snapshot.omit,
        "exclusions": snapshot.exclusions,
        "configured_fail_under": snapshot.configured_fail_under,
        "settings": snapshot.settings,
        "settings_digest": snapshot.settings_digest,
        "command": snapshot.command,
        "seen": sorted(snapshot.seen),
    }
    with _opened(path.as_uri()) as database:
        database.executescript(SCHEMA)
        database.execute("delete from file where folder = ?", [folder])
        database.execute(
            "insert or replace into snapshot values (?, ?)", [folder, json.dumps(facts)]
        )
        database.executemany(
            "insert into file values (?, ?, ?, ?, ?, ?)",
            [(folder, name, *_columns(file)) for name, file in snapshot.files.items()],
        )


def _columns(file: MeasuredFile) -> tuple[str, bytes | None, str, bytes]:
    report, totals = file.report, file.report.totals
    counts = [
        *(totals.statements, totals.missing, totals.excluded),
        *(totals.branches, totals.partial_branches, totals.missing_branches),
    ]
    lines = [
        report.path,
        *(report.executed_lines, report.missing_lines, report.excluded_lines),
        *(report.missing_branches, report.executed_branches),
    ]
    text = None if file.text is None else zlib.compress(file.text)
    return file.blob, text, json.dumps(counts), zlib.compress(json.dumps(lines).encode(), 1)


def _file(row: tuple[str, str, bytes | None, str, bytes]) -> tuple[str, MeasuredFile]:
    name, blob, text, counts, packed = row
    path, executed, missing, excluded, missing_branches, branches = json.loads(
        zlib.decompress(packed)
    )
    report = FileReport(
        path=path,
        totals=Totals(*json.loads(counts)),
        executed_lines=tuple(executed),
        missing_lines=tuple(missing),
        excluded_lines=tuple(excluded),
        missing_branches=tuple((a, b) for a, b in missing_branches),
        executed_branches=tuple((a, b) for a, b in branches),
    )
    return name, MeasuredFile(report, blob, None if text is None else zlib.decompress(text))


def _snapshot(facts: dict[str, object], files: dict[str, MeasuredFile]) -> Snapshot:
    style, fail_under, omit, seen, exclusions = (
        facts[key] for key in ("style", "fail_under", "omit", "seen", "exclusions")
    )
    assert isinstance(exclusions, list)  # noqa: S101 - or it is a damaged store
    assert isinstance(style, list)  # noqa: S101 - or it is a damaged store: TypeError would do too
    assert isinstance(omit, list)  # noqa: S101 - the same
    assert isinstance(seen, list)  # noqa: S101 - the same
    return Snapshot(
        data_file=str(facts["data_file"]),
        data_digest=str(facts["data_digest"]),
        has_branches=bool(facts["has_branches"]),
        style=ReportStyle(*style),
        fail_under=None if fail_under is None else Fraction(str(fail_under)),
        omit=tuple(omit),
        exclusions=tuple(map(str, exclusions)),
        configured_fail_under=str(facts["configured_fail_under"]),
        settings=str(facts["settings"]),
        settings_digest=str(facts["settings_digest"]),
        command=str(facts["command"]),
        seen=frozenset(seen),
        files=files,
    )
