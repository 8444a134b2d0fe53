"""Whatever is put in, the parsers, the renderers and the writer keep what they promise."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from strategies import JSON

from covsync.console import printable
from covsync.contents import Content, Files
from covsync.git.fast_import import commit_stream, quoted
from covsync.model import (
    CoverageJson,
    FileReport,
    Lines,
    Links,
    Report,
    ReportStyle,
    Source,
    Totals,
    blob_id,
    shown_name,
)
from covsync.render.badge import Badge, badge_svg, message_of
from covsync.render.data_json import data_head, data_json, holds_coverage, source_of
from covsync.render.history import COUNTS, carried_line, history_jsonl, merged_history
from covsync.render.readme import readme_md
from covsync.render.table import LINKED
from covsync.render.trend import trend_svg

NEVER_IN_GIT = ("", ".", "..", ".git", ".GIT", ".gIt")
PARTS = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda part: part.replace(b"/", b"|")),
    st.text(min_size=1, max_size=8).map(
        lambda part: part.replace("/", "|").encode("utf-8", "replace")
    ),
    st.sampled_from([b'"', b"\\", b"\n", b"-x", b"from refs/heads/main", b"M 100644 inline x"]),
)
PATHS = (
    st.lists(PARTS, min_size=1, max_size=3)
    .map(lambda parts: os.fsdecode(b"/".join(parts)))
    .filter(lambda path: "\0" not in path and not set(path.split("/")) & set(NEVER_IN_GIT))
)
FILES = st.dictionaries(PATHS, st.binary(max_size=40), max_size=6).filter(
    lambda files: not any(a.startswith(f"{b}/") for a in files for b in files)
)
MESSAGES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.one_of(
    st.text(min_size=1, max_size=30),
    st.lists(
        st.sampled_from(
            [
                *("|", "\\", "`", "``", "<", ">", "<script>alert(1)</script>", "<b x=", "<!--"),
                *("[x](https://x.example)", "![", "](", "<https://x.example>", "*", "**", "_"),
                *("~~", "#", "&lt;", "&amp;"),
                *("\n", "\r\n", "\u2028", "\x1b[31m", "\u202e", "\udcff", "a", " ", ".py", "/"),
            ]
        ),
        min_size=1,
        max_size=8,
    ).map("".join),
)  # fmt: skip


def report_of(names: Mapping[str, int] | list[str]) -> Report:
    """A report on files of these names, of two statements each, one of them missing."""
    totals = Totals(statements=2, missing=1)
    files = tuple(FileReport(name, totals, Lines((1,), (2,))) for name in sorted(names))
    total = sum((file.totals for file in files), Totals())
    return Report(files, total, has_branches=False, style=ReportStyle())


# The writer of the data branch.


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    return folder


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done
    return done.stdout


def held(folder: Path, commit: str) -> dict[str, bytes]:
    """The files of a commit, as git lists and gives them."""
    files = {}
    for line in git(folder, "ls-tree", "-r", "-z", commit).split(b"\0")[:-1]:
        meta, _, path = line.partition(b"\t")
        mode, kind, blob = meta.split()
        assert (mode, kind) == (b"100644", b"blob")
        files[os.fsdecode(path)] = git(folder, "cat-file", "blob", blob.decode())
    return files


@settings(max_examples=25)
@given(first=FILES, second=FILES, message=MESSAGES, data=st.data())
def test_git_holds_what_the_stream_says(
    bare: Path, first: dict[str, bytes], second: dict[str, bytes], message: str, data: st.DataObject
) -> None:
    removed = data.draw(st.sets(st.sampled_from(sorted(first)))) if first else set()
    kept = {path: content for path, content in first.items() if path not in removed}
    wanted = {**kept, **second}
    assume(not any(a.startswith(f"{b}/") for a in wanted for b in wanted))
    parent = None
    packed = {path: Content.packed([content[:9], content[9:]]) for path, content in second.items()}
    for gone, written in ((set(), Files(first)), (removed, Files(packed))):
        facts: dict[str, Any] = {"ref": "refs/covsync/new", "at": 1, "tree": None}
        stream = commit_stream(
            message=message, parent=parent, removed=gone, written=written, **facts
        )
        git(bare, "fast-import", "--quiet", "--done", "--force", stdin=b"".join(stream))
        parent = git(bare, "rev-parse", "refs/covsync/new").decode().strip()
    assert held(bare, "refs/covsync/new") == wanted
    head, _, told = git(bare, "cat-file", "commit", "refs/covsync/new").partition(b"\n\n")
    assert told == message.encode()
    assert head.endswith(b"committer covsync <covsync@localhost> 1 +0000")


@given(pieces=st.lists(st.binary(max_size=99) | st.binary().map(lambda some: some * 999)))
def test_a_packed_content_is_what_was_packed(pieces: list[bytes]) -> None:
    packed, content = Content.packed(pieces), b"".join(pieces)
    length, unpacked = packed.pieces()
    assert (length, b"".join(unpacked), packed.read()) == (len(content), content, content)
    assert packed.blob_id("sha1") == blob_id(content, "sha1")
    assert packed.blob_id("sha256") == blob_id(content, "sha256")


@given(
    parts=st.lists(PARTS, max_size=3), bad=st.sampled_from([*NEVER_IN_GIT, "\0"]), data=st.data()
)
def test_a_path_that_git_must_not_hold_is_refused(
    parts: list[bytes], bad: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(parts)))
    path = [*map(os.fsdecode, parts[:at]), bad, *map(os.fsdecode, parts[at:])]
    with pytest.raises(ValueError, match="cannot be a path in a git tree"):
        quoted("/".join(path))


# What a branch may already hold.

FOREIGN = st.binary(max_size=20).map(lambda line: b"#" + line.replace(b"\n", b" "))
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "commit": st.sampled_from(["a", "b", "c"]) | JSON,
        "committed_at": st.sampled_from(
            ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00+0530", "0001-01-01T00:00:00+23:59"]
        )
        | JSON,
        "percent_covered": st.integers(-1, 101) | JSON,
    },
).map(lambda entry: json.dumps(entry).encode())
HISTORIES = st.lists(FOREIGN | ENTRIES | st.binary(), max_size=6).map(b"\n".join)
HERE, THERE = Source("a" * 40, 1767225600), Source("b" * 40, 1767139200)
BETTER = Report((), Totals(9, 1), has_branches=True, style=ReportStyle())


@given(published=HISTORIES, foreign=st.lists(FOREIGN, max_size=3))
def test_histories_merge_in_any_order_and_keep_foreign_lines(
    published: bytes, foreign: list[bytes]
) -> None:
    published = b"".join(line + b"\n" for line in foreign) + published
    worse = report_of(["a.py"])
    merged = history_jsonl(history_jsonl(published, worse, HERE), BETTER, THERE)
    assert merged == history_jsonl(history_jsonl(published, BETTER, THERE), worse, HERE)
    assert merged == history_jsonl(merged, BETTER, THERE)
    assert merged.startswith(b"".join(line + b"\n" for line in foreign))
    assert not published or set(merged.split(b"\n")) >= set(foreign)


@given(history=HISTORIES)
@example(history=b'{"committed_at": "2026-01-01T00:00:00Z", "percent_covered": 1%s}' % (b"0" * 400))
def test_a_trend_is_drawn_of_any_history(history: bytes) -> None:
    """Of whatever can be read of it, as an SVG picture."""
    svg = trend_svg(history_jsonl(history, BETTER, HERE), "89", HERE.committed_at)
    assert svg is None or ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


@given(data=st.binary() | JSON.map(lambda value: json.dumps({"covsync": value}).encode()))
@example(data=b'{"covsync": {"commit": "a\\u0000b", "committed_at": "2026-01-01T00:00:00Z"}}')
@example(data=b'{"covsync": {"commit": "\\nx", "committed_at": "2026-01-01T00:00:00Z"}}')
@example(
    data=b'{"covsync": {"commit": "%s", "committed_at": "0001-01-01T00:00:00+23:59"}}' % (b"a" * 40)
)
def test_a_published_source_is_a_commit_and_a_time_or_none(data: bytes) -> None:
    holds_coverage(data, data)
    assert message_of(data) is None
    source = source_of(data)
    if source is not None:
        assert len(source.commit) in (40, 64)
        assert set(source.commit) <= set("0123456789abcdef")
        told = CoverageJson({"meta": {}, "files": {}}, {})
        report = Report((), Totals(), has_branches=False, style=ReportStyle(), coverage_json=told)
        assert source_of(b"".join(data_json(data_head(report, source, "."), source, {}))) == source


@given(
    totals=JSON
    | st.dictionaries(st.sampled_from(COUNTS), st.integers() | st.just(-(10**400)), max_size=6),
    coverage=JSON,
)
def test_an_old_publications_line_is_one_or_none(totals: object, coverage: object) -> None:
    data = json.dumps({"coverage": coverage, "raw_data": {"totals": totals}}).encode()
    line = carried_line(data, None, HERE)
    assert line is None or merged_history([line]) == line + b"\n"
    if line is not None:
        assert 0 <= json.loads(line)["percent_covered"] <= 100


# What is shown.


@given(
    label=st.text(min_size=1).filter(str.isprintable),
    style=st.sampled_from(["flat", "for-the-badge"]),
)
def test_a_badge_says_its_label_whatever_it_is(label: str, style: str) -> None:
    svg = ET.fromstring(badge_svg(Badge(label, "94%", "red"), style))  # noqa: S314 - made here
    assert svg.attrib["aria-label"] == f"{label}: 94%"
    assert {each.tag.partition("}")[2] for each in svg.iter()} <= {
        *("svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text")
    }


@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_a_name_is_text_in_the_readme(names: list[str]) -> None:
    """One row a file; no element, link or image that a harmless name would not have made."""
    told = Links("htmlcov/index.html", "README.md", "badge.svg", "endpoint.json", is_public=False)
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")

    def parsed(report: Report) -> list[tuple[str, list[str]]]:
        page = readme_md(report, told, has_html=True, has_trend=False).decode()
        tokens = markdown.parse(page)
        return [(each.type, [child.type for child in each.children or []]) for each in tokens]

    def blocks(tokens: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
        return [
            (kind, [c for c in children if c not in ("text", "text_special", "code_inline")])
            for kind, children in tokens
        ]

    hostile = report_of(names)
    harmless = report_of([f"a{at}.py" for at in range(len(names))])
    assert blocks(parsed(hostile)) == blocks(parsed(harmless))
    html = markdown.render(readme_md(hostile, told, has_html=True, has_trend=False).decode())
    rows = [row.split("</td>")[0] for row in html.split("<tr>\n<td>")[1:-1]]
    cells = [row.removeprefix("<code>").removesuffix("</code>").strip() for row in rows]
    plain = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
    shown = [
        name.replace("\\|", "?|") if LINKED.search(name) else name
        for name in map(shown_name, names)
    ]
    assert sorted(cells) == sorted(name.strip().translate(plain) for name in shown)


@given(text=st.text() | st.binary().map(os.fsdecode))
def test_nothing_printed_steers_a_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(char == "\n" or char.isprintable() for char in shown)
    assert printable(shown) == shown
