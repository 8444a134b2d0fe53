"""`nox` runs the tests on every Python there is; `nox -s lint` looks at the code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# What pyproject.toml declares as the least, so that the declaration stays true.
LOWEST = (
    "coverage==7.13.5",
    "GitPython==3.1.62",
    "pathspec==0.12.0",
    "PyYAML==6.0.1",
    "tomli==2.0.1",
)

nox.options.sessions = ["tests", "lowest"]
nox.options.error_on_missing_interpreters = False


def _find_pyenv_versions() -> None:
    """Puts pyenv's Pythons on PATH: its own shims answer for the chosen ones only."""
    try:
        root = subprocess.run(
            ["pyenv", "root"],  # noqa: S607 - wherever it is installed
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return
    folders = sorted(Path(root.stdout.strip(), "versions").glob("3.*/bin"))
    os.environ["PATH"] = os.pathsep.join([*map(str, folders), os.environ["PATH"]])


_find_pyenv_versions()


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests of README's command, on one Python."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """The same on the oldest Python, with the oldest supported dependencies."""
    session.install(".[test]", *LOWEST)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and types in strict mode."""
    session.install(".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
