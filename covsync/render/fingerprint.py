"""The fingerprint of a publication, stored in its ``data.json``. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from covsync.limits import OWN_PART, limit

KEY = b', "covsync": '


def stamp(
    fingerprint: str | None, head: Iterable[bytes], blobs: Mapping[str, str]
) -> dict[str, str]:
    """What ``data.json`` says of a publication: what it was made from, and what it is made of.

    ``head`` is ``data.json`` up to covsync's own part, in pieces; ``blobs`` are the object names of
    the other files by path. Without a ``fingerprint`` of what it was made from there is nothing to
    say.
    """
    if fingerprint is None:
        return {}
    of_head = hashlib.sha256()
    for piece in head:
        of_head.update(piece)
    digest = hashlib.sha256(of_head.digest())
    for path, blob in sorted(blobs.items()):
        digest.update(f"{path}\0{blob}\0".encode("utf-8", "surrogateescape"))
    return {"fingerprint": fingerprint, "content": digest.hexdigest()}


def stamped(head: Iterable[bytes], own: Mapping[str, object]) -> Iterator[bytes]:
    """The whole ``data.json``, in pieces."""
    yield from head
    yield KEY + json.dumps(own).encode() + b"}\n"


def fingerprint_of(data: bytes | None) -> str | None:
    """The fingerprint in a published ``data.json``, ``None`` where it has none."""
    found = own_part(data)[1].get("fingerprint")
    return found if isinstance(found, str) else None


def is_intact(data: bytes | None, blobs: Mapping[str, str]) -> bool:
    """Whether a published ``data.json`` and the files beside it are what covsync made."""
    head, own = own_part(data)
    expected = stamp(fingerprint_of(data), [head], blobs)
    return bool(expected) and all(own.get(key) == value for key, value in expected.items())


def own_part(data: bytes | None) -> tuple[bytes, Mapping[str, Any]]:
    """A ``data.json`` up to covsync's own part, and that; read without the megabytes before."""
    head, _, tail = (data or b"").rpartition(KEY)
    if len(tail) > limit(OWN_PART):
        return b"", {}
    try:
        own = json.loads(tail.removesuffix(b"}\n"))
    except (ValueError, RecursionError):
        return b"", {}
    return (head, own) if isinstance(own, dict) else (b"", {})
