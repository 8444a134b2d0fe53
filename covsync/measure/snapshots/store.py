"""The store: what was measured of which text, kept under git's own folder.

One SQLite file, never in the work tree and never committed. Deleting it changes no answer; it only
turns "verified" into "unverified". Its name holds the schema's version, as the hook's covsync and
the project's may differ.

Judging takes each file's totals, so these stand in narrow rows of their own. The lines and the text
of a file are read when they are asked for.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.measure.snapshots import stored
from covsync.measure.sqlite import reading, write
from covsync.model import Lines, MeasuredFile, Snapshot, Totals

NAME = "store-2.sqlite"
NAMES = "store-*.sqlite"
SCHEMA = (
    "create table if not exists snapshot (folder text primary key, facts text not null)",
    """create table if not exists file (
    folder text not null, path text not null, blob text not null,
    statements integer not null, missing integer not null, excluded integer not null,
    branches integer not null, partial_branches integer not null,
    missing_branches integer not null, primary key (folder, path)
    ) without rowid""",
    """create table if not exists detail (
    folder text not null, path text not null, lines blob not null, text blob,
    primary key (folder, path)
    )""",
)


class DamagedError(Exception):
    """The store cannot be read after all: whatever was judged by it has to be judged anew."""


def save(place: Path, folder: str, snapshot: Snapshot) -> None:
    """Keeps ``snapshot`` as the newest of the project in ``folder``, in the store at ``place``.

    A store that cannot be read is set aside and begun anew. Raises ``CovsyncError`` where nothing
    can be written.
    """
    try:
        write(place / NAME, lambda database: _write(database, folder, snapshot))
    except (OSError, sqlite3.Error) as error:
        raise CovsyncError(
            f"cannot record in {place / NAME}: {error}",
            "Look at the folder's rights and free space; deleting it does no harm.",
        ) from error


@contextlib.contextmanager
def opened(place: Path, folder: str) -> Iterator[Snapshot | None]:
    """The newest snapshot of the project in ``folder``, ``None`` where the store has none.

    In this context its files' lines and texts can be read, and are of this very snapshot: another
    process that records waits. Reading them raises ``DamagedError`` where they cannot be.
    """
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(reading(place / NAME))
            database.execute("begin")
            snapshot = _read(database, folder)
        except (sqlite3.Error, ValueError, TypeError, KeyError):
            snapshot = None
        yield snapshot


def newer_of_other_versions(place: Path) -> list[str]:
    """The names of stores that another version of covsync wrote after this one wrote its own."""
    written = {}
    for path in place.glob(NAMES):
        with contextlib.suppress(OSError):
            written[path.name] = path.stat().st_mtime_ns
    ours = written.pop(NAME, 0)
    return sorted(name for name, at in written.items() if at > ours)


def _write(database: sqlite3.Connection, folder: str, snapshot: Snapshot) -> None:
    for table in SCHEMA:
        database.execute(table)
    database.execute("delete from file where folder = ?", [folder])
    database.execute("delete from detail where folder = ?", [folder])
    database.execute(
        "insert or replace into snapshot values (?, ?)", [folder, stored.facts(snapshot)]
    )
    database.executemany(
        "insert into file values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((folder, path, file.blob, *file.totals) for path, file in snapshot.files.items()),
    )
    database.executemany(
        "insert into detail values (?, ?, ?, ?)",
        (
            (folder, path, stored.packed(file.lines), stored.compressed(file.text))
            for path, file in snapshot.files.items()
        ),
    )


def _read(database: sqlite3.Connection, folder: str) -> Snapshot | None:
    facts = database.execute("select facts from snapshot where folder = ?", [folder]).fetchone()
    if facts is None:
        return None
    rows = database.execute(
        "select path, blob, statements, missing, excluded, branches, partial_branches, "
        "missing_branches from file where folder = ?",
        [folder],
    )
    lines, text = partial(_lines, database, folder), partial(_text, database, folder)
    files = {
        path: MeasuredFile(blob, Totals(*counts), partial(lines, path), partial(text, path))
        for path, blob, *counts in rows
    }
    return stored.snapshot(facts[0], files)


def _lines(database: sqlite3.Connection, folder: str, path: str) -> Lines:
    with _damage_told():
        found = "select lines from detail where folder = ? and path = ?"
        return stored.unpacked(database.execute(found, [folder, path]).fetchone()[0])


def _text(database: sqlite3.Connection, folder: str, path: str) -> bytes | None:
    with _damage_told():
        found = "select text from detail where folder = ? and path = ?"
        text = database.execute(found, [folder, path]).fetchone()[0]
        return None if text is None else zlib.decompress(text)


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, zlib.error, ValueError, TypeError) as error:
        raise DamagedError(str(error)) from error
