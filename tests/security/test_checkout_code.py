"""What lies in a checkout is data: none of its code runs, none of it sees the token."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SOURCE, Checkout, Ended, copy_of_covsync, run
from http_remote import TOKEN, USER, http_remote

from covsync.measure import store
from covsync.measure.sqlite_file import write

pytestmark = pytest.mark.first(1)  # of each test's cases; the others are for CI

# What dependencies of some versions try to import, and do without.
OPTIONAL = ("typing_extensions", "hyperscan", "re2", "gitdb_speedups", "tomli", "_yaml")
RUNS = "import os\nopen(os.environ['MARKS'], 'a').write(f'{__name__}\\n')\nraise ImportError\n"
PACKAGES = Path(sysconfig.get_path("purelib"))
COMMANDS = (
    ("check",),
    ("check", "--fetch", "--compare-to", "HEAD"),
    ("push", "--dry-run"),
    ("push",),
    ("record",),
)
PLUGIN = """\
from coverage import CoveragePlugin

class Plugin(CoveragePlugin):
    def configure(self, config):
        import lazily

def coverage_init(registry, options):
    import helper
    registry.add_configurer(Plugin())
"""
MANY = {f"many/part_{number}.py": "x = 1\n" for number in range(40)}


def lay_traps(checkout: Checkout, folder: str = ".") -> None:
    """Commits a file for each module that Python has not loaded at its start; each leaves a mark.

    By their times they were there when the tests ran.
    """
    code = "import re, runpy, sys; print(*sys.modules)"
    started = run([sys.executable, "-c", code], Path("/")).out.split()
    names = {*sys.stdlib_module_names, *OPTIONAL}.difference(started)
    for name in names:
        checkout.write({f"{folder}/{name}.py": RUNS})
        os.utime(checkout.folder / folder / f"{name}.py", (10**9, 10**9))
    checkout.commit()


def marked(checkout: Checkout, tmp_path: Path, **env: str) -> Checkout:
    """The same checkout, where the traps leave their marks in a file."""
    return Checkout(checkout.folder, {"MARKS": str(tmp_path / "marks"), **env})


def marks(checkout: Checkout) -> str:
    path = Path(checkout.env["MARKS"])
    return path.read_text() if path.exists() else ""


def works(ended: Ended) -> None:
    assert ended.status == 0, ended
    assert "error" not in ended.err, ended


def environment(folder: Path, *entries: Path) -> Path:
    """A virtual environment with these ``entries`` in a .pth file; its Python."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], Path("/"))
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "entries.pth").write_text("".join(f"{entry}\n" for entry in entries))
    return folder / "bin" / "python"


def link_dependencies(folder: Path) -> None:
    """Has a folder hold what covsync needs, as if that was installed there."""
    for name in ("coverage", "git", "gitdb", "smmap", "yaml", "pathspec", "tomli"):
        if (PACKAGES / name).exists():
            (folder / name).symlink_to(PACKAGES / name)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("program", [["covsync"], [sys.executable, "-m", "covsync"]], ids=len)
def test_no_module_of_the_checkout_is_loaded(
    shapes: Checkout, tmp_path: Path, program: list[str], command: tuple[str, ...]
) -> None:
    lay_traps(shapes)
    trapped = marked(shapes, tmp_path, PYTHONPATH=str(shapes.folder))
    ended = run([*program, *command], trapped.folder, trapped.env)
    assert marks(trapped) == ""
    works(ended)


@pytest.fixture
def below(checkout: Checkout, tmp_path: Path) -> Checkout:
    """A measured project in a folder of the repository, with a PYTHONPATH to another one."""
    checkout.write({"lib/x.py": "", "below/.covsync.yaml": "{}\n", "below/one.py": "x = 1\n"})
    checkout.write({".gitignore": ".coverage\n"})
    checkout.commit()
    project = Checkout(checkout.folder / "below")
    project.coverage("run", "one.py")
    return marked(project, tmp_path, PYTHONPATH=str(checkout.folder / "lib"))


def test_none_is_loaded_of_the_work_tree_that_the_environment_names(
    below: Checkout, tmp_path: Path
) -> None:
    lay_traps(below, "../lib")
    git_dir, top = tmp_path / "elsewhere.git", below.folder.parent
    (top / ".git").rename(git_dir)
    told = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(top)}
    works(marked(below, tmp_path, **below.env, **told).covsync("check"))
    assert marks(below) == ""


def test_none_is_loaded_of_a_work_tree_whose_top_git_alone_knows(below: Checkout) -> None:
    """Git goes past what is called as its own folder but is none; GitPython is loaded later."""
    below.write({"../lib/gitdb_speedups.py": RUNS})
    below.commit()
    (below.folder / ".git").mkdir()
    works(below.covsync("push"))
    assert marks(below) == ""


