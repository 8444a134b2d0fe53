"""coverage.py's results for a batch of files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from covsync.measure.coverage_options import precision
from covsync.measure.json_report import Entry, UnexpectedOutputError, sum_up

if TYPE_CHECKING:
    from coverage import Coverage

LEFT_OUT = Entry("", b"")


class Batch(NamedTuple):
    """The files to analyse: by measured name the path that reports show, and what is wanted."""

    paths: Mapping[str, str]
    entries: bool
    pages: bool


class Results(NamedTuple):
    """The results of files by measured name.

    ``meta`` is the JSON report's, less the time of day; ``entries`` are each file's in it.
    ``pages`` are the pages of the HTML report, as ``html.split`` has them. A file that coverage.py
    leaves out, as it is no Python, has the entry ``LEFT_OUT`` and no page.
    """

    meta: dict[str, Any]
    entries: dict[str, Entry]
    pages: dict[str, bytes]


def analyse_batch(reporter: Coverage, batch: Batch, scratch: Path) -> Results:
    """The results of a batch. Raises what coverage.py does, or ``UnexpectedOutputError``."""
    meta: dict[str, Any] = {}
    entries: dict[str, Entry] = {}
    paths = dict(batch.paths)
    if batch.entries:
        document = coverage_json(reporter, list(paths), scratch)
        meta, files = document["meta"], document["files"]
        if not set(files) <= set(paths.values()) or not _adds_up(document, reporter):
            raise UnexpectedOutputError
        entries = {
            name: Entry.of(files[path]) if path in files else LEFT_OUT
            for name, path in paths.items()
        }
        paths = {name: path for name, path in paths.items() if path in files}
    pages: dict[str, bytes] = {}
    if batch.pages and paths:
        from covsync.measure.html.split import split_pages

        pages = split_pages(reporter, paths, scratch)
    return Results(meta, entries, pages)


def is_no_python(name: str) -> bool:
    """Whether coverage.py silently leaves out a file of this name that it cannot parse.

    It does so with a template. Of a file of Python it warns each time, or fails.
    """
    ending = os.path.splitext(name)[1]  # noqa: PTH122 - the name is a text
    return bool(ending) and not ending.startswith(".py")


def coverage_json(reporter: Coverage, names: list[str], scratch: Path) -> dict[str, Any]:
    """What ``coverage json`` says of the files ``names``, less the time of day."""
    outfile = scratch / "coverage.json"
    reporter.json_report(names, outfile=os.fspath(outfile), pretty_print=False)
    document: dict[str, Any] = json.loads(outfile.read_bytes())
    outfile.unlink()
    del document["meta"]["timestamp"]
    for entry in document["files"].values():
        for contexts in entry.get("contexts", {}).values():
            contexts.sort()  # coverage.py has them in any order
    return document


def _adds_up(document: Mapping[str, Any], reporter: Coverage) -> bool:
    """Whether a JSON report's totals are what covsync makes of its files, to the last byte."""
    if not document["files"]:
        return True
    totals = sum_up((each["summary"] for each in document["files"].values()), precision(reporter))
    return json.dumps(totals) == json.dumps(document["totals"])
