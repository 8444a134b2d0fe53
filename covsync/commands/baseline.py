"""What the project's coverage was before: the data branch, as it was fetched last, or now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

from covsync.commands import project as projects
from covsync.commands.project import Project
from covsync.console import Console
from covsync.git import data_branch
from covsync.model import HUNDRED, Baseline

Read = Callable[[str], bytes | None]


def baseline(
    console: Console, project: Project, base: str | None, *, fetch: bool
) -> Baseline | None:
    """The newest publication, or with ``base`` that of the nearest commit up to it.

    Read from the remote-tracking ref of the data branch; with ``fetch`` from the remote itself,
    through the scratch repository. ``None`` where nothing was published yet.
    """
    with _reader(console, project, fetch=fetch) as read:
        if base is not None:
            return _of_history(project, base, read("history.jsonl") or b"")
        return _of_data(read("data.json"))


def missing(project: Project, base: str | None, *, fetch: bool) -> str:
    """Why ``baseline`` found nothing by which to judge ``max_drop``, and what to do about it."""
    config, repository = project.config, project.repository
    place = f"{config.remote}/{config.branch}"
    if not fetch and config.remote not in repository.remotes():
        return f"max_drop is not judged: there is no remote {config.remote!r}"
    if not fetch and not repository.has_ref(f"refs/remotes/{place}"):
        refspec = f"+refs/heads/{config.branch}:refs/remotes/{place}"
        return (
            f"max_drop is not judged: the baseline on {place} is not fetched. Fetch it with "
            f"`git fetch {config.remote} {refspec}`, or use `covsync check --fetch`"
        )
    if base is not None:
        return f"max_drop is not judged: {place} has no baseline of {base[:12]} or an ancestor"
    return f"max_drop is not judged: there is no baseline yet on {place}"


@contextmanager
def _reader(console: Console, project: Project, *, fetch: bool) -> Iterator[Read]:
    config, repository = project.config, project.repository
    folder = f"{config.subproject}/" if config.subproject else ""
    if not fetch:
        place = f"refs/remotes/{config.remote}/{config.branch}:{folder}"
        yield lambda path: repository.read(place + path)
        return
    with projects.scratch(console, project, repository.push_urls(config.remote)) as scratch:
        tip = data_branch.tip(scratch, config.branch)
        yield lambda path: tip.read(folder + path)


def _of_data(data: bytes | None) -> Baseline | None:
    try:
        raw = json.loads(data or b"")["raw_data"]
        files = {path: _percent(entry["summary"]) for path, entry in raw["files"].items()}
        return Baseline(_percent(raw["totals"]), files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _of_history(project: Project, base: str, history: bytes) -> Baseline | None:
    """The publication of the commit that lies the fewest commits behind ``base``."""
    published = {}
    for line in history.split(b"\n"):
        try:
            entry = json.loads(line)
            published[str(entry["commit"])] = _percent(entry)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    nearest = project.repository.nearest_ancestor(base, published)
    return None if nearest is None else Baseline(published[nearest], {})


def _percent(counts: Mapping[str, int]) -> Fraction:
    """The exact percentage of counts as coverage.py's JSON names them."""
    branches = counts.get("num_branches", 0)
    coverable = counts["num_statements"] + branches
    missing = counts["missing_lines"] + counts.get("missing_branches", 0)
    return HUNDRED * (coverable - missing) / coverable if coverable else HUNDRED
