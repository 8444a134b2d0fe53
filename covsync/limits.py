"""The limits on what others can write: data, reports, configuration, a data branch, a remote.

Each is far above what an honest project has. The variable ``COVSYNC_LIMITS`` in the environment, a
whole number from 1 on, multiplies them all; no file can, as files are what is limited.
``docs/security.md`` lists them.
"""

from __future__ import annotations

import os

from covsync.errors import CovsyncError

VARIABLE = "COVSYNC_LIMITS"

# How often in a row a remote may redirect to another address on its host.
REDIRECTS = 5
# How long the address is that a remote redirects to, in characters.
REDIRECTED_LENGTH = 4096
# How much memory each process takes that asks a remote for its refs, in MiB.
LISTING_MEMORY = 1024
# How much memory each process takes that fetches from a remote or pushes to it, in MiB.
TRANSFER_MEMORY = 2048
# How large a file grows in which git keeps what a remote sends, in MiB.
RECEIVED_FILE = 4096
# How long a remote takes to list its refs, in seconds.
LISTING_SECONDS = 120
# How long any other git command takes in the scratch repository, in seconds.
COMMAND_SECONDS = 900
# What git writes to tell of a remote, in MiB.
MESSAGES = 4
# A line of that, in characters: of what is longer only the beginning counts.
MESSAGE_LINE = 1000
# For how long an HTTP server may send next to nothing, in seconds: at a push its hooks are at work.
STALLED_SECONDS = 60
STALLED_PUSH_SECONDS = 300
# What is next to nothing, in bytes a second. It is no most but a least, which nothing multiplies.
SLOWEST = 1000


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
