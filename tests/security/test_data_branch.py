"""Whoever may push to the data branch, or name a file, decides nothing but what they may."""

from __future__ import annotations

import html
import json
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, Checkout, run
from markdown_it import MarkdownIt

pytestmark = pytest.mark.first(1)  # of each test's cases; the others are for CI

# Names that forges make links of by themselves.

LINKED = (
    *("www.evil.example/x.py", "see WWW.evil.example.py", "ftp:/www.evil.example", "@user.py"),
    *("a@b.example", "org/repo@v1/x.py", "org/repo#1.py", "#123.py", "!7.py", "GH-123.py"),
    *("0123abc.py", "da39a3ee5e6b4b0d3255bfef95601890afd80709.py", "[[page]].py", "@a`b``c.py"),
    *("`@a`", "@pi|pe.py", "@back\\slash", "@back\\|bar.py", " @lead.py", "@<img src=x>&amp;.py"),
)
LIKE_ORDINARY = ("www/a.py", "utf-8.py", "UTF-8-1.py", "0001_initial.py", "a#b.py", "c++!.py")


def published(remote: Path, path: str = "README.md") -> str:
    return run(["git", "show", f"covsync-data:{path}"], remote).out


def rendered(page: str) -> str:
    """A page as GitHub shows it, addresses made links; a name such as ``a.py`` is none there."""
    markdown_it = MarkdownIt("gfm-like", {"linkify": True})
    assert markdown_it.linkify is not None
    markdown_it.linkify.set({"fuzzy_link": False})
    return str(markdown_it.render(page))


def cells(page: str) -> list[str]:
    """The first cell of each row of the page's tables."""
    return re.findall(r"<tr>\n<td[^>]*>(.*?)</td>", page)


def test_no_name_becomes_a_link(checkout: Checkout, remote: Path) -> None:
    names = [*LINKED, *LIKE_ORDINARY]
    checkout.write(dict.fromkeys(names, "x = 1\n"))
    checkout.write(
        {
            ".gitignore": ".coverage\n",
            "run.py": "".join(f"import runpy; runpy.run_path({name!r})\n" for name in names),
        }
    )
    checkout.commit()
    checkout.coverage("run", "--source=.", "run.py")
    ended = checkout.covsync("push", "--no-html")
    assert ended.status == 0, ended
    table = cells(rendered(published(remote).partition("## Setup")[0]))
    shown = sorted(name.replace("\\|", "?|") for name in LINKED)
    code = sorted(cell for cell in table if cell.startswith("<code>"))
    assert [html.unescape(cell[6:-7]) for cell in code] == shown
    assert {html.unescape(cell) for cell in table if cell not in code} == {
        *(*LIKE_ORDINARY, "run.py", "<strong>TOTAL</strong>")
    }
    theirs = checkout.coverage("report", "--format=markdown", "--include=www/*,utf*,UTF*,0001*").out
    rows = [line.split("|")[1].strip() for line in theirs.splitlines()[2:-1]]
    assert rows
    assert all(f"| {row} " in published(remote) for row in rows)


@pytest.mark.parametrize("name", ["www.evil.example", "0123abc", "GH-123"])
@pytest.mark.first(1)
def test_no_subproject_becomes_a_link(shapes: Checkout, remote: Path, name: str) -> None:
    shapes.write({"pyproject.toml": f'{BRANCHES}[tool.covsync]\nsubproject = "{name}"\n'})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    assert shapes.covsync("push").status == 0
    front = rendered(published(remote))
    assert set(re.findall('href="(.*?)"', front)) == {f"{name}/README.md"}
    assert f"<code>{name}</code></a>" in front
    heading = rendered(published(remote, f"{name}/README.md")).partition("\n")[0]
    assert heading == f"<h1>Repository Coverage of <code>{name}</code></h1>"


# What the branch says of commits.

FORGED = "0123456789" * 4


@pytest.fixture
def branch(shapes: Checkout, remote: Path, tmp_path: Path) -> Checkout:
    """A checkout of the data branch, on which the shapes are published."""
    assert shapes.covsync("push").status == 0
    run(["git", "clone", "--quiet", "-b", "covsync-data", str(remote), "branch"], tmp_path)
    return Checkout(tmp_path / "branch")


def forge(branch: Checkout, at: str) -> None:
    """The newest publication is said to be of an unknown commit of that time."""
    data = branch.folder / "data.json"
    known = re.compile('"commit": "[0-9a-f]+", "committed_at": "[^"]+"')
    data.write_text(known.sub(f'"commit": "{FORGED}", "committed_at": "{at}"', data.read_text()))
    line = {"commit": FORGED, "committed_at": at, "percent_covered": 1.0}
    with (branch.folder / "history.jsonl").open("a") as history:
        history.write(json.dumps(line) + "\n")
    branch.write({"README.md": "forged"})
    branch.commit()
    branch.git("push", "--quiet")


