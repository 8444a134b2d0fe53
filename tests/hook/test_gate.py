"""The gate judges what is being committed: the index, against what the tests ran on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

NOT_RUN = "the tests did not run on what is being committed: "
EDITED = "was edited after the tests ran"
EXCLUDED = "shapes.py is excluded from coverage otherwise than when the tests ran"
AGAIN = "Run the tests again: covsync run test_shapes.py"


@pytest.fixture
def recorded(shapes: Checkout) -> Checkout:
    """The project measured by ``covsync run``, with a floor that it holds."""
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nfail_under = 75\n"})
    shapes.commit("Set a floor")
    ended = shapes.covsync("run", "test_shapes.py")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, recorded\n")
    return shapes


def passes(checkout: Checkout, figure: str = "75", evidence: str = "") -> None:
    ended = checkout.covsync("check")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"covsync: coverage is {figure}%{evidence}, its floor held\n"


def is_stale(checkout: Checkout, difference: str) -> None:
    ended = checkout.covsync("check")
    assert (ended.status, ended.out) == (3, ""), ended
    assert f"{NOT_RUN}{difference}\n  {AGAIN}\n" in ended.err


def record(checkout: Checkout) -> None:
    """All that lies there is staged, and the tests run on it."""
    checkout.stage()
    assert checkout.covsync("run", "test_shapes.py").status == 0


def edit(checkout: Checkout, text: str, *, add: bool = True) -> None:
    checkout.write({"shapes.py": text})
    if add:
        checkout.git("add", "shapes.py")


def test_what_the_tests_ran_on_passes(recorded: Checkout) -> None:
    passes(recorded)
    store = recorded.folder / ".git" / "covsync"
    assert {path.name for path in store.iterdir()} == {"store-5.sqlite"}
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
        SHAPES.replace("width < 0", "(width < 0)"),
    ],
)
@pytest.mark.first(2)
def test_comments_white_space_and_moved_lines_ask_for_no_run(recorded: Checkout, text: str) -> None:
    edit(recorded, text)
    passes(recorded)


def test_a_moved_line_is_named_where_it_is_now(recorded: Checkout) -> None:
    edit(recorded, "# One\n# Two\n" + SHAPES)
    ended = recorded.covsync("check", "--fail-under", "90")
    assert ended.status == 2
    assert ended.out.startswith("total: 75% is below 90% (fail_under); missing shapes.py:5\n")


@pytest.mark.parametrize(
    "text, line",
    [
        (SHAPES.replace("return 0", "return None"), 3),
        (SHAPES + "\n\nUNIT = 1\n", 11),
        (SHAPES.replace("2 * (width", "2 * (\n        -width"), 8),
        (
            SHAPES.replace("    return width * h", "    else:\n        return width * h"),
            4,
        ),
        (SHAPES.replace("if width < 0:", "while width < 0:"), 2),
        (SHAPES + "def (:\n", 9),
        (SHAPES.replace("        return 0\n", ""), 3),
        (SHAPES[: SHAPES.index("\n\ndef outline")], 4),
    ],
)
@pytest.mark.first(2)
def test_a_changed_statement_is_not_what_ran(recorded: Checkout, text: str, line: int) -> None:
    edit(recorded, text)
    is_stale(recorded, f"shapes.py:{line} {EDITED}")


def test_a_new_exclusion_asks_for_a_run(recorded: Checkout) -> None:
    edit(recorded, SHAPES.replace("return 0\n", "return 0  # pragma: no cover\n"))
    is_stale(recorded, EXCLUDED)


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
        ("case 1:", "case 2:", 5),
        ("case _:", "case other:", 7),
        ("except ValueError:", "except TypeError:", 9),
        ("match int(value):", "match value:", 4),
        ("global last", "global least", 12),
        ("What it is", "What it isn't", 0),
        ("def kind(value)", "@staticmethod\ndef kind(value)", 1),
        ("last = value", "last = value; least = 1", 13),
        ("        last = value\n", "", 12),
    ],
)
@pytest.mark.first(2)
def test_every_kind_of_statement_counts(recorded: Checkout, old: str, new: str, line: int) -> None:
    edit(recorded, MATCHING)
    recorded.write({"test_shapes.py": "from shapes import kind\nkind(1), kind(2), kind('')\n"})
    record(recorded)
    edit(recorded, MATCHING.replace(old, new))
    if line:
        is_stale(recorded, f"shapes.py:{line} {EDITED}")
    else:
        passes(recorded, "100")


def test_an_else_moves_what_runs(recorded: Checkout) -> None:
    before = "def f(x):\n    if x:\n        r = 1\n        r = 2\n        r = 3\n    return r\n"
    edit(recorded, before)
    recorded.write({"test_shapes.py": "from shapes import f\nf(1)\n"})
    record(recorded)
    edit(recorded, before.replace("        r = 3", "    else:\n        r = 3"))
    is_stale(recorded, f"shapes.py:5 {EDITED}")


def test_a_comment_that_the_project_excludes_by_counts(recorded: Checkout) -> None:
    floor = '[tool.coverage.report]\nexclude_also = ["# untested"]\n[tool.covsync]\nfail_under=75\n'
    recorded.write({"pyproject.toml": BRANCHES + floor})
    edit(recorded, SHAPES.replace("return 0", "return 0  # untested"))
    record(recorded)
    edit(recorded, SHAPES)
    is_stale(recorded, EXCLUDED)


def test_settings_elsewhere_bear_too(recorded: Checkout) -> None:
    recorded.write({"my.rc": "[run]\nbranch = true\ninclude = shapes.py\n"})
    elsewhere = Checkout(recorded.folder, {"COVERAGE_RCFILE": "my.rc"})
    record(elsewhere)
    passes(elsewhere)
    recorded.write({"my.rc": "[run]\ninclude = shapes.py\n"})
    passes(elsewhere)
    recorded.stage("my.rc")
    is_stale(elsewhere, "the configuration of coverage.py or pytest changed after the tests ran")


def test_a_floor_of_coverage_py_that_was_taken_back_no_longer_binds(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": BRANCHES + "[tool.coverage.report]\nfail_under = 100\n"})
    record(shapes)
    assert shapes.covsync("check").status == 2
    shapes.write({"pyproject.toml": BRANCHES})
    assert shapes.covsync("check").status == 2
    shapes.stage("pyproject.toml")
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
    assert "shapes.py was edited while the tests ran" in ended.err
    shapes.stage()
    ended = shapes.covsync("check")
    assert (ended.status, "shapes.py was edited while the tests ran" in ended.err) == (3, True)


@pytest.mark.parametrize("asked", ["status", "'ls-files -v'"], ids=["before", "after"])
@pytest.mark.parametrize("command", [("record",), ("run", "test_shapes.py")], ids=str)
def test_a_text_edited_as_git_looks_at_it_is_not_recorded(
    shapes: Checkout, tmp_path: Path, command: tuple[str, ...], asked: str
) -> None:
    edits = f"echo 'x = 1' >> {shapes.folder}/shapes.py"
    git = tmp_path / "git"
    git.write_text(
        f'#!/bin/sh\ncase "$*" in *{asked}*) {edits};; esac\nexec {shutil.which("git")} "$@"\n'
    )
    git.chmod(0o755)
    shapes.env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    ended = shapes.covsync(*command)
    assert (ended.status, "shapes.py was " in ended.err) == (3, True), ended


def test_what_any_recorded_run_loaded_can_be_seen(recorded: Checkout) -> None:
    """By whichever record, as the newest run did not load the doctests; and by a damaged store."""
    unseen = "covsync: no test can see what this commit changes, so it was not judged\n"
    recorded.write({"notes.md": ">>> import shapes\n", "other.md": "Other notes.\n"})
    recorded.commit()
    doctests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-glob=notes.md")
    assert recorded.covsync("run", *doctests, "test_shapes.py", "notes.md").status == 0
    assert recorded.covsync("run", "test_shapes.py").status == 0
    recorded.write({"other.md": "More of them.\n"})
    recorded.stage()
    assert recorded.covsync("check").out == unseen
    recorded.write({"notes.md": ">>> import shapes as other\n"})
    recorded.stage()
    assert recorded.covsync("check").out != unseen
    (recorded.folder / ".git" / "covsync" / "store-5.sqlite").write_bytes(b"not a store")
    assert recorded.covsync("check").out != unseen


def test_a_new_file_in_scope_was_never_measured(recorded: Checkout) -> None:
    settings = '[tool.coverage.run]\nbranch = true\nsource = ["."]\nomit = ["test_*"]\n'
    recorded.write({"pyproject.toml": settings + "[tool.covsync]\nfail_under = 75\n"})
    record(recorded)
    recorded.write({"circles.py": "def area(radius):\n    return 3 * radius\n"})
    passes(recorded)
    recorded.stage("circles.py")
    is_stale(recorded, "circles.py was added after the tests ran")


def test_a_new_file_out_of_scope_is_left_alone(recorded: Checkout) -> None:
    recorded.write({"docs/conf.py": "x = 1\n", "empty.py": "# nothing yet\n", "page.txt": "x"})
    recorded.write({"omitted.py": "x = 1\n"})
    run_settings = '[tool.coverage.run]\nbranch = true\nsource = ["."]\n'
    omit = 'omit = ["test_*", "omitted.py", "docs/*"]\n[tool.covsync]\nfail_under = 75\n'
    recorded.write({"pyproject.toml": run_settings + omit})
    record(recorded)
    recorded.write({"docs/other.py": "x = 1\n", "nothing.py": "# nothing here either\n"})
    (recorded.folder / "omitted.py").rename(recorded.folder / "docs" / "more.py")
    recorded.stage()
    passes(recorded)


def test_modes_of_staleness(recorded: Checkout) -> None:
    edit(recorded, SHAPES + "\n\nUNIT = 1\n")
    settings = BRANCHES + '[tool.covsync]\nfail_under = 75\nstale = "{}"\n'
    recorded.write({"pyproject.toml": settings.format("warn")})
    recorded.stage()
    for mode, note in (
        ("warn", f"covsync: note: {NOT_RUN}shapes.py:11 {EDITED}\n"),
        ("ignore", ""),
    ):
        recorded.write({"pyproject.toml": settings.format(mode)})
        recorded.stage()
        ended = recorded.covsync("check")
        assert (ended.status, ended.err) == (0, note)
        assert ended.out == (
            "covsync: coverage is 75%, its floor held; 1 file differs from what the tests ran on\n"
        )


def test_without_a_record_files_times_are_the_evidence(recorded: Checkout) -> None:
    (recorded.folder / ".git" / "covsync" / "store-5.sqlite").unlink()
    passes(recorded, "75", " by file times")
    assert recorded.covsync("record").out == "covsync: coverage is 75%, recorded\n"
    passes(recorded, "75", " by file times")
    assert json.loads(recorded.covsync("check", "--format=json").out)["evidence"] == (
        "record by file times"
    )
    edit(recorded, SHAPES + "\n\nUNIT = 1\n")
    ended = recorded.covsync("check")
    assert (ended.status, f"{NOT_RUN}shapes.py:11 {EDITED}" in ended.err) == (3, True)


def test_newer_data_is_judged_where_the_record_is_of_another_text(recorded: Checkout) -> None:
    recorded.write({"test_shapes.py": BETTER_TEST})
    recorded.coverage("run", "test_shapes.py")
    recorded.stage()
    passes(recorded, "100", " by file times")


@pytest.mark.parametrize("damage", [b"", b"not a store", b"SQLite format 3\x00" + b"x" * 5000])
@pytest.mark.first(1)
def test_a_damaged_store_is_set_aside(recorded: Checkout, damage: bytes) -> None:
    (recorded.folder / ".git" / "covsync" / "store-5.sqlite").write_bytes(damage)
    passes(recorded, "75", " by file times")
    record(recorded)
    passes(recorded)


@pytest.mark.parametrize("facts", ["[]", "{}", "null", "x", ""])
@pytest.mark.first(1)
def test_a_record_that_cannot_be_read_is_no_record(recorded: Checkout, facts: str) -> None:
    with sqlite3.connect(recorded.folder / ".git" / "covsync" / "store-5.sqlite") as store:
        assert store.execute("update measurement set facts = ?", [facts]).rowcount == 1
    store.close()
    passes(recorded, "75", " by file times")
    assert recorded.covsync("record").out == "covsync: coverage is 75%, recorded\n"
    record(recorded)
    passes(recorded)


def test_a_store_with_damaged_content_is_set_aside(recorded: Checkout) -> None:
    with sqlite3.connect(recorded.folder / ".git" / "covsync" / "store-5.sqlite") as store:
        assert store.execute("update content set content = x'00'").rowcount >= 1
    store.close()
    passes(recorded, "75", " by file times")
    ended = recorded.covsync("check", "--fail-under=90", "--format=json")
    assert ended.status == 2
    document = json.loads(ended.out)
    assert document["evidence"] == "file times"
    assert document["findings"][0]["missing"] == {"shapes.py": "3"}


def test_only_what_is_staged_counts(recorded: Checkout) -> None:
    """A partial commit: the uncovered line is in the work tree, not in the index."""
    edit(recorded, SHAPES + "\n\nUNIT = 1\n", add=False)
    passes(recorded)
    recorded.stage("shapes.py")
    edit(recorded, SHAPES, add=False)
    ended = recorded.covsync("check")
    assert (ended.status, f"{NOT_RUN}shapes.py:11 {EDITED}" in ended.err) == (3, True)


def test_text_that_git_never_had_is_remembered(recorded: Checkout) -> None:
    """The tests ran on an uncommitted text; what is staged is another one."""
    edit(recorded, SHAPES + "\n\nUNIT = 1\n", add=False)
    recorded.covsync("run", "test_shapes.py")
    edit(recorded, "# Shapes\n" + SHAPES + "\n\nUNIT = 1\n")
    passes(recorded, "78")


def test_a_renamed_file_asks_for_a_run(recorded: Checkout) -> None:
    recorded.git("mv", "shapes.py", "forms.py")
    is_stale(recorded, "shapes.py was loaded by the tests and is deleted")


def test_a_deleted_file_no_longer_counts(shapes: Checkout) -> None:
    settings = "[tool.coverage.run]\nbranch = true\n[tool.covsync]\nfail_under = 100\n"
    shapes.write({"pyproject.toml": settings, "test_other.py": "x = 1\n"})
    record(shapes)
    shapes.git("rm", "--quiet", "--force", "shapes.py", "test_shapes.py")
    ended = shapes.covsync("check")
    assert (ended.status, "shapes.py was loaded by the tests and is deleted" in ended.err) == (
        3,
        True,
    )
    assert shapes.covsync("run", "test_other.py").status == 0
    passes(shapes, "100")


def test_settings_that_bear_on_the_analysis_ask_for_a_run(recorded: Checkout) -> None:
    floor = "[tool.covsync]\nfail_under = 75\n"
    recorded.write({"pyproject.toml": BRANCHES + floor + "[tool.other]\nx = 1\n"})
    edit(recorded, "# Shapes\n" + SHAPES)
    recorded.stage()
    passes(recorded)
    exclude = '[tool.coverage.report]\nexclude_also = ["return 0"]\n'
    recorded.write({"pyproject.toml": BRANCHES + floor + exclude})
    recorded.stage()
    is_stale(recorded, "the configuration of coverage.py or pytest changed after the tests ran")
    fail_under = "[tool.coverage.report]\nfail_under = 80\n"
    recorded.write({"pyproject.toml": BRANCHES + fail_under})
    recorded.stage()
    assert recorded.covsync("check").status == 2


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals")
def test_at_a_terminal_a_line_says_what_stands_behind_the_verdict(recorded: Checkout) -> None:
    basis = (
        "covsync: judged by the run of the tests less than a minute ago, which loaded or measured"
    )
    lines = at_a_terminal(recorded, "covsync", "check")
    assert lines == ["covsync: coverage is 75%, its floor held", f"{basis} 2 files"]
    lines = at_a_terminal(recorded, "covsync", "check", "--fail-under=90")
    assert lines[0] == "total: 75% is below 90% (fail_under); missing shapes.py:3"
    assert lines[-1] == f"{basis} 2 files"
    (recorded.folder / ".git" / "covsync" / "store-5.sqlite").unlink()
    lines = at_a_terminal(recorded, "covsync", "check")
    by_times = (
        "covsync: judged by the coverage data written less than a minute ago, which is not "
        "recorded: 2 files, older than the data by their times"
    )
    assert lines == ["covsync: coverage is 75% by file times, its floor held", by_times]
    assert recorded.covsync("check").out.count("\n") == 1


def at_a_terminal(checkout: Checkout, *command: str) -> list[str]:
    """What a command shows at a terminal, line by line and without colours."""
    ours, its = os.openpty()
    chunks = []
    with os.fdopen(ours, "rb", buffering=0) as shown:
        with os.fdopen(its, "wb", buffering=0) as terminal:
            subprocess.run(
                command,
                cwd=checkout.folder,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                check=False,
            )
        with contextlib.suppress(OSError):  # nobody has the terminal open any more
            while chunk := shown.read(100_000):
                chunks.append(chunk)
    text = b"".join(chunks).decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_it_reads_the_record_and_nothing_else(recorded: Checkout) -> None:
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
    assert [phase for _, phase in phases] == ["project", "record", "judging"]
    assert all(float(seconds.removeprefix("covsync:")) >= 0 for seconds, _ in phases)


WALK = """\
import os, sys
import covsync
from covsync.cli import main

