"""``covsync run``: ``coverage run``, with what people forget."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from covsync.commands import project
from covsync.commands.record import record_entered
from covsync.console import Console
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.measure import run_settings, settings
from covsync.temporary import temporary_folder

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
    here, began = Path.cwd(), time.time_ns()
    entered = project.enter({})
    with temporary_folder() as scratch:
        data_file = entered.config.data_file or settings.data_file()
        data = scratch / "data" / data_file.name
        environ = _environ(entered.repository.local_variables())
        status = _measure(program, data, scratch, here, environ)
        try:
            _combine(data, data_file)
            command = shlex.join(["covsync", "run", *program])
            figure = record_entered(entered, command, began)
        except CovsyncError as error:
            console.error(error.message, error.fix)
            return status or error.exit_code
    console.say(f"covsync: coverage is {figure}%, recorded")
    return status


def _measure(
    program: Sequence[str], data: Path, scratch: Path, here: Path, environ: Mapping[str, str]
) -> int:
    """Runs the program ``here``, each of its processes with a data file beside ``data``."""
    data.parent.mkdir()
    rcfile = scratch / "coveragerc"
    run_settings.write_for_all_processes(rcfile)
    starter = _starter(scratch)
    paths = [os.fspath(starter)] if starter else []
    paths += [environ["PYTHONPATH"]] if environ.get("PYTHONPATH") else []
    measuring = {
        "COVSYNC_RUN": "1",
        "COVERAGE_FILE": os.fspath(data),
        "COVERAGE_PROCESS_START": os.fspath(rcfile),
        **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {}),
    }
    with subprocess.Popen(  # noqa: S603 - what the user asked for
        [sys.executable, "-m", "coverage", "run", f"--rcfile={rcfile}", *program],
        cwd=here,
        env={**environ, **measuring},
    ) as running:
        status = None
        while status is None:
            try:
                status = running.wait()
            except KeyboardInterrupt:
                continue  # the program was interrupted too: it ends in its own way
    return status if status >= 0 else KILLED - status


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


def _environ(local: Iterable[str]) -> dict[str, str]:
    """The environment without what a git hook is told of its own repository."""
    gone = {*local, "GIT_PREFIX"}
    return {name: value for name, value in os.environ.items() if name not in gone}
