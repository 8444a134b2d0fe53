"""What covsync puts together from stored results is what coverage.py makes of all at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Checkout, run, with_read_only

from covsync.contents import Files
from covsync.measure.html.page_names import with_plain_names

PROGRAM = """\
import glob, runpy
for path in sorted(glob.glob("src/*.py")):
    for name, value in runpy.run_path(path).items():
        if name.startswith("call"):
            value(3)
"""
SOURCES = {
    "src/empty.py": "# nothing\n",
    "src/hollow.py": "",
    "src/whole.py": "def call(x):\n    return x\n\n\nclass A:\n    def b(self): return 1\n",
    "src/part.py": (
        "def call(x):\n    if x:\n        return 1\n    for i in range(x):\n        print(i)\n\n\n"
        "class A:\n    class B:\n        def c(self):\n"
        "            def d():\n                return 1\n"
        "            return d\n"
    ),
    "src/ünï <b>&.py": "x = '<tbody> &#xab; prev</a>'\nif x:\n    y = 1\nelse:\n    y = 2\n",
    "src/excluded.py": "def call(x):  # pragma: no cover\n    return x\n",
}
TRACED = """\
from coverage import CoveragePlugin, FileReporter, FileTracer

class Tracer(FileTracer):
    def __init__(self, name):
        self.name = name

    def source_filename(self):
        return self.name

class Reporter(FileReporter):
    def lines(self):
        return {1, 2}

class Plugin(CoveragePlugin):
    def file_tracer(self, filename):
        return Tracer(filename) if filename.endswith("part.py") else None

    def file_reporter(self, filename):
        return Reporter(filename)

def coverage_init(reg, options):
    reg.add_file_tracer(Plugin())
"""
MANY = {
    f"src/of{number}.py": "def call(x):\n"
    + "".join(f"    if x == {at}:\n        return {at}\n" for at in range(number % 4))
    + "    return x\n"
    for number in range(30)
}
# The settings change before the processes that analyse have read them.
MEANWHILE = """\
import sys
from pathlib import Path
from covsync.measure.inputs import Inputs

usual = Inputs.with_sources

def then_changed(*arguments):
    made = usual(*arguments)
    Path(".coveragerc").write_text("[report]\\nexclude_also = return\\n")
    return made

Inputs.with_sources = then_changed
from covsync.cli import main
sys.exit(main(sys.argv[1:]))
"""
SETTINGS = {
    "lines": "[run]\n",
    "branches": "[run]\nbranch = true\n",
    "relative": "[run]\nbranch = true\nrelative_files = true\n[report]\nprecision = 1\n",
    "only what is missing": (
        "[run]\nbranch = true\n[report]\nskip_covered = true\nskip_empty = true\n"
    ),
    "pages of their own": (
        "[html]\nskip_empty = true\ntitle = Tests & <é>\nextra_css = own.css\n"
        "[report]\nprecision = 2\nsort = -cover\nexclude_also = return 1\n"
    ),
    "contexts": (
        "[run]\ndynamic_context = test_function\ncontext = one\n[html]\nshow_contexts = true\n"
    ),
    "mapped": "[run]\nbranch = true\n[paths]\nsource =\n    src\n    */elsewhere/src\n",
}


@pytest.fixture
def many(checkout: Checkout) -> Checkout:
    """A committed project with more files than one process analyses."""
    checkout.write({**SOURCES, **MANY, "own.css": "p {}\n", "run.py": PROGRAM})
    checkout.write({".gitignore": ".coverage\n"})
    measure(checkout, SETTINGS["branches"])
    return checkout


def measure(checkout: Checkout, settings: str) -> None:
    checkout.write({".coveragerc": settings})
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--allow-empty", "--message", "Change something")
    checkout.coverage("run", "--source=src", "run.py")


def pages_of(folder: Path) -> dict[str, bytes]:
    """A report's files, less the time of day, and what is not published."""
    at = re.compile(rb",\s*created at [^<]*(?=</p>)")
    return {
        path.name: at.sub(b"\n        ", path.read_bytes())
        for path in folder.iterdir()
        if path.name not in (".gitignore", "status.json")
    }


