"""The gate judges what is being committed: the index, against what the tests ran on."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

STALE = "no test has run on this since it changed: "


@pytest.fixture
def recorded(shapes: Checkout) -> Checkout:
    """The project measured by ``covsync run``, with a floor that it holds."""
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nfail_under = 75\n"})
    shapes.commit("Set a floor")
    ended = shapes.covsync("run", "test_shapes.py")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, recorded\n")
    return shapes


def passes(checkout: Checkout, figure: str = "75") -> None:
    ended = checkout.covsync("check")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"covsync: coverage is {figure}%, its floor held\n"


def is_stale(checkout: Checkout, where: str) -> None:
    ended = checkout.covsync("check")
    assert ended.status == 3, ended
    assert f"{STALE}{where}\n  Run the tests again: covsync run test_shapes.py\n" in ended.err


def edit(checkout: Checkout, text: str, *, add: bool = True) -> None:
    checkout.write({"shapes.py": text})
    if add:
        checkout.git("add", "shapes.py")


def test_what_the_tests_ran_on_is_verified(recorded: Checkout) -> None:
    passes(recorded)
    store = recorded.folder / ".git" / "covsync"
    assert {path.name for path in store.iterdir()} == {"analysis-1.sqlite", "store-2.sqlite"}
    assert recorded.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "text",
    [
        "# A comment\n\n\n" + SHAPES,
        SHAPES.replace("height)\n", "height)  # in metres\n").replace(":\n", ":   \n"),
        SHAPES.replace("    ", "  "),
        SHAPES.replace("width * height", "width*height"),
        SHAPES.replace("\n", "\r\n"),
        SHAPES.replace("2 * (width", "2 * (\n        # both\n        width"),
        SHAPES.replace("height):\n", 'height):\n    """What it is."""\n'),
    ],
)
def test_comments_white_space_and_moved_lines_ask_for_no_run(recorded: Checkout, text: str) -> None:
    edit(recorded, text)
    passes(recorded)


def test_a_moved_line_is_named_where_it_is_now(recorded: Checkout) -> None:
    edit(recorded, "# One\n# Two\n" + SHAPES)
    ended = recorded.covsync("check", "--fail-under", "90")
    assert ended.status == 2
    assert ended.out.startswith("total: 75% is below 90% (fail_under); missing shapes.py 5\n")


@pytest.mark.parametrize(
    "text, where",
    [
        (SHAPES.replace("return 0", "return None"), "shapes.py 3"),
        (SHAPES + "\n\nUNIT = 1\n", "shapes.py 11"),
        (SHAPES.replace("2 * (width", "2 * (\n        -width"), "shapes.py 8-9"),
        (
            SHAPES.replace("    return width * h", "    else:\n        return width * h"),
            "shapes.py 4-5",
        ),
        (SHAPES.replace("return 0\n", "return 0  # pragma: no cover\n"), "shapes.py 3"),
        (SHAPES.replace("if width < 0:", "while width < 0:"), "shapes.py 2"),
        (SHAPES + "def (:\n", "shapes.py 9"),
    ],
)
def test_a_changed_statement_was_never_measured(recorded: Checkout, text: str, where: str) -> None:
    edit(recorded, text)
    is_stale(recorded, where)


MATCHING = """\
def kind(value):
    \"\"\"What it is.\"\"\"
    try:
        match int(value):
            case 1:
                return "one"
            case _:
                return "many"
    except ValueError:
        return "none"
    finally:
        global last
        last = value
