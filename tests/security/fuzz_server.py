"""Runs covsync or coverage.py in a fork of a process that has loaded both, within limits.

Reads a JSON list, a command and its arguments, on each line of the standard input, and answers
each with a line.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

from coverage.cmdline import main as coverage

import covsync.cli
import covsync.commands.check
import covsync.commands.push
import covsync.measure.measure

CPU_SECONDS, WALL_SECONDS, ADDRESS_SPACE = 2, 60, 4 * 2**30


def child(command: list[str]) -> None:
    """Becomes ``covsync`` or ``coverage``; each process that it starts has the same limits."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(WALL_SECONDS)
    os.chdir("checkout")
    sys.argv[:] = command
    if command[0] == "covsync":
        covsync.cli.entry()
    status = coverage(command[1:])
    sys.stdout.flush()
    os._exit(status or 0)


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if not process:
            child(json.loads(line))
        _, status, used = os.wait4(process, 0)
        answer = {
            "status": os.waitstatus_to_exitcode(status),
            "cpu": used.ru_utime + used.ru_stime,
            "memory": used.ru_maxrss * 1024,
            "out": Path("out").read_text("utf-8", "replace"),
            "err": Path("err").read_text("utf-8", "replace"),
        }
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
