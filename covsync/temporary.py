"""Temporary folders that do not pile up, even where covsync is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from covsync.errors import CovsyncError

PREFIX = "covsync-"
LOCK, NEW_LOCK, WORK = "in-use", "in-use.new", "work"
# Between making a folder and locking it a moment passes, in which it is not yet abandoned.
YOUNG_SECONDS = 600


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new, empty folder, gone afterwards.

    A process that is killed leaves its folder behind, but not the lock on it: by that the next
    one knows that nobody uses the folder any more, and removes it.
    """
    temporary = Path(tempfile.gettempdir())
    if temporary == Path.cwd() and os.fspath(temporary) not in (os.environ.get("TMPDIR"), "/tmp"):  # noqa: S108
        raise CovsyncError(  # Python's last resort, but that would be the user's checkout
            "there is no folder for temporary files that can be written to",
            "Point TMPDIR at one.",
        )
    _remove_abandoned(temporary)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / NEW_LOCK).open("wb") as lock:
            with contextlib.suppress(OSError):  # not every file system has locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / NEW_LOCK).rename(folder / LOCK)  # so nobody sees it unlocked
            (folder / WORK).mkdir()
            yield folder / WORK
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(temporary: Path) -> None:
    for folder in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # in use; or another process removes it just now
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether ``folder`` was made above, by a process of this user that is no more."""
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink() or not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    if not names <= {LOCK, NEW_LOCK, WORK}:
        return False
    if LOCK not in names:
        return time.time() - found.st_mtime > YOUNG_SECONDS
    with (folder / LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True
