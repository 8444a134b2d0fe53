"""A long data branch in one commit, with everything it ever told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, SHAPES_TEST, Checkout, run
from test_remotes import MOVES, hook

APPEND = BRANCHES + '[tool.covsync]\nhistory = "append"\n'
SAID = re.compile(
    r"covsync: compacted origin/covsync-data: (\d+) KiB -> (\d+) KiB; "
    r"(\d+) publications are in history.jsonl\n"
)


def on_branch(remote: Path, *arguments: str) -> str:
    ended = run(["git", *arguments], remote)
    assert ended.status == 0, ended
    return ended.out


def history(remote: Path, path: str = "history.jsonl") -> list[dict[str, object]]:
    lines = on_branch(remote, "show", f"covsync-data:{path}").splitlines()
    return [json.loads(line) for line in lines]


def published_thrice(shapes: Checkout) -> list[str]:
    """The source commits of three publications, of 75, 100 and 75%."""
    shapes.write({"pyproject.toml": APPEND})
    commits = []
    for number, tests in enumerate((SHAPES_TEST, BETTER_TEST, SHAPES_TEST)):
        shapes.write({"test_shapes.py": tests, "more.txt": f"{number}\n"})
        shapes.env["GIT_COMMITTER_DATE"] = f"2026-01-0{number + 1}T00:00:00Z"
        commits.append(shapes.commit(f"Publication {number}"))
        shapes.coverage("run", "test_shapes.py")
        assert shapes.covsync("push").status == 0
    return commits


def test_the_files_stay_and_the_history_is_kept(shapes: Checkout, remote: Path) -> None:
    commits = published_thrice(shapes)
    tree = on_branch(remote, "rev-parse", "covsync-data^{tree}")
    ended = shapes.covsync("compact")
    assert ended.status == 0, ended
    said = SAID.fullmatch(ended.out)
    assert said is not None, ended.out
    assert int(said[1]) > int(said[2])
    assert said[3] == "3"
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == "1\n"
    assert on_branch(remote, "rev-parse", "covsync-data^{tree}") == tree
    assert [line["commit"] for line in history(remote)] == commits
    assert shapes.covsync("compact").out == "covsync: origin/covsync-data is one commit already\n"
    assert "is up to date" in shapes.covsync("push").out


@pytest.mark.stress
def test_a_dry_run_only_tells_the_sizes(shapes: Checkout, remote: Path) -> None:
    published_thrice(shapes)
    tip = on_branch(remote, "rev-parse", "covsync-data")
    ended = shapes.covsync("compact", "--dry-run")
    assert ended.out.startswith("covsync: would compact origin/covsync-data: ")
    assert on_branch(remote, "rev-parse", "covsync-data") == tip


def test_what_a_lost_history_told_is_found_again(shapes: Checkout, remote: Path) -> None:
    """Each old commit's own data.json tells it."""
    commits = published_thrice(shapes)
    lines = history(remote)
    other = Checkout(shapes.folder.parent / "other")
    run(
        ["git", "clone", "--quiet", "-b", "covsync-data", str(remote), "other"], other.folder.parent
    )
    other.git("rm", "--quiet", "history.jsonl")
    other.commit()
    other.git("push", "--quiet")
    assert shapes.covsync("compact").status == 0
    assert [line["commit"] for line in history(remote)] == commits
    assert history(remote) == lines


def other_generators(tmp_path: Path, remote: Path) -> list[str]:
    """A branch as the layout's other generator makes it: with data, and in its first days without.

    In between someone adds a file by hand.
    """
    other = Checkout(tmp_path / "other")
    other.folder.mkdir()
    other.git("init", "--quiet", "--initial-branch=covsync-data")
    steps: list[dict[str, str]] = [
        {"endpoint.json": endpoint("51%")},
        {"endpoint.json": endpoint("62.5%")},
        {"CNAME": "coverage.example.org\n"},
        {"endpoint.json": endpoint("75%"), "data.json": data(75.0, statements=8, missing=2)},
        {"endpoint.json": endpoint("75%"), "data.json": data(99.9, statements=4, missing=1)},
    ]
    commits = []
    for number, files in enumerate(steps):
        other.write(files)
        other.env["GIT_COMMITTER_DATE"] = f"2025-01-0{number + 1}T00:00:00Z"
        commits.append(other.commit("Update coverage data"))
    other.git("push", "--quiet", str(remote), "covsync-data")
    return commits


