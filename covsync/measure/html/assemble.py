"""coverage.py's HTML report, put together from split pages, without the time of day."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from covsync.contents import Content, Files
from covsync.errors import CovsyncError
from covsync.measure.coverage_errors import explained
from covsync.measure.coverage_options import contexts_are_harmless, option, precision
from covsync.measure.html.index_table import (
    FILES,
    PLURALS,
    Row,
    Skipping,
    assembled,
)
from covsync.measure.html.page_names import with_plain_names
from covsync.measure.html.split import neighbours, page_in, rows_in, with_links, without_time
from covsync.measure.json_report import UnexpectedOutputError
from covsync.measure.measure import Measurement
from covsync.measure.plugins import importable
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

NOT_PUBLISHED = (".gitignore", "status.json")
SAMPLES_EACH = 2


def html_pages(measurement: Measurement) -> Files:
    """The HTML report's files by their path in it; none for data that holds no sources.

    They are put together from split pages, where what is put together the same way for a few files
    is byte for byte what coverage.py makes of those.
    """
    data = measurement.data
    if data.reporter is None:
        return Files({})
    _refuse_untracked_style(data.reporter, data.tree)
    with explained(data.tree), importable(data.configured, os.fspath(data.tree.folder)):
        return with_plain_names(_pages(data.reporter, measurement))


def _pages(reporter: Coverage, measurement: Measurement) -> Files:
    if measurement.pages:
        try:
            return _put_together(reporter, measurement, measurement.pages)
        except UnexpectedOutputError:
            pass
    data = measurement.data
    data.results.notes.append("coverage.py made the HTML report of all files at once")
    return _written(reporter, data.names, data.scratch / "html")


def _refuse_untracked_style(reporter: Coverage, tree: WorkTree) -> None:
    """coverage.py copies the file that ``[html] extra_css`` names, wherever it lies."""
    style = reporter.get_option("html:extra_css")
    real = os.path.realpath(os.path.join(tree.folder, str(style)))
    if style and os.path.relpath(real, tree.top) not in tree.tracked:
        raise CovsyncError(
            f"{style} (coverage.py's [html] extra_css) is not tracked by git, so it must not be "
            "published",
            "Commit it, or leave the setting out.",
        )


def _written(reporter: Coverage, names: Sequence[str], folder: Path) -> Files:
    """The report as coverage.py writes it into ``folder``, less the time and what is no part of it.

    The files are read from there each time.
    """
    show_contexts = None if contexts_are_harmless(reporter) else False
    reporter.html_report(list(names), directory=os.fspath(folder), show_contexts=show_contexts)
    return Files(
        {
            path.relative_to(folder).as_posix(): Content.made_by(partial(_content, path))
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in NOT_PUBLISHED
        }
    )


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return without_time(content.decode("ascii")).encode() if path.suffix == ".html" else content


class _Parts:
    """The split pages by the path that reports show; ``rows`` are those of the table of files."""

    def __init__(self, pages: Mapping[str, bytes]) -> None:
        self.pages = pages
        self.rows: dict[str, Row] = {}
        for path, content in pages.items():
            rows = rows_in(content, FILES)
            if len(rows) != 1:
                raise UnexpectedOutputError
            self.rows[path] = rows[0]

    def report(
        self, model: Mapping[str, bytes], paths: Sequence[str], skipping: Skipping, precision: int
    ) -> Files:
        """The HTML files of the report on the ``paths``, its tables built like the ``model``'s.

        Pages are made when they are read, and tables packed: together they are 50 KB a file.
        """
        shown = [path for path in paths if not self.rows[path].is_skipped(skipping)]
        links = [self.rows[path].link for path in shown]
        pages: dict[str, Content] = {}
        for at, path in enumerate(shown):
            linked = partial(_linked, self.pages[path], neighbours(links, at))
            pages[html.unescape(links[at])] = Content.made_by(linked)
        for name in PLURALS if shown else [FILES]:
            if name not in model:
                raise UnexpectedOutputError
            ends = _ends(links) if name == FILES else ("", "")
            rows = partial(self._rows, name, paths if name == FILES else shown)
            table = assembled(model[name].decode(), name, rows, skipping, precision, ends)
            pages[name] = Content.packed(map(str.encode, table))
        return Files(pages)

    def _rows(self, table: str, paths: Iterable[str]) -> Iterator[Row]:
        if table == FILES:
            return map(self.rows.__getitem__, paths)
        return (row for path in paths for row in rows_in(self.pages[path], table))


def _ends(links: Sequence[str]) -> tuple[str, str]:
    """The first and the last page; without pages the index links to itself."""
    return (links[0], links[-1]) if links else (FILES, FILES)


def _linked(content: bytes, around: tuple[str, str]) -> bytes:
    """A page as coverage.py writes it, from its split one."""
    return with_links(page_in(content), *around).encode()


def _put_together(
    reporter: Coverage, measurement: Measurement, pages: Mapping[str, bytes]
) -> Files:
    """The report from its parts.

    Raises ``UnexpectedOutputError`` where that of a sample is not the same as coverage.py's.
    """
    parts = _Parts(pages)
    skipping, decimals = _skipping(reporter), precision(reporter)
    names = {path: name for name, path in measurement.data.shown_paths.items()}
    sample = _sample(parts, skipping)
    scratch = measurement.data.scratch / "sample"
    model = _written(reporter, [names[path] for path in sample], scratch)
    made = parts.report(model, sample, skipping, decimals)
    static = model.only(path for path in model if not path.endswith(".html"))
    if made.joined(static) != model:
        raise UnexpectedOutputError
    return parts.report(model, list(pages), skipping, decimals).joined(static)


def _sample(parts: _Parts, skipping: Skipping) -> list[str]:
    """A few of the smallest files, of each sort that is treated in another way, in order."""
    sorts: dict[tuple[bool, bool], list[str]] = {}
    for path in sorted(parts.pages, key=lambda path: len(parts.pages[path])):
        row = parts.rows[path]
        alike = sorts.setdefault(
            (skipping.covered and row.is_covered(), skipping.empty and row.is_empty()), []
        )
        if len(alike) < SAMPLES_EACH:
            alike.append(path)
    chosen = {path for alike in sorts.values() for path in alike}
    return [path for path in parts.pages if path in chosen]


def _skipping(reporter: Coverage) -> Skipping:
    """What coverage.py leaves out: as set for HTML, else as for all reports."""

    def is_set(name: str) -> bool:
        own = option(reporter, f"html:{name}")
        return bool(option(reporter, f"report:{name}") if own is None else own)

    return Skipping(is_set("skip_covered"), is_set("skip_empty"))
