"""``covsync push`` from every shape of repository, which afterwards is bit for bit what it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BRANCHES, SHAPES, SHAPES_TEST, Checkout, Ended, run, unstamped

pytestmark = pytest.mark.stress

FILES = {"README.md", "badge.svg", "endpoint.json", "data.json", "history.jsonl", ".nojekyll"}
FACTS = (
    ("status", "--porcelain=v2", "--branch", "--untracked-files=all", "--no-renames"),
    ("stash", "list"),
    ("for-each-ref",),
)
GUIDE = "How to draw shapes.\n" * 20
DEAD_URL = "http://robot:s3cr3t-t0ken@127.0.0.1:9/shapes.git"
# Programs that must not run: the file they would leave is seen when everything is compared.
FAILS = "#!/bin/sh\ntouch '{ran}'\nexit 1\n"
NEEDS_LFS = FAILS.replace(
    "exit 1", "echo 'large files are kept with git-lfs, which is missing'; exit 2"
)
HOOKS = ("pre-commit", "post-commit", "pre-push", "reference-transaction")


def around(checkout: Checkout) -> Path:
    """The folder of the test, which holds the remote, the checkout, and all else."""
    return next(folder for folder in checkout.folder.parents if (folder / "remote.git").exists())


def state(folder: Path) -> set[str]:
    """Every file and folder in a folder, git's own included, with its mode and what it holds."""
    return {f"{path.relative_to(folder)} {_held(path)}" for path in folder.rglob("*")}


def _held(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    held = path.read_bytes() if path.is_file() else b""
    return f"{path.stat().st_mode:o} {hashlib.sha256(held).hexdigest()}"


def everything(checkout: Checkout) -> set[str]:
    """The test's folder, less the remote, and the user's home."""
    here = {line for line in state(around(checkout)) if not line.startswith("remote.git/")}
    return here | {f"~/{line}" for line in state(Path(os.environ["HOME"]))}


def published(checkout: Checkout, *arguments: str) -> Ended:
    """How ``covsync push`` succeeded, which changed nothing but the remote."""
    told = [run(["git", *fact], checkout.folder, checkout.env) for fact in FACTS]
    before = everything(checkout)
    ended = checkout.covsync("push", *arguments)
    assert everything(checkout) ^ before == set()
    assert [run(["git", *fact], checkout.folder, checkout.env) for fact in FACTS] == told
    assert ended.status == 0, ended
    return ended


def refused(checkout: Checkout, status: int = 1) -> str:
    """What ``covsync push`` said when it failed, which changed nothing, the remote included."""
    before = state(around(checkout))
    ended = checkout.covsync("push")
    assert state(around(checkout)) ^ before == set()
    assert (ended.status, ended.out) == (status, ""), ended
    return ended.err


def arrived(checkout: Checkout) -> dict[str, bytes]:
    """The files of the data branch, which is one sound commit of plain files."""
    remote = around(checkout) / "remote.git"
    assert run(["git", "fsck", "--strict"], remote).status == 0
    assert run(["git", "rev-list", "--count", "covsync-data"], remote).out == "1\n"
    modes = run(["git", "ls-tree", "-r", "--format=%(objectmode)", "covsync-data"], remote).out
    assert set(modes.split()) == {"100644"}
    target = remote.with_name("arrived")
    run(["git", "clone", "--quiet", "--branch=covsync-data", str(remote), str(target)], remote)
    shutil.rmtree(target / ".git")
    return content(target)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_arrived_whole(checkout: Checkout) -> None:
    """For a commit that no other checkout has: all files, and the figures of that commit."""
    files = arrived(checkout)
    assert FILES | {"htmlcov/index.html", "htmlcov/shapes_py.html"} < files.keys()
    data = json.loads(files["data.json"])
    assert data["covsync"]["commit"] == checkout.git("rev-parse", "HEAD").strip()
    assert (data["coverage"], list(data["raw_data"]["files"])) == (75.0, ["shapes.py"])


@pytest.fixture
def project(shapes: Checkout) -> Checkout:
    """A commit that the remote has too, and beside it, in ``plain``, what is to arrive of it."""
    shapes.write({"docs/guide.md": GUIDE + "And outlines.\n"})
    shapes.commit("Explain")
    shapes.git("push", "--quiet", "--set-upstream", "origin", "main")
    assert shapes.covsync("push", "--output-dir", "../plain").status == 0
    temporary = around(shapes) / "tmp"
    temporary.mkdir()
    return Checkout(shapes.folder, {"TMPDIR": str(temporary)})


def untidy(checkout: Checkout) -> Checkout:
    """Measured, and with a stash, with staged, dirty and untracked files."""
    checkout.write({"test_shapes.py": "# to be put aside\n"})
    checkout.git("stash", "--quiet")
    checkout.coverage("run", "test_shapes.py")
    checkout.write({"staged.txt": GUIDE + "And circles.\n"})
    checkout.git("add", "staged.txt")
    checkout.write({"staged.txt": GUIDE, "untracked.txt": "untracked\n"})
    return checkout


def cloned(project: Checkout, *options: str) -> Checkout:
    remote = around(project) / "remote.git"
    run(["git", "config", "uploadpack.allowFilter", "true"], remote)
    clone = Checkout(remote.with_name("clone"), project.env)
    done = run(["git", "clone", *options, f"file://{remote}", "clone"], remote.parent)
    assert done.status == 0, done
    return clone


def configured(checkout: Checkout, settings: dict[str, str]) -> Checkout:
    """With the settings both in the repository and in the user's own."""
    file = around(checkout) / "gitconfig"
    file.write_bytes(Path(os.environ["GIT_CONFIG_GLOBAL"]).read_bytes())
    for setting in settings.items():
        checkout.git("config", *setting)
        checkout.git("config", "--file", str(file), *setting)
    return Checkout(checkout.folder, {**checkout.env, "GIT_CONFIG_GLOBAL": str(file)})


def script(checkout: Checkout, path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.format(ran=around(checkout) / "ran"))
    path.chmod(0o755)


def depth_1_clone(project: Checkout) -> Checkout:
    clone = cloned(project, "--depth=1")
    assert clone.git("rev-parse", "--is-shallow-repository") == "true\n"
    return untidy(clone)


def detached_head(project: Checkout) -> Checkout:
    project.git("switch", "--quiet", "--detach")
    return untidy(project)


def linked_work_tree(project: Checkout) -> Checkout:
    project.git("worktree", "add", "-b", "side", "../linked")
    return untidy(Checkout(around(project) / "linked", project.env))


def linked_work_tree_of_a_bare_clone(project: Checkout) -> Checkout:
    cloned(project, "--bare").git("worktree", "add", "../linked", "main")
    return untidy(Checkout(around(project) / "linked", project.env))


def inside_a_submodule(project: Checkout) -> Checkout:
    whole = Checkout(around(project) / "whole", project.env)
    whole.folder.mkdir()
    whole.git("init", "--quiet")
    url = f"file://{around(project)}/remote.git"
    whole.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "part")
    whole.commit("Take the shapes in")
    return untidy(Checkout(whole.folder / "part", project.env))