"""


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("case 1:", "case 2:", "5"),
        ("case _:", "case other:", "7"),
        ("except ValueError:", "except TypeError:", "9"),
        ("match int(value):", "match value:", "4"),
        ("global last", "global least", ""),
        ("What it is", "What it isn't", ""),
        ("def kind(value)", "@staticmethod\ndef kind(value)", "1"),
        ("last = value", "last = value; least = 1", "13"),
        ("        last = value\n", "", ""),
    ],
)
def test_every_kind_of_statement_counts(recorded: Checkout, old: str, new: str, line: str) -> None:
    edit(recorded, MATCHING)
    recorded.write({"test_shapes.py": "from shapes import kind\nkind(1), kind(2), kind('')\n"})
    recorded.covsync("run", "test_shapes.py")
    edit(recorded, MATCHING.replace(old, new))
    if line:
        is_stale(recorded, f"shapes.py {line}")
    else:
        passes(recorded, "100")


def test_an_else_moves_what_runs(recorded: Checkout) -> None:
    before = "def f(x):\n    if x:\n        r = 1\n        r = 2\n        r = 3\n    return r\n"
    edit(recorded, before)
    recorded.write({"test_shapes.py": "from shapes import f\nf(1)\n"})
    recorded.covsync("run", "test_shapes.py")
    edit(recorded, before.replace("        r = 3", "    else:\n        r = 3"))
    is_stale(recorded, "shapes.py 5")


def test_a_comment_that_the_project_excludes_by_counts(recorded: Checkout) -> None:
    floor = '[tool.coverage.report]\nexclude_also = ["# untested"]\n[tool.covsync]\nfail_under=75\n'
    recorded.write({"pyproject.toml": BRANCHES + floor})
    text = SHAPES.replace("return 0", "return 0  # untested")
    edit(recorded, text)
    recorded.covsync("run", "test_shapes.py")
    edit(recorded, SHAPES)
    is_stale(recorded, "shapes.py 3")


def test_settings_elsewhere_bear_too(recorded: Checkout) -> None:
    recorded.write({"my.rc": "[run]\nbranch = true\ninclude = shapes.py\n"})
    told = Checkout(recorded.folder, {"COVERAGE_RCFILE": "my.rc"})
    told.covsync("run", "test_shapes.py")
    passes(told)
    recorded.write({"my.rc": "[run]\ninclude = shapes.py\n"})
    assert "coverage.py's settings have changed" in told.covsync("check").err


def test_a_floor_of_coverage_py_that_was_taken_back_no_longer_binds(shapes: Checkout) -> None:
    floor = "[tool.coverage.report]\nfail_under = 100\n"
    shapes.write({"pyproject.toml": BRANCHES + floor})
    shapes.covsync("run", "test_shapes.py")
    assert shapes.covsync("check").status == 2
    shapes.write({"pyproject.toml": BRANCHES})
    ended = shapes.covsync("check")
    assert (ended.status, "no floor is set" in ended.out) == (0, True)


def test_a_text_edited_while_the_tests_ran_is_not_recorded(shapes: Checkout) -> None:
    shapes.write(
        {
            "test_shapes.py": BETTER_TEST
            + "with open('shapes.py', 'a') as file:\n    file.write('x = 1\\n')\n"
        }
    )
    ended = shapes.covsync("run", "test_shapes.py")
    assert ended.status == 3
    assert "shapes.py was written after the tests began" in ended.err
    assert not (shapes.folder / ".git" / "covsync" / "store-1.sqlite").exists()


def test_a_new_file_in_scope_was_never_measured(recorded: Checkout) -> None:
    recorded.write({"circles.py": "def area(radius):\n    return 3 * radius\n"})
    passes(recorded)
    recorded.git("add", "circles.py")
    is_stale(recorded, "circles.py 1-2")


def test_a_new_file_out_of_scope_is_left_alone(recorded: Checkout) -> None:
    recorded.write({"docs/conf.py": "x = 1\n", "empty.py": "# nothing yet\n", "page.txt": "x"})
    recorded.write({"omitted.py": "x = 1\n"})
    omit = BRANCHES + 'omit = ["omitted.py", "docs/*"]\n[tool.covsync]\nfail_under = 75\n'
    recorded.write({"pyproject.toml": omit})
    recorded.covsync("run", "test_shapes.py")
    (recorded.folder / "omitted.py").rename(recorded.folder / "docs" / "more.py")
    recorded.git("add", "--all")
    passes(recorded)


def test_modes_of_staleness(recorded: Checkout) -> None:
    edit(recorded, SHAPES + "\n\nUNIT = 1\n")
    settings = BRANCHES + '[tool.covsync]\nfail_under = 75\nstale = "{}"\n'
    recorded.write({"pyproject.toml": settings.format("warn")})
    ended = recorded.covsync("check")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, its floor held\n")
    assert f"{STALE}shapes.py 11" in ended.err
    recorded.write({"pyproject.toml": settings.format("ignore")})
    passes(recorded)


def test_without_a_snapshot_it_never_pretends(recorded: Checkout) -> None:
    (recorded.folder / ".git" / "covsync" / "store-2.sqlite").unlink()
    ended = recorded.covsync("check")
    assert ended.out == "covsync: coverage is 75% (unverified), its floor held\n"
    assert recorded.covsync("record").out == "covsync: coverage is 75%, recorded\n"
    passes(recorded)


def test_newer_data_outdates_the_snapshot(recorded: Checkout) -> None:
    recorded.write({"test_shapes.py": BETTER_TEST})
    recorded.coverage("run", "test_shapes.py")
    ended = recorded.covsync("check")
    assert ended.out == "covsync: coverage is 100% (unverified), its floor held\n"


@pytest.mark.parametrize("damage", [b"", b"not a store", b"SQLite format 3\x00" + b"x" * 5000])
def test_a_damaged_store_is_set_aside(recorded: Checkout, damage: bytes) -> None:
    (recorded.folder / ".git" / "covsync" / "store-2.sqlite").write_bytes(damage)
    assert "(unverified)" in recorded.covsync("check").out
    assert recorded.covsync("record").status == 0
    passes(recorded)


def test_a_store_with_damaged_lines_is_none_where_they_are_needed(recorded: Checkout) -> None:
    with sqlite3.connect(recorded.folder / ".git" / "covsync" / "store-2.sqlite") as store:
        store.execute("update detail set lines = x'00'")
    store.close()
    passes(recorded)
    ended = recorded.covsync("check", "--fail-under=90")
    assert ended.status == 2
    assert ended.out.startswith("total: 75% is below 90% (fail_under); missing shapes.py 3\n")
    assert "Unverified: " in ended.out


def test_only_what_is_staged_counts(recorded: Checkout) -> None:
    """A partial commit: the uncovered line is in the work tree, not in the index."""
    edit(recorded, SHAPES + "\n\nUNIT = 1\n", add=False)
    passes(recorded)
    recorded.git("add", "shapes.py")
    edit(recorded, SHAPES, add=False)
    is_stale(recorded, "shapes.py 11")


def test_text_that_git_never_had_is_remembered(recorded: Checkout) -> None:
    """The tests ran on an uncommitted text; what is staged is another one."""
    edit(recorded, SHAPES + "\n\nUNIT = 1\n", add=False)
    recorded.covsync("run", "test_shapes.py")
    edit(recorded, "# Shapes\n" + SHAPES + "\n\nUNIT = 1\n")
    passes(recorded, "78")


def test_a_renamed_file_keeps_its_coverage(recorded: Checkout) -> None:
    recorded.git("mv", "shapes.py", "forms.py")
    ended = recorded.covsync("check", "--fail-under", "90")
    assert ended.out.startswith("total: 75% is below 90% (fail_under); missing forms.py 3\n")
    text = (recorded.folder / "forms.py").read_text()
    recorded.write({"forms.py": "# Forms\n" + text})
    recorded.git("add", "forms.py")
    ended = recorded.covsync("check", "--fail-under", "90")
    assert ended.out.startswith("total: 75% is below 90% (fail_under); missing forms.py 4\n")


def test_a_deleted_file_no_longer_counts(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": "[tool.coverage.run]\nbranch = true\n"})
    shapes.commit()
    shapes.covsync("run", "test_shapes.py")
    shapes.git("rm", "--quiet", "shapes.py")
    ended = shapes.covsync("check", "--fail-under", "100")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 100%, its floor held\n")


def test_settings_that_bear_on_the_analysis_outdate_the_snapshot(recorded: Checkout) -> None:
    floor = "[tool.covsync]\nfail_under = 75\n"
    recorded.write({"pyproject.toml": BRANCHES + floor + "[tool.other]\nx = 1\n"})
    passes(recorded)
    exclude = '[tool.coverage.report]\nexclude_also = ["return 0"]\n'
    recorded.write({"pyproject.toml": BRANCHES + floor + exclude})
    ended = recorded.covsync("check")
    assert ended.status == 3
    assert "coverage.py's settings have changed since the tests ran" in ended.err
    fail_under = "[tool.coverage.report]\nfail_under = 80\n"
    recorded.write({"pyproject.toml": BRANCHES + fail_under})
    assert recorded.covsync("check").status == 2


def test_it_reads_the_snapshot_and_nothing_else(recorded: Checkout) -> None:
    """On the hook's path no source is parsed, and nothing is loaded that takes long."""
    code = (
        "import sys\nbefore = set(sys.modules)\n"
        "from covsync.cli import main\nstatus = main(['check'])\n"
        "heavy = {'coverage', 'git', 'yaml', 'pathspec', 'difflib', 'tokenize', 'ast', 'inspect',\n"
        "    'dataclasses', 'configparser', 'importlib.metadata', 'tempfile'}\n"
        "print(status, sorted(heavy & set(sys.modules) - before))"
    )
    done = run(["python", "-c", code], recorded.folder)
    assert done.out.endswith("its floor held\n0 []\n")


