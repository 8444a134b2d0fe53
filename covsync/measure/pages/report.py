"""coverage.py's HTML report as bytes that depend on the coverage alone."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from covsync.errors import CovsyncError
from covsync.measure.analysis.summary import UnknownFormError
from covsync.measure.failures import explained
from covsync.measure.measurement import Measurement
from covsync.measure.pages.loose import html_of
from covsync.measure.pages.names import with_plain_names
from covsync.measure.pages.source import around, linked, timeless
from covsync.measure.pages.table import (
    FILES,
    PLURALS,
    Row,
    Skipping,
    assembled,
    reported,
)
from covsync.measure.report_settings import contexts_are_harmless, precision
from covsync.measure.settings import option
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

NOT_PUBLISHED = (".gitignore", "status.json")
SAMPLES_EACH = 2


def html_pages(measurement: Measurement) -> Mapping[str, bytes]:
    """The HTML report's files by their path in it; none for data that holds no sources.

    They are put together from pages that are known already, where what is put together the same
    way for a few files is byte for byte what coverage.py makes of those.
    """
    coverage = measurement.coverage
    if coverage is None:
        return {}
    _refuse_untracked_style(coverage, measurement.tree)
    with explained(measurement.tree):
        return with_plain_names(_pages(coverage, measurement))


def _pages(coverage: Coverage, measurement: Measurement) -> dict[str, bytes]:
    if measurement.pages:
        try:
            return _put_together(coverage, measurement, measurement.pages)
        except (UnknownFormError, ValueError, KeyError):
            pass
    measurement.notes.append("coverage.py made the HTML report in one piece")
    return _written(coverage, measurement.names, measurement.scratch / "html")


def _refuse_untracked_style(coverage: Coverage, tree: WorkTree) -> None:
    """coverage.py copies the file that ``[html] extra_css`` names, wherever it lies."""
    style = coverage.get_option("html:extra_css")
    real = os.path.realpath(os.path.join(tree.folder, str(style)))
    if style and os.path.relpath(real, tree.top) not in tree.tracked:
        raise CovsyncError(
            f"{style} (coverage.py's [html] extra_css) is not tracked by git, so it must not be "
            "published",
            "Commit it, or leave the setting out.",
        )


def _written(coverage: Coverage, names: Sequence[str], folder: Path) -> dict[str, bytes]:
    """The report as coverage.py writes it, less the time of day and what is no part of it."""
    shown = None if contexts_are_harmless(coverage) else False
    coverage.html_report(list(names), directory=os.fspath(folder), show_contexts=shown)
    return {
        path.relative_to(folder).as_posix(): timeless(path.read_bytes().decode("ascii")).encode()
        if path.suffix == ".html"
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NOT_PUBLISHED
    }


class _Parts:
    """The loose pages by the path that reports show, and their rows in the tables."""

    def __init__(self, packed: Mapping[str, bytes]) -> None:
        self.packed = packed
        self.rows: dict[str, dict[str, list[Row]]] = {
            path: html_of(content)[1] for path, content in packed.items()
        }

    def report(
        self, model: Mapping[str, bytes], paths: Sequence[str], skipping: Skipping, precision: int
    ) -> dict[str, bytes]:
        """The HTML files of the report on the ``paths``, its tables built like the ``model``'s."""
        files = [row for path in paths for row in self.rows[path][FILES]]
        if len(files) != len(paths):
            raise UnknownFormError
        links = [row.link for row in reported(files, skipping)]
        by_link = {row.link: path for row, path in zip(files, paths, strict=True)}
        shown = [by_link[link] for link in links]
        pages = {}
        for at, path in enumerate(shown):
            page, _ = html_of(self.packed[path])
            pages[html.unescape(links[at])] = linked(page, *around(links, at)).encode()
        for name in PLURALS:
            if name != FILES and not shown:
                continue
            rows = (
                files if name == FILES else [row for path in shown for row in self.rows[path][name]]
            )
            ends = (links[0], links[-1]) if links else (FILES, FILES)
            ends = ends if name == FILES else ("", "")
            table = assembled(model[name].decode(), name, rows, skipping, precision, ends)
            pages[name] = table.encode()
        return pages


def _put_together(
    coverage: Coverage, measurement: Measurement, packed: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The report from its parts. Raises ``UnknownFormError`` where a sample comes out otherwise."""
    parts = _Parts(packed)
    skipping, decimals = _skipping(coverage), precision(coverage)
    names = {path: name for name, path in measurement.paths.items()}
    sample = _sample(parts, skipping)
    model = _written(coverage, [names[path] for path in sample], measurement.scratch / "sample")
    made = parts.report(model, sample, skipping, decimals)
    static = {path: content for path, content in model.items() if not path.endswith(".html")}
    if static | made != model:
        raise UnknownFormError
    return static | parts.report(model, list(packed), skipping, decimals)


def _sample(parts: _Parts, skipping: Skipping) -> list[str]:
    """A few of the smallest files, of each sort that is treated in another way, in order."""
    sorts: dict[tuple[bool, bool], list[str]] = {}
    for path in sorted(parts.packed, key=lambda path: len(parts.packed[path])):
        [row] = parts.rows[path][FILES]
        alike = sorts.setdefault(
            (skipping.covered and row.is_covered(), skipping.empty and row.is_empty()), []
        )
        if len(alike) < SAMPLES_EACH:
            alike.append(path)
    chosen = {path for alike in sorts.values() for path in alike}
    return [path for path in parts.packed if path in chosen]


def _skipping(coverage: Coverage) -> Skipping:
    """What coverage.py leaves out: as set for HTML, else as for all reports."""

    def told(name: str) -> bool:
        own = option(coverage, f"html:{name}")
        return bool(option(coverage, f"report:{name}") if own is None else own)

    return Skipping(told("skip_covered"), told("skip_empty"))
