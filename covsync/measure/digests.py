"""SHA-256, whose module takes longer to load than most checks take to read the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib


def sha256(content: bytes = b"") -> hashlib._Hash:
    """The digest of ``content`` and of what it is updated with."""
    import hashlib

    return hashlib.sha256(content)
