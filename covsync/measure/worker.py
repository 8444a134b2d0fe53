"""A process that analyses files for another: it reads tasks and answers each with its result.

It ends when the process that started it does, as then there are no more tasks.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import sys
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from covsync.measure.chunk import Task, analysed

if TYPE_CHECKING:
    from coverage import Coverage

# Started with the parent's module path, so that both load the same coverage.py and plugins, and
# that nothing in the working directory stands before the standard library.
START = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); "
    "from covsync.measure.worker import main; main(*sys.argv[2:])"
)
# What would have coverage.py measure this process.
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def main(data_file: str, scratch: str) -> None:
    """Answers tasks from the standard input until it ends; ``None`` stands for one that failed.

    ``scratch`` is an empty folder for this process alone, which another one removes.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a plugin prints is no answer
    gc.disable()  # trees of syntax are many small objects; they are collected after each task
    _encode_at_once()
    try:
        reporter = _loaded(data_file)
    except (Exception, SystemExit):  # noqa: BLE001 - told as any failure is
        reporter = None
    gc.freeze()
    while True:
        try:
            task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent's own
        except EOFError:
            return
        try:
            pickle.dump(reporter and _answer(reporter, task, Path(scratch)), answers)
            answers.flush()
        except BrokenPipeError:
            os._exit(1)  # nobody waits for it, so there is nothing to flush at the end either
        gc.collect()


def _loaded(data_file: str) -> Coverage:
    from coverage import Coverage

    reporter = Coverage(data_file=data_file)
    if reporter.get_option("paths"):
        reporter.set_option("paths", {})  # the data is mapped already
    reporter.load()
    return reporter


def _answer(reporter: Coverage, task: Task, scratch: Path) -> object:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = analysed(reporter, task, scratch)
        except (Exception, SystemExit):  # noqa: BLE001 - the parent finds and tells the reason
            return None
    return result, [str(each.message) for each in caught]


def _encode_at_once() -> None:
    """Has ``json.dump`` write what ``json.dumps`` makes: the same text, by C instead of Python."""

    def dump(document: object, stream: IO[str], **options: Any) -> None:  # noqa: ANN401 - json's
        stream.write(json.dumps(document, **options))

    json.dump = dump  # type: ignore[assignment]