package = os.path.dirname(covsync.__file__)
modules = set()

def seen(frame, event, _):
    is_function = frame.f_code.co_flags & 1  # as a module's and a class's own code are not
    if event == "call" and is_function and frame.f_code.co_filename.startswith(package):
        modules.add(frame.f_code.co_filename[len(package) + 1 :])

sys.setprofile(seen)
main(sys.argv[1:])
sys.setprofile(None)
print("coverage" in sys.modules, *sorted(modules), file=sys.stderr)
"""


@pytest.mark.parametrize("by, most", [("", 22), (" by file times", 24)])
def test_a_failing_check_goes_no_further_than_a_passing_one(
    recorded: Checkout, by: str, most: int
) -> None:
    if by:
        shutil.rmtree(recorded.folder / ".git/covsync")
        assert recorded.covsync("check").status == 0  # which stores the report
    passing, failing = (
        run(["python", "-c", WALK, "check", f"--fail-under={floor}"], recorded.folder)
        for floor in (75, 90)
    )
    assert passing.out == f"covsync: coverage is 75%{by}, its floor held\n"
    assert "missing shapes.py:3\n" in failing.out
    loads_coverage, *modules = passing.err.split()
    loads_coverage_too, *more = failing.err.split()
    assert loads_coverage == loads_coverage_too == "False"
    assert more == modules
    assert len(more) <= most