def test_packages_in_a_checkout_are_loaded_and_what_their_pth_files_add_is_not(
    shapes: Checkout, tmp_path: Path
) -> None:
    python = environment(shapes.folder / ".venv", SOURCE, shapes.folder / "src")
    (packages,) = (shapes.folder / ".venv").glob("lib/python*/site-packages")
    link_dependencies(packages)
    shapes.write({".gitignore": ".coverage\n.venv/\n"})
    lay_traps(shapes, "src")
    trapped = marked(shapes, tmp_path)
    works(run([str(python), "-m", "covsync", "check"], shapes.folder, trapped.env))
    works(run([str(python), "-m", "covsync", "push"], shapes.folder, trapped.env))
    assert marks(trapped) == ""


def with_many_files(checkout: Checkout) -> None:
    """Enough that other processes analyse them."""
    imports = "".join(f"import many.part_{number}\n" for number in range(len(MANY)))
    checkout.write({**MANY, "test_many.py": imports})
    checkout.git("add", "--all")
    checkout.coverage("run", "--source=many", "test_many.py")
    checkout.commit()


def test_covsync_installed_as_editable_in_the_work_tree(tmp_path: Path) -> None:
    copy_of_covsync(tmp_path / "covsync")
    developed = Checkout(tmp_path / "covsync")
    python = environment(tmp_path / "venv", PACKAGES, developed.folder)
    developed.write({".gitignore": ".coverage\n"})
    with_many_files(developed)
    lay_traps(developed)
    trapped = marked(developed, tmp_path)
    ended = run([str(python), "-m", "covsync", "check", "-v"], developed.folder, trapped.env)
    assert marks(trapped) == ""
    assert "coverage is 100%" in ended.out
    assert "all files at once" not in ended.out + ended.err
    works(ended)


def test_covsync_installed_with_all_it_needs_into_a_folder_of_the_checkout(
    shapes: Checkout, tmp_path: Path
) -> None:
    library = shapes.folder / "ci"
    library.mkdir()
    shutil.copytree(SOURCE / "covsync", library / "covsync")
    link_dependencies(library)
    shapes.write({".gitignore": ".coverage\nci/\n", "ci/argparse.py": RUNS})
    shapes.commit()
    python = environment(tmp_path / "venv")
    trapped = marked(shapes, tmp_path, PYTHONPATH=str(library))
    works(run([str(python), "-m", "covsync", "check"], shapes.folder, trapped.env))
    works(run([str(python), "-m", "covsync", "push"], shapes.folder, trapped.env))


def test_what_covsync_needs_is_in_the_checkout_alone(shapes: Checkout, tmp_path: Path) -> None:
    """As where coverage.py's own developers would run covsync where they run its tests."""
    (shapes.folder / "coverage").symlink_to(PACKAGES / "coverage")
    python = environment(tmp_path / "venv", SOURCE, shapes.folder)
    ended = run([str(python), "-m", "covsync", "check"], shapes.folder)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "covsync: error: No module named 'coverage'\n"
        "  Install covsync in an environment of its own: it loads no module of the work tree.\n"
    )


@pytest.mark.parametrize("place", [".", "src"])
def test_a_plugin_of_the_project_is_loaded_with_all_it_imports(
    shapes: Checkout, place: str
) -> None:
    """Wherever Python would find it, also in the processes that analyse many files."""
    shapes.write(
        {
            f"{place}/own_plugin.py": PLUGIN,
            f"{place}/helper.py": "",
            f"{place}/lazily.py": "",
            ".coveragerc": "[run]\nplugins = own_plugin\n",
        }
    )
    own = Checkout(shapes.folder, {"PYTHONPATH": str(shapes.folder / place)})
    with_many_files(own)
    ended = own.covsync("check", "-v")
    assert "all files at once" not in ended.out + ended.err
    works(ended)
    works(own.covsync("push", "--dry-run"))


def test_what_a_plugin_of_the_project_is_loaded_from_is_left_again(
    shapes: Checkout, tmp_path: Path
) -> None:
    """GitPython, which is loaded after coverage.py, finds nothing there."""
    shapes.write(
        {
            ".coveragerc": "[run]\ninclude = shapes.py\nplugins = covdefaults\n",
            "gitdb_speedups.py": RUNS,
        }
    )
    shapes.commit()
    trapped = marked(shapes, tmp_path)
    trapped.coverage("run", "test_shapes.py")
    works(trapped.covsync("push"))
    assert marks(trapped) == ""


