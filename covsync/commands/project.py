"""The project around the working directory: its repository, folder and configuration."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from covsync import config, isolation
from covsync.config import Config
from covsync.console import Console
from covsync.errors import CovsyncError, PublicationError
from covsync.git import index
from covsync.git.index import Listing, StagedFiles
from covsync.git.repository import Repository, enter_repository
from covsync.limits import CONFIGURATION_SIZE
from covsync.measure import settings, store
from covsync.measure.store import Reader
from covsync.measure.stored_results import StoredResults
from covsync.model import WorkTree
from covsync.regular_files import refuse_outside, refuse_unusual

if TYPE_CHECKING:
    from covsync.git.scratch import Scratch
    from covsync.measure.measure import Measurement


class Project(NamedTuple):
    """A project in its repository.

    ``staged`` reads its configuration's files as the index or a commit has them, where those are
    what is judged.
    """

    repository: Repository
    folder: Path
    config: Config
    staged: StagedFiles | None = None

    @property
    def listing(self) -> Listing | None:
        """What the index or the commit holds, where that is judged."""
        return None if self.staged is None else self.staged.listing

    @property
    def coverage_path(self) -> str:
        """The folder relative to the repository's top level, ``.`` where it is the same."""
        return self.folder.relative_to(self.repository.top).as_posix()

    @property
    def depth(self) -> int:
        """How many folders of the repository lie above the project's."""
        return len(self.folder.relative_to(self.repository.top).parts)

    def holds(self, path: str) -> bool:
        """Whether a path from the repository's top level lies in the project's folder."""
        top = os.fspath(self.repository.top)
        inside = os.fspath(self.folder)[len(top) :].lstrip("/")  # asked of thousands of paths
        return not inside or path.startswith(f"{inside}/")

    def work_tree(self) -> WorkTree:
        """The project on disk, with what git tracks in its repository."""
        return self.tree_of(self.repository.tracked())

    def results(self) -> StoredResults:
        """The stored results of earlier analyses of it."""
        return StoredResults(self.repository.own_folder, self.coverage_path)

    def stored(self) -> AbstractContextManager[Reader]:
        """What the store holds for it; see ``store.opened``."""
        return store.opened(self.repository.own_folder, self.coverage_path)

    def tree_of(self, tracked: frozenset[str]) -> WorkTree:
        """The project on disk, given what is tracked."""
        return WorkTree(self.repository.top, self.folder, tracked)

    def shown(self, path: str) -> str:
        """A path from the repository's top level as reports name it: from the project's folder."""
        return self.names([path])[path]

    def names(self, paths: Iterable[str]) -> dict[str, str]:
        """How reports name each of the paths; see ``shown``."""
        inside = os.path.join(self.coverage_path, "").removeprefix("./")

        def name(path: str) -> str:
            if path.startswith(inside):
                return path.removeprefix(inside)
            return os.path.relpath(os.path.join(self.repository.top, path), self.folder)

        return {path: name(path) for path in paths}


def open_project(flags: Mapping[str, object], *, allow_bare: bool = False) -> Project:
    """The project around the working directory, which then is the project's folder.

    coverage.py looks for its configuration and its data in the working directory, so covsync goes
    where the project is. ``flags`` are the configuration's keys as given on the command line.
    A bare repository, which has no files, is an error unless ``allow_bare``.
    """
    repository, folder = _found(allow_bare=allow_bare)
    loaded = config.load(folder, flags)
    os.chdir(folder)
    return Project(repository, folder, loaded)


def open_staged(flags: Mapping[str, object], commit: str | None = None) -> Project:
    """As ``open_project``, but configured as in the index, or else in a ``commit``."""
    repository, folder = _found(allow_bare=False)
    staged = index.StagedFiles(repository, index.listing(repository, commit), folder)
    loaded = config.load(folder, flags, staged)
    os.chdir(folder)
    return Project(repository, folder, loaded, staged)


def _found(*, allow_bare: bool) -> tuple[Repository, Path]:
    """The repository and the project's folder around the working directory."""
    here = Path(os.path.realpath(Path.cwd()))
    repository = enter_repository(here)
    if repository.is_bare and not allow_bare:
        raise CovsyncError(
            f"{repository.top} is a bare repository: it has no files to measure",
            "Run covsync in a checkout.",
        )
    isolation.leave_out(os.fspath(repository.top))
    folder = config.project_folder(here, repository.top)
    _refuse_unusual_settings(folder, repository.top)
    return repository, folder


def _refuse_unusual_settings(folder: Path, top: Path) -> None:
    """Before covsync or coverage.py parses them."""
    depth = len(folder.relative_to(top).parts)
    for name in (config.YAML, *settings.names(depth)):
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            refuse_outside(path, top, name)
            with contextlib.suppress(OSError):  # whoever reads it says so
                refuse_unusual(
                    path, name, CONFIGURATION_SIZE, "Put a text file in its place, or remove it."
                )
                config.refuse_large(name, Path(path).read_bytes())


def note_unstaged(console: Console, project: Project) -> None:
    """Says which of the configuration's files that were read differ from those in the work tree."""
    for name in sorted(project.staged.differing) if project.staged else ():
        console.note(f"{name} has changes that are not staged; the staged settings count")


@contextmanager
def scratch(console: Console, project: Project, urls: Sequence[str]) -> Iterator[Scratch]:
    """The scratch repository that reaches the first of the remote's ``urls``.

    ``COVSYNC_TOKEN`` opens it, where CI gives one. Raises ``CovsyncError`` where there is no URL.
    """
    from covsync.git.scratch import scratch_repository

    if not urls:
        raise no_such_remote(project)
    if len(urls) > 1:
        console.note(
            f"{project.config.remote} has {len(urls)} push URLs; only the first is published to"
        )
    token = isolation.token()
    with scratch_repository(project.repository, project.config.remote, urls[0], token) as scratch:
        if token and not scratch.address.token:
            console.note("COVSYNC_TOKEN is not used: the remote's URL is not an http(s) one")
        yield scratch


def no_such_remote(project: Project) -> PublicationError:
    """What is wrong where the remote has no URL."""
    names = project.repository.remotes()
    others = (
        f"The remotes are: {', '.join(names)}." if names else "There is none yet: git remote add"
    )
    return PublicationError(
        f"there is no remote {project.config.remote!r}", f"Name it with --remote. {others}"
    )


def show_source(console: Console, measurement: Measurement) -> None:
    """Says, for ``--verbose``, where a measurement is from and what coverage.py warned of."""
    console.detail(f"coverage data: {measurement.data.data_file}")
    for warning in dict.fromkeys(measurement.data.warnings):
        console.detail(f"coverage.py: {warning}")
