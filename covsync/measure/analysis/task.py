"""Some files analysed by coverage.py, each one's result on its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from covsync.measure.analysis.packing import packed_entry
from covsync.measure.analysis.summary import UnknownFormError, summed
from covsync.measure.report_settings import precision

if TYPE_CHECKING:
    from coverage import Coverage


class Task(NamedTuple):
    """The files ``names`` by their measured name, with the path that reports show."""

    names: Mapping[str, str]
    entries: bool
    pages: bool


class Result(NamedTuple):
    """What a task brought: by measured name the ``entries`` and ``pages``, as they are kept.

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
        if not set(files) <= set(names.values()) or not _adds_up(document, reporter):
            raise UnknownFormError
        for name, path in task.names.items():
            entries[name] = packed_entry(files[path]) if path in files else b""
            if path not in files:
                del names[name]
    pages: dict[str, bytes] = {}
    if task.pages and names:
        from covsync.measure.pages.loose import loose_pages

        pages = loose_pages(reporter, names, scratch)
    return Result(meta, entries, pages)


def is_no_python(name: str) -> bool:
    """Whether coverage.py leaves out a file that cannot be parsed without a word, as a template is.

    Of others it warns each time, or fails.
    """
    ending = os.path.splitext(name)[1]  # noqa: PTH122 - the name is a text
    return bool(ending) and not ending.startswith(".py")


def coverage_json(reporter: Coverage, names: list[str], scratch: Path) -> dict[str, Any]:
    """What ``coverage json`` says of the files ``names``, less the time of day."""
    outfile = scratch / "coverage.json"
    with _encoded_at_once():
        reporter.json_report(names, outfile=os.fspath(outfile), pretty_print=False)
    with outfile.open(encoding="utf-8") as stream:
        document: dict[str, Any] = json.load(stream)
    outfile.unlink()
    del document["meta"]["timestamp"]
    for entry in document["files"].values():
        for contexts in entry.get("contexts", {}).values():
            contexts.sort()  # coverage.py has them in any order
    return document


@contextmanager
def _encoded_at_once() -> Iterator[None]:
    """Has ``json.dump`` write what ``json.dumps`` makes: the same text, by C instead of Python."""

    def dump(document: object, stream: IO[str], **options: Any) -> None:  # noqa: ANN401 - json's
        stream.write(json.dumps(document, **options))

    usual = json.dump
    json.dump = dump  # type: ignore[assignment]
    try:
        yield
    finally:
        json.dump = usual


def _adds_up(document: Mapping[str, Any], reporter: Coverage) -> bool:
    """Whether a JSON report's totals are what covsync makes of its files, to the last byte."""
    if not document["files"]:
        return True
    totals = summed((each["summary"] for each in document["files"].values()), precision(reporter))
    return json.dumps(totals) == json.dumps(document["totals"])
