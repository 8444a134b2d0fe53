"""By what a file's result is known: a digest of everything that can change it.

A key that covers too little gives a wrong figure, so it rather covers more. What cannot be told for
sure, as for a file that a plugin traced, has no key and is analysed each time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from covsync.measure.measured_data import digests
from covsync.measure.settings import chosen_sections, option
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

# Changes with what covsync keeps of a result, or how.
FORM = "1"
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

    ``base`` covers what bears on all files; it is empty where that cannot be told. ``of_files`` are
    by measured name, and ``states`` those of their sources and of the data when they were read.
    """

    base: bytes
    of_files: Mapping[str, bytes]
    states: Mapping[str, tuple[int, ...]]

    def fingerprint(self, names: Iterable[str]) -> str | None:
        """Changes whenever the results of the files ``names`` might, ``None`` if none can tell."""
        keys = [self.of_files.get(name) for name in names]
        if not self.base or None in keys:
            return None
        return hashlib.sha256(self.base + b"".join(sorted(filter(None, keys)))).hexdigest()

    def size_of(self, name: str) -> int:
        """How large a file was, in bytes; 0 where it has no key."""
        return self.states[name][1] if name in self.states else 0

    def still_hold(self, *files: str) -> bool:
        """Whether files that were read for the keys are what they were then."""
        try:
            return all(_state(file) == self.states[file] for file in files)
        except (OSError, KeyError):
            return False


def keys(reporter: Coverage, names: Iterable[str], tree: WorkTree) -> Keys:
    """The keys of the files ``names`` in a loaded ``reporter``. Raises nothing of its own."""
    data = reporter.get_data()
    database = data.data_filename()
    base = _base(reporter)
    try:
        states = {database: _state(database)}
        measured = digests(database)
    except (OSError, sqlite3.Error):
        return Keys(b"", {}, {})
    if not base:
        return Keys(b"", {}, {})
    of_files: dict[str, bytes] = {}
    folder = os.path.join(tree.folder, "")
    for name in names:
        if name not in measured or name.endswith((".pyc", ".pyo")):
            continue
        try:
            state = _state(name)
            with open(name, "rb", buffering=0) as stream:  # noqa: PTH123 - quick for thousands
                text = stream.read()
        except (OSError, ValueError):
            continue
        shown = os.fsencode(name.removeprefix(folder))
        parts = (base, measured[name], hashlib.sha256(shown).digest(), text)
        of_files[name], states[name] = hashlib.sha256(b"".join(parts)).digest(), state
    return Keys(base, of_files, states)


def shown_path(name: str, tree: WorkTree) -> str:
    """A measured file's path as coverage.py's reports show it: from the project's folder."""
    return name.removeprefix(os.path.join(tree.folder, ""))


def _base(reporter: Coverage) -> bytes:
    plugins = option(reporter, "run:plugins")
    code = [_code_of(plugin) for plugin in plugins] if isinstance(plugins, list) else []
    if None in code:
        return b""
    sections = {
        section: {key: value for key, value in values.items() if key not in WITHOUT_BEARING}
        for section, values in chosen_sections().items()
    }
    told = (
        *(FORM, versions(), sorted(sections.items()), code, _style_sheet(reporter)),
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


def _state(name: str) -> tuple[int, ...]:
    found = os.stat(name)  # noqa: PTH116 - as above
    return (found.st_mtime_ns, found.st_size, found.st_ino)
