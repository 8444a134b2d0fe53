"""coverage.py's results for a project's files, read from the store and written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

from covsync.measure import store
from covsync.measure.json_report import Entry
from covsync.measure.sqlite_file import is_locked
from covsync.measure.store import StoredReport, StoreError


class StoredResults:
    """The results of the project in ``folder``, in the store at ``place``.

    Of each kind those of the newest run are stored. ``notes`` say for ``--verbose`` what could not
    be read or written. Without a ``place`` nothing is stored.
    """

    def __init__(self, place: Path | None, folder: str) -> None:
        self.place = place
        self.folder = folder
        self.notes: list[str] = []

    def is_empty(self) -> bool:
        """Whether there are none yet."""
        return self.place is None or not store.has_results(self.place, self.folder)

    def load(self, kind: str, keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """The results there are for some of the ``keys``, less what is damaged."""
        if self.place is None:
            return {}
        try:
            with store.opened(self.place, self.folder) as stored:
                return stored.entries(kind, keys)
        except StoreError as error:
            self._give_up(f"cannot read {self.place / store.NAME}: {error}", str(error))
        return {}

    def save(self, kind: str, used: Collection[bytes], new: Mapping[bytes, Entry]) -> None:
        """Stores the ``new`` results by key, and drops those whose key was not ``used`` either."""
        if self.place is not None:
            save = partial(store.save_results, self.place, self.folder)
            self._try(lambda: save(kind, used, new))

    def save_report(self, report: StoredReport, entries: Mapping[str, bytes]) -> None:
        """Stores a report as the newest on data that is not recorded."""
        if self.place is not None:
            save = partial(store.save_report, self.place, self.folder)
            self._try(lambda: save(report, entries))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, sqlite3.Error) as error:
            self._give_up(f"cannot write {self.place}/{store.NAME}: {error}", str(error))

    def _give_up(self, note: str, reason: str) -> None:
        """Does without the store; where another process has locked it, for the rest of this run."""
        self.notes.append(note)
        if is_locked(reason):
            self.place = None
