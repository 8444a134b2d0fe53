"""Whatever is read, it is understood or refused: never believed halfway, never a crash."""

from __future__ import annotations

import copy
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import JSON

from covsync.config import Config, load
from covsync.errors import CovsyncError
from covsync.git.command import Answer
from covsync.git.remote_errors import refusal
from covsync.git.remote_url import Address
from covsync.measure.json_report import in_parts, report_from_json
from covsync.measure.path_mapping import paths_in, place
from covsync.model import ReportStyle, Totals, WorkTree
from covsync.render.links import links_for, web_address


def one_line(error: CovsyncError) -> None:
    """What is wrong is a line, and so is what to do about it."""
    for text in (error.message, error.fix):
        assert text
        assert "\n" not in text


# What is configured.

SETTINGS = st.tuples(
    st.sampled_from(["fail_under", "paths", "html", "public", "branch", "pages_url", "x"]),
    st.sampled_from(
        ["1e99999999999999999999", "0x" + "f" * 4000, "9" * 5000, "!!int ''", "!!bool x"]
    )
    | JSON.map(json.dumps)
    | st.text(max_size=10),
)


@given(
    setting=SETTINGS,
    text=st.text(max_size=10),
    name=st.sampled_from(["pyproject.toml", ".covsync.yaml"]),
)
@example(setting=("x", "!!timestamp x"), text="", name=".covsync.yaml")
@example(setting=("x", "9" * 5000), text="", name="pyproject.toml")
@example(setting=("fail_under", "0x" + "f" * 4000), text="", name="pyproject.toml")
@example(setting=("x", "1e99999999999999999999"), text="", name="pyproject.toml")
def test_a_configuration_is_taken_or_explained(
    setting: tuple[str, str], text: str, name: str
) -> None:
    form = "[tool.covsync]\n{} = {}\n{}" if name == "pyproject.toml" else "{}: {}\n{}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(form.format(*setting, text).encode("utf-8", "surrogatepass"))
        try:
            assert isinstance(load(Path(folder), {}), Config)
        except CovsyncError as error:
            one_line(error)


# What remotes are called, and what they say.

HOSTS = st.sampled_from(
    ["github.com", "github.x", "gitlab.{x}", "gitea.x)<b>", "[::1]", "[", "", "\udcff"]
)
URLS = st.one_of(
    st.text(),
    st.binary().map(os.fsdecode),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["https://", "http://u@", "ssh://git@", "git@", "file://", "git://u:p@"]),
        HOSTS | st.text(max_size=5),
        st.sampled_from([":", "/", ":8443/", ":x/"]),
        st.text(max_size=5)
        | st.sampled_from(["a/b.git", "a/\udcff", "~u/r", "a b/(c)", "%ff/<script>"]),
    ),
)


@given(url=URLS, public=st.none() | st.booleans())
@example(url="https://github.com/a/\udcff.git", public=None)
@example(url="https://github.{x}/a/b", public=None)
def test_links_come_from_any_url_and_end_where_they_should(url: str, public: bool | None) -> None:  # noqa: FBT001
    address = web_address(url)
    assert address is None or address.base.startswith(("https://", "http://"))
    made = links_for(url, Config(public=public), has_html=True, environ={}, event={})
    for link in (made.report, made.badge_target, made.badge, made.endpoint):
        assert not set(link) & set(" \t\r\n<>()\"'`\\"), link
        link.encode()


SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=4, max_size=12).filter(
    lambda secret: not set(secret) & set("/?#*\\[]")
)


@given(user=SECRETS, password=SECRETS, encoded=st.booleans())
@example(user="user", password="pa\u2100ss", encoded=False)  # noqa: S106 - of nobody
@example(user="user", password="p'%41 s", encoded=False)  # noqa: S106 - of nobody
def test_a_password_is_never_shown(user: str, password: str, encoded: bool) -> None:  # noqa: FBT001
    assume(password not in "https://remote.example/r.git" and not set(user) & set("@:"))  # noqa: S105
    url = f"https://{user}:{quote(password, safe='') if encoded else password}@remote.example/r.git"
    try:
        address = Address.of(url)
    except CovsyncError as error:
        shown = f"{error.message} {error.fix}"
        one_line(error)
    else:
        assert address.url == "https://remote.example/r.git"
        assert not any(password in key + value for key, value in address.settings())
        shown = address.redacted(f"fatal: '{url}': 403\nremote: {address.password} is bad")
    assert password not in shown
    assert quote(password, safe="") not in shown


@given(url=URLS | st.sampled_from(["https://u:p[s@remote.example/r.git", "ext::sh -c x", "::"]))
@example(url="https://u:p[s@remote.example/r.git")
def test_an_address_is_taken_or_refused(url: str) -> None:
    try:
        address = Address.of(url)
    except CovsyncError:
        return
    assert not re.match(r"[A-Za-z0-9+.-]*::", address.url)