def test_verbose_ends_with_where_the_time_went(recorded: Checkout) -> None:
    ended = recorded.covsync("check", "--verbose")
    phases = [line.split(" s  ") for line in ended.err.splitlines()[-3:]]
    assert [phase for _, phase in phases] == ["project", "snapshot", "judging"]
    assert all(float(seconds.removeprefix("covsync:")) >= 0 for seconds, _ in phases)


DIFF = BRANCHES + "[tool.covsync]\nfail_under_diff = {}\n"


def test_changed_lines_and_their_branches_have_a_floor(recorded: Checkout) -> None:
    text = SHAPES + "\n\ndef side(area):\n    if area:\n        return 1\n    return 0\n"
    edit(recorded, text)
    recorded.write({"pyproject.toml": DIFF.format(100)})
    recorded.write({"test_shapes.py": BETTER_TEST + "from shapes import side\nside(1)\n"})
    recorded.covsync("run", "test_shapes.py")
    ended = recorded.covsync("check")
    assert ended.status == 2
    assert ended.out.startswith(
        "changed lines: 67% is below 100% (fail_under_diff); missing shapes.py 14\n"
    )
    recorded.write({"pyproject.toml": DIFF.format(66)})
    assert recorded.covsync("check").status == 0


def test_changes_are_those_of_their_own_file_whatever_git_is_told(recorded: Checkout) -> None:
    """A file that became a link shows as two patches; attributes and settings hide or blur."""
    recorded.write({"alink.py": "x = 1\n", ".gitattributes": "shapes.py -diff\n"})
    recorded.commit()
    (recorded.folder / "alink.py").unlink()
    (recorded.folder / "alink.py").symlink_to("test_shapes.py")
    recorded.git("config", "diff.interHunkContext", "10")
    edit(recorded, "FIRST = 1\n" + SHAPES + "\n\ndef never():\n    return 1\n")
    recorded.git("add", "--all")
    recorded.covsync("run", "test_shapes.py")
    ended = recorded.covsync("check", "--fail-under-diff=100")
    assert ended.status == 2
    assert ended.out.startswith(
        "changed lines: 67% is below 100% (fail_under_diff); missing shapes.py 13\n"
    )