def written(checkout: Checkout, folder: str = "../out") -> str:
    """Writes what is published to a folder, and holds it against coverage.py's own reports."""
    store_of(checkout).parent.mkdir(exist_ok=True)  # `push` alone leaves the checkout untouched
    ended = checkout.covsync("push", "--verbose", "--output-dir", folder)
    assert ended.status == 0, ended
    checkout.coverage("html", "--quiet", "--directory=../html")
    checkout.coverage("json", "--quiet", "-o", "../coverage.json")
    out, own = checkout.folder / folder, checkout.folder.parent / "html"
    assert pages_of(out / "htmlcov") == with_plain_names(Files(pages_of(own)))
    for path in own.iterdir():
        path.unlink()
    told = json.loads((out / "data.json").read_text())["raw_data"]
    expected = json.loads((checkout.folder.parent / "coverage.json").read_text())
    for document in (told, expected):
        del document["meta"]["timestamp"]
    assert json.dumps(told) == json.dumps(expected)
    return ended.err


def store_of(checkout: Checkout) -> Path:
    return checkout.folder / ".git" / "covsync" / "store-5.sqlite"


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.first(1)
def test_reports_put_together_are_coverage_pys(many: Checkout, settings: str) -> None:
    measure(many, settings)
    assert "at once" not in written(many)
    many.write({"src/part.py": SOURCES["src/part.py"] + "z = 1\n"})
    measure(many, settings)
    said = written(many)
    assert "at once" not in said
    assert "35 of 36 files from the store" in said
    assert "36 of 36 files from the store" in written(many)


@pytest.mark.stress
def test_a_form_of_page_that_is_not_known_is_coverage_pys_own(many: Checkout) -> None:
    many.write({"src/with\nline.py": "x = 1\n"})
    measure(many, SETTINGS["branches"])
    assert "at once" in written(many)


@pytest.mark.stress
def test_files_that_a_plugin_traced_are_analysed_each_time(many: Checkout) -> None:
    many.write({"traced.py": TRACED})
    measure(many, "[run]\nplugins = traced\ncore = ctrace\n")
    assert written(many).count("at once") >= 1


