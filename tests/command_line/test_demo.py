"""``covsync demo``: the first thing a stranger types."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Checkout


def test_it_shows_the_main_job_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    ended = Checkout(tmp_path, {"TMPDIR": str(tmp_path / "tmp")}).covsync("demo")
    assert (ended.status, ended.err) == (0, "")
    shown = ended.out
    steps = (
        "total: 40% is below 90% (fail_under); missing greeting/__init__.py:4-6",
        "covsync: coverage is 100%, its floor held",
        "covsync: pushed 100% of ",
        "covsync: origin/covsync-data is up to date",
        "htmlcov/index.html",
        "# Repository Coverage",
        "covsync demo --keep DIR",
    )
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)
    assert list(tmp_path.rglob("*")) == [tmp_path / "tmp"]


@pytest.mark.stress
def test_it_can_be_kept_and_looked_at(tmp_path: Path) -> None:
    ended = Checkout(tmp_path).covsync("demo", "--keep", "shown")
    assert ended.status == 0, ended
    assert str(tmp_path / "shown" / "project") in ended.out
    project = Checkout(tmp_path / "shown" / "project")
    assert project.git("status", "--porcelain") == ""
    assert "htmlcov/index.html" in project.git(
        "ls-tree", "-r", "--name-only", "origin/covsync-data"
    )


def test_it_never_plays_in_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ended = Checkout(tmp_path).covsync("demo", "--keep", ".")
    assert ended.status == 1
    assert "is not an empty folder" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
