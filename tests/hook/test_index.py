"""What is being committed, as git has it, whatever settings, hooks and work tree there are."""

from __future__ import annotations

import hashlib
import os
import random
import shlex
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import BRANCHES, SHAPES, SHAPES_TEST, Checkout, Ended, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covsync.commands import project
from covsync.console import Console
from covsync.errors import CovsyncError
from covsync.git import index
from covsync.git.repository import Repository

UNTESTED = "\n\ndef volume(shape):\n    return shape.volume\n"
DIFF = BRANCHES + "[tool.covsync]\nfail_under_diff = {}\n"
TAKEN = "covsync: coverage is 78%, its floor held\n"


def repository(checkout: Checkout) -> Repository:
    return Repository.around(checkout.folder)


def blob(content: str) -> str:
    data = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's own


def hook(checkout: Checkout, name: str, text: str) -> None:
    path = checkout.folder / checkout.git("rev-parse", "--git-path", f"hooks/{name}").strip()
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def attempt(checkout: Checkout, *arguments: str) -> Ended:
    return run(["git", *arguments], checkout.folder, checkout.env)


# Whatever would change what a diff says.


@pytest.fixture
def changed(shapes: Checkout) -> Checkout:
    """Lines that are covered were inserted, between two that were there; the floor is 100%."""
    shapes.write(
        {
            "shapes.py": SHAPES.replace("def outline", "\nHALF = 2\n\n\ndef outline"),
            "pyproject.toml": DIFF.format(100),
        }
    )
    shapes.git("add", "--all")
    shapes.covsync("run", "test_shapes.py")
    assert shapes.covsync("check").out == TAKEN
    return shapes


ENVIRONMENT = {
    "GIT_DIFF_OPTS": "--unified=20",
    "GIT_EXTERNAL_DIFF": "echo",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TRACE": "1",
    "GIT_TRACE_SETUP": "1",
    "GIT_PRINT_SHA1_ELLIPSIS": "yes",
    "GIT_PAGER": "false",
    "GIT_OPTIONAL_LOCKS": "1",
}
SETTINGS = {
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.relative": "true",
    "diff.algorithm": "patience",
    "diff.interHunkContext": "10",
    "diff.context": "10",
    "diff.renames": "copies",
    "diff.renameLimit": "1",
    "diff.submodule": "log",
    "diff.ignoreSubmodules": "none",
    "diff.external": "echo",
    "diff.blur.textconv": "cat -n",
    "diff.blur.command": "echo",
    "diff.blur.binary": "true",
    "diff.blur.algorithm": "histogram",
    "diff.suppressBlankEmpty": "true",
    "diff.indentHeuristic": "false",
    "diff.wsErrorHighlight": "all",
    "diff.colorMoved": "zebra",
    "diff.statGraphWidth": "3",
    "diff.dirstat": "lines",
    "diff.orderFile": ".gitattributes",
    "color.diff": "always",
    "color.ui": "always",
    "core.quotePath": "true",
    "core.abbrev": "5",
    "core.bigFileThreshold": "1",
    "core.pager": "false",
    "status.relativePaths": "true",
    "log.showSignature": "true",
}


@pytest.mark.parametrize("name", ENVIRONMENT)
@pytest.mark.first(1)
def test_no_variable_of_git_changes_the_verdict_on_changed_lines(
    changed: Checkout, name: str
) -> None:
    changed.env[name] = ENVIRONMENT[name]
    assert changed.covsync("check").out == TAKEN


def test_no_setting_and_no_attribute_of_git_changes_the_verdict_on_changed_lines(
    changed: Checkout,
) -> None:
    changed.write({".git/info/attributes": "*.py diff=blur\n*.py -text\n"})
    by_variable = [f"'{name}'='{value}'" for name, value in SETTINGS.items()]
    changed.env["GIT_CONFIG_PARAMETERS"] = " ".join(by_variable)
    assert changed.covsync("check").out == TAKEN
    del changed.env["GIT_CONFIG_PARAMETERS"]
    for name, value in SETTINGS.items():
        changed.git("config", name, value)
    assert changed.covsync("check").out == TAKEN
    (changed.folder / "src").mkdir()
    assert Checkout(changed.folder / "src").covsync("check").out == TAKEN


