"""Coverage data is looked through here before coverage.py, or a query of covsync's, reads it.

SQLite computes what the schema of a database says: a view, a trigger, a generated column or a CHECK
may take for ever, and a damaged tree of pages has no end. So the pages have to be sound, and the
schema the one that coverage.py documents
(https://coverage.readthedocs.io/en/latest/dbschema.html).
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.limits import DATA_SECONDS, NAME_CHARACTERS, VARIABLE, exceeded, limit
from covsync.measure.sqlite_file import is_locked, reading

FILE_ID = "file_id integer"
KEYS = (
    f"{FILE_ID}, context_id integer, %s, foreign key (file_id) references file (id), "
    "foreign key (context_id) references context (id), unique (file_id, context_id%s)"
)
TABLES = {
    "coverage_schema": "version integer",
    "meta": "key text, value text, unique (key)",
    "file": "id integer primary key, path text, unique (path)",
    "context": "id integer primary key, context text, unique (context)",
    "line_bits": KEYS % ("numbits blob", ""),
    "arc": KEYS % ("fromno integer, tono integer", ", fromno, tono"),
    "tracer": f"{FILE_ID} primary key, tracer text, foreign key (file_id) references file (id)",
}
KINDS = ("table", "index", "view", "trigger")
COMMENT = re.compile(r"--[^\n]*")
TOKEN = re.compile(r"\w+|[^\w\s]")
# In instructions of SQLite's virtual machine: some milliseconds.
LOOK_AT_CLOCK = 1_000_000


class OtherSchemaError(sqlite3.DatabaseError):
    """The database has not the tables that coverage.py documents, or something beside them."""


@contextlib.contextmanager
def reading_data(data_file: Path) -> Iterator[sqlite3.Connection]:
    """A connection for queries of covsync's own, on data that is built as coverage.py documents.

    Raises ``sqlite3.Error``, which is an ``OtherSchemaError`` where it is not.
    """
    ends = time.monotonic() + limit(DATA_SECONDS)
    with reading(data_file) as database:
        # Before the first statement, which reads the schema: its pages may have no end either.
        database.set_progress_handler(lambda: time.monotonic() > ends, LOOK_AT_CLOCK)
        database.execute("pragma trusted_schema = off")
        _compare_schema(database)
        yield database


@contextlib.contextmanager
def reading_new_data(data_file: Path) -> Iterator[sqlite3.Connection]:
    """The same for data that nothing has looked through yet: its pages are looked at, too."""
    with reading_data(data_file) as database:
        ((found, *_),) = database.execute("pragma quick_check(1)")
        if found != "ok":
            raise sqlite3.DatabaseError(f"the database is damaged: {' '.join(found.split())}")
        yield database


def look_through(data_file: Path) -> None:
    """Raises ``CovsyncError`` for a database that coverage.py must not open."""
    try:
        with reading_new_data(data_file) as database:
            ((longest,),) = database.execute("select max(length(path)) from file")
    except OtherSchemaError as error:
        raise CovsyncError(
            f"{data_file} is a database, but not coverage.py's: {error}",
            "Name coverage.py's data with --data-file; by default it is .coverage. Data of another "
            "version of coverage.py: delete it and run the tests again with the one covsync uses.",
        ) from None
    except sqlite3.Error as error:
        if is_locked(str(error)):
            raise CovsyncError(
                "another process is writing the coverage data", "Try again when it is done."
            ) from None
        if str(error) == "interrupted":
            raise CovsyncError(
                f"{data_file}: covsync looks at it for at most {limit(DATA_SECONDS)} seconds",
                f"Delete it and run the tests again, or set {VARIABLE}=10 for ten times as long.",
            ) from None
        raise CovsyncError(
            f"the coverage data cannot be read: {error}",
            f"Delete {data_file} and run the tests again.",
        ) from None
    if (longest or 0) > limit(NAME_CHARACTERS):
        raise exceeded(f"{data_file} names a file at length", NAME_CHARACTERS, "characters of it")


def _compare_schema(database: sqlite3.Connection) -> None:
    there = set()
    for kind, name, sql in database.execute("select type, name, sql from sqlite_master"):
        if kind == "index" and sql is None:  # that of a table's own `unique`
            continue
        if kind != "table" or name not in TABLES or not _is_documented(name, sql):
            what = kind if kind in KINDS else "entry"
            raise OtherSchemaError(f"coverage.py makes no such {what} as its {str(name)[:40]!r}")
        there.add(name)
    for name in sorted(TABLES.keys() - there):
        raise OtherSchemaError(f"it has no table {name!r}")


def _is_documented(name: str, sql: object) -> bool:
    """Whether a table is made by the documented statement, whatever its comments."""
    documented = f"CREATE TABLE {name} ({TABLES[name]})"
    return TOKEN.findall(COMMENT.sub("", str(sql))) == TOKEN.findall(documented)
