"""The limits on what others can write: data, reports, configuration, a data branch, a remote.

Each is far above what an honest project has. The variable ``COVSYNC_LIMITS`` in the environment, a
whole number from 1 on, multiplies them all; no file can, as files are what is limited.
``docs/security.md`` lists them.
"""

from __future__ import annotations

import os

from covsync.errors import CovsyncError

VARIABLE = "COVSYNC_LIMITS"

# Bytes of a configuration file.
CONFIGURATION_SIZE = 256 << 10
# Bytes of a line of a configuration file, as parsers take longer than in proportion.
CONFIGURATION_LINE = 4096

# Bytes of coverage data: 100,000 contexts that run 500 files each.
DATA_SIZE = 4 << 30
# Seconds that one look at coverage data takes.
DATA_SECONDS = 60
# Bytes of a coverage json report, which takes several times as much memory.
REPORT_SIZE = 512 << 20
# Characters of a number in a coverage json report.
NUMBER_DIGITS = 400
# Bytes of what a test session notes: 10,000 files in 64 processes are 100 MB.
NOTES_SIZE = 256 << 20
# Characters of the name of a measured file.
NAME_CHARACTERS = 4096
# Bytes of a measured source.
SOURCE_BYTES = 2_000_000
# Lines of a measured source.
SOURCE_LINES = 500_000
# Lines after the end of a source that coverage data names.
LINES_AFTER_END = 100_000
# Contexts that reports show, each counted on each line it ran.
SHOWN_CONTEXTS = 10_000_000
# Characters of the contexts that reports show, counted alike.
CONTEXT_CHARACTERS = 500_000_000
# Bytes of what is published of one commit.
PAGES_BYTES = 1 << 30

# Bytes that a git command writes, such as the list of a data branch's files.
GIT_OUTPUT = 64 << 20
# Bytes of a file that is read from the data branch.
BRANCH_FILE = 64 << 20
# Bytes of a data.json on the data branch.
BRANCH_DATA = 512 << 20
# Bytes of a data.json on the data branch that another tool wrote.
FOREIGN_DATA = 64 << 20
# Bytes of what covsync says of itself at the end of a data.json.
OWN_PART = 64 << 10
# Folders above a file on the data branch.
BRANCH_DEPTH = 100
# Lines of a history.jsonl.
HISTORY_LINES = 200_000
# Subprojects of a data branch.
SUBPROJECTS = 1_000
# Generations of commits that are fetched to find out which of two is older.
ANCESTRY = 1_000
# Seconds by which a time on the data branch may lie ahead and be believed.
SECONDS_AHEAD = 86_400

# Redirects in a row to another address on the remote's host.
REDIRECTS = 5
# Characters of an address that a remote redirects to.
REDIRECTED_LENGTH = 4096
# Mebibytes of memory of each process that asks a remote for its refs; not on macOS.
LISTING_MEMORY = 1024
# Mebibytes of memory of each process that fetches from a remote or pushes to it; not on macOS.
TRANSFER_MEMORY = 2048
# Mebibytes of a file in which git keeps what a remote sends.
RECEIVED_FILE = 4096
# Seconds in which a remote lists its refs.
LISTING_SECONDS = 120
# Seconds that any other git command of a data branch takes.
COMMAND_SECONDS = 900
# Mebibytes of what git says of a remote.
MESSAGES = 4
# Characters of a line of that; the rest of a longer one is left out.
MESSAGE_LINE = 1000
# Seconds in which an HTTP server may send less than 1,000 bytes a second.
STALLED_SECONDS = 60
# Seconds of that at a push, while the server's hooks are at work.
STALLED_PUSH_SECONDS = 300


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
