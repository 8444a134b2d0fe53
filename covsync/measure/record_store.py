"""The store of records: what the tests ran on, under git's own folder.

One SQLite file, never in the work tree and never committed. Deleting it changes no figure: without
it files' times say whether the coverage data belongs to the code. The schema's version is in the
file's name, as the hook's covsync and the project's may differ.

Several records are stored, as an older one may be of just what is being committed: of another
branch, or of all tests where the newest is of a few. Judging takes a file's totals, which stand in
narrow rows; lines and texts are read when they are asked for, by a digest of themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from covsync.errors import CovsyncError
from covsync.measure.sqlite import reading, write
from covsync.model import Lines, LoadedFile, Record, Refusal, ReportStyle, Scope, Totals

NAME = "store-3.sqlite"
NAMES = "store-*.sqlite"
# Of all tests and of a part of them each: more than the branches that one works on in turn.
STORED_RECORDS = 8
SCHEMA = (
    """create table if not exists measurement (
    id integer primary key, folder text not null, facts text not null, is_refusal integer not null,
    is_narrowed integer not null
    )""",
    """create table if not exists file (
    measurement integer not null, path text not null, name text not null,
    statements integer, missing integer, excluded integer, branches integer,
    partial_branches integer, missing_branches integer, lines blob, text blob,
    primary key (measurement, path)
    ) without rowid""",
    "create table if not exists result (key blob primary key, content blob not null) without rowid",
)


class DamagedError(Exception):
    """The store cannot be read after all: whatever was judged by it has to be judged anew."""


class Stored:
    """What the store holds for one project, read where it is asked for.

    Reading raises ``DamagedError`` where that cannot be.
    """

    def __init__(self, database: sqlite3.Connection | None, folder: str) -> None:
        self._database = database
        self._folder = folder

    def records(self) -> Iterator[Record]:
        """The records, those of all tests before those of a part, the newest first."""
        for number, facts in self._rows("not is_refusal order by is_narrowed, id desc"):
            assert self._database is not None  # noqa: S101 - a row was read from it
            with _damage_raised():
                files = _read_files(self._database, number)
            yield _record(facts, files)

    def refusal(self) -> Refusal | None:
        """Why newer data was refused, ``None`` where the newest was recorded."""
        for _, facts in self._rows("is_refusal"):
            with _damage_raised():
                return Refusal(**json.loads(facts))
        return None

    def _rows(self, which: str) -> Iterator[tuple[int, str]]:
        if self._database is not None:
            query = f"select id from measurement where folder = ? and {which}"  # noqa: S608
            with _damage_raised():
                numbers = self._database.execute(query, [self._folder]).fetchall()
            for (number,) in numbers:
                with _damage_raised():
                    facts = self._database.execute(
                        "select facts from measurement where id = ?", [number]
                    ).fetchone()[0]
                yield number, facts


def save(place: Path, folder: str, record: Record) -> None:
    """Stores ``record`` as the newest of the project in ``folder``, in the store at ``place``.

    A store that cannot be read is set aside and begun anew. Raises ``CovsyncError`` where nothing
    can be written.
    """
    _write(place, lambda database: _insert(database, folder, record))


def refuse(place: Path, folder: str, refusal: Refusal) -> None:
    """Stores that data was refused, until other data is recorded. Raises as ``save``."""
    facts = json.dumps(refusal._asdict())

    def work(database: sqlite3.Connection) -> None:
        _forget_refusal(database, folder)
        _insert_measurement(database, folder, facts, is_refusal=True, is_narrowed=False)

    _write(place, work)


@contextlib.contextmanager
def opened(place: Path, folder: str) -> Iterator[Stored]:
    """What is stored for the project in ``folder``, nothing where there is no store.

    In this context its records can be read, and are those of one moment.
    """
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(reading(place / NAME))
            database.execute("begin")
            database.execute("select id, facts, is_refusal, is_narrowed from measurement limit 0")
        except sqlite3.Error:
            database = None
        yield Stored(database, folder)


def whole(record: Record) -> Mapping[str, LoadedFile]:
    """A stored record's files with their lines and texts, for when the store is closed."""
    return {
        path: file._replace(detail=file.lines, own_text=file.text)
        for path, file in record.files.items()
    }


def newer_of_other_versions(place: Path) -> list[str]:
    """The names of stores that another version of covsync wrote after this one wrote its own."""
    written = {}
    for path in place.glob(NAMES):
        with contextlib.suppress(OSError):
            written[path.name] = path.stat().st_mtime_ns
    ours = written.pop(NAME, 0)
    return sorted(name for name, at in written.items() if at > ours)


def _write(place: Path, work: Any) -> None:  # noqa: ANN401 - what ``sqlite.write`` takes
    def in_tables(database: sqlite3.Connection) -> None:
        for table in SCHEMA:
            database.execute(table)
        work(database)

    try:
        write(place / NAME, in_tables)
    except (OSError, sqlite3.Error) as error:
        raise CovsyncError(
            f"cannot record in {place / NAME}: {error}",
            "Look at the folder's rights and free space; deleting it does no harm.",
        ) from error


