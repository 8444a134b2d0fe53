"""Pages of coverage.py's HTML report, each without the links to its neighbours."""

from __future__ import annotations

import html
import json
import os
import re
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from covsync.measure.coverage_options import precision
from covsync.measure.html.index_table import FILES, PLURALS, Row, check_totals, rows_of
from covsync.measure.json_report import UnexpectedOutputError, compressed, decompressed

if TYPE_CHECKING:
    from coverage import Coverage

# The line of coverage.py's page templates with the time of day. A source line cannot look like it,
# as a page shows "<" of a source as an entity.
CREATED_AT = re.compile(r"(>coverage\.py v[^<]*</a>),\s*created at [^<]*(?=</p>)")
# Nor can one look like these: it has "&" as an entity too.
TO_PREVIOUS = '">&#xab; prev</a>'
TO_NEXT = '">&#xbb; next</a>'
LINKS_EACH = 2
PREVIOUS, NEXT = "\0previous", "\0next"


def split_pages(reporter: Coverage, paths: Mapping[str, str], scratch: Path) -> dict[str, bytes]:
    """Each file's page and its rows in the tables, compressed, from one report on all files.

    ``paths`` are those that reports show, by measured name. Raises ``UnexpectedOutputError``.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    reporter.html_report(
        list(paths), directory=os.fspath(folder), skip_covered=False, skip_empty=False
    )
    tables = {}
    for name in PLURALS:
        page = _text_of(folder / name)
        tables[name] = rows_of(page)
        check_totals(page, tables[name], precision(reporter))
    rows = tables[FILES]
    links = [row.link for row in rows]
    names = {path: name for name, path in paths.items()}
    shown = [next(filter(names.__contains__, row.paths()), "") for row in rows]
    if sorted(shown) != sorted(names) or len(set(links)) != len(links):
        raise UnexpectedOutputError
    pages = {}
    for at, path in enumerate(shown):
        text = _text_of(folder / html.unescape(links[at]))
        page = without_links(without_time(text), *neighbours(links, at))
        own_rows = {
            name: [each.text for each in table if each.link == links[at]]
            for name, table in tables.items()
        }
        pages[names[path]] = compressed(json.dumps(own_rows)) + compressed(page)
    for each in folder.iterdir():
        each.unlink()
    return pages


def rows_in(content: bytes, table: str) -> list[Row]:
    """The rows of one of the tables that come with a page of ``split_pages``."""
    rows = zlib.decompressobj().decompress(content)
    return list(map(Row.of, json.loads(rows)[table]))


def page_in(content: bytes) -> str:
    """A page of ``split_pages`` itself."""
    rows = zlib.decompressobj()
    rows.decompress(content)
    return decompressed(rows.unused_data)


def without_time(page: str) -> str:
    """A page without the time at which it was made."""
    return CREATED_AT.sub(r"\1\n        ", page)


def without_links(page: str, previous: str, following: str) -> str:
    """A page with marks in place of the links to its neighbours.

    Raises ``UnexpectedOutputError``.
    """
    if "\0" in page:
        raise UnexpectedOutputError
    for link, end, mark in ((previous, TO_PREVIOUS, PREVIOUS), (following, TO_NEXT, NEXT)):
        if page.count(end) != LINKS_EACH or page.count(f'href="{link}{end}') != LINKS_EACH:
            raise UnexpectedOutputError
        page = page.replace(f'href="{link}{end}', f'href="{mark}{end}')
    return page


def with_links(page: str, previous: str, following: str) -> str:
    """A page of ``without_links`` with links to other neighbours."""
    return page.replace(PREVIOUS, previous).replace(NEXT, following)


def neighbours(links: Sequence[str], at: int) -> tuple[str, str]:
    """The neighbours of the page at a place in the report; at the ends that is the index."""
    return (
        links[at - 1] if at else FILES,
        links[at + 1] if at + 1 < len(links) else FILES,
    )


def _text_of(page: Path) -> str:
    """A page's text. Raises ``UnexpectedOutputError``."""
    content = page.read_bytes() if page.is_file() else b"\xff"
    if not content.isascii():
        raise UnexpectedOutputError
    return content.decode()