def partial_clone(project: Checkout) -> Checkout:
    """Git would fetch the guide, to see whether the staged file is that one renamed."""
    clone = untidy(cloned(project, "--filter=blob:none", "--sparse"))
    clone.git("rm", "--quiet", "--cached", "--sparse", "docs/guide.md")
    missing = clone.git("rev-list", "--objects", "--all", "--missing=print")
    assert re.search(r"^\?", missing, re.MULTILINE)
    return clone


def relative_url_from_a_subfolder(project: Checkout) -> Checkout:
    project.git("remote", "set-url", "origin", "../remote.git")
    return Checkout(untidy(project).folder / "docs", project.env)


def hooks_that_fail(project: Checkout) -> Checkout:
    for name in HOOKS:
        script(project, untidy(project).folder / ".git" / "hooks" / name, FAILS)
    return project


def a_hook_that_needs_lfs(project: Checkout) -> Checkout:
    script(project, untidy(project).folder / ".git" / "hooks" / "pre-push", NEEDS_LFS)
    return project


def hooks_of_the_user_that_fail(project: Checkout) -> Checkout:
    """Those that are set, and those that every new repository gets; the remote is another's."""
    template = around(project) / "template"
    template.mkdir()
    for name in HOOKS:
        script(project, around(project) / "hooks" / name, FAILS)
        script(project, template / "hooks" / name, FAILS)
    run(["git", "config", "core.hooksPath", "hooks"], around(project) / "remote.git")
    settings = {"core.hooksPath": str(around(project) / "hooks")}
    return configured(untidy(project), {**settings, "init.templateDir": str(template)})


