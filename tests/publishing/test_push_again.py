"""A branch that tells a coverage already is left alone, and nothing is made for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

BRANCH = "covsync-data"


def push(checkout: Checkout, *arguments: str) -> tuple[str, bool]:
    """What a push says, and whether anything was analysed for it."""
    ended = checkout.covsync("push", "--verbose", *arguments)
    assert ended.status == 0, ended
    return ended.out, "analysis (" in ended.err


def tip(remote: Path) -> str:
    return run(["git", "rev-parse", BRANCH], remote).out


def data(remote: Path) -> dict[str, dict[str, str]]:
    parsed: dict[str, dict[str, str]] = json.loads(
        run(["git", "show", f"{BRANCH}:data.json"], remote).out
    )
    return parsed


def replace_on_branch(checkout: Checkout, path: str, content: str) -> None:
    """Someone else changes a file of the data branch."""
    checkout.git("fetch", "--quiet", "origin", BRANCH)
    elsewhere = checkout.folder.parent / "elsewhere"
    checkout.git("worktree", "add", "--quiet", "--detach", str(elsewhere), "FETCH_HEAD")
    other = Checkout(elsewhere)
    other.write({path: content})
    other.git("add", "--all")
    other.git("commit", "--quiet", "--amend", "--no-edit")
    other.git("push", "--quiet", "--force", "origin", f"HEAD:{BRANCH}")


def test_the_same_coverage_again_is_known_by_its_fingerprint(
    shapes: Checkout, remote: Path
) -> None:
    said, analysed = push(shapes)
    assert "pushed 75% of" in said
    assert analysed
    first = tip(remote)
    said, analysed = push(shapes)
    commit = shapes.git("rev-parse", "HEAD")[:10]
    assert said == f"covsync: origin/covsync-data is up to date (75% at {commit})\n"
    assert not analysed
    assert tip(remote) == first


@pytest.mark.parametrize(
    "path, text",
    [
        ("shapes.py", SHAPES.replace("width * height", "height * width")),
        ("shapes.py", SHAPES + "# A comment.\n"),
        ("pyproject.toml", BRANCHES + '[tool.covsync]\nbadge_label = "Tests"\n'),
        ("pyproject.toml", BRANCHES + "[tool.covsync]\nhtml = false\n"),
        ("pyproject.toml", BRANCHES + "[tool.coverage.report]\nprecision = 2\n"),
        ("pyproject.toml", BRANCHES + "[tool.coverage.report]\nfail_under = 70\n"),
        ("pyproject.toml", BRANCHES + '[tool.coverage.html]\ntitle = "Shapes"\n'),
        ("pyproject.toml", BRANCHES + '[tool.coverage.report]\nexclude_also = ["return 0"]\n'),
        ("test_shapes.py", BETTER_TEST),
    ],
)
@pytest.mark.first(2)
def test_whatever_bears_on_what_is_published_is_published(
    shapes: Checkout, remote: Path, path: str, text: str
) -> None:
    push(shapes)
    first = tip(remote)
    shapes.write({path: text})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    _, analysed = push(shapes)
    assert analysed
    assert tip(remote) != first
    _, analysed = push(shapes)
    assert not analysed


@pytest.mark.parametrize(
    "path", ["badge.svg", "htmlcov/index.html", "README.md", "endpoint.json", "htmlcov/more.html"]
)
@pytest.mark.first(2)
def test_what_someone_else_changed_is_mended(shapes: Checkout, remote: Path, path: str) -> None:
    push(shapes)
    before = run(["git", "ls-tree", "-r", BRANCH], remote).out
    replace_on_branch(shapes, path, "something else\n")
    _, analysed = push(shapes)
    assert analysed
    assert run(["git", "ls-tree", "-r", BRANCH], remote).out == before


def test_a_figure_that_someone_else_changed_is_mended(shapes: Checkout, remote: Path) -> None:
    push(shapes)
    content = run(["git", "show", f"{BRANCH}:data.json"], remote).out
    replace_on_branch(shapes, "data.json", content.replace('"coverage": 75.0', '"coverage": 99.0'))
    _, analysed = push(shapes)
    assert analysed
    assert run(["git", "show", f"{BRANCH}:data.json"], remote).out == content


@pytest.mark.stress
def test_an_older_commit_in_the_history_leaves_the_fingerprint_good(
    shapes: Checkout, remote: Path
) -> None:
    shapes.git("branch", "older")
    shapes.write({"test_shapes.py": BETTER_TEST})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    push(shapes)
    shapes.git("checkout", "--quiet", "older")
    shapes.coverage("run", "test_shapes.py")
    said, _ = push(shapes)
    assert "is at the newer commit" in said
    joined = tip(remote)
    shapes.git("checkout", "--quiet", "main")
    shapes.coverage("run", "test_shapes.py")
    said, analysed = push(shapes)
    assert "is up to date (100% at " in said
    assert not analysed
    assert tip(remote) == joined


def test_another_fingerprint_of_the_same_files_is_no_commit(shapes: Checkout, remote: Path) -> None:
    """As from another Python, whose results might have differed."""
    push(shapes)
    first = tip(remote)
    shapes.write({"pyproject.toml": BRANCHES + '[tool.coverage.json]\noutput = "other.json"\n'})
    said, analysed = push(shapes)
    assert "is up to date" in said
    assert analysed
    assert tip(remote) == first


def test_a_report_without_sources_has_no_fingerprint(shapes: Checkout, remote: Path) -> None:
    shapes.coverage("json", "--quiet", "-o", "coverage.json")
    _, analysed = push(shapes, "--data-file", "coverage.json")
    assert analysed
    assert set(data(remote)["covsync"]) == {"schema", "commit", "committed_at"}
    said, _ = push(shapes, "--data-file", "coverage.json")
    assert "is up to date" in said
