"""The limits on what others can write: data, reports, configuration, a data branch, a remote.

Each is far above what an honest project has. The variable ``COVSYNC_LIMITS`` in the environment, a
whole number from 1 on, multiplies them all; no file can, as files are what is limited.
``docs/security.md`` lists them.
"""

from __future__ import annotations

import os

from covsync.errors import CovsyncError

VARIABLE = "COVSYNC_LIMITS"

# One pass over the coverage data, in seconds.
DATA_SECONDS = 600
# The name of a measured file, in characters.
NAME_CHARACTERS = 4096
# A measured source, in bytes and in lines.
SOURCE_BYTES = 10_000_000
SOURCE_LINES = 500_000
# Beyond the end of a source, in lines that coverage data names.
LINES_AFTER_END = 100_000
# Reports with show_contexts: contexts, each counted on each line it ran, and their characters.
SHOWN_CONTEXTS = 10_000_000
CONTEXT_CHARACTERS = 1_000_000_000
# What is published of one commit, the HTML report for the most part, in bytes.
PAGES_BYTES = 3_000_000_000
# A coverage json report, in bytes: Python takes several times as much memory.
REPORT_BYTES = 500_000_000
# A number in a coverage json report, in digits.
NUMBER_DIGITS = 400
# A configuration file, in bytes.
CONFIGURATION_BYTES = 1_000_000


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
