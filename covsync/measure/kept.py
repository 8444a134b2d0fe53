"""Results of analyses, kept under git's own folder so that no text is analysed twice.

One SQLite file beside the snapshots', never in the work tree. Its name holds the schema's version.
A result is found by its key alone, a digest of everything that can change it; so whatever is wrong
with the file (gone, damaged, locked, read-only), an analysis more is all it costs.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NAME = "analysis-1.sqlite"
WAIT_SECONDS = 5
AT_ONCE = 500
SCHEMA = """
create table if not exists result (
    folder text not null, kind text not null, key blob not null, content blob not null
);
create unique index if not exists by_key on result (folder, kind, key);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """The results kept for the project in ``folder``, in the store that lies in ``place``.

    Of each kind those of the newest run are kept. ``notes`` tells for ``--verbose`` what could not
    be read or written, or be put together from results. Without a ``place`` nothing is kept.
    """

    place: Path | None
    folder: str
    notes: list[str] = field(default_factory=list)

    def load(self, kind: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The contents there are for some of the ``keys``."""
        found: dict[bytes, bytes] = {}
        if self.place is None or not (self.place / NAME).is_file():
            return found
        wanted = list(dict.fromkeys(keys))
        try:
            with self._opened("?mode=ro") as database:
                for start in range(0, len(wanted), AT_ONCE):
                    some = wanted[start : start + AT_ONCE]
                    marks = ", ".join("?" * len(some))
                    rows = database.execute(
                        "select key, content from result where folder = ? and kind = ? "  # noqa: S608
                        f"and key in ({marks})",  # only question marks
                        [self.folder, kind, *some],
                    )
                    found.update((bytes(key), bytes(content)) for key, content in rows)
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
                self._write(kind, used, new)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # it is damaged: begun anew
                (self.place / NAME).unlink()
                self._write(kind, used, new)
        except (OSError, sqlite3.Error) as error:
            self.notes.append(f"cannot write {self.place / NAME}: {error}")

    def _write(self, kind: str, used: Collection[bytes], new: Mapping[bytes, bytes]) -> None:
        with self._opened() as database:
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
                "insert or replace into result values (?, ?, ?, ?)",
                [(self.folder, kind, key, content) for key, content in new.items()],
            )

    @contextlib.contextmanager
    def _opened(self, how: str = "") -> Iterator[sqlite3.Connection]:
        assert self.place is not None  # noqa: S101 - both callers looked
        uri = (self.place / NAME).absolute().as_uri() + how
        database = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)
        with contextlib.closing(database), database:
            yield database
