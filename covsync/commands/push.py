"""``covsync push``: the record."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from covsync.commands import project
from covsync.commands.project import Project
from covsync.config import Config
from covsync.console import Console
from covsync.errors import CovsyncError
from covsync.git import data_branch, hosting
from covsync.git.data_branch import Change, Outcome, Proposal, Tip
from covsync.git.repository import check_branch
from covsync.git.scratch import scratch_repository
from covsync.measure.html import html_pages
from covsync.measure.measurement import measured
from covsync.model import Links
from covsync.render.data_json import source_of
from covsync.render.publication import Publication, is_owned

MARKS = {"add": "+", "update": "~", "remove": "-"}
DONE = {"add": "added", "update": "updated", "remove": "removed"}


def push(
    console: Console, flags: Mapping[str, object], *, dry_run: bool, output_dir: Path | None
) -> int:
    """Publishes the coverage of the checked-out commit; 0 where the branch then tells it."""
    entered = project.enter(flags)
    config, repository = entered.config, entered.repository
    url = repository.push_url(config.remote)
    if output_dir is None:
        check_branch(repository, config.branch)
        if url is None:
            raise _no_such_remote(config.remote, repository.remotes())
    publication = _measured_publication(console, entered, url)
    if output_dir is not None:
        _write(publication, output_dir)
        console.say(f"covsync: wrote the coverage ({_figure(publication)}) to {output_dir}")
        return 0
    assert url is not None  # noqa: S101 - refused above
    with scratch_repository(repository, url) as scratch:
        outcome = data_branch.publish(
            scratch,
            config.branch,
            lambda tip: _propose(publication, tip, config),
            dry_run=dry_run,
        )
    _tell(console, publication, outcome, config, dry_run=dry_run)
    return 0


def _measured_publication(console: Console, entered: Project, url: str | None) -> Publication:
    config = entered.config
    source = entered.repository.head()
    with measured(config.data_file, entered.work_tree(), only_tracked=True) as measurement:
        pages = html_pages(measurement) if config.html else {}
        console.detail(f"coverage data: {measurement.data_file}")
        for warning in measurement.warnings:
            console.detail(f"coverage.py: {warning}")
        if config.html and not pages:
            console.note("htmlcov/ is left out: a coverage json report does not hold the sources")
    own_floor = measurement.fail_under
    return Publication(
        measurement.report,
        pages,
        source=source,
        links=_links(config, url, has_html=bool(pages)),
        coverage_path=entered.coverage_path,
        config=config,
        total_floor=own_floor if config.fail_under is None else config.fail_under,
    )


def _links(config: Config, url: str | None, *, has_html: bool) -> Links:
    return hosting.links(url, config, has_html=has_html, environ=os.environ, event=_github_event())


def _github_event() -> Mapping[str, Any]:
    """What triggered a GitHub workflow, which tells among other things who may see it."""
    try:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
    except (KeyError, OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _propose(publication: Publication, tip: Tip, config: Config) -> Proposal | None:
    """The publication on top of ``tip``; ``None`` where the branch tells this coverage already."""
    data, history = tip.read("data.json"), tip.read("history.jsonl")
    repeated = publication.repeated(data, history)
    if repeated is not None and not tip.changes(repeated, is_owned):
        return None
    is_data_branch = "data.json" in tip.entries or "endpoint.json" in tip.entries
    if tip.is_default and tip.commit and not is_data_branch:
        raise CovsyncError(
            f"{config.branch} is the remote's main branch and holds no coverage data",
            "Name another branch for the data with --branch, such as covsync-data.",
        )
    files = publication.files(history or b"")
    keeps_one = not tip.commit or (tip.parents == 0 and source_of(data) is not None)
    return Proposal(
        files,
        tip.changes(files, is_owned),
        replaces_history=config.history == "single" or (config.history == "auto" and keeps_one),
        message=f"{config.message}\n\nSource-Commit: {publication.source.commit}\n",
        at=publication.source.committed_at,
    )


def _tell(
    console: Console, publication: Publication, outcome: Outcome, config: Config, *, dry_run: bool
) -> None:
    where = f"{config.remote}/{config.branch}"
    if not outcome.changes:
        console.say(f"covsync: {where} tells this coverage already ({_figure(publication)})")
        return
    counts = Counter(change.verb for change in outcome.changes)
    summary = ", ".join(f"{counts[verb]} {DONE[verb]}" for verb in DONE if counts[verb])
    if dry_run:
        console.say(_listing(outcome.changes))
        console.say(f"covsync: would push {_figure(publication)} to {where} (files: {summary})")
        return
    tries = f", at try {outcome.attempts}" if outcome.attempts > 1 else ""
    console.say(f"covsync: pushed {_figure(publication)} to {where} (files: {summary}{tries})")


def _listing(changes: Iterable[Change]) -> str:
    return "\n".join(f"{MARKS[change.verb]} {change.path}" for change in changes)


def _figure(publication: Publication) -> str:
    return f"{publication.report.shown_total()}% of {publication.source.commit[:10]}"


def _no_such_remote(name: str, known: list[str]) -> CovsyncError:
    others = (
        f"The remotes are: {', '.join(known)}." if known else "There is none yet: git remote add"
    )
    return CovsyncError(f"there is no remote {name!r}", f"Name it with --remote. {others}")


def _write(publication: Publication, folder: Path) -> None:
    """The files in ``folder``, which must be new, empty, or covsync's own from before."""
    try:
        present = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
        }
        if present and source_of(_read(folder / "data.json")) is None:
            raise CovsyncError(
                f"{folder} holds other files, which covsync would mix with its own",
                "Name a new or empty folder with --output-dir.",
            )
        files = publication.files(_read(folder / "history.jsonl") or b"")
        for path in present - files.keys():
            if is_owned(path):
                (folder / path).unlink()
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        raise CovsyncError(
            f"cannot write to {folder}: {error.strerror}", "Name another folder with --output-dir."
        ) from None


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
