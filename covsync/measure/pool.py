"""Batches of files analysed by as many processes as there are processors for this one."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import subprocess
import sys
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, cast

from covsync import isolation
from covsync.measure.batch import Batch, Results
from covsync.measure.pool_worker import MEASURING, START

# Fewer files are done sooner than another process has started; more processes help little.
FEW, MOST = 24, 16
# A report on few files costs more than its share, one on many keeps the others waiting at the end.
FILES_EACH = 16


class PoolError(Exception):
    """A batch could not be analysed; this process does it again, and then says why."""


def are_many(files: int) -> bool:
    """Whether so many files are analysed sooner by other processes, though these have to start."""
    return files > FEW and processors() > 1


def processors() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


class Pool:
    """The processes, which may be started before there is something for them to do.

    They put their temporary files into the folder ``scratch``. Whoever makes a pool closes it.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, files: int) -> None:
        """Has processes for so many files load coverage.py, unless they did already.

        Raises ``PoolError``.
        """
        environ = {key: value for key, value in os.environ.items() if key not in MEASURING}
        path = "\n".join([isolation.HOME, *(each for each in sys.path if isinstance(each, str))])
        python = [sys.executable, *["-O"] * sys.flags.optimize, *["-B"] * sys.dont_write_bytecode]
        wanted = min(processors(), MOST, -(-files // FILES_EACH))
        for number in range(0 if self._started else wanted):
            own = self.scratch / f"worker-{number}"
            try:
                own.mkdir()
                process = subprocess.Popen(  # noqa: S603 - this very Python
                    [*python, "-I", "-c", START, path, os.fspath(own), *isolation.left_out()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environ,
                )
            except (OSError, TypeError, ValueError) as error:
                raise PoolError from error
            self._started.append(process)

    def results(self, batches: Sequence[Batch], data_file: str) -> Generator[Results]:
        """The results of the batches on a data file, as they come. Raises ``PoolError``.

        It may be called once, as a process reads one data file.
        """
        self.start(sum(len(batch.paths) for batch in batches))
        waiting = list(reversed(batches))
        with selectors.DefaultSelector() as selector:
            for process in self._started[: len(batches)]:
                _send(process, data_file)
                _send(process, waiting.pop())
                selector.register(cast("IO[bytes]", process.stdout), selectors.EVENT_READ, process)
            while selector.get_map():
                for key, _ in selector.select():
                    process = key.data
                    results = _received(process)
                    if waiting:
                        _send(process, waiting.pop())
                    else:
                        selector.unregister(key.fileobj)
                    yield results
        self.close()

    def close(self) -> None:
        """Ends all that were started, whatever they are doing."""
        for process in self._started:
            process.kill()
        for process in self._started:
            process.communicate()
        self._started.clear()


def _send(process: subprocess.Popen[bytes], message: object) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with contextlib.suppress(BrokenPipeError):  # it has ended, as receiving shows
        pickle.dump(message, process.stdin)
        process.stdin.flush()


def _received(process: subprocess.Popen[bytes]) -> Results:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        answer = pickle.load(process.stdout)  # noqa: S301 - our own process wrote it
    except Exception as error:  # whatever a broken pickle raises
        raise PoolError from error
    if answer is None:
        raise PoolError
    results, warned = answer
    for text in warned:
        warnings.warn(text, stacklevel=2)
    return cast("Results", results)
