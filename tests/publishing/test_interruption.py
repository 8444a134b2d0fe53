"""A publication that is killed at any of its steps, and what the next one finds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import BETTER_TEST, Checkout, run

from covsync.temporary import YOUNG_SECONDS

# Counts its calls; at the one that is meant it kills who called it, before or after doing its work.
KILLER = """\
#!/bin/sh
printf x >> {count}
if test "$(wc -c < {count})" = "$KILL_AT"; then
  test "$KILL" = after && {git} "$@" > {count}.out 2>&1
  echo "$@" > {count}.call
  kill -s "${{SIGNAL:-KILL}}" $PPID
  exit 1
fi
exec {git} "$@"
"""


@dataclass(frozen=True)
class Killing:
    """A checkout whose git may kill covsync; ``temporary`` is its folder for temporary files."""

    checkout: Checkout
    temporary: Path
    count: Path

    def push(self, at: int, kind: str = "before", name: str = "KILL") -> int:
        """The exit code of a push in which the ``at``-th git kills."""
        self.count.write_text("")
        env = {"KILL_AT": str(at), "KILL": kind, "SIGNAL": name}
        return run(["covsync", "push"], self.checkout.folder, self.checkout.env | env).status

    def steps(self) -> int:
        """How many gits a whole push takes."""
        assert self.push(0) == 0
        return len(self.count.read_text())


@pytest.fixture
def killing(shapes: Checkout, tmp_path: Path) -> Killing:
    programs, temporary, count = tmp_path / "programs", tmp_path / "tmp", tmp_path / "count"
    programs.mkdir()
    temporary.mkdir()
    git = shutil.which("git")
    (programs / "git").write_text(KILLER.format(count=count, git=git))
    (programs / "git").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "TMPDIR": str(temporary)}
    return Killing(Checkout(shapes.folder, env), temporary, count)


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a checkout, git's own among them."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def tip(remote: Path) -> str:
    return run(["git", "rev-parse", "--verify", "--quiet", "covsync-data"], remote).out.strip()


@pytest.mark.parametrize("first", [True, False], ids=["new-branch", "known-branch"])
@pytest.mark.stress
def test_killed_at_any_step_the_remote_is_before_or_after_and_the_next_push_succeeds(
    killing: Killing, shapes: Checkout, remote: Path, *, first: bool
) -> None:
    if not first:
        assert shapes.covsync("push").status == 0
        shapes.write({"test_shapes.py": BETTER_TEST})
        shapes.commit()
        shapes.coverage("run", "test_shapes.py")
    before, checkout = tip(remote), state(shapes.folder)
    steps = killing.steps()
    after = tip(remote)
    assert steps > 15
    assert after != before
    for at, kind in [*((at, "before") for at in range(1, steps + 1)), (steps, "after")]:
        if before:
            run(["git", "update-ref", "refs/heads/covsync-data", before], remote)
        else:
            run(["git", "update-ref", "-d", "refs/heads/covsync-data"], remote)
        assert killing.push(at, kind) == -signal.SIGKILL, at
        assert tip(remote) in (before, after), at
        assert state(shapes.folder) == checkout, at
        assert killing.push(0) == 0, at
        assert tip(remote) == after, at
        assert list(killing.temporary.iterdir()) == [], at
    assert run(["git", "fsck", "--strict"], remote).status == 0


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
@pytest.mark.first(1)
def test_a_job_that_is_stopped_leaves_nothing(killing: Killing, name: str) -> None:
    """As CI does it before it kills; the exit code is the signal's."""
    number = getattr(signal, f"SIG{name}")
    for at in (3, killing.steps() - 1):
        assert killing.push(at, name=name) == 128 + number
        assert list(killing.temporary.iterdir()) == []


def test_a_stopped_job_stops_its_git_too(shapes: Checkout, remote: Path, tmp_path: Path) -> None:
    """A server that takes its time: the push is under way when covsync is told to end."""
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/pushing\nexec sleep 60\n")
    hook.chmod(0o755)
    pushing = subprocess.Popen(["covsync", "push"], cwd=shapes.folder, stderr=subprocess.PIPE)
    while not (tmp_path / "pushing").exists():
        time.sleep(0.02)
    pushing.terminate()
    _, said = pushing.communicate(timeout=30)
    assert (pushing.returncode, said) == (128 + signal.SIGTERM, b"")
    running = run(["ps", "-eo", "args"], tmp_path).out
    assert "git push --porcelain" not in running or str(remote) not in running


@pytest.mark.stress
def test_a_job_that_is_stopped_at_any_moment_is_cleaned_up_after(
    killing: Killing, shapes: Checkout
) -> None:
    """Also while it cleans up itself: what it leaves the next one removes."""
    for pause in range(12):
        pushing = subprocess.Popen(
            ["covsync", "push", "--dry-run"],
            cwd=shapes.folder,
            env={**os.environ, "TMPDIR": str(killing.temporary)},
            stdout=subprocess.DEVNULL,
        )
        time.sleep(0.2 + 0.05 * pause)
        pushing.terminate()
        pushing.wait()
    assert killing.push(0) == 0
    assert list(killing.temporary.iterdir()) == []


def test_only_its_own_abandoned_folders_are_removed(killing: Killing) -> None:
    """What is in use, what is someone's, what is just being made, and what looks alike stays."""
    abandoned, begun, young, alike, empty, link = (
        killing.temporary / f"covsync-{name}" for name in ("a", "b", "c", "d", "e", "f")
    )
    for folder in (abandoned, begun, young, alike, empty):
        folder.mkdir(mode=0o700)
    (abandoned / "in-use").touch()
    (abandoned / "work").mkdir()
    (abandoned / "work" / "large").write_text("left")
    (alike / "work").mkdir()
    (alike / "work" / "thesis.txt").write_text("someone's")
    link.symlink_to(abandoned)
    for folder in (begun, young):
        (folder / "in-use.new").touch()
    long_ago = time.time() - YOUNG_SECONDS - 60
    for folder in (begun, alike, empty):
        os.utime(folder, (long_ago, long_ago))
    assert killing.push(0) == 0
    assert set(killing.temporary.iterdir()) == {young, alike, empty, link}
    assert (alike / "work" / "thesis.txt").read_text() == "someone's"
