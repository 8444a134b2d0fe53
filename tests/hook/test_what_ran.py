"""The gate passes only what the tests ran on: every way in which a commit may be something else."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import BETTER_TEST, SHAPES, Checkout, Ended, run

SETTINGS = """\
[tool.coverage.run]
branch = true
source = ["."]
omit = ["tests/*", "generated/*"]

[tool.covsync]
fail_under = 75
"""
AREA_TEST = """\
from shapes import area, outline


def test_area():
    assert area(2, 3) == 6


def test_outline():
    assert outline(2, 3) == 10
"""
NEGATIVE_TEST = """\
from shapes import area


def test_negative():
    assert area(-1, 3) == 0
"""
IGNORED = ".coverage\n.coverage.*\n__pycache__/\n.pytest_cache/\n.tox/\n*.egg-info/\n"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
NOT_RUN = "the tests did not run on what is being committed: "
HOOK = "#!/bin/sh\ncd {} && exec covsync check\n"


@pytest.fixture
def project(checkout: Checkout) -> Checkout:
    """A committed project with a floor that its tests hold, which have not run yet: 75%."""
    checkout.write(
        {
            "shapes.py": SHAPES,
            "tests/conftest.py": "import os, sys\n\nsys.path.insert(0, os.getcwd())\n",
            "tests/test_area.py": AREA_TEST,
            "pyproject.toml": SETTINGS,
            ".gitignore": IGNORED,
        }
    )
    checkout.commit("Draw shapes")
    return checkout


def run_tests(project: Checkout, *arguments: str) -> None:
    ended = project.covsync("run", *PYTEST, *arguments)
    assert ended.status == 0, ended
    assert "recorded" in ended.out


def stage(project: Checkout, *paths: str) -> None:
    project.git("add", *(paths or ("--all",)))


def check(project: Checkout, *arguments: str) -> Ended:
    return project.covsync("check", *arguments)


def is_not_what_ran(project: Checkout, difference: str, fix: str = "Run the tests again: ") -> None:
    ended = check(project)
    assert (ended.status, ended.out) == (3, ""), ended
    assert f"{NOT_RUN}{difference}" in ended.err
    assert fix in ended.err


def install_hook(project: Checkout, folder: str = ".") -> None:
    hook = project.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(folder))
    hook.chmod(0o755)


def commit(project: Checkout, *arguments: str) -> Ended:
    return run(["git", "commit", "-m", "Try", *arguments], project.folder, project.env)


def test_a_project_below_the_top_with_gits_relative_index_is_judged_by_that_index(
    checkout: Checkout,
) -> None:
    backend = Checkout(checkout.folder / "backend")
    backend.write(
        {"shapes.py": SHAPES, "tests/test_area.py": AREA_TEST, "pyproject.toml": SETTINGS}
    )
    backend.write({"tests/conftest.py": "import os, sys\n\nsys.path.insert(0, os.getcwd())\n"})
    checkout.write({".gitignore": IGNORED})
    checkout.commit()
    install_hook(checkout, "backend")
    run_tests(backend)
    backend.write({"shapes.py": SHAPES + "\n\ndef never():\n    return 1\n"})
    checkout.git("add", "--all")
    ended = commit(checkout)
    assert ended.status == 1
    assert f"{NOT_RUN}shapes.py:11 was edited after the tests ran" in ended.err


def test_nothing_measured_in_the_index_is_no_pass(project: Checkout) -> None:
    run_tests(project)
    project.git("rm", "--quiet", "--cached", "shapes.py")
    is_not_what_ran(
        project, "shapes.py was loaded by the tests and is deleted", "git add shapes.py"
    )
    project.write({"pyproject.toml": SETTINGS + 'stale = "ignore"\n'})
    stage(project, "pyproject.toml")
    ended = check(project)
    assert (ended.status, "no file that was measured is in this commit" in ended.err) == (3, True)


@pytest.mark.stress
def test_a_package_that_is_not_added_is_no_pass(project: Checkout) -> None:
    project.git("rm", "--quiet", "--cached", "shapes.py")
    project.git("commit", "--quiet", "--message", "Leave it out")
    run_tests(project)
    project.write({"more.py": "x = 1\n"})
    stage(project, "more.py")
    ended = check(project)
    assert ended.status == 3
    assert "shapes.py was loaded by the tests and is not in this commit" in ended.err


def test_a_new_test_that_is_not_added_is_named_and_adding_it_is_enough(project: Checkout) -> None:
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    run_tests(project)
    project.write({"shapes.py": "# Shapes\n" + SHAPES})
    stage(project, "shapes.py")
    is_not_what_ran(
        project,
        "tests/test_negative.py was loaded by the tests and is not in this commit",
        "Stage it: git add tests/test_negative.py.",
    )
    stage(project, "tests/test_negative.py")
    ended = check(project)
    assert (ended.status, ended.out) == (0, "covsync: coverage is 100%, its floor held\n")


@pytest.mark.parametrize(
    "text, line",
    [
        (AREA_TEST.replace("    assert outline(2, 3) == 10", "    pass"), 9),
        (
            AREA_TEST.replace(
                "def test_outline", "import pytest\n\n\n@pytest.mark.skip\ndef test_o"
            ),
            8,
        ),
        (AREA_TEST[: AREA_TEST.index("\n\ndef test_outline")], 5),
    ],
)
@pytest.mark.first(1)
def test_a_test_that_was_gutted_skipped_or_deleted_is_another_test(
    project: Checkout, text: str, line: int
) -> None:
    run_tests(project)
    project.write({"tests/test_area.py": text})
    stage(project)
    is_not_what_ran(project, f"tests/test_area.py:{line} was edited after the tests ran")


@pytest.mark.stress
def test_a_removed_test_file_and_all_of_the_tests_removed(project: Checkout) -> None:
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    project.commit()
    run_tests(project)
    project.git("rm", "--quiet", "tests/test_negative.py")
    is_not_what_ran(project, "tests/test_negative.py was loaded by the tests and is deleted")
    project.git("rm", "--quiet", "-r", "tests")
    ended = check(project)
    assert ended.status == 3
    assert ended.err.count("was loaded by the tests and is deleted") == 3


KINDS = """\
import functools


