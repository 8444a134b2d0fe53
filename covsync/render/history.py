"""``history.jsonl``: a line for each publication, from which the trend is drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from covsync.errors import PublicationError
from covsync.limits import HISTORY_LINES, exceeded, limit
from covsync.model import Report, Source, Totals
from covsync.render.badge import message_of
from covsync.render.data_json import iso_time, source_of

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
COUNTS = (
    *("num_statements", "missing_lines", "excluded_lines"),
    *("num_branches", "num_partial_branches", "missing_branches"),
)
BOUNDING = frozenset(("num_statements", "missing_lines"))


def history_jsonl(published: bytes, report: Report, source: Source) -> bytes:
    """``published`` with this measurement's line in its place, by the commits' times."""
    return merged_history([*history_lines(published), _line(report, source)])


def history_lines(history: bytes) -> list[bytes]:
    """The lines of a ``history.jsonl``. Raises ``PublicationError`` where there are too many."""
    if history.count(b"\n") > limit(HISTORY_LINES):
        raise PublicationError.of(exceeded("history.jsonl", HISTORY_LINES, "lines"))
    return history.split(b"\n")


def merged_history(lines: Iterable[bytes]) -> bytes:
    """The ``lines``, a commit's last one only, in the order of the commits' times.

    A commit has one line: measured again, the newer figures stand. A line that cannot be read is
    kept as it is, at the beginning.
    """
    unread: list[bytes] = []
    by_commit: dict[str, tuple[str, bytes]] = {}
    for line in lines:
        key = _key(line)
        if key is None:
            unread += [line] if line.strip() else []
        else:
            by_commit[key[1]] = (key[0], line)
    ordered = sorted((at, commit, line) for commit, (at, line) in by_commit.items())
    return b"".join(line + b"\n" for line in [*unread, *(line for _, _, line in ordered)])


def _key(line: bytes) -> tuple[str, str] | None:
    try:
        entry = json.loads(line)
        at, commit = entry["committed_at"], entry["commit"] or entry["published_in"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_known = isinstance(commit, str) and isinstance(at, str) and TIME.fullmatch(at)
    return (at, commit) if is_known else None


def publications(history: bytes) -> int:
    """How many publications ``history`` holds."""
    return sum(_key(line) is not None for line in history_lines(history))


def carried_line(data: bytes | None, endpoint: bytes | None, published: Source) -> bytes | None:
    """The line of an old publication: what its ``data.json`` says, or else its ``endpoint.json``.

    ``published`` is the data branch's commit that held them. Another generator of this layout does
    not say which commit it measured; there ``commit`` is null, ``published_in`` names the data
    branch's commit, and the time is that one's. ``None`` where neither file holds a figure.
    """
    figures = _figures(data)
    if figures is None:
        message = message_of(endpoint)
        figures = None if message is None else {"percent_covered": float(message)}
    if figures is None:
        return None
    source = source_of(data)
    unknown = {
        "commit": None,
        "committed_at": iso_time(published.committed_at),
        "published_in": published.commit,
    }
    return json.dumps({**(_stamp(source) if source else unknown), **figures}).encode()


def _figures(data: bytes | None) -> dict[str, object] | None:
    """The total and its counts in a ``data.json``, the counts as far as they are there.

    The percentage is what the counts make: the layout's other generator has written another one
    beside them, of the lines alone.
    """
    try:
        document = json.loads(data or b"")
        totals = document["raw_data"]["totals"]
        counts = {name: totals[name] for name in COUNTS if type(totals.get(name)) is int}
        percent = _counted(counts) if counts.keys() >= BOUNDING else float(document["coverage"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return {"percent_covered": percent, **counts} if 0 <= percent <= 100 else None


def _counted(counts: Mapping[str, int]) -> float:
    totals = Totals(
        statements=counts["num_statements"],
        missing=counts["missing_lines"],
        branches=counts.get("num_branches", 0),
        missing_branches=counts.get("missing_branches", 0),
    )
    return float(totals.percent_covered)


def _stamp(source: Source) -> dict[str, object]:
    return {"commit": source.commit, "committed_at": iso_time(source.committed_at)}


def _line(report: Report, source: Source) -> bytes:
    totals = report.totals
    entry: dict[str, object] = {
        **_stamp(source),
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
