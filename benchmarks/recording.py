"""What it costs a pytest run to note every file that it loads, and to record it at the end.

    python benchmarks/recording.py             a project of Django's size, in some ten minutes
    python benchmarks/recording.py --modules 9 --rounds 1

Three runs of the same tests under coverage.py follow each other in a round: without covsync's
plugin, with what it notes while the tests run, and with the record that it makes at the end. A
figure is the median of the rounds, of whole processes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from processes import environment, run

from covsync import observer

MODULES, ROUNDS = 880, 5
MODULE = '''\
"""Module {number}."""


def total(values):
    """What the values come to."""
    found = 0
    for value in values:
        if value % {divisor}:
            found += value
        else:
            found -= 1
    return found


def words(text):
    """How often each word stands in the text."""
    found = {{}}
    for word in text.split():
        found[word] = found.get(word, 0) + 1
    return found
'''
TEST = """\
import pytest

from project.module_{number:04} import total, words


@pytest.mark.parametrize("count", range(6))
def test_total(count):
    assert total(range(2000 + count)) > 0


@pytest.mark.parametrize("word", ["one", "two"])
def test_words(word):
    assert words((word + " ") * 1000)[word] == 1000
"""
SETTINGS = """\
[tool.coverage.run]
branch = true
source = ["project"]

[tool.pytest.ini_options]
addopts = "-q -p no:cacheprovider -p no:xdist -p no:pytest_cov"
"""
BARE, NOTED, RECORDED = "without the plugin", "noted", "noted and recorded"


def main() -> int:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modules", type=int, default=MODULES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve() / "project"
        env = environment(Path(scratch) / "home")
        _make(folder, asked.modules, env)
        took: dict[str, list[float]] = {BARE: [], NOTED: [], RECORDED: []}
        for _ in range(asked.rounds):
            for name, figures in took.items():
                figures.append(_seconds(name, folder, env))
    base = median(took[BARE])
    print(f"{asked.modules} modules and as many test files; medians of {asked.rounds} rounds")
    for name, figures in took.items():
        print(f"{name}: {median(figures):.2f} s, {median(figures) / base:.3f} times")
    return 0


def _make(folder: Path, modules: int, env: Mapping[str, str]) -> None:
    for number in range(modules):
        texts = {
            f"project/module_{number:04}.py": MODULE.format(number=number, divisor=2 + number % 7),
            f"tests/test_module_{number:04}.py": TEST.format(number=number),
        }
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    (folder / "project" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / ".gitignore").write_text(".coverage\n__pycache__/\n")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Begin"]):
        run(["git", *command], folder, env)


def _seconds(name: str, folder: Path, env: Mapping[str, str]) -> float:
    """How long the tests take; the notes of the one in the middle go to a file of ours."""
    plugin = ["-p", "no:covsync"] if name == BARE else []
    noting = {}
    if name == NOTED:
        notes = folder.parent / "notes.jsonl"
        notes.unlink(missing_ok=True)
        observer.begin(os.fspath(notes), os.fspath(folder), 0)
        noting = {observer.NOTES: os.fspath(notes)}
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *plugin]
    return run(command, folder, {**env, **noting}).seconds


if __name__ == "__main__":
    sys.exit(main())
