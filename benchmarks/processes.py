"""Whole processes: how long they took, and how much memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOREIGN = ("GIT_", "COV", "GITHUB_", "GITLAB_", "CI", "PRE_COMMIT", "PYTHON", "DJANGO_")
SETTINGS = """\
[user]
name = Benchmark
email = benchmark@localhost
[init]
defaultBranch = main
[gc]
auto = 0
[maintenance]
auto = false
"""
DATE = "2025-01-01T00:00:00+00:00"
SAMPLE_SECONDS = 0.2
KIB = 1024


@dataclass(frozen=True)
class Ended:
    """A process that ended well. The memory is in bytes.

    ``peak`` is that of the largest single process; ``together`` is the most that it and its
    children held at one time, shared pages counted once, 0 where nobody looked.
    """

    seconds: float
    peak: int
    together: int
    out: str


def together(parts: Sequence[Ended]) -> Ended:
    """Several processes, one after the other."""
    return Ended(sum(one.seconds for one in parts), max(one.peak for one in parts), 0, "")


def environment(home: Path) -> dict[str, str]:
    """An environment in which neither the user's settings nor CI's variables have a say."""
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "gitconfig"
    settings.write_text(SETTINGS, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": DATE,
        "GIT_COMMITTER_DATE": DATE,
    }


def run(
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    statuses: Sequence[int] = (0,),
    whole_tree: bool = False,
) -> Ended:
    """Runs a command; raises ``SystemExit`` with what it said where its status is none of these.

    ``whole_tree`` also looks at the memory of the children, a few times a second.
    """
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        watch = Watch(process.pid)
        if whole_tree:
            watch.start()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.ended.set()
        out.seek(0)
        said = out.read().decode(errors="replace")
    if process.returncode not in statuses:
        raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}:\n{said[-4000:]}")
    return Ended(seconds, used.ru_maxrss * KIB, watch.most, said)


class Watch(threading.Thread):
    """Looks at the memory of a process and its descendants; on Linux only."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Samples until the process has ended."""
        while not self.ended.wait(SAMPLE_SECONDS):
            self.most = max(self.most, sum(map(_proportional, _descendants(self.pid))))


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in " ".join(texts).split():
        yield from _descendants(int(child))


def _proportional(pid: int) -> int:
    """The process's share of memory in bytes: a page that two hold counts half for each."""
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open() as lines:
            return next((int(line.split()[1]) * KIB for line in lines if line[:4] == "Pss:"), 0)
    except OSError:
        return 0
