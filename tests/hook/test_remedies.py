"""Every remedy that the gate prints works: typed as it says, it ends in a verdict."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SHAPES, Checkout, Ended, run, with_hook

SETTINGS = """\
[tool.coverage.run]
branch = true
source = ["."]
omit = ["tests/*"]

[tool.pytest.ini_options]
addopts = "-p no:cacheprovider"
pythonpath = ["."]

[tool.covsync]
fail_under = 60
"""
OTHER_SETTINGS = SETTINGS.replace('"tests/*"', '"tests/*", "setup.py"')
CIRCLES = "def area(radius):\n    return 3 * radius * radius\n"
TESTS = """\
import shapes


def test_area():
    assert shapes.area(2, 3) == 6
"""
CIRCLE_TEST = "import circles\n\n\ndef test_circle():\n    assert circles.area(1) == 3\n"
OUTLINE_TEST = "import shapes\n\n\ndef test_outline():\n    assert shapes.outline(2, 3) == 10\n"
RUN = "covsync run -m pytest"
ALONE = ["git stash --keep-index --include-untracked", RUN, "git commit -m Try", "git stash pop"]
PLAIN = "#!/bin/sh\nexec covsync check\n"


@pytest.fixture(params=[pytest.param("pre-commit", marks=pytest.mark.stress), "plain"])
def project(tmp_path: Path, hook: Path, request: pytest.FixtureRequest) -> Checkout:
    """A project whose tests ran, with its first commit, under pre-commit or a plain git hook."""
    (tmp_path / request.param).mkdir()
    made = with_hook(tmp_path / request.param / "project", hook)
    if request.param == "plain":
        (made.folder / ".git" / "hooks" / "pre-commit").write_text(PLAIN)
    made.write(
        {
            "shapes.py": SHAPES,
            "circles.py": CIRCLES,
            "tests/test_area.py": TESTS,
            "tests/test_circle.py": CIRCLE_TEST,
            "pyproject.toml": SETTINGS,
            ".gitignore": ".coverage\n__pycache__/\n/tests/test_local.py\n",
        }
    )
    run_tests(made)
    made.stage()
    ended = commit(made)
    assert ended.status == 0, ended
    return made


def run_tests(project: Checkout, *arguments: str) -> None:
    ended = project.covsync("run", "-m", "pytest", *arguments)
    assert ended.status == 0, ended


def commit(project: Checkout) -> Ended:
    return run(["git", "commit", "-m", "Try"], project.folder, project.env)


def ways_out(ended: Ended) -> list[list[str]]:
    """The remedies that a refused commit was answered with, each as the commands to type."""
    assert ended.status == 1, ended
    lines = ended.err.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(("covsync: error: ", "total: ")))
    said = lines[at + 1].strip()
    ways = []
    again = re.fullmatch(
        r"Run (?:the tests again|all tests|the tests first): (.+?)(?:\. (?:Only|Where) .*)?", said
    )
    if again:
        ways.append([again[1]])
    staged = re.search(r"(?:Stage|Add) it: (git add .+?)\. Or ", said)
    if staged:
        ways.append([staged[1]])
    alone = re.search(r"[Rr]un the tests on what is staged alone: (.+)\.$", said)
    if alone:
        steps = alone[1].split(", ")
        ways.append(["git commit -m Try" if each == "commit" else each for each in steps])
    moved = re.search(r"Or move it away, and run the tests again: (.+)$", said)
    if moved:
        ways.append(["mv tests/test_local.py ..", moved[1]])
    assert ways, said
    return ways


def follow(project: Checkout, way: list[str]) -> None:
    """Types the commands, and commits at the end unless one of them did."""
    for command in [*way, *([] if "git stash pop" in way else ["git commit -m Try"])]:
        done = run(shlex.split(command), project.folder, project.env)
        if command.startswith("git commit"):
            is_judged(done)
        else:
            assert done.status == 0, (command, done)


def is_judged(ended: Ended) -> None:
    """A commit that went in, or one that a floor stopped."""
    if ended.status:
        assert " is below " in ended.err, ended
        assert "covsync: error" not in ended.err
        assert "only a part" not in ended.err.lower()


def edited_after_the_run(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    project.stage()


def edited_after_the_run_beside_an_edit_that_is_not_staged(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    project.stage()
    project.write({"circles.py": CIRCLES + "\n\nUNIT = 1\n"})


def one_of_two_edited_files_staged(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    project.write({"circles.py": CIRCLES + "\n\nUNIT = 1\n"})
    run_tests(project)
    project.stage("shapes.py")


def a_file_staged_by_hunk(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES.replace("return 0", "return -0") + "\n\nUNIT = 1\n"})
    run_tests(project)
    patch = project.git("diff", "--unified=0", "shapes.py").partition("@@ -8,0")[0]
    (project.folder.parent / "hunk.patch").write_text(patch)
    project.git("apply", "--cached", "--unidiff-zero", "../hunk.patch")


def a_test_that_is_not_added(project: Checkout) -> None:
    project.write({"tests/test_outline.py": OUTLINE_TEST, "shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    run_tests(project)
    project.stage("shapes.py")


def an_ignored_test(project: Checkout) -> None:
    project.write({"tests/test_local.py": OUTLINE_TEST, "shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    run_tests(project)
    project.stage()


def a_loaded_file_taken_out_of_the_index(project: Checkout) -> None:
    project.write({"shapes.py": "# Shapes\n" + SHAPES})
    project.stage()
    project.git("rm", "--quiet", "--cached", "tests/test_circle.py")


def a_file_deleted_before_the_run_and_not_staged(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    (project.folder / "tests" / "test_circle.py").unlink()
    run_tests(project)
    project.stage("shapes.py")


def settings_changed_before_the_run_and_not_staged(project: Checkout) -> None:
    project.write({"pyproject.toml": OTHER_SETTINGS, "shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    run_tests(project)
    project.stage("shapes.py")


def settings_changed_after_the_run(project: Checkout) -> None:
    project.write({"pyproject.toml": OTHER_SETTINGS})
    project.stage()


def forget(project: Checkout) -> None:
    """Nothing is recorded any more, so that files' times are the evidence."""
    (project.folder / ".git" / "covsync" / "store-5.sqlite").unlink()


