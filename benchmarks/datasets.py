"""The projects to measure: generated ones, and Django under part of its own tests."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from processes import Ended, run

SDIST = "django==5.2"
SDIST_SHA256 = "1a47f7a7a3d43ce64570d350e008d2949abe8c7e21737b351b6a1611277c6d89"
TEST_REQUIREMENTS = ("asgiref==3.8.1", "sqlparse==0.5.3")
DJANGO_TESTS = (
    *("aggregation", "annotations", "auth_tests", "expressions", "forms_tests", "httpwrappers"),
    *("migrations", "model_fields", "queries", "template_tests", "urlpatterns_reverse"),
    *("utils_tests", "validators"),
)
IGNORED = ".coverage\n__pycache__/\n"
DRIVER = """\
import importlib
from pathlib import Path

for path in sorted(Path("project").rglob("*.py")):
    importlib.import_module(".".join(path.with_suffix("").parts))
"""
HEAD = '''\
"""Module {name}."""

import math


class Record:
    """What module {name} keeps."""

    kind = "{name}"

    def __init__(self, value):
        self.value = value

    def shown(self):
        return f"{{self.kind}}: {{self.value}}"

'''
FUNCTION = '''
def step_{index}(value, limit={limit}):
    """Sums up in the manner of {name}."""
    total = math.floor(value)
    for each in range(value):
        if each % {divisor} == 0:
            total += each
        elif each > limit:
            total -= {limit}
        else:
            total += 1
    if total > {limit}:
        return Record(total)
    return total


step_{index}({value})

'''


@dataclass(frozen=True)
class Project:
    """A repository at ``folder``/checkout, its remote, and its coverage data before and after.

    It is on one of two branches: ``main``, and ``changed`` where ten files differ.
    """

    folder: Path
    python: str
    env: Mapping[str, str]

    @property
    def checkout(self) -> Path:
        """The work tree."""
        return self.folder / "checkout"

    @property
    def facts(self) -> Path:
        """The facts of the finished project: ``files``, ``statements``, and ``changed``."""
        return self.folder / "facts.json"

    def __call__(self, *command: str, statuses: tuple[int, ...] = (0,)) -> Ended:
        """Runs a command in the work tree."""
        return run(command, self.checkout, self.env, statuses=statuses)

    def data(self, branch: str) -> Path:
        """Where the coverage data of a branch is kept."""
        return self.folder / f"{branch}.coverage"

    def stored(self) -> Path:
        """Covsync's own folder."""
        answer = self("git", "rev-parse", "--git-path", "covsync").out
        return self.checkout / answer.strip()

    def switch(self, branch: str) -> None:
        """Goes to a branch and its data; a file's times are the same at every visit."""
        self("git", "checkout", "--quiet", "--force", branch)
        minute = 60 * (branch == "changed")
        for name in json.loads(self.facts.read_text())["changed"]:
            os.utime(self.checkout / name, (1735689600 + minute, 1735689600 + minute))
        self("git", "update-index", "-q", "--refresh")
        (self.checkout / ".coverage").unlink(missing_ok=True)  # its time of birth is evidence, too
        shutil.copyfile(self.data(branch), self.checkout / ".coverage")

    def clear_remote(self) -> None:
        """Makes the remote an empty one."""
        remote = self.folder / "remote.git"
        shutil.rmtree(remote, ignore_errors=True)
        self("git", "init", "--quiet", "--bare", str(remote))


@contextlib.contextmanager
def project(name: str, folder: Path, python: str, env: Mapping[str, str]) -> Iterator[Project]:
    """The project of that name in a folder, made where it is not there yet.

    Another benchmark that works in the same folder is waited for.
    """
    made = Project(folder, python, env)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.facts.exists():
            shutil.rmtree(made.checkout, ignore_errors=True)
            made.checkout.mkdir()
            MAKERS[name](made)
            _finish(made)
        yield made


