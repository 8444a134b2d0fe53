"""The limits on what others can write: data, reports, configuration, a data branch, a remote.

Each is far above what an honest project has. The variable ``COVSYNC_LIMITS`` in the environment, a
whole number from 1 on, multiplies them all; no file can, as files are what is limited.
``docs/security.md`` lists them.
"""

from __future__ import annotations

import os

from covsync.errors import CovsyncError

VARIABLE = "COVSYNC_LIMITS"

CONFIGURATION_SIZE = 1 << 20  # bytes of a configuration file
DATA_SIZE = 1 << 32  # bytes of coverage.py's data: 100,000 contexts that run 500 files each
REPORT_SIZE = 1 << 29  # bytes of a `coverage json` report, which is read as a whole
NOTES_SIZE = 1 << 28  # bytes of a session's notes; 10,000 files in 64 processes are 100 MB
GIT_OUTPUT = 64 * 2**20  # bytes that a git command writes, such as the list of a branch's files
BRANCH_FILE = 64 * 2**20  # bytes of a file that is read from the data branch
BRANCH_DATA = 512 * 2**20  # bytes of a data.json there
FOREIGN_DATA = 64 * 2**20  # bytes of a data.json there that another tool wrote
OWN_PART = 2**16  # bytes of what covsync says of itself at the end of a data.json
BRANCH_DEPTH = 100  # folders above a file there
HISTORY_LINES = 200_000  # lines of a history.jsonl
SUBPROJECTS = 1_000  # subprojects of a data branch
ANCESTRY = 1_000  # generations of commits that are fetched to find out which of two is older
SECONDS_AHEAD = 86_400  # seconds by which a time on the data branch may be ahead, to be believed


def limit(figure: int) -> int:
    """A limit of this module, as the environment raises it. Raises ``CovsyncError``."""
    factor = os.environ.get(VARIABLE) or "1"
    if not (factor.isascii() and factor.isdigit() and 0 < len(factor) < 7 and int(factor)):
        raise CovsyncError(
            f"{VARIABLE} is {factor[:40]!r}", "Set it to a whole number from 1 to 999999."
        )
    return figure * int(factor)


def exceeded(what: str, figure: int, unit: str) -> CovsyncError:
    """The error for ``what`` is more than a limit of so many ``unit`` allows."""
    return CovsyncError(
        f"{what}: covsync reads at most {limit(figure):,} {unit}",
        f"If that is as it should be, set {VARIABLE}=10 to make each limit ten times as large.",
    )
