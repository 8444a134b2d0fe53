"""The permissions of what covsync keeps under git's folder: that folder's, whatever the umask is.

Nobody else may write there who may not write in git's folder; whoever may read there may read it,
as the user may for whom root records in a container.
"""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OURS_ALONE, OF_FILES = 0o700, 0o666


def make_folder(folder: Path) -> None:
    """Makes a folder, with the permissions of the one it is in, unless it is there already.

    Raises ``OSError``.
    """
    is_new = not folder.exists()
    folder.mkdir(OURS_ALONE, exist_ok=True)
    _permit(folder, _mode(folder.parent), is_new=is_new)


def make_file(file: Path) -> None:
    """Makes an empty file, as readable and writable as its folder is, unless it is there already.

    Raises ``OSError``.
    """
    is_new = not file.exists()
    if is_new:
        file.touch(OURS_ALONE & OF_FILES)
    _permit(file, _mode(file.parent) & OF_FILES, is_new=is_new)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _permit(path: Path, mode: int, *, is_new: bool) -> None:
    """Gives that ``mode`` to what is new, and takes rights to write beyond it from what is not."""
    now = _mode(path)
    wanted = mode if is_new else now & (mode | ~OTHERS_WRITE)
    if wanted != now:
        with contextlib.suppress(PermissionError):  # another user's, or a disk without permissions
            path.chmod(wanted)
