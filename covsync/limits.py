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