# Each process that loads it notes what it and a process that it starts can read.
SPY = """\
import os, subprocess, sys
from coverage import CoveragePlugin

def coverage_init(registry, options):
    registry.add_configurer(CoveragePlugin())
    with open(os.environ["MARKS"], "a") as marks:
        print(*sys.argv[1:2], *os.environ, file=marks)
        print(*sys.argv[1:2], subprocess.check_output("env", text=True), file=marks)
"""
SEES = """\
import os
import shapes

with open(os.environ["MARKS"], "a") as marks:
    print("program", *os.environ, file=marks)

def test_shapes():
    assert shapes.area(2, 3) == 6
"""


@pytest.fixture
def spied(shapes: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A project with such a plugin and many files, and a remote that the token opens."""
    shapes.write({"spy.py": SPY, ".coveragerc": "[run]\nplugins = spy\n", "test_sees.py": SEES})
    with http_remote(tmp_path) as server:
        shapes.git("remote", "set-url", "origin", server.url(USER))
        spied = marked(shapes, tmp_path)
        with_many_files(spied)
        (tmp_path / "marks").unlink()
        yield Checkout(spied.folder, {**spied.env, "COVSYNC_TOKEN": TOKEN})


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_plugin_of_the_project_does_not_see_the_token(
    spied: Checkout, remote: Path, command: tuple[str, ...]
) -> None:
    """Nor does what it starts; git does, as the remote can be read and written."""
    run(["git", "config", "http.receivepack", "true"], remote)
    works(spied.covsync(*command))
    seen = marks(spied)
    assert "MARKS" in seen
    assert "COVSYNC_TOKEN" not in seen
    assert TOKEN not in seen
    assert ("covsync-data" in run(["git", "branch"], remote).out) == (command == ("push",))


@pytest.mark.parametrize(
    "program", [["test_sees.py"], ["-m", "pytest", "-q", "test_sees.py"]], ids=" ".join
)
def test_the_program_of_covsync_run_does_not_see_the_token(
    spied: Checkout, program: list[str]
) -> None:
    # coverage.py's .pth file, which Python reads before it knows the program, complains on stderr.
    ended = run(["covsync", "run", *program], spied.folder, spied.env)
    assert ended.status == 0, ended
    assert "program" in marks(spied)
    assert "COVSYNC_TOKEN" not in marks(spied)


def test_the_recording_that_pytest_starts_is_not_given_the_token(spied: Checkout) -> None:
    """It does not even begin with it, when whoever runs pytest has it in the environment."""
    spied.write({"spy.py": SPY.replace("*os.environ,", "open('/proc/self/environ').read(),")})
    assert run(["coverage", "run", "-m", "pytest", "-q"], spied.folder, spied.env).status == 0
    recording = [line for line in marks(spied).splitlines() if line.startswith("record ")]
    assert recording
    assert not [line for line in recording if "COVSYNC_TOKEN" in line]


def modes(folder: Path) -> dict[str, str]:
    """The permissions of a folder and of all in it."""
    paths = [folder, *folder.rglob("*")]
    return {os.path.relpath(path, folder): f"{path.stat().st_mode & 0o7777:o}" for path in paths}


@pytest.mark.parametrize(
    "umask, folder, file",
    [("0", "755", "644"), ("077", "755", "644"), ("0", "700", "600"), ("022", "2775", "664")],
)
def test_what_is_kept_under_gits_folder_has_its_permissions(
    shapes: Checkout, umask: str, folder: str, file: str
) -> None:
    (shapes.folder / ".git").chmod(int(folder, 8))
    shapes.write({"test_one.py": "import shapes\n"})
    # The data of several processes is to be combined, so the notes wait for that.
    commands = "covsync record; coverage run -p -m pytest -q"
    run(["sh", "-c", f"umask {umask}; {commands}"], shapes.folder)
    found = modes(shapes.folder / ".git/covsync")
    (notes,) = [path for path in found if path.endswith(".jsonl")]
    assert found == {".": folder, "notes": folder, store.NAME: file, notes: file}


def test_a_journal_has_the_permissions_too(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git").chmod(0o775)
    file = tmp_path / ".git/covsync/file"
    seen: dict[str, str] = {}

    def work(database: sqlite3.Connection) -> None:
        database.execute("create table if not exists one (two)")
        seen.update(modes(file.parent))

    before = os.umask(0)
    try:
        write(file, work)
    finally:
        os.umask(before)
    assert seen == {".": "775", "file": "664", "file-journal": "664"}


def test_others_lose_what_they_may_write_beyond_gits_folder(shapes: Checkout) -> None:
    """As in what an older covsync has made; who may read it is for its owner to say."""
    own = shapes.folder / ".git/covsync"
    (shapes.folder / ".git").chmod(0o755)
    works(shapes.covsync("record"))
    own.chmod(0o777)
    (own / store.NAME).chmod(0o602)
    works(shapes.covsync("record"))
    assert modes(own) == {".": "755", store.NAME: "600"}