def signing_that_fails(project: Checkout) -> Checkout:
    program = around(project) / "gpg"
    script(project, program, FAILS)
    signs = dict.fromkeys(("commit.gpgsign", "tag.gpgsign"), "true")
    return configured(
        untidy(project), {**signs, "push.gpgSign": "if-asked", "gpg.program": str(program)}
    )


def line_ends_of_windows(project: Checkout) -> Checkout:
    clone = cloned(project, "-c", "core.autocrlf=true")
    assert b"\r\n" in (clone.folder / "shapes.py").read_bytes()
    return configured(untidy(clone), {"core.autocrlf": "true"})


def nobody(project: Checkout) -> Checkout:
    """Without a name or an address, and with git told not to make them up."""
    file = around(project) / "gitconfig"
    file.write_text("[user]\nuseConfigOnly = true\n")
    anonymous = Checkout(untidy(project).folder, {**project.env, "GIT_CONFIG_GLOBAL": str(file)})
    assert run(["git", "var", "GIT_COMMITTER_IDENT"], project.folder, anonymous.env).status == 128
    return anonymous


def url_that_git_rewrites(project: Checkout) -> Checkout:
    project.git("remote", "set-url", "origin", "work:remote.git")
    return configured(untidy(project), {f"url.{around(project)}/.insteadOf": "work:"})


def push_url_that_git_rewrites(project: Checkout) -> Checkout:
    project.git("remote", "set-url", "origin", "work:remote.git")
    return configured(untidy(project), {f"url.{around(project)}/.pushInsteadOf": "work:"})


def settings_of_the_git_that_runs_it(project: Checkout) -> Checkout:
    """As ``git -c`` hands them to its hooks; ``-c`` counts more than any other setting."""
    script(project, around(project) / "hooks" / "reference-transaction", FAILS)
    run(["git", "config", "core.hooksPath", "hooks"], around(project) / "remote.git")
    settings = f"'core.hookspath'='{around(project)}/hooks' 'push.gpgsign'='true'"
    environ = {**project.env, "GIT_CONFIG_PARAMETERS": settings}
    return Checkout(untidy(project).folder, environ)


@pytest.mark.parametrize(
    "shape",
    [
        depth_1_clone,
        detached_head,
        linked_work_tree,
        linked_work_tree_of_a_bare_clone,
        inside_a_submodule,
        partial_clone,
        relative_url_from_a_subfolder,
        hooks_that_fail,
        a_hook_that_needs_lfs,
        hooks_of_the_user_that_fail,
        signing_that_fails,
        line_ends_of_windows,
        nobody,
        url_that_git_rewrites,
        push_url_that_git_rewrites,
        settings_of_the_git_that_runs_it,
    ],
    ids=lambda shape: shape.__name__,
)
def test_it_publishes_the_same_files_and_leaves_everything_as_it_was(
    shape: Callable[[Checkout], Checkout], project: Checkout
) -> None:
    checkout = shape(project)
    assert published(checkout).err == ""
    files, plain = arrived(checkout), content(around(project) / "plain")
    if shape is line_ends_of_windows:  # by which its sources are others, to the byte
        for each in (files, plain):
            each["data.json"] = unstamped(each["data.json"].decode()).encode()
    assert files == plain


def test_a_superproject(project: Checkout) -> None:
    whole = Checkout(inside_a_submodule(project).folder.parent, project.env)
    whole.write({"shapes.py": SHAPES, "test_shapes.py": SHAPES_TEST, "pyproject.toml": BRANCHES})
    whole.git("remote", "add", "origin", f"{around(project)}/remote.git")
    whole.commit("Draw shapes here, too")
    untidy(whole)
    assert published(whole).err == ""
    assert_arrived_whole(whole)


def test_the_object_format_sha256(tmp_path: Path) -> None:
    for folder, options in (("remote.git", ["--bare"]), ("checkout", [])):
        run(["git", "init", "--quiet", "--object-format=sha256", *options, folder], tmp_path)
    checkout = Checkout(tmp_path / "checkout")
    checkout.write({"shapes.py": SHAPES, "test_shapes.py": SHAPES_TEST, "pyproject.toml": BRANCHES})
    checkout.git("remote", "add", "origin", "../remote.git")
    assert len(checkout.commit("Draw shapes")) == 64
    assert published(untidy(checkout)).err == ""
    assert_arrived_whole(checkout)
    assert "is up to date" in published(checkout).out


