"""File contents that are made when they are read, as a large report would fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from covsync.model import blob_id_of_pieces

PACKED_PIECE = 1 << 14


class Content:
    """What a file holds. Each time it is read, ``pieces`` makes it: its length in bytes, and it."""

    def __init__(self, pieces: Callable[[], tuple[int, Iterable[bytes]]]) -> None:
        self.pieces = pieces
        self.length = 0  # in bytes, once its blob_id was asked for
        self._blob_ids: dict[str, str] = {}

    @classmethod
    def of(cls, content: bytes) -> Content:
        """A content that is at hand."""
        return cls.made_by(lambda: content)

    @classmethod
    def made_by(cls, make: Callable[[], bytes]) -> Content:
        """A content that is made as a whole."""
        return cls(partial(_whole, make))

    @classmethod
    def packed(cls, pieces: Iterable[bytes]) -> Content:
        """A long content, compressed by zlib while its ``pieces`` come."""
        packer = zlib.compressobj(1)
        length = 0
        packed = bytearray()
        for piece in pieces:
            length += len(piece)
            packed += packer.compress(piece)
        packed += packer.flush()
        return cls(partial(_unpacked, length, bytes(packed)))

    def read(self) -> bytes:
        """All of it."""
        _, pieces = self.pieces()
        return b"".join(pieces)

    def blob_id(self, object_format: str) -> str:
        """Its object name in git; the format is ``sha1`` or ``sha256``."""
        if object_format not in self._blob_ids:
            self.length, pieces = self.pieces()
            self._blob_ids[object_format] = blob_id_of_pieces(self.length, pieces, object_format)
        return self._blob_ids[object_format]


def _whole(make: Callable[[], bytes]) -> tuple[int, Iterable[bytes]]:
    content = make()
    return len(content), [content]


def _unpacked(length: int, packed: bytes) -> tuple[int, Iterable[bytes]]:
    unpacker = zlib.decompressobj()
    starts = range(0, len(packed), PACKED_PIECE)
    return length, (unpacker.decompress(packed[at : at + PACKED_PIECE]) for at in starts)


class Files(Mapping[str, bytes]):
    """Files by path; each is given as bytes or as a ``Content``."""

    def __init__(self, contents: Mapping[str, bytes | Content]) -> None:
        self._contents = {
            path: Content.of(each) if isinstance(each, bytes) else each
            for path, each in contents.items()
        }

    def __getitem__(self, path: str) -> bytes:
        return self._contents[path].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)

    def content(self, path: str) -> Content:
        """A file's content, not read yet."""
        return self._contents[path]

    def below(self, folder: str) -> Files:
        """The same files in a ``folder``, which is empty or ends with a slash."""
        return Files({folder + path: content for path, content in self._contents.items()})

    def only(self, paths: Iterable[str]) -> Files:
        """Those of the files that are at some of the ``paths``."""
        return Files({path: self._contents[path] for path in paths if path in self._contents})

    def joined(self, others: Mapping[str, bytes | Content]) -> Files:
        """These files and ``others``, which replace them where both have a path."""
        return Files({**self._contents, **others})
