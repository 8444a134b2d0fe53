"""Which files of the repository the tests loaded, by what their processes noted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from covsync.errors import NothingToJudgeError
from covsync.measure.scope import TESTS, is_test
from covsync.measure.session.notes import UNFINISHED, Session
from covsync.model import WorkTree

RUN_AGAIN = "Run the tests again."


class Loaded(NamedTuple):
    """What test sessions loaded: the SHA-256 of each text by its path from the top level.

    Symbolic links in a path are followed; ``named`` are the paths as they were loaded by.
    """

    digests: Mapping[str, str]
    named: frozenset[str]


def loaded(sessions: Iterable[Session], tree: WorkTree) -> Loaded:
    """What the sessions loaded of the repository.

    Raises ``NothingToJudgeError`` where a file ran as two texts, or a session did not end.
    """
    top = os.path.join(tree.top, "")
    digests: dict[str, str] = {}
    names = set()
    for session in sessions:
        _refuse_unended(session)
        for path, texts in session.loaded.items():
            real = os.path.realpath(path)
            if not real.startswith(top):
                continue
            relative = real.removeprefix(top)
            if len(texts | {digests.get(relative, next(iter(texts)))}) > 1:
                raise NothingToJudgeError(
                    f"{relative} was loaded with two different texts, so the coverage data is of "
                    "both",
                    "Run all tests again on one text: coverage erase, then the tests.",
                )
            digests[relative] = next(iter(texts))
            if path.startswith(top):
                names.add(path.removeprefix(top))
    return Loaded(digests, frozenset(names))


def _refuse_unended(session: Session) -> None:
    if session.incomplete:
        raise NothingToJudgeError(
            f"what the tests ran on could not be noted: {session.incomplete}", RUN_AGAIN
        )
    if session.ended is None:
        raise NothingToJudgeError("a run of the tests did not end by itself", RUN_AGAIN)
    if session.runner == "pytest" and session.exit_status in UNFINISHED:
        raise NothingToJudgeError(f"pytest {UNFINISHED[session.exit_status]}", RUN_AGAIN)


def test_patterns(sessions: Sequence[Session]) -> tuple[str, ...]:
    """The names of test files that the runner collects."""
    patterns = {each for session in sessions for each in session.python_files}
    if sessions and all(session.python_files for session in sessions):
        return tuple(sorted(patterns))
    return (*sorted(patterns.difference(TESTS)), *TESTS)


def why_narrowed(
    sessions: Sequence[Session],
    loaded_paths: Mapping[str, object],
    present: Iterable[str],
    tests: Sequence[str],
    earlier: Iterable[str],
) -> str:
    """Why a run was only a part of the tests, "" where it was not.

    ``present`` are the Python files that are there, ``earlier`` the files that an earlier run of
    all tests loaded.
    """
    options = [each.narrowed_by_option for each in sessions if each.narrowed_by_option]
    if options:
        return options[0]
    not_loaded = [path for path in present if path not in loaded_paths]
    files = [each.narrowed_by_files for each in sessions if each.narrowed_by_files]
    # A pattern of the run's own may be what left a file out.
    if files and any(is_test(path, (*tests, *TESTS)) for path in not_loaded):
        return files[0]
    left_out = [path for path in not_loaded if is_test(path, tests)]
    if not any(session.runner == "pytest" for session in sessions):
        left_out = [path for path in left_out if not path.endswith("conftest.py")]
    narrowed = [path for path in left_out if _is_below_a_folder(path, sessions)]
    narrowed += sorted(frozenset(earlier).intersection(left_out))
    return f"{narrowed[0]} was not loaded" if narrowed else ""


def _is_below_a_folder(path: str, sessions: Iterable[Session]) -> bool:
    """Whether a session may have left out test files of a folder that ``path`` lies in."""
    return any(
        os.path.join(session.top, path).startswith(os.path.join(folder, ""))
        for session in sessions
        for folder in session.folders
    )
