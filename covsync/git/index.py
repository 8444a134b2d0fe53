"""What is being committed: git's index, and what it changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from covsync.errors import CovsyncError
from covsync.git.command import Answer, ask
from covsync.git.repository import Repository

FILE_MODES = ("100644", "100755")
HUNK = re.compile(rb"(?m)^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def blobs(repository: Repository, commit: str | None = None) -> Mapping[str, str]:
    """The blob of each regular file in the index, or else in a commit, by path from the top level.

    A path in conflict has its own side's. Symbolic links and submodules are no regular files.
    """
    if commit is not None:
        answer = _must(ask(repository.top, "ls-tree", "-r", "-z", "--full-tree", commit))
        at, stages = 2, None
    else:
        answer = _must(ask(repository.top, "ls-files", "--stage", "-z"))
        at, stages = 1, ("0", "2")
    found: dict[str, str] = {}
    for line in _records(answer):
        facts, _, path = line.partition("\t")
        words = facts.split(" ")
        if words[0] in FILE_MODES and (stages is None or words[2] in stages):
            found[path] = words[at]
    return found


def read_blobs(repository: Repository, blobs: Iterable[str]) -> Mapping[str, bytes]:
    """The contents of those of the blobs that git has."""
    wanted = sorted(set(blobs))
    answer = _must(
        ask(repository.top, "cat-file", "--batch", stdin="".join(f"{b}\n" for b in wanted).encode())
    )
    contents: dict[str, bytes] = {}
    output, at = answer.output, 0
    for blob in wanted:
        end = output.index(b"\n", at)
        head, at = output[at:end], end + 1
        if not head.endswith(b"missing"):
            size = int(head.split()[-1])
            contents[blob], at = output[at : at + size], at + size + 1
    return contents


def known(repository: Repository, blobs: Iterable[str]) -> frozenset[str]:
    """Those of the blobs that git has."""
    names = "".join(f"{blob}\n" for blob in set(blobs)).encode()
    answer = _must(ask(repository.top, "cat-file", "--batch-check", stdin=names))
    lines = (line.split() for line in answer.text().splitlines())
    return frozenset(blob for blob, *facts in lines if facts != ["missing"])


def blob_ids(repository: Repository, paths: Iterable[str]) -> Mapping[str, str]:
    """The blob that each file of the work tree would be in the index, line ends and all."""
    wanted = list(paths)
    names = "".join(f"{_quoted(path)}\n" for path in wanted)
    answer = _must(ask(repository.top, "hash-object", "--stdin-paths", stdin=os.fsencode(names)))
    return dict(zip(wanted, answer.text().split(), strict=True))


def changed_lines(
    repository: Repository, base: str | None, commit: str | None = None
) -> Mapping[str, frozenset[int]]:
    """The lines, by path, that the index adds or changes, or with ``base`` else a ``commit``.

    ``base`` is the commit to compare with. ``None`` is what is being committed: compared with
    ``HEAD``, in a merge with every parent (what any of them has is not new), and all of it where
    there is no commit yet, as all of a ``commit`` is.
    """
    if base is not None or commit is not None:
        return _added(repository, base or _empty_tree(repository), commit)
    if ask(repository.top, "rev-parse", "--verify", "--quiet", "HEAD").status:
        return _added(repository, _empty_tree(repository))
    parents = ["HEAD"]
    merge = ask(repository.top, "rev-parse", "--git-path", "MERGE_HEAD").text()
    merge_head = repository.top / merge
    if merge_head.is_file():
        parents += merge_head.read_text().split()
    first, *others = [_added(repository, parent) for parent in parents]
    return {
        path: frozenset.intersection(lines, *(other.get(path, frozenset()) for other in others))
        for path, lines in first.items()
        if all(path in other for other in others)
    }


def renames(repository: Repository) -> Mapping[str, str]:
    """The new path of each file that the index has under another name than ``HEAD``."""
    answer = ask(
        repository.top,
        *("diff", "--cached", "--name-status", "--diff-filter=R", "--find-renames", "-z", "HEAD"),
        "--",
    )
    parts = os.fsdecode(answer.output).split("\0") if answer.status == 0 else []
    return dict(zip(parts[1::3], parts[2::3], strict=False))


def merge_base(repository: Repository, ref: str, commit: str = "HEAD") -> str:
    """The best common ancestor of ``commit`` and ``ref``. Raises ``CovsyncError`` without one."""
    found = ask(repository.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^0")
    if found.status:
        raise CovsyncError(
            f"there is no commit {ref!r} to compare with",
            f"Fetch it first: git fetch origin {ref.removeprefix('origin/')}",
        )
    answer = ask(repository.top, "merge-base", commit, found.text())
    if answer.status:
        shallow = ask(repository.top, "rev-parse", "--is-shallow-repository").text() == "true"
        raise CovsyncError(
            f"{commit} and {ref} have no common ancestor"
            + (" in this shallow clone" if shallow else ""),
            "Fetch the history: git fetch --unshallow" if shallow else "Compare with another ref.",
        )
    return answer.text()


def _added(
    repository: Repository, base: str, commit: str | None = None
) -> Mapping[str, frozenset[int]]:
    """The lines that the index or a ``commit`` has and ``base`` has not, as ``git diff`` finds."""
    answer = _must(
        ask(
            repository.top,
            *("-c", "core.quotePath=false", "diff", "--patch-with-raw", "-z"),
            *(
                "--unified=0",
                "--inter-hunk-context=0",
                "--text",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                "--find-renames",
            ),
            *("--ignore-submodules=all", *([base, commit] if commit else ["--cached", base]), "--"),
        )
    )
    raw, patch = _raw_and_patch(answer.output)
    patches = re.split(rb"(?m)^diff --git ", patch)[1:]
    added: dict[str, frozenset[int]] = {}
    for path, text in zip(raw, patches, strict=True):
        lines: set[int] = set()
        for start, count in HUNK.findall(text):
            lines.update(range(int(start), int(start) + int(count or 1)))
        added[path] = frozenset(lines)
    return added


def _records(answer: Answer) -> list[str]:
    return [line for line in os.fsdecode(answer.output).split("\0") if line]


def _raw_and_patch(output: bytes) -> tuple[list[str], bytes]:
    """The new path of each patch of ``git diff --patch-with-raw -z``, and the patches."""
    paths: list[str] = []
    while output.startswith(b":"):
        meta, _, output = output.partition(b"\0")
        path, _, output = output.partition(b"\0")
        if meta.split()[-1][:1] in (b"R", b"C"):
            path, _, output = output.partition(b"\0")
        # A file that became a link or the like has two patches: one removes, the next one adds.
        times = {b"T": 2, b"U": 0}.get(meta.split()[-1][:1], 1)
        paths += [os.fsdecode(path)] * times
    return paths, output.lstrip(b"\0")


def _empty_tree(repository: Repository) -> str:
    return ask(repository.top, "hash-object", "-t", "tree", "--stdin").text()


def _quoted(path: str) -> str:
    """A path as a line: in C's quotes where it would not be one."""
    if "\n" not in path and not path.startswith('"'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _must(answer: Answer) -> Answer:
    if answer.status:
        raise CovsyncError(f"git cannot read its index: {answer.error}", "Mend the repository.")
    return answer
