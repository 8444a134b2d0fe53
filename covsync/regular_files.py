"""A file that others can write is looked at before it is opened.

To open a pipe may wait for ever, a device may never end, and a link may lead to a secret.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from covsync.errors import CovsyncError
from covsync.limits import exceeded, limit

GIT_DIR = ".git"


def refuse_unusual(path: str | Path, shown: str, largest: int, fix: str) -> None:
    """Raises ``CovsyncError`` for what is no regular file of at most ``largest`` bytes.

    Links are followed, and the null device is an empty file. Raises ``OSError`` where there is no
    file.
    """
    found = os.stat(path)  # noqa: PTH116 - asked of each configuration file at each commit
    if not stat.S_ISREG(found.st_mode) and path != os.devnull:
        raise CovsyncError(f"cannot read {shown}: it is not a regular file", fix)
    if found.st_size > limit(largest):
        raise exceeded(shown, largest, "bytes")


def refuse_outside(path: str, top: Path, shown: str) -> None:
    """Raises ``CovsyncError`` for a file of the repository at ``top`` that is a link out of it.

    git's own folder is no part of it. What is not named as a file of it may lie anywhere.
    """
    inside = os.path.join(top, "")
    if not os.path.normpath(path).startswith(inside):
        return
    end = os.path.realpath(path)
    folders = Path(end.removeprefix(inside).casefold()).parts
    if not end.startswith(inside) or GIT_DIR in folders:
        raise CovsyncError(
            f"{shown} is a link that leads out of the repository's files",
            "Put a file of the repository in its place.",
        )
