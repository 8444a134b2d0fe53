"""Histories in which the gate once said something else than the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import Commit, Configure, Edit, Move, Run, Stage, Write
from judged_history import JudgedHistory

pytestmark = pytest.mark.stress

COMMIT = Commit("git commit -qm Change", "none", 0)
FOLLOWED = COMMIT._replace(follow=2)


def test_what_pytest_cov_measured_is_judged_by_its_record(tmp_path: Path) -> None:
    history = JudgedHistory(tmp_path, "include")
    history.do([Run("pytest --cov"), Edit("add_comment", "tools.py", 0), Stage("all", 0), COMMIT])
    assert history.judged == ["record"]


def test_a_rerun_that_would_see_an_untracked_file_is_asked_for_on_what_is_staged_alone(
    tmp_path: Path,
) -> None:
    history = JudgedHistory(tmp_path, "package")
    untracked = Write("pkg/new.py")
    edit, stage = Edit("change_number", "tools.py", 0), Stage("file", 1)
    history.do([Run("covsync run -m pytest"), untracked, edit, stage, FOLLOWED])
    assert history.judged == ["3", "record"]


def test_a_rerun_that_would_see_an_unstaged_edit_is_asked_for_on_what_is_staged_alone(
    tmp_path: Path,
) -> None:
    history = JudgedHistory(tmp_path, "package")
    run = Run("covsync run -m pytest")
    unstaged = Edit("change_number", "pkg/flow.py", 0)
    staged = Move("tests/support.py", "support.py", imports=True)
    history.do([run, unstaged, staged, FOLLOWED])
    assert history.judged == ["3", "record"]


def test_an_unstaged_change_of_a_file_mode_that_pre_commit_puts_aside_is_no_error(
    tmp_path: Path,
) -> None:
    history = JudgedHistory(tmp_path, "package")
    history.do([Run("covsync run -m pytest"), Edit("change_number", "tools.py", 0)])
    history.do([Stage("all", 0)])
    (history.top / "conftest.py").chmod(0o755)
    history.do([COMMIT._replace(command=f"LIKE_PRE_COMMIT=1 {COMMIT.command}")])
    assert history.judged == ["3"]


def test_a_part_of_the_tests_is_no_lower_bound_where_others_may_measure_more_files(
    tmp_path: Path,
) -> None:
    history = JudgedHistory(tmp_path, "all")
    comment, part = Edit("add_comment", "tools.py", 0), Run("covsync run -m pytest -k area")
    files = Run("covsync run -m pytest tests/test_shapes.py")
    history.do([files, comment, Stage("all", 0), COMMIT, Run("pytest --cov"), part])
    history.do([comment._replace(n=6), Stage("all", 0), COMMIT])
    assert history.judged == ["3", "record"]


def test_where_a_part_of_the_tests_ran_all_of_them_are_asked_for(tmp_path: Path) -> None:
    history = JudgedHistory(tmp_path, "package")
    history.do([Run("covsync run -m pytest"), Run("covsync run -m pytest tests/test_flow.py")])
    history.do([Edit("change_number", "tools.py", 0), Stage("all", 0)])
    history.do([FOLLOWED._replace(floor="below")])
    assert history.judged == ["3", "record"]


def test_a_run_of_all_tests_by_unittest_need_not_load_pytests_conftest(tmp_path: Path) -> None:
    history = JudgedHistory(tmp_path, "here")
    edit = Edit("remove_statement", "tests/test_more.py", 377)
    runs = Run("coverage run -m pytest"), Run("covsync run -m unittest discover -s tests")
    history.do([runs[0], edit, runs[1], Stage("all", 0), COMMIT._replace(floor="above")])
    assert history.judged == ["record"]


def test_what_a_part_of_the_tests_ran_on_is_not_just_to_be_staged(tmp_path: Path) -> None:
    history = JudgedHistory(tmp_path, "lines")
    history.do([Configure("all", exclusions=True, floor="99.5")])
    history.do([Edit("remove_statement", "pkg/unused.py", 214)])
    history.do([Run("pytest --cov --cov-append tests/test_shapes.py")])
    history.do([Stage("file", 1), COMMIT._replace(follow=1)])
    assert history.judged == ["3", "record"]
