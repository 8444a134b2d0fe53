"""Temporary folders that do not pile up, even where covsync is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from covsync.errors import CovsyncError

PREFIX = "covsync-"
LOCK, NEW_LOCK, WORK = "in-use", "in-use.new", "work"
# Between making a folder and locking it a moment passes, in which it is not yet abandoned.
YOUNG_SECONDS = 600
OURS_ALONE = 0o700


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new, empty folder, gone afterwards.

    A process that is killed leaves its folder behind, but not the lock on it: by that the next
    one knows that nobody uses the folder any more, and removes it. Raises ``CovsyncError`` where
    only the working directory can be written to.
    """
    temporary = Path(tempfile.gettempdir())
    if temporary == Path.cwd() and os.fspath(temporary) not in _usual():
        raise CovsyncError(  # Python's last resort, but that would be the user's checkout
            "there is no folder for temporary files that can be written to",
            "Point TMPDIR at one.",
        )
    for folder in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # in use; or another process removes it just now
            if _is_abandoned(folder):
                _remove(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / NEW_LOCK).open("wb") as lock:
            with contextlib.suppress(OSError):  # not every file system has locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / NEW_LOCK).rename(folder / LOCK)  # so nobody sees it unlocked
            (folder / WORK).mkdir()
            yield folder / WORK
    finally:
        with contextlib.suppress(OSError):
            _remove(folder)


def _usual() -> set[str | None]:
    named = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")}
    return {*named, "/tmp", "/var/tmp", "/usr/tmp"}  # noqa: S108 - only compared with


def _remove(folder: Path) -> None:
    """The lock goes last, so that a folder that is only half removed shows as abandoned."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    if not (folder / WORK).exists():
        for name in (NEW_LOCK, LOCK):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _is_abandoned(folder: Path) -> bool:
    """Whether ``folder`` was made above, by a process of this user that is no more."""
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == OURS_ALONE
    if found.st_uid != os.getuid() or not is_ours:
        return False
    names = {path.name for path in folder.iterdir()}
    if LOCK in names and names <= {LOCK, WORK}:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return names == {NEW_LOCK} and time.time() - found.st_mtime > YOUNG_SECONDS
