"""``history.jsonl``: a line a publication, from which the trend is drawn."""

from __future__ import annotations

import json

from covsync.model import Report, Source
from covsync.render.data_json import iso_time


def history_jsonl(published: bytes, report: Report, source: Source) -> bytes:
    """``published`` with this measurement's line in its place, by the commits' times.

    A commit has one line: measured again, the newer figures stand. A line that cannot be read is
    kept as it is, at the beginning.
    """
    unread: list[bytes] = []
    known: dict[str, tuple[str, bytes]] = {}
    for line in [*published.split(b"\n"), _line(report, source)]:
        key = _key(line)
        if key is None:
            unread += [line] if line.strip() else []
        else:
            known[key[1]] = (key[0], line)
    ordered = sorted((at, commit, line) for commit, (at, line) in known.items())
    return b"".join(line + b"\n" for line in [*unread, *(line for _, _, line in ordered)])


def _key(line: bytes) -> tuple[str, str] | None:
    try:
        entry = json.loads(line)
        at, commit = entry["committed_at"], entry["commit"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (at, commit) if isinstance(at, str) and isinstance(commit, str) else None


def _line(report: Report, source: Source) -> bytes:
    totals = report.totals
    entry: dict[str, object] = {
        "commit": source.commit,
        "committed_at": iso_time(source.committed_at),
        "percent_covered": float(totals.percent_covered),
        "num_statements": totals.statements,
        "missing_lines": totals.missing,
        "excluded_lines": totals.excluded,
    }
    if report.has_branches:
        entry |= {
            "num_branches": totals.branches,
            "num_partial_branches": totals.partial_branches,
            "missing_branches": totals.missing_branches,
        }
    return json.dumps(entry).encode()
