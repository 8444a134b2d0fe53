"""``covsync run``, ``covsync record`` and the pytest plugin: measuring that misses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

from covsync.commands import test_labels
from covsync.measure.session import notes

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
@pytest.mark.first(2)
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
@pytest.mark.first(1)
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
        shapes.stage("pyproject.toml")
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
    assert not (shapes.folder / ".git" / "covsync" / "store-5.sqlite").exists()


def test_a_text_written_after_the_data_is_not_recorded(shapes: Checkout) -> None:
    shapes.write({"shapes.py": SHAPES + "\n\nUNIT = 1\n"})
    ended = shapes.covsync("record")
    assert ended.status == 3
    assert "shapes.py was written after the coverage data" in ended.err
    assert "shapes.py was written after the coverage data" in shapes.covsync("check").err


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
@pytest.mark.first(2)
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
    store = checkout.folder / ".git" / "covsync" / "store-5.sqlite"
    written = store.stat().st_mtime_ns
    assert run(["pytest", "-q", "-p", "no:cacheprovider"], checkout.folder).status == 0
    assert store.stat().st_mtime_ns == written


def test_pytest_says_why_it_could_not_record(checkout: Checkout) -> None:
    checkout.write(XDIST)
    checkout.commit()
    (checkout.folder / ".git" / "covsync").write_text("in the way")
    done = run(
        ["pytest", "-q", "-p", "no:cacheprovider", "--cov=.", "-p", "no:xdist"], checkout.folder
    )
    assert done.status == 0
    assert "covsync: warning: what the tests ran on is not recorded: FileExistsError: " in done.err
    assert "Traceback" not in done.err


def test_a_run_of_which_something_could_not_be_noted_is_refused(checkout: Checkout) -> None:
    leaves = "import os, shutil\nos.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')\n"
    checkout.write({**XDIST, "test_leaves.py": f"def test_leaves():\n    exec({leaves!r})\n"})
    checkout.commit()
    done = run(
        ["pytest", "-q", "-p", "no:cacheprovider", "--cov=.", "-p", "no:xdist"], checkout.folder
    )
    assert "what the tests ran on could not be noted: FileNotFoundError" in done.err, done
    ended = checkout.covsync("check", "--fail-under=1")
    assert (ended.status, "could not be noted" in ended.err) == (3, True)


@pytest.mark.stress
def test_a_recording_that_takes_long_says_what_it_does(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write(XDIST)
    checkout.commit()
    git = tmp_path / "git"
    git.write_text(
        f'#!/bin/sh\ncase "$*" in *status*) sleep 2;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    git.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["pytest", "-q", "-p", "no:cacheprovider", "--cov=.", "-p", "no:xdist"]
    done = run(command, checkout.folder, env)
    note = "covsync: note: recording what the tests ran on and what they covered\n"
    assert (done.status, done.err) == (0, note)
    assert checkout.covsync("check", "--fail-under=100").status == 0


def test_one_of_several_projects_has_a_record_of_its_own(shapes: Checkout) -> None:
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


def test_appended_data_joins_what_was_there(checkout: Checkout) -> None:
    checkout.write(
        {
            "work.py": WORK,
            "plus.py": "from work import square\nassert square(2) == 4\n",
            "minus.py": "from work import square\nassert square(-2) == 4\n",
            "pyproject.toml": '[tool.coverage.run]\ninclude = ["work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    assert "coverage is 75%, recorded" in checkout.covsync("run", "plus.py").out
    assert "coverage is 100%, recorded" in checkout.covsync("run", "--append", "minus.py").out
    assert "coverage is 75%, recorded" in checkout.covsync("run", "minus.py").out


def test_data_that_cannot_be_appended_is_said_not_to(checkout: Checkout) -> None:
    settings = "[tool.coverage.run]\ninclude = ['work.py']\n"
    plus = "from work import square\nassert square(2) == 4\n"
    checkout.write({"work.py": WORK, "plus.py": plus, "pyproject.toml": settings})
    checkout.git("add", "--all")
    assert checkout.covsync("run", "plus.py").status == 0
    checkout.write({"pyproject.toml": settings + "branch = true\n"})
    ended = checkout.covsync("run", "--append", "plus.py")
    assert ended.status == 1
    assert ended.err.startswith(
        "covsync: error: the data cannot be combined: Can't combine branch coverage data with "
        "statement data"
    )
    assert ended.err.endswith("\n  Run it again; `coverage debug data` says more.\n")


def test_data_for_a_folder_that_cannot_be_made(shapes: Checkout) -> None:
    told = Checkout(shapes.folder, {"COVERAGE_FILE": str(shapes.folder / "shapes.py" / "data")})
    ended = told.covsync("run", "test_shapes.py")
    assert ended.status == 1
    assert "shapes.py" in ended.err
    assert len(ended.err.splitlines()) == 2


PLUGIN = """\
from coverage import CoveragePlugin

