"""Real projects in temporary folders: real git, real coverage.py, the real command line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from http_remote import HttpRemote, http_remote

SOURCE = Path(__file__).parents[1]
COMMANDS = Path(sys.executable).parent
FOREIGN = ("GIT_", "COV", "GITHUB_", "GITLAB_", "CI", "PRE_COMMIT", "PYTHON", "DJANGO_")


@pytest.fixture(autouse=True, scope="session")
def _nothing_of_the_developers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the developer's home, nor git settings, nor CI have a say in a test."""
    # What runs in the background, or under nohup, would ignore these, as would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    home = tmp_path_factory.mktemp("home")
    settings = home / "gitconfig"
    settings.write_text(
        "[user]\nname = Test\nemail = test@localhost\n[init]\ndefaultBranch = main\n"
        "[advice]\ndetachedHead = false\n[gc]\nauto = 0\n[maintenance]\nauto = false\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(FOREIGN) or name in ("NO_COLOR", "FORCE_COLOR"):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("GIT_CONFIG_GLOBAL", str(settings))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        # At each session's end it loads all of hypothesis, half of what a small session takes.
        patch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
        # Else it removes the folders of this suite's earlier runs, too.
        patch.setenv("PYTEST_DEBUG_TEMPROOT", str(home))
        patch.setenv("PATH", f"{COMMANDS}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks all but the first cases of a test as stress, where it is marked ``first(n)``."""
    seen = Counter[str]()
    for item in items:
        mark = item.get_closest_marker("first")
        if mark:
            name = item.nodeid.partition("[")[0]
            seen[name] += 1
            if seen[name] > mark.args[0]:
                item.add_marker("stress")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def run(command: list[str], folder: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Runs a command; the bytes that are no UTF-8 come back as Python's surrogates."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def with_read_only(place: Path, typed: str) -> list[str]:
    """What runs ``typed`` while nothing can be written at ``place``.

    Root may write where it is not allowed to, but not on a disk that is mounted read-only.
    """
    if os.geteuid() == 0:
        read_only = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'
        return ["unshare", "--mount", "sh", "-c", f"{read_only}; {typed}", str(place)]
    return ["sh", "-c", f'chmod 500 "$0"; {typed}; chmod 700 "$0"', str(place)]


def unstamped(data: str) -> str:
    """A ``data.json`` less what tells of its making: sources to the byte, versions, neighbours."""
    return re.sub(', "(fingerprint|content)": "[0-9a-f]{64}"', "", data)


@dataclass(frozen=True)
class Checkout:
    """A checkout in which things are typed."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def git(self, *arguments: str) -> str:
        done = run(["git", *arguments], self.folder, self.env)
        assert done.status == 0, done
        return done.out

    def stage(self, *paths: str) -> None:
        self.git("add", *(paths or ("--all",)))

    def commit(self, message: str = "Change something") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def coverage(self, *arguments: str) -> Ended:
        done = run(["coverage", *arguments], self.folder, self.env)
        assert done.status == 0, done
        return done

    def covsync(self, *arguments: str) -> Ended:
        """Whatever happens, no user sees a traceback unasked."""
        ended = run(["covsync", *arguments], self.folder, self.env)
        assert "--debug" in arguments or "Traceback" not in ended.out + ended.err
        return ended


# Five statements of six and one branch of two are covered: 75%.
SHAPES = """\
def area(width, height):
    if width < 0:
        return 0
    return width * height


def outline(width, height):
    return 2 * (width + height)
"""
SHAPES_TEST = """\
from shapes import area, outline

assert area(2, 3) == 6
assert outline(2, 3) == 10
"""
BETTER_TEST = SHAPES_TEST + "assert area(-1, 3) == 0\n"
BRANCHES = '[tool.coverage.run]\nbranch = true\ninclude = ["shapes.py"]\n'


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository."""
    folder = tmp_path / "remote.git"
    run(["git", "init", "--quiet", "--bare", str(folder)], tmp_path)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, remote: Path) -> Checkout:
    """A repository without a commit, and its remote."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    made = Checkout(folder)
    made.git("init", "--quiet")
    made.git("remote", "add", "origin", str(remote))
    return made


@pytest.fixture(scope="session")
def made_shapes(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """What ``shapes`` is a copy of."""
    made = Checkout(tmp_path_factory.mktemp("shapes"))
    made.git("init", "--quiet")
    made.write(
        {
            "shapes.py": SHAPES,
            "test_shapes.py": SHAPES_TEST,
            "pyproject.toml": BRANCHES,
            ".gitignore": ".coverage\n.coverage.*\n__pycache__/\nhtmlcov/\n",
        }
    )
    made.commit("Draw shapes")
    made.coverage("run", "test_shapes.py")
    return made


@pytest.fixture
def shapes(tmp_path: Path, remote: Path, made_shapes: Checkout) -> Checkout:
    """A committed project, measured with branches: 75% covered, by 6 of 8."""
    folder = tmp_path / "checkout"
    shutil.copytree(made_shapes.folder, folder)
    data = folder / ".coverage"
    times = data.stat().st_atime_ns, data.stat().st_mtime_ns
    with contextlib.closing(sqlite3.connect(data)) as database, database:
        before, here = str(made_shapes.folder), str(folder)
        database.execute("update file set path = replace(path, ?, ?)", [before, here])
    os.utime(data, ns=times)
    copy = Checkout(folder)
    copy.git("update-index", "--refresh")
    copy.git("remote", "add", "origin", str(remote))
    return copy


@pytest.fixture
def server(remote: Path, shapes: Checkout) -> Iterator[HttpRemote]:
    """The remote of ``shapes``, behind HTTP, which nothing opens yet."""
    run(["git", "config", "http.receivepack", "true"], remote)
    with http_remote(remote.parent) as serving:
        shapes.git("remote", "set-url", "origin", serving.url())
        yield serving


def copy_of_covsync(folder: Path) -> None:
    """The checkout under test, uncommitted changes included, as a repository with a commit."""
    shutil.copytree(SOURCE / "covsync", folder / "covsync")
    for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SOURCE / name, folder / name)
    made = Checkout(folder)
    made.git("init", "--quiet")
    made.commit("Copy the working tree")


@pytest.fixture(scope="session")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the hook's repository ``covsync``, and ``home``.

    There pre-commit keeps its environments: making one takes a while.
    """
    folder = tmp_path_factory.mktemp("hook")
    copy_of_covsync(folder / "covsync")
    yield folder
    shutil.rmtree(folder)


def with_hook(
    folder: Path, hook: Path, stages: tuple[str, ...] = ("pre-commit",), **settings: object
) -> Checkout:
    """A new repository that pre-commit checks with the hook at these stages, without a commit."""
    made = Checkout(folder, {"PRE_COMMIT_HOME": str(hook / "home")})
    folder.mkdir()
    made.git("init", "--quiet")
    used = {
        "repo": str(hook / "covsync"),
        "rev": run(["git", "rev-parse", "HEAD"], hook / "covsync").out.strip(),
        "hooks": [{"id": "covsync-check", "stages": list(stages), **settings}],
    }
    config = {"default_install_hook_types": list(stages), "repos": [used]}
    made.write({".pre-commit-config.yaml": yaml.safe_dump(config)})
    assert run(["pre-commit", "install"], folder, made.env).status == 0
    return made
