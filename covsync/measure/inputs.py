"""All that the report on a data file depends on: taken before the work, compared after it.

From it come the keys by which results are stored. A key that covers too little would give a wrong
figure, so it rather covers more. A file for which that cannot be found out, as for one that a
plugin traced, has no key and is analysed each time.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from covsync.measure import settings
from covsync.measure.coverage_options import option
from covsync.measure.data_file import sha256_of
from covsync.measure.data_tables import digests
from covsync.measure.path_mapping import shown_path
from covsync.model import WorkTree, sha256

if TYPE_CHECKING:
    from coverage import Coverage

Stat = tuple[int, ...]
# Within this of each other two changes may carry the same time on some file systems.
SAME_TIME_NS = 3_000_000_000


class FileState(NamedTuple):
    """What a file held, by its SHA-256, and its times, size and number when it was ``read_at``.

    ``read_at`` is a Unix time in nanoseconds.
    """

    digest: str
    stat: Stat
    read_at: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stat[2]

    def is_current(self, path: str, *, may_be_link: bool = False) -> bool:
        """Whether the file at ``path`` holds the same, and has not become a link unless it may.

        As in git, its times and size show that; it is read where it changed so shortly before it
        was read that a later change might not show.
        """
        try:
            now = _stat(path)
            if now == self.stat and max(now[:2]) < self.read_at - SAME_TIME_NS:
                return True
            if now[2] != self.size:
                return False
            may_be_read = may_be_link or not os.path.islink(path)  # noqa: PTH114
            return may_be_read and state_of(path).digest == self.digest
        except (OSError, ValueError):
            return False


class Inputs(NamedTuple):
    """What a report was made from.

    ``data`` is the state of the ``data_file``, ``settings`` the digest of coverage.py's
    configuration files; ``versions`` and ``environment`` say what analyses. ``sources`` are the
    states of the measured files by path, as the working directory has them. ``base`` is a key of
    what bears on all files, ``keys`` are those of each by measured name; what cannot be found out
    has none.
    """

    data_file: str
    data: FileState
    settings: str
    versions: str
    environment: str
    sources: Mapping[str, FileState] = MappingProxyType({})
    base: bytes = b""
    keys: Mapping[str, bytes] = MappingProxyType({})

    def are_current(self, folder: Path) -> bool:
        """Whether a report in the project's ``folder`` would be made from the same now."""
        return (
            self.versions == settings.versions()
            and self.environment == settings.environment()
            and self.is_data_current(folder)
            and all(map(self.is_source_current, self.sources))
        )

    def is_data_current(self, folder: Path) -> bool:
        """Whether the data and coverage.py's configuration files are what they were."""
        is_configured_alike = self.settings == settings.digest_of_files(folder)
        return is_configured_alike and self.is_data_file_current()

    def is_data_file_current(self) -> bool:
        """Whether the data file, which may be a link, holds what it held."""
        return self.data.is_current(self.data_file, may_be_link=True)

    def is_source_current(self, path: str) -> bool:
        """Whether a measured file holds what it held."""
        return path in self.sources and self.sources[path].is_current(path)

    def size(self, name: str) -> int:
        """The size of a measured file in bytes, 0 where it could not be read."""
        return self.sources[name].size if name in self.sources else 0

    def fingerprint(self, names: Iterable[str]) -> str | None:
        """Changes whenever the results of the files ``names`` might, ``None`` without keys."""
        keys = [self.keys.get(name, b"") for name in names]
        if not all([self.base, *keys]):
            return None
        return sha256(self.base + b"".join(sorted(keys))).hexdigest()

    def with_sources(self, reporter: Coverage, names: Iterable[str], tree: WorkTree) -> Inputs:
        """The inputs with the measured files ``names`` of a loaded ``reporter``, and the keys.

        Raises ``CovsyncError`` where coverage.py's configuration files cannot be read.
        """
        base = _base(reporter, self.versions)
        try:
            measured = digests(reporter.get_data().data_filename()) if base else {}
        except sqlite3.Error:  # the tables of a coverage.py to come
            base, measured = b"", {}
        states: dict[str, FileState] = {}
        keys: dict[str, bytes] = {}
        for name in names:
            try:
                states[name] = state_of(name)
            except (OSError, ValueError):
                continue
            if name in measured and not name.endswith((".pyc", ".pyo")):
                digest, path = states[name].digest, shown_path(name, tree)
                keys[name] = _digest((base, measured[name], digest, path))
        return self._replace(sources=states, base=base, keys=keys)


def state_of(path: str) -> FileState:
    """The state of a file. Raises ``OSError``, and ``ValueError`` for what can be no path."""
    stat, read_at = _stat(path), time.time_ns()
    return FileState(sha256_of(path), stat, read_at)


def _stat(path: str) -> Stat:
    """What changes with a file's content: its two times, its size and its number."""
    found = os.stat(path)  # noqa: PTH116 - as above
    if not S_ISREG(found.st_mode):  # a pipe would be read for ever
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _digest(facts: object) -> bytes:
    return sha256(repr(facts).encode("utf-8", "surrogateescape")).digest()


def _base(reporter: Coverage, versions: str) -> bytes:
    """A key of what bears on all files, empty where a plugin's code cannot be found."""
    plugins = option(reporter, "run:plugins")
    code = [_code_of(plugin) for plugin in plugins] if isinstance(plugins, list) else []
    if None in code:
        return b""
    sections = settings.chosen_sections(settings.disk_reader(Path()))
    resolved = [
        option(reporter, name)
        for name, bears_on in settings.BEARS_ON.items()
        if bears_on != settings.NEITHER
    ]
    facts = (
        versions,
        sorted(settings.without_options(sections, [settings.NEITHER]).items()),
        code,
        _style_sheet(reporter),
        reporter.get_data().has_arcs(),
        resolved,
    )
    return _digest(facts)


def _code_of(plugin: str) -> str | None:
    """A digest of a loaded plugin's code, with all of the package that it is part of."""
    top = sys.modules.get(str(plugin).partition(".")[0])
    origin = getattr(top, "__file__", None)
    if origin is None:
        return None
    path = Path(origin)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    try:
        return repr([state_of(os.fspath(file)).digest for file in files])
    except OSError:
        return None


def _style_sheet(reporter: Coverage) -> str:
    """A digest of the project's own style sheet, whose name holds one of its text."""
    path = option(reporter, "html:extra_css")
    try:
        return state_of(str(path)).digest if path else ""
    except OSError:
        return "none"
