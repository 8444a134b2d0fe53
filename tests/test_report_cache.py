"""What was analysed before is not analysed again, and says the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KNOWN = "as analysed before"
# Data that is older than the code is judged too, so that what changes is analysed.
ALL_THE_SAME = '[tool.covsync]\nstale = "ignore"\n'
SETTINGS = ALL_THE_SAME + BRANCHES + '[tool.coverage.report]\nfail_under = "${FLOOR}"\n'
EXCLUDED = SETTINGS + 'exclude_also = ["width < 0"]\n'
LONGER = SHAPES + "\n\nUNIT = 1\n"
OTHER = SHAPES.replace("return 0", "return 1")


def checked(checkout: Checkout, *arguments: str) -> tuple[int, str, bool]:
    """How a check ends, what it says, and whether that was known without coverage.py."""
    ended = checkout.covsync("check", "--verbose", *arguments)
    said = [line for line in ended.err.splitlines() if " s  " not in line]
    passing = ("covsync: coverage data: ", "covsync: judged by ")
    errors = [line for line in said if not line.startswith(passing)]
    return ended.status, "\n".join([ended.out, *errors]), KNOWN in ended.err


def from_nothing(checkout: Checkout, *arguments: str) -> tuple[int, str, bool]:
    """The same where nothing was kept; what was comes back afterwards."""
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
def known(shapes: Checkout) -> Checkout:
    """A project that was checked before."""
    shapes.env["FLOOR"] = "70"
    shapes.write({"pyproject.toml": SETTINGS})
    shapes.commit("Set a floor")
    status, said, was_known = checked(shapes)
    assert (status, was_known) == (0, False), said
    return shapes


def test_what_did_not_change_is_known(known: Checkout) -> None:
    status, said, was_known = checked(known)
    assert said.startswith("covsync: coverage is 75% by file times, its floor held")
    assert (status, was_known) == (0, True)
    assert from_nothing(known) == (status, said, False)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_not_known(
    known: Checkout, change: Callable[[Checkout], object]
) -> None:
    change(known)
    once = checked(known)
    assert not once[2]
    assert once == from_nothing(known)


def test_what_changed_back_is_right_again(known: Checkout) -> None:
    before = checked(known)
    known.write({"shapes.py": LONGER})
    assert checked(known) != before
    write_as_before(known)
    assert checked(known)[1] == before[1]


@pytest.mark.parametrize(
    "arguments",
    [("--fail-under=90",), ("--fail-under-file=80",), ("--format=json", "--fail-under=90")],
)
def test_lines_are_told_all_the_same(known: Checkout, arguments: tuple[str, ...]) -> None:
    status, said, was_known = checked(known, *arguments)
    assert was_known
    assert status == 2
    assert (status, said, False) == from_nothing(known, *arguments)


def test_changed_lines_are_judged_all_the_same(known: Checkout) -> None:
    known.write({"shapes.py": OTHER})
    known.git("add", "shapes.py")
    known.coverage("run", "test_shapes.py")
    arguments = ("--fail-under-diff=90",)
    first = checked(known, *arguments)
    assert "shapes.py 3" in first[1]
    again = checked(known, *arguments)
    assert again == (*first[:2], True)


@pytest.mark.parametrize("content", ["null", "[]", "{}", "[1, 2, 3, 4, 5, 6]", "x", ""])
def test_what_cannot_be_read_is_analysed(known: Checkout, content: str) -> None:
    text = content.encode()
    with sqlite3.connect(known.folder / ".git" / "covsync" / "analysis-1.sqlite") as store:
        store.execute(
            "update result set content = ?, checksum = ? where kind = 'report'",
            [text, zlib.crc32(text)],
        )
    store.close()
    status, said, was_known = checked(known)
    assert (status, was_known) == (0, False)
    assert checked(known) == (status, said, True)


def test_another_coverage_py_is_not_what_analysed(known: Checkout, tmp_path: Path) -> None:
    """The hook's environment may have another version than the one before."""
    import coverage

    other = tmp_path / "other" / "coverage"
    shutil.copytree(Path(coverage.__file__).parent, other)
    version = other / "version.py"
    version.write_text(version.read_text().replace("final", "beta"))
    known.env["PYTHONPATH"] = str(other.parent)
    assert not checked(known)[2]
    assert checked(known)[2]


def test_a_plugin_has_a_say_each_time(known: Checkout) -> None:
    known.write({"sees.py": "def coverage_init(reg, options): pass\n"})
    known.write({".coveragerc": "[run]\nbranch = true\nplugins = sees\n"})
    known.stage()
    for _ in range(2):
        status, _, was_known = checked(known, "--fail-under=70")
        assert (status, was_known) == (0, False)


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


