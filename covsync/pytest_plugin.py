"""Notes what a pytest session under coverage.py loads, and records when its data is written.

coverage.py writes its data after pytest has ended (``coverage run -m pytest``) or while it ends
(pytest-cov), so the recording waits for the process to end, and runs in one of its own: whatever
happens in it, pytest's result stands. Where coverage.py leaves data of several processes to be
combined, the notes wait in git's own folder for ``covsync record``.

A pytest that measures nothing is left alone.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from covsync import isolation, observer
from covsync.console import Console

# What would make coverage.py measure the recording.
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
TESTS_FAILED = 1  # pytest's exit codes above are of sessions that did not run to their end
SOON = 1.0  # seconds after which a person wonders what is going on


class Noting:
    """A session whose end is to be noted in the file ``notes``.

    ``failures`` is the number of failed tests, once they ran; ``data_file`` where coverage.py is
    about to write.
    """

    def __init__(self, config: pytest.Config, notes: str, top: str) -> None:
        self.config, self.notes, self.top = config, notes, Path(top)
        self.process, self.folder, self.began = os.getpid(), Path.cwd(), time.time_ns()
        self.failures: int | None = None
        self.data_file: Path | None = None

    def look(self) -> None:
        """Looks where coverage.py, which pytest-cov may stop soon, writes its data."""
        from covsync.measure.settings import current_data_file

        self.data_file = self.folder / current_data_file()


_noting: list[Noting] = []  # none or one


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begins to note what is loaded, before pytest loads the first ``conftest.py``."""
    if _noting:
        return  # a session within the session, as of a plugin that tests itself
    with _failing_softly():
        notes = os.environ.get(observer.NOTES)
        if notes:
            top = observer.start(notes)
            if top:
                _noting.append(Noting(early_config, notes, top))
        elif _is_measuring(early_config):
            _begin(early_config)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Notes the files that tests are read from which need be no Python, such as doctests'."""
    if _of(session.config):
        for path in {item.path for item in session.items}:
            observer.note_text(os.fspath(path))


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, None, None]:
    """Looks at what was measured once the tests ran, before pytest-cov combines and judges it."""
    yield
    for noting in _of(session.config):
        noting.failures = session.testsfailed
        if "coverage" in sys.modules:
            with _failing_softly():
                _look(noting)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Notes how the session ended."""
    for noting in _of(session.config):
        if not hasattr(session.config, "workerinput"):
            with _failing_softly():
                inifile = session.config.inipath
                _note_config_files(noting, [os.path.realpath(inifile)] if inifile else [])
                observer.append(noting.notes, {"session": _ended(session, noting)})


def pytest_unconfigure(config: pytest.Config) -> None:
    """The next session in this process is one of its own."""
    for noting in _of(config):
        _noting.remove(noting)


@contextlib.contextmanager
def _failing_softly() -> Iterator[None]:
    """Lets pytest go on whatever fails here; the error is printed when pytest has ended."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the tests are more important
        for noting in _noting:
            observer.append(noting.notes, {"incomplete": f"{type(error).__name__}: {error}"})
        if not _noting:  # else the recording says it
            atexit.register(_say_not_recorded, error)


def _say_not_recorded(error: Exception) -> None:
    Console().warning(
        f"what the tests ran on is not recorded: {type(error).__name__}: {error}",
        "covsync check goes by file times until a run is recorded.",
    )


def _of(config: pytest.Config) -> list[Noting]:
    return [noting for noting in _noting if noting.config is config]


def _look(noting: Noting) -> None:
    """Looks where coverage.py writes, and notes its ``source`` and copies that will be mapped."""
    from covsync.measure import settings
    from covsync.measure.session import copies

    noting.look()
    observer.append(noting.notes, {"source": settings.current_source()})
    _note_config_files(noting, settings.current_config_files())
    for line in copies.lines_of_current(noting.top):
        observer.append(noting.notes, line)


def _note_config_files(noting: Noting, paths: list[str]) -> None:
    """Notes those that lie in the repository, where a commit may change them."""
    top = os.path.join(noting.top, "")
    inside = [path for path in paths if path.startswith(top)]
    if inside:
        observer.append(noting.notes, {"config_files": inside})


