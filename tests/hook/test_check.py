"""``covsync check``, as a person or a hook types it."""

from __future__ import annotations

import json

import pytest
from conftest import BETTER_TEST, BRANCHES, Checkout


def test_a_floor_that_holds_is_one_line(shapes: Checkout) -> None:
    ended = shapes.covsync("check", "--fail-under", "75")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "covsync: coverage is 75% by file times, its floor held\n"


def test_a_broken_floor_says_figure_floor_lines_and_what_to_do(shapes: Checkout) -> None:
    ended = shapes.covsync("check", "--fail-under", "90")
    assert (ended.status, ended.err) == (2, "")
    assert ended.out == (
        "total: 75% is below 90% (fail_under); missing shapes.py:3\n"
        "Cover at least 2 more statements or branches, run the tests under coverage.py, "
        "then try again.\n"
    )


def test_all_floors_are_judged_at_once_and_the_worst_comes_first(shapes: Checkout) -> None:
    shapes.write(
        {
            "round.py": "def disc(radius):\n    return radius\n",
            "test_shapes.py": BETTER_TEST + "import round\n",
            "pyproject.toml": BRANCHES.replace('"]', '", "round.py"]')
            + '[tool.covsync]\nfail_under = 95.5\nfail_under_file = 90\npaths = {"rou*" = 99}\n',
        }
    )
    shapes.stage()
    shapes.coverage("run", "test_shapes.py")
    ended = shapes.covsync("check")
    assert ended.status == 2
    assert ended.out.splitlines()[:3] == [
        "rou*: 50% is below 99% (paths); missing round.py:2",
        "round.py: 50% is below 90% (fail_under_file); missing round.py:2",
        "total: 90% is below 95.5% (fail_under); missing round.py:2",
    ]


def test_a_missing_branch_is_named_as_coverage_py_names_it(shapes: Checkout) -> None:
    shapes.write(
        {
            "shapes.py": "def area(x):\n    if x < 0:\n        x = 0\n    return x\n",
            "test_shapes.py": "from shapes import area\n\narea(-1)\n",
        }
    )
    shapes.stage()
    shapes.coverage("run", "test_shapes.py")
    ended = shapes.covsync("check", "--fail-under-file", "100")
    assert ended.out.startswith(
        "shapes.py: 83% is below 100% (fail_under_file); missing shapes.py:2->4\n"
        "Cover at least 1 more statement or branch in shapes.py,"
    )


@pytest.mark.parametrize("floor, status", [("94.9", 0), ("95", 2), ("94.9000000000000001", 2)])
def test_floors_are_exact(checkout: Checkout, floor: str, status: int) -> None:
    """949 of 1000."""
    code = "x = 1\n" * 947 + "if x == 1:\n    x = 2\nelse:\n" + "    x = 3\n" * 51
    checkout.write({"code.py": code})
    checkout.stage()
    checkout.coverage("run", "code.py")
    said = checkout.covsync("check", "--fail-under", "94.9").out
    assert said == "covsync: coverage is 95% by file times, its floor held\n"
    assert checkout.covsync("check", "--fail-under", floor).status == status


def test_a_figure_that_rounds_up_to_its_floor_shows_the_digits_that_tell_them_apart(
    checkout: Checkout,
) -> None:
    checkout.write({"code.py": "x = 1\n" * 2373 + "if x == 2:\n" + "    x = 3\n" * 126})
    checkout.stage()
    checkout.coverage("run", "code.py")
    ended = checkout.covsync("check", "--fail-under", "95")
    assert ended.status == 2
    assert ended.out.startswith("total: 94.96% is below 95% (fail_under)")


def test_a_hundred_means_a_hundred(checkout: Checkout) -> None:
    checkout.write({"code.py": "x = 1\n" * 998 + "if x == 2:\n    x = 3\n"})
    checkout.stage()
    checkout.coverage("run", "code.py")
    ended = checkout.covsync("check", "--fail-under", "100")
    assert ended.status == 2
    assert ended.out.startswith("total: 99% is below 100% (fail_under); missing code.py:1000\n")


def test_without_a_floor_nothing_is_enforced_and_it_says_so(shapes: Checkout) -> None:
    ended = shapes.covsync("check")
    assert ended.status == 0
    assert ended.out.startswith(
        "covsync: coverage is 75% by file times; no floor is set, so nothing was enforced."
    )
    assert "--fail-under" in ended.out


