"""The stream from which ``git fast-import`` makes one commit. Pure.

https://git-scm.com/docs/git-fast-import
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from covsync.contents import Files

IDENTITY = b"covsync <covsync@localhost>"


def commit_stream(
    *,
    ref: str,
    message: str,
    at: int,
    parent: str | None,
    tree: str | None,
    removed: Iterable[str],
    written: Files,
) -> Iterator[bytes]:
    """The commands that set ``ref`` to a new commit, piece by piece.

    ``at`` is its time (Unix, written as UTC). It begins with ``parent``'s tree, or else with
    ``tree``, or else empty; then ``removed`` paths go and ``written`` ones come. Raises
    ``ValueError`` for a path that git must not hold.
    """
    yield b"feature done\n"
    yield b"commit %s\n" % os.fsencode(ref)
    yield b"committer %s %d +0000\n" % (IDENTITY, at)
    yield b"data %d\n%s\n" % (len(message.encode()), message.encode())
    if parent:
        yield b"from %s\n" % parent.encode()
    elif tree:
        yield b'M 040000 %s ""\n' % tree.encode()
    for path in removed:  # whatever it is called
        yield b"D %s\n" % _c_style(path)
    for path in written:
        yield b"M 100644 inline %s\n" % quoted(path)
        length, pieces = written.content(path).pieces()
        yield b"data %d\n" % length
        yield from pieces
        yield b"\n"
    yield b"done\n"


def quoted(path: str) -> bytes:
    """``path`` as a C-style string. Raises ``ValueError`` where git would not check it out."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or "\0" in path:
        raise ValueError(f"{path!r} cannot be a path in a git tree")
    return _c_style(path)


def _c_style(path: str) -> bytes:
    escaped = (_escape(byte) for byte in os.fsencode(path))
    return b'"%s"' % b"".join(escaped)


def _escape(byte: int) -> bytes:
    if byte in b'"\\':
        return b"\\%c" % byte
    return b"%c" % byte if 0x20 <= byte < 0x7F else b"\\%03o" % byte