def _small(made: Project) -> None:
    _generate(made, packages=6, modules=14, functions=(3, 3, 3, 4), settings="")


def _large(made: Project) -> None:
    _generate(made, packages=100, modules=99, functions=(5, 5, 5, 6, 6), settings="branch = true\n")


def _generate(
    made: Project, *, packages: int, modules: int, functions: tuple[int, ...], settings: str
) -> None:
    """Packages of modules that run most of themselves when they are imported."""
    top = made.checkout
    for index in range(packages * modules):
        folder = top / "project" / f"package_{index // modules:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text(f'"""Package {index // modules}."""\n')
        name = f"module_{index:05}"
        steps = (
            FUNCTION.format(
                index=step,
                name=name,
                limit=10 + index % 89,
                divisor=2 + step,
                value=1 + (index + step) % 17,
            )
            for step in range(functions[index % len(functions)])
        )
        text = HEAD.format(name=name) + "".join(steps)
        (folder / f"{name}.py").write_text(text.rstrip("\n") + "\n")
    (top / ".coveragerc").write_text(f"[run]\nsource = project\n{settings}")
    (top / "driver.py").write_text(DRIVER)
    _begin_repository(made)
    made(made.python, "-m", "coverage", "run", "driver.py")


def _django(made: Project) -> None:
    """The sdist, measured by test modules that take about a minute."""
    pip = (made.python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    wanted, packages = made.folder / "sdist", made.folder / "packages"
    made(*pip, "download", "--no-binary", "django", "--no-deps", "-d", str(wanted), SDIST)
    made(*pip, "install", "--target", str(packages), *TEST_REQUIREMENTS)
    archive = next(wanted.iterdir())
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SDIST_SHA256:
        raise SystemExit(f"{archive} is not the file it was")
    made.checkout.rmdir()
    with tarfile.open(archive) as opened:
        opened.extractall(made.folder / "unpacked", filter="data")
    next((made.folder / "unpacked").iterdir()).rename(made.checkout)
    (made.checkout / ".coveragerc").write_text("[run]\nbranch = true\nsource = django\n")
    _begin_repository(made)
    tests = Project(
        made.folder, made.python, {**made.env, "PYTHONPATH": f"{made.checkout}:{packages}"}
    )
    # A test that fails, as some do for root, measures no less.
    runner = ("tests/runtests.py", "--parallel=1", "--verbosity=0", *DJANGO_TESTS)
    tests(made.python, "-m", "coverage", "run", *runner, statuses=(0, 1))


def _begin_repository(made: Project) -> None:
    (made.checkout / ".gitignore").write_text(IGNORED)
    made("git", "init", "--quiet")
    made("git", "remote", "add", "origin", str(made.folder / "remote.git"))
    made("git", "add", "--all", "--force")
    made("git", "commit", "--quiet", "--message", "Begin")


def _finish(made: Project) -> None:
    """Adds the branch on which ten files differ, and notes how large the project is."""
    data = made.checkout / ".coverage"
    shutil.copyfile(data, made.data("main"))
    made("git", "clean", "-fdxq", "--exclude=.coverage")  # what the tests left behind
    made("git", "checkout", "--quiet", "-b", "changed")
    grow = Path(__file__).with_name("grow.py")
    made(made.python, str(grow), str(data), str(made.data("changed")))
    made("git", "commit", "--quiet", "--all", "--message", "Append a function to ten files")
    made("git", "repack", "-a", "-d", "-q")
    made("git", "checkout", "--quiet", "main")
    rows = made(made.python, "-m", "coverage", "report").out.splitlines()
    facts = {
        "files": len(rows) - 4,
        "statements": int(rows[-1].split()[1]),
        "changed": made("git", "diff", "--name-only", "main", "changed").out.split(),
    }
    made.facts.write_text(json.dumps(facts))


MAKERS: Mapping[str, Callable[[Project], None]] = {
    "small": _small,
    "django": _django,
    "large": _large,
}