def _insert(database: sqlite3.Connection, folder: str, record: Record) -> None:
    _forget_refusal(database, folder)
    facts, is_narrowed = _facts(record), bool(record.narrowed)
    number = _insert_measurement(database, folder, facts, is_refusal=False, is_narrowed=is_narrowed)
    rows = []
    for path, file in record.files.items():
        counts = file.totals or (None,) * len(Totals._fields)
        keys = (_store(database, _packed(file.lines)), _store(database, _compressed(file.text)))
        rows.append((number, path, file.name, *counts, *keys))
    marks = ", ".join("?" * 11)
    database.executemany(f"insert into file values ({marks})", rows)  # noqa: S608 - marks
    _drop_oldest(database, folder)


def _insert_measurement(
    database: sqlite3.Connection, folder: str, facts: str, *, is_refusal: bool, is_narrowed: bool
) -> int:
    inserted = database.execute(
        "insert into measurement (folder, facts, is_refusal, is_narrowed) values (?, ?, ?, ?)",
        [folder, facts, is_refusal, is_narrowed],
    )
    return int(inserted.lastrowid or 0)


def _forget_refusal(database: sqlite3.Connection, folder: str) -> None:
    database.execute("delete from measurement where folder = ? and is_refusal", [folder])


def _store(database: sqlite3.Connection, content: bytes | None) -> bytes | None:
    """Stores a content once for all who have it; its key."""
    if content is None:
        return None
    key = hashlib.sha256(content).digest()
    database.execute("insert or ignore into result values (?, ?)", [key, content])
    return key


def _drop_oldest(database: sqlite3.Connection, folder: str) -> None:
    for is_narrowed in (False, True):
        database.execute(
            "delete from measurement where folder = ? and is_narrowed = ? and id not in "
            "(select id from measurement where folder = ? and is_narrowed = ? "
            "order by id desc limit ?)",
            [folder, is_narrowed, folder, is_narrowed, STORED_RECORDS],
        )
    database.execute("delete from file where measurement not in (select id from measurement)")
    database.execute(
        "delete from result where key not in (select lines from file where lines is not null "
        "union select text from file where text is not null)"
    )


def _read_files(database: sqlite3.Connection, measurement: int) -> dict[str, LoadedFile]:
    rows = database.execute(
        "select path, name, lines, text, statements, missing, excluded, branches, "
        "partial_branches, missing_branches from file where measurement = ?",
        [measurement],
    )
    files = {}
    for path, name, lines, text, *counts in rows:
        files[path] = LoadedFile(
            name,
            None if lines is None else Totals(*counts),
            None if lines is None else partial(_lines, database, lines),
            None if text is None else partial(_text, database, text),
        )
    return files


def _content(database: sqlite3.Connection, key: bytes) -> bytes:
    row = database.execute("select content from result where key = ?", [key]).fetchone()
    content = bytes(row[0]) if row else b""
    if hashlib.sha256(content).digest() != key:
        raise ValueError("a stored result is damaged")
    return content


def _lines(database: sqlite3.Connection, key: bytes) -> Lines:
    with _damage_raised():
        executed, missing, excluded, missing_branches, branches = json.loads(
            zlib.decompress(_content(database, key))
        )
        return Lines(
            executed=tuple(executed),
            missing=tuple(missing),
            excluded=tuple(excluded),
            missing_branches=tuple((a, b) for a, b in missing_branches),
            executed_branches=tuple((a, b) for a, b in branches),
        )


def _text(database: sqlite3.Connection, key: bytes) -> bytes:
    with _damage_raised():
        return zlib.decompress(_content(database, key))


@contextlib.contextmanager
def _damage_raised() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError) as error:
        raise DamagedError(str(error)) from error


def _packed(lines: Lines | None) -> bytes | None:
    return None if lines is None else zlib.compress(json.dumps(lines).encode(), 1)


def _compressed(text: bytes | None) -> bytes | None:
    return None if text is None else zlib.compress(text)


def _facts(record: Record) -> str:
    """A record besides its files, as JSON."""
    facts = record._asdict()
    del facts["files"]
    facts["fail_under"] = None if record.fail_under is None else str(record.fail_under)
    facts["unloaded"] = sorted(record.unloaded)
    return json.dumps(facts)


def _record(facts: str, files: Mapping[str, LoadedFile]) -> Record:
    """The record with these facts. Raises ``DamagedError``."""
    with _damage_raised():
        values: dict[str, Any] = json.loads(facts)
        fail_under = values["fail_under"]
        values["fail_under"] = None if fail_under is None else Fraction(fail_under)
        values["style"] = ReportStyle(*values["style"])
        scope: list[Any] = [
            tuple(each) if isinstance(each, list) else each for each in values["scope"]
        ]
        values["scope"] = Scope(*scope)
        values["exclusions"] = tuple(map(tuple, values["exclusions"]))
        values["unloaded"] = frozenset(values["unloaded"])
        return Record(files=files, **values)
