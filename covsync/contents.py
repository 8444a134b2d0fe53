"""What files hold, without holding it: of a large project the pages take hundreds of megabytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from covsync.model import blob_id_of_pieces

PACKED_PIECE = 1 << 14


class Content:
    """What a file holds: ``make`` makes it each time it is read."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._blob_ids: dict[str, str] = {}

    def read(self) -> bytes:
        """All of it."""
        return self._make()

    def pieces(self) -> tuple[int, Iterable[bytes]]:
        """Its length in bytes, and all of it piece by piece."""
        content = self.read()
        return len(content), [content]

    def blob_id(self, object_format: str) -> str:
        """Its object name in git; the format is ``sha1`` or ``sha256``."""
        if object_format not in self._blob_ids:
            self._blob_ids[object_format] = blob_id_of_pieces(*self.pieces(), object_format)
        return self._blob_ids[object_format]


class PackedContent(Content):
    """What a long file holds, packed by zlib while its ``pieces`` come, and unpacked when read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(lambda: b"".join(self._unpacked()))
        packer = zlib.compressobj(1)
        self._length = 0
        self._packed = bytearray()
        for piece in pieces:
            self._length += len(piece)
            self._packed += packer.compress(piece)
        self._packed += packer.flush()

    def pieces(self) -> tuple[int, Iterable[bytes]]:
        """As ``Content.pieces``, of which none is long."""
        return self._length, self._unpacked()

    def _unpacked(self) -> Iterator[bytes]:
        unpacker = zlib.decompressobj()
        for start in range(0, len(self._packed), PACKED_PIECE):
            yield unpacker.decompress(self._packed[start : start + PACKED_PIECE])


class Files(Mapping[str, bytes]):
    """Files by path, as bytes or as what makes them."""

    def __init__(self, contents: Mapping[str, bytes | Content]) -> None:
        self._contents = {
            path: Content(partial(bytes, each)) if isinstance(each, bytes) else each
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
