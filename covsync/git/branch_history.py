"""What a data branch held at each of its commits, and how large that makes it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from covsync.git.data_branch import Tip, refuse_large
from covsync.git.repository import LATEST
from covsync.git.scratch import Scratch
from covsync.limits import GIT_OUTPUT, limit
from covsync.temporary import temporary_folder

AT_ONCE = 16
DIGITS = 19  # of a time in git at most
LONGEST_HEADER = 128  # of an object in `cat-file --batch`


class _Blob(NamedTuple):
    """A file's object name, and its size in bytes."""

    name: str
    size: int


class _Change(NamedTuple):
    """A commit, its time, and the files that it ``held`` by path."""

    commit: str
    at: int
    held: Mapping[str, _Blob]

    @property
    def blobs(self) -> Iterable[_Blob]:
        return self.held.values()


@dataclass(frozen=True, slots=True)
class Version:
    """What files of the branch held at a commit of it, made at the Unix time ``at``."""

    commit: str
    at: int
    contents: Mapping[str, bytes]


def versions(tip: Tip, paths: Iterable[str]) -> Iterator[Version]:
    """The commits that changed any of ``paths``, the oldest first, with what these held then."""
    for some in _together(_changes(tip, paths)):
        texts = _contents(tip.scratch, sorted({blob for each in some for blob in each.blobs}))
        for each in some:
            held = {path: texts[blob.name] for path, blob in each.held.items()}
            yield Version(each.commit, each.at, held)


def _together(changes: Iterable[_Change]) -> Iterator[list[_Change]]:
    """The changes in groups, of which each fits the memory."""
    some: list[_Change] = []
    for change in changes:
        size = sum(blob.size for each in (*some, change) for blob in each.blobs)
        if some and (len(some) == AT_ONCE or size > limit(GIT_OUTPUT)):
            yield some
            some = []
        some.append(change)
    if some:
        yield some


def _changes(tip: Tip, paths: Iterable[str]) -> Iterator[_Change]:
    log = tip.scratch.must(
        *("log", "--no-show-signature", "--topo-order", "--reverse", "--format=%H %ct %P"),
        tip.commit,
    )
    commits = [line.split(" ") for line in log.text().split("\n")]
    wanted = list(paths)
    names = [f"{name}:{path}" for name, *_ in commits for path in wanted]
    found = dict(zip(names, _blobs(tip.scratch, names), strict=True))
    seen: dict[str, Mapping[str, _Blob]] = {}
    for name, at, *parents in commits:
        named = ((path, found[f"{name}:{path}"]) for path in wanted)
        held = {path: blob for path, blob in named if blob}
        seen[name] = held
        if held and all(seen.get(parent) != held for parent in parents):
            for path, blob in held.items():
                refuse_large(path, blob.size)
            yield _Change(name, _time(at), held)


def _time(text: str) -> int:
    """A commit's time, 0 where the commit has none, or one of more digits than any."""
    return min(int(text), LATEST) if text.isdecimal() and len(text) <= DIGITS else 0


def _blobs(scratch: Scratch, names: Iterable[str]) -> list[_Blob | None]:
    """The file at each ``COMMIT:PATH``, ``None`` where there is no such one."""
    listed = scratch.must(
        "cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize)", stdin=_lines(names)
    ).text()
    answers = (line.split(" ") for line in listed.split("\n"))
    return [_Blob(each[1], int(each[2])) if each[0] == "blob" else None for each in answers]


def _contents(scratch: Scratch, blobs: list[_Blob]) -> dict[str, bytes]:
    most = sum(blob.size + LONGEST_HEADER for blob in blobs)
    names = _lines(blob.name for blob in blobs)
    output = scratch.must("cat-file", "--batch", stdin=names, most=most).output
    contents, at = {}, 0
    for blob in blobs:
        begin = output.index(b"\n", at) + 1
        contents[blob.name], at = output[begin : begin + blob.size], begin + blob.size + 1
    return contents


def packed_size(scratch: Scratch, commit: str) -> int:
    """How many bytes a clone of ``commit``, and of all that came before it, has to fetch."""
    with temporary_folder() as folder:
        base = os.fspath(folder / "all")
        scratch.must("pack-objects", "--quiet", "--revs", base, stdin=_lines([commit]))
        return sum(path.stat().st_size for path in folder.glob("*.pack"))


def _lines(names: Iterable[str]) -> Iterator[bytes]:
    """The ``names`` as git reads them."""
    return (os.fsencode(name) + b"\n" for name in names)
