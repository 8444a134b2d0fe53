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
from covsync.commands.project import Project
from covsync.commands.record import record_entered
from covsync.console import Console
from covsync.errors import CovsyncError
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
        status = _measure(entered, program, Path(folder))
    try:
        figure = record_entered(entered, shlex.join(["covsync", "run", *program]))
    except CovsyncError as error:
        console.error(error.message, error.fix)
        return status or error.exit_code
    console.say(f"covsync: coverage is {figure}%, recorded")
    return status


def _measure(entered: Project, program: Sequence[str], scratch: Path) -> int:
    """Runs the program; its data, from all processes together, is the project's data file then."""
    place = scratch / "data"
    place.mkdir()
    starter = _starter(scratch)
    rcfile = scratch / "coveragerc"
    settings.write_for_all_processes(rcfile)
    data_file = entered.config.data_file or settings.data_file()
    coverage = [sys.executable, "-m", "coverage"]
    done = subprocess.run(  # noqa: S603 - what the user asked for
        [*coverage, "run", f"--rcfile={rcfile}", *program],
        env=_environ(place / ".coverage", rcfile, starter),
        check=False,
    )
    if any(place.iterdir()):
        combined = subprocess.run(  # noqa: S603 - coverage.py itself
            [*coverage, "combine", "--quiet", f"--data-file={data_file}", os.fspath(place)],
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
    return done.returncode if done.returncode >= 0 else KILLED - done.returncode


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
