"""How the store writes a snapshot's facts and a file's lines, and reads them again. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from covsync.model import Lines, MeasuredFile, ReportStyle, Snapshot


def facts(snapshot: Snapshot) -> str:
    """What there is to know of a snapshot besides its files."""
    known = snapshot._asdict()
    del known["files"]
    known["fail_under"] = None if snapshot.fail_under is None else str(snapshot.fail_under)
    known["seen"] = sorted(snapshot.seen - snapshot.files.keys())
    return json.dumps(known)


def snapshot(text: str, files: Mapping[str, MeasuredFile]) -> Snapshot:
    """The snapshot of which ``text`` are the facts. Raises ``ValueError`` and the like."""
    known: dict[str, Any] = json.loads(text)
    known["style"] = ReportStyle(*known["style"])
    known["fail_under"] = None if known["fail_under"] is None else Fraction(known["fail_under"])
    known["omit"], known["exclusions"] = tuple(known["omit"]), tuple(known["exclusions"])
    known["seen"] = frozenset(known["seen"]).union(files)
    return Snapshot(files=files, **known)


def packed(lines: Lines) -> bytes:
    """A file's lines in few bytes."""
    return zlib.compress(json.dumps(lines).encode(), 1)


def unpacked(data: bytes) -> Lines:
    """The lines that were packed. Raises ``zlib.error``, ``ValueError`` or ``TypeError``."""
    executed, missing, excluded, missing_branches, branches = json.loads(zlib.decompress(data))
    return Lines(
        executed=tuple(executed),
        missing=tuple(missing),
        excluded=tuple(excluded),
        missing_branches=tuple((a, b) for a, b in missing_branches),
        executed_branches=tuple((a, b) for a, b in branches),
    )


def compressed(text: bytes | None) -> bytes | None:
    """A text in few bytes, ``None`` where there is none."""
    return None if text is None else zlib.compress(text)
