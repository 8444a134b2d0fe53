"""``covsync run``: ``coverage run`` for a program and all its processes, then recorded."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from covsync import observer
from covsync.commands import project as projects
from covsync.commands import subprocess_rcfile, test_labels
from covsync.commands.record import record_project
from covsync.console import Console
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.measure import settings
from covsync.measure.data_file import digest
from covsync.measure.session import notes
from covsync.measure.session.combining import combine
from covsync.measure.session.copies import copies_of, refuse_other_copies
from covsync.measure.session.pytest_arguments import Narrowed, PytestWords
from covsync.temporary import temporary_folder

KILLED = 128
# How long to wait for processes that outlive the program, such as multiprocessing's fork server.
STRAGGLERS_SECONDS = 5.0
POLL_SECONDS = 0.01


class Scratch(NamedTuple):
    """Where the processes of one run write: data files (named like ``data``), notes, and a lock."""

    folder: Path
    data: Path
    notes: Path
    lock: Path


class Outcome(NamedTuple):
    """How the program ended, and whether covsync was interrupted (Ctrl-C) meanwhile."""

    status: int
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """The program's, 128 and the signal's number where one ended it."""
        return self.status if self.status >= 0 else KILLED - self.status


def run(console: Console, program: Sequence[str], *, append: bool = False) -> int:
    """Runs ``program`` (``-m MODULE ...`` or ``SCRIPT ...``) under coverage.py and records.

    Subprocesses and multiprocessing's workers are measured too. ``append`` adds to the data that
    is there. Returns the program's own exit code, 128 and the signal's number where one ended it.
    A program that did not run to its end is not recorded, and leaves the former data as it is.
    """
    _check(program)
    here, began = Path.cwd(), time.time_ns()
    project = projects.open_project({})
    with temporary_folder() as folder:
        data_file = project.config.data_file or settings.data_file()
        data = folder / "data" / data_file.name
        scratch = Scratch(folder, data, folder / "notes.jsonl", folder / "lock")
        observer.begin(os.fspath(scratch.notes), os.fspath(project.repository.top), began)
        environ = _environ(project.repository.local_variables())
        outcome = _measure(program, scratch, here, environ)
        status = outcome.exit_code
        unfinished = _unfinished(program, outcome, scratch.notes)
        if unfinished:
            console.note(f"{unfinished}, so nothing is recorded")
            return status
        try:
            _note_end(scratch.notes, program, here, project.repository.top, outcome)
            _note_config_file(scratch.notes, here, project.repository.top)
            if append:
                _note_appending(scratch.notes, data_file)
            _wait_for_stragglers(scratch.lock)
            tree = project.work_tree()
            parts = _parts(scratch.data)
            refuse_other_copies(copies_of(parts, tree.top), folder, tree)
            for warning in combine(parts, data_file, tree, append=append):
                console.note(f"coverage.py: {warning}")
            appending = ["--append"] if append else []
            command = shlex.join(["covsync", "run", *appending, *program])
            figure = record_project(project, command, [notes.read(scratch.notes)])
        except CovsyncError as error:
            console.error(error.message, error.fix)
            return status or error.exit_code
    console.say(f"covsync: coverage is {figure}%, recorded")
    return status


def _check(program: Sequence[str]) -> None:
    """Raises ``CovsyncError`` where there is nothing to run, or only a module of that name."""
    if not program or (program[0] == "-m" and len(program) == 1):
        raise CovsyncError("there is nothing to run", "Name it: covsync run -m pytest")
    name = program[0]
    if name.isidentifier() and not Path(name).exists() and importlib.util.find_spec(name):
        raise CovsyncError(
            f"there is no file {name}, but a module",
            f"Did you mean: {shlex.join(['covsync', 'run', '-m', *program])}",
        )


def _unfinished(program: Sequence[str], outcome: Outcome, path: Path) -> str:
    """Why what was measured is not what the tests run, "" where they ran to their end."""
    if outcome.status < 0:
        return f"a signal ended the program ({_signal_name(-outcome.status)})"
    if outcome.interrupted and outcome.status:
        return "the program was interrupted"
    if _is_pytest(program) and outcome.status in notes.UNFINISHED:
        return f"pytest {notes.UNFINISHED[outcome.status]} (exit code {outcome.status})"
    if _is_pytest(program) and _failed_after(outcome, notes.read(path)):
        return f"the program failed after the tests (exit code {outcome.status})"
    return ""


def _failed_after(outcome: Outcome, session: notes.Session) -> bool:
    """Whether a pytest left otherwise than it was about to, as where coverage.py cannot save."""
    expected = session.process_status
    return expected is not None and outcome.status not in (0, expected)


def _is_pytest(program: Sequence[str]) -> bool:
    return list(program[:2]) == ["-m", "pytest"] or Path(program[0]).name == "pytest"


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _note_end(path: Path, program: Sequence[str], here: Path, top: Path, outcome: Outcome) -> None:
    """Notes how a program ended, but for a pytest whose plugin has noted it."""
    if _is_pytest(program):
        if notes.read(path).ended is not None:
            return
        narrowed = _narrowed_pytest(program, here, top, outcome)
    else:
        narrowed = test_labels.narrowed(program, here, top)
    line = {
        "exit_status": outcome.status,
        "narrowed": narrowed and narrowed._asdict(),
        "python_files": test_labels.patterns(program),
        "ended": time.time_ns(),
    }
    observer.append(os.fspath(path), {"session": {"pid": None, **line}})


def _narrowed_pytest(
    program: Sequence[str], here: Path, top: Path, outcome: Outcome
) -> Narrowed | None:
    """What a pytest was narrowed by that runs without covsync's plugin, as far as can be seen."""
    words = PytestWords(program[2:] if program[0] == "-m" else program[1:], here)
    if outcome.status or words.overrides_addopts():
        return Narrowed("option", "pytest without covsync's plugin")
    asked = [word for word in words.rest if not word.startswith("-")]
    return words.by_option() or words.by_places(asked, (here, top))


