"""A `.coverage` of an untrusted pull request reads nothing outside, and injects into nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import Checkout, Ended, run
from coverage import CoverageData
from coverage.numbits import nums_to_numbits

CANARY = "canary_that_must_stay_at_home"
SECRET = f"{CANARY} = 1\nif {CANARY} > 1:\n    {CANARY} = 2\n"
SETTINGS = "[tool.coverage.html]\nshow_contexts = true\n"


@pytest.fixture
def project(checkout: Checkout) -> Checkout:
    """Two harmless sources, and settings that show all there is."""
    checkout.write({"pyproject.toml": SETTINGS, "a.py": "x = 1\n", "b.py": "x = 1\ny = 2\n"})
    checkout.write({".gitignore": ".coverage\nlocal/\n"})
    checkout.commit()
    return checkout


def measured(checkout: Checkout, names: Iterable[str], context: str = "") -> None:
    """Data as coverage.py writes it, in which the first line of each file ran."""
    data = CoverageData(basename=str(checkout.folder / ".coverage"))
    data.erase()
    data.set_context(context)
    data.add_lines({str(checkout.folder / name): [1] for name in names})
    data.write()


def all_that_is_published(remote: Path) -> str:
    """Every path and every byte that anyone could fetch from the remote, as text."""
    listing = run(["git", "log", "--all", "--format=%B", "--name-only", "-z"], remote)
    objects = run(["git", "cat-file", "--batch", "--batch-all-objects"], remote)
    return listing.out + objects.out


def refused(checkout: Checkout, remote: Path, *statuses: int) -> list[Ended]:
    """Both commands end with an error of two lines, and nothing has reached the remote."""
    ends = [checkout.covsync("push"), checkout.covsync("check")]
    for ended in ends:
        assert ended.status in statuses, ended
        assert ended.out == ""
        assert ended.err.startswith("covsync: error: ")
        assert len(ended.err.splitlines()) == 2, ended.err
        assert CANARY not in ended.err
        assert "bug in covsync" not in ended.err
    assert run(["git", "for-each-ref"], remote).out == ""
    return ends


# What data files name.


@pytest.mark.parametrize(
    "name",
    [
        *("{outside}/secret.py", "{here}/../outside/secret.py", "linked/secret.py", "link.py"),
        *("linked/../../outside/secret.py", "links/link.py", ".GIT/config", ".git/hooks/x.py"),
        *("git_by_link/hooks/x.py", "{here}/.git/config", "sub/../.git/hooks/x.py", "/dev/stdin"),
    ],
)
@pytest.mark.first(1)
def test_a_file_outside_is_neither_read_nor_published(
    project: Checkout, remote: Path, tmp_path: Path, name: str
) -> None:
    """Tracked links lead to it; beside it the data names a harmless file."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").write_text(SECRET)
    (project.folder / "links").mkdir()
    (project.folder / "link.py").symlink_to("../outside/secret.py")
    (project.folder / "linked").symlink_to(tmp_path / "outside")
    (project.folder / "links" / "link.py").symlink_to("../link.py")
    (project.folder / "git_by_link").symlink_to(".git")
    project.write({".git/hooks/x.py": SECRET})
    project.git("config", "covsync.canary", CANARY)
    project.commit()
    name = name.format(here=project.folder, outside=tmp_path / "outside")
    measured(project, [name, "a.py"])
    refused(project, remote, 1)
    with sqlite3.connect(project.folder / ".coverage") as database:
        database.execute("update file set path = ? where id = 1", [name])
    database.close()
    refused(project, remote, 1)


def test_a_tracked_link_to_an_untracked_file_publishes_nothing(
    project: Checkout, remote: Path
) -> None:
    project.write({"local/secret.py": SECRET})
    (project.folder / "link.py").symlink_to("local/secret.py")
    project.commit()
    measured(project, ["link.py", "a.py"])
    ended = project.covsync("push")
    assert (ended.status, len(ended.err.splitlines())) == (1, 2)
    assert "local/secret.py is measured but git does not track it" in ended.err
    assert run(["git", "for-each-ref"], remote).out == ""