def kind(value):
    if value is None:
        return "none"
    else:
        print("some")
    for each in range(value):
        print(each)
    return "many"


@functools.cache
def cached(value):
    return value
"""
KINDS_TEST = """\
from kinds import cached, kind


def test_kinds():
    kind(None), kind(2), cached(1)
"""


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("    if value is None:\n        return", "    return", 5),
        ('        return "none"\n', "        pass\n", 6),
        ('        print("some")\n', "        pass\n", 8),
        ('    else:\n        print("some")\n', "", 7),
        ("    for each in range(value):\n        print(each)\n", "", 9),
        ("@functools.cache\n", "", 14),
        ('        print("some")\n', "", 8),
        ("    return value\n", "", 15),
    ],
)
@pytest.mark.first(1)
def test_a_statement_that_is_removed_counts_even_where_the_file_no_longer_parses(
    project: Checkout, old: str, new: str, line: int
) -> None:
    project.write({"kinds.py": KINDS, "tests/test_kinds.py": KINDS_TEST})
    project.commit()
    run_tests(project)
    project.write({"kinds.py": KINDS.replace(old, new)})
    stage(project)
    is_not_what_ran(project, f"kinds.py:{line} was edited after the tests ran")


@pytest.mark.stress
def test_a_branch_with_more_tests_says_nothing_of_the_one_switched_to(project: Checkout) -> None:
    project.git("switch", "--quiet", "--create", "topic")
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    project.commit()
    run_tests(project)
    project.git("switch", "--quiet", "main")
    is_not_what_ran(project, "tests/test_negative.py was loaded by the tests and is not in this")


def test_the_record_of_the_branch_that_is_committed_on_is_found_again(project: Checkout) -> None:
    run_tests(project)
    project.git("switch", "--quiet", "--create", "topic")
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    project.commit()
    run_tests(project)
    project.git("switch", "--quiet", "main")
    ended = check(project)
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, its floor held\n")


@pytest.mark.parametrize(
    "measure",
    [
        ["coverage", "run", "--append", *PYTEST],
        ["pytest", "-q", "-p", "no:cacheprovider", "--cov", "--cov-append", "--cov-report="],
        ["covsync", "run", "--append", *PYTEST],
    ],
)
@pytest.mark.first(1)
def test_data_that_was_appended_across_an_edit_is_of_no_text(
    project: Checkout, measure: list[str]
) -> None:
    project.write({"tests/test_area.py": AREA_TEST + NEGATIVE_TEST.partition("\n")[2]})
    run_tests(project)
    project.write({"shapes.py": SHAPES.replace("return 0", "value = 0\n        return value")})
    project.write({"tests/test_area.py": AREA_TEST})
    ended = run(measure, project.folder)
    assert "shapes.py has changed since the run that the coverage data was appended to" in ended.err
    stage(project)
    ended = check(project)
    assert ended.status == 3
    assert "has changed since the run" in ended.err
    run_tests(project)
    assert check(project, "--fail-under=50").status == 0


@pytest.mark.stress
def test_data_of_two_runs_on_one_text_is_appended(project: Checkout) -> None:
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    project.commit()
    project.covsync("run", *PYTEST, "tests/test_area.py")
    ended = project.covsync("run", "--append", *PYTEST, "tests/test_negative.py")
    assert ended.out.endswith("covsync: coverage is 100%, recorded\n")
    assert check(project, "--fail-under=100").status == 0


def test_appending_without_an_observer_shows_by_when_the_data_was_begun(project: Checkout) -> None:
    project.write({"run_all.py": "from shapes import area\n\narea(-1, 2)\n"})
    project.commit()
    project.coverage("run", "run_all.py")
    project.write({"shapes.py": SHAPES.replace("return 0", "return 1")})
    project.coverage("run", "--append", "run_all.py")
    stage(project)
    ended = project.covsync("record")
    assert ended.status == 3
    assert "shapes.py was written after the coverage data" in ended.err
    assert check(project).status == 3


def test_a_copy_installed_elsewhere_that_is_another_text_is_refused(project: Checkout) -> None:
    installed = ".tox/py/lib/python3.12/site-packages"
    project.write(
        {
            "src/shapes.py": SHAPES,
            f"{installed}/shapes.py": SHAPES + "\n\nUNIT = 1\n",
            "pyproject.toml": '[tool.coverage.paths]\nsource = ["src", "*/site-packages"]\n',
            "main.py": "from shapes import area, outline\n\narea(2, 3), outline(2, 3)\n",
        }
    )
    project.git("rm", "--quiet", "shapes.py")
    project.commit()
    told = Checkout(project.folder, {"PYTHONPATH": str(project.folder / installed)})
    told.coverage("run", "--parallel-mode", f"--source={installed}", "main.py")
    project.coverage("combine", "--quiet")
    refused = f"{installed}/shapes.py ran in place of src/shapes.py, which is another text"
    for command in (["record"], ["check", "--fail-under=10"], ["push", "--dry-run"]):
        ended = project.covsync(*command)
        assert (ended.status, refused in ended.err) == (3, True), (command, ended)
    ended = told.covsync("run", "main.py")
    assert (ended.status, refused in ended.err) == (3, True), ended
    shutil.copy(project.folder / "src" / "shapes.py", project.folder / installed / "shapes.py")
    assert told.covsync("run", "main.py").status == 0


EXCLUSIONS = (
    SETTINGS
    + """\

