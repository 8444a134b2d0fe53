"""Where the modules of coverage.py's plugins are found: the project has some of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from covsync import isolation

if TYPE_CHECKING:
    from coverage import Coverage


@contextlib.contextmanager
def importable(reporter: Coverage, folder: str) -> Iterator[None]:
    """Has plugins found in the project's ``folder``, too, as ``python -m coverage`` does there.

    Only where coverage.py's configuration names one: else nothing of the project is loaded.
    """
    added: list[str] = []
    if reporter.get_option("run:plugins"):
        added = [each for each in (*isolation.left_out(), folder) if each not in sys.path]
    sys.path += added
    try:
        yield
    finally:
        for each in added:
            with contextlib.suppress(ValueError):  # a plugin may have taken it away
                sys.path.remove(each)
