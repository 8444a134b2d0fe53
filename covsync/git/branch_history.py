"""What a data branch held at each of its commits, and how large that makes it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from covsync.git.data_branch import Tip
from covsync.git.repository import LATEST
from covsync.git.scratch import Scratch
from covsync.temporary import temporary_folder

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Version:
    """What files of the branch held at a commit of it, made at the Unix time ``at``."""

    commit: str
    at: int
    contents: Mapping[str, bytes]


def versions(tip: Tip, paths: Iterable[str]) -> Iterator[Version]:
    """The commits that changed any of ``paths``, the oldest first, with what these held then."""
    changes = _changes(tip, paths)
    while some := list(itertools.islice(changes, AT_ONCE)):
        wanted = {blob for _, _, blobs in some for blob in blobs.values()}
        texts = _contents(tip.scratch, sorted(wanted))
        for commit, at, blobs in some:
            yield Version(commit, at, {path: texts[blob] for path, blob in blobs.items()})


def _changes(tip: Tip, paths: Iterable[str]) -> Iterator[tuple[str, int, Mapping[str, str]]]:
    log = tip.scratch.must(
        *("log", "--no-show-signature", "--topo-order", "--reverse", "--format=%H %ct %P"),
        tip.commit,
    )
    commits = [line.split(" ") for line in log.text().split("\n")]
    wanted = list(paths)
    names = [f"{name}:{path}" for name, *_ in commits for path in wanted]
    found = dict(zip(names, _blobs(tip.scratch, names), strict=True))
    seen: dict[str, Mapping[str, str]] = {}
    for name, at, *parents in commits:
        blobs = {path: found[f"{name}:{path}"] for path in wanted if found[f"{name}:{path}"]}
        seen[name] = blobs
        if blobs and all(seen.get(parent) != blobs for parent in parents):
            yield name, min(int(at or 0), LATEST), blobs


def _blobs(scratch: Scratch, names: Iterable[str]) -> list[str]:
    """The object name of each ``COMMIT:PATH``, empty where there is no such file."""
    listed = scratch.must(
        "cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=_lines(names)
    ).text()
    answers = (line.rpartition(" ") for line in listed.split("\n"))
    return [name if kind == "blob" else "" for kind, _, name in answers]


def _contents(scratch: Scratch, blobs: list[str]) -> dict[str, bytes]:
    output = scratch.must("cat-file", "--batch", stdin=_lines(blobs)).output
    contents, at = {}, 0
    for blob in blobs:
        end = output.index(b"\n", at)
        size = int(output[at:end].rpartition(b" ")[2])
        contents[blob], at = output[end + 1 : end + 1 + size], end + size + 2
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
