"""Random histories of a project, and what has to hold whenever it is committed.

A history is a list of steps, so that one that fails can be written down as a named case.
"""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
from collections.abc import Iterable, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import sample_project
from conftest import Checkout, Ended, run
from edits import EDITS
from truth import PYTEST, UNITTEST

ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",  # a text edited within a second and of the same size
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "-p covsync -p pytest_cov -p no:cacheprovider -q",
}
HOOK = """\
#!/bin/sh
git write-tree > "$VERDICT/tree"
if [ "$LIKE_PRE_COMMIT" ]; then  # which puts aside what is not staged
  export PRE_COMMIT=1
  patch="$PRE_COMMIT_HOME/patch1-$$"
  git diff-index --ignore-submodules --binary --no-color --no-ext-diff \
    "$(cat "$VERDICT/tree")" -- > "$patch"
  if [ -s "$patch" ]; then git checkout --quiet -- .; else rm "$patch"; patch=; fi
fi
covsync check --format json $FLOOR > "$VERDICT/out" 2> "$VERDICT/err"
status=$?
echo $status > "$VERDICT/status"
if [ "$patch" ]; then git apply --whitespace=nowarn "$patch"; rm "$patch"; fi
exit $status
"""
RECORDS_AFTERWARDS = "coverage run -m unittest discover -s tests && covsync record"
PARALLEL = "coverage run -p -m pytest; coverage combine -q && covsync record"
# Runs of all tests whose processes covsync observes.
OBSERVED = (
    "covsync run -m pytest",
    "covsync run -m unittest discover -s tests",
    "coverage run -m pytest",
    "pytest --cov",
    PARALLEL,
)
OTHER_RUNS = (
    RECORDS_AFTERWARDS,
    "coverage run -m unittest discover -s tests",
    "covsync run -m pytest tests/test_flow.py",
    "covsync run -m pytest -k area",
    "coverage run -m pytest tests/test_more.py",
    "pytest --cov -k numbers",
    "covsync run --append -m pytest tests/test_more.py",
    "coverage run --append -m pytest",
    "pytest --cov --cov-append tests/test_shapes.py",
    "coverage run -p -m pytest tests/test_flow.py",
    "coverage run -p -m pytest",
    "coverage combine -q && covsync record",
)
MOVES = {
    "pkg/flow.py": ("pkg/stream.py", "pkg/skip_flow.py", "flow.py", "tests/flow.py"),
    "pkg/shapes.py": ("pkg/forms.py", "shapes.py"),
    "pkg/unused.py": ("unused.py", "scripts/unused.py", "pkg/skip_unused.py"),
    "pkg/skipped.py": ("pkg/passed.py",),
    "tools.py": ("pkg/tools.py", "instruments.py"),
    "tests/test_more.py": ("tests/more_test.py", "tests/more.py"),
    "tests/support.py": ("support.py", "tests/help.py"),
    "scripts/job.py": ("pkg/job.py",),
}
NEW = {
    "tests/test_new.py": "from pkg.unused import unused\n\n\ndef test_new():\n    unused(1)\n",
    "tests/conftest.py": "import pkg.unused\n",
    "pkg/new.py": "def new():\n    return 1\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/inner.py": "inner = 1 if __name__ else 2\n",
    "tests/__init__.py": "",
    "scripts/other.py": "other = 1\n",
    "scripts/__init__.py": "",
    "support.py": "def sample():\n    return [2, 4]\n",
    "README.md": "Another text.\n",
    "notes.txt": "Notes.\n",
}
# What lists the paths to choose from, and what is typed with one, by what a step does.
PATHS = {
    "file": (
        ("ls-files", "--modified", "--others", "--deleted", "--exclude-standard"),
        ("add",),
    ),
    "reset": (("diff", "--cached", "--name-only"), ("reset", "--quiet")),
    "rm": (("ls-files",), ("rm", "--quiet", "--cached")),
}


class Edit(NamedTuple):
    """One of ``edits.EDITS`` on a file."""

    how: str
    path: str
    n: int


class Write(NamedTuple):
    """One of the files of ``NEW``."""

    path: str


class Delete(NamedTuple):
    path: str


class Move(NamedTuple):
    """``git mv``, with the imports of the file or without."""

    path: str
    to: str
    imports: bool


class Configure(NamedTuple):
    """Other settings of coverage.py, or another floor."""

    settings: str
    exclusions: bool
    floor: str


