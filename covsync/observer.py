"""Notes which text of each Python file of a repository runs in the processes of a test run.

A plugin of coverage.py that measures nothing (``covsync run`` names it in its settings), and what
covsync's plugin of pytest starts. It is loaded inside the processes that are tested, some of them
without the rest of covsync or with an older Python: so it needs nothing but the standard library,
prints nothing and lets no exception out.

Where ``COVSYNC_NOTES`` names a file, each process appends lines of JSON to it, each by one write,
so that nothing is lost where a process forks, is killed or leaves by ``os._exit``. The lines are
described in ``covsync.measure.notes``, which reads them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from types import CodeType, FrameType
from typing import Any

NOTES = "COVSYNC_NOTES"  # environment: the file to append to
RUN = "COVSYNC_RUN"  # environment: the file that each process locks that `covsync run` measures
SUFFIXES = (".py", ".pyw")
INSTALLED = ("site-packages", "dist-packages", ".git")
# A signal that comes while coverage.py saves has to wait; it ends by itself at most this late.
RETRY_SECONDS, LIMIT_SECONDS = 0.02, 10.0
# Functions of importlib, runpy and coverage.py that compile what they run, and how many frames,
# with the observer's own, may lie between one and the innermost.
LOADERS, LOADING_DEPTH = ("get_code", "_get_code_from_file", "make_code_from_py"), 6
# coverage.py's own frames that stay on the stack while the program runs.
BELOW_THE_PROGRAM = {
    *("coverage.__main__", "coverage.cmdline", "coverage.execfile", "coverage.multiproc"),
}

_observers: list[Observer] = []  # none or one
_locks: dict[str, int] = {}


def coverage_init(registry: object, options: object) -> None:  # noqa: ARG001 - coverage.py's own
    """Called by coverage.py in each process that it measures; registers nothing."""
    notes, lock = os.environ.get(NOTES), os.environ.get(RUN)
    if notes:
        start(notes)
    if lock and lock not in _locks:
        with contextlib.suppress(Exception):  # the tests run as they would without
            _hold(lock)
            _save_when_terminated()


def start(notes: str) -> str:
    """Notes what runs in this process from now on, and what ran already, in the file ``notes``.

    The file begins with the line that ``begin`` writes. Once a process; it cannot be stopped.
    Returns the repository's top level, "" where nothing can be noted.
    """
    try:
        if not _observers:
            observer = Observer(notes)
            observer.note_loaded()
            sys.addaudithook(observer.hook())
            _observers.append(observer)
        return _observers[0].top
    except Exception:  # noqa: BLE001 - the tests run as they would without
        return ""


def note_text(path: str) -> None:
    """Notes a file of any name that the tests of this process are read from."""
    for observer in _observers:
        with contextlib.suppress(Exception):  # the tests run as they would without
            observer.note_text(path)


def begin(notes: str, top: str, began: int) -> None:
    """Writes the first line of a new file of notes. Raises ``OSError`` where it cannot.

    ``top`` is the repository's top level, ``began`` the Unix time in nanoseconds.
    """
    append(notes, {"covsync": 1, "top": top, "began": began})


def append(notes: str, line: dict[str, object]) -> None:
    """Appends a line by one write. Raises ``OSError`` where it cannot."""
    content = os.fsencode(json.dumps(line) + "\n")
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


class Observer:
    """What was noted in this process."""

    def __init__(self, notes: str) -> None:
        import hashlib

        self.notes = notes
        with open(notes, "rb") as stream:  # noqa: PTH123 - pathlib need not be loaded here
            self.top: str = json.loads(stream.readline())["top"]
        self.sha256 = hashlib.sha256
        self.noted: set[tuple[str, str]] = set()
        self.folders: dict[str, str] = {}
        self.tops = {os.path.join(top, "") for top in (self.top, os.path.realpath(self.top))}
        prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix)
        self.outside = tuple(
            os.path.join(prefix, "")
            for prefix in {*prefixes, *map(os.path.realpath, prefixes)}
            if not any(top.startswith(os.path.join(prefix, "")) for top in self.tops)
        )

    def hook(self) -> Any:  # noqa: ANN401 - what sys.addaudithook takes
        """A function for all of Python's audit events, most of which are not looked at."""
        # One code object may run often, and a text that was compiled has a name of its own.
        executed, compiled = self.executed, self.compiled

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "exec":
                executed(arguments[0])
            elif event == "compile":
                compiled(arguments[1])

        return hook

    def executed(self, code: object) -> None:
        """Notes the file of a code object that is about to run, if it is a file of the project."""
        if isinstance(code, CodeType) and code.co_filename[:1] not in ("<", ""):
            self.executed_file(code.co_filename)

    def compiled(self, name: object) -> None:
        """Notes a file that is about to be loaded: one that does not compile is never executed."""
        with contextlib.suppress(Exception):  # the tests run as they would without
            path = os.fsdecode(name) if isinstance(name, bytes) else name
            if isinstance(path, str) and path[:1] not in ("<", "") and _is_loading():
                self.executed_file(path)

    def note_loaded(self) -> None:
        """Notes the modules that were loaded before the observer was."""
        for module in list(sys.modules.values()):
            try:
                path = object.__getattribute__(module, "__dict__").get("__file__")
            except Exception:  # noqa: BLE001, S112 - any object may stand there
                continue
            if isinstance(path, str):
                self.executed_file(path)

    def executed_file(self, path: str) -> None:
        """Notes a file, if it is one of the project; one that is gone has no text to note."""
        with contextlib.suppress(Exception):  # the tests run as they would without
            self.note(path)

    def note(self, path: str) -> None:
        """Notes the text of a file of the project. Raises ``OSError`` where it has none."""
        name = os.path.basename(path)  # noqa: PTH119 - the same, and faster
        if name == "doctest.py" and path == getattr(sys.modules.get("doctest"), "__file__", None):
            self.note_once("doctest", "", {"doctest": True})
        if not name.endswith(SUFFIXES) and "." in name.lstrip("."):
            return
        self.note_text(path)

    def note_text(self, path: str) -> None:
        """Notes a file of any name, if it is one of the project. Raises ``OSError``."""
        name = os.path.basename(path)  # noqa: PTH119 - the same, and faster
        folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - as it is named
        if folder not in self.folders:
            self.folders[folder] = self.project_folder(folder)
        if not self.folders[folder]:
            return
        path = os.path.join(self.folders[folder], name)
        with open(path, "rb") as stream:  # noqa: PTH123 - pathlib need not be loaded here
            digest = self.sha256(stream.read()).hexdigest()
        self.note_once(path, digest, {"path": path, "sha256": digest})

    def project_folder(self, folder: str) -> str:
        """The folder by its name below the top level, "" where it is none of the project's own."""
        for name in (folder, os.path.realpath(folder)):
            path = os.path.join(name, "")
            for top in self.tops:
                if path.startswith(top):
                    parts = path[len(top) :].split(os.sep)  # noqa: PTH206 - the same, and faster
                    installed = any(part in INSTALLED for part in parts)
                    return "" if installed or path.startswith(self.outside) else path
        return ""

    def note_once(self, path: str, digest: str, line: dict[str, object]) -> None:
        """Appends a line that this process, or what it was forked from, did not append yet."""
        if (path, digest) not in self.noted:
            append(self.notes, line)
            self.noted.add((path, digest))


