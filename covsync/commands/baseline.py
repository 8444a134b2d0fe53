"""What the project's coverage was before: the data branch, as far as it is known here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

from covsync.commands import project
from covsync.commands.project import Project
from covsync.console import Console
from covsync.git import data_branch
from covsync.model import HUNDRED, Baseline

Read = Callable[[str], bytes | None]


def baseline(
    console: Console, entered: Project, base: str | None, *, fetch: bool
) -> Baseline | None:
    """The newest publication, or with ``base`` that of the nearest commit up to it.

    Read from the remote-tracking ref of the data branch; with ``fetch`` from the remote itself,
    through the scratch repository. ``None`` where nothing was published yet.
    """
    with _reader(console, entered, fetch=fetch) as read:
        if base is not None:
            return _of_history(entered, base, read("history.jsonl") or b"")
        return _of_data(read("data.json"))


@contextmanager
def _reader(console: Console, entered: Project, *, fetch: bool) -> Iterator[Read]:
    config, repository = entered.config, entered.repository
    folder = f"{config.subproject}/" if config.subproject else ""
    if not fetch:
        place = f"refs/remotes/{config.remote}/{config.branch}:{folder}"
        yield lambda path: repository.read(place + path)
        return
    with project.scratch(console, entered, repository.push_urls(config.remote)) as scratch:
        tip = data_branch.tip(scratch, config.branch)
        yield lambda path: tip.read(folder + path)


def _of_data(data: bytes | None) -> Baseline | None:
    try:
        raw = json.loads(data or b"")["raw_data"]
        files = {path: _percent(entry["summary"]) for path, entry in raw["files"].items()}
        return Baseline(_percent(raw["totals"]), files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _of_history(entered: Project, base: str, history: bytes) -> Baseline | None:
    """The publication of the commit that lies the fewest commits behind ``base``."""
    known = {}
    for line in history.split(b"\n"):
        try:
            entry = json.loads(line)
            known[str(entry["commit"])] = _percent(entry)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    nearest = entered.repository.nearest_ancestor(base, known)
    return None if nearest is None else Baseline(known[nearest], {})


def _percent(counts: Mapping[str, int]) -> Fraction:
    """The exact percentage of counts as coverage.py's JSON names them."""
    branches = counts.get("num_branches", 0)
    coverable = counts["num_statements"] + branches
    missing = counts["missing_lines"] + counts.get("missing_branches", 0)
    return HUNDRED * (coverable - missing) / coverable if coverable else HUNDRED
