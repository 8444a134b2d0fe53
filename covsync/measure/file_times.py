"""What files' times say of coverage data: whether a source is older than it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path


def begun(data_file: Path) -> int:
    """When the data in a file begins, as far as its times say (Unix time in nanoseconds).

    coverage.py makes the file anew unless it appends, so that is when the file was made: where the
    file system has that; else its last change.
    """
    found = data_file.stat()
    return min(_made(data_file) or found.st_mtime_ns, found.st_mtime_ns)


def _made(path: Path) -> int:
    """When a file was made, 0 where that cannot be found out."""
    made = getattr(path.stat(), "st_birthtime", 0)
    if not made:
        try:  # Python has no way to ask Linux for it
            answer = subprocess.run(  # noqa: S603 - a path of the user's own
                ["stat", "--format=%.9W", "--", os.fspath(path)],  # noqa: S607 - coreutils
                capture_output=True,
                text=True,
                check=True,
            )
            made = answer.stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return 0
    seconds, _, fraction = str(made).partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)


def newer(paths: Iterable[str], than: int, top: Path) -> list[str]:
    """Those of the paths from ``top`` that were written at that time or later."""
    return [path for path in paths if _written(os.path.join(top, path)) >= than]


def _written(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0
