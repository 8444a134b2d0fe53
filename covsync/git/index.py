"""git's index: what is being committed, what it changes, how the work tree differs from it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from covsync.errors import CovsyncError
from covsync.git.command import Answer, run_git, without_repository
from covsync.git.repository import Repository, unreadable
from covsync.model import blob_id
from covsync.source_paths import folders

LINK, SUBMODULE = "120000", "160000"
ABSENT = "000000"
DIRTY = "-dirty"
# The letters of ``git status`` for what is in conflict, and for ``git add -N``.
UNMERGED = ("DD", "AU", "UD", "UA", "DU", "AA", "UU")
INTENDED = " A"
OURS = "02"  # the stages of what is merged, and in a conflict of the own side
MOST_LINKS = 40  # as many as Linux follows on the way to one file
MERGED = "GITHEAD_"
OBJECT_NAME = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
HUNK = re.compile(rb"(?m)^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
# All that a user's settings or attributes might decide otherwise, in this git or in a later one.
RAW = (
    *("--raw", "-z", "--no-abbrev", "--no-relative", "--no-color", "--no-ext-diff"),
    *("--ita-invisible-in-index", "-O/dev/null"),
)
PATCH = (
    *("--patch", "--unified=0", "--inter-hunk-context=0", "--text", "--no-textconv"),
    *("--diff-algorithm=myers", "--indent-heuristic", "--find-renames=50%", "-l1000"),
    *("--ignore-submodules=all", "--submodule=short", "--ws-error-highlight=none"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)


class Listing(NamedTuple):
    """What the index or a commit holds, by path from the top level.

    ``files`` are the blobs of the regular files, ``links`` those of the symbolic links, which hold
    the link's target, and ``submodules`` their commits.
    """

    files: Mapping[str, str]
    links: Mapping[str, str]
    submodules: Mapping[str, str]


def listing(repository: Repository, commit: str | None = None) -> Listing:
    """What the index holds, or else a ``commit``; a path in conflict has its own side's.

    What is only intended to be added (``git add -N``) is left out, as in a commit made now.
    """
    if commit is not None:
        answer = _must(run_git(repository.top, "ls-tree", "-r", "-z", "--full-tree", commit))
        entries = (line.partition("\t") for line in answer.names())
        return _listing([f"{facts[:6]} {facts.split()[2]} 0\t{path}" for facts, _, path in entries])
    answer = _must(run_git(repository.top, "ls-files", "--stage", "-z"))
    found = _listing(answer.names())
    intended = _intended_to_add(repository)
    if not intended:
        return found
    files = {path: blob for path, blob in found.files.items() if path not in intended}
    return found._replace(files=files)


def _listing(lines: list[str]) -> Listing:
    """The entries of ``git ls-files --stage``; their places are fixed, which is quick to read."""
    if not lines:
        return Listing({}, {}, {})
    end = lines[0].index(" ", 7)
    stage, path = end + 1, end + 3
    files = {
        line[path:]: line[7:end] for line in lines if line[:3] == "100" and line[stage] in OURS
    }
    others = [line for line in lines if line[:3] != "100" and line[stage] in OURS]
    links = {line[path:]: line[7:end] for line in others if line[:6] == LINK}
    submodules = {line[path:]: line[7:end] for line in others if line[:6] == SUBMODULE}
    return Listing(files, links, submodules)


def _intended_to_add(repository: Repository) -> frozenset[str]:
    """The paths that ``git add -N`` named; only an index of version 3 or later can have any."""
    index = os.environ.get("GIT_INDEX_FILE") or repository.git_dir / "index"
    try:
        with (repository.top / index).open("rb") as stream:
            version = stream.read(8)[4:]
    except FileNotFoundError:
        return frozenset()
    is_split = any(each.name.startswith("sharedindex.") for each in repository.git_dir.iterdir())
    if version == b"\0\0\0\2" and not is_split:
        return frozenset()
    answer = _must(run_git(repository.top, "diff-files", *RAW, "--diff-filter=A"))
    return frozenset(answer.names()[1::2])


def read_blobs(repository: Repository, blobs: Iterable[str]) -> Mapping[str, bytes]:
    """The contents of those of the blobs that git has."""
    wanted = sorted(set(blobs))
    answer = _must(
        run_git(
            repository.top, "cat-file", "--batch", stdin="".join(f"{b}\n" for b in wanted).encode()
        )
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


def stored(repository: Repository, blobs: Iterable[str]) -> frozenset[str]:
    """Those of the blobs that git has."""
    names = "".join(f"{blob}\n" for blob in set(blobs)).encode()
    answer = _must(run_git(repository.top, "cat-file", "--batch-check", stdin=names))
    lines = (line.split() for line in answer.text().splitlines())
    return frozenset(blob for blob, *facts in lines if facts != ["missing"])


def blob_ids(repository: Repository, paths: Iterable[str]) -> Mapping[str, str]:
    """The blob that each file of the work tree would be in the index, line ends and all."""
    wanted = list(paths)
    names = "".join(f"{_quoted(path)}\n" for path in wanted)
    answer = _must(
        run_git(repository.top, "hash-object", "--stdin-paths", stdin=os.fsencode(names))
    )
    return dict(zip(wanted, answer.text().split(), strict=True))


def work_tree_blobs(
    repository: Repository, staged: Listing, state: WorkTreeState, paths: Iterable[str]
) -> Mapping[str, str]:
    """The ``blob_ids`` of files; git need not read those that do not differ from the index."""
    wanted = set(paths)
    alike = {path: staged.files[path] for path in (wanted & staged.files.keys()) - state.differing}
    others = sorted(wanted - alike.keys())
    return {**alike, **blob_ids(repository, others)} if others else alike


def parents(repository: Repository, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The parents that a commit made now would have; none where there is no commit yet.

    These are ``HEAD`` and in a merge the commits being merged. ``git merge`` calls the hook
    ``pre-merge-commit`` before it writes ``MERGE_HEAD``; then the names in ``environ`` that begin
    with ``GITHEAD_`` say what is merged.
    """
    head = run_git(repository.top, "rev-parse", "--verify", "--quiet", "HEAD^0")
    if head.status:
        return ()
    try:
        merged = (repository.git_dir / "MERGE_HEAD").read_text("ascii").split()
    except FileNotFoundError:
        merged = sorted(name.removeprefix(MERGED) for name in environ if name.startswith(MERGED))
    if not all(OBJECT_NAME.fullmatch(name) for name in merged):
        return (head.text(),)
    return (head.text(), *_not_merged_yet(repository, head.text(), merged))