def test_without_a_commit_there_is_nothing_to_publish(project: Checkout) -> None:
    project.git("checkout", "--quiet", "--orphan", "unborn")
    assert refused(project) == (
        "covsync: error: there is no commit yet whose coverage could be published\n"
        "  Commit first: git commit\n"
    )


def test_a_repository_of_another_user_is_refused_until_it_is_trusted(project: Checkout) -> None:
    """Git's own switch makes it take every repository for another user's, the remote too."""
    theirs = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    way_out = f"git config --global --add safe.directory {project.folder}"
    distrusted = Checkout(untidy(project).folder, {**project.env, **theirs})
    assert refused(distrusted) == (
        f"covsync: error: git does not trust this repository: {project.folder} "
        f"belongs to another user\n  If you trust it: {way_out}\n"
    )
    trusting = configured(project, {"safe.directory": f"{around(project)}/remote.git"})
    trusted = Checkout(project.folder, {**trusting.env, **theirs})
    assert run(way_out.split(), project.folder, trusted.env).status == 0
    assert published(trusted).err == ""
    assert arrived(project) == content(around(project) / "plain")


@pytest.mark.parametrize("name", ["pre-commit", "post-commit", "pre-push"])
def test_it_publishes_from_inside_a_hook_that_git_runs(project: Checkout, name: str) -> None:
    """In a linked work tree git tells its hooks where the index is, or the repository, or both."""
    linked, place = linked_work_tree(project), around(project)
    script(
        project,
        project.folder / ".git" / "hooks" / name,
        f"#!/bin/sh\ncd {place}\nmkdir before after\nenv >environ\n"
        "cp -a checkout linked before\n"
        "(cd linked && covsync push) >told 2>&1 || exit 1\n"
        "cp -a checkout linked after\n",
    )
    linked.git("commit", "--quiet", "--allow-empty", "--message=More")
    linked.git("push", "--quiet", "origin", "side")
    told = (place / "told").read_text()
    assert re.fullmatch(r"covsync: pushed 75% of \w+ to origin/covsync-data \(.* added\)\n", told)
    assert re.search("^GIT_(DIR|INDEX_FILE)=/", (place / "environ").read_text(), re.MULTILINE)
    before = state(place / "before")
    assert any(line.startswith("checkout/.git/worktrees/linked/index ") for line in before)
    assert state(place / "after") ^ before == set()
    assert arrived(project).keys() == content(place / "plain").keys()


@pytest.mark.parametrize("kind", ["url", "pushurl"])
def test_of_several_push_urls_the_first_is_published_to_and_that_is_said(
    project: Checkout, kind: str
) -> None:
    """Git itself would push to each. The other one here holds a secret, and nobody answers."""
    project.git("config", "--replace-all", f"remote.origin.{kind}", f"{around(project)}/remote.git")
    project.git("config", "--add", f"remote.origin.{kind}", DEAD_URL)
    ended = published(untidy(project), "--debug")
    assert arrived(project) == content(around(project) / "plain")
    assert "s3cr3t" not in ended.out + ended.err
    said = "covsync: note: origin has 2 push URLs; only the first is published to"
    assert [line[: len(said)] for line in ended.err.splitlines()] == [said]


# A bare repository: no files lie there, so a `coverage json` report is all it can publish.


def bare(project: Checkout) -> Checkout:
    project.coverage("json", "--quiet", "-o", "../report.json")
    return cloned(project, "--bare")


def test_a_bare_repository_publishes_a_coverage_json_report(project: Checkout) -> None:
    """As a checkout would, without pages; what was measured elsewhere is found in ``HEAD``."""
    repository, report = bare(project), around(project) / "report.json"
    report.write_text(report.read_text().replace('"shapes.py"', '"/build/7/shapes.py"'))
    ended = published(repository, "--data-file", str(report))
    assert ended.err == (
        "covsync: note: htmlcov/ is left out: a coverage json report does not hold the sources\n"
    )
    files, plain = arrived(project), content(around(project) / "plain")
    assert files.keys() == FILES
    for name in ("badge.svg", "endpoint.json", "data.json", "history.jsonl"):
        assert unstamped(files[name].decode()) == unstamped(plain[name].decode())


def test_a_bare_repository_without_a_report_has_nothing_to_publish(project: Checkout) -> None:
    assert "is a bare repository: it has no sources to analyse" in refused(bare(project), status=3)