def endpoint(message: str) -> str:
    shown = {"schemaVersion": 1, "label": "Coverage", "message": message, "color": "orange"}
    return json.dumps(shown)


def data(coverage: float, *, statements: int, missing: int) -> str:
    totals = {"num_statements": statements, "missing_lines": missing, "excluded_lines": 0}
    return json.dumps({"coverage": coverage, "raw_data": {"totals": totals}, "coverage_path": "."})


def test_the_other_generators_figures_are_carried(
    shapes: Checkout, remote: Path, tmp_path: Path
) -> None:
    """It does not tell which commit it measured: the data branch's own is named instead."""
    first, second, _, fourth, fifth = other_generators(tmp_path, remote)
    assert shapes.covsync("compact").status == 0
    counts = {"num_statements": 8, "missing_lines": 2, "excluded_lines": 0}
    halved = {"num_statements": 4, "missing_lines": 1, "excluded_lines": 0}
    unknown: dict[str, object] = {"commit": None}
    assert history(remote) == [
        unknown | {"committed_at": f"2025-01-0{day}T00:00:00Z", "published_in": commit} | figures
        for day, commit, figures in (
            (1, first, {"percent_covered": 51.0}),
            (2, second, {"percent_covered": 62.5}),
            (4, fourth, {"percent_covered": 75.0, **counts}),
            (5, fifth, {"percent_covered": 75.0, **halved}),
        )
    ]
    assert on_branch(remote, "show", "covsync-data:CNAME") == "coverage.example.org\n"
    assert "over 4 publications" in on_branch(remote, "show", "covsync-data:trend.svg")
    assert shapes.covsync("push").status == 0
    assert len(history(remote)) == 5
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == "1\n"


def test_every_subproject_keeps_its_history(shapes: Checkout, remote: Path) -> None:
    shapes.write({"pyproject.toml": APPEND})
    for name in ("api", "web"):
        assert shapes.covsync("push", "--subproject", name).status == 0
    ended = shapes.covsync("compact")
    assert "; 2 publications are in history.jsonl" in ended.out
    assert len(history(remote, "api/history.jsonl")) == 1
    assert len(history(remote, "web/history.jsonl")) == 1


@pytest.mark.stress
def test_a_branch_that_moved_meanwhile_is_left_as_it_is(shapes: Checkout, remote: Path) -> None:
    published_thrice(shapes)
    hook(remote, "pre-receive", MOVES)
    ended = shapes.covsync("compact")
    assert ended.status == 1
    assert ended.err == (
        "covsync: error: origin/covsync-data changed while it was being compacted, so it was left "
        "as it is\n  Run it again.\n"
    )
    assert on_branch(remote, "log", "-1", "--format=%s", "covsync-data").startswith("rival ")
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == "4\n"


@pytest.mark.stress
def test_a_server_that_forbids_it(shapes: Checkout, remote: Path) -> None:
    published_thrice(shapes)
    run(["git", "config", "receive.denyNonFastForwards", "true"], remote)
    ended = shapes.covsync("compact")
    assert ended.status == 1
    assert "the remote does not allow covsync-data to be replaced" in ended.err
    assert on_branch(remote, "rev-list", "--count", "covsync-data") == "3\n"


@pytest.mark.parametrize("branch", ["main", "release", "none"])
def test_only_a_data_branch_is_rewritten(shapes: Checkout, remote: Path, branch: str) -> None:
    shapes.write({"shapes.py": SHAPES + "\n"})
    shapes.commit()
    shapes.git("push", "--quiet", "origin", "main", "main:release")
    ended = shapes.covsync("compact", "--branch", branch)
    assert ended.status == 1
    words = {"main": "is checked out", "release": "holds no coverage data", "none": "there is no "}
    assert words[branch] in ended.err
    assert on_branch(remote, "rev-list", "--count", "release") == "2\n"