def _not_merged_yet(repository: Repository, head: str, commits: list[str]) -> list[str]:
    """The commits that are no ancestors of ``head`` or of each other; git leaves those out too."""
    if not commits:
        return []
    answer = run_git(repository.top, "merge-base", "--independent", head, *commits)
    independent = answer.text().split() if answer.status == 0 else []
    return [commit for commit in independent if commit != head]


def changes(
    repository: Repository, environ: Mapping[str, str]
) -> tuple[Mapping[str, tuple[str, str]], ...]:
    """What the index changes from each of the ``parents``; see ``changed_paths``."""
    is_merge = (repository.git_dir / "MERGE_HEAD").exists()
    if not is_merge and not any(name.startswith(MERGED) for name in environ):
        with contextlib.suppress(CovsyncError):  # there may be no commit yet
            return (changed_paths(repository, "HEAD"),)
    commits = parents(repository, environ) or (None,)
    return tuple(changed_paths(repository, parent) for parent in commits)


def changed_paths(
    repository: Repository, parent: str | None, commit: str | None = None
) -> Mapping[str, tuple[str, str]]:
    """The paths at which the index, or else a ``commit``, is not what ``parent`` is.

    Each has its blobs (of a submodule: commits) before and now, empty where there is none, also
    where a conflict is not solved. A renamed file is one removed and one added. A regular file that
    became a symbolic link is changed, one that became executable is not. ``None`` is a parent
    without files.
    """
    changed = {}
    for path, (old_mode, new_mode, old, new) in _changes(repository, parent, commit):
        if old != new or old_mode[:3] != new_mode[:3]:
            is_there = (old_mode != ABSENT, new_mode != ABSENT)
            changed[path] = (old if is_there[0] else "", new if is_there[1] else "")
    return changed


