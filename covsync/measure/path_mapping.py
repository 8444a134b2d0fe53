"""Maps measured paths to those of the repository."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, cached_property

from covsync.errors import CovsyncError
from covsync.limits import NAME_CHARACTERS, exceeded, limit
from covsync.model import WorkTree

Parts = tuple[str, ...]
SHOWN = 3
FOREIGN = re.compile(r"\\|^[A-Za-z]:")


def place(names: Iterable[str], tree: WorkTree) -> Mapping[str, str]:
    """Each measured name with the path that stands for it here.

    A name inside the work tree stands for itself. Any other was measured in another place (a
    container, another checkout, Windows) and is found again by its longest tail that exactly one
    tracked file shares: but not where it is a file on this disk and native names stand beside it,
    as then it was measured here. Raises ``CovsyncError`` for a name that leads outside the
    repository and for one that could be several files.
    """
    placed: dict[str, str] = {}
    foreign = []
    paths = paths_in(tree)
    for name in names:
        if len(name) > limit(NAME_CHARACTERS):
            raise exceeded(f"a name has {len(name):,} characters", NAME_CHARACTERS, "of a name")
        inside = paths.inside(name)
        if inside is None:
            foreign.append(name)
        elif paths.is_below_top(paths.by_name(name)):
            placed[name] = name
        else:  # the same place by another name, as through a symbolic link
            placed[name] = os.path.join(tree.top, inside)
    for name in foreign:
        if placed and os.path.lexists(os.path.join(tree.folder, name)):
            raise _stranger(name)
    if foreign:
        found = _by_tail(sorted(foreign), tree.tracked, alone=not placed)
        placed |= {name: os.path.join(tree.top, path) for name, path in found.items()}
        for path in found.values():  # a link among the tracked may lead outside
            paths.inside(os.path.join(tree.top, path))
    return placed


def paths_in(tree: WorkTree) -> Paths:
    """Where names lie in a work tree, of which each folder is looked at once in a process."""
    return _paths(os.fspath(tree.folder), os.path.join(tree.top, ""))


@cache
def _paths(folder: str, top: str) -> Paths:
    return Paths(folder, top)


class Paths:
    """Where names lie in a work tree: those of a project's ``folder``, below ``top``."""

    def __init__(self, folder: str, top: str) -> None:
        self._folder = folder
        self._top = top
        self._real_folders: dict[str, str] = {}

    def by_name(self, name: str) -> str:
        """The absolute path of a name, which counts from the project's folder."""
        return os.path.normpath(os.path.join(self._folder, name))

    def real(self, path: str) -> str:
        """An absolute path without dots, symbolic links followed, as ``os.path.realpath``."""
        folder, name = os.path.split(path)
        if os.path.islink(path):  # noqa: PTH114 - the name is a text
            return os.path.realpath(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(self._real_folders[folder], name)

    def inside(self, name: str) -> str | None:
        """The path relative to the top level, symbolic links followed, ``None`` if not inside.

        Git's own folder is not inside; nor is a name that a system with other separators wrote.
        Raises ``CovsyncError`` where a path lies in the work tree by its name, but leads out of it.
        """
        if not _can_be_a_path(name):
            return None
        by_name = self.by_name(name)
        real = self.real(by_name)
        if not self.is_below_top(by_name) and not self.is_below_top(real):
            return None
        if FOREIGN.search(name) and not os.path.lexists(by_name):
            return None
        relative = real.removeprefix(self._top).replace(os.sep, "/")
        if not self.is_below_top(real) or ".git" in relative.lower().split("/"):
            raise CovsyncError(
                f"the coverage data names {name!r}, which leads outside the repository's files",
                "Measure this project's sources only: set coverage.py's [run] source or omit.",
            )
        return relative

    def is_below_top(self, path: str) -> bool:
        """Whether an absolute path lies in the work tree by its name."""
        return path.startswith(self._top)


def shown_path(name: str, tree: WorkTree) -> str:
    """A measured file's path as coverage.py's reports show it: from the project's folder."""
    return name.removeprefix(os.path.join(tree.folder, ""))


def _can_be_a_path(name: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _by_tail(names: list[str], tracked: frozenset[str], *, alone: bool) -> dict[str, str]:
    """Foreign names with their tracked paths.

    The files of one measurement hang together: a name that matches several tracked files, or
    matches by its last part only, is settled by the folders its neighbours were found in. ``alone``
    says that no measured name was native, so that even a last part may be enough.
    """
    tails = _Tails([tuple(path.split("/")) for path in tracked], 0)
    matches = {name: tails.longest(_parts(name)) for name in names}
    moves = defaultdict(set)
    for name, match in matches.items():
        if len(match.paths) == 1 and (match.depth > 1 or alone):
            moves[_head(_parts(name), match)].add(_head(match.paths[0], match))
    found = {}
    for name, match in matches.items():
        folders = moves.get(_head(_parts(name), match), set())
        agreed = match.in_one_of(folders, tracked)
        if len(match.paths) == 1 and (agreed or match.depth > 1 or alone):
            found[name] = "/".join(match.paths[0])
        elif len(agreed) == 1:
            found[name] = "/".join(agreed[0])
        elif len(match.paths) > 1:
            raise _ambiguous(name, sorted(map("/".join, match.paths)))
        else:
            raise _stranger(name)
    return found


class _Tails:
    """The tracked paths, in parts, that share their last parts, ``depth`` of them.

    They are separated by one part more where a name leads there, and once for all names, as
    thousands of names and of files may end alike.
    """

    def __init__(self, paths: list[Parts], depth: int) -> None:
        self.paths = paths
        self.depth = depth

    @cached_property
    def _longer(self) -> dict[str, _Tails]:
        """The same that share one part more, by that."""
        grouped = defaultdict(list)
        for path in self.paths:
            if len(path) > self.depth:
                grouped[path[-1 - self.depth]].append(path)
        return {part: _Tails(paths, self.depth + 1) for part, paths in grouped.items()}

    def longest(self, parts: Parts) -> _Tails:
        """Those that share the most last parts with a name, none where not even one is shared."""
        found = self
        for part in reversed(parts):
            if part not in found._longer:
                break
            found = found._longer[part]
        return found if found.depth else _Tails([], 0)

    def in_one_of(self, folders: set[Parts], tracked: frozenset[str]) -> list[Parts]:
        """Those that lie in one of the ``folders``, found in the quicker of two ways."""
        if len(self.paths) <= len(folders):
            return [path for path in self.paths if _head(path, self) in folders]
        tail = self.paths[0][-self.depth :] if self.depth else ()
        return [(*folder, *tail) for folder in folders if "/".join((*folder, *tail)) in tracked]


def _head(parts: Parts, match: _Tails) -> Parts:
    """What is left of a path without the last parts that are shared: a folder there or here."""
    return parts[: len(parts) - match.depth]


def _stranger(name: str) -> CovsyncError:
    return CovsyncError(
        f"the coverage data names {name!r}, which is not a file of this repository",
        "Measure this project's sources only: set coverage.py's source or omit, or map other "
        "checkouts onto this one with its [paths].",
    )


def _parts(name: str) -> Parts:
    """A foreign name's parts; ``..`` and drive letters stay, so they match nothing tracked."""
    separators = r"[\\/]" if re.match(r"[A-Za-z]:|\\\\", name) or "/" not in name else "/"
    return tuple(part for part in re.split(separators, name) if part not in ("", "."))


def _ambiguous(name: str, paths: list[str]) -> CovsyncError:
    candidates = ", ".join(paths[:SHOWN])
    if len(paths) > SHOWN:
        candidates += f" and {len(paths) - SHOWN} more"
    return CovsyncError(
        f"the coverage data names {name!r}, which could be any of {candidates}",
        "Say which with coverage.py's [paths], or measure with its relative_files = true.",
    )
