"""Whoever may push to the data branch, or name a file, decides nothing but what they may."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout, run
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
