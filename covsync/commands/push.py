"""``covsync push``: the record."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from covsync.commands import project
from covsync.commands.project import Project
from covsync.commands.proposal import Place, propose
from covsync.config import Config
from covsync.console import Console
from covsync.errors import CovsyncError, NothingToJudgeError
from covsync.git import data_branch, hosting
from covsync.git.data_branch import Change, Outcome
from covsync.git.repository import check_branch
from covsync.measure.data_file import Kind, recognise
from covsync.measure.html import html_pages
from covsync.measure.measurement import measured
from covsync.model import Links, Report, shown_name
from covsync.render.publication import Publication

MARKS = {"add": "+", "update": "~", "remove": "-"}
DONE = {"add": "added", "update": "updated", "remove": "removed"}


def push(
    console: Console,
    flags: Mapping[str, object],
    *,
    dry_run: bool,
    soft_fail: bool,
    output_dir: Path | None,
) -> int:
    """Publishes the coverage of the checked-out commit; 0 where the branch then tells it.

    With ``soft_fail`` also where it could not be published, which is said; coverage that cannot
    be measured is no such case.
    """
    entered = project.enter(flags, allow_bare=True)
    urls = entered.repository.push_urls(entered.config.remote)
    if output_dir is None:
        check_branch(entered.repository, entered.config.branch)
        if not urls and not soft_fail:
            raise project.no_such_remote(entered)
    publication = _measured_publication(console, entered, urls)
    if output_dir is not None:
        _write(publication, output_dir)
        console.say(f"covsync: wrote the coverage ({publication.figure()}) to {output_dir}")
        return 0
    try:
        _publish(console, entered, publication, urls, dry_run=dry_run)
    except CovsyncError as error:
        if not soft_fail:
            raise
        console.warning(f"the coverage was not published: {error.message}", error.fix)
    return 0


def _publish(
    console: Console,
    entered: Project,
    publication: Publication,
    urls: Sequence[str],
    *,
    dry_run: bool,
) -> None:
    config, repository = entered.config, entered.repository
    with project.scratch(console, entered, urls) as scratch:
        outcome = data_branch.publish(
            scratch,
            config.branch,
            lambda tip: propose(publication, tip, config, repository),
            dry_run=dry_run,
        )
    _tell(console, publication, outcome, config, dry_run=dry_run)


def _measured_publication(console: Console, entered: Project, urls: Sequence[str]) -> Publication:
    config = entered.config
    source = entered.repository.head()
    named = config.data_file
    if entered.repository.is_bare and not (named and recognise(named) is Kind.JSON):
        raise NothingToJudgeError(
            f"{entered.folder} is a bare repository: it has no sources to analyse",
            "Write a report where they are (coverage json), and name it with --data-file.",
        )
    with measured(config.data_file, entered.work_tree(), only_tracked=True) as measurement:
        pages = html_pages(measurement) if config.html else {}
        project.tell_source(console, measurement)
        if config.html and not pages:
            console.note("htmlcov/ is left out: a coverage json report does not hold the sources")
    _note_changes(console, entered, measurement.report)
    own_floor = measurement.fail_under
    return Publication(
        measurement.report,
        pages,
        source=source,
        links=_links(config, next(iter(urls), None), has_html=bool(pages)),
        coverage_path=entered.coverage_path,
        config=config,
        total_floor=own_floor if config.fail_under is None else config.fail_under,
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
        console.say(f"covsync: would push {publication.figure()} to {where} (files: {summary})")
        return
    tries = f", at try {outcome.attempts}" if outcome.attempts > 1 else ""
    console.say(f"covsync: pushed {publication.figure()} to {where} (files: {summary}{tries})")


def _listing(changes: Iterable[Change]) -> str:
    return "\n".join(f"{MARKS[change.verb]} {shown_name(change.path)}" for change in changes)


def _write(publication: Publication, folder: Path) -> None:
    """The files in ``folder``, which must be new, empty, or covsync's own from before."""
    try:
        present = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
        }
        place = Place.of(present, lambda path: _read(folder / path), publication.config.subproject)
        linked = any(path.is_symlink() for path in folder.rglob("*"))
        if linked or (present and not place.is_covsyncs()):
            raise CovsyncError(
                f"{folder} holds other files, which covsync would mix with its own",
                "Name a new or empty folder with --output-dir.",
            )
        files = place.whole(publication.files(place.read("history.jsonl") or b""))
        for path in filter(place.owns, present - files.keys()):
            (folder / path).unlink()
        # data.json comes first: by it the next run knows the folder, should this one not end.
        for path in sorted(files, key=lambda path: not path.endswith("data.json")):
            content = files[path]
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        raise CovsyncError(
            f"cannot write to {folder}: {error.strerror}", "Name another folder with --output-dir."
        ) from None


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
