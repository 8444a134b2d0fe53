"""The notes of a test session: which files it loaded, and how it ended.

The processes of the session append lines of JSON to one file (``covsync.observer``, the pytest
plugin and ``covsync run``), each an object:

    {"covsync": 1, "top": PATH, "began": NS}                 the first line
    {"path": PATH, "sha256": HEX}                            a text that ran
    {"copy": PATH, "sha256": HEX}                            a measured file that may be a copy
    {"source": [...]}                                        coverage.py's, also as pytest-cov
                                                             or its command line was given it
    {"config_files": [...]}                                  coverage.py's and pytest's
    {"doctest": true}                                        the doctest module was loaded
    {"incomplete": REASON}                                   something could not be noted
    {"append": true, "onto": HEX}                            the data was appended to other data
    {"main": PID}                                            whose "session" lines count,
                                                             besides those of no "pid"
    {"session": {"runner": ..., "exit_status": ..., ...}}    how it ended

Paths are absolute, as they were executed; times are Unix times in nanoseconds.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from covsync import observer
from covsync.limits import NOTES_SIZE
from covsync.measure import permissions
from covsync.regular_files import refuse_unusual

FORMAT = 1
FOLDER, SUFFIX = "notes", ".jsonl"
MOST = 256  # files that wait for data to be combined
# pytest's exit codes of sessions that did not run to their end.
UNFINISHED = {
    2: "was interrupted",
    3: "had an internal error",
    4: "was used wrongly",
    5: "found no tests",
}


class Session(NamedTuple):
    """What one test session loaded and how it ended.

    ``began`` and ``ended`` are Unix times in nanoseconds, ``ended`` is ``None`` where it did not
    say, as one that was killed. ``loaded`` and ``copies`` are by absolute path the SHA-256 of
    each text that ran. ``narrowed_by_option`` is the option that left tests out,
    ``narrowed_by_files`` the files or labels that it was asked for, each "" where none;
    ``folders`` are those, by absolute path, of which it may have left out test files.
    ``python_files`` are the patterns of the names of test files, ``loads_all`` says that any
    Python file may be collected. ``onto`` is the SHA-256 of the data that this session's was
    ``appended`` to, "" for none. ``source`` is coverage.py's, folders by absolute path.
    ``top`` is the repository's top level, ``config_files`` are the configuration files in it that
    coverage.py and pytest read, by absolute path. ``process_status`` is the exit code that pytest
    was about to leave with, also where only the coverage failed. ``incomplete`` says why something
    could not be noted, "" where all was.
    """

    began: int
    ended: int | None
    loaded: Mapping[str, frozenset[str]]
    copies: Mapping[str, frozenset[str]]
    doctests: bool
    runner: str
    exit_status: int | None
    narrowed_by_option: str
    narrowed_by_files: str
    python_files: tuple[str, ...]
    loads_all: bool
    appended: bool
    onto: str
    source: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    config_files: tuple[str, ...] = ()
    top: str = ""
    process_status: int | None = None
    incomplete: str = ""


def read(path: Path) -> Session:
    """What was noted in the file ``path``.

    A line that was cut off counts as not written. Raises ``ValueError`` for a file that holds no
    notes, ``CovsyncError`` for what is no file or larger than any, ``OSError`` where it cannot be
    read.
    """
    lines = _lines(path)
    first = next(lines, {})
    if first.get("covsync") != FORMAT or not isinstance(first.get("began"), int):
        raise ValueError(f"{path} holds no notes of a test session")
    digests: dict[str, defaultdict[str, set[str]]] = {
        "path": defaultdict(set),
        "copy": defaultdict(set),
    }
    last: dict[str, Any] = {
        "main": None,
        "append": False,
        "onto": "",
        "doctest": False,
        "incomplete": "",
    }
    sessions: list[dict[str, Any]] = []
    lists: dict[str, list[object]] = {"source": [], "config_files": []}
    for line in lines:
        for key, texts in digests.items():
            name, digest = line.get(key), line.get("sha256")
            if isinstance(name, str) and isinstance(digest, str):
                texts[name].add(digest)
        last |= {key: value for key, value in line.items() if key in last}
        for key, entries in lists.items():
            entries.extend(line[key] if isinstance(line.get(key), list) else [])
        if isinstance(line.get("session"), dict):
            sessions.append(line["session"])
    ended = [each for each in sessions if each.get("pid") in (None, last["main"])]
    return Session(
        began=first["began"],
        loaded={name: frozenset(texts) for name, texts in digests["path"].items()},
        copies={name: frozenset(texts) for name, texts in digests["copy"].items()},
        doctests=last["doctest"] is True,
        appended=last["append"] is True,
        onto=str(last["onto"]),
        top=str(first.get("top", "")),
        incomplete=str(last["incomplete"]),
        source=_strings(lists["source"]),
        config_files=_strings(lists["config_files"]),
        **_end(ended),
    )


def new(own_folder: Path, top: Path, began: int) -> Path:
    """Begins a file of notes in covsync's folder of a repository. Raises ``OSError``.

    Notes that nothing ever came of do not pile up: the oldest of more than ``MOST`` go.
    """
    folder = own_folder / FOLDER
    permissions.make_folder(own_folder)
    permissions.make_folder(folder)
    for old in waiting(own_folder)[: -MOST + 1]:
        old.unlink(missing_ok=True)
    path = folder / f"{began}-{os.getpid()}{SUFFIX}"
    permissions.make_file(path)
    observer.begin(os.fspath(path), os.fspath(top), began)
    return path


def waiting(own_folder: Path) -> list[Path]:
    """The files of notes in covsync's folder of a repository, the oldest first."""
    try:
        found = [path for path in (own_folder / FOLDER).iterdir() if path.suffix == SUFFIX]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
    except OSError:
        return []


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Its lines that are JSON objects. A process may have been stopped within one."""
    refuse_unusual(path, str(path), NOTES_SIZE, "Delete it, and run the tests again.")
    with path.open("rb") as stream:
        for line in stream:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def _strings(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, values)))


def _flat(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, list):
            yield from value


def _end(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """How the sessions of one process ended together: as the worst, narrowed as the narrowest."""

    def texts(key: str) -> list[str]:
        return [str(each[key]) for each in sessions if each.get(key)]

    def numbers(key: str) -> list[int]:
        return [each[key] for each in sessions if isinstance(each.get(key), int)]

    narrowed = [each["narrowed"] for each in sessions if isinstance(each.get("narrowed"), dict)]
    by = {str(each.get("by")): str(each.get("what", "")) for each in reversed(narrowed)}
    places = [each.get("what") for each in narrowed if each.get("by") == "folders"]
    patterns = [each.get("python_files") for each in sessions]
    return {
        "ended": max(numbers("ended"), default=None),
        "runner": next(iter(texts("runner")), ""),
        "exit_status": max(numbers("exit_status"), default=None),
        "process_status": max(numbers("process_status"), default=None),
        "narrowed_by_option": by.get("option", ""),
        "narrowed_by_files": by.get("files", ""),
        "folders": _strings(_flat(places)),
        "python_files": _strings(_flat(patterns)),
        "loads_all": any(each.get("doctest_modules") is True for each in sessions),
    }