def test_a_first_commit_is_all_change(checkout: Checkout) -> None:
    checkout.write({"shapes.py": SHAPES, "test_shapes.py": "import shapes\n"})
    checkout.write({"pyproject.toml": DIFF.format(100)})
    checkout.git("add", "--all")
    checkout.covsync("run", "test_shapes.py")
    ended = checkout.covsync("check")
    assert ended.out.startswith("changed lines: 25% is below 100% (fail_under_diff)")


def test_a_merge_changes_only_what_no_parent_has(recorded: Checkout) -> None:
    recorded.write({"pyproject.toml": DIFF.format(100)})
    recorded.commit("Judge changes")
    recorded.git("switch", "--quiet", "--create", "topic")
    edit(recorded, SHAPES.replace("return 0", "return -1"))
    recorded.git("commit", "--quiet", "--message", "Change an untested line")
    recorded.git("switch", "--quiet", "main")
    recorded.write({"notes.txt": "x"})
    recorded.commit("Take notes")
    recorded.git("merge", "--no-commit", "--no-ff", "topic")
    recorded.covsync("run", "test_shapes.py")
    ended = recorded.covsync("check")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, its floor held\n")


def test_changes_since_the_merge_base(recorded: Checkout) -> None:
    recorded.git("switch", "--quiet", "--create", "topic")
    edit(recorded, SHAPES.replace("return 0", "return -1"))
    recorded.git("commit", "--quiet", "--message", "Change an untested line")
    recorded.covsync("run", "test_shapes.py")
    assert recorded.covsync("check", "--fail-under-diff=100").status == 0
    ended = recorded.covsync("check", "--fail-under-diff=100", "--compare-to=main")
    assert ended.status == 2
    assert ended.out.startswith("changed lines: 0% is below 100% (fail_under_diff); missing shapes")
    ended = recorded.covsync("check", "--fail-under-diff=100", "--compare-to=origin/main")
    assert ended.status == 1
    assert "Fetch it first: git fetch origin main" in ended.err


