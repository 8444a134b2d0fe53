"""What was analysed before is not analysed again, and says the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

AS_BEFORE = "as analysed before"
# Data that is older than the code is judged too, so that what changes is analysed.
ALL_THE_SAME = '[tool.covsync]\nstale = "ignore"\n'
SETTINGS = ALL_THE_SAME + BRANCHES + '[tool.coverage.report]\nfail_under = "${FLOOR}"\n'
EXCLUDED = SETTINGS + 'exclude_also = ["width < 0"]\n'
LONGER = SHAPES + "\n\nUNIT = 1\n"
OTHER = SHAPES.replace("return 0", "return 1")


def checked(checkout: Checkout, *arguments: str) -> tuple[int, str, bool]:
    """How a check ends, what it says, and whether that took no coverage.py."""
    ended = checkout.covsync("check", "--verbose", *arguments)
    said = [line for line in ended.err.splitlines() if " s  " not in line]
    passing = ("covsync: coverage data: ", "covsync: judged by ")
    errors = [
        line for line in said if not line.startswith(passing) and "so it is not used" not in line
    ]
    return ended.status, "\n".join([ended.out, *errors]), AS_BEFORE in ended.err


def from_nothing(checkout: Checkout, *arguments: str) -> tuple[int, str, bool]:
    """The same where the store is empty; the other one comes back afterwards."""
    place = checkout.folder / ".git" / "covsync"
    aside = place.rename(place.with_name("aside"))
    try:
        return checked(checkout, *arguments)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        aside.rename(place)


def write_as_before(checkout: Checkout) -> None:
    """By its time, too, the source is what the tests ran on."""
    checkout.write({"shapes.py": SHAPES})
    os.utime(checkout.folder / "shapes.py", (10**9, 10**9))


def set_a_variable(checkout: Checkout) -> None:
    checkout.env["FLOOR"] = "74"


def run_better_tests(checkout: Checkout) -> None:
    checkout.write({"test_shapes.py": BETTER_TEST})
    checkout.coverage("run", "test_shapes.py")


def name_another_data_file(checkout: Checkout) -> None:
    checkout.coverage("run", "--data-file=other", "shapes.py")
    checkout.env["COVERAGE_FILE"] = "other"


def edit_unseen(checkout: Checkout, how: str) -> None:
    """Git is told not to look at the file."""
    checkout.git("update-index", how, "shapes.py")
    checkout.write({"shapes.py": LONGER})


def filter_source(checkout: Checkout) -> None:
    """For git the edited file is what it was."""
    checkout.git("config", "filter.hide.clean", "sed /UNIT/d")
    checkout.write({".gitattributes": "shapes.py filter=hide\n"})
    checkout.write({"shapes.py": SHAPES + "UNIT = 1\n"})
    checkout.git("add", "shapes.py")
    assert not checkout.git("diff", "--cached", "--name-only")


CHANGES: dict[str, Callable[[Checkout], None]] = {
    "a source": lambda checkout: checkout.write({"shapes.py": LONGER}),
    "a source of the same size": lambda checkout: checkout.write({"shapes.py": OTHER}),
    "the settings": lambda checkout: checkout.write({"pyproject.toml": EXCLUDED}),
    "what the settings name": set_a_variable,
    "the data": run_better_tests,
    "the data file": name_another_data_file,
    "a source taken for unchanged": lambda checkout: edit_unseen(checkout, "--assume-unchanged"),
    "a source that is not to be there": lambda checkout: edit_unseen(checkout, "--skip-worktree"),
    "a source that git filters": filter_source,
    "a source that is gone": lambda checkout: (checkout.folder / "shapes.py").unlink(),
    "the data, which is gone": lambda checkout: (checkout.folder / ".coverage").unlink(),
}


@pytest.fixture
def analysed(shapes: Checkout) -> Checkout:
    """A project that was checked before."""
    shapes.env["FLOOR"] = "70"
    shapes.write({"pyproject.toml": SETTINGS})
    shapes.commit("Set a floor")
    status, said, from_store = checked(shapes)
    assert (status, from_store) == (0, False), said
    return shapes


def test_what_did_not_change_is_not_analysed_again(analysed: Checkout) -> None:
    status, said, from_store = checked(analysed)
    assert said.startswith("covsync: coverage is 75% by file times, its floor held")
    assert (status, from_store) == (0, True)
    assert from_nothing(analysed) == (status, said, False)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.first(2)
def test_whatever_changes_is_analysed(
    analysed: Checkout, change: Callable[[Checkout], object]
) -> None:
    change(analysed)
    once = checked(analysed)
    assert not once[2]
    assert once == from_nothing(analysed)


def test_what_changed_back_is_right_again(analysed: Checkout) -> None:
    before = checked(analysed)
    analysed.write({"shapes.py": LONGER})
    assert checked(analysed) != before
    write_as_before(analysed)
    assert checked(analysed)[1] == before[1]


@pytest.mark.parametrize(
    "arguments",
    [("--fail-under=90",), ("--fail-under-file=80",), ("--format=json", "--fail-under=90")],
)
@pytest.mark.first(1)
def test_lines_are_reported_without_coverage_py(
    analysed: Checkout, arguments: tuple[str, ...]
) -> None:
    status, said, from_store = checked(analysed, *arguments)
    assert from_store
    assert status == 2
    assert (status, said, False) == from_nothing(analysed, *arguments)


def test_changed_lines_are_judged_all_the_same(analysed: Checkout) -> None:
    analysed.write({"shapes.py": OTHER})
    analysed.git("add", "shapes.py")
    analysed.coverage("run", "test_shapes.py")
    arguments = ("--fail-under-diff=90",)
    first = checked(analysed, *arguments)
    assert "shapes.py:3" in first[1]
    again = checked(analysed, *arguments)
    assert again == (*first[:2], True)


@pytest.mark.parametrize("content", ["null", "[]", "{}", "[1, 2, 3, 4, 5, 6]", "x", ""])
@pytest.mark.first(2)
def test_what_cannot_be_read_is_analysed(analysed: Checkout, content: str) -> None:
    with sqlite3.connect(analysed.folder / ".git" / "covsync" / "store-5.sqlite") as store:
        store.execute("update measurement set facts = ? where kind = 'report'", [content])
    store.close()
    status, said, from_store = checked(analysed)
    assert (status, from_store) == (0, False)
    assert checked(analysed) == (status, said, True)


def test_another_coverage_py_is_not_what_analysed(analysed: Checkout, tmp_path: Path) -> None:
    """The hook's environment may have another version than the one before."""
    import coverage

    other = tmp_path / "other" / "coverage"
    shutil.copytree(Path(coverage.__file__).parent, other)
    version = other / "version.py"
    version.write_text(version.read_text().replace("final", "beta"))
    analysed.env["PYTHONPATH"] = str(other.parent)
    assert not checked(analysed)[2]
    assert checked(analysed)[2]


