"""What the observer notes of the files that run in the processes of a test run."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest
from conftest import Checkout, run

from covsync import observer
from covsync.measure.session import notes
from covsync.measure.session.notes import Session

SETTINGS = """\
[run]
plugins = covsync.observer
parallel = true
concurrency = multiprocessing,thread
"""
SQUARE = "def square(number):\n    return number * number\n"


class Observed:
    """A checkout whose runs are noted, each in a file of its own."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout, self.folder = checkout, checkout.folder
        outside = self.folder.parent
        self.notes = outside / "notes.jsonl"
        rcfile = outside / "coveragerc"
        rcfile.write_text(SETTINGS)
        self.env = {
            "COVSYNC_NOTES": str(self.notes),
            "COVERAGE_PROCESS_START": str(rcfile),
            "COVERAGE_FILE": str(outside / "data" / "coverage"),
        }

    def __call__(self, *command: str, status: int = 0) -> dict[str, frozenset[str]]:
        """Runs Python with the arguments; what was noted, by the path below the top level."""
        ended = self.session(*command, status=status)
        return {os.path.relpath(name, self.folder): texts for name, texts in ended.loaded.items()}

    def session(self, *command: str, status: int = 0) -> Session:
        self.notes.unlink(missing_ok=True)
        observer.begin(str(self.notes), str(self.folder), 1)
        ended = run([sys.executable, *command], self.folder, self.env)
        assert ended.status == status, ended
        return notes.read(self.notes)


@pytest.fixture
def observed(checkout: Checkout) -> Observed:
    return Observed(checkout)


def texts(checkout: Checkout, *names: str) -> dict[str, frozenset[str]]:
    """What should have been noted of files that did not change."""
    return {
        name: frozenset({hashlib.sha256((checkout.folder / name).read_bytes()).hexdigest()})
        for name in names
    }


def text(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def test_scripts_modules_and_packages_are_noted(observed: Observed) -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/__main__.py": "from pkg import work\n",
        "pkg/work.py": SQUARE,
        "script": "import runpy\nrunpy.run_path('by_path.py')\nrunpy.run_module('by_name')\n",
        "by_path.py": "",
        "by_name.py": "exec(compile(open('read.py').read(), 'read.py', 'exec'))\n",
        "read.py": "exec('1')\n",
        "never.py": "",
        "page.html": "",
    }
    observed.checkout.write(files)
    ours = {name: texts(observed.checkout, name)[name] for name in files}
    package = ("pkg/__init__.py", "pkg/__main__.py", "pkg/work.py")
    scripts = ("script", "by_path.py", "by_name.py", "read.py")
    assert observed("-m", "pkg") == {name: ours[name] for name in package}
    assert observed("script") == {name: ours[name] for name in scripts}
    assert observed("-m", "coverage", "run", "script") == {name: ours[name] for name in scripts}
    assert observed("-m", "coverage", "run", "-m", "pkg") == {n: ours[n] for n in package}


def test_a_module_that_is_edited_and_loaded_again_has_two_texts(observed: Observed) -> None:
    observed.checkout.write(
        {
            "work.py": "VALUE = 1\n",
            "main.py": "import importlib, pathlib, work\n"
            "pathlib.Path('work.py').write_text('VALUE = 22\\n')\n"
            "importlib.reload(work)\nassert work.VALUE == 22\nimportlib.reload(work)\n",
        }
    )
    both = frozenset({text("VALUE = 1\n"), text("VALUE = 22\n")})
    assert observed("main.py")["work.py"] == both


def test_a_file_that_does_not_compile_is_noted_where_it_should_run(observed: Observed) -> None:
    broken = "value = (\n"
    observed.checkout.write(
        {
            "main.py": "import compileall, runpy\n"
            "try:\n    import broken\nexcept SyntaxError:\n    pass\n"
            "try:\n    runpy.run_path('script.py')\nexcept SyntaxError:\n    pass\n"
            "compileall.compile_file('checked.py', quiet=2)\n",
            **dict.fromkeys(("broken.py", "script.py", "checked.py", "test_broken.py"), broken),
            "pytest.ini": "[pytest]\naddopts = -p no:cacheprovider\n",
        }
    )
    assert set(observed("main.py")) == {"main.py", "broken.py", "script.py"}
    assert set(observed("script.py", status=1)) == {"script.py"}
    assert set(observed("-m", "coverage", "run", "script.py", status=1)) == {"script.py"}
    measured = ("-m", "pytest", "-q", "--cov=.", "--continue-on-collection-errors")
    assert "test_broken.py" in observed(*measured, status=1)
    assert "checked.py" not in observed(*measured, status=1)


