"""What a git command of a data branch may take: memory, space, time and words."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from covsync import limits
from covsync.limits import limit

MIB = 1024 * 1024
READ_AT_ONCE = 65536
ENDING_SECONDS = 5
SLOWEST = 1000  # bytes a second
# As git and its libraries say it of themselves; a server's own words begin with "remote:".
OUT_OF_MEMORY = re.compile(r"(?im)^(?!remote:).*(out of memory|cannot allocate memory)")
# What is left of git's words where the signal has ended the process that wrote the file.
TOO_LARGE = re.compile(
    rf"^error: .* died of signal {signal.SIGXFSZ:d}$|"
    r"\Afatal: fetch-pack: invalid index-pack output\s*\Z",
    re.MULTILINE,
)


class BoundReachedError(Exception):
    """A command went on for longer, or wrote more, than it may; the text says which."""


class TooMuchOutputError(Exception):
    """A command that speaks with no remote wrote more than it may."""


class Bounds(NamedTuple):
    """The bounds of a command: seconds, bytes that it writes, MiB of memory for each process.

    ``memory`` is that of a command that speaks with a remote. In ``stalled_seconds`` an HTTP server
    has to send more than next to nothing.
    """

    seconds: int
    output: int
    memory: int | None = None
    stalled_seconds: int | None = None

    @classmethod
    def of(cls, command: str, most: int = 0) -> Bounds:
        """Those of a git command of that name, of whose output ``most`` bytes are asked for."""
        seconds, stalled = limits.COMMAND_SECONDS, limits.STALLED_SECONDS
        messages = limit(limits.MESSAGES) * MIB
        if command == "ls-remote":
            return cls(limits.LISTING_SECONDS, messages, limits.LISTING_MEMORY, stalled)
        if command == "fetch":
            return cls(seconds, messages, limits.TRANSFER_MEMORY, stalled)
        if command == "push":
            slow = limits.STALLED_PUSH_SECONDS
            return cls(seconds, messages, limits.TRANSFER_MEMORY, slow)
        return cls(seconds, max(most, limit(limits.GIT_OUTPUT)))

    def before_start(self) -> Callable[[], None] | None:
        """What the new process does first; all that it starts inherits it.

        The limit is of data and not of addresses, of which threads and packs reserve plenty. macOS
        knows none that would hold: there the seconds are the bound.
        """
        if self.memory is None:
            return None
        data = _lowered(resource.RLIMIT_DATA, limit(self.memory) * MIB)
        file = _lowered(resource.RLIMIT_FSIZE, limit(limits.RECEIVED_FILE) * MIB)
        return functools.partial(_begin_bounded, data, file)

    def patience(self) -> dict[str, str]:
        """After how long git gives up a server that is slow; the variables of the user win."""
        if self.stalled_seconds is None:
            return {}
        wanted = {
            "GIT_HTTP_LOW_SPEED_LIMIT": str(SLOWEST),
            "GIT_HTTP_LOW_SPEED_TIME": str(limit(self.stalled_seconds)),
        }
        return {name: os.environ.get(name, value) for name, value in wanted.items()}

    def answer(self, running: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """What the process writes to stdout and stderr until it ends.

        Raises ``BoundReachedError`` or ``TooMuchOutputError``, and then the process still runs.
        """
        deadline = time.monotonic() + limit(self.seconds)
        pipes = [pipe for pipe in (running.stdout, running.stderr) if pipe]
        written = {pipe: bytearray() for pipe in pipes}
        with selectors.DefaultSelector() as open_pipes:
            for pipe in pipes:
                open_pipes.register(pipe, selectors.EVENT_READ, written[pipe])
            while open_pipes.get_map():
                ready = open_pipes.select(max(0, deadline - time.monotonic()))
                if time.monotonic() > deadline:
                    self._time_out()
                for key, _ in ready:
                    piece = os.read(key.fd, READ_AT_ONCE)
                    key.data.extend(piece)
                    if not piece:
                        open_pipes.unregister(key.fileobj)
                if sum(map(len, written.values())) > self.output:
                    self._refuse_output()
        for pipe in pipes:
            pipe.close()
        try:
            running.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._time_out()
        output, error = (bytes(each) for each in written.values())
        return output, error

    def exhausted(self, error: str) -> str:
        """How a failed process ran out of memory or space, as its ``error`` says; else empty."""
        if self.memory is None:
            return ""
        if OUT_OF_MEMORY.search(error):
            return f"took more than {limit(self.memory)} MiB of memory"
        if TOO_LARGE.search(error):
            return f"took more than {limit(limits.RECEIVED_FILE)} MiB for a file"
        return ""

    def _refuse_output(self) -> None:
        if self.memory is None:
            raise TooMuchOutputError
        raise BoundReachedError(f"wrote more than {self.output // MIB} MiB of messages")

    def _time_out(self) -> None:
        raise BoundReachedError(f"timed out after {limit(self.seconds)} seconds")


def _lowered(kind: int, most: int) -> tuple[int, int]:
    """The soft and the hard limit of that ``kind``, of which the soft is at most ``most``."""
    soft, hard = resource.getrlimit(kind)
    return min(each for each in (most, soft, hard) if each != resource.RLIM_INFINITY), hard


def _begin_bounded(data: tuple[int, int], file: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, data)
    resource.setrlimit(resource.RLIMIT_FSIZE, file)


def end(running: subprocess.Popen[bytes]) -> None:
    """Ends a git command and waits for it; where it leads a group, the group ends with it.

    Git leaves its ``git-remote-https`` behind, which would go on listening to the server.
    """
    for pipe in filter(None, (running.stdout, running.stderr)):
        pipe.close()  # a server's hook may hold the other end for long
    _signal(running, signal.SIGTERM)
    try:
        running.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:  # it has inherited that this signal means nothing
        _signal(running, signal.SIGKILL)
        running.wait()


def _signal(running: subprocess.Popen[bytes], number: int) -> None:
    if running.returncode is None and os.getpgid(running.pid) == running.pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: of a dead one
            os.killpg(running.pid, number)
    else:
        running.send_signal(number)
