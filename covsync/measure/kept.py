"""Results of analyses, kept under git's own folder so that no text is analysed twice.

One SQLite file beside the snapshots', never in the work tree. Its name holds the schema's version.
A result is found by its key alone, a digest of everything that can change it; so whatever is wrong
with the file (gone, damaged, locked, read-only), an analysis more is all it costs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from covsync.measure.store import to_read

NAME = "analysis-1.sqlite"
WAIT_SECONDS = 5
AT_ONCE = 500
SCHEMA = """
create table if not exists result (
    folder text not null, kind text not null, key blob not null, content blob not null,
    checksum integer not null
);
create unique index if not exists by_key on result (folder, kind, key);
"""


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
            with _opened(to_read(self.place / NAME)) as database:
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
            self.notes.append(f"cannot read {self.place / NAME}: {error}")
        return found

    def save(self, kind: str, used: Collection[bytes], new: Mapping[bytes, bytes]) -> None:
        """Keeps the ``new`` contents by key, and of the old those whose key was ``used``."""
        if self.place is None:
            return
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            try:
                self._write(self.place / NAME, kind, used, new)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # it is damaged: begun anew
                (self.place / NAME).unlink()
                self._write(self.place / NAME, kind, used, new)
        except (OSError, sqlite3.Error) as error:
            self.notes.append(f"cannot write {self.place / NAME}: {error}")

    def _write(
        self, file: Path, kind: str, used: Collection[bytes], new: Mapping[bytes, bytes]
    ) -> None:
        with _opened(os.fspath(file)) as database:
            database.execute("pragma synchronous = off")  # what is lost is analysed again
            database.executescript(SCHEMA)
            present = {
                bytes(key)
                for (key,) in database.execute(
                    "select key from result where folder = ? and kind = ?", [self.folder, kind]
                )
            }
            database.executemany(
                "delete from result where folder = ? and kind = ? and key = ?",
                [(self.folder, kind, key) for key in present.difference(used, new)],
            )
            database.executemany(
                "insert or replace into result values (?, ?, ?, ?, ?)",
                (
                    (self.folder, kind, key, content, zlib.crc32(content))
                    for key, content in new.items()
                ),
            )


@contextlib.contextmanager
def _opened(name: str) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(name, uri=name.startswith("file:"), timeout=WAIT_SECONDS)
    with contextlib.closing(database), database:
        yield database
