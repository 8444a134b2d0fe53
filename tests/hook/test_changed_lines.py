"""Floors for what a commit changes: its changed lines, and how far the total may drop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

DIFF = BRANCHES + "[tool.covsync]\nfail_under_diff = {}\n"


@pytest.fixture
def recorded(shapes: Checkout) -> Checkout:
    """The committed project, measured by ``covsync run``: 75%."""
    record(shapes)
    return shapes


def record(checkout: Checkout) -> None:
    """All that lies there is staged, and the tests run on it."""
    checkout.stage()
    assert checkout.covsync("run", "test_shapes.py").status == 0


def test_changed_lines_and_their_branches_have_a_floor(recorded: Checkout) -> None:
    text = SHAPES + "\n\ndef side(area):\n    if area:\n        return 1\n    return 0\n"
    recorded.write({"shapes.py": text})
    recorded.write({"pyproject.toml": DIFF.format(100)})
    recorded.write({"test_shapes.py": BETTER_TEST + "from shapes import side\nside(1)\n"})
    record(recorded)
    ended = recorded.covsync("check")
    assert ended.status == 2
    assert ended.out.startswith(
        "changed lines: 67% is below 100% (fail_under_diff); missing shapes.py:14\n"
    )
    recorded.write({"pyproject.toml": DIFF.format(66)})
    recorded.stage("pyproject.toml")
    assert recorded.covsync("check").status == 0


def test_changes_are_those_of_their_own_file_whatever_git_is_told(recorded: Checkout) -> None:
    """A file that became a link shows as two patches; attributes and settings hide or blur."""
    recorded.write({"alink.py": "x = 1\n", ".gitattributes": "shapes.py -diff\n"})
    recorded.commit()
    (recorded.folder / "alink.py").unlink()
    (recorded.folder / "alink.py").symlink_to("test_shapes.py")
    recorded.git("config", "diff.interHunkContext", "10")
    recorded.write({"shapes.py": "FIRST = 1\n" + SHAPES + "\n\ndef never():\n    return 1\n"})
    record(recorded)
    ended = recorded.covsync("check", "--fail-under-diff=100")
    assert ended.status == 2
    assert ended.out.startswith(
        "changed lines: 67% is below 100% (fail_under_diff); missing shapes.py:13\n"
    )


def test_a_first_commit_is_all_change(checkout: Checkout) -> None:
    checkout.write({"shapes.py": SHAPES, "test_shapes.py": "import shapes\n"})
    checkout.write({"pyproject.toml": DIFF.format(100)})
    record(checkout)
    ended = checkout.covsync("check")
    assert ended.out.startswith("changed lines: 25% is below 100% (fail_under_diff)")


def test_a_merge_changes_only_what_no_parent_has(recorded: Checkout) -> None:
    recorded.write({"pyproject.toml": DIFF.format(100)})
    recorded.commit("Judge changes")
    recorded.git("switch", "--quiet", "--create", "topic")
    recorded.write({"shapes.py": SHAPES.replace("return 0", "return -1")})
    recorded.commit("Change an untested line")
    recorded.git("switch", "--quiet", "main")
    recorded.write({"notes.txt": "x"})
    recorded.commit("Take notes")
    recorded.git("merge", "--no-commit", "--no-ff", "topic")
    record(recorded)
    ended = recorded.covsync("check")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, its floor held\n")


def test_changes_since_the_merge_base(recorded: Checkout) -> None:
    recorded.git("switch", "--quiet", "--create", "topic")
    recorded.write({"shapes.py": SHAPES.replace("return 0", "return -1")})
    recorded.commit("Change an untested line")
    record(recorded)
    assert recorded.covsync("check", "--fail-under-diff=100").status == 0
    ended = recorded.covsync("check", "--fail-under-diff=100", "--compare-to=main")
    assert ended.status == 2
    assert ended.out.startswith("changed lines: 0% is below 100% (fail_under_diff); missing shapes")
    ended = recorded.covsync("check", "--fail-under-diff=100", "--compare-to=origin/main")
    assert ended.status == 1
    assert "Fetch it first: git fetch origin main" in ended.err


def test_a_shallow_clone_says_what_to_fetch(recorded: Checkout, tmp_path: Path) -> None:
    recorded.git("branch", "old")
    recorded.write({"notes.txt": "x"})
    recorded.commit("Take notes")
    source = recorded.folder.as_uri()
    run(["git", "clone", "--quiet", "--depth=1", "--no-single-branch", source, "clone"], tmp_path)
    clone = Checkout(tmp_path / "clone")
    clone.covsync("run", "test_shapes.py")
    ended = clone.covsync("check", "--fail-under-diff=100", "--compare-to=origin/old")
    assert ended.status == 1
    assert "git fetch --unshallow" in ended.err


def test_line_coverage_of_changes_agrees_with_diff_cover(shapes: Checkout) -> None:
    """The real diff-cover on the same repository; branches come on top of it."""
    shapes.write({"pyproject.toml": BRANCHES.replace("true", "false")})
    shapes.commit()
    more = (
        "\n\ndef kind(sides):\n    if sides == 3:\n        return 'triangle'\n    return 'other'\n"
    )
    shapes.write(
        {"shapes.py": "import math\n" + SHAPES.replace("return 0", "return 0 * math.pi") + more}
    )
    shapes.write({"test_shapes.py": BETTER_TEST + "from shapes import kind\nkind(3)\n"})
    record(shapes)
    shapes.coverage("xml", "-o", "../coverage.xml")
    theirs = run(
        ["diff-cover", "../coverage.xml", "--compare-branch=main", "--format=json:../diff.json"],
        shapes.folder,
    )
    assert theirs.status == 0, theirs
    report = json.loads((shapes.folder.parent / "diff.json").read_text())
    ended = shapes.covsync("check", "--fail-under-diff=100", "--compare-to=main", "--format=json")
    (finding,) = json.loads(ended.out)["findings"]
    assert report["total_num_lines"] == finding["coverable"] == 6
    assert report["total_num_violations"] == finding["coverable"] - finding["covered"] == 1
    assert report["src_stats"]["shapes.py"]["violation_lines"] == [15]
    assert finding["missing"] == {"shapes.py": "15"}


@pytest.mark.parametrize("is_called, covered", [(True, 1), (False, 0)])
def test_a_changed_line_that_continues_a_statement_is_that_statement(
    shapes: Checkout,
    is_called: bool,  # noqa: FBT001 - a case among others
    covered: int,
) -> None:
    """As the real diff-cover has it where it is asked to: its reports know first lines alone."""
    text = (
        "def made():\n    return dict(\n        a=1,\n        b=1,\n        c=1,\n    )\n\n\n"
        + SHAPES
    )
    shapes.write({"shapes.py": text, "pyproject.toml": BRANCHES.replace("true", "false")})
    shapes.commit()
    call = "from shapes import made\nmade()\n" if is_called else ""
    shapes.write({"shapes.py": text.replace("b=1", "b=2"), "test_shapes.py": BETTER_TEST + call})
    record(shapes)
    shapes.coverage("xml", "-o", "../coverage.xml")
    options = ["--compare-branch=main", "--expand-coverage-report", "--format=json:../diff.json"]
    theirs = run(["diff-cover", "../coverage.xml", *options], shapes.folder)
    assert theirs.status == 0, theirs
    report = json.loads((shapes.folder.parent / "diff.json").read_text())
    assert (report["total_num_lines"], report["total_num_violations"]) == (1, 1 - covered)
    ended = shapes.covsync("check", "--fail-under-diff=100")
    assert ended.status == (0 if is_called else 2), ended
    if not is_called:
        expected = "changed lines: 0% is below 100% (fail_under_diff); missing shapes.py:2\n"
        assert ended.out.startswith(expected)


DROP = BRANCHES + "[tool.covsync]\nmax_drop = {}\n"


def test_the_total_may_not_drop_far_below_what_was_published(recorded: Checkout) -> None:
    recorded.write({"pyproject.toml": DROP.format(1), "test_shapes.py": BETTER_TEST})
    recorded.commit()
    record(recorded)
    ended = recorded.covsync("check")
    assert ended.status == 0
    fetch = "git fetch origin +refs/heads/covsync-data:refs/remotes/origin/covsync-data"
    not_fetched = f"the baseline on origin/covsync-data is not fetched. Fetch it with `{fetch}`"
    assert not_fetched in ended.err
    none_yet = "there is no baseline yet on origin/covsync-data"
    assert none_yet in recorded.covsync("check", "--fetch").err
    recorded.covsync("push")
    assert not_fetched in recorded.covsync("check").err
    ended = recorded.covsync("check", "--fetch")
    assert (ended.status, ended.err) == (0, "")
    recorded.git(*fetch.split()[1:])
    assert recorded.covsync("check").err == ""
    recorded.write({"test_shapes.py": "import shapes\n"})
    record(recorded)
    ended = recorded.covsync("check")
    assert ended.status == 2
    assert ended.out.startswith(
        "total: 25% is below 99% (max_drop: was 100%; lost most: shapes.py 100% -> 25%); missing "
    )
    recorded.write({"pyproject.toml": DROP.format(75)})
    recorded.stage("pyproject.toml")
    assert recorded.covsync("check").status == 0


def test_a_fetched_baseline_is_read_without_what_publishes(recorded: Checkout) -> None:
    """A function of the name that the totals have is no trap: it stands before them."""
    named = 'def totals():\n    return {"totals": {"num_statements": 1}}\n'
    recorded.write({"pyproject.toml": DROP.format(1), "named.py": named})
    recorded.write({"test_shapes.py": BETTER_TEST + "import named\n"})
    recorded.commit()
    record(recorded)
    assert recorded.covsync("push").status == 0
    recorded.git("fetch", "--quiet", "origin", "+covsync-data:refs/remotes/origin/covsync-data")
    code = (
        "import sys\nfrom covsync.cli import main\nstatus = main(['check'])\n"
        "heavy = {'git', 'coverage', 'email', 'covsync.git.data_branch', 'covsync.git.scratch'}\n"
        "print(status, sorted(heavy & set(sys.modules)))"
    )
    done = run(["python", "-c", code], recorded.folder)
    assert (done.out.splitlines()[-1], done.err) == ("0 []", "")


def test_the_baseline_of_a_comparison_is_that_of_the_nearest_ancestor(recorded: Checkout) -> None:
    recorded.covsync("push")
    recorded.git("switch", "--quiet", "--create", "topic")
    recorded.write({"pyproject.toml": DROP.format(5), "test_shapes.py": "import shapes\n"})
    recorded.commit()
    record(recorded)
    ended = recorded.covsync("check", "--compare-to=main", "--fetch")
    assert ended.out.startswith("total: 25% is below 70% (max_drop: was 75%); missing")