def test_attributes_that_call_a_source_binary_hide_no_changed_line(changed: Checkout) -> None:
    changed.write({".gitattributes": "*.py binary -diff\n", "shapes.py": SHAPES + UNTESTED})
    changed.git("add", "--all")
    changed.covsync("run", "test_shapes.py")
    ended = changed.covsync("check")
    assert (ended.status, ended.out.splitlines()[0]) == (
        2,
        "changed lines: 50% is below 100% (fail_under_diff); missing shapes.py:12",
    )


# Hooks, as git calls them.


@pytest.fixture
def backend(checkout: Checkout) -> Checkout:
    """A project in a folder of its repository; an untested function was added to it."""
    checkout.write(
        {
            "backend/shapes.py": SHAPES,
            "backend/test_shapes.py": SHAPES_TEST,
            "backend/pyproject.toml": BRANCHES,
            ".gitignore": ".coverage\n__pycache__/\n",
        }
    )
    checkout.commit("Draw shapes")
    hook(checkout, "pre-commit", "cd backend && covsync check")
    return checkout


def untested_is_seen(checkout: Checkout, *commit: str) -> None:
    """The commit fails while an untested function is in it, and passes without."""
    project = Checkout(checkout.folder / "backend")
    project.covsync("run", "test_shapes.py")
    project.write({"shapes.py": SHAPES + UNTESTED})
    ended = attempt(checkout, *commit)
    assert ended.status == 1, ended
    assert "shapes.py" in ended.err + ended.out
    assert "not in a git repository" not in ended.err
    project.write({"shapes.py": SHAPES + "# the end\n"})
    ended = attempt(checkout, *commit)
    assert ended.status == 0, ended
    assert "coverage is 75%" in ended.err + ended.out


EACH_WAY = [
    ["-c", "alias.all=!git add --all && git commit", "all", "-m", "x"],  # .git/index
    ["commit", "-a", "-m", "x"],  # .git/index.lock
    ["commit", "-m", "x", "backend/shapes.py"],  # .git/next-index-PID.lock
    ["-C", "backend", "commit", "-m", "x", "shapes.py"],
]


@pytest.mark.parametrize("way", EACH_WAY, ids=" ".join)
@pytest.mark.first(1)
def test_a_hook_of_a_project_in_a_folder_sees_what_is_staged(
    backend: Checkout, way: list[str]
) -> None:
    untested_is_seen(backend, *way)


@pytest.mark.parametrize("way", EACH_WAY, ids=" ".join)
@pytest.mark.first(1)
def test_so_does_it_in_a_linked_work_tree(backend: Checkout, way: list[str]) -> None:
    backend.git("worktree", "add", "--quiet", "../linked")
    untested_is_seen(Checkout(backend.folder.parent / "linked"), *way)


@pytest.mark.parametrize("way", EACH_WAY, ids=" ".join)
@pytest.mark.first(1)
def test_so_does_it_in_a_submodule(backend: Checkout, tmp_path: Path, way: list[str]) -> None:
    run(["git", "init", "--quiet", "outer"], tmp_path)
    outer = Checkout(tmp_path / "outer")
    source = str(backend.folder)
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "inner")
    inner = Checkout(outer.folder / "inner")
    hook(inner, "pre-commit", "cd backend && covsync check")
    untested_is_seen(inner, *way)


def test_so_does_it_in_a_work_tree_of_a_bare_repository(backend: Checkout, tmp_path: Path) -> None:
    run(["git", "clone", "--quiet", "--bare", str(backend.folder), "bare.git"], tmp_path)
    (tmp_path / "tree").mkdir()
    tree = Checkout(tmp_path / "tree")
    where = [f"--git-dir={tmp_path / 'bare.git'}", f"--work-tree={tree.folder}"]
    tree.git(*where, "checkout", "--quiet", "--force", "main")
    (tmp_path / "bare.git" / "hooks").mkdir(exist_ok=True)
    script = tmp_path / "bare.git" / "hooks" / "pre-commit"
    script.write_text("#!/bin/sh\ncd backend && covsync check\n")
    script.chmod(0o755)
    project = Checkout(
        tree.folder / "backend",
        {"GIT_DIR": str(tmp_path / "bare.git"), "GIT_WORK_TREE": str(tree.folder)},
    )
    project.covsync("run", "test_shapes.py")
    project.write({"shapes.py": SHAPES + UNTESTED})
    ended = attempt(tree, *where, "commit", "-a", "-m", "x")
    assert ended.status == 1, ended
    assert "shapes.py" in ended.err + ended.out
    assert "a git repository" not in ended.err


