"""Files of a checkout that others wrote: links, pipes, devices, and files without an end."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout, Ended

CANARY = "hunter2-must-stay-at-home"
FLOOR = BRANCHES + "[tool.covsync]\nfail_under = 50\n"
SECONDS = 60  # after which what waits for a pipe is taken to wait for ever


def typed(checkout: Checkout, *words: str) -> Ended:
    """What ``covsync`` says, which must not wait for ever."""
    done = subprocess.run(
        ["covsync", *words],
        cwd=checkout.folder,
        env={**os.environ, **checkout.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def refused(ended: Ended, *words: str, status: int = 1) -> None:
    """It ended with an error of two lines that holds the words, and nothing of the secret."""
    assert ended.status == status, ended
    assert ended.out == ""
    assert ended.err.startswith("covsync: error: "), ended.err
    assert len(ended.err.splitlines()) == 2, ended.err
    for word in words:
        assert word in ended.err
    assert CANARY not in ended.err
    assert "bug in covsync" not in ended.err


@pytest.fixture
def project(shapes: Checkout) -> Iterator[Checkout]:
    """A recorded project with a floor; nothing of it may ever reach the remote."""
    shapes.write({"pyproject.toml": FLOOR})
    shapes.commit()
    assert shapes.covsync("run", "test_shapes.py").status == 0
    yield shapes
    assert shapes.git("ls-remote", "origin") == ""


# What `covsync ratchet` writes.


def test_the_floors_are_not_written_through_a_link(project: Checkout, tmp_path: Path) -> None:
    """A name that can be foretold could be a tracked link to any file of the user."""
    victim = tmp_path / "authorized_keys"
    victim.write_text(CANARY)
    victim.chmod(0o600)
    (project.folder / "pyproject.toml.covsync").symlink_to(victim)
    before = {path.name for path in project.folder.iterdir()}
    ended = typed(project, "ratchet")
    assert (ended.status, ended.out.splitlines()[0]) == (0, "fail_under: 50 -> 75"), ended
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == (CANARY, 0o600)
    assert (project.folder / "pyproject.toml.covsync").is_symlink()
    assert {path.name for path in project.folder.iterdir()} == before
    assert "fail_under = 75" in (project.folder / "pyproject.toml").read_text()


@pytest.mark.parametrize("mode", [0o600, 0o664])
@pytest.mark.first(1)
def test_the_file_keeps_its_mode(project: Checkout, mode: int) -> None:
    path = project.folder / "pyproject.toml"
    path.chmod(mode)
    assert typed(project, "ratchet").status == 0
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_within_the_repository_stays_one(project: Checkout) -> None:
    (project.folder / "shared").mkdir()
    path, target = project.folder / "pyproject.toml", project.folder / "shared" / "base.toml"
    path.rename(target)
    path.symlink_to("shared/base.toml")
    project.commit()
    assert project.covsync("run", "test_shapes.py").status == 0
    target.chmod(0o640)
    ended = typed(project, "ratchet")
    assert ended.status == 0, ended
    assert str(path.readlink()) == "shared/base.toml"
    assert "fail_under = 75" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [each.name for each in target.parent.iterdir()] == ["base.toml"]


def test_a_configuration_outside_is_not_written(project: Checkout, tmp_path: Path) -> None:
    victim = tmp_path / "other.toml"
    (project.folder / "pyproject.toml").rename(victim)
    (project.folder / "pyproject.toml").symlink_to(victim)
    refused(
        typed(project, "ratchet"),
        "pyproject.toml is a link that leads out of the repository's files",
    )
    assert victim.read_text() == FLOOR