def changed_links(
    repository: Repository, parents: Iterable[str | None], commit: str | None = None
) -> frozenset[str]:
    """The paths of ``changed_paths`` that are or were symbolic links or submodules."""
    return frozenset(
        path
        for parent in parents
        for path, facts in _changes(repository, parent, commit)
        if not {LINK, SUBMODULE}.isdisjoint(facts[:2])
    )


def _changes(
    repository: Repository, parent: str | None, commit: str | None
) -> Iterator[tuple[str, list[str]]]:
    """For each path that differs both modes and both objects, those before first."""
    before = parent or _empty_tree(repository)
    answer = _diff(repository, before, commit, *RAW, "--no-renames", "--ignore-submodules=none")
    names = answer.names()
    for facts, path in zip(names[::2], names[1::2], strict=True):
        yield path, facts[1:].split(" ")[:4]


def changed_lines(
    repository: Repository, base: str | None, commit: str | None = None
) -> Mapping[str, frozenset[int]]:
    """The lines, by path, that the index adds or changes, or with ``base`` else a ``commit``.

    ``base`` is the commit to compare with. ``None`` is what is being committed: compared with
    ``HEAD``, in a merge with every parent (what any of them has is not new), and all of it where
    there is no commit yet, as all of a ``commit`` is.
    """
    if base is not None or commit is not None:
        return _added(repository, base, commit)
    first, *others = [
        _added(repository, parent) for parent in parents(repository, os.environ) or (None,)
    ]
    return {
        path: frozenset.intersection(lines, *(other.get(path, frozenset()) for other in others))
        for path, lines in first.items()
        if all(path in other for other in others)
    }


def merge_base(repository: Repository, ref: str, commit: str = "HEAD") -> str:
    """The best common ancestor of ``commit`` and ``ref``. Raises ``CovsyncError`` without one."""
    found = run_git(
        repository.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^0"
    )
    if found.status:
        raise CovsyncError(
            f"there is no commit {ref!r} to compare with",
            f"Fetch it first: git fetch origin {ref.removeprefix('origin/')}",
        )
    answer = run_git(repository.top, "merge-base", commit, found.text())
    if answer.status:
        shallow = run_git(repository.top, "rev-parse", "--is-shallow-repository").text() == "true"
        raise CovsyncError(
            f"{commit} and {ref} have no common ancestor"
            + (" in this shallow clone" if shallow else ""),
            "Fetch the history: git fetch --unshallow" if shallow else "Compare with another ref.",
        )
    return answer.text()


def changed_since_head(repository: Repository) -> frozenset[str]:
    """The tracked paths whose staged content, or file in the work tree, is not what HEAD holds."""
    if repository.is_bare:
        return frozenset()
    status = repository.status()
    staged = frozenset(path for path, letters in status.items() if letters[0] != " ")
    return staged | work_tree_differs(repository, status.keys() - staged)


def work_tree_differs(repository: Repository, paths: Iterable[str]) -> frozenset[str]:
    """Those of the ``paths`` whose file or link in the work tree is not what the index holds.

    Line ends and filters count as git sees them, times and permissions do not. A file that is gone
    differs, unless a sparse checkout leaves it out. Untracked paths and submodules never do.
    """
    wanted = frozenset(paths)
    return _not_as_staged(repository, repository.status(), wanted) if wanted else wanted


class WorkTreeState(NamedTuple):
    """The paths that ``differ`` from the index, and the ``untracked`` ones that are not ignored.

    What is only intended to be added (``git add -N``) is untracked, too.
    """

    differing: frozenset[str]
    untracked: frozenset[str]


def work_tree_state(repository: Repository) -> WorkTreeState:
    """How the work tree differs from the index, as ``work_tree_differs`` finds it."""
    status = repository.status(untracked=True)
    untracked = frozenset(path for path, letters in status.items() if letters in ("??", INTENDED))
    return WorkTreeState(_not_as_staged(repository, status, None), untracked)


def _not_as_staged(
    repository: Repository, status: Mapping[str, str], wanted: frozenset[str] | None
) -> frozenset[str]:
    """The tracked paths that differ, those ``wanted`` or else all."""
    doubtful = {path for path, letters in status.items() if letters in UNMERGED}
    gone = {path for path, letters in status.items() if letters[1] == "D"} - doubtful
    doubtful |= {path for path, letters in status.items() if letters[1] in "MT"}
    # Git does not look at what it is set to assume unchanged, or to leave out.
    flagged = _must(run_git(repository.top, "ls-files", "-v", "-z")).names()
    doubtful |= {line[2:] for line in flagged if line[0] == "S" or line[0].islower()}
    if wanted is not None:
        gone, doubtful = gone & wanted, doubtful & wanted
    return frozenset(gone | _differing(repository, doubtful))