def test_an_index_that_does_not_exist_is_an_error_and_no_empty_index(shapes: Checkout) -> None:
    ended = Checkout(shapes.folder, {"GIT_INDEX_FILE": ".git/no-index"}).covsync("check")
    assert ended.status == 1
    assert f"GIT_INDEX_FILE is {shapes.folder / '.git/no-index'}, where no file is" in ended.err


def test_a_git_dir_that_does_not_exist_is_named(shapes: Checkout) -> None:
    ended = Checkout(shapes.folder, {"GIT_DIR": "nowhere"}).covsync("check")
    assert ended.status == 1
    assert f"GIT_DIR is {shapes.folder / 'nowhere'}, where no git repository is" in ended.err


# What is there.


def test_a_listing_has_files_links_and_submodules(shapes: Checkout, tmp_path: Path) -> None:
    run(["git", "clone", "--quiet", str(shapes.folder), "other"], tmp_path)
    shapes.git(
        *("-c", "protocol.file.allow=always", "submodule", "--quiet", "add"),
        *(str(tmp_path / "other"), "lib/other"),
    )
    (shapes.folder / "link.py").symlink_to("shapes.py")
    shapes.write({"a\nb c.py": "", "bin/tool": "#!/bin/sh\n"})
    (shapes.folder / "bin/tool").chmod(0o755)
    commit = shapes.git("rev-parse", "HEAD").strip()
    shapes.git("add", "--all")
    found = index.listing(repository(shapes))
    assert found.files == {
        ".gitignore": blob((shapes.folder / ".gitignore").read_text()),
        ".gitmodules": blob((shapes.folder / ".gitmodules").read_text()),
        "a\nb c.py": blob(""),
        "bin/tool": blob("#!/bin/sh\n"),
        "pyproject.toml": blob(BRANCHES),
        "shapes.py": blob(SHAPES),
        "test_shapes.py": blob(SHAPES_TEST),
    }
    assert found.links == {"link.py": blob("shapes.py")}
    assert found.submodules == {"lib/other": commit}
    shapes.git("commit", "--quiet", "--message", "All")
    assert index.listing(repository(shapes), "HEAD") == found


def test_a_listing_of_nothing_is_empty(checkout: Checkout) -> None:
    assert index.listing(repository(checkout)) == ({}, {}, {})


def test_a_listing_leaves_out_what_is_only_intended_to_be_added(shapes: Checkout) -> None:
    shapes.write({"new.py": "x = 1\n", "pkg/__init__.py": "", "staged.py": ""})
    shapes.git("add", "--intent-to-add", "new.py", "pkg/__init__.py")
    shapes.git("add", "staged.py")
    shapes.write({"staged.py": "y = 1\n"})
    found = index.listing(repository(shapes))
    assert {"new.py", "pkg/__init__.py"}.isdisjoint(found.files)
    assert found.files["staged.py"] == blob("")
    assert index.changed_paths(repository(shapes), "HEAD") == {"staged.py": ("", blob(""))}
    shapes.git("update-index", "--split-index")
    assert index.listing(repository(shapes)) == found


def in_conflict(shapes: Checkout) -> None:
    shapes.git("switch", "--quiet", "--create", "topic")
    shapes.write({"shapes.py": "theirs = 1\n"})
    shapes.commit()
    shapes.git("switch", "--quiet", "main")
    shapes.write({"shapes.py": "ours = 1\n"})
    shapes.commit()
    assert attempt(shapes, "merge", "topic").status == 1


def test_a_conflict_has_its_own_side(shapes: Checkout) -> None:
    in_conflict(shapes)
    assert index.listing(repository(shapes)).files["shapes.py"] == blob("ours = 1\n")
    assert index.changed_paths(repository(shapes), "HEAD") == {
        "shapes.py": (blob("ours = 1\n"), "")
    }
    assert index.changed_lines(repository(shapes), None) == {}


def test_a_repository_of_sha256_is_read_alike(tmp_path: Path) -> None:
    run(["git", "init", "--quiet", "--object-format=sha256", "long"], tmp_path)
    long = Checkout(tmp_path / "long")
    long.write({"a.py": "x = 1\n"})
    (long.folder / "b.py").symlink_to("a.py")
    long.git("add", "--all")
    repository = Repository.around(long.folder)
    name = hashlib.sha256(b"blob 6\0x = 1\n").hexdigest()
    link = hashlib.sha256(b"blob 4\0a.py").hexdigest()
    assert index.listing(repository) == ({"a.py": name}, {"b.py": link}, {})
    assert index.changed_paths(repository, None) == {"a.py": ("", name), "b.py": ("", link)}
    assert index.links_on_the_way(repository, "b.py") == {"b.py": link}
    reader = index.StagedFiles(repository, index.listing(repository), long.folder)
    assert (reader("b.py"), reader.differing) == (b"x = 1\n", set())