def test_a_plugin_has_a_say_each_time(analysed: Checkout) -> None:
    analysed.write({"sees.py": "def coverage_init(reg, options): pass\n"})
    analysed.write({".coveragerc": "[run]\nbranch = true\nplugins = sees\n"})
    analysed.stage()
    for _ in range(2):
        status, _, from_store = checked(analysed, "--fail-under=70")
        assert (status, from_store) == (0, False)


@pytest.mark.stress
def test_a_file_left_out_with_a_warning_is_looked_at_again(shapes: Checkout) -> None:
    shapes.write({"more.py": "MORE = 1\n", ".coveragerc": "[report]\nignore_errors = true\n"})
    shapes.write({"pyproject.toml": ALL_THE_SAME})
    shapes.stage()
    shapes.coverage("run", "--source=.", "--omit=test*", "test_shapes.py")
    whole = checked(shapes)
    shapes.write({"shapes.py": "def (:\n"})
    without = [checked(shapes) for _ in range(2)]
    assert without[0] == without[1] != whole
    write_as_before(shapes)
    assert checked(shapes)[1] == whole[1]


def test_a_template_that_ran_as_code_is_remembered_as_none(shapes: Checkout) -> None:
    """As template engines name what they compile."""
    runs = "exec(compile('x = 1', 'page.html', 'exec'))\nimport more\n"
    shapes.write({"page.html": "<p>{{ x }}</p>\n", "more.py": "MORE = 1\n", "test_page.py": runs})
    shapes.stage()
    shapes.coverage("run", "--source=.", "--omit=test*,shapes.py", "test_page.py")
    assert "page.html" in shapes.coverage("debug", "data").out
    status, said, from_store = checked(shapes)
    assert (status, from_store) == (0, False)
    assert checked(shapes) == (status, said, True)


@pytest.mark.stress
def test_a_data_file_that_was_named_is_not_the_usual_one(analysed: Checkout) -> None:
    usual = checked(analysed)
    analysed.coverage("run", "--data-file=../other", "shapes.py")
    named = checked(analysed, "--data-file=../other")
    assert named[1] != usual[1]
    assert checked(analysed, "--data-file=../other") == (*named[:2], True)
    assert checked(analysed)[:2] == usual[:2]


@pytest.mark.stress
def test_a_folder_that_now_leads_out_of_the_repository_is_noticed(analysed: Checkout) -> None:
    analysed.write({"pyproject.toml": SETTINGS.replace("shapes.py", "inside/*")})
    analysed.write({"inside/more.py": "MORE = 1\n", "more_tests.py": "import inside.more\n"})
    analysed.stage()
    analysed.coverage("run", "more_tests.py")
    assert checked(analysed)[0] == 0
    assert checked(analysed)[2]
    inside = analysed.folder / "inside"
    inside.rename(analysed.folder.parent / "outside")
    inside.symlink_to("../outside")
    status, said, from_store = checked(analysed)
    assert (status, from_store) == (1, False)
    assert "leads outside" in said