def test_a_shallow_clone_says_what_to_fetch(recorded: Checkout, tmp_path: Path) -> None:
    recorded.git("branch", "old", "HEAD~1")
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
    edit(shapes, "import math\n" + SHAPES.replace("return 0", "return 0 * math.pi") + more)
    shapes.write({"test_shapes.py": BETTER_TEST + "from shapes import kind\nkind(3)\n"})
    shapes.git("add", "--all")
    shapes.covsync("run", "test_shapes.py")
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


DROP = BRANCHES + "[tool.covsync]\nmax_drop = {}\n"


def test_the_total_may_not_drop_far_below_what_was_published(recorded: Checkout) -> None:
    recorded.write({"pyproject.toml": DROP.format(1), "test_shapes.py": BETTER_TEST})
    recorded.commit()
    recorded.covsync("run", "test_shapes.py")
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
    recorded.covsync("run", "test_shapes.py")
    ended = recorded.covsync("check")
    assert ended.status == 2
    assert ended.out.startswith(
        "total: 25% is below 99% (max_drop: was 100%; lost most: shapes.py 100% -> 25%); missing "
    )
    recorded.write({"pyproject.toml": DROP.format(75)})
    assert recorded.covsync("check").status == 0


def test_the_baseline_of_a_comparison_is_that_of_the_nearest_ancestor(recorded: Checkout) -> None:
    recorded.covsync("push")
    recorded.git("switch", "--quiet", "--create", "topic")
    recorded.write({"pyproject.toml": DROP.format(5), "test_shapes.py": "import shapes\n"})
    recorded.commit()
    recorded.covsync("run", "test_shapes.py")
    ended = recorded.covsync("check", "--compare-to=main", "--fetch")
    assert ended.out.startswith("total: 25% is below 70% (max_drop: was 75%); missing")
