"""Tasks done by as many processes as there are processors for this one."""

from __future__ import annotations

import os
import pickle
import selectors
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from covsync.measure.chunk import Result, Task
from covsync.measure.worker import MEASURING, START


class WorkerFailedError(Exception):
    """A task could not be done; done again in this process, it will tell why."""


def processors() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def answers(tasks: Sequence[Task], data_file: str, scratch: Path) -> Generator[Result]:
    """The results of the tasks on a data file, as they come. Raises ``WorkerFailedError``.

    The processes put what they write in between into the folder ``scratch``.
    Whenever the iteration ends, no process is left.
    """
    waiting = list(reversed(tasks))
    with _started(min(processors(), len(tasks)), data_file, scratch) as started:
        selector = selectors.DefaultSelector()
        with selector:
            for process in started:
                selector.register(cast("IO[bytes]", process.stdout), selectors.EVENT_READ, process)
                _send(process, waiting.pop())
            while selector.get_map():
                for key, _ in selector.select():
                    process = key.data
                    yield _received(process)
                    if waiting:
                        _send(process, waiting.pop())
                    else:
                        selector.unregister(key.fileobj)


@contextmanager
def _started(count: int, data_file: str, scratch: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    environ = {key: value for key, value in os.environ.items() if key not in MEASURING}
    path = "\n".join(sys.path)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            own = scratch / f"worker-{number}"
            own.mkdir(exist_ok=True)
            started.append(
                subprocess.Popen(  # noqa: S603 - this very Python
                    [sys.executable, "-I", "-c", START, path, data_file, os.fspath(own)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environ,
                )
            )
        yield started
    except OSError as error:
        raise WorkerFailedError from error
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.communicate()


def _send(process: subprocess.Popen[bytes], task: Task) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    pickle.dump(task, process.stdin)
    process.stdin.flush()


def _received(process: subprocess.Popen[bytes]) -> Result:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        answer = pickle.load(process.stdout)  # noqa: S301 - our own process wrote it
    except (EOFError, pickle.UnpicklingError) as error:
        raise WorkerFailedError from error
    if answer is None:
        raise WorkerFailedError
    result, said = answer
    for text in said:
        warnings.warn(text, stacklevel=2)
    return cast("Result", result)
