"""``covsync push``: the record."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from covsync import __version__
from covsync.commands import project
from covsync.commands.clock import Clock
from covsync.commands.project import Project
from covsync.config import Config
from covsync.console import Console
from covsync.errors import CovsyncError
from covsync.git import data_branch, hosting
from covsync.git.data_branch import Change, NothingToDo, Outcome, Proposal, Tip
from covsync.git.repository import Repository, check_branch
from covsync.git.scratch import scratch_repository
from covsync.measure.html import html_pages
from covsync.measure.measurement import Opened, opened
from covsync.model import Links, Report, Source
from covsync.render.badge import message_of
from covsync.render.data_json import holds_coverage, source_of
from covsync.render.publication import Publication, is_owned, is_published

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
    clock = Clock()
    source, kept = repository.head(), repository.own_folder()
    with opened(config.data_file, entered.work_tree(), only_tracked=True, kept=kept) as found:
        clock.lap("data")
        if output_dir is not None:
            publication = _made(console, entered, found, source, url, clock)
            _write(publication, output_dir)
            console.say(f"covsync: wrote the coverage ({_figure(publication)}) to {output_dir}")
        else:
            assert url is not None  # noqa: S101 - refused above
            _publish(console, entered, found, source, url, clock, dry_run=dry_run)
    for line in (*found.kept.notes, *clock.lines()):
        console.detail(line)
    return 0


def _publish(
    console: Console,
    entered: Project,
    found: Opened,
    source: Source,
    url: str,
    clock: Clock,
    *,
    dry_run: bool,
) -> None:
    """Has the branch tell what was found; nothing is analysed where it tells just that already."""
    config, repository = entered.config, entered.repository
    with scratch_repository(repository, url) as scratch:
        fingerprint = _fingerprint(entered, found, url)
        tip = data_branch.tip(scratch, config.branch)
        known = fingerprint and is_published(fingerprint, tip.blobs(), tip.read)
        clock.lap("data branch")
        if known:
            figure = f"{message_of(tip.read('endpoint.json'))}% of {source.commit[:10]}"
            where = f"{config.remote}/{config.branch}"
            console.say(f"covsync: {where} tells this coverage already ({figure})")
            return
        publication = _made(console, entered, found, source, url, clock)
        outcome = data_branch.publish(
            scratch,
            config.branch,
            lambda tip: _propose(publication, tip, config, repository),
            dry_run=dry_run,
        )
        clock.lap("publishing")
    _tell(console, publication, outcome, config, dry_run=dry_run)


def _fingerprint(entered: Project, found: Opened, url: str | None) -> str | None:
    """Changes whenever a publication might, its commit aside; ``None`` if that cannot be told."""
    measured, config = found.fingerprint(), entered.config
    if measured is None:
        return None
    links = _links(config, url, has_html=config.html)
    shown = replace(config, data_file=None)
    told = repr((__version__, measured, links, entered.coverage_path, shown))
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def _made(
    console: Console, entered: Project, found: Opened, source: Source, url: str | None, clock: Clock
) -> Publication:
    """The publication, measured and rendered."""
    config = entered.config
    measurement = found.measurement(pages=config.html)
    kept = f"{measurement.from_store} of {len(found.names)} files from the store"
    clock.lap(f"analysis ({kept})")
    pages = html_pages(measurement) if config.html else {}
    clock.lap("pages")
    project.tell_source(console, measurement)
    if config.html and not pages:
        console.note("htmlcov/ is left out: a coverage json report does not hold the sources")
    _note_changes(console, entered, measurement.report)
    own_floor = measurement.fail_under
    return Publication(
        measurement.report,
        pages,
        source=source,
        links=_links(config, url, has_html=bool(pages)),
        coverage_path=entered.coverage_path,
        config=config,
        total_floor=own_floor if config.fail_under is None else config.fail_under,
        fingerprint=_fingerprint(entered, found, url),
        object_format=entered.repository.object_format(),
    )


def _note_changes(console: Console, entered: Project, report: Report) -> None:
    """Says which measured files are not what the commit holds that is named as their source."""
    changed = entered.repository.changed_since_head()
    paths = [
        (entered.folder / file.path).relative_to(entered.repository.top) for file in report.files
    ]
    names = [path.as_posix() for path in paths if path.as_posix() in changed]
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.note(f"{names[0]}{others} is published as it lies here, not as it was committed")


def _links(config: Config, url: str | None, *, has_html: bool) -> Links:
    return hosting.links(url, config, has_html=has_html, environ=os.environ, event=_github_event())


def _github_event() -> Mapping[str, Any]:
    """What triggered a GitHub workflow, which tells among other things who may see it."""
    try:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
    except (KeyError, OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _propose(
    publication: Publication, tip: Tip, config: Config, repository: Repository
) -> Proposal | NothingToDo:
    """The publication on top of ``tip``, unless that tells this coverage or newer already."""
    data, history = tip.read("data.json"), tip.read("history.jsonl")
    source = source_of(data)
    repeated = publication.repeated(data, history)
    if repeated is not None and not tip.changes(repeated, is_owned):
        return NothingToDo(f"tells this coverage already ({_figure(publication)})")
    keeps_one = not tip.commit or (tip.parents == 0 and source is not None)
    replaces_history = config.history == "single" or (config.history == "auto" and keeps_one)
    message = f"{config.message}\n\nSource-Commit: {publication.source.commit}\n"
    if source is not None and repository.precedes(publication.source, source):
        files = publication.joined(history or b"", tip.read("endpoint.json"))
        changes = tip.changes(files, lambda _: False)
        reason = f"tells the newer commit {source.commit[:10]} ({_figure(publication)} is history)"
        if not changes:
            return NothingToDo(reason)
        return Proposal(files, changes, replaces_history, message, source.committed_at, reason)
    files = publication.files(history or b"")
    if tip.entries and not holds_coverage(data, tip.read("endpoint.json")):
        raise CovsyncError(
            f"{config.branch} holds other files, and no coverage data: they would be overwritten",
            "Name another branch for the data with --branch, such as covsync-data.",
        )
    return Proposal(
        files,
        tip.changes(files, is_owned),
        replaces_history,
        message,
        publication.source.committed_at,
    )


def _tell(
    console: Console, publication: Publication, outcome: Outcome, config: Config, *, dry_run: bool
) -> None:
    where = f"{config.remote}/{config.branch}"
    if outcome.reason:
        console.say(f"covsync: {where} {outcome.reason}")
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
        linked = any(path.is_symlink() for path in folder.rglob("*"))
        if linked or (present and source_of(_read(folder / "data.json")) is None):
            raise CovsyncError(
                f"{folder} holds other files, which covsync would mix with its own",
                "Name a new or empty folder with --output-dir.",
            )
        files = publication.files(_read(folder / "history.jsonl") or b"")
        for path in present - files.keys():
            if is_owned(path):
                (folder / path).unlink()
        # data.json comes first: by it the next run knows the folder, should this one not end.
        for path, content in sorted(files.items(), key=lambda file: file[0] != "data.json"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        raise CovsyncError(
            f"cannot write to {folder}: {error.strerror}", "Name another folder with --output-dir."
        ) from None


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
