"""``data.json``: the measurement for programs, in the layout that existing readers know."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone

from covsync.model import Report, Source

SCHEMA = 1
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def data_json(report: Report, source: Source, coverage_path: str) -> bytes:
    """The document: three keys as readers of this layout expect them, and covsync's own.

    ``coverage`` is the nearest float to the exact percentage, ``raw_data`` what ``coverage json``
    writes, stamped with the source commit's time instead of the time of day. ``coverage_path`` is
    the project's folder within the repository.
    """
    at = iso_time(source.committed_at)
    raw = dict(report.coverage_json)
    raw["meta"] = {**raw["meta"], "timestamp": at.removesuffix("Z")}
    document = {
        "coverage": float(report.totals.percent_covered),
        "raw_data": raw,
        "coverage_path": coverage_path,
        "covsync": {"schema": SCHEMA, "commit": source.commit, "committed_at": at},
    }
    return json.dumps(document, allow_nan=False).encode() + b"\n"


def source_of(text: bytes | None) -> Source | None:
    """The commit a published ``data.json`` was made from, ``None`` if covsync did not make it."""
    try:
        stamp = json.loads(text or b"")["covsync"]
        at = datetime.fromisoformat(stamp["committed_at"].replace("Z", "+00:00"))
        source = Source(stamp["commit"], int(at.timestamp()))
        known = COMMIT.fullmatch(source.commit) and source.committed_at >= 0
        return source if known and iso_time(source.committed_at) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def holds_coverage(data: bytes | None, endpoint: bytes | None) -> bool:
    """Whether a branch's ``data.json`` or ``endpoint.json`` were made by a tool of this layout."""
    for text, keys in ((data, {"coverage", "raw_data"}), (endpoint, {"schemaVersion", "message"})):
        try:
            document = json.loads(text or b"")
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and keys <= document.keys():
            return True
    return False


def iso_time(seconds: int) -> str:
    """A Unix time as ISO 8601 in UTC: ``2026-11-21T02:21:59Z``."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