# What is changed.


def test_changed_paths_are_those_git_names(shapes: Checkout) -> None:
    shapes.write({"a.py": "a = 1\n", "b.py": "b = 1\n", "c.py": "c.txt", "tool.py": ""})
    shapes.commit()
    shapes.git("mv", "a.py", "moved.py")
    shapes.git("rm", "--quiet", "b.py")
    (shapes.folder / "c.py").unlink()
    (shapes.folder / "c.py").symlink_to("c.txt")
    (shapes.folder / "tool.py").chmod(0o755)
    shapes.write({"shapes.py": "", "new.py": "n = 1\n"})
    shapes.git("add", "--all")
    expected = {
        "a.py": (blob("a = 1\n"), ""),
        "moved.py": ("", blob("a = 1\n")),
        "b.py": (blob("b = 1\n"), ""),
        "c.py": (blob("c.txt"), blob("c.txt")),
        "shapes.py": (blob(SHAPES), blob("")),
        "new.py": ("", blob("n = 1\n")),
    }
    assert index.changed_paths(repository(shapes), "HEAD") == expected
    shapes.git("commit", "--quiet", "--message", "Change")
    assert index.changed_paths(repository(shapes), "HEAD") == {}
    assert index.changed_paths(repository(shapes), "HEAD^", "HEAD") == expected
    everything = {
        path: ("", name) for path, name in index.listing(repository(shapes)).files.items()
    }
    assert index.changed_paths(repository(shapes), None) == {
        **everything,
        "c.py": ("", blob("c.txt")),
    }


