"""coverage.py's file patterns, as in its ``[report] omit``.

A pattern without a slash matches a file's name wherever it lies; another one the whole path, from
the project's folder on unless it begins with a wildcard. ``*`` and ``?`` stay within a path's part
but for ``*/`` in front and ``/*`` behind, which reach any depth; ``**/`` is any number of folders.
(https://coverage.readthedocs.io/en/latest/source.html#file-patterns)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

TOKEN = re.compile(r"\A\*+/|/\*+\Z|\*\*/|\*|\?|\[[^\]]+\]|[^*?\[/]+|/|\[")


def matches_any(path: str, patterns: Iterable[str], folder: Path) -> bool:
    """Whether an absolute ``path`` matches one of the patterns of the project in ``folder``."""
    return any(_regex(pattern, folder).fullmatch(path) for pattern in patterns)


@cache
def _regex(pattern: str, folder: Path) -> re.Pattern[str]:
    pattern = pattern.replace("\\", "/")
    root = ""
    if "/" not in pattern:
        pattern = f"**/{pattern}"
    elif not pattern.startswith(("*", "?")):
        root = "" if pattern.startswith("/") else re.escape(os.path.join(folder, ""))
        pattern = pattern.removeprefix("./")
    return re.compile(root + "".join(map(_part, TOKEN.findall(pattern))), re.DOTALL)


def _part(token: str) -> str:
    if token.endswith("*/"):
        return "(.*/)?"
    if token.startswith("/*"):
        return "/.*"
    if token.startswith("[") and len(token) > 1:
        return token
    return {"*": "[^/]*", "?": "[^/]"}.get(token, re.escape(token))