def test_an_untracked_neighbour_is_not_published(project: Checkout, remote: Path) -> None:
    project.write({"local/secret.py": SECRET})
    measured(project, ["a.py"])
    assert project.covsync("push").status == 0
    assert CANARY not in all_that_is_published(remote)


def test_a_link_is_not_what_a_foreign_name_stands_for(
    project: Checkout, remote: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.py").write_text(SECRET)
    (project.folder / "link.py").symlink_to("../secret.py")
    project.commit()
    measured(project, ["/app/link.py"])
    refused(project, remote, 1)


@pytest.mark.parametrize("name", ["evil/{}.py", "/evil/{}/a.py"])
@pytest.mark.stress
def test_a_hundred_thousand_names_end_in_one_line(
    project: Checkout, remote: Path, name: str
) -> None:
    measured(project, ["a.py", *(name.format(at) for at in range(100_000))])
    for ended in refused(project, remote, 1, 3):
        assert len(ended.err) < 1000


# What files are called, and what they hold.

NAMES = (
    *("<img src=x onerror=alert(1)>.py", "a<", "x</script><script>alert(1)</script>.py"),
    *('"onmouseover="alert(1)" x=".py', "' onfocus='alert(1)'.py", "&lt;b&gt;&amp;.py"),
    *("javascript:alert(1);.py", "data:text,x.py", "page#t1?x=%41.py", "<!-- .py", "{{ x }}.py"),
    *("[x](javascript:alert(1)).py", "![x](y).py", "pi|pe.py", "`tick`.py", "**bold**.py"),
    *("\x1b[2J\x1b[31mred.py", "\x1b]0;title\x07.py", "\rover.py", "\u202egnp.py", "\x9b1m.py"),
    *("M 100644 inline x", "x\nfrom refs/heads/main\n", "deleteall\ndone\n.py", 'say "x".py'),
    *("-rf.py", "--help", " lead.py", "back\\slash.py", "new\ncovsync: error: forged.py"),
    *("new\n| forged | 1 | 0 | 100% | |\n.py", "sub</b>/<script>x.py", "größe.py"),
)
CONTENT = (
    "x = '</span></p></main><script>alert(1)</script>'  # <img src=x onerror=alert(1)> &amp;\n"
    "def f(): return '''<!--'''; \"]]>\"\n"
)
CONTEXT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\" ' & \x1b[31m"


class Page(HTMLParser):
    """The elements and attributes of a page, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, str]] = set()
        self.targets: set[str] = set()
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.elements |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.targets |= {value or "" for name, value in attrs if name in ("href", "src")}


def pages(checkout: Checkout) -> dict[str, Page]:
    """The pages as they would be published."""
    ended = checkout.covsync("push", "--output-dir", "../out")
    assert (ended.status, ended.err) == (0, "")
    found = (checkout.folder.parent / "out" / "htmlcov").rglob("*.html")
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in found}


@pytest.fixture
def hostile(project: Checkout) -> Checkout:
    """Sources with every such name and content, tracked and measured."""
    project.git("config", "core.quotePath", "false")
    project.write({**dict.fromkeys(NAMES, CONTENT), "plain.py": CONTENT})
    project.commit()
    measured(project, [*NAMES, "plain.py"], CONTEXT)
    return project


def test_every_name_and_content_is_published_as_what_it_is(hostile: Checkout, remote: Path) -> None:
    ended = hostile.covsync("push")
    assert (ended.status, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == 1
    assert ended.out.isascii()
    assert run(["git", "fsck", "--strict"], remote).status == 0
    refs = run(["git", "for-each-ref", "--format=%(refname)"], remote).out
    assert refs == "refs/heads/covsync-data\n"
    table = run(["git", "show", "covsync-data:README.md"], remote).out
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) == len(NAMES) + len(("head", "plain.py", "total"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|(?<!\\)<|(?<!\\)\]\(j", table)


def test_no_page_is_injected_into(hostile: Checkout) -> None:
    """Every page has the elements of a harmless one's, and every link leads to a page."""
    found = pages(hostile)
    assert len(found) == len(NAMES) + len(("plain", "index", "function_index", "class_index"))
    plain = found["plain_py.html"]
    indexes = {name: found.pop(name) for name in list(found) if name.endswith("index.html")}
    for name, page in found.items():
        assert page.elements == plain.elements, name
        assert page.scripts == plain.scripts, name
    there = {path.name for path in (hostile.folder.parent / "out" / "htmlcov").iterdir()}
    linked = set()
    for page in (*found.values(), *indexes.values()):
        for target in page.targets:
            if target.startswith("https://coverage.readthedocs.io"):
                continue
            parts = urlsplit(target)
            assert (parts.scheme, parts.netloc, parts.query) == ("", "", ""), target
            assert unquote(parts.path) in there | {""}, target
            linked.add(unquote(parts.path))
    assert linked >= found.keys()
    assert all(page.scripts == 1 for page in indexes.values())


@pytest.mark.parametrize(
    "command",
    [
        *(["check", "--fail-under-file=100"], ["check", "--fail-under=100"], ["push", "--dry-run"]),
        *(["push", "--verbose"], ["check", "--fail-under-file=100", "--format=json"]),
    ],
    ids=" ".join,
)
@pytest.mark.first(2)
def test_no_terminal_line_is_injected_into(hostile: Checkout, command: list[str]) -> None:
    ended = hostile.covsync(*command)
    assert ended.status in (0, 2)
    for line in (ended.out + ended.err).split("\n"):
        assert line.isprintable()
        assert not line.startswith(("covsync: error: forged", "from refs", "done", "| forged"))


def test_an_untracked_name_does_not_forge_a_line(project: Checkout, remote: Path) -> None:
    project.write({"local/x\ncovsync: error: forged.py": "x = 1\n"})
    measured(project, ["local/x\ncovsync: error: forged.py"])
    ended = project.covsync("push")
    assert ended.status == 1
    assert len(ended.err.splitlines()) == 2
    assert run(["git", "for-each-ref"], remote).out == ""


# What the database holds.


@pytest.mark.parametrize(
    "statement",
    [
        "update file set path = 7 where id = 1",
        "update file set path = 'a' || char(0) || '.py' where id = 1",
        "update line_bits set numbits = 'text'",
        "update line_bits set numbits = zeroblob(10000)",
        "update line_bits set numbits = randomblob(100)",
        "update line_bits set file_id = 'a.py' where file_id = 1",
        "delete from file",
        "insert into context (context) values (x'fffe')",
        "insert into arc values (1, 1, 1, 9223372036854775807), (1, 1, 'one', 'two')",
        "delete from meta",
        "insert or replace into meta values ('has_arcs', 'maybe')",
        "update coverage_schema set version = 'seven'",
        "delete from coverage_schema",
        "drop table line_bits",
        "drop table line_bits; create view line_bits as select 1 file_id, 1 context_id, 2 numbits",
        "insert into tracer values (1, 'a' || char(10) || 'covsync: error: forged.Plugin')",
        "insert into tracer values (1, 7)",
        "create trigger t after insert on file begin delete from file; end",
    ],
)
@pytest.mark.first(2)
def test_a_database_with_odd_values_is_answered_or_refused(
    project: Checkout, remote: Path, statement: str
) -> None:
    measured(project, ["a.py", "b.py"])
    with sqlite3.connect(project.folder / ".coverage") as database:
        database.executescript(statement)
    database.close()
    for command in (["check"], ["check", "--fail-under=1"], ["push"]):
        ended = project.covsync(*command)
        if ended.status == 0:
            assert re.search(r"covsync: (coverage is|pushed) (0|33|50|67|100)%", ended.out), ended
        else:
            assert ended.status in (1, 2, 3)
            assert len(ended.err.splitlines()) == (0 if ended.status == 2 else 2), ended
            assert "bug in covsync" not in ended.err
    assert CANARY not in all_that_is_published(remote)


def test_lines_that_the_source_does_not_have_count_for_nothing(project: Checkout) -> None:
    measured(project, ["a.py", "b.py"])
    with sqlite3.connect(project.folder / ".coverage") as database:
        lines = nums_to_numbits([0, 2, 5, 70_000, 99_000])
        database.execute("update line_bits set numbits = ? where file_id = 1", [lines])
    database.close()
    assert project.covsync("check").out.startswith("covsync: coverage is 33% ")