def _is_loading() -> bool:
    """Whether what is compiled shall run: a module, a script, or a test that pytest collects.

    coverage.py's reports, linters and ``compileall`` compile files that need not run.
    """
    frame = sys._getframe()  # noqa: SLF001 - there is no other way
    for _ in range(LOADING_DEPTH):
        name = frame.f_globals.get("__name__")
        if frame.f_code.co_name in LOADERS or name == "_pytest.assertion.rewrite":
            return True
        if frame.f_back is None:
            return name == __name__  # Python itself compiles a script
        frame = frame.f_back
    return False


def _hold(path: str) -> None:
    """Holds a lock until this process and those it forks have ended."""
    import fcntl

    _locks[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(_locks[path], fcntl.LOCK_SH)


def _save_when_terminated() -> None:
    """Has coverage.py save before this process ends by SIGTERM, as a pool's workers do.

    coverage.py's own handler (``sigterm = true``) fails where the signal comes while it saves or
    starts, and the worker that should have ended then waits for ever.
    """
    import signal

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)  # a ValueError in any thread but the main one


def _terminated(number: int, frame: FrameType | None) -> None:
    import signal
    import threading

    def again(seconds: float, by: int) -> None:
        timer = threading.Timer(seconds, os.kill, (os.getpid(), by))
        timer.daemon = True
        timer.start()

    if _is_within_coverage(frame):
        with contextlib.suppress(Exception):
            again(RETRY_SECONDS, number)
            return
    with contextlib.suppress(Exception):  # the process shall end, come what may
        again(LIMIT_SECONDS, signal.SIGKILL)
        _save_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_within_coverage(frame: FrameType | None) -> bool:
    """Whether coverage.py was interrupted in its own work, so that it can't be asked to save."""
    innermost = frame
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        is_coverage = isinstance(name, str) and name.startswith("coverage.")
        if is_coverage and (frame is innermost or name not in BELOW_THE_PROGRAM):
            return True
        frame = frame.f_back
    return False


def _save_all() -> None:
    """Saves what each ``Coverage`` measured that began in this process, the latest first."""
    import warnings

    coverage: Any = sys.modules["coverage"]  # an import might wait for the one that it interrupted
    current, last = coverage.Coverage.current(), None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a worker was terminated before it measured anything
        while current is not None and current is not last:
            current.stop()
            current.save()
            last, current = current, coverage.Coverage.current()
