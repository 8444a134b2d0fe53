"""Whoever may push to the data branch, or name a file, decides nothing but what they may."""

from __future__ import annotations

import html
import json
import re
import time
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, Checkout, run
from markdown_it import MarkdownIt

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