def edited_after_the_run_by_times(project: Checkout) -> None:
    forget(project)
    edited_after_the_run(project)


def a_test_that_is_not_added_by_times(project: Checkout) -> None:
    a_test_that_is_not_added(project)
    forget(project)


def not_staged_by_times(project: Checkout) -> None:
    one_of_two_edited_files_staged(project)
    forget(project)


def a_part_of_the_tests_below_the_floor(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    project.stage()
    run_tests(project, "-k", "circle")


def no_data(project: Checkout) -> None:
    forget(project)
    (project.folder / ".coverage").unlink()
    edited_after_the_run(project)


@pytest.mark.parametrize(
    "situation, expected",
    [
        (edited_after_the_run, [[RUN]]),
        (edited_after_the_run_beside_an_edit_that_is_not_staged, [ALONE]),
        (one_of_two_edited_files_staged, [["git add circles.py"], ALONE]),
        (a_file_staged_by_hunk, [["git add shapes.py"], ALONE]),
        (a_test_that_is_not_added, [["git add tests/test_outline.py"], ALONE]),
        (
            an_ignored_test,
            [["git add --force tests/test_local.py"], ["mv tests/test_local.py ..", RUN]],
        ),
        (a_loaded_file_taken_out_of_the_index, [["git add tests/test_circle.py"], ALONE]),
        (
            a_file_deleted_before_the_run_and_not_staged,
            [["git add tests/test_circle.py"], ALONE],
        ),
        (settings_changed_before_the_run_and_not_staged, [["git add pyproject.toml"], ALONE]),
        (settings_changed_after_the_run, [[RUN]]),
        (edited_after_the_run_by_times, [[RUN]]),
        (a_test_that_is_not_added_by_times, [["git add tests/test_outline.py"], ALONE]),
        (not_staged_by_times, [["git add circles.py"], ALONE]),
        (a_part_of_the_tests_below_the_floor, [[RUN]]),
        (no_data, [[RUN]]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
@pytest.mark.first(4)
def test_each_remedy_ends_in_a_verdict(
    project: Checkout, situation: Callable[[Checkout], None], expected: list[list[str]]
) -> None:
    situation(project)
    if situation is not_staged_by_times and project.folder.parent.name == "pre-commit":
        expected = [ALONE]  # pre-commit writes anew what is not staged: its time says nothing
    assert ways_out(commit(project)) == expected
    for way in expected[1:]:
        again = Checkout(project.folder.with_name("again"), project.env)
        run(["cp", "-a", str(project.folder), str(again.folder)], project.folder)
        follow(again, way)
    follow(project, expected[0])