def test_a_submodule_that_moved_on_is_changed_whatever_is_ignored(
    shapes: Checkout, tmp_path: Path
) -> None:
    inner, before = with_submodule(shapes, tmp_path)
    shapes.git("config", "diff.ignoreSubmodules", "all")
    shapes.git("config", "submodule.inner.ignore", "all")
    inner.write({"more.py": ""})
    after = inner.commit()
    shapes.git("add", "--force", "inner")
    assert index.changed_paths(repository(shapes), "HEAD") == {"inner": (before, after)}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_changed_paths_and_lines_agree_with_a_comparison_of_the_trees(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Two random trees; every line has a text of its own, so that which are new is certain."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    checkout = Checkout(tmp_path_factory.mktemp("random"))
    checkout.git("init", "--quiet")
    paths = ["a.py", "b/c.py", "b/d e.py", "ü.py", "f\n.py"]
    trees: list[dict[str, str]] = []
    for _ in range(2):
        trees.append(
            {
                path: "".join(f"{path!r} {line}\n" for line in sorted(chance.sample(range(30), 12)))
                for path in chance.sample(paths, chance.randint(1, 5))
            }
        )
        for path in paths:
            (checkout.folder / path).unlink(missing_ok=True)
        checkout.write(trees[-1])
        if len(trees) == 1:
            checkout.commit()
    checkout.git("add", "--all")
    before, after = trees
    found = repository(checkout)
    assert index.changed_paths(found, "HEAD") == {
        path: (
            blob(before[path]) if path in before else "",
            blob(after[path]) if path in after else "",
        )
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }
    assert {path: lines for path, lines in index.changed_lines(found, None).items() if lines} == {
        path: new for path, text in after.items() if (new := new_lines(before.get(path, ""), text))
    }


def new_lines(before: str, after: str) -> frozenset[int]:
    old = before.splitlines()
    return frozenset(number for number, line in enumerate(after.splitlines(), 1) if line not in old)


# Whose child a commit made now would be.


DUMP = (
    "import os, sys; from pathlib import Path; from covsync.git import index; "
    "from covsync.git.repository import enter_repository; "
    "found = index.parents(enter_repository(Path.cwd()), os.environ); "
    "Path(sys.argv[1]).write_text(' '.join(found))"
)


@pytest.fixture
def branches(shapes: Checkout) -> Checkout:
    """Commits on main, and on ``one`` and ``two`` that began before it; hooks say the parents."""
    for name in ("one", "two", "main"):
        shapes.git("switch", "--quiet", *(["--create", name, "main"] if name != "main" else [name]))
        shapes.write({f"{name}.py": f"{name} = 1\n"})
        shapes.commit(name)
        if name != "main":
            shapes.git("switch", "--quiet", "main")
    said = shlex.join([sys.executable, "-c", DUMP, str(shapes.folder.parent / "said")])
    for name in ("pre-commit", "pre-merge-commit"):
        hook(shapes, name, said)
    return shapes


def said_parents(checkout: Checkout) -> set[str]:
    return set((checkout.folder.parent / "said").read_text().split())


def true_parents(checkout: Checkout) -> set[str]:
    return set(checkout.git("rev-parse", "HEAD^@").split())


@pytest.mark.parametrize(
    "commands",
    [
        ["commit --allow-empty -m x"],
        ["merge one"],
        ["merge --no-ff one"],
        ["merge one two"],
        ["merge main~0 one two"],
        ["merge one one^"],
        ["merge --strategy=ours one"],
        ["merge --no-commit one", "commit --no-edit"],
        ["merge --no-commit --no-ff one two", "commit --no-edit"],
        ["pull --no-rebase --no-edit . one"],
        ["merge --squash one", "commit -m x"],
        ["cherry-pick --no-commit one", "commit -m x"],
        ["rebase one", "commit --allow-empty -m x"],
        ["revert --no-commit HEAD", "commit -m x"],
    ],
    ids=" and ".join,
)
@pytest.mark.first(4)
def test_parents_are_those_the_commit_gets(branches: Checkout, commands: list[str]) -> None:
    branches.env["GIT_MERGE_AUTOEDIT"] = "no"
    for command in commands:
        branches.git(*command.split())
    assert said_parents(branches) == true_parents(branches)


def test_a_fast_forward_that_is_refused_has_two_parents(branches: Checkout) -> None:
    branches.git("switch", "--quiet", "--create", "three")
    branches.write({"three.py": ""})
    branches.commit()
    branches.git("switch", "--quiet", "main")
    branches.git("merge", "--no-ff", "--no-edit", "three")
    assert said_parents(branches) == true_parents(branches)
    assert len(said_parents(branches)) == 2


def test_a_commit_in_a_hook_after_a_merge_has_one_parent(branches: Checkout) -> None:
    hook(branches, "post-merge", "git commit --allow-empty -m 'After it'")
    branches.git("merge", "--no-edit", "one")
    assert said_parents(branches) == true_parents(branches)
    assert len(said_parents(branches)) == 1


def test_what_names_no_commit_is_no_parent(shapes: Checkout) -> None:
    head = shapes.git("rev-parse", "HEAD").strip()
    tree = shapes.git("rev-parse", "HEAD^{tree}").strip()
    for name in (tree, head, "f" * 40, "--all", ""):
        environ = {**os.environ, f"GITHEAD_{name}": "x"}
        assert index.parents(repository(shapes), environ) == (head,)


def test_the_first_commit_has_no_parent(checkout: Checkout) -> None:
    assert index.parents(repository(checkout), {}) == ()


@pytest.mark.parametrize("commands", [["merge topic"], ["merge --no-commit topic", "commit"]])
def test_a_merge_is_judged_alike_however_it_is_committed(
    shapes: Checkout, commands: list[str]
) -> None:
    """The lines of either branch are not new in their merge."""
    shapes.write({"pyproject.toml": DIFF.format(100)})
    shapes.commit()
    shapes.git("switch", "--quiet", "--create", "topic")
    shapes.write({"shapes.py": SHAPES + UNTESTED})
    shapes.commit()
    shapes.git("switch", "--quiet", "main")
    shapes.write({"notes.txt": ""})
    shapes.commit()
    shapes.write({"shapes.py": SHAPES + UNTESTED})
    shapes.covsync("run", "test_shapes.py")
    shapes.git("checkout", "--quiet", "shapes.py")
    for name in ("pre-commit", "pre-merge-commit"):
        hook(shapes, name, "covsync check")
    shapes.env["GIT_EDITOR"] = ":"
    for command in commands:
        ended = attempt(shapes, *command.split())
        assert ended.status == 0, ended
    assert "its floor held" in ended.err + ended.out


# How the work tree differs.


def differs(checkout: Checkout, *paths: str) -> set[str]:
    return set(index.work_tree_differs(repository(checkout), paths))


def test_only_another_content_differs(shapes: Checkout) -> None:
    (shapes.folder / "link.py").symlink_to("shapes.py")
    shapes.write({"gone.py": "", "bin.py": "", "same.py": "x = 1\n", "type.py": "shapes.py"})
    shapes.commit()
    everything = ("link.py", "gone.py", "bin.py", "same.py", "type.py", "shapes.py", "untracked.py")
    assert differs(shapes, *everything) == set()
    before = (shapes.folder / ".git/index").read_bytes()
    os.utime(shapes.folder / "same.py", (1, 1))
    (shapes.folder / "bin.py").chmod(0o755)
    (shapes.folder / "gone.py").unlink()
    for name, target in (("link.py", "same.py"), ("type.py", "shapes.py")):
        (shapes.folder / name).unlink()
        (shapes.folder / name).symlink_to(target)
    shapes.write({"shapes.py": SHAPES.replace("0", "1"), "untracked.py": ""})
    os.utime(shapes.folder / "shapes.py", (1, 1))
    shapes.git("config", "core.fileMode", "false")
    shapes.git("config", "core.trustCTime", "false")
    expected = {"link.py", "gone.py", "type.py", "shapes.py"}
    assert differs(shapes, *everything) == expected
    assert differs(shapes, "same.py", "link.py") == {"link.py"}
    assert (shapes.folder / ".git/index").read_bytes() == before


def test_an_executable_file_is_no_other_content(shapes: Checkout) -> None:
    (shapes.folder / "shapes.py").chmod(0o755)
    assert differs(shapes, "shapes.py") == set()


def test_what_is_staged_and_lies_here_does_not_differ(shapes: Checkout) -> None:
    shapes.write({"shapes.py": "", "new.py": ""})
    shapes.git("add", "--all")
    assert differs(shapes, "shapes.py", "new.py") == set()
    shapes.write({"shapes.py": SHAPES})
    assert differs(shapes, "shapes.py", "new.py") == {"shapes.py"}


def test_what_differs_from_the_commit_is_found_without_writing_to_the_index(
    shapes: Checkout,
) -> None:
    shapes.write({"staged.py": "", "new.py": ""})
    shapes.git("add", "staged.py")
    before = (shapes.folder / ".git/index").read_bytes()
    os.utime(shapes.folder / "test_shapes.py", (1, 1))
    shapes.write({"shapes.py": ""})
    found = repository(shapes)
    assert index.changed_since_head(found) == {"staged.py", "shapes.py"}
    assert (shapes.folder / ".git/index").read_bytes() == before


def test_files_have_the_object_names_that_git_would_give_them(shapes: Checkout) -> None:
    shapes.write({"same.py": "x = 1\n", "ends.py": "x = 1\n", "flag.py": "", "mode.py": ""})
    shapes.commit()
    in_conflict(shapes)
    shapes.git("config", "core.autocrlf", "input")
    shapes.git("update-index", "--assume-unchanged", "flag.py")
    (shapes.folder / "ends.py").write_bytes(b"x = 1\r\n")
    (shapes.folder / "mode.py").chmod(0o755)
    (shapes.folder / "link.py").symlink_to("same.py")
    shapes.write({"flag.py": "y = 1\n", "intended.py": "", "untracked.py": "z = 1\n"})
    shapes.git("add", "link.py")
    shapes.git("add", "--intent-to-add", "intended.py")
    found = repository(shapes)
    state = index.work_tree_state(found)
    assert state.differing == {"shapes.py", "flag.py"}
    assert state.untracked == {"intended.py", "untracked.py"}
    paths = sorted(path.name for path in shapes.folder.glob("*.py"))
    names = index.work_tree_blobs(found, index.listing(found), state, paths)
    assert names == index.blob_ids(found, paths)
    assert names["ends.py"] == blob("x = 1\n")


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_what_git_was_told_not_to_look_at_is_looked_at(shapes: Checkout, flag: str) -> None:
    shapes.git("update-index", flag, "shapes.py", "test_shapes.py")
    assert differs(shapes, "shapes.py", "test_shapes.py") == set()
    shapes.write({"shapes.py": ""})
    assert differs(shapes, "shapes.py", "test_shapes.py") == {"shapes.py"}
    assert differs(shapes, "test_shapes.py") == set()


def test_line_ends_differ_as_git_sees_them(shapes: Checkout) -> None:
    with_crlf = SHAPES.replace("\n", "\r\n").encode()
    (shapes.folder / "crlf.py").write_bytes(with_crlf)
    shapes.commit()
    shapes.git("config", "core.autocrlf", "true")
    (shapes.folder / "shapes.py").write_bytes(with_crlf)
    os.utime(shapes.folder / "crlf.py", (1, 1))
    assert differs(shapes, "shapes.py", "crlf.py") == set()


def test_ignored_is_what_git_ignores_and_does_not_track(shapes: Checkout, tmp_path: Path) -> None:
    with_submodule(shapes, tmp_path)
    shapes.write(
        {
            ".gitignore": "*_version.py\nbuild/\nlinked\n!keep_version.py\n",
            "a_version.py": "",
            "keep_version.py": "",
            "tracked_version.py": "",
            "build/lib/x.py": "",
            "build/tracked.py": "",
            "build/pkg/.git/HEAD": "",
            "build/pkg/y.py": "",
            "own/.git/HEAD": "",
            "own/build/z.py": "",
        }
    )
    shapes.git("add", "--force", "tracked_version.py", "build/tracked.py")
    (shapes.folder / "linked").symlink_to("build")
    (shapes.folder / "seen").symlink_to("build")
    yes = [
        "a_version.py",
        "build/lib/x.py",
        "build/pkg/y.py",
        "linked/lib/x.py",
        "pkg/a_version.py",
    ]
    no = [
        *("keep_version.py", "tracked_version.py", "build/tracked.py", "own/build/z.py"),
        *("seen/lib/x.py", "inner/shapes.py", "inner/a_version.py", "shapes.py", "new.py"),
    ]
    assert index.ignored(repository(shapes), yes + no) == set(yes)
    assert index.ignored(repository(shapes), no) == set()
    assert index.ignored(repository(shapes), []) == set()


def with_submodule(shapes: Checkout, tmp_path: Path) -> tuple[Checkout, str]:
    """The submodule ``inner``, and the commit it is at."""
    run(["git", "clone", "--quiet", str(shapes.folder), "other"], tmp_path)
    shapes.git(
        *("-c", "protocol.file.allow=always", "submodule", "--quiet", "add"),
        *(str(tmp_path / "other"), "inner"),
    )
    shapes.commit()
    inner = Checkout(shapes.folder / "inner")
    return inner, inner.git("rev-parse", "HEAD").strip()


def test_a_submodule_is_at_its_commit_unless_something_in_it_is_changed(
    shapes: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, commit = with_submodule(shapes, tmp_path)
    found = repository(shapes)
    monkeypatch.setenv("GIT_DIR", str(shapes.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(shapes.folder / ".git/index"))
    assert index.submodule_state(found, "inner") == commit
    inner.write({"__pycache__/x.pyc": ""})
    assert index.submodule_state(found, "inner") == commit
    inner.write({"new.py": ""})
    assert index.submodule_state(found, "inner") == f"{commit}-dirty"
    (inner.folder / "new.py").unlink()
    inner.write({"shapes.py": ""})
    assert index.submodule_state(found, "inner") == f"{commit}-dirty"
    monkeypatch.undo()
    commit = inner.commit()
    assert index.submodule_state(found, "inner") == commit


def test_a_submodule_that_is_not_checked_out_is_at_no_commit(
    shapes: Checkout, tmp_path: Path
) -> None:
    with_submodule(shapes, tmp_path)
    shapes.git("submodule", "--quiet", "deinit", "--force", "inner")
    assert index.submodule_state(repository(shapes), "inner") == ""
    (shapes.folder / "inner").rmdir()
    assert index.submodule_state(repository(shapes), "inner") == ""


def test_links_on_the_way_are_all_that_lead_to_a_file(shapes: Checkout) -> None:
    shapes.write({"real/pkg/a.py": ""})
    links = {
        "one": "./two",
        "two": "real",
        "real/again": "../one/pkg/",
        "real/pkg/b.py": "a.py",
        "out": "..",
        "far": "/tmp",  # noqa: S108 - never followed
        "round": "round",
    }
    for name, target in links.items():
        subprocess.run(["ln", "-s", "-n", target, name], cwd=shapes.folder, check=True)

    def on_the_way(path: str) -> Mapping[str, str]:
        return index.links_on_the_way(repository(shapes), path)

    assert on_the_way("real/pkg/a.py") == {}
    assert on_the_way("one/again/b.py") == {
        name: blob(links[name]) for name in ("one", "two", "real/again", "real/pkg/b.py")
    }
    for name in ("out", "far", "round"):
        assert on_the_way(f"{name}/x.py") == {name: blob(links[name])}


# Configuration as staged.


def reader(checkout: Checkout, folder: str = ".") -> index.StagedFiles:
    found = repository(checkout)
    return index.StagedFiles(found, index.listing(found), found.top / folder)


def test_a_staged_file_is_read_as_it_is_staged(shapes: Checkout) -> None:
    read = reader(shapes)
    assert (read("pyproject.toml"), read(".covsync.yaml")) == (BRANCHES.encode(), None)
    assert read.differing == set()
    shapes.write({"pyproject.toml": "", ".covsync.yaml": "fail_under: 1\n"})
    assert (read("pyproject.toml"), read(".covsync.yaml")) == (BRANCHES.encode(), None)
    assert read.differing == {"pyproject.toml", ".covsync.yaml"}
    (shapes.folder / "pyproject.toml").unlink()
    assert read("pyproject.toml") == BRANCHES.encode()


def test_a_staged_file_with_other_line_ends_here_is_no_change(shapes: Checkout) -> None:
    (shapes.folder / "pyproject.toml").write_bytes(BRANCHES.replace("\n", "\r\n").encode())
    read = reader(shapes)
    assert (read("pyproject.toml"), read.differing) == (BRANCHES.encode(), set())


def test_a_staged_link_is_followed_to_what_is_staged(shapes: Checkout, tmp_path: Path) -> None:
    shapes.write({"shared/base.toml": "x = 1\n"})
    (tmp_path / "outside.toml").write_text("y = 1\n")
    (shapes.folder / "a").mkdir()
    (shapes.folder / "a/pyproject.toml").symlink_to("../b/base.toml")
    (shapes.folder / "b").symlink_to("shared")
    (shapes.folder / "a/far.toml").symlink_to(tmp_path / "outside.toml")
    (shapes.folder / "a/none.toml").symlink_to("../nothing")
    shapes.git("add", "--all")
    shapes.write({"shared/base.toml": "x = 2\n"})
    (shapes.folder / "b").unlink()
    read = reader(shapes, "a")
    assert read("pyproject.toml") == b"x = 1\n"
    assert read("far.toml") == b"y = 1\n"
    assert read("none.toml") is None
    assert read.differing == {"pyproject.toml"}


def test_what_is_staged_and_lies_here_needs_no_process(
    shapes: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reader(shapes)
    monkeypatch.setenv("PATH", "")
    assert read("pyproject.toml") == BRANCHES.encode()


def test_a_project_may_be_configured_as_staged_or_as_committed(
    shapes: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shapes.folder)
    for floor in (90, 80, 70):  # committed, staged, here
        shapes.write({"pyproject.toml": f"[tool.covsync]\nfail_under = {floor}\n"})
        if floor == 90:
            shapes.commit()
        elif floor == 80:
            shapes.git("add", "--all")
    staged, committed = project.open_staged({}), project.open_staged({}, "HEAD")
    assert (staged.config.fail_under, committed.config.fail_under) == (Fraction(80), Fraction(90))
    assert project.open_project({}).config.fail_under == 70
    assert staged.listing == index.listing(staged.repository)
    project.note_unstaged(Console(), staged)
    assert capsys.readouterr().err == (
        "covsync: note: pyproject.toml has changes that are not staged; the staged settings count\n"
    )


def test_a_staged_configuration_that_is_no_text_is_an_error(
    shapes: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shapes.folder)
    (shapes.folder / "pyproject.toml").write_bytes(b"\xff")
    shapes.git("add", "--all")
    shapes.write({"pyproject.toml": ""})
    with pytest.raises(CovsyncError, match=r"cannot read pyproject.toml: 'utf-8' codec"):
        project.open_staged({})


# Both places of an option.


@pytest.mark.parametrize("command", [["check"], ["push", "--dry-run"]])
def test_verbose_is_the_same_before_a_command_and_behind_it(
    shapes: Checkout, command: list[str]
) -> None:
    plain = shapes.covsync(*command)
    before, behind = shapes.covsync("-v", *command), shapes.covsync(*command, "-v")
    for ended in (before, behind):
        assert ended.status == plain.status
        assert "covsync: coverage data: " in ended.err
    assert "coverage data" not in plain.err