def _is_measuring(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    if getattr(options, "cov_source", None) and not getattr(options, "no_cov", False):
        return True
    if "coverage" not in sys.modules:
        return False
    from covsync.measure.settings import is_measuring

    return is_measuring()


def _begin(config: pytest.Config) -> None:
    """Begins a file of notes in git's own folder, for this process and those it starts."""
    from covsync.errors import CovsyncError
    from covsync.git.repository import Repository
    from covsync.measure.session.notes import new

    try:
        repository = Repository.around(Path(os.path.realpath(Path.cwd())))
    except CovsyncError:
        return  # there is no repository, so there are no commits to judge
    notes = os.fspath(new(repository.own_folder, repository.top, time.time_ns()))
    noting = Noting(config, notes, os.fspath(repository.top))
    noting.look()
    observer.append(notes, {"main": os.getpid()})
    if _appends(config) and noting.data_file:
        from covsync.measure.data_file import digest

        observer.append(notes, {"append": True, "onto": digest(noting.data_file)})
    if observer.start(notes):
        os.environ[observer.NOTES] = notes
        _noting.append(noting)
    atexit.register(_at_exit, noting)


def _appends(config: pytest.Config) -> bool:
    """Whether pytest-cov or ``coverage run`` adds to the data of earlier runs."""
    if getattr(config.known_args_namespace, "cov_append", False):
        return True
    words = list(sys.orig_argv)
    if "run" not in words or getattr(config.known_args_namespace, "cov_source", None):
        return False
    for word in words[words.index("run") + 1 :]:
        if len(word) > 2 and "--append".startswith(word):
            return True
        if word.startswith("-") and not word.startswith("--"):
            if "a" in word.partition("m")[0]:
                return True
            if "m" in word:
                return False
    return False


def _ended(session: pytest.Session, noting: Noting) -> dict[str, object]:
    config, status = session.config, int(session.exitstatus)
    process_status = status
    if status == TESTS_FAILED and noting.failures == 0:
        status = 0  # another plugin's verdict, such as pytest-cov's on the coverage
    return {
        "runner": "pytest",
        "pid": os.getpid(),
        "exit_status": status,
        "process_status": process_status,
        "narrowed": _narrowed(session, noting.top),
        "python_files": list(config.getini("python_files")),
        "doctest_modules": bool(config.getoption("doctestmodules", default=False)),
        "ended": time.time_ns(),
    }


def _narrowed(session: pytest.Session, top: Path) -> dict[str, object] | None:
    """By what the command line left tests out, ``None`` where it did not."""
    from covsync.measure.session.pytest_arguments import Narrowed, PytestWords

    config = session.config
    params = config.invocation_params
    words = PytestWords(map(str, params.args), params.dir)
    narrowed = words.by_option(config.getini("addopts"))
    stopped = session.shouldfail or session.shouldstop
    if stopped and not narrowed:
        narrowed = Narrowed("option", str(stopped))
    if not narrowed:
        asked = [word for word in config.args if word in words.words]
        narrowed = words.by_places(asked, (top, config.rootpath), _testpaths(config))
    return narrowed and narrowed._asdict()


def _testpaths(config: pytest.Config) -> list[Path]:
    import glob

    folder = config.inipath.parent if config.inipath else config.rootpath
    found = [glob.glob(os.fspath(folder / each)) for each in config.getini("testpaths")]  # noqa: PTH207 - each may be absolute
    return [Path(path) for paths in found for path in paths]


def _at_exit(noting: Noting) -> None:
    """Records, where coverage.py wrote the data; leaves the notes where it is to be combined."""
    from covsync.errors import CovsyncError
    from covsync.measure.session import copies
    from covsync.measure.session import notes as reader

    notes, data_file, began = Path(noting.notes), noting.data_file, noting.began
    if os.getpid() != noting.process or data_file is None:
        return  # it was forked from the one that ends later
    try:
        if _written(data_file) >= began:
            status = reader.read(notes).exit_status
            if status is not None and status <= TESTS_FAILED:
                _record(noting, data_file)
        elif any(_written(part) >= began for part in data_file.parent.glob(f"{data_file.name}.*")):
            for line in copies.lines_of_parts(data_file, began, noting.top):
                observer.append(noting.notes, line)
        else:
            notes.unlink()
    except (OSError, ValueError, CovsyncError) as error:
        _say_not_recorded(error)


def _written(path: Path) -> int:
    """When a file was written (Unix time in nanoseconds), 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _record(noting: Noting, data_file: Path) -> None:
    """Has it recorded by a process of its own, of which only an error is seen."""
    import subprocess

    ours = {*MEASURING, observer.NOTES, observer.RUN, isolation.TOKEN}
    with subprocess.Popen(  # noqa: S603 - covsync itself
        [
            *(sys.executable, "-m", "covsync", "record", f"--began={noting.began}"),
            *("--data-file", os.fspath(data_file), "--notes", noting.notes),
        ],
        cwd=noting.folder,
        env={key: value for key, value in os.environ.items() if key not in ours},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as recording:
        try:
            recording.wait(SOON)
        except subprocess.TimeoutExpired:
            Console().note("recording what the tests ran on and what they covered")
