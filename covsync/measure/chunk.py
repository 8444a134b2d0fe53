"""Some files analysed by coverage.py, each one's result on its own."""

from __future__ import annotations

import html
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covsync.measure.index_page import FILES, PLURALS, Row, UnknownFormError, check_totals, rows_of
from covsync.measure.source_page import around, loosened, timeless
from covsync.measure.summary import summed

if TYPE_CHECKING:
    from coverage import Coverage


@dataclass(frozen=True, slots=True)
class Task:
    """The files ``names`` by their measured name, with the path that reports show."""

    names: Mapping[str, str]
    entries: bool
    pages: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a task brought: by measured name the ``entries`` and ``pages``, packed.

    A file that coverage.py leaves out, as it is no Python, has an empty entry and no page. ``meta``
    is the JSON report's, less the time.
    """

    meta: dict[str, Any]
    entries: dict[str, bytes]
    pages: dict[str, bytes]


def analysed(reporter: Coverage, task: Task, scratch: Path) -> Result:
    """The results of a task. Raises what coverage.py does, or ``UnknownFormError``."""
    meta: dict[str, Any] = {}
    entries: dict[str, bytes] = {}
    names = dict(task.names)
    if task.entries:
        document = coverage_json(reporter, list(names), scratch)
        meta, files = document["meta"], document["files"]
        if not set(files) <= set(names.values()) or not adds_up(document, reporter):
            raise UnknownFormError
        for name, path in task.names.items():
            entries[name] = packed(json.dumps(files[path])) if path in files else b""
            if path not in files:
                del names[name]
    pages = _pages(reporter, names, scratch) if task.pages and names else {}
    return Result(meta, entries, pages)


def coverage_json(reporter: Coverage, names: list[str], scratch: Path) -> dict[str, Any]:
    """What ``coverage json`` says of the files ``names``, less the time of day."""
    outfile = scratch / "coverage.json"
    reporter.json_report(names, outfile=os.fspath(outfile), pretty_print=False)
    with outfile.open(encoding="utf-8") as stream:
        document: dict[str, Any] = json.load(stream)
    outfile.unlink()
    del document["meta"]["timestamp"]
    return document


def adds_up(document: Mapping[str, Any], reporter: Coverage) -> bool:
    """Whether a JSON report's totals are what covsync makes of its files, to the last byte."""
    if not document["files"]:
        return True
    totals = summed((each["summary"] for each in document["files"].values()), precision(reporter))
    return json.dumps(totals) == json.dumps(document["totals"])


def packed(text: str) -> bytes:
    """A text as it is kept."""
    return zlib.compress(text.encode(), 1)


def unpacked(content: bytes) -> str:
    """The text that was ``packed``. Raises ``ValueError`` where it is damaged."""
    try:
        return zlib.decompress(content).decode()
    except zlib.error as error:
        raise ValueError(str(error)) from None


def summary_of(entry: bytes) -> dict[str, Any]:
    """The figures in a packed entry, which come before those of its functions and classes."""
    text = unpacked(entry)
    name = '"summary": '
    summary, _ = json.JSONDecoder().raw_decode(text, text.index(name) + len(name))
    return dict(summary)


def packed_meta(meta: Mapping[str, Any]) -> bytes:
    """The JSON report's ``meta`` as it is kept."""
    return packed(json.dumps(meta))


def meta_of(content: bytes) -> dict[str, Any]:
    """The ``meta`` that was packed. Raises ``ValueError``."""
    meta = json.loads(unpacked(content))
    return dict(meta)


def html_of(packed_page: bytes) -> tuple[str, dict[str, list[Row]]]:
    """A source's loose page, and its rows by the table they belong to."""
    rows, _, page = unpacked(packed_page).partition("\n")
    return page, {name: list(map(Row.of, texts)) for name, texts in json.loads(rows).items()}


def _pages(reporter: Coverage, names: Mapping[str, str], scratch: Path) -> dict[str, bytes]:
    """Each file's page and rows, from one report over them all."""
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
    if sorted(row.path() for row in rows) != sorted(by_path) or len(set(links)) != len(links):
        raise UnknownFormError
    pages = {}
    for at, row in enumerate(rows):
        text = (folder / html.unescape(row.link)).read_bytes().decode("ascii")
        page = loosened(timeless(text), *around(links, at))
        own = {
            name: [each.text for each in table if each.link == row.link]
            for name, table in tables.items()
        }
        pages[by_path[row.path()]] = packed(f"{json.dumps(own)}\n{page}")
    for path in folder.iterdir():
        path.unlink()
    return pages


def precision(reporter: Coverage) -> int:
    """The decimals that percentages are shown with."""
    value = reporter.get_option("report:precision")
    return value if isinstance(value, int) else 0