def _differing(repository: Repository, paths: Iterable[str]) -> set[str]:
    """Those of the paths whose file or link in the work tree, if there is one, has another blob."""
    there = [path for path in paths if os.path.lexists(os.path.join(repository.top, path))]
    if not there:
        return set()
    staged = listing(repository)
    there = [path for path in there if path not in staged.submodules]
    links = {path: _link_text(repository, path) for path in there}
    blobs = blob_ids(repository, [path for path in there if links[path] is None])
    return {
        path
        for path, text in links.items()
        if (staged.files.get(path), staged.links.get(path))
        != ((blobs[path], None) if text is None else (None, _link_blob(repository, text)))
    }


def ignored(repository: Repository, paths: Iterable[str]) -> frozenset[str]:
    """Those of the ``paths`` that git ignores and does not track.

    What lies behind a symbolic link, or in a repository of its own, is ignored where that is.
    """

    @cache
    def is_boundary(folder: str) -> bool:
        place = repository.top / folder
        return place.is_symlink() or os.path.lexists(place / ".git")

    asked = {
        path: next((folder for folder in reversed([*folders(path)]) if is_boundary(folder)), path)
        for path in paths
    }
    if not asked:
        return frozenset()
    names = "".join(f"{name}\0" for name in sorted(set(asked.values())))
    # With the index it would go through all of that for each name.
    options = ("--no-index", "--stdin", "-z")
    answer = run_git(repository.top, "check-ignore", *options, stdin=os.fsencode(names))
    if answer.status > 1:  # 1 is that none is ignored
        raise unreadable(answer)
    found = frozenset(answer.names())
    found -= repository.tracked() if found else found
    return frozenset(path for path, name in asked.items() if name in found)


def nested_repositories(repository: Repository, paths: Iterable[str]) -> frozenset[str]:
    """The outermost folders on the way to the ``paths`` that are repositories of their own."""

    @cache
    def is_nested(folder: str) -> bool:
        return os.path.lexists(repository.top / folder / ".git")

    found = (next(filter(is_nested, reversed([*folders(path)])), None) for path in paths)
    return frozenset(filter(None, found))


def submodule_state(repository: Repository, path: str) -> str:
    """The commit that a submodule is at in the work tree, empty where it is not checked out.

    ``-dirty`` follows where a file in it is changed, or a Python file neither tracked nor ignored.
    """
    folder = repository.top / path
    environ = {
        **without_repository(os.environ),
        "GIT_CEILING_DIRECTORIES": os.path.realpath(folder.parent),
    }
    answer = run_git(
        folder if folder.is_dir() else repository.top,
        *("-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch"),
        *("--untracked-files=all", "--ignore-submodules=none"),
        environ=environ,
    )
    head, *changes = [line for line in answer.text().splitlines() if _is_fact(line)] or [""]
    changes = [line for line in changes if line[:1] != "?" or line.endswith((".py", '.py"'))]
    commit = head.removeprefix("# branch.oid ")
    if not folder.is_dir() or answer.status or commit == "(initial)":
        return ""
    return f"{commit}{DIRTY}" if changes else commit


def _is_fact(line: str) -> bool:
    return line.startswith("# branch.oid ") or not line.startswith("#")


def links_on_the_way(repository: Repository, path: str) -> Mapping[str, str]:
    """The symbolic links of the work tree that lead to ``path``, with the blob of each one's text.

    These are its leading folders and itself, and where a link leads to another one, that as well;
    none beyond the repository.
    """
    _, links = _followed(path, lambda link: _link_text(repository, link))
    return {link: _link_blob(repository, text) for link, text in links.items()}