def coverage_init(registry, options):
    registry.add_configurer(CoveragePlugin())
"""


def test_a_plugin_beside_the_settings_is_found(shapes: Checkout) -> None:
    shapes.write(
        {"own_plugin.py": PLUGIN, "pyproject.toml": BRANCHES + 'plugins = ["own_plugin"]\n'}
    )
    shapes.git("add", "--all")
    # coverage.py's .pth file, which Python reads before it knows the program, complains on stderr.
    ended = run(["covsync", "run", "test_shapes.py"], shapes.folder)
    assert (ended.status, ended.out) == (0, "covsync: coverage is 75%, recorded\n"), ended


def test_the_programs_options_are_its_own(shapes: Checkout) -> None:
    shapes.write({"tool.py": "import shapes, sys\nprint(sys.argv[1:])\n"})
    options = ("--format", "json", "--append", "--debug", "-h")
    ended = shapes.covsync("run", "tool.py", *options)
    assert ended.out.splitlines()[0] == str(list(options))
    missing = shapes.covsync("run", "missing.py", "--format=json", "--debug")
    assert missing.err.endswith(
        "covsync: error: nothing was measured\n  Look at what the program printed.\n"
    )
    assert "Traceback" not in missing.err


def test_a_module_that_is_no_file_is_said_to_want_its_option(shapes: Checkout) -> None:
    ended = shapes.covsync("run", "pytest", "-q")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "covsync: error: there is no file pytest, but a module\n"
        "  Did you mean: covsync run -m pytest -q\n"
    )


@pytest.mark.parametrize(
    "test, arguments, status, reason",
    [
        ("raise KeyboardInterrupt\n", [], 2, "pytest was interrupted (exit code 2)"),
        ("import nothing\n", [], 2, "pytest was interrupted (exit code 2)"),
        ("", ["--no-such"], 4, "pytest was used wrongly (exit code 4)"),
        ("", [], 5, "pytest found no tests (exit code 5)"),
        (
            "import os\ndef test():\n    os.kill(os.getpid(), 9)\n",
            [],
            137,
            "a signal ended the program (SIGKILL)",
        ),
        (
            "import os\ndef test():\n    os.kill(os.getpid(), 15)\n",
            [],
            143,
            "a signal ended the program (SIGTERM)",
        ),
    ],
)
@pytest.mark.first(2)
def test_a_run_that_does_not_end_is_not_recorded(
    shapes: Checkout, test: str, arguments: list[str], status: int, reason: str
) -> None:
    shapes.write({"test_more.py": f"import shapes\n{test}"})
    former = (shapes.folder / ".coverage").read_bytes()
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_more.py")
    ended = run(["covsync", "run", *command, *arguments], shapes.folder)
    assert ended.status == status
    assert ended.err.endswith(f"covsync: note: {reason}, so nothing is recorded\n")
    assert (shapes.folder / ".coverage").read_bytes() == former
    assert not (shapes.folder / ".git" / "covsync").exists()


def test_a_run_that_fails_is_recorded(shapes: Checkout) -> None:
    shapes.write({"test_more.py": "import shapes\n\n\ndef test():\n    assert shapes is None\n"})
    ended = shapes.covsync("run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_more.py")
    assert ended.status == 1
    assert ended.out.endswith("recorded\n")


POOL = """\
import multiprocessing
from work import square

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(square, [-1, 2]))
"""
CLOSED = "        pool.close()\n        pool.join()\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("end", ["", CLOSED], ids=["terminated", "closed"])
@pytest.mark.stress
def test_pools_give_the_same_figures_each_time(checkout: Checkout, method: str, end: str) -> None:
    """Terminated workers may be starting, working or saving. 20 runs of each, by an option."""
    checkout.write(
        {
            "work.py": WORK,
            "main.py": POOL.format(method=method) + end,
            "pyproject.toml": '[tool.coverage.run]\nbranch = true\ninclude = ["work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    for _ in range(int(os.environ.get("POOL_RUNS", "4"))):
        ended = checkout.covsync("run", "main.py")
        assert ended.status == 0, ended
        assert ended.out == "[1, 4]\ncovsync: coverage is 100%, recorded\n"
        assert "Traceback" not in ended.err


@pytest.mark.stress
def test_a_process_that_outlives_the_program_is_waited_for(checkout: Checkout) -> None:
    checkout.write(
        {
            "work.py": "import time\nprint('begun', flush=True)\ntime.sleep(1)\nDONE = True\n",
            "main.py": "import subprocess, sys\n"
            "command = [sys.executable, 'work.py']\n"
            "subprocess.Popen(command, stdout=subprocess.PIPE).stdout.readline()\n",
            "pyproject.toml": '[tool.coverage.run]\ninclude = ["work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    ended = checkout.covsync("run", "main.py")
    assert ended.out == "covsync: coverage is 100%, recorded\n", ended


@pytest.mark.stress
def test_a_program_that_is_terminated_by_itself_ends_so(checkout: Checkout) -> None:
    """The signal comes at any moment of a process's life; the process always ends by it."""
    checkout.write(
        {
            "work.py": WORK,
            "main.py": "import multiprocessing, time\nfrom work import square\n\n"
            "if __name__ == '__main__':\n"
            "    for delay in range(40):\n"
            "        process = multiprocessing.get_context('fork').Process("
            "target=square, args=(2,))\n"
            "        process.start()\n        time.sleep(delay / 1000)\n"
            "        process.terminate()\n        process.join(20)\n"
            "        assert process.exitcode in (0, -15), process.exitcode\n"
            "    square(2)\n    square(-2)\n",
            "pyproject.toml": '[tool.coverage.run]\ninclude = ["work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    ended = checkout.covsync("run", "main.py")
    assert (ended.status, ended.out) == (0, "covsync: coverage is 100%, recorded\n"), ended


@pytest.fixture(scope="session")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with coverage.py and without covsync."""
    import coverage

    folder = tmp_path_factory.mktemp("other")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    [packages] = (folder / "venv" / "lib").glob("*/site-packages")
    source = Path(coverage.__file__).parent
    shutil.copytree(source, packages / "coverage")
    for pth in source.parent.glob("*cov*.pth"):
        if "process_startup" in pth.read_text():
            shutil.copyfile(pth, packages / pth.name)
    return folder / "venv" / "bin" / "python"


def test_a_process_of_another_environment_is_measured_as_ever(
    checkout: Checkout, other_python: Path
) -> None:
    checkout.write(
        {
            "work.py": WORK + "\nprint(square(-2), square(3))\n",
            "main.py": "import subprocess\n"
            f"subprocess.run([{str(other_python)!r}, 'work.py'], check=True)\n",
            "pyproject.toml": '[tool.coverage.run]\ninclude = ["main.py", "work.py"]\n',
        }
    )
    checkout.git("add", "--all")
    ended = checkout.covsync("run", "main.py")
    assert (ended.out, ended.err) == ("4 9\ncovsync: coverage is 100%, recorded\n", "")


def test_a_copy_that_differs_from_its_source_is_refused(checkout: Checkout) -> None:
    packages = ".tox/py/lib/python3/site-packages"
    paths = "[paths]\nsource =\n    src\n    */site-packages\n"
    checkout.write(
        {
            "src/pkg/work.py": WORK,
            f"{packages}/pkg/work.py": WORK,
            "main.py": f"import sys\nsys.path.insert(0, '{packages}')\n"
            "from pkg.work import square\nsquare(2)\n",
            ".coveragerc": f"[run]\nsource = pkg\n{paths}",
            ".gitignore": ".tox\n.coverage\n",
        }
    )
    checkout.git("add", "--all")
    assert checkout.covsync("run", "main.py").out == "covsync: coverage is 75%, recorded\n"
    former = (checkout.folder / ".coverage").read_bytes()
    checkout.write({"src/pkg/work.py": WORK.replace("number", "value")})
    ended = checkout.covsync("run", "main.py")
    assert ended.status == 3
    assert ended.err == (
        f"covsync: error: {packages}/pkg/work.py ran in place of src/pkg/work.py, which is another "
        "text\n  Install the project again where the tests run, and run them again.\n"
    )
    assert (checkout.folder / ".coverage").read_bytes() == former


@pytest.mark.parametrize(
    "program, expected",
    [
        (["-m", "unittest"], None),
        (["-m", "unittest", "discover", "-s", "tests", "-v"], None),
        (["-m", "unittest", "-k", "one"], ("option", "-k")),
        (["-m", "unittest", "tests.test_one"], ("files", "tests.test_one")),
        (["-m", "unittest", "tests/test_one.py"], ("files", "tests/test_one.py")),
        (["-m", "unittest", "tests.test_one.Case"], ("option", "tests.test_one.Case")),
        (["-m", "unittest", "discover", "-p", "test_o*.py"], ("files", "test_o*.py")),
        (["manage.py", "test"], None),
        (["manage.py", "test", "--parallel", "2", "-v", "2", "--settings", "a.b"], None),
        (["-m", "unittest", "discover", "tests", "test_o*.py"], ("files", "test_o*.py")),
        (["-m", "unittest", "-v", "tests.test_one"], ("files", "tests.test_one")),
        (["-m", "unittest", "-vk", "one"], ("option", "-k")),
        (["manage.py", "test", "tests"], None),
        (["manage.py", "test", "-v", "2", "tests.test_one"], ("files", "tests.test_one")),
        (["src/manage.py", "test", "app.tests"], ("files", "app.tests")),
        (["django-admin", "test", "tests.test_one"], ("files", "tests.test_one")),
        (["manage.py", "test", "--tag=slow"], ("option", "--tag")),
        (["manage.py", "test", "--exclude-tag", "slow"], ("option", "--exclude-tag")),
        (
            ["-m", "django", "test", "tests.test_one.Case.test"],
            ("option", "tests.test_one.Case.test"),
        ),
        (["manage.py", "runserver", "x"], ("files", "runserver x")),
        (["tool.py", "-k", "one"], ("files", "-k one")),
        (["tool.py"], None),
    ],
)
def test_what_narrows_a_run_of_unittest_or_django_is_noted(
    tmp_path: Path, program: list[str], expected: tuple[str, str] | None
) -> None:
    names = ("tests/test_one.py", "tests/__init__.py", "src/app/tests.py")
    Checkout(tmp_path).write(dict.fromkeys(names, ""))
    assert test_labels.narrowed(program, tmp_path, tmp_path) == expected


@pytest.mark.parametrize(
    "command",
    [
        ["pytest", "-q", "--cov=.", "--cov-report="],
        ["coverage", "run", "-m", "pytest", "-q"],
    ],
)
def test_a_refusal_to_record_is_seen(checkout: Checkout, command: list[str]) -> None:
    checkout.write(XDIST)
    checkout.write(
        {"test_work.py": XDIST["test_work.py"] + "\n\nopen('work.py', 'a').write('#')\n"}
    )
    checkout.commit()
    done = run([*command, "-p", "no:cacheprovider"], checkout.folder)
    assert done.status == 0
    assert "covsync: error: work.py was edited while the tests ran" in done.err
    assert "recorded" not in done.out


def test_pytest_records_nothing_where_it_did_not_end(checkout: Checkout) -> None:
    checkout.write(XDIST)
    checkout.write({"test_more.py": "def test():\n    raise KeyboardInterrupt\n"})
    checkout.commit()
    command = ["coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert run(command, checkout.folder).status == 2
    own = checkout.folder / ".git" / "covsync"
    assert [path.name for path in own.iterdir()] == ["notes"]
    [path] = notes.waiting(own)
    assert notes.read(path).exit_status == 2


def test_recorded_notes_are_gone(checkout: Checkout) -> None:
    checkout.write(XDIST)
    checkout.commit()
    command = ["pytest", "-q", "--cov=.", "--cov-report=", "-p", "no:cacheprovider"]
    assert run(command, checkout.folder).status == 0
    assert notes.waiting(checkout.folder / ".git" / "covsync") == []


def test_a_run_whose_data_was_not_saved_is_not_recorded(checkout: Checkout) -> None:
    checkout.write(
        {
            "work.py": WORK,
            "test_work.py": "from work import square\n\n"
            "def test_square():\n    assert square(2) == 4\n",
            "conftest.py": "import coverage\n\n"
            "def save(self):\n    raise SystemExit(1)\n\n"
            "def pytest_unconfigure():\n    coverage.Coverage.save = save\n",
        }
    )
    checkout.git("add", "--all")
    ended = checkout.covsync("run", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert ended.status == 1
    assert "the program failed after the tests (exit code 1), so nothing is recorded" in (
        ended.out + ended.err
    )
