"""Installed copies of the sources that ran in their place, as coverage.py's ``[paths]`` maps them.

Data on a copy is taken for data on its source, so the two must be the same text.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from covsync.errors import NothingToJudgeError
from covsync.measure import plugins
from covsync.measure.coverage_errors import explained
from covsync.measure.coverage_options import without_debug_file
from covsync.measure.data_file import digest
from covsync.measure.data_tables import measured_names
from covsync.model import WorkTree

# Where tox, nox and virtual environments in a project's folder install it.
INSTALLED = (".tox/*", ".nox/*", ".venv", "venv")
PACKAGES = ("site-packages", "dist-packages")
SITE_PACKAGES = ("lib/python*/site-packages", "lib/pypy*/site-packages", "Lib/site-packages")


def installed_copies(sources: Iterable[str], tree: WorkTree) -> list[str]:
    """The files in environments of the project's folder that may be copies of the ``sources``.

    Those have the same last parts of their paths, which are from the repository's top level.
    """
    folders = [
        folder
        for place in INSTALLED
        for within in SITE_PACKAGES
        for folder in tree.folder.glob(f"{place}/{within}")
    ]
    found = []
    for path in sources if folders else ():
        parts = path.split("/")
        tails = ["/".join(parts[start:]) for start in range(len(parts))]
        found += [
            os.fspath(folder / tail)
            for folder in folders
            for tail in tails
            if (folder / tail).is_file()
        ]
    return found


def copies_of(parts: Iterable[Path], top: Path) -> list[str]:
    """The files that were measured in data files and lie elsewhere than the sources do.

    That is outside of the work tree, or where packages are installed within it.
    """
    names = {name for part in parts for name in measured_names(part)}
    return elsewhere(names, top)


def lines_of_current(top: Path) -> list[dict[str, object]]:
    """A line of notes for each installed file that coverage.py measured in this process so far.

    None where the project's settings map no paths: then no name is about to be lost.
    """
    import coverage

    current = coverage.Coverage.current()
    if current is None or not current.get_option("paths"):
        return []
    with warnings.catch_warnings():  # they will be given when the data is saved
        warnings.simplefilter("ignore")
        names = current.get_data().measured_files()
    return _lines(elsewhere(names, top))


def lines_of_parts(data_file: Path, began: int, top: Path) -> list[dict[str, object]]:
    """The same for the parallel data that processes wrote next to ``data_file`` since ``began``."""
    parts = data_file.parent.glob(f"{data_file.name}.*")
    return _lines(copies_of([part for part in parts if part.stat().st_mtime_ns >= began], top))


def refuse_other_copies(
    copies: Iterable[str],
    scratch: Path,
    tree: WorkTree,
    digests: Mapping[str, frozenset[str]] | None = None,
) -> None:
    """Raises ``NothingToJudgeError`` for a copy that is not the text of the source it stands for.

    ``copies`` are absolute paths. ``digests`` are the SHA-256 of the texts that ran, where those
    were noted; else the copies are read.
    """
    with explained(tree):
        mapped = _mapped(sorted(copies), scratch, os.fspath(tree.folder))
    for copy, source in mapped.items():
        path = os.path.join(tree.folder, source)
        texts = (digests or {}).get(copy) or {digest(Path(copy))} - {""}
        if texts and os.path.normpath(copy) != path and texts != {digest(Path(path))}:
            shown = os.path.relpath(copy, tree.folder)
            raise NothingToJudgeError(
                f"{shown} ran in place of {os.path.relpath(path, tree.folder)}, which is another "
                "text",
                "Install the project again where the tests run, and run them again.",
            )


def _lines(names: Iterable[str]) -> list[dict[str, object]]:
    return [{"copy": name, "sha256": digest(Path(name))} for name in names]


def elsewhere(names: Iterable[str], top: Path) -> list[str]:
    """Those of the measured names that exist outside of the work tree, or among its packages."""
    inside = os.path.join(top, "")
    return sorted(
        name
        for name in names
        if os.path.isfile(name)  # noqa: PTH113 - the name is a text
        and not (
            os.path.realpath(name).startswith(inside)
            and not any(f"{os.sep}{folder}{os.sep}" in name for folder in PACKAGES)
        )
    )


def _mapped(names: list[str], scratch: Path, folder: str) -> dict[str, str]:
    """The path for which each name stands by ``[paths]``, those alone that stand for another.

    No report of coverage.py says which is which, so each name has a line of its own here.
    """
    from coverage import Coverage, CoverageData

    if not names:
        return {}
    with warnings.catch_warnings():  # of its settings the report warns
        warnings.simplefilter("ignore")
        combined = without_debug_file(Coverage(data_file=os.fspath(scratch / "copies-mapped")))
    if not combined.get_option("paths"):
        return {}
    data = CoverageData(basename=os.fspath(scratch / "copies"))
    data.add_lines({name: [number] for number, name in enumerate(names, 1)})
    data.write()
    with plugins.importable(combined, folder):
        combined.combine([os.fspath(scratch / "copies")], strict=True, keep=True)
    found = combined.get_data()
    mapped = {
        names[line - 1]: path for path in found.measured_files() for line in found.lines(path) or ()
    }
    data.close()
    found.close()
    return {name: path for name, path in mapped.items() if path != name}
