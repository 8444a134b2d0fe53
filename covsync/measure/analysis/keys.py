"""By what a file's result is known: a digest of everything that can change it.

A key that covers too little gives a wrong figure, so it rather covers more. What cannot be told for
sure, as for a file that a plugin traced, has no key and is analysed each time.
"""

from __future__ import annotations

import hashlib
import platform
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from covsync import __version__
from covsync.measure.analysis.texts import State, Text, read, state_of
from covsync.measure.measured_data import digests
from covsync.measure.paths import shown_path
from covsync.measure.settings import chosen_sections, digest_of_files, disk_reader, option
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

# The resolved settings, as plugins and the environment have them; the files' own text is covered
# besides, with settings that a later coverage.py may bring.
OPTIONS = (
    *("run:branch", "run:plugins", "run:relative_files"),
    *("report:exclude_lines", "report:exclude_also", "report:ignore_errors", "report:precision"),
    *("report:partial_branches", "report:partial_branches_always", "report:partial_also"),
    *("report:include", "report:omit", "report:contexts"),
    *("report:skip_covered", "report:skip_empty", "html:skip_covered", "html:skip_empty"),
    *("html:extra_css", "html:title", "html:show_contexts", "json:show_contexts"),
)
WITHOUT_BEARING = ("fail_under", "sort", "show_missing", "format", "data_file", "parallel")


class Keys(NamedTuple):
    """The keys of what was measured.

    ``base`` covers what bears on all files; it is empty where that cannot be told. ``of_files`` and
    ``texts`` are by measured name; ``data`` is the data file's state when it was read, and
    ``settings`` the digest of coverage.py's configuration files before they were.
    """

    base: bytes = b""
    of_files: Mapping[str, bytes] = MappingProxyType({})
    texts: Mapping[str, Text] = MappingProxyType({})
    data: State = ()
    settings: str = ""

    def fingerprint(self, names: Iterable[str]) -> str | None:
        """Changes whenever the results of the files ``names`` might, ``None`` if none can tell."""
        keys = [self.of_files.get(name) for name in names]
        if not self.base or None in keys:
            return None
        return hashlib.sha256(self.base + b"".join(sorted(filter(None, keys)))).hexdigest()

    def still_hold(self, data_file: str, folder: Path) -> bool:
        """Whether data and settings are what they were when they were read."""
        return self.data == _state(data_file) and self.settings == digest_of_files(folder)

    def is_of(self, name: str) -> bool:
        """Whether a source is what it was when it was read."""
        return name in self.texts and self.texts[name].state == _state(name)


def keys(reporter: Coverage, names: Iterable[str], tree: WorkTree, settings: str) -> Keys:
    """The keys of the files ``names`` in a loaded ``reporter``.

    ``settings`` is the digest of coverage.py's configuration files before it read them. Raises
    ``CovsyncError`` where they cannot be read.
    """
    database = reporter.get_data().data_filename()
    base = _base(reporter)
    try:
        data, measured = state_of(database), digests(database)
    except (OSError, sqlite3.Error):
        return Keys()
    if not base:
        return Keys()
    of_files: dict[str, bytes] = {}
    texts: dict[str, Text] = {}
    for name in names:
        if name not in measured or name.endswith((".pyc", ".pyo")):
            continue
        try:
            text, _ = read(name)
        except (OSError, ValueError):
            continue
        facts = (base, measured[name], text.digest, shown_path(name, tree))
        told = repr(facts).encode("utf-8", "surrogateescape")
        of_files[name], texts[name] = hashlib.sha256(told).digest(), text
    return Keys(base, of_files, texts, data, settings)


def _state(path: str) -> State | None:
    try:
        return state_of(path)
    except OSError:
        return None


def _base(reporter: Coverage) -> bytes:
    plugins = option(reporter, "run:plugins")
    code = [_code_of(plugin) for plugin in plugins] if isinstance(plugins, list) else []
    if None in code:
        return b""
    sections = {
        section: {key: value for key, value in values.items() if key not in WITHOUT_BEARING}
        for section, values in chosen_sections(disk_reader(Path())).items()
    }
    told = (
        *(__version__, versions(), sorted(sections.items()), code, _style_sheet(reporter)),
        reporter.get_data().has_arcs(),
        [option(reporter, name) for name in OPTIONS],
    )
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).digest()


def versions() -> tuple[object, ...]:
    """What analyses: another coverage.py or Python may have other results."""
    import coverage

    python = (tuple(sys.version_info), platform.python_implementation(), sys.flags.optimize)
    return (coverage.__version__, *python)


def _code_of(plugin: str) -> str | None:
    """A digest of a loaded plugin's code, with all of the package that it is part of."""
    top = sys.modules.get(str(plugin).partition(".")[0])
    origin = getattr(top, "__file__", None)
    if origin is None:
        return None
    path = Path(origin)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except OSError:
        return None
    return digest.hexdigest()


def _style_sheet(reporter: Coverage) -> str:
    """A digest of the project's own style sheet, whose name holds one of its text."""
    path = option(reporter, "html:extra_css")
    try:
        return hashlib.sha256(Path(str(path)).read_bytes()).hexdigest() if path else ""
    except OSError:
        return "none"
