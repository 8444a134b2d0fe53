"""Whether a file still holds what was read of it, mostly without reading it again."""

from __future__ import annotations

import hashlib
import os
import time
from typing import NamedTuple

State = tuple[int, ...]
SIZE = 2
# Within this of each other two changes may carry the same time on some file systems.
SAME_TIME_NS = 3_000_000_000


class Text(NamedTuple):
    """What a file held, by its SHA-256, and the file's ``state`` when it was ``read_at``.

    ``read_at`` is in nanoseconds (Unix time).
    """

    digest: str
    state: State
    read_at: int

    def is_still_in(self, path: str) -> bool:
        """Whether the file at ``path`` holds the same.

        Its times and size tell, as they tell git; it is read where it changed so shortly before it
        was read that a later change might not show.
        """
        try:
            now = state_of(path)
            if now == self.state and max(now[:2]) < self.read_at - SAME_TIME_NS:
                return True
            return not os.path.islink(path) and read(path)[0].digest == self.digest  # noqa: PTH114
        except (OSError, ValueError):
            return False


def read(path: str) -> tuple[Text, bytes]:
    """What a file holds. Raises ``OSError``, and ``ValueError`` for what can be no path."""
    state, read_at = state_of(path), time.time_ns()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - much quicker for thousands
        content = stream.read()
    return Text(hashlib.sha256(content).hexdigest(), state, read_at), content


def state_of(path: str) -> State:
    """What changes with a file's content: its two times, its size and its number."""
    found = os.stat(path)  # noqa: PTH116 - as above
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