class StagedFiles:
    """Reads the files of a folder as a listing of the index or a commit has them, by name.

    ``differing`` are the names read so far whose file in the work tree is another, line ends aside.
    """

    def __init__(self, repository: Repository, listing: Listing, folder: Path) -> None:
        self.repository = repository
        self.listing = listing
        self.folder = folder
        self.differing: set[str] = set()

    def __call__(self, name: str) -> bytes | None:
        """The content of the file ``name``, ``None`` where there is none.

        Symbolic links are followed as if all was checked out. A file outside of the repository is
        read where it is.
        """
        try:
            here = (self.folder / name).read_bytes()
        except OSError:
            here = None
        path = os.path.relpath(self.folder / name, self.repository.top)
        end = _followed(path, self._target)[0]
        if end is None:
            return here
        blob = self.listing.files.get(end)
        content = None if blob is None else self._content(blob, here)
        if _with_plain_line_ends(content) != _with_plain_line_ends(here):
            self.differing.add(name)
        return content

    def _target(self, link: str) -> str | None:
        blob = self.listing.links.get(link)
        if blob is None:
            return None
        here = _link_text(self.repository, link)
        return os.fsdecode(self._content(blob, None if here is None else os.fsencode(here)))

    def _content(self, blob: str, here: bytes | None) -> bytes:
        """The content of a blob, without a git process where it is ``here`` in the work tree."""
        if here is not None and blob_id(here, self.repository.object_format) == blob:
            return here
        return _must(run_git(self.repository.top, "cat-file", "blob", blob)).output


def _with_plain_line_ends(content: bytes | None) -> bytes | None:
    return content and content.replace(b"\r\n", b"\n")


def _followed(
    path: str, target: Callable[[str], str | None]
) -> tuple[str | None, Mapping[str, str]]:
    """Where a path ends, and the symbolic links on the way with their texts, which ``target`` says.

    It ends nowhere, ``None``, where it leaves the repository or where links lead in a circle.
    """
    waiting = path.split("/")[::-1]
    passed: list[str] = []
    links: dict[str, str] = {}
    count = 0
    while waiting:
        name = waiting.pop()
        if name == ".." and not passed:
            return None, links
        if name == "..":
            passed.pop()
        elif name not in ("", "."):
            passed.append(name)
            text = target("/".join(passed))
            if text is not None:
                links["/".join(passed)] = text
                count += 1
                if text.startswith("/") or count > MOST_LINKS:
                    return None, links
                passed.pop()
                waiting += text.split("/")[::-1]
    return "/".join(passed), links


def _link_text(repository: Repository, path: str) -> str | None:
    """Where a symbolic link of the work tree leads, ``None`` where there is no link."""
    try:
        return os.readlink(repository.top / path)  # noqa: PTH115 - a Path would lose a "./"
    except OSError:
        return None


def _link_blob(repository: Repository, text: str) -> str:
    """The blob that a symbolic link of this text would be in the index."""
    return blob_id(os.fsencode(text), repository.object_format)


def _diff(repository: Repository, base: str, commit: str | None, *options: str) -> Answer:
    """What git finds between ``base`` and the index, or else a ``commit``."""
    if commit is None:
        command = ("diff-index", "--cached", *options, base, "--")
    else:
        command = ("diff-tree", "-r", *options, base, commit, "--")
    return _must(run_git(repository.top, *command))


def _added(
    repository: Repository, base: str | None, commit: str | None = None
) -> Mapping[str, frozenset[int]]:
    """The lines that the index or a ``commit`` has and ``base`` has not, as ``git diff`` finds."""
    answer = _diff(repository, base or _empty_tree(repository), commit, *RAW, *PATCH)
    raw, patch = _raw_and_patch(answer.output)
    patches = re.split(rb"(?m)^diff --git ", patch)[1:]
    added: dict[str, frozenset[int]] = {}
    for path, text in zip(raw, patches, strict=True):
        lines: set[int] = set()
        for start, count in HUNK.findall(text):
            lines.update(range(int(start), int(start) + int(count or 1)))
        added[path] = frozenset(lines)
    return added


def _raw_and_patch(output: bytes) -> tuple[list[str], bytes]:
    """The new path of each patch of a diff with ``--raw --patch -z``, and the patches."""
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
    """The object name of a tree without files, which git has in every repository."""
    import hashlib

    return hashlib.new(repository.object_format, b"tree 0\0").hexdigest()


def _quoted(path: str) -> str:
    """A path as a line: in C's quotes where it would not be one."""
    if "\n" not in path and not path.startswith('"'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _must(answer: Answer) -> Answer:
    if answer.status:
        raise unreadable(answer)
    return answer