def _note_config_file(path: Path, here: Path, top: Path) -> None:
    """Notes the configuration file that the environment names, which a commit may change."""
    named = os.path.realpath(here / os.environ.get("COVERAGE_RCFILE", ""))
    if named.startswith(os.path.join(top, "")) and Path(named).is_file():
        observer.append(os.fspath(path), {"config_files": [named]})


def _note_appending(path: Path, data_file: Path) -> None:
    observer.append(os.fspath(path), {"append": True, "onto": digest(data_file)})


def _wait_for_stragglers(lock: Path) -> None:
    """Waits until no process measures any more, but not for ever: some are made to stay."""
    import fcntl

    latest = time.monotonic() + STRAGGLERS_SECONDS
    with lock.open("ab") as stream:
        while time.monotonic() < latest:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(POLL_SECONDS)
            except OSError:
                return  # not every file system has locks
            else:
                return


def _measure(
    program: Sequence[str], scratch: Scratch, here: Path, environ: Mapping[str, str]
) -> Outcome:
    """Runs the program ``here``; each of its processes writes a data file of its own."""
    scratch.data.parent.mkdir()
    rcfile = scratch.folder / "coveragerc"
    subprocess_rcfile.write_for_all_processes(rcfile)
    paths = [environ["PYTHONPATH"]] if environ.get("PYTHONPATH") else []
    paths += [os.fspath(_copy_of_observer(scratch.folder))]
    measuring = {
        observer.RUN: os.fspath(scratch.lock),
        observer.NOTES: os.fspath(scratch.notes),
        "COVERAGE_FILE": os.fspath(scratch.data),
        "COVERAGE_PROCESS_START": os.fspath(rcfile),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    interrupted = False
    with subprocess.Popen(  # noqa: S603 - what the user asked for
        [sys.executable, "-m", "coverage", "run", f"--rcfile={rcfile}", *program],
        cwd=here,
        env={**environ, **measuring},
    ) as running:
        observer.append(os.fspath(scratch.notes), {"main": running.pid})
        status = None
        while status is None:
            try:
                status = running.wait()
            except KeyboardInterrupt:
                interrupted = True  # the program was, too: it ends in its own way
    return Outcome(status, interrupted)


def _parts(data: Path) -> list[Path]:
    """What the processes measured. Raises ``NothingToJudgeError`` where that is nothing."""
    # A plugin such as pytest-cov may have combined some already, under the name itself.
    parts = sorted(data.parent.iterdir())
    if not parts:
        raise NothingToJudgeError("nothing was measured", "Look at what the program printed.")
    return parts


def _copy_of_observer(scratch: Path) -> Path:
    """A folder for PYTHONPATH with the observer, for the Python of another environment.

    Its folder ``covsync`` is no package, so where covsync is installed, that is found instead.
    """
    folder = scratch / "observer"
    (folder / "covsync").mkdir(parents=True)
    shutil.copyfile(observer.__file__, folder / "covsync" / "observer.py")
    return folder


def _environ(local: Iterable[str]) -> dict[str, str]:
    """The environment without the variables that git sets for a hook."""
    gone = {*local, "GIT_PREFIX"}
    return {name: value for name, value in os.environ.items() if name not in gone}