def test_pytest_that_takes_warnings_for_errors_runs(checkout: Checkout) -> None:
    checkout.write(PYTEST_PROJECT)
    pytest_notes(checkout, *PARALLEL, "-W", "error")


def test_what_is_installed_below_the_top_level_is_not_the_projects(observed: Observed) -> None:
    installed = ".tox/py/lib/python3/site-packages/other.py"
    observed.checkout.write(
        {
            installed: "",
            "lib/dist-packages/third.py": "",
            ".git/hooks/hook.py": "",
            "main.py": "import runpy\n"
            f"for name in ('{installed}', 'lib/dist-packages/third.py', '.git/hooks/hook.py'):\n"
            "    runpy.run_path(name)\n",
        }
    )
    assert set(observed("main.py")) == {"main.py"}


def test_a_file_that_is_reached_by_a_link_is_noted_by_its_place(observed: Observed) -> None:
    observed.checkout.write({"sub/main.py": ""})
    link = observed.folder.parent / "link"
    link.symlink_to(observed.folder)
    assert set(observed(str(link / "sub" / "main.py"))) == {"sub/main.py"}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.first(1)
def test_what_workers_load_is_noted(observed: Observed, method: str) -> None:
    observed.checkout.write(
        {
            "late.py": SQUARE,
            "work.py": "def square(number):\n    import late\n    return late.square(number)\n",
            "main.py": "import multiprocessing\nfrom work import square\n\n"
            "if __name__ == '__main__':\n"
            f"    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
            "        pool.map(square, [1, 2])\n",
        }
    )
    assert observed("main.py") == texts(observed.checkout, "main.py", "work.py", "late.py")


def test_what_subprocesses_load_is_noted_wherever_they_run(observed: Observed) -> None:
    observed.checkout.write(
        {
            "work.py": SQUARE,
            "main.py": "import subprocess, sys\n"
            "subprocess.run([sys.executable, sys.path[0] + '/work.py'], cwd='/', check=True)\n",
        }
    )
    assert observed("main.py") == texts(observed.checkout, "main.py", "work.py")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(3)", "os.abort()"])
@pytest.mark.first(1)
def test_a_process_that_ends_at_once_has_noted_what_it_loaded(observed: Observed, end: str) -> None:
    observed.checkout.write(
        {
            "work.py": SQUARE,
            "dies.py": f"import os, work\n{end}\n",
            "forks.py": "import os\nif os.fork():\n    os.wait()\n"
            f"else:\n    import work\n    {end}\n",
        }
    )
    status = {"os._exit(3)": 3, "os.abort()": -signal.SIGABRT}.get(end, -signal.SIGKILL)
    dies = observed("dies.py", status=status)
    assert dies == texts(observed.checkout, "dies.py", "work.py")
    assert observed("forks.py") == texts(observed.checkout, "forks.py", "work.py")


def test_threads_that_load_at_once_lose_nothing(observed: Observed) -> None:
    names = [f"part{number}.py" for number in range(60)]
    observed.checkout.write(
        {
            **{name: f"NUMBER = {name[4:-3]}\n" for name in names},
            "main.py": "import importlib\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor(16) as pool:\n"
            "    list(pool.map(importlib.import_module, [f'part{n}' for n in range(60)]))\n",
        }
    )
    assert observed("main.py") == texts(observed.checkout, "main.py", *names)


def test_a_module_that_was_loaded_before_is_noted(observed: Observed) -> None:
    """As runpy loads the packages above a module before coverage.py begins."""
    observed.checkout.write({"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/sub/x.py": ""})
    assert observed("-m", "coverage", "run", "-m", "pkg.sub.x") == texts(
        observed.checkout, "pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/x.py"
    )


@pytest.mark.parametrize("load", ["import doctest", "import unittest", "doctest = 1"])
def test_that_doctests_may_run_is_noted(observed: Observed, load: str) -> None:
    observed.checkout.write({"main.py": f"{load}\n"})
    assert observed.session("main.py").doctests == (load == "import doctest")


def test_nothing_is_said_and_nothing_fails_where_notes_cannot_be_written(
    observed: Observed,
) -> None:
    observed.checkout.write({"main.py": "import work\nprint('done')\n", "work.py": SQUARE})
    for broken in (str(observed.folder / "missing" / "notes"), str(observed.folder)):
        env = {**observed.env, "COVSYNC_NOTES": broken}
        ended = run([sys.executable, "-m", "coverage", "run", "main.py"], observed.folder, env)
        assert (ended.status, ended.out, ended.err) == (0, "done\n", "")