def improve(shapes: Checkout) -> str:
    shapes.write({"test_shapes.py": BETTER_TEST})
    commit = shapes.commit("Test more")
    shapes.coverage("run", "test_shapes.py")
    return commit


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.mark.parametrize("year_9999", [True, False])
@pytest.mark.first(1)
def test_a_commit_of_the_future_keeps_no_page(
    shapes: Checkout, remote: Path, branch: Checkout, *, year_9999: bool
) -> None:
    forge(branch, "9999-12-31T23:59:59Z" if year_9999 else iso(time.time() + 2 * 86400))
    commit = improve(shapes)
    assert shapes.covsync("push").out.startswith(f"covsync: pushed 100% of {commit[:10]} ")
    assert published(remote).startswith("# Repository Coverage\n")
    assert published(remote, "history.jsonl").splitlines()[-1].startswith(f'{{"commit": "{FORGED}"')
    trend = published(remote, "trend.svg")
    assert "Coverage over 2 publications" in trend
    assert "now 100%" in trend
    assert "is up to date" in shapes.covsync("push").out


def test_a_commit_that_nobody_knows_is_judged_by_its_time(
    shapes: Checkout, remote: Path, branch: Checkout
) -> None:
    """As where two branches publish, of which one is deleted."""
    forge(branch, iso(time.time() + 3600))
    improve(shapes)
    assert f"is at the newer commit {FORGED[:10]}" in shapes.covsync("push").out
    assert published(remote) == "forged"


@pytest.mark.parametrize("is_old", [True, False])
def test_a_shallow_clone_asks_the_remote_which_commit_is_older(
    shapes: Checkout, remote: Path, tmp_path: Path, *, is_old: bool
) -> None:
    """The older one has the later time, as where a clock was wrong."""
    run(["git", "config", "uploadpack.allowFilter", "true"], remote)
    old = shapes.git("rev-parse", "HEAD").strip()
    shapes.env["GIT_COMMITTER_DATE"] = "2020-01-01T00:00:00Z"
    new = improve(shapes)
    shapes.git("push", "--quiet", "origin", "main", f"{old}:refs/heads/old")
    here, there = (old, new) if is_old else (new, old)
    shapes.git("switch", "--quiet", "--detach", there)
    shapes.coverage("run", "test_shapes.py")
    assert shapes.covsync("push").status == 0
    name = "old" if is_old else "main"
    run(["git", "clone", "-q", "--depth=1", "-b", name, remote.as_uri(), "shallow"], tmp_path)
    shallow = Checkout(tmp_path / "shallow")
    shallow.coverage("run", "test_shapes.py")
    ended = shallow.covsync("push")
    assert ended.status == 0, ended
    said = f"is at the newer commit {there[:10]}" if is_old else f"pushed 100% of {here[:10]}"
    assert said in ended.out
    assert shallow.git("rev-list", "--all").split() == [here]


# What lies on it.


def object_of(branch: Checkout, kind: str, content: bytes) -> str:
    """The name of a new object, however malformed."""
    done = subprocess.run(
        ["git", "hash-object", "-w", "--literally", "-t", kind, "--stdin"],
        cwd=branch.folder,
        input=content,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def tree(branch: Checkout, entries: Iterable[tuple[str, str, str]]) -> str:
    """A tree of entries: mode, name, object."""
    return object_of(
        branch,
        "tree",
        b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(of) for mode, name, of in entries),
    )


def top_with(branch: Checkout, mode: str, name: str, added: str) -> str:
    """The published tree with one entry more, or another one."""
    lines = branch.git("ls-tree", "HEAD").splitlines()
    split = [(line.split()[0].lstrip("0"), line.split("\t")[1], line.split()[2]) for line in lines]
    kept = [each for each in split if each[1] != name]
    of_folder = {"40000": "/"}
    ordered = sorted([*kept, (mode, name, added)], key=lambda e: e[1] + of_folder.get(e[0], ""))
    return tree(branch, ordered)


def put(branch: Checkout, top: str, head: str = "") -> None:
    """A commit of that tree is the data branch."""
    head = head or "author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n"
    commit = object_of(branch, "commit", f"tree {top}\n{head}\nForged\n".encode())
    branch.git("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/covsync-data")


