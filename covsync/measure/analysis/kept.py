"""Results of analyses, kept under git's own folder while nothing they depend on has changed.

One SQLite file beside the store of records, never in the work tree; its name holds the schema's
version. A result is found by its key alone, a digest of everything that can change it; so whatever
is wrong with the file (gone, damaged, locked, read-only), an analysis more is all it costs.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from covsync.measure.sqlite import reading, write

NAME = "analysis-1.sqlite"
AT_ONCE = 500
SCHEMA = (
    """create table if not exists result (
    folder text not null, kind text not null, key blob not null, content blob not null,
    checksum integer not null
    )""",
    "create unique index if not exists by_key on result (folder, kind, key)",
)


class Kept:
    """The results kept for the project in ``folder``, in the store that lies in ``place``.

    Of each kind those of the newest run are kept. ``notes`` tells for ``--verbose`` what could not
    be read or written, or be put together from results. Without a ``place`` nothing is kept.
    """

    def __init__(self, place: Path | None, folder: str) -> None:
        self.place = place
        self.folder = folder
        self.notes: list[str] = []

    def is_empty(self) -> bool:
        """Whether nothing was kept yet."""
        return self.place is None or not (self.place / NAME).is_file()

    def load(self, kind: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The contents there are for some of the ``keys``, less what is damaged."""
        found: dict[bytes, bytes] = {}
        if self.place is None or self.is_empty():
            return found
        wanted = list(dict.fromkeys(keys))
        try:
            with reading(self.place / NAME) as database:
                for start in range(0, len(wanted), AT_ONCE):
                    some = wanted[start : start + AT_ONCE]
                    marks = ", ".join("?" * len(some))
                    rows = database.execute(
                        "select key, content, checksum from result "  # noqa: S608
                        f"where folder = ? and kind = ? and key in ({marks})",  # question marks
                        [self.folder, kind, *some],
                    )
                    found.update(
                        (bytes(key), bytes(content))
                        for key, content, checksum in rows
                        if zlib.crc32(content) == checksum
                    )
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            self._do_without(f"cannot read {self.place / NAME}: {error}", error)
        return found

    def save(self, kind: str, used: Collection[bytes], new: Mapping[bytes, bytes]) -> None:
        """Keeps the ``new`` contents by key, and of the old those whose key was ``used``."""

        def work(database: sqlite3.Connection) -> None:
            for statement in SCHEMA:
                database.execute(statement)
            present = database.execute(
                "select key from result where folder = ? and kind = ?", [self.folder, kind]
            )
            gone = {bytes(key) for (key,) in present}.difference(used, new)
            database.executemany(
                "delete from result where folder = ? and kind = ? and key = ?",
                [(self.folder, kind, key) for key in gone],
            )
            database.executemany(
                "insert or replace into result values (?, ?, ?, ?, ?)",
                (
                    (self.folder, kind, key, content, zlib.crc32(content))
                    for key, content in new.items()
                ),
            )

        if self.place is None:
            return
        try:
            write(self.place / NAME, work)
        except (OSError, sqlite3.Error) as error:
            self._do_without(f"cannot write {self.place / NAME}: {error}", error)

    def _do_without(self, note: str, error: Exception) -> None:
        """Who found it locked need not wait again."""
        self.notes.append(note)
        if "locked" in str(error):
            self.place = None