SAID = st.lists(
    st.sampled_from(
        [
            *(
                "remote: ",
                "fatal: ",
                "error: ",
                "!\t",
                "\t",
                "[rejected] (stale info)",
                "{last}",
                "{",
            ),
            *("\r", "\n", "\x85", "\x1b[2J", "hook declined", "error: 403", "}", "%s"),
        ]
    )
    | st.text(max_size=8),
    max_size=10,
).map("".join)


@given(output=st.binary(), error=SAID)
def test_a_refusal_is_one_line_whatever_git_and_the_remote_say(output: bytes, error: str) -> None:
    told = refusal(Answer(1, output, error), "covsync-data", "push")
    assert told.message
    assert told.tries >= 1
    assert "\n" not in told.message + told.fix


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> WorkTree:
    """A repository with files, links that lead out of it, and something outside."""
    outside = tmp_path_factory.mktemp("outside")
    top = tmp_path_factory.mktemp("repository")
    tracked = ("a.py", "src/a.py", "src/b.py", "link.py", "linked")
    for folder, name in ((outside, "secret.py"), *((top, name) for name in tracked[:3])):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (top / ".git").mkdir()
    (top / ".git" / "config").touch()
    (top / "link.py").symlink_to(outside / "secret.py")
    (top / "linked").symlink_to(outside)
    (top / "loop").symlink_to("loop")
    (top / "gitlink").symlink_to(".git")
    return WorkTree(Path(os.path.realpath(top)), Path(os.path.realpath(top)), frozenset(tracked))


STEPS = st.sampled_from(
    [
        *("src", "a.py", "b.py", "link.py", "linked", "secret.py", "loop", "gitlink", "config"),
        *("..", ".", "", ".git", ".GIT", "~", "C:", "\\", "\0", "\udcff", "\ud800", "\n"),
    ]
)


@given(
    names=st.lists(
        st.builds(
            "".join,
            st.tuples(
                st.sampled_from(["", "/", "//", "./", "../", "\\\\", "C:\\"]),
                st.lists(STEPS | st.text(max_size=4), max_size=5).map("/".join),
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
@example(names=["a\0.py"])
@example(names=["a\ud800.py"])
def test_a_measured_name_stands_for_a_file_inside_or_is_refused(
    tree: WorkTree, names: list[str]
) -> None:
    try:
        placed = place(names, tree)
    except CovsyncError as error:
        one_line(error)
        return
    for name in names:
        here = paths_in(tree).inside(placed[name])
        assert here is not None
        real = os.path.realpath(os.path.join(tree.folder, placed[name]))
        assert real.startswith(f"{tree.top}/")
        assert ".git" not in os.path.relpath(real, tree.top).lower().split("/")


SUMMARY = {
    "covered_lines": 2,
    "num_statements": 3,
    "percent_covered": 60.0,
    "missing_lines": 1,
    "excluded_lines": 0,
    "num_branches": 2,
    "num_partial_branches": 1,
    "covered_branches": 1,
    "missing_branches": 1,
}
DOCUMENT = {
    "meta": {"format": 3, "branch_coverage": True, "version": "7.10"},
    "files": {
        "a.py": {
            "executed_lines": [1, 2],
            "missing_lines": [3],
            "excluded_lines": [],
            "executed_branches": [[2, -1]],
            "missing_branches": [[2, 3]],
            "summary": SUMMARY,
        }
    },
    "totals": SUMMARY,
}


def places(document: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in a document."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(document, (dict, list)):
        inner = list(document.items() if isinstance(document, dict) else enumerate(document))
    return [path, *(way for key, value in inner for way in places(value, (*path, key)))]


@given(ways=st.lists(st.sampled_from(places(DOCUMENT)[1:]), max_size=3), data=st.data())
def test_a_report_is_consistent_or_refused(
    ways: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    document = copy.deepcopy(DOCUMENT)
    for *way, last in ways:
        parent: Any = document
        for key in way:
            try:
                parent = parent[key]
            except (TypeError, KeyError, IndexError):
                break
        if isinstance(parent, dict) or (isinstance(parent, list) and last in range(len(parent))):
            parent[last] = data.draw(JSON | st.integers(-1, 4) | st.lists(st.integers(0, 4)))
    try:
        report = report_from_json(in_parts(document), ReportStyle())
    except CovsyncError as error:
        one_line(error)
        return
    assert sum((file.totals for file in report.files), Totals()) == report.totals
    assert 0 <= report.totals.percent_covered <= 100
    for file in report.files:
        assert len(set(file.lines.missing)) == file.totals.missing
        assert len(set(file.lines.missing_branches)) == file.totals.missing_branches