@pytest.fixture
def several(analysed: Checkout) -> Checkout:
    """Files that git treats in different ways: as it has them, edited, and new in the index."""
    analysed.write(dict.fromkeys(FILES, SHAPES))
    analysed.write({"pyproject.toml": ALL_FILES})
    analysed.git("add", "a.py", "b.py", "c.py", "pyproject.toml")
    analysed.git("commit", "--quiet", "--message", "Add more")
    analysed.stage("d.py")
    return analysed


ALL_FILES = SETTINGS.replace(
    'include = ["shapes.py"]', 'source = ["."]\nomit = ["test_*.py", "shapes.py"]'
)
FILES = ("a.py", "b.py", "c.py", "d.py")
ALL_TESTS = "import a, b, c, d\na.area(1, 2)\nb.area(-1, 2)\nc.outline(1, 2)\n"


@settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.tuples(*[st.sampled_from([SHAPES, LONGER, OTHER])] * len(FILES)),
            st.sampled_from(["", 'exclude_also = ["width < 0"]\n', "precision = 2\n"]),
            st.sampled_from(["40", "80"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.stress
def test_warm_and_cold_agree(
    several: Checkout, history: list[tuple[tuple[str, ...], str, str, bool]]
) -> None:
    several.write({"pyproject.toml": ALL_FILES, "test_all.py": ALL_TESTS})
    several.coverage("run", "test_all.py")
    for sources, setting, floor, runs in history:
        several.write(dict(zip(FILES, sources, strict=True)))
        several.write({"pyproject.toml": ALL_FILES + setting})
        several.env["FLOOR"] = floor
        if runs:
            several.coverage("run", "test_all.py")
        asked = ("--format=json", "--fail-under-file=75")
        cold = from_nothing(several, *asked)
        assert checked(several, *asked)[:2] == cold[:2]
        again = checked(several, *asked)
        assert again == (*cold[:2], True)
        total = ["coverage", "report", "--format=total", "--precision=4"]
        own = run(total, several.folder, several.env).out.splitlines()[0]
        document, _ = json.JSONDecoder().raw_decode(again[1])
        assert round(document["percent_covered"], 4) == float(own)


SEES_COVERAGE = (
    "import sys\nfrom covsync.cli import main\nmain(['check', *sys.argv[1:]])\n"
    "print('coverage' in sys.modules)"
)


def test_a_stored_report_takes_no_coverage_py(analysed: Checkout) -> None:
    said = run([sys.executable, "-c", SEES_COVERAGE], analysed.folder, analysed.env).out
    assert said.splitlines() == [
        "covsync: coverage is 75% by file times, its floor held",
        "False",
    ]
    failing = [sys.executable, "-c", SEES_COVERAGE, "--fail-under=90"]
    said = run(failing, analysed.folder, analysed.env).out
    assert "missing shapes.py:3\n" in said
    assert said.endswith("\nFalse\n")


def phases(checkout: Checkout, *command: str) -> list[str]:
    """What the time went to, as the last lines have it."""
    said = checkout.covsync(*command, "--verbose").err.splitlines()
    found = [re.fullmatch(r"covsync: +\d+\.\d{3} s  (.*)", line) for line in said]
    first = next(at for at, match in enumerate(found) if match)
    assert all(found[first:])
    return [match[1] for match in found if match]


def test_verbose_ends_with_where_the_time_went(analysed: Checkout) -> None:
    of_stored_report = ["project", "record", "stored report", "judging"]
    assert phases(analysed, "check") == of_stored_report
    assert phases(analysed, "check", "--fail-under=90") == of_stored_report
    assert phases(analysed, "record") == ["project", "analysis"]
    assert phases(analysed, "check") == ["project", "record", "judging"]
    analysed.write({"pyproject.toml": SETTINGS.replace('"ignore"', '"ignore"\nfail_under = 70')})
    assert phases(analysed, "ratchet") == ["project", "record", "floors"]
    analysed.git("checkout", "--quiet", "pyproject.toml")
    pushed = ["data", "texts", "data branch", "analysis (1 of 1 files from the store)", "pages"]
    assert phases(analysed, "push") == [*pushed, "publishing"]
    assert phases(analysed, "push") == ["data", "texts", "data branch", "publishing"]


def test_settings_that_bear_on_nothing_take_no_coverage_py(analysed: Checkout) -> None:
    """Nor does a variable of the environment that is another tool's."""
    uses = '[tool.other]\ncommand = "$PATH"\n'
    analysed.write({"pyproject.toml": SETTINGS + uses + '[project]\nversion = "2"\n'})
    assert analysed.covsync("run", "test_shapes.py").status == 0
    analysed.write({"pyproject.toml": SETTINGS + uses + '[project]\nversion = "3"\n'})
    analysed.write({"shapes.py": f"# Shapes\n{SHAPES}"})
    analysed.stage()
    analysed.env["PATH"] = f"{os.environ['PATH']}:/nonexistent"
    command = [sys.executable, "-c", SEES_COVERAGE]
    said = run(command, analysed.folder, analysed.env).out
    assert said.splitlines() == ["covsync: coverage is 75%, its floor held", "False"]
    analysed.env["FLOOR"] = "76"
    assert analysed.covsync("check").out.startswith("total: 75% is below 76% (fail_under)")