class Run(NamedTuple):
    """A run of the tests, by the command that a person types."""

    command: str


class Stage(NamedTuple):
    """``all``, or the ``n``-th ``file``, ``hunk``, ``reset`` or ``rm --cached``."""

    how: str
    n: int


class Git(NamedTuple):
    """A command of git that may fail."""

    command: str


class Commit(NamedTuple):
    """An attempt: ``command`` calls git's hook.

    ``floor`` is ``none``, ``below`` or ``above`` the truth. ``follow`` is which remedy to follow
    where the gate asks for one, 0 for none.
    """

    command: str
    floor: str
    follow: int


Step = Edit | Write | Delete | Move | Configure | Run | Stage | Git | Commit


class Ran(NamedTuple):
    """What a recorded run of all tests ran on: the work tree's texts by path, and settings."""

    texts: Mapping[str, str]
    settings: str


class Verdict(NamedTuple):
    """What the hook said of a ``tree``."""

    status: int
    tree: str
    out: str
    err: str


class History:
    """A project in a repository of its own, in which steps are done one after the other."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.verdict = folder / "verdict"
        self.verdict.mkdir()
        own = {"VERDICT": str(self.verdict), "PRE_COMMIT_HOME": str(self.verdict)}
        environ = {**ENVIRONMENT, **own, "FLOOR": ""}
        self.checkout = Checkout(folder / "project", environ)
        self.top = self.checkout.folder
        self.top.mkdir()
        self.checkout.git("init", "--quiet")
        configuration = sample_project.pyproject(settings)
        self.checkout.write({**sample_project.FILES, "pyproject.toml": configuration})
        self.checkout.commit("Begin")
        self.checkout.git("switch", "--quiet", "-c", "other")
        self.checkout.write(sample_project.OTHER_BRANCH)
        self.checkout.commit("Add a test on the other branch")
        self.checkout.git("switch", "--quiet", "main")
        self.checkout.write(sample_project.MAIN_BRANCH)
        self.checkout.commit("Add a test on the main branch")
        for name in ("pre-commit", "pre-merge-commit"):
            hook = self.top / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(HOOK)
            hook.chmod(0o755)
        self.log: list[str] = []
        self.runners = {PYTEST}
        self.ran: list[Ran | None] = []

    def do(self, steps: Iterable[Step]) -> None:
        """Does the steps; one that does not apply is left out."""
        for step in steps:
            self.log.append(repr(step))
            self._do(step)

    def _do(self, step: Step) -> None:
        match step:
            case Edit():
                self._edit(step)
            case Write():
                self.checkout.write({step.path: NEW[step.path]})
            case Delete():
                (self.top / step.path).unlink(missing_ok=True)
            case Move():
                self._move(step)
            case Configure():
                text = sample_project.pyproject(step.settings, step.exclusions, step.floor)
                self.checkout.write({"pyproject.toml": text})
            case Run():
                self.run(step.command)
            case Stage():
                self._stage(step)
            case Git():
                self.git(*shlex.split(step.command))
            case Commit():
                self.commit(step)

    def commit(self, step: Commit) -> None:
        """An attempt to commit, which the gate judges. To be held against the truth."""
        self.attempt(step.command)

    def attempt(self, command: str, floor: str = "") -> Verdict | None:
        """What the hook says of a command that commits, ``None`` where git does not ask it."""
        for name in ("status", "tree"):
            (self.verdict / name).unlink(missing_ok=True)
        self.checkout.env["FLOOR"] = f"--fail-under={floor}" if floor else ""
        ended = self.shell(command)
        if not (self.verdict / "status").exists():
            self._note(f"{ended.status}: {_last(ended.out)} {_last(ended.err)}")
            return None
        found = {
            name: (self.verdict / name).read_text() for name in ("status", "tree", "out", "err")
        }
        verdict = Verdict(int(found["status"]), found["tree"].strip(), found["out"], found["err"])
        self._note(f"{floor}: {verdict.status} {verdict.out.strip()} {verdict.err.strip()}")
        return verdict

    def run(self, command: str) -> Ended:
        """Runs the tests, and remembers what they ran on."""
        texts, settings = self.texts_of_work_tree()
        leftovers = [*self.top.glob(".coverage.*")]
        ended = self.shell(command)
        self._note(f"{ended.status}: {_last(ended.out)} {_last(ended.err)}")
        self.runners.add(UNITTEST if "unittest" in command else PYTEST)
        is_whole = command in OBSERVED and (command != PARALLEL or not leftovers)
        is_whole &= ended.status in (0, 1) and not _measured_nothing(ended)
        is_whole &= all(map(_parses, texts.values()))
        assert not is_whole or "covsync" not in command or "recorded" in ended.out, ended
        self.ran.append(Ran(texts, settings) if is_whole else None)
        return ended

    def texts_of_work_tree(self) -> tuple[Mapping[str, str], str]:
        """The Python files that git does not ignore, and the project's configuration."""
        listed = self.git("ls-files", "--cached", "--others", "--exclude-standard", "*.py").out
        there = [path for path in listed.split() if (self.top / path).is_file()]
        configuration = self.top / "pyproject.toml"
        return (
            {path: (self.top / path).read_text() for path in there},
            configuration.read_text() if configuration.exists() else "",
        )

    def texts_of_tree(self, tree: str) -> tuple[Mapping[str, str], str]:
        """The same of a tree in git."""
        listed = self.git("ls-tree", "-r", "--name-only", tree).out.split()
        texts = {
            path: self.git("show", f"{tree}:{path}").out
            for path in listed
            if path.endswith(".py") or path == "pyproject.toml"
        }
        return texts, texts.pop("pyproject.toml", "")

    def shell(self, command: str) -> Ended:
        """A command as typed in the project's folder."""
        return run(["sh", "-c", command], self.top, self.checkout.env)

    def git(self, *arguments: str) -> Ended:
        """A command of git, which may fail."""
        return run(["git", *arguments], self.top, self.checkout.env)

    def _note(self, line: str) -> None:
        self.log.append(f"    {line}")

    def _edit(self, step: Edit) -> None:
        path = self.top / step.path
        if path.is_file():
            text = path.read_text()
            with contextlib.suppress(SyntaxError):  # what a merge left behind
                new = EDITS[step.how](text, step.n)
                path.write_text(new)
                self._note(" | ".join(line for line in _changed_lines(text, new)))

    def _move(self, step: Move) -> None:
        (self.top / step.to).parent.mkdir(exist_ok=True)
        moved = self.git("mv", step.path, step.to)
        if moved.status == 0 and step.imports:
            before, after = (each.removesuffix(".py").replace("/", ".") for each in step[:2])
            for path, text in self.texts_of_work_tree()[0].items():
                new = _with_renamed_imports(text, before, after)
                if new != text:
                    (self.top / path).write_text(new)

    def _stage(self, step: Stage) -> None:
        if step.how == "all":
            self.git("add", "--all")
        elif step.how == "hunk":
            self._stage_hunk(step.n)
        else:
            listing, typed = PATHS[step.how]
            paths = self.git(*listing).out.split()
            if paths:
                self._note(paths[step.n % len(paths)])
                self.git(*typed, "--", paths[step.n % len(paths)])

    def _stage_hunk(self, n: int) -> None:
        """One hunk of what is not staged, without its context."""
        hunks = []
        for patch in re.split(r"(?m)^(?=diff --git )", self.git("diff", "--unified=0").out)[1:]:
            head, *parts = re.split(r"(?m)^(?=@@ )", patch)
            hunks += [head + part for part in parts]
        if hunks:
            patch_file = self.verdict / "patch"
            patch_file.write_text(hunks[n % len(hunks)])
            self.git("apply", "--cached", "--unidiff-zero", str(patch_file))
            self._note(" | ".join(hunks[n % len(hunks)].splitlines()[2:]))


def _with_renamed_imports(text: str, old: str, new: str) -> str:
    """``from a.b import c``, ``import a.b``, ``from a import b`` and ``b.c`` by the new name."""
    text = re.sub(rf"\b(from|import) {re.escape(old)}\b", rf"\1 {new}", text)
    (folder, _, name), (place, _, other) = old.rpartition("."), new.rpartition(".")
    if not folder or not re.search(rf"from {folder} import {name}\b", text):
        return text
    imported = f"from {place} import {other}" if place else f"import {other}"
    text = re.sub(rf"from {folder} import {name}\b", imported, text)
    return re.sub(rf"\b{name}\.(?=\w)", f"{other}.", text)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _measured_nothing(ended: Ended) -> bool:
    return bool(re.search(r"(?i)no measured files|no data|nothing was measured", str(ended)))


def _last(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "")


def _changed_lines(old: str, new: str) -> list[str]:
    """The lines that differ."""
    lines = unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [*lines][2:]
