"""How results are kept: in few bytes, the figures of a file before the rest. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any


def packed(text: str) -> bytes:
    """A text as it is kept."""
    return zlib.compress(text.encode(), 1)


def unpacked(content: bytes) -> str:
    """The text that was ``packed``."""
    return zlib.decompress(content).decode()


def packed_entry(entry: Mapping[str, Any]) -> bytes:
    """A file's entry in the JSON report as it is kept: its figures, and all of it packed."""
    return json.dumps(entry["summary"]).encode() + b"\n" + packed(json.dumps(entry))


def parts_of(entry: bytes) -> tuple[dict[str, Any], bytes]:
    """The figures of a kept entry, and the packed text of all of it."""
    summary, _, text = entry.partition(b"\n")
    return json.loads(summary), text


def packed_meta(meta: Mapping[str, Any]) -> bytes:
    """The JSON report's ``meta`` as it is kept."""
    return packed(json.dumps(meta))


def meta_of(content: bytes) -> dict[str, Any]:
    """The ``meta`` that was packed."""
    meta = json.loads(unpacked(content))
    return dict(meta)
