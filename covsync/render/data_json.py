"""``data.json``: the measurement for programs, in the layout that existing readers know."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from covsync.limits import FOREIGN_DATA, limit
from covsync.model import CoverageJson, Report, Source
from covsync.render.fingerprint import own_part, stamped

SCHEMA = 1
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def data_head(report: Report, source: Source, coverage_path: str) -> Iterator[bytes]:
    """The document up to covsync's own part, in pieces.

    It has three keys, as readers of this layout expect them:

    ``coverage`` is the nearest float to the exact percentage, ``raw_data`` what ``coverage json``
    writes, stamped with the source commit's time instead of the time of day. ``coverage_path`` is
    the project's folder within the repository.
    """
    assert report.coverage_json is not None  # noqa: S101 - it was made for publishing
    at = iso_time(source.committed_at)
    yield f'{{"coverage": {_text(float(report.totals.percent_covered))}, "raw_data": '.encode()
    yield from _raw_data(report.coverage_json, at.removesuffix("Z"))
    yield f', "coverage_path": {_text(coverage_path)}'.encode()


def data_json(head: Iterable[bytes], source: Source, stamp: Mapping[str, str]) -> Iterator[bytes]:
    """The document with covsync's own part, in pieces.

    That says which commit it is of, and holds the publication's ``stamp``.
    """
    at = iso_time(source.committed_at)
    own = {"schema": SCHEMA, "commit": source.commit, "committed_at": at, **stamp}
    return stamped(head, own)


def _raw_data(parts: CoverageJson, at: str) -> Iterator[bytes]:
    """All of ``coverage json``, as ``json.dumps`` would write it, in pieces."""
    document = {**parts.document, "meta": {**parts.document["meta"], "timestamp": at}}
    files = _object((path, [zlib.decompress(entry)]) for path, entry in parts.entries.items())
    return _object(
        (key, files if key == "files" else [_text(value).encode()])
        for key, value in document.items()
    )


def _object(members: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """A JSON object in pieces, of its keys and the pieces of their values."""
    before = ""
    yield b"{"
    for key, value in members:
        yield f"{before}{_text(key)}: ".encode()
        yield from value
        before = ", "
    yield b"}"


def _text(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def source_of(text: bytes | None) -> Source | None:
    """The commit a published ``data.json`` was made from, ``None`` if covsync did not make it."""
    try:
        stamp = own_part(text)[1] or _foreign(text)["covsync"]
        at = datetime.fromisoformat(stamp["committed_at"].replace("Z", "+00:00"))
        source = Source(stamp["commit"], int(at.timestamp()))
        is_valid = COMMIT.fullmatch(source.commit) and source.committed_at >= 0
        return source if is_valid and iso_time(source.committed_at) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def holds_coverage(data: bytes | None, endpoint: bytes | None) -> bool:
    """Whether a branch's ``data.json`` or ``endpoint.json`` were made by a tool of this layout."""
    if source_of(data) is not None:
        return True  # read without the megabytes before
    for text, keys in ((data, {"coverage", "raw_data"}), (endpoint, {"schemaVersion", "message"})):
        try:
            document = _foreign(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and keys <= document.keys():
            return True
    return False


def _foreign(text: bytes | None) -> Any:  # noqa: ANN401 - whatever it holds
    """A document of another tool. Raises ``ValueError`` where it is none, or too large."""
    if len(text or b"") > limit(FOREIGN_DATA):
        raise ValueError("too large")
    return json.loads(text or b"")


def iso_time(seconds: int) -> str:
    """A Unix time as ISO 8601 in UTC: ``2026-11-21T02:21:59Z``."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
