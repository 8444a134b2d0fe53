"""SQLite files: reading any, and writing covsync's own, which are created again where damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from covsync.measure import permissions

WAIT_SECONDS = 5
# Errors that a new file would not end, in SQLite's words.
LASTING = ("locked", "busy", "readonly", "full", "unable to open", "I/O error")
# What SQLite opens beside a database, and may write.
BESIDE = ("-journal", "-wal", "-shm")


def is_plain(file: Path) -> bool:
    """Whether it is a regular file, and beside it lies no link or pipe that SQLite would open."""
    real = os.path.realpath(file)
    beside = [f"{real}{suffix}" for suffix in BESIDE]
    found = [os.lstat(each).st_mode for each in beside if os.path.lexists(each)]
    return os.path.isfile(real) and all(map(stat.S_ISREG, found))  # noqa: PTH113 - the same


def is_locked(reason: str) -> bool:
    """Whether SQLite's words say that another process has locked the file."""
    return "locked" in reason


@contextlib.contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes nothing; others wait with writing once it has begun to read."""
    # pathlib's URI would load urllib.
    escaped = str(file).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    with _connected(f"file:{escaped}?mode=ro", is_uri=True) as database:
        yield database


def write(file: Path, work: Callable[[sqlite3.Connection], None]) -> None:
    """Does ``work`` in one transaction on a file, which is created again where it is damaged.

    Raises ``OSError`` or ``sqlite3.Error`` where nothing can be written.
    """
    permissions.make_folder(file.parent)
    try:
        _transact(file, work)
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # the file is as it should be
    except sqlite3.DatabaseError as error:
        if any(word in str(error) for word in LASTING):
            raise
        file.unlink(missing_ok=True)
        _transact(file, work)


def _transact(file: Path, work: Callable[[sqlite3.Connection], None]) -> None:
    permissions.make_file(file)  # by which SQLite goes for its journal
    with _connected(os.fspath(file), is_uri=False) as database:
        database.execute("begin immediate")
        work(database)
        database.execute("commit")


@contextlib.contextmanager
def _connected(name: str, *, is_uri: bool) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(name, uri=is_uri, timeout=WAIT_SECONDS, isolation_level=None)
    with contextlib.closing(database):
        yield database
