"""Projects that are set up in unusual ways: submodules, repositories within, tests elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Checkout

pytestmark = pytest.mark.stress

CIRCLES = "def area(radius):\n    return 3 * radius * radius\n"
CIRCLE_TEST = "import circles\n\n\ndef test_circle():\n    assert circles.area(1) == 3\n"
PACKAGE_TEST = CIRCLE_TEST.replace("import circles", "from package import circles")
IGNORED = ".coverage\n__pycache__/\n.pytest_cache/\n"
SETTINGS = "[pytest]\npythonpath = .\naddopts = -p no:cacheprovider\n"


def repository(folder: Path) -> Checkout:
    folder.mkdir()
    made = Checkout(folder)
    made.git("init", "--quiet")
    return made


@pytest.fixture
def project(tmp_path: Path) -> Checkout:
    """A committed project without any run of its tests."""
    made = repository(tmp_path / "project")
    made.write(
        {
            "circles.py": CIRCLES,
            "tests/test_circle.py": CIRCLE_TEST,
            "pytest.ini": SETTINGS,
            ".gitignore": IGNORED,
        }
    )
    made.commit()
    return made


def with_submodule(project: Checkout) -> Checkout:
    """The submodule ``lib``, committed, with a module that ``circles.py`` imports."""
    made = repository(project.folder.with_name("lib"))
    made.write({"unit.py": "UNIT = 1\n"})
    made.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(made.folder))
    project.write({"circles.py": "import lib.unit\n\n\n" + CIRCLES})
    project.commit()
    return Checkout(project.folder / "lib")


def run_tests(project: Checkout, *arguments: str) -> None:
    ended = project.covsync("run", "-m", "pytest", *arguments)
    assert ended.status == 0, ended


def test_a_folder_that_is_newer_than_the_data_is_not_to_be_added(project: Checkout) -> None:
    project.write({"circles.py": CIRCLES + "\n\nUNIT = 1\n"})
    project.write({"tests/test_more.py": CIRCLE_TEST})
    project.stage()
    project.coverage("run", "--omit=tests/*", "-m", "pytest", "-p", "no:covsync")
    project.git("rm", "--quiet", "--force", "tests/test_more.py")
    ended = project.covsync("check")
    assert ended.status == 3
    assert "tests was written after the coverage data" in ended.err
    assert "Run the tests again: covsync run -m pytest" in ended.err
    assert "git add" not in ended.err


def test_changes_in_a_submodule_are_to_be_committed_there(project: Checkout) -> None:
    submodule = with_submodule(project)
    submodule.write({"unit.py": "UNIT = 2\n"})
    project.write({"circles.py": "import lib.unit\n\n\n" + CIRCLES + "\n\nUNIT = 1\n"})
    project.stage()
    run_tests(project)
    ended = project.covsync("check")
    assert ended.status == 3
    assert (
        "Commit or discard the changes in lib, then git add lib and run the tests again: "
        "covsync run -m pytest" in ended.err
    )
    submodule.commit()
    project.git("add", "lib")
    run_tests(project)
    assert project.covsync("check").status == 0


def test_a_file_of_a_repository_within_cannot_be_added(project: Checkout) -> None:
    within = repository(project.folder / "nest")
    within.write({"unit.py": "UNIT = 2\n"})
    project.write({"circles.py": "import nest.unit\n\n\n" + CIRCLES})
    project.stage("circles.py")
    run_tests(project)
    ended = project.covsync("check")
    assert ended.status == 3
    assert (
        "The tests ran on nest, a repository of its own. Ignore it, move it away or make it a "
        "submodule, and run the tests again: covsync run -m pytest" in ended.err
    )
    project.write({".gitignore": IGNORED + "/nest/\n"})
    project.stage(".gitignore")
    run_tests(project)
    assert project.covsync("check").status == 0


def was_judged(project: Checkout) -> bool:
    ended = project.covsync("check", "--format=json")
    document = json.loads(ended.out)
    return "judged" not in document or document["judged"]


@pytest.mark.parametrize("evidence", ["", "a record"])
def test_another_commit_of_a_submodule_is_judged(project: Checkout, evidence: str) -> None:
    submodule = with_submodule(project)
    if evidence:
        project.coverage("run", "-m", "pytest", "-p", "no:covsync")
        project.covsync("record")
    submodule.write({"README.md": "Units\n"})
    submodule.commit()
    project.git("add", "lib")
    assert was_judged(project)


def test_a_symbolic_link_is_judged_when_it_changes_or_goes(project: Checkout) -> None:
    (project.folder / "now").symlink_to("first")
    project.stage()
    assert was_judged(project)
    project.commit()
    project.write({"README.md": "Circles\n"})
    project.stage()
    assert not was_judged(project)
    (project.folder / "now").unlink()
    project.stage()
    assert was_judged(project)


def test_a_script_without_an_extension_is_judged(project: Checkout) -> None:
    project.write({"bin/tool": "#!/usr/bin/env python3\nx = 1\n", "bin/other": "#!/bin/sh\n"})
    project.commit()
    project.write({"bin/other": "#!/bin/sh\n# Not Python's\n", "LICENSE": "python\n"})
    project.stage()
    assert not was_judged(project)
    project.write({"bin/tool": "#!/usr/bin/env python3\nx = 2\n"})
    project.stage()
    assert was_judged(project)
    project.commit()
    project.write({"bin/tool": "x = 3\n"})
    project.stage()
    assert was_judged(project)


def test_a_new_test_beside_those_outside_of_the_project_is_seen(project: Checkout) -> None:
    inner = Checkout(project.folder / "backend")
    inner.write({"pyproject.toml": "[tool.covsync]\nfail_under = 90\n"})
    project.git("mv", "circles.py", "backend/circles.py")
    project.git("rm", "--quiet", "pytest.ini")
    project.write({"other/conftest.py": "", "conftest.py": ""})
    project.commit()
    inner.write({"circles.py": CIRCLES + "\n\nUNIT = 1\n"})
    project.stage()
    run_tests(inner, "-p", "no:cacheprovider", "-o", "pythonpath=.", "../tests")
    assert inner.covsync("check").status == 0
    project.write({"other/test_other.py": CIRCLE_TEST})
    project.stage()
    assert inner.covsync("check").status == 0
    project.write({"tests/deep/test_more.py": CIRCLE_TEST})
    project.stage()
    ended = inner.covsync("check")
    assert ended.status == 3
    assert "../tests/deep/test_more.py was added after the tests ran" in ended.err


def test_figures_of_files_without_a_statement_are_no_verdict(project: Checkout) -> None:
    project.write({"package/__init__.py": "", "tests/test_circle.py": "def test_none(): pass\n"})
    project.write({".coveragerc": "[run]\nsource = package\n"})
    project.stage()
    run_tests(project)
    ended = project.covsync("check")
    assert ended.status == 3
    assert "nothing measured in this commit holds a statement" in ended.err
    project.write({"package/circles.py": CIRCLES, "tests/test_circle.py": PACKAGE_TEST})
    project.stage()
    run_tests(project)
    assert project.covsync("check", "--fail-under=100").status == 0


@pytest.mark.parametrize("mode", ["warn", "ignore"])
def test_a_part_of_the_tests_on_another_text_is_no_bound(project: Checkout, mode: str) -> None:
    project.write({"tests/test_none.py": "def test_none(): pass\n"})
    project.write({"pyproject.toml": f'[tool.covsync]\nstale = "{mode}"\nfail_under = 50\n'})
    project.write({".coveragerc": "[run]\nsource = .\nomit = tests/*\n"})
    project.stage()
    run_tests(project, "tests/test_circle.py")
    assert "at least 100%" in project.covsync("check").out
    project.write({"circles.py": CIRCLES + "\n\nUNIT = 1\n"})
    project.stage()
    ended = project.covsync("check")
    assert ended.status == 0
    assert "at least" not in ended.out
    assert "100% (only a part of the tests ran: " in ended.out
    assert json.loads(project.covsync("check", "--format=json").out)["lower_bound"] is False


def test_a_file_of_a_submodule_is_not_to_be_added_by_itself(project: Checkout) -> None:
    with_submodule(project)
    project.write({"circles.py": "import lib.unit\n\n\n" + CIRCLES + "\n\nUNIT = 1\n"})
    project.stage()
    project.coverage("run", "--include=circles.py,lib/*", "-m", "pytest", "-p", "no:covsync")
    ended = project.covsync("check")
    assert ended.status == 3
    assert "lib/unit.py was loaded by the tests and is not in this commit" in ended.err
    assert ended.err.endswith("\n  Run the tests again: covsync run -m pytest\n")
    run_tests(project)
    assert project.covsync("check").status == 0
