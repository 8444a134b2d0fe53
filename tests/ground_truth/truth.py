"""What the gate is held against: coverage.py's own figures of a tree, and what its texts are."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from coverage.config import DEFAULT_EXCLUDE, DEFAULT_PARTIAL
from coverage.parser import PythonParser

PYTEST: tuple[str, ...] = ("-m", "pytest")
UNITTEST: tuple[str, ...] = ("-m", "unittest", "discover", "-s", "tests")
RUN_AND_REPORT = """\
import sys
from coverage.cmdline import main
status = main(["run", *sys.argv[1:]])
main(["json", "-q", "--fail-under=0"])
sys.exit(status)
"""


class Truth(NamedTuple):
    """What coverage.py says of a tree: ``files`` are the counts by path, covered and coverable.

    ``status`` is the runner's exit code.
    """

    status: int
    files: Mapping[str, tuple[int, int]]

    @property
    def covered(self) -> int:
        return sum(covered for covered, _ in self.files.values())

    @property
    def coverable(self) -> int:
        return sum(coverable for _, coverable in self.files.values())

    @property
    def percent(self) -> Fraction:
        return Fraction(100 * self.covered, self.coverable) if self.coverable else Fraction(100)


_TRUTHS: dict[tuple[str, tuple[str, ...]], Truth] = {}


def truth_of(repository: Path, tree: str, runner: tuple[str, ...] = PYTEST) -> Truth:
    """The figures of a tree, whose tests run in a fresh folder without covsync."""
    key = (tree, runner)
    if key not in _TRUTHS:
        _TRUTHS[key] = _truth(repository, tree, runner)
    return _TRUTHS[key]


def _truth(repository: Path, tree: str, runner: tuple[str, ...]) -> Truth:
    archive = subprocess.run(
        ["git", "archive", tree], cwd=repository, capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        environ = {
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN_AND_REPORT, *runner],
            cwd=folder,
            env=environ,
            capture_output=True,
            check=False,
        )
        try:
            report = json.loads(Path(folder, "coverage.json").read_bytes())
        except FileNotFoundError:
            return Truth(done.returncode, {})
    return Truth(
        done.returncode,
        {path: _counts(file["summary"]) for path, file in report["files"].items()},
    )


def _counts(summary: Mapping[str, Any]) -> tuple[int, int]:
    """Covered and coverable statements and branches."""
    return (
        summary["covered_lines"] + summary.get("covered_branches", 0),
        summary["num_statements"] + summary.get("num_branches", 0),
    )


def sense(text: str, exclusions: tuple[str, ...]) -> object:
    """All of a Python text but comments, docstrings and layout: equal for two that are the same.

    That is its syntax tree, which statements share a line (with one another, or with an ``else``
    or ``finally``), and which of them coverage.py excludes.
    A text that does not parse is itself.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    if not text.strip():
        return ""
    parser = PythonParser(text=text, exclude="|".join(f"(?:{x})" for x in exclusions))
    parser.parse_source()
    partial = parser.lines_matching("|".join(f"(?:{x})" for x in DEFAULT_PARTIAL))
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.FunctionDef() | ast.ClassDef() if ast.get_docstring(node):
                del node.body[0]
    rows = [
        (at, at in parser.excluded, at in partial, parser.first_line(at))
        for node in ast.walk(tree)
        for at in _starts(node)
    ]
    order = sorted({row[-1] for row in rows})
    return ast.dump(tree), [(*row[1:3], order.index(row[-1])) for row in rows], _clauses(text)


def _clauses(text: str) -> list[bool]:
    """Whether a statement stands on the line of each ``else`` and ``finally``.

    These are no nodes of the syntax tree. The gate counts their lines as it does those of ``if``.
    """
    lines: list[list[str]] = [[]]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            lines.append([])
        elif token.type in (tokenize.NAME, tokenize.OP, tokenize.STRING, tokenize.NUMBER):
            lines[-1].append(token.string)
    return [len(line) > 2 for line in lines if line and line[0] in ("else", "finally")]


def _starts(node: ast.AST) -> list[int]:
    if isinstance(node, ast.match_case):
        return [node.pattern.lineno]
    if isinstance(node, (ast.stmt, ast.excepthandler)):
        return [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
    return []


def exclusions_of(configuration: str) -> tuple[str, ...]:
    """coverage.py's expressions for lines to exclude, by the project's configuration."""
    also = re.search(r"(?s)exclude_also = (\[.*?\n\])", configuration)
    return (*DEFAULT_EXCLUDE, *(ast.literal_eval(also[1]) if also else ()))


def settings_of(configuration: str) -> str:
    """The sections of the project's configuration that bear on a run of its tests."""
    parts = re.split(r"(?m)^(?=\[)", configuration)
    bearing = [
        part.strip() for part in parts if part.startswith(("[tool.coverage", "[tool.pytest"))
    ]
    return "\n".join(sorted(bearing)).replace('"', "'")
