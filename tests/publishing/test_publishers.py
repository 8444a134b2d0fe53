"""Many that publish at once: all arrive, and nothing that one of them wrote is lost."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import BRANCHES, SHAPES, SHAPES_TEST, Checkout, run, unstamped
from http_remote import TOKEN, USER, http_remote

PUBLISHERS = 32
SAID = re.compile(r"covsync: (pushed|origin/covsync-data is at the newer commit) .*\n")


@pytest.fixture(params=["file", "http"])
def address(request: pytest.FixtureRequest, remote: Path) -> Iterator[str]:
    """The remote's URL, of which all publishers know."""
    with ExitStack() as stack:
        if request.param == "file":
            yield remote.as_uri()
            return
        run(["git", "config", "http.receivepack", "true"], remote)
        yield stack.enter_context(http_remote(remote.parent)).url(f"{USER}:{TOKEN}")


@pytest.fixture(scope="module")
def publishers(tmp_path_factory: pytest.TempPathFactory) -> list[Checkout]:
    """Checkouts of as many commits in a row, each with its own coverage."""
    folder = tmp_path_factory.mktemp("publishers")
    first = Checkout(folder / "first")
    first.folder.mkdir()
    first.git("init", "--quiet")
    first.write({"pyproject.toml": BRANCHES, "test_shapes.py": SHAPES_TEST})
    made = []
    for number in range(PUBLISHERS):
        first.write({"shapes.py": SHAPES + "x = 1\n" * number})
        first.env["GIT_COMMITTER_DATE"] = f"2026-01-01T00:00:{number:02}Z"
        first.commit(f"Commit {number}")
        clone = Checkout(folder / f"clone{number}")
        run(["git", "clone", "--quiet", str(first.folder), str(clone.folder)], folder)
        clone.coverage("run", "test_shapes.py")
        made.append(clone)
    return made


def all_push(publishers: list[Checkout], *subprojects: str) -> list[str]:
    """What each said, all having begun at once; all succeed."""
    each = [["--subproject", name] for name in subprojects] or [[] for _ in publishers]
    running = [
        subprocess.Popen(
            ["covsync", "push", *more],
            cwd=publisher.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for publisher, more in zip(publishers, each, strict=True)
    ]
    ended = [(process.communicate(), process.returncode) for process in running]
    assert [status for _, status in ended] == [0] * len(publishers), ended
    return [out for (out, _), _ in ended]


def on_branch(remote: Path, *arguments: str) -> str:
    ended = run(["git", *arguments], remote)
    assert ended.status == 0, ended
    return ended.out


@pytest.mark.parametrize("history", ["append", "single"])
@pytest.mark.stress
def test_all_arrive_and_the_newest_commits_files_stay(
    publishers: list[Checkout], tmp_path: Path, remote: Path, address: str, history: str
) -> None:
    for publisher in publishers:
        publisher.git("remote", "set-url", "origin", address)
        publisher.write({".covsync.yaml": f"history: {history}\n"})
    commits = [publisher.git("rev-parse", "HEAD").strip() for publisher in publishers]
    said = all_push(publishers)
    assert all(SAID.fullmatch(line) for line in said), said
    lines = on_branch(remote, "show", "covsync-data:history.jsonl").splitlines()
    assert [json.loads(line)["commit"] for line in lines] == commits
    count = {"append": PUBLISHERS, "single": 1}[history]
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == f"{count}\n"
    assert "error" not in on_branch(remote, "fsck", "--strict")
    alone = tmp_path / "alone"
    assert publishers[-1].covsync("push", "--output-dir", str(alone)).status == 0
    for path in ("data.json", "badge.svg", "htmlcov/shapes_py.html", "htmlcov/index.html"):
        published = on_branch(remote, "show", f"covsync-data:{path}")
        assert unstamped(published) == unstamped((alone / path).read_text()), path


@pytest.mark.stress
def test_subprojects_that_publish_at_once_are_all_there(
    publishers: list[Checkout], remote: Path, address: str
) -> None:
    for publisher in publishers[:8]:
        publisher.git("remote", "set-url", "origin", address)
        publisher.write({".covsync.yaml": "history: single\n"})
    names = [f"part{number}" for number in range(8)]
    all_push(publishers[:8], *names)
    paths = on_branch(remote, "ls-tree", "-r", "--name-only", "covsync-data").split()
    for name in names:
        assert {f"{name}/data.json", f"{name}/htmlcov/shapes_py.html"} <= set(paths)
    page = on_branch(remote, "show", "covsync-data:README.md")
    assert re.findall(r"^\| \[(\w+)\]", page, re.MULTILINE) == names
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == "1\n"


@pytest.mark.stress
def test_a_server_that_takes_its_time_serves_all(publishers: list[Checkout], remote: Path) -> None:
    """As hosts do: every push takes a second, so more than twelve of them fail for each."""
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec sleep 1\n")
    hook.chmod(0o755)
    for publisher in publishers[:16]:
        publisher.git("remote", "set-url", "origin", str(remote))
        publisher.write({".covsync.yaml": "history: append\n"})
    all_push(publishers[:16])
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == "16\n"
