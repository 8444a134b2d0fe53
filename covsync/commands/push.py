"""``covsync push``: publishes the coverage of the checked-out commit on the data branch."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from covsync import __version__
from covsync.commands import project as projects
from covsync.commands.branch_update import Place, already_published, propose
from covsync.commands.project import Project
from covsync.commands.source_commit import refuse_other_texts
from covsync.config import Config
from covsync.console import Console, Timings
from covsync.contents import Files
from covsync.errors import CovsyncError, NothingToJudgeError, PublicationError
from covsync.git import data_branch, index
from covsync.git.data_branch import Change, NothingToDo, Proposal, Tip
from covsync.git.repository import check_branch
from covsync.measure.data_file import Kind, recognise
from covsync.measure.html.assemble import html_pages
from covsync.measure.measure import MeasuredData, open_data
from covsync.measure.stored_results import StoredResults
from covsync.model import Links, Report, Source, shown_name
from covsync.render.links import links_for
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
    """Publishes the coverage of the checked-out commit; 0 where the branch then holds it.

    With ``soft_fail`` also where it could not be published, which is a warning then; coverage that
    cannot be measured stays an error.
    """
    timings = Timings()
    project = projects.open_project(flags, allow_bare=True)
    config, repository = project.config, project.repository
    urls = repository.push_urls(config.remote)
    if output_dir is None:
        check_branch(repository, config.branch)
        if not urls and not soft_fail:
            raise projects.no_such_remote(project)
    _refuse_bare(project)
    # The checkout is not touched: results are stored where the hook or a recording made a store.
    results = project.results() if repository.own_folder.is_dir() else StoredResults(None, "")
    try:
        with open_data(config.data_file, project.work_tree(), results, only_tracked=True) as data:
            timings.lap("data")
            source = repository.head()
            if not repository.is_bare:
                refuse_other_texts(console, project, [*data.paths().values()], data.data_file)
            timings.lap("texts")
            work = _Work(console, project, data, source, urls, timings)
            if output_dir is not None:
                publication = work.publication(work.fingerprint())
                _write(publication, output_dir)
                console.say(f"covsync: wrote the coverage ({publication.figure()}) to {output_dir}")
            else:
                _publish(work, dry_run=dry_run)
    except PublicationError as error:
        if not soft_fail:
            raise
        console.warning(f"the coverage was not published: {error.message}", error.fix)
    finally:
        timings.lap("publishing")
        for line in (*results.notes, *timings.lines()):
            console.detail(line)
    return 0


def _refuse_bare(project: Project) -> None:
    named = project.config.data_file
    if project.repository.is_bare and not (named and recognise(named) is Kind.JSON):
        raise NothingToJudgeError(
            f"{project.folder} is a bare repository: it has no sources to analyse",
            "Write a report where they are (coverage json), and name it with --data-file.",
        )


class _Work(NamedTuple):
    """What a publication of ``source`` is made from, and made only where it is needed."""

    console: Console
    project: Project
    data: MeasuredData
    source: Source
    urls: Sequence[str]
    timings: Timings

    @property
    def config(self) -> Config:
        return self.project.config

    def links(self, *, has_html: bool) -> Links:
        url = next(iter(self.urls), None)
        environ, event = os.environ, _github_event()
        return links_for(url, self.config, has_html=has_html, environ=environ, event=event)

    def fingerprint(self) -> str | None:
        """Changes whenever a publication might, its commit aside; ``None`` without keys."""
        measured = self.data.fingerprint()
        if measured is None:
            return None
        links = self.links(has_html=self.config.html)
        shown = self.config._replace(data_file=None)
        facts = repr((__version__, measured, links, self.project.coverage_path, shown))
        return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()

    def publication(self, fingerprint: str | None) -> Publication:
        """The publication, measured, with its HTML report."""
        config, console = self.config, self.console
        measurement = self.data.measurement(pages=config.html)
        from_store = f"{measurement.from_store} of {len(self.data.names)} files from the store"
        self.timings.lap(f"analysis ({from_store})")
        pages = html_pages(measurement) if config.html else Files({})
        self.timings.lap("pages")
        projects.show_source(console, measurement)
        if config.html and not pages:
            console.note("htmlcov/ is left out: a coverage json report does not hold the sources")
        _note_changes(console, self.project, measurement.report)
        own_floor = measurement.fail_under
        return Publication(
            measurement.report,
            pages,
            source=self.source,
            links=self.links(has_html=bool(pages)),
            coverage_path=self.project.coverage_path,
            config=config,
            total_floor=own_floor if config.fail_under is None else config.fail_under,
            fingerprint=fingerprint if self.data.is_unchanged() else None,
            object_format=self.project.repository.object_format,
        )


def _publish(work: _Work, *, dry_run: bool) -> None:
    """Brings the branch up to date; nothing is analysed where it already is."""
    console, project, config = work.console, work.project, work.config
    fingerprint = work.fingerprint()

    @cache
    def publication() -> Publication:
        return work.publication(fingerprint)

    def proposed(tip: Tip) -> Proposal | NothingToDo:
        nothing = fingerprint and already_published(tip, fingerprint, work.source, config)
        work.timings.lap("data branch")
        return nothing or propose(publication(), tip, config, project.repository)

    with projects.scratch(console, project, work.urls) as scratch:
        outcome = data_branch.publish(scratch, config.branch, proposed, dry_run=dry_run)
    where = f"{config.remote}/{config.branch}"
    if outcome.reason:
        console.say(f"covsync: {where} {outcome.reason}")
        return
    counts = Counter(change.verb for change in outcome.changes)
    summary = ", ".join(f"{counts[verb]} {DONE[verb]}" for verb in DONE if counts[verb])
    figure = publication().figure()
    if dry_run:
        console.say(_listing(outcome.changes))
        console.say(f"covsync: would push {figure} to {where} (files: {summary})")
        return
    tries = f", at try {outcome.attempts}" if outcome.attempts > 1 else ""
    console.say(f"covsync: pushed {figure} to {where} (files: {summary}{tries})")


def _note_changes(console: Console, project: Project, report: Report) -> None:
    """Says which measured files are not what the commit holds that is named as their source."""
    changed = index.changed_since_head(project.repository)
    paths = [
        (project.folder / file.path).relative_to(project.repository.top) for file in report.files
    ]
    names = [path.as_posix() for path in paths if path.as_posix() in changed]
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.note(f"{names[0]}{others} is published with changes that are not committed")


def _github_event() -> Mapping[str, Any]:
    """What triggered a GitHub workflow, which says among other things who may see it."""
    try:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
    except (KeyError, OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


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
        history = place.read("history.jsonl") or b""
        files = place.whole(publication.files(history, publication.fingerprint))
        for path in filter(place.owns, present - files.keys()):
            (folder / path).unlink()
        # data.json comes first: by it the next run knows the folder, should this one not end.
        for path in sorted(files, key=lambda path: not path.endswith("data.json")):
            _, pieces = files.content(path).pieces()
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("wb") as file:
                file.writelines(pieces)
    except OSError as error:
        raise CovsyncError(
            f"cannot write to {folder}: {error.strerror}", "Name another folder with --output-dir."
        ) from None


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
