"""Pages of coverage.py's HTML report, each with its own rows and loose from its neighbours."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from covsync.measure.analysis.packing import packed, unpacked
from covsync.measure.analysis.summary import UnknownFormError
from covsync.measure.pages.source import around, loosened, timeless
from covsync.measure.pages.table import FILES, PLURALS, Row, check_totals, rows_of
from covsync.measure.report_settings import precision

if TYPE_CHECKING:
    from coverage import Coverage


def loose_pages(reporter: Coverage, names: Mapping[str, str], scratch: Path) -> dict[str, bytes]:
    """Each file's page and rows, from one report over all files ``names``.

    These are the paths that reports show, by measured name. Raises ``UnknownFormError``.
    """
    folder = scratch / f"html-{len(list(scratch.iterdir()))}"
    reporter.html_report(
        list(names), directory=os.fspath(folder), skip_covered=False, skip_empty=False
    )
    tables = {}
    for name in PLURALS:
        page = (folder / name).read_bytes().decode("ascii")
        tables[name] = rows_of(page)
        check_totals(page, tables[name], precision(reporter))
    rows = tables[FILES]
    links = [row.link for row in rows]
    by_path = {path: name for name, path in names.items()}
    paths = [next(filter(by_path.__contains__, row.paths()), "") for row in rows]
    if sorted(paths) != sorted(by_path) or len(set(links)) != len(links):
        raise UnknownFormError
    pages = {}
    for at, row in enumerate(rows):
        text = (folder / html.unescape(row.link)).read_bytes().decode("ascii")
        page = loosened(timeless(text), *around(links, at))
        own = {
            name: [each.text for each in table if each.link == row.link]
            for name, table in tables.items()
        }
        pages[by_path[paths[at]]] = packed(f"{json.dumps(own)}\n{page}")
    for path in folder.iterdir():
        path.unlink()
    return pages


def html_of(packed_page: bytes) -> tuple[str, dict[str, list[Row]]]:
    """A source's loose page, and its rows by the table they belong to."""
    rows, _, page = unpacked(packed_page).partition("\n")
    return page, {name: list(map(Row.of, texts)) for name, texts in json.loads(rows).items()}
