"""The arrows between covsync's parts run one way, and heavy imports wait until needed."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import covsync

PACKAGE = Path(covsync.__file__).parent
WINGS = ("measure", "gate", "render", "git")
BASE = (
    *("model", "contents", "config", "config_edit", "errors", "temporary", "observer"),
    *("source_paths", "limits", "isolation", "regular_files"),
)
MAY_IMPORT = {
    "__main__": ("cli", "isolation"),
    "isolation": (),
    "observer": (),
    "pytest_plugin": ("measure", "git", "errors", "observer", "console", "isolation"),
    "cli": ("commands", "console", "config", "errors", "render", "isolation", "__init__"),
    "commands": ("commands", "console", *WINGS, *BASE, "__init__"),
    **{wing: (wing, *BASE, "__init__") for wing in WINGS},
    "console": (),
    "config": ("errors", "limits"),
    "contents": ("model", "limits"),
    "config_edit": ("config", "errors", "limits", "model"),
    "model": (),
    "source_paths": (),
    "limits": ("errors",),
    "regular_files": ("errors", "limits"),
    "errors": (),
    "temporary": ("errors", "limits"),
    "__init__": (),
}
ONLY_IMPORTER = {"coverage": "measure", "git": "git", "yaml": "config", "pathspec": "gate"}


def imports(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            if node.module == "covsync":
                yield from (f"covsync.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_arrows_run_one_way(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "covsync":
            target = rest.split(".")[0]
            target = "__init__" if target.startswith("__") else target
            assert target in MAY_IMPORT[part], f"{path.name} imports {name}"
        elif top in ONLY_IMPORTER:
            assert part == ONLY_IMPORTER[top], f"{path.name} imports {name}"


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_a_question_loads_nothing_heavy(argument: str) -> None:
    code = (
        "import sys\nfrom covsync.cli import main\n"
        f"try:\n    main([{argument!r}])\nexcept SystemExit:\n    pass\n"
        "heavy = {'coverage', 'git', 'yaml', 'pathspec', 'tomllib', 'json', 'subprocess'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_only_the_console_writes() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "console.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            called = {
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert "print" not in called, path


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {
        "covsync." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = {
        name: {each for each in imports(path) if each in names} for name, path in names.items()
    }
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= parts & names.keys()
    assert list(graphlib.TopologicalSorter(graph).static_order())  # or it raises CycleError
