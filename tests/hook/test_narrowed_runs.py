"""Runs of a part of the tests: their data is recorded, but judges no commit as a whole run."""

from __future__ import annotations

import pytest
from conftest import Checkout, run

from covsync.measure import store

FILES = {
    "work.py": "def one():\n    return 1\n\n\ndef two():\n    return 2\n",
    "tests/__init__.py": "",
    "tests/unit/__init__.py": "",
    "tests/unit/test_one.py": "import unittest\nimport work\n\n\n"
    "class One(unittest.TestCase):\n    def test_one(self):\n        assert work.one() == 1\n",
    "tests/integ/__init__.py": "",
    "tests/integ/test_two.py": "import unittest\nimport work\n\n\n"
    "class Two(unittest.TestCase):\n    def test_two(self):\n        assert work.two() == 2\n",
    "run_tests.py": "import sys, unittest\n"
    "unittest.main(None, argv=['x', *sys.argv[1:]] if sys.argv[1:] else ['x', 'discover'])\n",
    "only.txt": "tests/unit/test_one.py\n",
    ".gitignore": ".coverage*\n__pycache__/\n",
}
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def narrowed(checkout: Checkout, *program: str, env: dict[str, str] | None = None) -> bool:
    checkout.write(FILES)
    checkout.git("add", "--all")
    ended = run(["covsync", "run", *program], checkout.folder, env)
    assert ended.status == 0, ended
    with store.opened(checkout.folder / ".git" / "covsync", ".") as stored:
        [record] = stored.records()
        return bool(record.narrowed)


@pytest.mark.parametrize(
    "program",
    [
        ("-m", "unittest"),
        ("-m", "unittest", "discover", "-v", "-s", "tests", "-t", "."),
        ("run_tests.py",),
        ("run_tests.py", "tests.unit.test_one", "tests.integ.test_two"),
        PYTEST,
        (*PYTEST, "tests"),
        (*PYTEST, "tests/unit", "tests/integ"),
        (*PYTEST, "-o", "addopts="),
        (*PYTEST, "-p", "no:covsync"),
    ],
)
@pytest.mark.first(3)
def test_a_run_of_all_tests_is_whole(checkout: Checkout, program: tuple[str, ...]) -> None:
    assert not narrowed(checkout, *program)


@pytest.mark.parametrize(
    "program",
    [
        ("-m", "unittest", "-v", "tests.unit.test_one"),
        ("-m", "unittest", "discover", "-p", "test_o*.py"),
        ("-m", "unittest", "discover", "-s", "tests/unit", "-t", "."),
        ("run_tests.py", "tests.unit.test_one"),
        (*PYTEST, "tests/unit"),
        (*PYTEST, "-o", "python_files=test_one.py"),
        (*PYTEST, "-o", "addopts=-k one"),
        (*PYTEST, "-p", "no:covsync", "-k", "one"),
        (*PYTEST, "-p", "no:covsync", "tests/unit"),
    ],
)
@pytest.mark.first(3)
def test_a_run_of_a_part_of_the_tests_is_narrowed(
    checkout: Checkout, program: tuple[str, ...]
) -> None:
    assert narrowed(checkout, *program)


@pytest.mark.parametrize(
    "options", [{"PYTEST_ADDOPTS": "tests/unit/test_one.py"}, {"PYTEST_ADDOPTS": "-k one"}]
)
def test_options_of_the_environment_narrow(checkout: Checkout, options: dict[str, str]) -> None:
    assert narrowed(checkout, *PYTEST, env=options)