@pytest.mark.parametrize("damage", ["gone", "cut", "other", "text", "folder"])
@pytest.mark.stress
def test_a_store_in_whatever_state_changes_no_answer(many: Checkout, damage: str) -> None:
    written(many)
    store = store_of(many)
    content = store.read_bytes()
    if damage == "gone":
        store.unlink()
    elif damage == "cut":
        store.write_bytes(content[: len(content) // 2])
    elif damage == "other":
        with sqlite3.connect(store) as database:
            database.execute("drop table content")
            database.execute("create table content (something text)")
        database.close()
    elif damage == "text":
        store.write_text("This is no database.\n" * 500)
    else:
        store.unlink()
        store.mkdir()
    many.write({"src/part.py": SOURCES["src/part.py"] + "z = 1\n"})
    measure(many, SETTINGS["branches"])
    written(many)
    if damage in ("gone", "cut", "other", "text"):
        assert "36 of 36 files from the store" in written(many)


@pytest.mark.stress
def test_shortened_results_are_made_again(many: Checkout) -> None:
    written(many)
    with sqlite3.connect(store_of(many)) as database:
        database.execute("update content set content = substr(content, 1, 20)")
    database.close()
    assert "(0 of 36 files from the store" in written(many)


@pytest.mark.stress
def test_a_store_in_which_bytes_were_zeroed_changes_no_answer(many: Checkout) -> None:
    asked = ("check", "--format=json", "--fail-under-file=99")
    expected = many.covsync(*asked)
    whole = store_of(many).read_bytes()
    for page in range(0, len(whole), 4096):
        store_of(many).write_bytes(whole[:page] + b"\0" * 4096 + whole[page + 4096 :])
        assert many.covsync(*asked) == expected


def test_a_store_that_is_read_only_is_read(many: Checkout) -> None:
    many.covsync("check")
    many.write({"src/part.py": SOURCES["src/part.py"] + "z = 1\n"})
    measure(many, SETTINGS["branches"])
    command = with_read_only(store_of(many).parent, "covsync check --format=json --verbose")
    ended = run(command, many.folder)
    assert "cannot write" in ended.err
    assert ended.status == 0
    assert ended.out == many.covsync("check", "--format=json").out


@pytest.mark.stress
def test_a_locked_store_is_done_without(many: Checkout) -> None:
    written(many)
    with sqlite3.connect(store_of(many), isolation_level=None) as other:
        other.execute("begin exclusive")
        assert "database is locked" in written(many)
    other.close()


@pytest.mark.stress
def test_two_processes_at_once_do_no_harm(many: Checkout) -> None:
    store_of(many).parent.mkdir()
    commands = [
        [str(Path(sys.executable).with_name("covsync")), "push", "--output-dir", f"../{name}"]
        for name in ("one", "two")
    ]
    both = [subprocess.Popen(command, cwd=many.folder) for command in commands]
    assert [process.wait() for process in both] == [0, 0]
    one, two = (many.folder.parent / name for name in ("one", "two"))
    assert (one / "data.json").read_bytes() == (two / "data.json").read_bytes()
    assert pages_of(one / "htmlcov") == pages_of(two / "htmlcov")
    assert "36 of 36 files from the store" in written(many)


@pytest.mark.parametrize(
    "path, text, words",
    [
        ("src/of7.py", "def call(:\n", "a measured source cannot be read"),
        ("src/of7.py", None, "No source for code: 'src/of7.py'"),
    ],
)
def test_what_stops_a_process_is_told_as_ever(
    many: Checkout, path: str, text: str | None, words: str
) -> None:
    many.write({".covsync.yaml": "stale: ignore\n"})
    many.stage()
    if text is None:
        (many.folder / path).unlink()
    else:
        many.write({path: text})
    ended = many.covsync("check")
    assert ended.status != 0
    assert words in ended.err


@pytest.mark.stress
def test_processes_do_not_load_what_lies_about(many: Checkout) -> None:
    """Modules of the project do not stand in for the standard library's."""
    many.write({"html.py": "raise SystemExit(9)\n", "pickle.py": "raise SystemExit(9)\n"})
    assert "at once" not in written(many)


@pytest.mark.parametrize("options", [[], ["-O"], ["-OO"]])
@pytest.mark.first(1)
def test_processes_compile_as_python_was_told_to(many: Checkout, options: list[str]) -> None:
    """Without assertions and docstrings there are fewer statements."""
    many.write({"src/part.py": '"""Says what."""\nassert True\n' * 9 + SOURCES["src/part.py"]})
    many.stage()
    python = [sys.executable, *options, "-m"]
    assert run([*python, "coverage", "run", "--source=src", "run.py"], many.folder).status == 0
    own = run([*python, "coverage", "json", "-o", "-"], many.folder).out
    own_totals = json.loads(own[own.index("{") : own.rindex("}") + 1])["totals"]
    told = run([*python, "covsync", "check", "--format=json"], many.folder).out
    assert json.loads(told)["percent_covered"] == own_totals["percent_covered"]


def test_what_else_lies_on_the_path_of_modules_does_no_harm(many: Checkout) -> None:
    starts = many.folder.parent / "starts"
    starts.mkdir()
    (starts / "sitecustomize.py").write_text(
        "import pathlib, sys\nsys.path.append(pathlib.Path('/nowhere'))\n"
    )
    many.env["PYTHONPATH"] = str(starts)
    assert "at once" not in many.covsync("check", "--verbose").err


def test_what_a_process_is_warned_of_is_said_once(many: Checkout) -> None:
    measure(many, SETTINGS["branches"] + "[report]\nbogus = 1\n")
    assert many.covsync("check").err == ""
    assert many.covsync("check", "--verbose").err.count("bogus") == 1


@pytest.mark.stress
def test_a_change_of_settings_meanwhile_keeps_nothing(many: Checkout) -> None:
    first = many.covsync("check", "--format=json")
    shutil.rmtree(store_of(many).parent)
    script = many.folder.parent / "meanwhile.py"
    script.write_text(MEANWHILE)
    run([sys.executable, str(script), "check", "--format=json"], many.folder)
    many.write({".coveragerc": SETTINGS["branches"]})
    os.utime(many.folder / ".coveragerc", (0, 0))  # or it would be newer than the data
    assert many.covsync("check", "--format=json") == first


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(
    many: Checkout, ending: signal.Signals
) -> None:
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("covsync")), "check"],
        cwd=many.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as running:
        while not (started := workers_of(running.pid)) and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(ending)
        assert running.stderr is not None
        assert running.stderr.read() == b""  # which the last process that has it open ends
    assert started
    assert not workers_of(running.pid)


def workers_of(parent: int) -> list[str]:
    listed = run(["ps", "-ww", "-eo", "ppid=,args="], Path.cwd()).out
    lines = listed.splitlines()
    return [line for line in lines if line.split()[0] == str(parent) and "pool_worker" in line]