def test_coverage_pys_own_fail_under_is_the_floor(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": BRANCHES + "[tool.coverage.report]\nfail_under = 75.1\n"})
    shapes.stage()
    ended = shapes.covsync("check")
    assert ended.status == 2
    assert ended.out.startswith("total: 75% is below 75.1% (fail_under)")


def test_covsyncs_fail_under_beats_coverage_pys_and_a_flag_beats_both(shapes: Checkout) -> None:
    shapes.write(
        {
            "pyproject.toml": BRANCHES
            + "[tool.coverage.report]\nfail_under = 99\n[tool.covsync]\nfail_under = 70\n"
        }
    )
    shapes.stage()
    assert shapes.covsync("check").status == 0
    assert shapes.covsync("check", "--fail-under=80").status == 2


def test_a_floor_for_several_is_judged_on_all_their_files_together(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync.paths]\n"*.py" = 75\n'})
    shapes.stage()
    ended = shapes.covsync("check")
    assert (ended.status, ended.out) == (
        0,
        "covsync: coverage is 75% by file times, its floor held\n",
    )


def test_a_floor_without_files_is_never_taken_for_held(shapes: Checkout) -> None:
    """A typo in a glob would turn its floor off, and pre-commit hides what a passing hook says."""
    paths = '[tool.covsync.paths]\n"*.py" = 75\n"sahpes" = 1\n'
    shapes.write({"pyproject.toml": BRANCHES + paths})
    shapes.stage()
    ended = shapes.covsync("check")
    assert ended.status == 3
    assert ended.out.startswith("sahpes: matches no measured file (paths)\nCorrect the glob")


def test_json_tells_a_program_the_same(shapes: Checkout) -> None:
    ended = shapes.covsync("check", "--fail-under", "90", "--format", "json")
    assert (ended.status, ended.err) == (2, "")
    assert json.loads(ended.out) == {
        "exit_code": 2,
        "judged": True,
        "evidence": "file times",
        "lower_bound": False,
        "tests_failed": False,
        "differences": [],
        "percent_covered": 75.0,
        "percent_covered_display": "75",
        "covered": 6,
        "coverable": 8,
        "floors_held": 0,
        "findings": [
            {
                "rule": "fail_under",
                "subject": "total",
                "floor": 90,
                "percent_covered": 75.0,
                "percent_covered_display": "75",
                "covered": 6,
                "coverable": 8,
                "needed": 2,
                "missing": {"shapes.py": "3"},
            }
        ],
        "unmatched_globs": [],
    }


def test_json_tells_an_error_too(checkout: Checkout) -> None:
    ended = checkout.covsync("check", "--format=json")
    assert ended.status == 3
    document = json.loads(ended.out)
    assert document["exit_code"] == 3
    assert "there is no coverage data" in document["error"]
    assert "covsync run" in document["fix"]


def test_a_coverage_json_report_is_judged_alike(shapes: Checkout) -> None:
    shapes.coverage("json", "--quiet", "-o", "report.json")
    ended = shapes.covsync("check", "--data-file", "report.json", "--fail-under", "75")
    assert (ended.status, ended.out) == (
        0,
        "covsync: coverage is 75% by file times, its floor held\n",
    )
    assert shapes.covsync("check", "--data-file=report.json", "--fail-under=75.01").status == 2


def test_it_works_from_a_folder_below(shapes: Checkout) -> None:
    (shapes.folder / "docs").mkdir()
    below = Checkout(shapes.folder / "docs")
    assert below.covsync("check", "--fail-under", "75").status == 0
    ended = below.covsync("check", "--fail-under", "75", "--data-file", "../.coverage")
    assert ended.status == 0


def test_one_of_several_projects_is_judged_in_its_own_folder(shapes: Checkout) -> None:
    backend = Checkout(shapes.folder / "backend")
    backend.write({"pyproject.toml": "[tool.covsync]\nfail_under = 100\n", "app.py": "x = 1\n"})
    backend.stage()
    backend.coverage("run", "app.py")
    ended = backend.covsync("check")
    assert (ended.status, ended.out) == (
        0,
        "covsync: coverage is 100% by file times, its floor held\n",
    )


def test_a_run_without_data_may_pass_where_the_project_says_so(checkout: Checkout) -> None:
    checkout.write({"pyproject.toml": '[tool.covsync]\nno_data = "warn"\nfail_under = 90\n'})
    checkout.stage()
    ended = checkout.covsync("check")
    assert (ended.status, ended.out) == (0, "")
    assert "there is no coverage data" in ended.err
    assert "nothing was judged" in ended.err


def test_data_that_only_lacks_combining_never_passes_for_none(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync]\nno_data = "warn"\n'})
    shapes.stage()
    (shapes.folder / ".coverage").rename(shapes.folder / ".coverage.host.1.Xabc")
    assert shapes.covsync("check").status == 3


@pytest.mark.parametrize(
    "environ, coloured",
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colour_is_the_users_choice(
    shapes: Checkout, environ: dict[str, str], *, coloured: bool
) -> None:
    ended = Checkout(shapes.folder, environ).covsync("check", "--fail-under", "90")
    assert ("\x1b[31m" in ended.out) is coloured


def test_verbose_names_the_data(shapes: Checkout) -> None:
    assert "coverage data: .coverage\n" in shapes.covsync("check", "-v").err