[tool.coverage.report]
exclude_also = [
    '\\A(?s:.*# pragma: exclude file.*)\\Z',
    '# no cover: start(?s:.*?)# no cover: stop',
    '@uncounted',
]
"""
)


@pytest.mark.parametrize(
    "text, removed",
    [
        ("# pragma: exclude file\n" + SHAPES, "# pragma: exclude file\n"),
        ("# no cover: start\n" + SHAPES + "# no cover: stop\n", "# no cover: start\n"),
        (SHAPES.replace("width < 0:", "width < 0:  # pragma: no cover"), "  # pragma: no cover"),
    ],
)
@pytest.mark.first(1)
def test_an_exclusion_that_is_removed_asks_for_a_run(
    project: Checkout, text: str, removed: str
) -> None:
    project.write({"shapes.py": text, "pyproject.toml": EXCLUSIONS})
    project.commit()
    run_tests(project)
    assert "the tests did not run" not in check(project, "--fail-under=0").err
    project.write({"shapes.py": text.replace(removed, "")})
    stage(project)
    is_not_what_ran(project, "shapes.py")


@pytest.mark.stress
def test_a_decorator_by_which_a_function_is_excluded_counts(project: Checkout) -> None:
    text = "def uncounted(function):\n    return function\n\n\n@uncounted\n" + SHAPES
    project.write({"shapes.py": text, "pyproject.toml": EXCLUSIONS})
    project.commit()
    run_tests(project)
    project.write({"shapes.py": text.replace("@uncounted\n", "")})
    stage(project)
    is_not_what_ran(project, "shapes.py:5 was edited")


def test_an_expression_that_cannot_be_evaluated_asks_for_a_run() -> None:
    from covsync.gate.exclusions import match_alike

    assert not match_alike(b"x = 1\n", b"x = 1  # more\n", [["(?<=x+)y"]])
    assert match_alike(b"x = 1\n", b"x = 1  # more\n", [["# nothing"]])


@pytest.mark.stress
def test_strings_around_a_statement_are_no_docstring(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + 'x = 0\n"""a"""; x += 1; """b"""\n'})
    project.commit()
    run_tests(project)
    project.write({"shapes.py": SHAPES + 'x = 0\n"""a"""; x += 2; """b"""\n'})
    stage(project)
    is_not_what_ran(project, "shapes.py:10 was edited after the tests ran")


@pytest.mark.parametrize("arguments, status", [(("--doctest-modules",), 3), ((), 0)])
def test_a_docstring_counts_where_doctests_ran(
    project: Checkout, arguments: tuple[str, ...], status: int
) -> None:
    text = SHAPES.replace(
        "height):\n", 'height):\n    """\n    >>> area(1, 2)\n    2\n    """\n', 1
    )
    project.write({"shapes.py": text})
    project.commit()
    run_tests(project, *arguments)
    project.write({"shapes.py": text.replace("area(1, 2)", "area(2, 1)")})
    stage(project)
    assert check(project).status == status


@pytest.mark.stress
def test_a_rename_into_what_is_omitted_or_out_of_the_source(project: Checkout) -> None:
    run_tests(project)
    (project.folder / "generated").mkdir()
    project.git("mv", "shapes.py", "generated/shapes.py")
    is_not_what_ran(project, "shapes.py was loaded by the tests and is deleted")


@pytest.mark.stress
def test_a_module_that_was_renamed_without_its_imports(project: Checkout) -> None:
    run_tests(project)
    project.git("mv", "shapes.py", "forms.py")
    is_not_what_ran(
        project,
        "forms.py was added after the tests ran; shapes.py was loaded by the tests and is deleted",
    )


def test_a_few_of_the_tests_give_a_lower_bound(project: Checkout) -> None:
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    project.commit()
    run_tests(project, "tests/test_area.py")
    ended = check(project)
    assert ended.status == 0
    assert ended.out.startswith("covsync: coverage is at least 75% (only a part of the tests ran: ")
    ended = check(project, "--fail-under=80")
    assert ended.status == 3
    every = "Run all tests: covsync run -m pytest. Only a part of them ran (tests/test_area.py).\n"
    assert every in ended.out
    assert project.covsync("push", "--dry-run").status == 3
    assert project.covsync("ratchet").status == 3


def test_a_few_of_the_tests_never_replace_all_of_them(project: Checkout) -> None:
    project.write({"tests/test_negative.py": NEGATIVE_TEST})
    project.commit()
    run_tests(project)
    for part in (["tests/test_area.py"], ["-k", "outline"], ["tests/test_area.py::test_outline"]):
        run_tests(project, *part)
        ended = check(project, "--fail-under=100")
        assert (ended.status, ended.out) == (0, "covsync: coverage is 100%, its floor held\n")


def test_a_refused_record_is_refused_by_the_gate_too(project: Checkout) -> None:
    write_itself = "\n\ndef test_write():\n    with open('shapes.py', 'a') as file:\n"
    write_itself += "        file.write('# more\\n')\n"
    project.write({"tests/test_area.py": AREA_TEST + write_itself})
    ended = run(["coverage", "run", *PYTEST], project.folder)
    assert "shapes.py was edited while the tests ran" in ended.err
    stage(project)
    ended = check(project)
    assert (ended.status, "shapes.py was edited while the tests ran" in ended.err) == (3, True)


@pytest.mark.stress
def test_parallel_data_that_is_combined_after_an_edit(project: Checkout) -> None:
    project.coverage("run", "--parallel-mode", *PYTEST)
    project.write({"shapes.py": SHAPES.replace("return 0", "return 1")})
    project.coverage("combine", "--quiet")
    stage(project)
    ended = project.covsync("record")
    assert (ended.status, "shapes.py was edited while the tests ran" in ended.err) == (3, True)
    assert check(project).status == 3


def test_parallel_data_of_two_texts_is_refused(project: Checkout) -> None:
    project.coverage("run", "--parallel-mode", *PYTEST)
    project.write({"shapes.py": SHAPES.replace("return 0", "return 1")})
    project.coverage("run", "--parallel-mode", *PYTEST)
    project.coverage("combine", "--quiet")
    stage(project)
    ended = project.covsync("record")
    assert (ended.status, "shapes.py was loaded with two different texts" in ended.err) == (3, True)


def test_parallel_data_of_one_text_is_recorded(project: Checkout) -> None:
    project.coverage("run", "--parallel-mode", *PYTEST)
    project.coverage("run", "--parallel-mode", *PYTEST)
    project.coverage("combine", "--quiet")
    assert project.covsync("record").out == "covsync: coverage is 75%, recorded\n"
    ended = check(project)
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, its floor held\n")


def test_a_changed_module_that_a_part_of_the_tests_never_imports(project: Checkout) -> None:
    project.write(
        {
            "pyproject.toml": SETTINGS.replace(
                "source = [", 'include = ["shapes.py", "other.py", '
            ),
            "other.py": "def other():\n    return 1\n",
            "tests/test_other.py": "from other import other\n\n\ndef test_it():\n    other()\n",
        }
    )
    project.commit()
    project.write({"other.py": "def other():\n    if 1:\n        return 1\n    return 2\n"})
    stage(project)
    run_tests(project, "tests/test_area.py")
    ended = check(project)
    assert ended.status == 3
    assert "which does not measure other.py" in ended.err


def test_a_floor_that_is_lowered_in_the_work_tree_alone(project: Checkout) -> None:
    install_hook(project)
    project.write({"pyproject.toml": SETTINGS.replace("75", "90"), "other.py": "x = 1\n"})
    stage(project)
    project.write({"tests/conftest.py": "import sys\n\nsys.path.insert(0, '.')\n"})
    stage(project)
    run_tests(project)
    project.write({"pyproject.toml": SETTINGS.replace("75", "10")})
    ended = commit(project)
    assert ended.status == 1
    assert "is below 90% (fail_under)" in ended.err
    assert "pyproject.toml has changes that are not staged" in ended.err


def test_a_comment_changes_no_figure_even_where_coverage_py_lists_fewer_branches(
    project: Checkout,
) -> None:
    text = SHAPES.replace("width < 0:", "width < 0:  # pragma: no branch")
    project.write({"shapes.py": text})
    project.commit()
    run_tests(project)
    before = json.loads(check(project, "--format=json").out)
    project.write({"shapes.py": "# Shapes\n" + text})
    stage(project)
    after = json.loads(check(project, "--format=json").out)
    assert after == before


@pytest.mark.parametrize("name", ["scripts/x.py", "docs/conf.py"])
def test_a_new_file_that_nothing_loads_asks_for_nothing(project: Checkout, name: str) -> None:
    project.write({"pyproject.toml": SETTINGS.replace('source = ["."]', 'include = ["shapes.py"]')})
    project.commit()
    run_tests(project)
    project.write({name: "x = 1\n"})
    stage(project)
    assert check(project).status == 0


def test_a_formatters_run_after_the_tests_asks_for_nothing(project: Checkout) -> None:
    ugly = SHAPES.replace("(width, height):", "( width,height ) :").replace("return 0", "return(0)")
    project.write({"shapes.py": ugly, "tests/test_area.py": AREA_TEST.replace("\n\n\n", "\n")})
    stage(project)
    run_tests(project)
    project.write({"shapes.py": SHAPES, "tests/test_area.py": AREA_TEST})
    stage(project)
    assert check(project).status == 0


def test_a_comment_inside_of_excluded_code_asks_for_nothing(project: Checkout) -> None:
    text = SHAPES + "\n\ndef never():  # pragma: no cover\n    # one\n    return 1\n"
    project.write({"shapes.py": text})
    project.commit()
    run_tests(project)
    project.write({"shapes.py": text.replace("# one", "# two\n    # three")})
    stage(project)
    assert check(project).status == 0


def test_a_readme_goes_in_from_a_clone_in_which_no_test_ever_ran(project: Checkout) -> None:
    run(["git", "clone", "--quiet", str(project.folder), "clone"], project.folder.parent)
    clone = Checkout(project.folder.parent / "clone")
    install_hook(clone)
    clone.write({"README.md": "Shapes\n"})
    stage(clone)
    ended = commit(clone)
    assert ended.status == 0, ended
    assert "no test can see what this commit changes, so it was not judged" in ended.err
    clone.write({"shapes.py": SHAPES + "x = 1\n"})
    stage(clone)
    ended = commit(clone)
    assert ended.status == 1
    assert 'no_data = "warn"' in ended.err


def test_a_message_is_amended_without_a_run(project: Checkout) -> None:
    install_hook(project)
    assert commit(project, "--amend").status == 0
    ended = check(project)
    assert (ended.status, "there is no coverage data" in ended.err) == (3, True)


def test_other_settings_of_the_runner_ask_for_a_run(project: Checkout) -> None:
    run_tests(project)
    project.write({"pyproject.toml": SETTINGS + '[tool.pytest.ini_options]\naddopts = "-x"\n'})
    stage(project)
    is_not_what_ran(project, "the configuration of coverage.py or pytest changed")


def test_failed_tests_are_recorded_and_said_with_each_verdict(project: Checkout) -> None:
    project.write({"tests/test_area.py": AREA_TEST.replace("== 6", "== 7")})
    stage(project)
    assert project.covsync("run", *PYTEST).status == 1
    ended = check(project)
    expected = "covsync: coverage is 75%, its floor held; the tests had failed\n"
    assert (ended.status, ended.out) == (0, expected)


def test_one_of_two_edited_files_staged_names_the_other_and_adding_it_is_enough(
    project: Checkout,
) -> None:
    project.write(
        {"shapes.py": SHAPES + "\n\nUNIT = 1\n", "tests/test_area.py": AREA_TEST + "\n1\n"}
    )
    run_tests(project)
    stage(project, "shapes.py")
    is_not_what_ran(project, "tests/test_area.py", "Stage it: git add tests/test_area.py.")
    stage(project, "tests/test_area.py")
    assert check(project).status == 0


def test_what_git_ignores_is_environment_but_tests_are_not(project: Checkout) -> None:
    project.write(
        {
            ".gitignore": IGNORED + "_version.py\ntests/test_local.py\n",
            "_version.py": "version = '1'\n",
            "shapes.py": SHAPES + "x = 1\n",
            "tests/test_local.py": "import _version\n\n\ndef test_it():\n    pass\n",
        }
    )
    stage(project)
    run_tests(project)
    is_not_what_ran(
        project,
        "tests/test_local.py was loaded by the tests and is not in this commit",
        "git add --force tests/test_local.py",
    )
    (project.folder / "tests" / "test_local.py").unlink()
    project.write({"tests/test_area.py": AREA_TEST + "\nimport _version\n"})
    stage(project)
    run_tests(project)
    project.write({"_version.py": "version = '2'\n"})
    assert check(project).status == 0


@pytest.mark.stress
def test_a_submodule_counts_by_its_commit(project: Checkout, tmp_path: Path) -> None:
    library = Checkout(tmp_path / "library")
    library.folder.mkdir()
    library.git("init", "--quiet")
    library.write({"lib.py": "x = 1\n", ".gitignore": "__pycache__/\n"})
    library.commit()
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    project.git(*add, str(library.folder), "vendor")
    project.write({"tests/test_area.py": AREA_TEST + "\nimport vendor.lib\n"})
    project.write({"pyproject.toml": SETTINGS.replace('"generated/*"', '"vendor/*"')})
    project.commit()
    run_tests(project)
    assert check(project).status == 0
    vendor = Checkout(project.folder / "vendor")
    vendor.write({"lib.py": "x = 2\n"})
    vendor.commit()
    project.git("add", "vendor")
    is_not_what_ran(project, "vendor was edited after the tests ran")
    run_tests(project)
    assert check(project).status == 0
    vendor.write({"lib.py": "x = 3\n"})
    project.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    project.git("add", "shapes.py")
    run_tests(project)
    is_not_what_ran(
        project,
        "vendor was edited after the tests ran",
        "Commit or discard the changes in vendor, then git add vendor and run the tests again: ",
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its syntax needs Python 3.12")
@pytest.mark.stress
def test_a_new_syntax_is_compared_as_the_old_is(project: Checkout) -> None:
    text = SHAPES + "\n\ntype Size = tuple[int, int]\n"
    project.write(
        {"shapes.py": text, "tests/test_area.py": AREA_TEST + BETTER_TEST.partition("\n")[2]}
    )
    project.commit()
    run_tests(project)
    project.write({"shapes.py": text.replace("\n\n\n", "\n\n# A comment\n")})
    stage(project)
    assert check(project).status == 0
