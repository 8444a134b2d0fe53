"""``covsync compact``: replaces a long data branch by one commit, with all its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from covsync.commands import project as projects
from covsync.commands.branch_update import Place
from covsync.config import Config
from covsync.console import Console
from covsync.contents import Files
from covsync.errors import CovsyncError
from covsync.git import branch_history, data_branch
from covsync.git.data_branch import Proposal, Tip
from covsync.git.remote_errors import Refusal
from covsync.git.repository import check_branch
from covsync.model import Source
from covsync.render.badge import message_of
from covsync.render.data_json import source_of
from covsync.render.history import carried_line, history_lines, merged_history, publications
from covsync.render.subprojects import subprojects
from covsync.render.trend import trend_svg

MIB = 1024 * 1024
FIGURES = ("data.json", "endpoint.json")


def compact(console: Console, flags: Mapping[str, object], *, dry_run: bool) -> int:
    """Replaces the data branch by one commit that holds the same files.

    The figures of earlier publications go to ``history.jsonl``. Raises ``CovsyncError`` where the
    branch is not covsync's to rewrite, or changed meanwhile: then it stays as it is.
    """
    project = projects.open_project(flags, allow_bare=True)
    config, repository = project.config, project.repository
    check_branch(repository, config.branch)
    where = f"{config.remote}/{config.branch}"
    with projects.scratch(console, project, repository.push_urls(config.remote)) as scratch:
        tip = data_branch.tip(scratch, config.branch, with_history=True)
        places = _published(tip, where)
        if not tip.parents:
            console.say(f"covsync: {where} is one commit already")
            return 0
        proposal = _proposal(tip, places, config)
        commit = data_branch.committed(tip, proposal)
        sizes = " -> ".join(
            _size(branch_history.packed_size(scratch, each)) for each in (tip.commit, commit)
        )
        count = sum(publications(proposal.files[path]) for path in _histories(proposal))
        history = f"{count} publications are in history.jsonl"
        if dry_run:
            console.say(f"covsync: would compact {where}: {sizes}; {history}")
            return 0
        refused = data_branch.offer(tip, config.branch, commit)
        if refused is not None:
            raise _not_compacted(where, refused)
        console.say(f"covsync: compacted {where}: {sizes}; {history}")
        console.detail(f"before it was {tip.commit}")
    return 0


def _published(tip: Tip, where: str) -> list[Place]:
    """Where the branch holds projects. Raises ``CovsyncError`` where it holds none."""
    if not tip.commit:
        raise CovsyncError(f"there is no {where} to compact", "Publish first: covsync push")
    names = [None, *subprojects(tip.entries)]
    places = [Place.of(tip.entries, tip.read, name) for name in names]
    published = list(filter(Place.holds_coverage, places))
    if not published:
        raise CovsyncError(
            f"{where} holds no coverage data: covsync does not rewrite it",
            "Name the data branch with --branch.",
        )
    return published


def _proposal(tip: Tip, places: Iterable[Place], config: Config) -> Proposal:
    """The tip's files in a commit without parents, with the histories of all its projects."""
    contents: dict[str, bytes] = {}
    for place in places:
        history = _history(tip, place)
        shown = message_of(place.read("endpoint.json"))
        source = source_of(place.read("data.json"))
        newest = source.committed_at if source else tip.at
        trend = trend_svg(history, shown, newest) if shown else None
        contents[f"{place.folder}history.jsonl"] = history
        if trend is not None:
            contents[f"{place.folder}trend.svg"] = trend
    files = Files(contents)
    changes = tip.changes(files, lambda _: False)
    message = f"{config.message}\n\nCompacted from: {tip.commit}\n"
    return Proposal(files, changes, replaces_history=True, message=message, at=tip.at)


def _history(tip: Tip, place: Place) -> bytes:
    """What the project's commits on the branch, under those that its ``history.jsonl`` has."""
    data, endpoint = (place.folder + name for name in FIGURES)
    lines = []
    for version in branch_history.versions(tip, (data, endpoint)):
        published = Source(version.commit, version.at)
        held = version.contents
        line = carried_line(held.get(data), held.get(endpoint), published)
        lines += [line] if line else []
    return merged_history([*lines, *history_lines(place.read("history.jsonl") or b"")])


def _histories(proposal: Proposal) -> list[str]:
    return [path for path in proposal.files if path.endswith("history.jsonl")]


def _not_compacted(where: str, refused: Refusal) -> CovsyncError:
    if refused.is_race:
        return CovsyncError(
            f"{where} changed while it was being compacted, so it was left as it is",
            "Run it again.",
        )
    return CovsyncError(refused.message, refused.fix)


def _size(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{size / 1024:.0f} KiB"
