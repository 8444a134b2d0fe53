"""The store: records of what the tests ran on, and what coverage.py made of files.

One SQLite file under git's own folder, never in the work tree and never committed. Deleting it
changes no figure. The schema's version is in the file's name, as the hook's covsync and the
project's may differ. Whatever is wrong with the file (gone, damaged, locked, read-only), it costs
another analysis, or leaves the times of the files as evidence.

A ``measurement`` is a record, the refusal of newer data, or the newest report on data that was not
recorded. Several records are stored, as an older one may be of just what is being committed: of
another branch, or of all tests where the newest is of a few. ``file`` holds the files of each with
their totals. ``analysed`` finds what coverage.py made of a file by a key of all that it depends
on. All of these point at texts in ``content``, each stored once by its own SHA-256.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from covsync.errors import CovsyncError
from covsync.measure.inputs import FileState, Inputs
from covsync.measure.json_report import Entry
from covsync.measure.sqlite_file import is_locked, reading, write
from covsync.model import Lines, LoadedFile, Record, Refusal, ReportStyle, Scope, Totals, sha256

NAME = "store-5.sqlite"
NAMES = "store-*.sqlite"
RECORD, NARROWED, REFUSAL, REPORT = "record", "record of a part", "refusal", "report"
# Of all tests and of a part of them each: more than the branches that one works on in turn.
STORED_RECORDS = 8
AT_ONCE = 500
SCHEMA = (
    """create table if not exists measurement (
    id integer primary key autoincrement, folder text not null, kind text not null,
    facts text not null
    )""",
    """create table if not exists file (
    measurement integer not null, path text not null, name text not null, state text,
    statements integer, missing integer, excluded integer, branches integer,
    partial_branches integer, missing_branches integer, entry blob, text blob,
    primary key (measurement, path)
    ) without rowid""",
    """create table if not exists analysed (
    folder text not null, kind text not null, key blob not null, summary text not null,
    digest blob not null, checksum integer not null, primary key (folder, kind, key)
    ) without rowid""",
    "create table if not exists content (digest blob primary key, content blob not null)",
)


class StoreError(Exception):
    """The store cannot be read: the answer has to come from elsewhere."""


class StoredReport(NamedTuple):
    """The newest report that coverage.py made of data that was not recorded.

    ``folder`` is the project's, as an absolute path. ``data_file`` is how the data file was named,
    ``None`` for coverage.py's own choice. The ``files`` are by path from the repository's top
    level; one without totals is not reported.
    """

    folder: str
    data_file: str | None
    inputs: Inputs
    has_branches: bool
    style: ReportStyle
    fail_under: Fraction | None
    files: Mapping[str, LoadedFile]


class _StoredLines:
    """Reads the lines of a file from its entry in the store."""

    def __init__(self, reader: Reader, digest: bytes, *, has_branches: bool) -> None:
        self.reader = reader
        self.digest = digest
        self.has_branches = has_branches

    def __call__(self) -> Lines:
        return Lines.of_entry(self.reader.content(self.digest), has_branches=self.has_branches)


class Reader:
    """What the store holds for one project. Reading raises ``StoreError``.

    Lines and texts are read where they are asked for, while the store is open; lines that were
    loaded can be asked for afterwards, too.
    """

    def __init__(self, database: sqlite3.Connection | None, folder: str) -> None:
        self._database = database
        self._folder = folder
        self._loaded: dict[bytes, bytes] = {}

    def records(self, **wanted: object) -> Iterator[Record]:
        """The records, those of all tests before those of a part, the newest first.

        With ``wanted`` only those whose fields of these names have these values.
        """
        for kind in (RECORD, NARROWED):
            for number, facts in self._measurements(kind):
                with _errors_of_reading():
                    if any(facts[name] != value for name, value in wanted.items()):
                        continue
                    files = self._files(number, has_branches=facts["has_branches"])
                yield _record(facts, files)

    def loaded_by_all_tests(self, settings: str) -> frozenset[str]:
        """The files that recorded runs of all tests loaded or measured with these ``settings``."""
        with _errors_of_reading():
            numbers = [
                number
                for number, facts in self._measurements(RECORD)
                if facts["settings"] == settings
            ]
        marks = ", ".join("?" * len(numbers))
        rows = self._execute(
            f"select distinct path from file where measurement in ({marks})",  # noqa: S608
            numbers,
        )
        return frozenset(path for (path,) in rows)

    def newest_recording(self) -> int:
        """When the newest record was made (Unix time in seconds), 0 where there is none."""
        newest = 0
        for kind in (RECORD, NARROWED):
            for _, facts in self._measurements(kind):
                with _errors_of_reading():
                    newest = max(newest, int(facts["recorded_at"]))
                break
        return newest

    def paths(self) -> frozenset[str]:
        """The paths of all files that are stored with a record or a report."""
        rows = self._execute(
            "select distinct path from file join measurement on measurement = id where folder = ?",
            [self._folder],
        )
        return frozenset(path for (path,) in rows)

    def refusal(self) -> Refusal | None:
        """Why newer data was refused, ``None`` where the newest was recorded."""
        for _, facts in self._measurements(REFUSAL):
            with _errors_of_reading():
                return Refusal(**facts)
        return None

    def report(self, top: Path) -> StoredReport | None:
        """The newest report, ``None`` where there is none. ``top`` is where its paths begin."""
        for number, facts in self._measurements(REPORT):
            with _errors_of_reading():
                files = self._files(number, has_branches=facts["has_branches"])
                states = self._execute(
                    "select path, state from file where measurement = ?", [number]
                )
                sources = {f"{top}/{path}": _state(json.loads(state)) for path, state in states}
                data_file, data, settings, versions, environment = facts["inputs"]
                inputs = Inputs(data_file, _state(data), settings, versions, environment, sources)
                return StoredReport(
                    folder=facts["folder"],
                    data_file=facts["data_file"],
                    inputs=inputs,
                    has_branches=facts["has_branches"],
                    style=ReportStyle(*facts["style"]),
                    fail_under=_fraction(facts["fail_under"]),
                    files=files,
                )
        return None

    def load_lines(self, files: Iterable[LoadedFile]) -> None:
        """Loads the lines of ``files``, so that they can be asked for when the store is closed."""
        wanted = [file.detail.digest for file in files if isinstance(file.detail, _StoredLines)]
        for some in _portions(wanted):
            marks = ", ".join("?" * len(some))
            rows = self._execute(
                f"select digest, content from content where digest in ({marks})",  # noqa: S608
                some,
            )
            with _errors_of_reading():
                self._loaded.update((bytes(key), _checked(key, content)) for key, content in rows)
        if not self._loaded.keys() >= {*wanted}:
            raise StoreError("a stored text is missing")

    def content(self, digest: bytes) -> bytes:
        """A stored text by its digest."""
        if digest in self._loaded:
            return self._loaded[digest]
        rows = self._execute("select content from content where digest = ?", [digest])
        with _errors_of_reading():
            return _checked(digest, rows[0][0] if rows else b"")

    def entries(self, kind: str, keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """What coverage.py made of files, of a ``kind``, by some of the ``keys``."""
        found: dict[bytes, Entry] = {}
        for some in _portions(list(dict.fromkeys(keys))):
            marks = ", ".join("?" * len(some))
            rows = self._execute(
                "select key, summary, digest, checksum, content "  # noqa: S608 - question marks
                "from analysed join content using (digest) "
                f"where folder = ? and kind = ? and key in ({marks})",
                [self._folder, kind, *some],
            )
            with _errors_of_reading():
                found.update(
                    (bytes(key), Entry(summary, bytes(content)))
                    for key, summary, digest, checksum, content in rows
                    if sha256(content).digest() == digest and _checksum(summary, digest) == checksum
                )
        return found

    def _measurements(self, kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
        numbers = self._execute(
            "select id from measurement where folder = ? and kind = ? order by id desc",
            [self._folder, kind],
        )
        for (number,) in numbers:
            with _errors_of_reading():
                [(facts,)] = self._execute("select facts from measurement where id = ?", [number])
                yield number, json.loads(facts)

    def _files(self, measurement: int, *, has_branches: bool) -> dict[str, LoadedFile]:
        rows = self._execute(
            "select path, name, entry, text, statements, missing, excluded, branches, "
            "partial_branches, missing_branches from file where measurement = ?",
            [measurement],
        )
        files = {}
        for path, name, entry, text, *counts in rows:
            file = LoadedFile(name, own_text=None if text is None else partial(self._text, text))
            if entry is not None:
                lines = _StoredLines(self, entry, has_branches=has_branches)
                file = file._replace(totals=Totals(*counts), detail=lines)
            files[path] = file
        return files

    def _text(self, digest: bytes) -> bytes:
        with _errors_of_reading():
            return zlib.decompress(self.content(digest))

    def _execute(self, query: str, values: Collection[object] = ()) -> list[Any]:
        if self._database is None:
            return []
        with _errors_of_reading():
            return self._database.execute(query, tuple(values)).fetchall()


@contextlib.contextmanager
def opened(place: Path, folder: str) -> Iterator[Reader]:
    """What is stored for the project in ``folder``, nothing where there is no store.

    What is read in this context is of one moment. Others wait with writing until it ends. Raises
    ``StoreError``.
    """
    with _errors_of_reading():
        is_there = (place / NAME).is_file()
    if not is_there:
        yield Reader(None, folder)
        return
    with contextlib.ExitStack() as stack:
        with _errors_of_reading():
            database = stack.enter_context(reading(place / NAME))
            database.execute("begin")
            database.execute("select id from measurement limit 1")
        yield Reader(database, folder)


def save_record(place: Path, folder: str, record: Record, entries: Mapping[str, bytes]) -> None:
    """Stores ``record`` as the newest of the project in ``folder``, in the store at ``place``.

    ``entries`` are the compressed entries of the measured files by path. A store that cannot be
    read is deleted and created again. Raises ``CovsyncError`` where nothing can be written.
    """
    facts = record._asdict()
    del facts["files"]
    facts["fail_under"] = None if record.fail_under is None else str(record.fail_under)
    facts["unloaded"] = sorted(record.unloaded)
    kind = NARROWED if record.narrowed else RECORD

    def work(database: sqlite3.Connection) -> None:
        _delete_measurements(database, folder, REFUSAL)
        number = _insert_measurement(database, folder, kind, facts)
        _insert_files(database, number, record.files, entries, {})
        _drop_oldest(database, folder)

    _write_record(place, work)


def refuse(place: Path, folder: str, refusal: Refusal) -> None:
    """Stores that data was refused, until other data is recorded. Raises as ``save_record``."""

    def work(database: sqlite3.Connection) -> None:
        _delete_measurements(database, folder, REFUSAL)
        _insert_measurement(database, folder, REFUSAL, refusal._asdict())

    _write_record(place, work)


def save_results(
    place: Path, folder: str, kind: str, used: Collection[bytes], new: Mapping[bytes, Entry]
) -> None:
    """Stores ``new`` results by key, and drops those of the ``kind`` whose key was not ``used``.

    Raises ``OSError`` and ``sqlite3.Error``.
    """

    def work(database: sqlite3.Connection) -> None:
        present = database.execute(
            "select key from analysed where folder = ? and kind = ?", [folder, kind]
        )
        gone = {bytes(key) for (key,) in present}.difference(used, new)
        database.executemany(
            "delete from analysed where folder = ? and kind = ? and key = ?",
            [(folder, kind, key) for key in gone],
        )
        database.executemany(
            "insert or replace into analysed values (?, ?, ?, ?, ?, ?)",
            [
                (folder, kind, key, each.summary, digest, _checksum(each.summary, digest))
                for key, each in new.items()
                for digest in [_insert_content(database, each.content)]
            ],
        )
        _drop_unused_content(database)

    _write(place, work)


def save_report(
    place: Path, folder: str, report: StoredReport, entries: Mapping[str, bytes]
) -> None:
    """Stores a report as the newest on data that is not recorded. Raises as ``save_results``.

    Its ``inputs`` have the sources by the same paths as its ``files`` and ``entries``.
    """
    inputs = report.inputs
    facts = {
        "folder": report.folder,
        "data_file": report.data_file,
        "inputs": inputs[: Inputs._fields.index("sources")],
        "has_branches": report.has_branches,
        "style": report.style,
        "fail_under": None if report.fail_under is None else str(report.fail_under),
    }

    def work(database: sqlite3.Connection) -> None:
        _delete_measurements(database, folder, REPORT)
        number = _insert_measurement(database, folder, REPORT, facts)
        _insert_files(database, number, report.files, entries, inputs.sources)
        _drop_oldest(database, folder)

    _write(place, work)


def has_results(place: Path, folder: str) -> bool:
    """Whether the store has results for the project in ``folder``."""
    try:
        with reading(place / NAME) as database:
            query = "select 1 from analysed where folder = ? limit 1"
            return database.execute(query, [folder]).fetchone() is not None
    except sqlite3.Error:
        return False


def written_by_other_versions(place: Path, since: int) -> list[str]:
    """The names of stores that another version of covsync wrote since a Unix time in seconds."""
    written = {}
    for path in place.glob(NAMES):
        with contextlib.suppress(OSError):
            written[path.name] = path.stat().st_mtime
    return sorted(name for name, at in written.items() if name != NAME and at > since)


def _write_record(place: Path, work: Callable[[sqlite3.Connection], None]) -> None:
    try:
        _write(place, work)
    except (OSError, sqlite3.Error) as error:
        fix = "Look at the folder's rights and free space; deleting it does no harm."
        if is_locked(str(error)):
            fix = "Another process is writing it: try again when that is done."
        raise CovsyncError(f"cannot record in {place / NAME}: {error}", fix) from error


def _write(place: Path, work: Callable[[sqlite3.Connection], None]) -> None:
    """Does ``work`` in one transaction. Raises ``OSError`` and ``sqlite3.Error``."""

    def in_tables(database: sqlite3.Connection) -> None:
        for table in SCHEMA:
            database.execute(table)
        work(database)

    write(place / NAME, in_tables)


def _insert_measurement(
    database: sqlite3.Connection, folder: str, kind: str, facts: Mapping[str, object]
) -> int:
    inserted = database.execute(
        "insert into measurement (folder, kind, facts) values (?, ?, ?)",
        [folder, kind, json.dumps(facts)],
    )
    return int(inserted.lastrowid or 0)


def _insert_files(
    database: sqlite3.Connection,
    measurement: int,
    files: Mapping[str, LoadedFile],
    entries: Mapping[str, bytes],
    states: Mapping[str, FileState],
) -> None:
    rows = []
    for path, file in files.items():
        counts = file.totals or (None,) * len(Totals._fields)
        entry = None if file.totals is None else _insert_content(database, entries[path])
        text = file.text
        compressed = None if text is None else _insert_content(database, zlib.compress(text))
        state = json.dumps(states[path]) if path in states else None
        rows.append((measurement, path, file.name, state, *counts, entry, compressed))
    marks = ", ".join("?" * 12)
    database.executemany(f"insert into file values ({marks})", rows)  # noqa: S608 - marks


def _insert_content(database: sqlite3.Connection, content: bytes) -> bytes:
    """Stores a content once for all who have it; its digest."""
    digest = sha256(content).digest()
    database.execute("insert or ignore into content values (?, ?)", [digest, content])
    return digest


def _delete_measurements(database: sqlite3.Connection, folder: str, kind: str) -> None:
    chosen = "select id from measurement where folder = ? and kind = ?"
    values = [folder, kind]
    database.execute(f"delete from file where measurement in ({chosen})", values)  # noqa: S608
    database.execute(f"delete from measurement where id in ({chosen})", values)  # noqa: S608


def _drop_oldest(database: sqlite3.Connection, folder: str) -> None:
    for kind in (RECORD, NARROWED):
        database.execute(
            "delete from measurement where folder = ? and kind = ? and id not in "
            "(select id from measurement where folder = ? and kind = ? order by id desc limit ?)",
            [folder, kind, folder, kind, STORED_RECORDS],
        )
    database.execute("delete from file where measurement not in (select id from measurement)")
    _drop_unused_content(database)


def _drop_unused_content(database: sqlite3.Connection) -> None:
    database.execute(
        "delete from content where digest not in (select entry from file where entry is not null "
        "union select text from file where text is not null union select digest from analysed)"
    )


def _portions(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]


def _checksum(summary: str, digest: bytes) -> int:
    return zlib.crc32(summary.encode() + digest)


def _checked(digest: bytes, content: bytes) -> bytes:
    if sha256(content).digest() != digest:
        raise StoreError("a stored text is damaged")
    return content


@contextlib.contextmanager
def _errors_of_reading() -> Iterator[None]:
    try:
        yield
    except (
        *(OSError, sqlite3.Error, zlib.error, ValueError, TypeError, KeyError, IndexError),
        CovsyncError,
    ) as error:
        is_said = isinstance(error, (OSError, sqlite3.Error))
        reason = str(error) if is_said else "it is not as covsync wrote it"
        raise StoreError(reason) from error


def _state(values: Any) -> FileState:  # noqa: ANN401 - what JSON holds
    digest, stat, read_at = values
    return FileState(digest, tuple(stat), read_at)


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _record(facts: Mapping[str, Any], files: Mapping[str, LoadedFile]) -> Record:
    """The record with these facts. Raises ``StoreError``."""
    with _errors_of_reading():
        scope: list[Any] = [
            tuple(each) if isinstance(each, list) else each for each in facts["scope"]
        ]
        values = {
            **facts,
            "fail_under": _fraction(facts["fail_under"]),
            "style": ReportStyle(*facts["style"]),
            "scope": Scope(*scope),
            "exclusions": tuple(map(tuple, facts["exclusions"])),
            "unloaded": frozenset(facts["unloaded"]),
        }
        return Record(files=files, **values)
