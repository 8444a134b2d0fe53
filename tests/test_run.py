"""``covsync run``, ``covsync record`` and the pytest plugin: measuring that misses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

WORK = """\
def square(number):
    if number < 0:
        return -number * -number
    return number * number
"""


def figures(checkout: Checkout) -> Any:  # noqa: ANN401 - coverage.py's document
    """What coverage.py reports of the data there is, less the time of day."""
    checkout.coverage("json", "--quiet", "-o", "../figures.json")
    document = json.loads((checkout.folder.parent / "figures.json").read_text())
    del document["meta"]["timestamp"]
    return document


@pytest.mark.parametrize(
    "program, status",
    [
        (["test_shapes.py"], 0),
        (["-m", "test_shapes"], 0),
        (["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shapes.py"], 5),
        (["fails.py"], 7),
        (["dies.py"], 128 + 15),
        (["missing.py"], 1),
    ],
)
def test_its_exit_code_is_the_programs(shapes: Checkout, program: list[str], status: int) -> None:
    shapes.write(
        {
            "fails.py": "import shapes\nraise SystemExit(7)\n",
            "dies.py": "import os\nos.kill(os.getpid(), 15)\n",
        }
    )
    (shapes.folder / ".coverage").unlink()
    assert shapes.covsync("run", *program).status == status


def test_it_measures_as_coverage_run_does(shapes: Checkout) -> None:
    expected = figures(shapes)
    (shapes.folder / ".coverage").unlink()
    ended = shapes.covsync("run", "test_shapes.py")
    assert ended.out == "covsync: coverage is 75%, recorded\n"
    assert figures(shapes) == expected
    assert [path.name for path in shapes.folder.glob(".coverage*")] == [".coverage"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_it_measures_multiprocessing(checkout: Checkout, method: str) -> None:
    checkout.write(
        {
            "work.py": WORK,
            "main.py": "import multiprocessing\nfrom work import square\n\n"
            "if __name__ == '__main__':\n"
            f"    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
            "        print(pool.map(square, [-1, 2]))\n"
            "        pool.close()\n        pool.join()\n",
            "pyproject.toml": '[tool.coverage.run]\nbranch = true\ninclude = ["work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    ended = checkout.covsync("run", "main.py")
    assert ended.status == 0, ended
    assert ended.out == "[1, 4]\ncovsync: coverage is 100%, recorded\n"


def test_it_measures_subprocesses(checkout: Checkout) -> None:
    checkout.write(
        {
            "work.py": WORK + "\nprint(square(-2), square(3))\n",
            "main.py": "import subprocess, sys\n"
            "subprocess.run([sys.executable, 'work.py'], cwd='.', check=True)\n",
            "pyproject.toml": '[tool.coverage.run]\ninclude = ["work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    ended = checkout.covsync("run", "main.py")
    assert ended.out == "4 9\ncovsync: coverage is 100%, recorded\n", ended


XDIST = {
    "work.py": WORK,
    "test_work.py": "import pytest\nfrom work import square\n\n"
    "@pytest.mark.parametrize('n', range(-4, 5))\n"
    "def test_square(n):\n    assert square(n) == n * n\n",
    "pyproject.toml": '[tool.coverage.run]\nbranch = true\nsource = ["."]\n',
    ".gitignore": ".coverage\n__pycache__/\n",
}


def test_pytest_xdist_is_measured_as_a_serial_run_is(checkout: Checkout) -> None:
    checkout.write(XDIST)
    checkout.commit()
    pytest_run = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    checkout.coverage("run", *pytest_run)
    serial = figures(checkout)
    assert serial["totals"]["percent_covered"] == 100
    ended = checkout.covsync("run", *pytest_run, "-n", "2")
    assert ended.status == 0, ended
    assert "covsync: coverage is 100%, recorded" in ended.out
    assert figures(checkout) == serial


def test_djangos_parallel_runner_is_measured_as_the_serial_one_is(checkout: Checkout) -> None:
    for command in (["startproject", "mysite", "."], ["startapp", "myapp"]):
        assert run(["django-admin", *command], checkout.folder).status == 0
    cases = "".join(
        f"class Case{number}(SimpleTestCase):\n    def test(self):\n"
        f"        self.assertEqual(square({number - 3}), {(number - 3) ** 2})\n\n\n"
        for number in range(7)
    )
    checkout.write(
        {
            "myapp/work.py": WORK,
            "myapp/tests.py": "from django.test import SimpleTestCase\n\n"
            f"from .work import square\n\n\n{cases}",
            "pyproject.toml": '[tool.coverage.run]\nbranch = true\nsource = ["."]\n',
            ".gitignore": ".coverage\n__pycache__/\n",
        }
    )
    checkout.commit()
    checkout.coverage("run", "manage.py", "test", "myapp")
    serial = figures(checkout)
    assert serial["files"]["myapp/work.py"]["summary"]["percent_covered"] == 100
    ended = checkout.covsync("run", "manage.py", "test", "myapp", "--parallel", "2")
    assert ended.status == 0, ended
    assert "Ran 7 tests" in ended.err
    assert figures(checkout) == serial


def test_a_hooks_variables_do_not_reach_the_tests(shapes: Checkout) -> None:
    shapes.write({"env.py": "import os\nprint([n for n in os.environ if n.startswith('GIT_')])\n"})
    inside = {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/index", "GIT_CONFIG_GLOBAL": "/dev/null"}
    ended = Checkout(shapes.folder, inside).covsync("run", "env.py")
    names = ended.out.splitlines()[0]
    assert "GIT_DIR" not in names
    assert "GIT_INDEX_FILE" not in names


@pytest.mark.parametrize("setting", ["data_file", "environment"])
def test_the_data_goes_where_it_is_told_to(shapes: Checkout, setting: str) -> None:
    (shapes.folder / ".coverage").unlink()
    if setting == "data_file":
        shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync]\ndata_file = "build/cov.db"\n'})
        told = shapes
    else:
        told = Checkout(shapes.folder, {"COVERAGE_FILE": str(shapes.folder / "build" / "cov.db")})
    assert told.covsync("run", "test_shapes.py").status == 0
    assert (shapes.folder / "build" / "cov.db").is_file()
    assert not (shapes.folder / ".coverage").exists()
    assert told.covsync("check", "--fail-under", "75").out.endswith("75%, its floor held\n")


def test_pytest_cov_within_is_no_hindrance(checkout: Checkout) -> None:
    checkout.write(XDIST)
    checkout.commit()
    program = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--cov=.", "--cov-branch")
    ended = checkout.covsync("run", *program, "--cov-report=")
    assert ended.status == 0, ended
    assert "covsync: coverage is 100%, recorded" in ended.out


def test_old_data_is_never_recorded_as_new(shapes: Checkout) -> None:
    """The program could not even start; what lay there before is of another run."""
    ended = shapes.covsync("run", "missing.py")
    assert ended.status == 1
    assert "nothing was measured" in ended.err
    assert not (shapes.folder / ".git" / "covsync" / "store-2.sqlite").exists()


def test_a_text_written_after_the_data_is_not_recorded(shapes: Checkout) -> None:
    shapes.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    ended = shapes.covsync("record")
    assert ended.status == 3
    assert "shapes.py was written after the coverage data" in ended.err
    assert not (shapes.folder / ".git" / "covsync" / "store-2.sqlite").exists()


def test_an_interrupted_program_ends_in_its_own_way(shapes: Checkout) -> None:
    shapes.write(
        {
            "slow.py": "import shapes, time\ntry:\n    print('begun', flush=True)\n"
            "    time.sleep(30)\nfinally:\n    time.sleep(0.5)\n    print('torn down')\n"
        }
    )
    with subprocess.Popen(
        ["covsync", "run", "slow.py"],
        cwd=shapes.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        os.killpg(running.pid, signal.SIGINT)
        assert "torn down" in running.stdout.read()
    assert running.returncode != 0


def test_it_runs_where_it_is_typed(shapes: Checkout) -> None:
    below = Checkout(shapes.folder / "sub")
    below.write({"here.py": "import os\nprint(os.path.basename(os.getcwd()))\nimport shapes\n"})
    told = Checkout(below.folder, {"PYTHONPATH": str(shapes.folder)})
    assert told.covsync("run", "here.py").out.startswith("sub\n")


def test_nothing_to_run(shapes: Checkout) -> None:
    for arguments in ((), ("-m",)):
        ended = shapes.covsync("run", *arguments)
        assert ended.status == 1
        assert "there is nothing to run" in ended.err
    assert "usage: covsync run" in shapes.covsync("run", "--help").out


def test_recording_needs_data(shapes: Checkout) -> None:
    (shapes.folder / ".coverage").unlink()
    ended = shapes.covsync("record")
    assert ended.status == 3
    assert "there is no coverage data" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        ["pytest", "-q", "--cov=.", "--cov-branch", "--cov-report="],
        ["pytest", "-q", "--cov=.", "--cov-branch", "--cov-report=", "-n", "2"],
        ["coverage", "run", "-m", "pytest", "-q"],
    ],
)
def test_pytest_records_by_itself_where_it_measures(checkout: Checkout, command: list[str]) -> None:
    checkout.write(XDIST)
    checkout.commit()
    done = run([*command, "-p", "no:cacheprovider"], checkout.folder)
    assert done.status == 0, done
    ended = checkout.covsync("check", "--fail-under", "100")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 100%, its floor held\n")


def test_pytest_records_nothing_where_it_does_not_measure(checkout: Checkout) -> None:
    checkout.write(XDIST)
    checkout.commit()
    assert run(["pytest", "-q", "-p", "no:cacheprovider"], checkout.folder).status == 0
    assert not (checkout.folder / ".git" / "covsync").exists()
    run(["coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider"], checkout.folder)
    store = checkout.folder / ".git" / "covsync" / "store-2.sqlite"
    written = store.stat().st_mtime_ns
    assert run(["pytest", "-q", "-p", "no:cacheprovider"], checkout.folder).status == 0
    assert store.stat().st_mtime_ns == written


def test_one_of_several_projects_has_its_own_snapshot(shapes: Checkout) -> None:
    for name in ("backend", "frontend"):
        project = Checkout(shapes.folder / name)
        project.write({"shapes.py": SHAPES, "test_shapes.py": BETTER_TEST})
        project.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nfail_under = 100\n"})
        project.git("add", "--all")
        assert project.covsync("run", "test_shapes.py").status == 0
    for name in ("backend", "frontend"):
        ended = Checkout(shapes.folder / name).covsync("check")
        assert ended.out == "covsync: coverage is 100%, its floor held\n"


def test_nothing_stays_behind(shapes: Checkout, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    Checkout(shapes.folder, {"TMPDIR": str(tmp_path / "tmp")}).covsync("run", "test_shapes.py")
    assert list((tmp_path / "tmp").iterdir()) == []
