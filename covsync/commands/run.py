"""``covsync run``: ``coverage run``, with what people forget."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from covsync.commands import project
from covsync.commands.record import record_entered
from covsync.console import Console
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.measure import settings

KILLED = 128
# By which coverage.py begins in a process that Python starts; its own .pth file came with 7.13.
PTH_SINCE = (7, 13)
STARTS_COVERAGE = "import coverage\n\ncoverage.process_startup()\n"


def run(console: Console, program: Sequence[str]) -> int:
    """Runs ``program`` (``-m MODULE ...`` or ``SCRIPT ...``) under coverage.py and records.

    Subprocesses and multiprocessing's workers are measured too. Returns the program's own exit
    code, 128 and the signal's number where one ended it.
    """
    if not program or (program[0] == "-m" and len(program) == 1):
        raise CovsyncError("there is nothing to run", "Name it: covsync run -m pytest")
    entered = project.enter({})
    with tempfile.TemporaryDirectory(prefix="covsync-") as folder:
        scratch = Path(folder)
        data_file = entered.config.data_file or settings.data_file()
        data = scratch / "data" / data_file.name
        status = _measure(program, data, scratch)
        try:
            _combine(data, data_file)
            figure = record_entered(entered, shlex.join(["covsync", "run", *program]))
        except CovsyncError as error:
            console.error(error.message, error.fix)
            return status or error.exit_code
    console.say(f"covsync: coverage is {figure}%, recorded")
    return status


def _measure(program: Sequence[str], data: Path, scratch: Path) -> int:
    """Runs the program, each of its processes with a data file of its own beside ``data``."""
    data.parent.mkdir()
    rcfile = scratch / "coveragerc"
    settings.write_for_all_processes(rcfile)
    done = subprocess.run(  # noqa: S603 - what the user asked for
        [sys.executable, "-m", "coverage", "run", f"--rcfile={rcfile}", *program],
        env=_environ(data, rcfile, _starter(scratch)),
        check=False,
    )
    return done.returncode if done.returncode >= 0 else KILLED - done.returncode


def _combine(data: Path, data_file: Path) -> None:
    """Makes the project's ``data_file`` of what was measured, in place of what it held before."""
    # A plugin such as pytest-cov may have combined some already, under the name itself.
    parts = [os.fspath(part) for part in (data, data.parent) if part.exists()]
    if not any(data.parent.iterdir()):
        raise NothingToJudgeError("nothing was measured", "Look at what the program said.")
    data_file.parent.mkdir(parents=True, exist_ok=True)
    combined = subprocess.run(  # noqa: S603 - coverage.py itself
        [
            *(sys.executable, "-m", "coverage", "combine", "--quiet"),
            *(f"--data-file={data_file}", *parts),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if combined.returncode:
        raise CovsyncError(
            f"the data cannot be combined: {' '.join(combined.stdout.split())}",
            "Run it again; `coverage debug data` tells more.",
        )


def _starter(scratch: Path) -> Path | None:
    """A folder for PYTHONPATH by which an old coverage.py begins in every process."""
    if settings.version() >= PTH_SINCE:
        return None
    folder = scratch / "starter"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STARTS_COVERAGE)
    return folder


def _environ(data_file: Path, rcfile: Path, starter: Path | None) -> Mapping[str, str]:
    """The environment of the tests: coverage.py in every process, git's hook variables in none."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "PRE_COMMIT")) or name.startswith(("GIT_CONFIG", "GIT_SSH"))
    }
    if starter is not None:
        paths = [os.fspath(starter), environ.get("PYTHONPATH", "")]
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {
        **environ,
        "COVSYNC_RUN": "1",
        "COVERAGE_FILE": os.fspath(data_file),
        "COVERAGE_PROCESS_START": os.fspath(rcfile),
    }
