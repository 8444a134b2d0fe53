"""Which file holds the coverage data, of what kind it is, and when the data begins."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from covsync.errors import CovsyncError, NoDataError, NothingToJudgeError
from covsync.limits import DATA_SIZE, REPORT_SIZE
from covsync.measure.sqlite_file import is_plain
from covsync.model import sha256
from covsync.regular_files import refuse_unusual

HOW_TO_MEASURE = (
    "Run the tests first: covsync run -m pytest. Where no tests run, as in a lint job: "
    'no_data = "warn" in [tool.covsync].'
)
NAME_ANOTHER = "Name the data file with --data-file."
SQLITE_HEADER = b"SQLite format 3\x00"
SHOWN_SHARDS = 3
CHUNK = 1 << 18


class Kind(Enum):
    """What a data file holds."""

    SQLITE = "coverage.py's own data"
    JSON = "what `coverage json` writes"


def recognise(path: Path) -> Kind:
    """The kind of the data file at ``path``, by its first bytes.

    Raises ``NoDataError`` where there is none or it is empty, ``NothingToJudgeError`` where there
    are only the uncombined files of a parallel run, ``CovsyncError`` for anything else.
    """
    try:
        refuse_unusual_data(path)
        start = _start(path)
    except FileNotFoundError:
        raise _absent(path) from None
    except OSError as error:
        raise CovsyncError(f"cannot read {path}: {error.strerror}", NAME_ANOTHER) from None
    if not start.strip():
        raise NoDataError(f"{path} is empty: it holds no coverage data", HOW_TO_MEASURE)
    if start.startswith(SQLITE_HEADER):
        from covsync.measure.data_schema import look_through

        look_through(path)
        return Kind.SQLITE
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return Kind.JSON
    raise CovsyncError(
        f"{path} is neither coverage.py's data nor a `coverage json` report",
        "Delete it and run the tests under coverage.py again, or name another with --data-file.",
    )


def refuse_unusual_data(path: Path) -> None:
    """Raises ``CovsyncError`` for data that is no regular file, or larger than any.

    Raises ``OSError`` where there is none.
    """
    refuse_unusual(path, str(path), DATA_SIZE, NAME_ANOTHER)
    if not _start(path).startswith(SQLITE_HEADER):
        refuse_unusual(path, str(path), REPORT_SIZE, NAME_ANOTHER)
    if not is_plain(path):
        raise CovsyncError(
            f"cannot read {path}: a link or pipe lies where SQLite would keep its journal",
            f"Delete {path.name}-journal, {path.name}-wal and {path.name}-shm beside it.",
        )


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(64)


def digest(file: Path) -> str:
    """The SHA-256 of a data file, empty where it cannot be read; see ``refuse_unusual_data``."""
    try:
        refuse_unusual_data(file)
        return sha256_of(os.fspath(file))
    except OSError:
        return ""


def sha256_of(path: str) -> str:
    """The SHA-256 of a file, read piece by piece. Raises ``OSError``."""
    found = sha256()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - much quicker for thousands
        while chunk := stream.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def begun(data_file: Path) -> int:
    """When the data in a file begins, as far as its times say (Unix time in nanoseconds).

    coverage.py creates the file again unless it appends, so that is when the file was created;
    where the file system does not record that, its last change.
    """
    found = data_file.stat()
    return min(_made(data_file) or found.st_mtime_ns, found.st_mtime_ns)


def newer(paths: Iterable[str], than: int, top: Path) -> list[str]:
    """Those of the paths from ``top`` that were written at that time (as ``begun``) or later."""
    return [path for path in paths if _written(os.path.join(top, path)) >= than]


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


def _written(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _absent(path: Path) -> NothingToJudgeError:
    try:
        shards = sorted(each.name for each in path.parent.iterdir() if _is_shard(each, path))
    except OSError:
        shards = []
    if not shards:
        return NoDataError(f"there is no coverage data: {path} does not exist", HOW_TO_MEASURE)
    names = ", ".join(shards[:SHOWN_SHARDS])
    if len(shards) > SHOWN_SHARDS:
        names += f" and {len(shards) - SHOWN_SHARDS} more"
    return NothingToJudgeError(
        f"the coverage data is not combined: there is {names} but no {path.name}",
        "Combine them first: coverage combine",
    )


def _is_shard(candidate: Path, data_file: Path) -> bool:
    """Whether coverage.py's parallel mode wrote it: ``.coverage.HOST.PID.RANDOM``."""
    if not candidate.name.startswith(f"{data_file.name}.") or not candidate.is_file():
        return False
    with candidate.open("rb") as stream:
        return stream.read(len(SQLITE_HEADER)) == SQLITE_HEADER