def refused(shapes: Checkout, remote: Path, *words: str) -> None:
    """A push ends with an error of two lines, and the branch stays as it is."""
    before = run(["git", "for-each-ref"], remote).out
    improve(shapes)
    ended = shapes.covsync("push")
    assert (ended.status, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 2, ended.err
    for word in words:
        assert word in ended.err
    soft = shapes.covsync("push", "--soft-fail")
    assert soft.status == 0
    assert soft.err.startswith("covsync: warning: ")
    assert run(["git", "for-each-ref"], remote).out == before


@pytest.mark.parametrize("page", ["\n" * 400_000, "<!-- covsync: subprojects -->\n" * 100_000])
def test_a_front_page_is_read_in_one_go(shapes: Checkout, branch: Checkout, page: str) -> None:
    branch.write({"README.md": page + "x"})
    branch.commit()
    branch.git("push", "--quiet")
    improve(shapes)
    for subproject in ([], ["--subproject=api"]):
        command = ["covsync", "push", *subproject]
        done = subprocess.run(command, cwd=shapes.folder, timeout=120, check=False)
        assert done.returncode == 0


@pytest.mark.stress
def test_a_tree_that_repeats_itself_is_not_walked(
    shapes: Checkout, remote: Path, branch: Checkout
) -> None:
    inner = tree(branch, [("100644", "x", object_of(branch, "blob", b""))])
    for _ in range(8):
        inner = tree(branch, [("40000", f"{at}", inner) for at in range(10)])
    put(branch, top_with(branch, "40000", "bomb", inner))
    refused(shapes, remote, "what git ls-tree says of the data branch: covsync reads at most")


def test_a_deep_tree_is_refused(shapes: Checkout, remote: Path, branch: Checkout) -> None:
    inner = tree(branch, [("100644", "x", object_of(branch, "blob", b""))])
    for _ in range(120):
        inner = tree(branch, [("40000", "d", inner)])
    put(branch, top_with(branch, "40000", "deep", inner))
    refused(shapes, remote, "deep/d/d", "at most 100 folders above a file")


@pytest.mark.stress
def test_a_large_file_is_not_read(shapes: Checkout, remote: Path, branch: Checkout) -> None:
    blob = object_of(branch, "blob", b" " * (64 * 2**20 + 1))
    put(branch, top_with(branch, "100644", "README.md", blob))
    refused(shapes, remote, "README.md on the data branch: covsync reads at most 67,108,864 bytes")


def test_a_long_history_is_refused(shapes: Checkout, remote: Path, branch: Checkout) -> None:
    blob = object_of(branch, "blob", b"\n" * 200_001)
    put(branch, top_with(branch, "100644", "history.jsonl", blob))
    refused(shapes, remote, "history.jsonl: covsync reads at most 200,000 lines")


def test_many_subprojects_are_refused(shapes: Checkout, remote: Path, branch: Checkout) -> None:
    project = tree(branch, [("100644", "data.json", object_of(branch, "blob", b"{}"))])
    put(branch, tree(branch, [("40000", f"p{at:04}", project) for at in range(1001)]))
    refused(shapes, remote, "the data branch: covsync reads at most 1,000 subprojects")


def test_a_path_that_git_does_not_check_out_is_removed(
    shapes: Checkout, remote: Path, branch: Checkout
) -> None:
    blob = object_of(branch, "blob", b"x")
    git = tree(branch, [("100644", "config", blob)])
    put(branch, top_with(branch, "40000", "htmlcov", tree(branch, [("40000", ".git", git)])))
    improve(shapes)
    ended = shapes.covsync("push")
    assert ended.status == 0, ended
    assert "htmlcov/.git" not in run(["git", "ls-tree", "-r", "covsync-data"], remote).out


@pytest.mark.parametrize(
    "head", ["author A <a@b> 0 +0000\n", "committer \n", f"committer A <a@b> {'9' * 5000} +0000\n"]
)
@pytest.mark.first(1)
def test_a_commit_without_a_committer_is_another_tools(
    shapes: Checkout, remote: Path, branch: Checkout, head: str
) -> None:
    put(branch, branch.git("rev-parse", "HEAD^{tree}").strip(), head)
    improve(shapes)
    ended = shapes.covsync("push")
    assert ended.status == 0, ended
    assert run(["git", "rev-list", "--count", "covsync-data"], remote).out == "2\n"
    assert shapes.covsync("compact").status == 0


@pytest.mark.parametrize("count", ["4.5", "-3", "NaN", "1e999", '"6"', "true", "99"])
@pytest.mark.first(3)
def test_a_count_that_is_none_is_no_baseline(
    shapes: Checkout, branch: Checkout, count: str
) -> None:
    data = branch.folder / "data.json"
    data.write_text(
        re.sub('"missing_lines": [0-9]+', f'"missing_lines": {count}', data.read_text())
    )
    branch.commit()
    branch.git("push", "--quiet")
    shapes.write({"pyproject.toml": f"{BRANCHES}[tool.covsync]\nmax_drop = 1\n"})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    ended = shapes.covsync("check", "--fetch")
    assert "there is no baseline yet" in ended.err, ended
    assert "bug in covsync" not in ended.err + ended.out


@pytest.mark.stress
@pytest.mark.parametrize("begin", ["", ', "covsync": '])
def test_another_tools_large_data_is_not_parsed(
    shapes: Checkout, branch: Checkout, begin: str
) -> None:
    """In memory it would be fifty times as large."""
    blob = object_of(branch, "blob", f"{begin}[{'{},' * 23_000_000}0]".encode())
    put(branch, top_with(branch, "100644", "data.json", blob))
    improve(shapes)
    limited = ["sh", "-c", "ulimit -v 1500000; exec covsync push"]
    ended = run(limited, shapes.folder)
    assert ended.status == 0, ended
