"""A machine that lacks something: space, rights, a git that is new enough."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Checkout, run

ON_A_SMALL_DISK = 'mount -t tmpfs -o size={size} tmpfs "$TMPDIR" && exec covsync push'


def small_disk(folder: Path, size: str) -> list[str]:
    """Runs a push whose temporary folder is a disk of its own, of that size."""
    try:
        run(["unshare", "--mount", "true"], folder)
    except FileNotFoundError:
        pytest.skip("only unshare gives a disk of one's own")
    if run(["unshare", "--mount", "true"], folder).status:
        pytest.skip("only root may mount a disk")
    return ["unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK.format(size=size)]


STRESS = pytest.mark.stress


@pytest.mark.parametrize(
    "size",
    ["64k", *(pytest.param(size, marks=STRESS) for size in ("4k", "128k", "256k", "384k", "512k"))],
)
def test_a_full_disk_is_said_and_nothing_is_published(
    shapes: Checkout, remote: Path, tmp_path: Path, size: str
) -> None:
    """However far it gets before there is no space left."""
    shapes.write({"shapes.py": "x = 1\n" * 5000})
    shapes.commit()
    shapes.coverage("run", "--include=shapes.py", "shapes.py")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ended = run(small_disk(tmp_path, size), shapes.folder, {"TMPDIR": str(temporary)})
    assert ended.status == 1, ended
    assert "Traceback" not in ended.err
    assert ended.err.startswith("covsync: error: ")
    assert len(ended.err.splitlines()) == 2
    assert "No space left on device" in ended.err or "Make room there" in ended.err, ended.err
    assert run(["git", "for-each-ref"], remote).out == ""
    assert shapes.covsync("push").status == 0


def test_a_home_that_cannot_be_written_is_no_hindrance(shapes: Checkout, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o555)
    for place in (str(home), "/nonexistent"):
        at = Checkout(shapes.folder, {"HOME": place, "XDG_CONFIG_HOME": f"{place}/.config"})
        assert at.covsync("push").status == 0
    assert list(home.iterdir()) == []


def test_a_git_that_is_too_old_is_said(shapes: Checkout, tmp_path: Path) -> None:
    """It would not know how it is told which remote is meant."""
    git = tmp_path / "programs" / "git"
    git.parent.mkdir()
    real = shutil.which("git")
    git.write_text(
        f'#!/bin/sh\ntest "$1" = version && echo git version 2.30.2 && exit\nexec {real} "$@"\n'
    )
    git.chmod(0o755)
    old = Checkout(shapes.folder, {"PATH": f"{git.parent}{os.pathsep}{os.environ['PATH']}"})
    ended = old.covsync("push")
    assert ended.status == 1
    assert ended.err == "covsync: error: git 2.30 is too old\n  Install git 2.32 or newer.\n"


def test_the_checkout_is_never_a_folder_for_temporary_files(shapes: Checkout) -> None:
    """Python would take it where nothing else can be written."""
    code = (
        "import sys, tempfile\nfrom covsync.cli import main\n"
        "tempfile._candidate_tempdir_list = lambda: [sys.argv[1]]\nsys.exit(main(['push']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(shapes.folder)],
        cwd=shapes.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "covsync: error: there is no folder for temporary files that can be written to\n"
        "  Point TMPDIR at one.\n"
    )