def test_a_template_that_ran_as_code_is_known_to_be_none(shapes: Checkout) -> None:
    """As template engines name what they compile."""
    runs = "exec(compile('x = 1', 'page.html', 'exec'))\nimport more\n"
    shapes.write({"page.html": "<p>{{ x }}</p>\n", "more.py": "MORE = 1\n", "test_page.py": runs})
    shapes.stage()
    shapes.coverage("run", "--source=.", "--omit=test*,shapes.py", "test_page.py")
    assert "page.html" in shapes.coverage("debug", "data").out
    status, said, was_known = checked(shapes)
    assert (status, was_known) == (0, False)
    assert checked(shapes) == (status, said, True)


def test_a_data_file_that_was_named_is_not_the_usual_one(known: Checkout) -> None:
    usual = checked(known)
    known.coverage("run", "--data-file=../other", "shapes.py")
    named = checked(known, "--data-file=../other")
    assert named[1] != usual[1]
    assert checked(known, "--data-file=../other") == (*named[:2], True)
    assert checked(known)[:2] == usual[:2]


def test_a_folder_that_now_leads_out_of_the_repository_is_noticed(known: Checkout) -> None:
    known.write({"pyproject.toml": SETTINGS.replace("shapes.py", "inside/*")})
    known.write({"inside/more.py": "MORE = 1\n", "more_tests.py": "import inside.more\n"})
    known.stage()
    known.coverage("run", "more_tests.py")
    assert checked(known)[0] == 0
    assert checked(known)[2]
    inside = known.folder / "inside"
    inside.rename(known.folder.parent / "outside")
    inside.symlink_to("../outside")
    status, said, was_known = checked(known)
    assert (status, was_known) == (1, False)
    assert "leads outside" in said


@pytest.fixture
def several(known: Checkout) -> Checkout:
    """Files that git treats in different ways: as it has them, edited, and new in the index."""
    known.write(dict.fromkeys(FILES, SHAPES))
    known.write({"pyproject.toml": ALL_FILES})
    known.git("add", "a.py", "b.py", "c.py", "pyproject.toml")
    known.git("commit", "--quiet", "--message", "Add more")
    known.stage("d.py")
    return known


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
    "import sys\nfrom covsync.cli import main\nmain(['check'])\nprint('coverage' in sys.modules)"
)


def test_what_is_known_takes_no_coverage_py(known: Checkout) -> None:
    said = run([sys.executable, "-c", SEES_COVERAGE], known.folder, known.env).out
    assert said.splitlines() == [
        "covsync: coverage is 75% by file times, its floor held",
        "False",
    ]


def phases(checkout: Checkout, *command: str) -> list[str]:
    """What the time went to, as the last lines have it."""
    said = checkout.covsync(*command, "--verbose").err.splitlines()
    found = [re.fullmatch(r"covsync: +\d+\.\d{3} s  (.*)", line) for line in said]
    first = next(at for at, match in enumerate(found) if match)
    assert all(found[first:])
    return [match[1] for match in found if match]


def test_verbose_ends_with_where_the_time_went(known: Checkout) -> None:
    assert phases(known, "check") == ["project", "record", "known report", "judging"]
    assert phases(known, "check", "--fail-under=90") == [
        *("project", "record", "known report", "judging", "analysis, for the lines", "judging")
    ]
    assert phases(known, "record") == ["project", "analysis"]
    assert phases(known, "check") == ["project", "record", "judging"]
    known.write({"pyproject.toml": SETTINGS.replace('"ignore"', '"ignore"\nfail_under = 70')})
    assert phases(known, "ratchet") == ["project", "record", "floors"]
    known.git("checkout", "--quiet", "pyproject.toml")
    pushed = ["data", "texts", "data branch", "analysis (1 of 1 files from the store)", "pages"]
    assert phases(known, "push") == [*pushed, "publishing"]
    assert phases(known, "push") == ["data", "texts", "data branch", "publishing"]


def test_settings_that_bear_on_nothing_take_no_coverage_py(known: Checkout) -> None:
    """Nor does a variable of the environment that is another tool's."""
    uses = '[tool.other]\ncommand = "$PATH"\n'
    known.write({"pyproject.toml": SETTINGS + uses + '[project]\nversion = "2"\n'})
    assert known.covsync("run", "test_shapes.py").status == 0
    known.write({"pyproject.toml": SETTINGS + uses + '[project]\nversion = "3"\n'})
    known.write({"shapes.py": f"# Shapes\n{SHAPES}"})
    known.stage()
    known.env["PATH"] = f"{os.environ['PATH']}:/nonexistent"
    command = [sys.executable, "-c", SEES_COVERAGE]
    said = run(command, known.folder, known.env).out
    assert said.splitlines() == ["covsync: coverage is 75%, its floor held", "False"]
    known.env["FLOOR"] = "76"
    assert known.covsync("check").out.startswith("total: 75% is below 76% (fail_under)")
