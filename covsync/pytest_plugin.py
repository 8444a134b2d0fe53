"""Records by itself after a pytest session in which coverage data was written.

coverage.py writes its data after pytest has ended (``coverage run -m pytest``) or while it ends
(pytest-cov), so the recording waits for the process to end, and runs in one of its own: whatever
happens in it, pytest's result stands.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

# What would make coverage.py measure the recording, or look for another configuration.
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_RCFILE")
# Set by `covsync run`, which records by itself.
RUN_RECORDS = "COVSYNC_RUN"


BEGAN = time.time_ns()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Has the data recorded at the end, where this process measures or combines coverage."""
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or "coverage" not in sys.modules or os.environ.get(RUN_RECORDS):
        return
    from covsync.measure.settings import current_data_file

    atexit.register(_record, current_data_file().absolute(), Path.cwd())


def _record(data_file: Path, folder: Path) -> None:
    try:
        written = data_file.stat().st_mtime_ns
    except OSError:
        return  # no data, or only a parallel run's, which is not combined yet
    if written < BEGAN:
        return
    environ = {key: value for key, value in os.environ.items() if key not in MEASURING}
    subprocess.run(  # noqa: S603 - covsync itself
        [
            *(sys.executable, "-m", "covsync", "record", f"--began={BEGAN}"),
            *("--data-file", os.fspath(data_file)),
        ],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
