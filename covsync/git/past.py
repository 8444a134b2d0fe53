"""What a data branch held at each of its commits, and how large that makes it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from covsync.git.data_branch import Tip
from covsync.git.scratch import Scratch
from covsync.temporary import temporary_folder


@dataclass(frozen=True, slots=True)
class Version:
    """What some files of the branch were at a commit of it, made at the Unix time ``at``."""

    commit: str
    at: int
    blobs: Mapping[str, str]


def versions(tip: Tip, paths: Iterable[str]) -> Iterator[Version]:
    """The commits that changed any of ``paths``, the oldest first, with what these were then."""
    log = tip.scratch.must("log", "--topo-order", "--reverse", "--format=%H %ct %P", tip.commit)
    commits = [line.split(" ") for line in log.text().splitlines()]
    wanted = list(paths)
    names = [f"{name}:{path}" for name, *_ in commits for path in wanted]
    found = dict(zip(names, _blobs(tip.scratch, names), strict=True))
    told: dict[str, Mapping[str, str]] = {}
    for name, at, *parents in commits:
        blobs = {path: found[f"{name}:{path}"] for path in wanted if found[f"{name}:{path}"]}
        told[name] = blobs
        if blobs and all(told.get(parent) != blobs for parent in parents):
            yield Version(name, int(at), blobs)


def _blobs(scratch: Scratch, names: Iterable[str]) -> list[str]:
    """The object name of each ``COMMIT:PATH``, empty where there is no such file."""
    with _lines(names) as lines:
        told = scratch.must(
            "cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=lines
        ).text()
    answers = (line.rpartition(" ") for line in told.splitlines())
    return [name if kind == "blob" else "" for kind, _, name in answers]


def packed_size(scratch: Scratch, commit: str) -> int:
    """How many bytes a clone of ``commit``, and of all that came before it, has to fetch."""
    with temporary_folder() as folder, _lines([commit]) as names:
        scratch.must("pack-objects", "--quiet", "--revs", os.fspath(folder / "all"), stdin=names)
        return sum(path.stat().st_size for path in folder.glob("*.pack"))


@contextmanager
def _lines(lines: Iterable[str]) -> Iterator[BinaryIO]:
    """A file to read ``lines`` from, as git takes them."""
    with tempfile.TemporaryFile() as file:
        file.writelines(os.fsencode(line) + b"\n" for line in lines)
        file.seek(0)
        yield file