def test_notes_are_read_up_to_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    observer.begin(str(path), "/project", 17)
    observer.append(str(path), {"path": "/project/a.py", "sha256": "aa"})
    observer.append(str(path), {"path": "/project/a.py", "sha256": "bb"})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"path": "/project/b.py", "sha2')
    session = notes.read(path)
    assert session.began == 17
    assert session.ended is None
    assert session.loaded == {"/project/a.py": frozenset({"aa", "bb"})}


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b'{"covsync": 2, "began": 1}\n', b"\xff\n", b"[]"]
)
def test_a_file_that_holds_no_notes_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no notes"):
        notes.read(path)


def test_any_values_are_read_as_notes(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    observer.begin(str(path), "/project", 17)
    lines: list[dict[str, object]] = [
        {"path": 1, "sha256": []},
        {"session": {"pid": None, "exit_status": "x", "narrowed": [], "python_files": {"a": 1}}},
        {"session": 3, "doctest": "yes", "append": [], "onto": None},
    ]
    for line in lines:
        observer.append(str(path), line)
    session = notes.read(path)
    assert (session.loaded, session.exit_status, session.python_files) == ({}, None, ())
    assert not session.doctests
    assert not session.appended


@pytest.mark.stress
def test_old_notes_do_not_pile_up(tmp_path: Path) -> None:
    made = [notes.new(tmp_path, Path("/project"), number) for number in range(1, 300)]
    for number, path in enumerate(made):
        if path.exists():
            os.utime(path, ns=(number, number))
    assert len(notes.waiting(tmp_path)) == notes.MOST
    assert notes.waiting(tmp_path)[-1] == made[-1]


PYTEST_PROJECT = {
    "conftest.py": "import helper\n",
    "helper.py": "",
    "work.py": SQUARE,
    "lazy.py": "",
    "test_one.py": "from work import square\n\ndef test_one():\n    assert square(2) == 4\n",
    "test_two.py": "def test_two():\n    import lazy\n\ndef test_three():\n    pass\n",
    ".gitignore": ".coverage*\n__pycache__/\n",
}


def pytest_notes(checkout: Checkout, *command: str, status: int = 0) -> Session:
    """What a session notes that leaves its data to be combined."""
    folder = checkout.folder / ".git" / "covsync"
    for old in notes.waiting(folder):
        old.unlink()
    ended = run([*command, "-p", "no:cacheprovider"], checkout.folder)
    assert ended.status == status, ended
    [path] = notes.waiting(folder)
    return notes.read(path)


PARALLEL = ("coverage", "run", "-p", "-m", "pytest", "-q")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_pytest_notes_all_that_it_loads(checkout: Checkout, workers: tuple[str, ...]) -> None:
    checkout.write(PYTEST_PROJECT)
    session = pytest_notes(checkout, *PARALLEL, *workers)
    names = [name for name in PYTEST_PROJECT if name.endswith(".py")]
    expected = {
        str(checkout.folder / name): found for name, found in texts(checkout, *names).items()
    }
    assert session.loaded == expected
    assert session.runner == "pytest"
    assert session.exit_status == 0
    assert (session.narrowed_by_option, session.narrowed_by_files) == ("", "")
    assert session.python_files == ("test_*.py", "*_test.py")
    assert session.ended is not None
    assert 0 < session.began < session.ended
    assert not session.doctests
    assert not session.loads_all
    assert not session.appended


@pytest.mark.parametrize(
    "arguments, option, files",
    [
        (["-k", "one"], "-k", ""),
        (["-xkone"], "-k", ""),
        (["-m", "not slow"], "-m", ""),
        (["--deselect", "test_one.py::test_one"], "--deselect", ""),
        (["--ignore=test_two.py"], "--ignore", ""),
        (["--ignore-glob=*two*"], "--ignore-glob", ""),
        (["test_one.py::test_one"], "test_one.py::test_one", ""),
        (["test_one.py"], "", "test_one.py"),
        (["."], "", ""),
        (["-o", "python_files=test_one.py"], "", "-o python_files"),
        (["-o", "python_functions=test_one"], "-o python_functions", ""),
        (["-o", "addopts=-k one"], "-k", ""),
        (["--override-ini=addopts="], "", ""),
        (["-c", "only.ini"], "-k", ""),
        (["@only.txt"], "", "test_one.py"),
        (["-p", "no:doctest", "-ra", "--tb", "short"], "", ""),
    ],
)
@pytest.mark.first(2)
def test_what_narrows_a_pytest_session_is_noted(
    checkout: Checkout, arguments: list[str], option: str, files: str
) -> None:
    only = {"only.ini": "[pytest]\naddopts = -k one\n", "only.txt": "test_one.py\n"}
    checkout.write({**PYTEST_PROJECT, **only})
    session = pytest_notes(checkout, *PARALLEL, *arguments)
    assert (session.narrowed_by_option, session.narrowed_by_files) == (option, files)


@pytest.mark.parametrize(
    "arguments, settings, folders",
    [
        (["tests"], "", ()),
        (["tests/unit"], "", ("tests",)),
        (["tests/unit", "tests"], "", ("tests",)),
        (["tests/unit"], "testpaths = tests", ("tests",)),
        (["tests"], "testpaths = tests other*", ("other_tests", "tests")),
    ],
)
@pytest.mark.first(2)
def test_where_folders_may_leave_tests_out_is_noted(
    checkout: Checkout, arguments: list[str], settings: str, folders: tuple[str, ...]
) -> None:
    names = ("tests/unit/test_u.py", "tests/integ/test_i.py", "other_tests/test_o.py")
    files = dict.fromkeys(names, "def test_it():\n    pass\n")
    checkout.write({**files, "pytest.ini": f"[pytest]\n{settings}\n"})
    session = pytest_notes(checkout, *PARALLEL, *arguments)
    assert session.folders == tuple(str(checkout.folder / name) for name in folders)
    assert (session.narrowed_by_option, session.narrowed_by_files) == ("", "")


def test_what_the_projects_settings_leave_out_does_not_narrow(checkout: Checkout) -> None:
    settings = (
        "[pytest]\naddopts = -k one --ignore=test_two.py\npython_files = test_*.py check.py\n"
    )
    checkout.write({**PYTEST_PROJECT, "pytest.ini": settings})
    session = pytest_notes(checkout, *PARALLEL)
    assert (session.narrowed_by_option, session.narrowed_by_files) == ("", "")
    assert session.python_files == ("test_*.py", "check.py")


@pytest.mark.stress
def test_a_session_that_stops_at_a_failure_is_narrowed(checkout: Checkout) -> None:
    checkout.write({**PYTEST_PROJECT, "test_one.py": "def test_one():\n    assert False\n"})
    whole = pytest_notes(checkout, *PARALLEL, status=1)
    assert (whole.exit_status, whole.narrowed_by_option) == (1, "")
    stopped = pytest_notes(checkout, *PARALLEL, "-x", status=1)
    assert (stopped.exit_status, stopped.narrowed_by_option) == (1, "stopping after 1 failures")


@pytest.mark.stress
def test_a_session_within_the_session_has_no_say(checkout: Checkout) -> None:
    checkout.write(
        {
            "pytest.ini": "[pytest]\npytester_example_dir = .\n",
            "conftest.py": "pytest_plugins = ['pytester']\n",
            "test_plugin.py": "def test_inside(pytester):\n"
            "    pytester.makepyfile('def test_it():\\n    assert False')\n"
            "    assert pytester.inline_run('-k', 'it').ret == 1\n"
            "    assert pytester.runpytest_subprocess('-k', 'it').ret == 1\n",
        }
    )
    session = pytest_notes(checkout, *PARALLEL)
    assert (session.exit_status, session.narrowed_by_option) == (0, "")


def test_doctests_of_pytest_are_noted(checkout: Checkout) -> None:
    checkout.write(PYTEST_PROJECT)
    session = pytest_notes(checkout, *PARALLEL, "--doctest-modules")
    assert session.doctests
    assert session.loads_all


def test_the_files_that_doctests_are_read_from_are_noted(checkout: Checkout) -> None:
    checkout.write({"README.md": ">>> 1\n1\n", "notes.md": ""})
    session = pytest_notes(checkout, *PARALLEL, "--doctest-glob=README.md")
    expected = texts(checkout, "README.md")["README.md"]
    assert session.loaded == {str(checkout.folder / "README.md"): expected}


def test_the_configuration_files_that_were_read_are_noted(checkout: Checkout) -> None:
    checkout.write(
        {**PYTEST_PROJECT, "cov.ini": "[run]\nparallel = true\n", "own.ini": "[pytest]\n"}
    )
    measured = ("coverage", "run", "--rcfile=cov.ini", "-m", "pytest", "-q")
    session = pytest_notes(checkout, *measured, "-c", "own.ini")
    expected = [str(checkout.folder / name) for name in ("cov.ini", "own.ini")]
    assert session.config_files == tuple(expected)


def test_pytest_without_coverage_notes_nothing(checkout: Checkout) -> None:
    checkout.write(PYTEST_PROJECT)
    assert run(["pytest", "-q", "-p", "no:cacheprovider"], checkout.folder).status == 0
    assert not (checkout.folder / ".git" / "covsync").exists()


@pytest.mark.stress
def test_a_run_that_appends_says_onto_what(checkout: Checkout) -> None:
    checkout.write(PYTEST_PROJECT)
    command = "coverage run --append --data-file=.coverage -m pytest -q -p no:covsync"
    assert run(command.split(), checkout.folder).status == 0
    digest = hashlib.sha256((checkout.folder / ".coverage").read_bytes()).hexdigest()
    for appending in (
        ["coverage", "run", "-a", "-m", "pytest", "-k", "one"],
        ["pytest", "--cov=.", "--cov-append", "--cov-report=", "-k", "one"],
    ):
        copied = checkout.folder.parent / "notes.jsonl"
        checkout.write(
            {
                "conftest.py": "import helper, os, shutil\ndef pytest_unconfigure():\n"
                f"    shutil.copyfile(os.environ['COVSYNC_NOTES'], {str(copied)!r})\n"
            }
        )
        (checkout.folder / ".coverage").write_bytes((checkout.folder / ".coverage").read_bytes())
        before = hashlib.sha256((checkout.folder / ".coverage").read_bytes()).hexdigest()
        assert run([*appending, "-p", "no:cacheprovider"], checkout.folder).status == 0
        session = notes.read(copied)
        assert (session.appended, session.onto) == (True, before)
    assert digest != before


@pytest.mark.parametrize("runner", ["coverage", "pytest-cov"])
def test_a_measured_copy_is_noted_before_its_name_is_mapped(
    checkout: Checkout, runner: str
) -> None:
    packages = ".tox/py/lib/python3/site-packages"
    copy = f"{packages}/pkg/work.py"
    checkout.write(
        {
            "src/pkg/work.py": SQUARE,
            copy: SQUARE + "\n\nOTHER = 1\n",
            "test_work.py": f"import sys\nsys.path.insert(0, '{packages}')\n"
            "from pkg.work import square\n\ndef test_square():\n    assert square(2) == 4\n",
            ".coveragerc": "[run]\nsource = pkg\n[paths]\nsource =\n    src\n    */site-packages\n",
        }
    )
    commands = {
        "coverage": [*PARALLEL],
        "pytest-cov": ["pytest", "-q", "--cov", "--cov-report="],
    }
    copied = checkout.folder.parent / "notes.jsonl"
    checkout.write(
        {
            "conftest.py": "import os, shutil\ndef pytest_unconfigure():\n"
            f"    shutil.copyfile(os.environ['COVSYNC_NOTES'], {str(copied)!r})\n"
        }
    )
    assert run(commands[runner], checkout.folder).status == 0
    waiting = notes.waiting(checkout.folder / ".git" / "covsync")
    session = notes.read(waiting[0] if runner == "coverage" else copied)
    assert session.copies == {
        str(checkout.folder / copy): frozenset({text(SQUARE + "\n\nOTHER = 1\n")})
    }


@pytest.mark.stress
def test_a_killed_session_leaves_what_it_noted(checkout: Checkout) -> None:
    checkout.write({**PYTEST_PROJECT, "test_two.py": "import os\nos.kill(os.getpid(), 9)\n"})
    session = pytest_notes(checkout, *PARALLEL, status=-signal.SIGKILL)
    assert (session.ended, session.exit_status) == (None, None)
    assert str(checkout.folder / "test_two.py") in session.loaded


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.first(1)
def test_djangos_parallel_workers_note_what_they_load(observed: Observed, method: str) -> None:
    """Its workers import the test modules anew where they are not forked from their parent."""
    cases = "".join(
        f"class Case{number}(SimpleTestCase):\n    def test(self):\n"
        "        from app import late\n        self.assertEqual(late.square(2), 4)\n\n\n"
        for number in range(3)
    )
    observed.checkout.write(
        {
            "settings.py": "SECRET_KEY = 'x'\nINSTALLED_APPS = ['app']\n",
            "manage.py": "import multiprocessing, os\n"
            "from django.core.management import execute_from_command_line\n\n"
            "if __name__ == '__main__':\n"
            f"    multiprocessing.set_start_method({method!r})\n"
            "    os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
            "    execute_from_command_line()\n",
            "app/__init__.py": "",
            "app/late.py": SQUARE,
            "app/tests.py": f"from django.test import SimpleTestCase\n\n\n{cases}",
        }
    )
    names = ("settings.py", "manage.py", "app/__init__.py", "app/late.py", "app/tests.py")
    noted = observed("manage.py", "test", "--parallel", "2")
    assert noted == texts(observed.checkout, *names)
