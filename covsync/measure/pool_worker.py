"""A process of the pool: it answers each batch of files with their results.

It ends when the process that started it does, as then there are no more batches.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from covsync import isolation
from covsync.measure import plugins
from covsync.measure.batch import Batch, analyse_batch
from covsync.measure.coverage_options import without_debug_file

if TYPE_CHECKING:
    from coverage import Coverage

# Started with the parent's module path, so that both load the same coverage.py and plugins, and
# nothing in the work tree. Of the first entry covsync alone is loaded.
START = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); import covsync; del sys.path[0]; "
    "from covsync.measure.pool_worker import main; main(*sys.argv[2:])"
)
# What would have coverage.py measure this process.
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def main(scratch: str, *left_out: str) -> None:
    """Reads a data file's name and then batches from the standard input, until it ends.

    The answer to a batch that failed is ``None``. ``scratch`` is an empty folder for this process
    alone, which another one removes. ``left_out`` are ``isolation``'s.
    """
    isolation.also_left_out(left_out)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a plugin prints is no answer
    gc.disable()  # trees of syntax are many small objects; collected after each batch
    _load_coverage()
    reporter: Coverage | None = None
    while True:
        try:
            message: str | Batch = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent's own
        except EOFError:
            return
        if isinstance(message, str):
            reporter = _loaded(message)
            continue
        try:
            pickle.dump(reporter and _answer(reporter, message, Path(scratch)), answers)
            answers.flush()
        except BrokenPipeError:
            os._exit(1)  # nobody waits for it, so there is nothing to flush at the end either
        gc.collect(0)


def _load_coverage() -> None:
    """Loads coverage.py while the other process still looks at the data."""
    with contextlib.suppress(Exception):  # raised again where it is used
        import coverage  # noqa: F401


def _loaded(data_file: str) -> Coverage | None:
    """What reports on the data file, ``None`` where it cannot be read."""
    try:
        from coverage import Coverage

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the other process is warned of the same
            reporter = without_debug_file(Coverage(data_file=data_file))
            if reporter.get_option("paths"):
                reporter.set_option("paths", {})  # the data is mapped already
            with plugins.importable(reporter, os.getcwd()):  # noqa: PTH109 - no Path is needed
                reporter.load()
    except (Exception, SystemExit):  # noqa: BLE001 - the parent does it again, and says why
        return None
    gc.freeze()
    return reporter


def _answer(reporter: Coverage, batch: Batch, scratch: Path) -> object:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with plugins.importable(reporter, os.getcwd()):  # noqa: PTH109 - no Path is needed
                result = analyse_batch(reporter, batch, scratch)
        except (Exception, SystemExit):  # noqa: BLE001 - the parent does it again, and says why
            return None
    return result, [str(each.message) for each in caught]
