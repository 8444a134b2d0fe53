"""The files of a record, with their object names in git."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from covsync.commands.project import Project
from covsync.errors import NothingToJudgeError
from covsync.git import index
from covsync.git.index import Listing, WorkTreeState
from covsync.measure.scope import is_test
from covsync.measure.session.loaded_files import Loaded

AGAIN = "Run the tests again, best by `covsync run`."


class RecordedFiles(NamedTuple):
    """Object names by path from the top level, and the ``texts`` that git does not have."""

    names: Mapping[str, str]
    texts: Mapping[str, bytes]


def committed_paths(
    project: Project, paths: Iterable[str], present: Iterable[str], tests: Iterable[str]
) -> set[str]:
    """Those of the paths that were loaded or measured which the commit must have.

    Of what git ignores only tests and ``conftest.py`` count: the rest is environment. A file that
    is gone and that git does not track was made and removed by the tests. Raises
    ``NothingToJudgeError`` where one that git tracks was deleted.
    """
    repository, patterns = project.repository, tuple(tests)
    found = set(paths)
    ignored = index.ignored(repository, found.difference(present))
    found -= {path for path in ignored if not is_test(path, patterns)}
    gone = repository.missing(found)
    deleted = gone & repository.tracked() if gone else set()
    if deleted:
        raise NothingToJudgeError(f"{min(deleted)} was deleted while the tests ran", AGAIN)
    return found - gone


def recorded_files(
    project: Project, paths: Iterable[str], staged: Listing, state: WorkTreeState, ran: Loaded
) -> RecordedFiles:
    """The objects of the files at ``paths`` as they lie in the work tree.

    ``staged`` is what the index holds, ``state`` how the work tree differs from it. A file of a
    submodule stands for the submodule, which has the name of its commit. Raises
    ``NothingToJudgeError`` for a file that does not hold what the tests loaded.
    """
    repository = project.repository
    within = {path: _submodule_of(path, staged.submodules) for path in paths}
    own = sorted(path for path, submodule in within.items() if submodule is None)
    names = dict(index.work_tree_blobs(repository, staged, state, own))
    edited = [path for path in own if names[path] != staged.files.get(path)]
    stored = index.stored(repository, [names[path] for path in edited])
    texts = {
        path: (repository.top / path).read_bytes() for path in edited if names[path] not in stored
    }
    _refuse_edited(project, own, ran)
    for submodule in sorted(filter(None, set(within.values()))):
        names[submodule] = index.submodule_state(repository, submodule)
    for path in ran.named:
        names.update(index.links_on_the_way(repository, path))
    return RecordedFiles(names, texts)


def _submodule_of(path: str, submodules: Iterable[str]) -> str | None:
    return next((each for each in submodules if path.startswith(f"{each}/")), None)


def _refuse_edited(project: Project, paths: Iterable[str], ran: Loaded) -> None:
    for path in paths:
        digest = ran.digests.get(path)
        content = (project.repository.top / path).read_bytes() if digest else b""
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise NothingToJudgeError(
                f"{project.shown(path)} was edited while the tests ran", AGAIN
            )
