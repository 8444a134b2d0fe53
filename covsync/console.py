"""The only module that writes to the terminal."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple, TextIO

STYLES = {"red": "31", "green": "32", "yellow": "33", "bold": "1"}
# What a CI system takes for a command where it stands in a job's log: GitHub's runner `::` at the
# start of a line and `##[` anywhere, Azure's agent `##vso[` anywhere, TeamCity `##teamcity[`.
COMMAND_AT_START = re.compile(r"^( *):(?=:)", re.MULTILINE)
COMMAND_ANYWHERE = re.compile(r"#(?=#\w*\[)")


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour: ``NO_COLOR`` beats ``FORCE_COLOR`` beats being a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """``text`` with everything that could steer a terminal replaced; line ends stay."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def without_commands(text: str) -> str:
    """``text`` with a backslash in each command to a CI system, which so is none any more."""
    return COMMAND_ANYWHERE.sub(r"#\\", COMMAND_AT_START.sub(r"\1\\:", text))


def _line(text: str) -> str:
    """``text`` on one line: what a name in it holds begins no line of its own."""
    return text.replace("\n", "?")


class Console(NamedTuple):
    """Where a command says things: results on stdout, notes and errors on stderr."""

    verbose: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether standard output is a terminal."""
        return sys.stdout is not None and sys.stdout.isatty()

    def say(self, text: str, style: str | None = None) -> None:
        """A result, for the person or the program that asked."""
        _write(sys.stdout, text, style)

    def document(self, text: str) -> None:
        """A JSON document, for the program that asked; commands could stand in its strings."""
        self.say(COMMAND_ANYWHERE.sub(r"\\u0023", text))

    def note(self, text: str) -> None:
        """A remark on the result."""
        _write(sys.stderr, f"covsync: note: {_line(text)}", "yellow")

    def warning(self, message: str, fix: str) -> None:
        """What went wrong but shall not count, and on the next line what to do about it."""
        _write(sys.stderr, f"covsync: warning: {_line(message)}", "yellow")
        _write(sys.stderr, f"  {_line(fix)}", None)

    def detail(self, text: str) -> None:
        """Something only ``--verbose`` shows."""
        if self.verbose:
            _write(sys.stderr, f"covsync: {_line(text)}", None)

    def traceback(self) -> None:
        """Where the error comes from that is being handled, for ``--debug``."""
        import traceback

        _write(sys.stderr, traceback.format_exc(), None)

    def error(self, message: str, fix: str) -> None:
        """What is wrong, and on the next line what to do about it."""
        _write(sys.stderr, f"covsync: error: {_line(message)}", "red")
        _write(sys.stderr, f"  {_line(fix)}", None)


class Timings:
    """Where a command's time goes, for ``--verbose``: phases that follow each other."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._laps: list[tuple[str, float]] = []

    def lap(self, phase: str) -> None:
        """Ends a ``phase``, which began where the one before ended."""
        now = time.perf_counter()
        self._laps.append((phase, now - self._since))
        self._since = now

    def lines(self) -> list[str]:
        """A line a phase: seconds, and what it was."""
        return [f"{seconds:8.3f} s  {phase}" for phase, seconds in self._laps]


def _write(stream: TextIO | None, text: str, style: str | None) -> None:
    if stream is None:  # Python's way to say that the file was closed before it began
        return
    text = without_commands(printable(text))
    encoding = stream.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    if style and wants_colour(stream, os.environ):
        text = f"\x1b[{STYLES[style]}m{text}\x1b[0m"
    print(text, file=stream, flush=True)
