"""Records of several runs: of a part of the tests, of other scopes, and appended to each other."""

from __future__ import annotations

import pytest
from conftest import Checkout, Ended, run

SETTINGS = '[tool.coverage.run]\ninclude = ["pkg/*"]\n\n[tool.covsync]\nfail_under = 90\n'
MODULE = "def {name}(x):\n    if x:\n        return 1\n    return 2\n"
TEST = (
    "from pkg.{name} import {name}\n\n\ndef test_{name}():\n    assert {name}(1) + {name}(0) == 3\n"
)
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.fixture
def project(checkout: Checkout) -> Checkout:
    """Two modules, each fully covered by the test file of its name; not yet run."""
    checkout.write(
        {
            "pkg/__init__.py": "",
            "tests/conftest.py": "import os, sys\n\nsys.path.insert(0, os.getcwd())\n",
            "pyproject.toml": SETTINGS,
            ".gitignore": ".coverage\n.coverage.*\n__pycache__/\n",
            **{f"pkg/{name}.py": MODULE.format(name=name) for name in "ab"},
            **{f"tests/test_{name}.py": TEST.format(name=name) for name in "ab"},
        }
    )
    checkout.commit("Begin")
    return checkout


def run_tests(project: Checkout, *arguments: str) -> None:
    ended = project.covsync("run", *PYTEST, *arguments)
    assert (ended.status, "recorded" in ended.out) == (0, True), ended


def gut_test_b(project: Checkout) -> None:
    project.write(
        {"tests/test_b.py": TEST.format(name="b").replace("assert b(1) + b(0) == 3", "b")}
    )
    project.stage()


def check(project: Checkout, *arguments: str) -> Ended:
    return project.covsync("check", *arguments)


@pytest.mark.stress
def test_an_option_is_remembered_when_data_is_appended_to_it(project: Checkout) -> None:
    gut_test_b(project)
    run_tests(project, "-k", "test_a")
    ended = project.covsync("run", "--append", *PYTEST, "tests/test_a.py")
    assert ended.status == 0, ended
    assert check(project).status == 3


@pytest.mark.stress
def test_runs_of_a_part_never_push_out_that_of_all(project: Checkout) -> None:
    run_tests(project)
    for _ in range(9):
        run_tests(project, "tests/test_a.py")
    ended = check(project)
    assert (ended.status, ended.out) == (0, "covsync: coverage is 100%, its floor held\n")


def test_a_smaller_scope_that_was_measured_before_is_not_judged(project: Checkout) -> None:
    project.write({"pyproject.toml": SETTINGS.replace('include = ["pkg/*"]', "branch = true")})
    project.write({"pkg/sub/__init__.py": "", "pkg/sub/s.py": "x = 1\n"})
    project.write({"pkg/c.py": MODULE.format(name="c"), "tests/test_s.py": "import pkg.sub.s\n"})
    project.commit()
    for source in ("pkg.sub", "pkg"):
        command = ["pytest", "-q", "-p", "no:cacheprovider", f"--cov={source}", "--cov-report="]
        assert run([*command, "tests"], project.folder).status in (0, 5)
    assert check(project).status == 2
    project.write({"pkg/c.py": MODULE.format(name="c").replace("2", "3")})
    project.stage()
    assert check(project).status == 3


@pytest.mark.parametrize(
    "change, words",
    [
        ({"pyproject.toml": SETTINGS + '[tool.pytest.ini_options]\naddopts = "-x"\n'}, "settings"),
        (
            {"tests/conftest.py": "collect_ignore = ['test_b.py']\n"},
            "tests/conftest.py has changed",
        ),
        ({"conftest.py": "collect_ignore_glob = ['tests/test_b.py']\n"}, "conftest.py was added"),
    ],
)
@pytest.mark.first(1)
def test_data_is_appended_only_where_nothing_has_changed(
    project: Checkout, change: dict[str, str], words: str
) -> None:
    run_tests(project)
    project.write(change)
    ended = project.covsync("run", "--append", *PYTEST)
    assert words in ended.err
    project.stage()
    assert check(project).status == 3


def test_settings_that_are_edited_while_the_tests_run_are_not_recorded(project: Checkout) -> None:
    write = "\n\ndef test_write():\n    with open('pyproject.toml', 'a') as file:\n"
    project.write(
        {"tests/test_a.py": TEST.format(name="a") + write + "        file.write('# x')\n"}
    )
    ended = project.covsync("run", *PYTEST)
    assert "pyproject.toml was edited while the tests ran" in ended.err
    project.stage()
    assert check(project).status == 3


def test_a_test_that_was_deleted_after_the_run_is_not_recorded_by_times(project: Checkout) -> None:
    project.coverage("run", *PYTEST, "-p", "no:covsync")
    (project.folder / "tests" / "test_b.py").unlink()
    project.stage()
    ended = project.covsync("record")
    assert (ended.status, "tests was written after the coverage data" in ended.err) == (3, True)


def test_what_git_ignores_is_in_no_figure(project: Checkout) -> None:
    project.write({".gitignore": "pkg/version.py\n.coverage\n__pycache__/\n"})
    project.write({"pkg/version.py": "x = 1\nif x > 1:\n    x = 2\n"})
    project.write({"pkg/a.py": "import pkg.version\n\n\n" + MODULE.format(name="a")})
    project.stage()
    ended = project.covsync("run", *PYTEST)
    assert ended.out.endswith("covsync: coverage is 100%, recorded\n")
    assert check(project).out == "covsync: coverage is 100%, its floor held\n"


def test_a_configuration_file_that_the_command_line_names_counts(project: Checkout) -> None:
    settings = "[run]\ninclude = pkg/*\nomit = pkg/b.py\n"
    project.write({"cov.ini": settings})
    project.commit()
    arguments = ["-q", "-p", "no:cacheprovider", "--cov", "--cov-config=cov.ini", "--cov-report="]
    assert run(["pytest", *arguments], project.folder).status == 0
    assert check(project).status == 0
    project.write({"cov.ini": settings.replace("omit = pkg/b.py\n", "")})
    project.stage()
    ended = check(project)
    assert (ended.status, "cov.ini:2 was edited after the tests ran" in ended.err) == (3, True), (
        ended
    )
