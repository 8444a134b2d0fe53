"""What the user's work tree holds, also while pre-commit has put its unstaged changes aside."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from covsync.git.command import run_git
from covsync.git.index import blob_ids, submodule_state
from covsync.git.repository import Repository
from covsync.model import blob_id

GONE = "D"
TARGETS = ("100", "120")  # the modes of files and links, whose objects are blobs


def put_aside(repository: Repository, environ: Mapping[str, str]) -> Mapping[str, bytes | None]:
    """The contents, by path, of the files whose unstaged changes pre-commit has put aside.

    ``None`` for one that is deleted. While pre-commit's hooks run, the work tree is what is staged,
    and the rest a patch in pre-commit's own folder, whose name ends with its process's number. Git
    applies it to a copy of the index here.
    """
    patches = _patches(environ)
    if not patches:
        return {}
    import shutil

    from covsync.temporary import temporary_folder

    used = environ.get("GIT_INDEX_FILE") or repository.git_dir / "index"
    objects = run_git(repository.top, "rev-parse", "--git-path", "objects").text()
    with temporary_folder() as folder:
        (folder / "objects").mkdir()
        shutil.copyfile(repository.top / used, folder / "index")
        alternates = [
            os.fspath(repository.top / objects),
            environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", ""),
        ]
        copied = {
            **environ,
            "GIT_INDEX_FILE": os.fspath(folder / "index"),
            "GIT_OBJECT_DIRECTORY": os.fspath(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(filter(None, alternates)),
        }
        tree = run_git(repository.top, "write-tree", environ=copied).text()
        for patch in patches:
            apply = ("apply", "--cached", "--whitespace=nowarn", os.fspath(patch))
            run_git(repository.top, *apply, environ=copied)
        options = ("--cached", "--raw", "--no-renames", "--no-abbrev", "-z")
        facts = run_git(repository.top, "diff-index", *options, tree, environ=copied).names()
        found: dict[str, bytes | None] = {}
        for fact, path in zip(facts[::2], facts[1::2], strict=True):
            _, mode, _, name, letter = fact.split(" ")
            if letter == GONE:
                found[path] = None
            elif mode.startswith(TARGETS):
                found[path] = run_git(
                    repository.top, "cat-file", "blob", name, environ=copied
                ).output
    return found


def work_tree_names(
    repository: Repository, paths: Iterable[str], aside: Mapping[str, bytes | None]
) -> Mapping[str, str]:
    """The object names of files as the user's work tree holds them, less those that it lacks.

    ``aside`` is what pre-commit has put aside. A submodule's name is ``submodule_state``.
    """
    wanted = list(paths)
    there = [path for path in wanted if path not in aside and (repository.top / path).is_file()]
    names = dict(blob_ids(repository, there))
    for path in wanted:
        content = aside.get(path)
        if content is not None:
            names[path] = blob_id(content, repository.object_format)
        elif os.path.lexists(repository.top / path / ".git"):
            names[path] = submodule_state(repository, path)
    return names


def _patches(environ: Mapping[str, str]) -> list[Path]:
    if "PRE_COMMIT" not in environ:
        return []
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", ""), ".cache")
    folder = Path(environ.get("PRE_COMMIT_HOME") or os.path.join(cache, "pre-commit"))
    return sorted(folder.glob(f"patch*-{os.getppid()}"))
