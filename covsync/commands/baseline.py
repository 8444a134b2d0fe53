"""What the project's coverage was before: the data branch, as it was fetched last, or now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

from covsync.commands import project as projects
from covsync.commands.project import Project
from covsync.console import Console
from covsync.model import HUNDRED, Baseline
from covsync.render.fingerprint import own_part
from covsync.render.history import history_lines

TOTALS = b'"totals": '
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
    from covsync.git import data_branch

    with projects.scratch(console, project, repository.push_urls(config.remote)) as scratch:
        tip = data_branch.tip(scratch, config.branch)
        yield lambda path: tip.read(folder + path)


def _of_data(data: bytes | None) -> Baseline | None:
    """The baseline in a ``data.json``, of which the files are only read for a drop."""
    try:
        return Baseline(_percent(_totals(data or b"")), lambda: _files(data or b""))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _totals(data: bytes) -> Mapping[str, int]:
    """The ``raw_data.totals`` of a ``data.json``, which covsync writes behind the last file.

    No string of JSON holds a quote that is not escaped, so the last key of that name is the one.
    """
    tail = data[data.rfind(TOTALS) :]
    if own_part(data)[1] and tail.startswith(TOTALS):
        totals, _ = json.JSONDecoder().raw_decode(tail.removeprefix(TOTALS).decode())
    else:
        totals = json.loads(data)["raw_data"]["totals"]
    return dict(totals)


def _files(data: bytes) -> Mapping[str, Fraction]:
    try:
        files = json.loads(data)["raw_data"]["files"]
        return {path: _percent(entry["summary"]) for path, entry in files.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _of_history(project: Project, base: str, history: bytes) -> Baseline | None:
    """The publication of the commit that lies the fewest commits behind ``base``."""
    published = {}
    for line in history_lines(history):
        try:
            entry = json.loads(line)
            published[str(entry["commit"])] = _percent(entry)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    nearest = project.repository.nearest_ancestor(base, published)
    return None if nearest is None else Baseline(published[nearest], dict)


def _percent(counts: Mapping[str, int]) -> Fraction:
    """The exact percentage of counts as coverage.py's JSON names them.

    Raises ``ValueError`` or ``TypeError`` where they are none.
    """
    coverable = _count(counts["num_statements"]) + _count(counts.get("num_branches", 0))
    missing = _count(counts["missing_lines"]) + _count(counts.get("missing_branches", 0))
    if missing > coverable:
        raise ValueError(f"{missing} of {coverable} are missing")
    return HUNDRED * (coverable - missing) / coverable if coverable else HUNDRED


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
