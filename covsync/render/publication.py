"""The files of a publication."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from covsync.config import Config
from covsync.contents import Content, Files
from covsync.limits import PAGES_BYTES, exceeded, limit
from covsync.model import Links, Report, Source
from covsync.render.badge import Badge, badge_of, badge_svg, endpoint_json, message_of
from covsync.render.data_json import data_head, data_json, source_of
from covsync.render.fingerprint import fingerprint_of, is_intact, stamp
from covsync.render.history import history_jsonl
from covsync.render.readme import readme_md
from covsync.render.trend import trend_svg

HTML_FOLDER = "htmlcov"
OWNED_FILES = (
    "README.md",
    "badge.svg",
    "endpoint.json",
    "data.json",
    "history.jsonl",
    "trend.svg",
    ".nojekyll",
)
# These change without the rest where an older commit's figures join the history.
OF_HISTORY = ("history.jsonl", "trend.svg")
GREEN = Fraction(90)


def is_owned(path: str) -> bool:
    """Whether a file of the data branch is covsync's to write and to remove."""
    return path in OWNED_FILES or path.startswith(f"{HTML_FOLDER}/")


def is_published(
    fingerprint: str, source: Source, blobs: Mapping[str, str], read: Callable[[str], bytes | None]
) -> bool:
    """Whether a project's files are just what a publication of ``source`` would bring.

    ``fingerprint`` is that publication's, ``blobs`` are the object names of the files by path;
    ``read`` gives a file's content.
    """
    data, history = read("data.json"), read("history.jsonl")
    ours = {
        path: blob
        for path, blob in blobs.items()
        if is_owned(path) and path not in ("data.json", *OF_HISTORY)
    }
    shown = message_of(read("endpoint.json"))
    return (
        fingerprint_of(data) == fingerprint
        and source_of(data) == source
        and is_intact(data, ours)
        and history is not None
        and shown is not None
        and trend_svg(history, shown, source.committed_at) == read("trend.svg")
    )


@dataclass(frozen=True, slots=True)
class Publication:
    """One measurement of one commit, to be rendered for what the branch already holds.

    ``pages`` are the files of ``htmlcov/``, empty where none are wanted. ``coverage_path`` is the
    project's folder within the repository. ``total_floor`` is the total's floor, if it has one.
    ``fingerprint`` says what all of this was made from, ``object_format`` how git names files.
    """

    report: Report
    pages: Files
    source: Source
    links: Links
    coverage_path: str
    config: Config
    total_floor: Fraction | None
    fingerprint: str | None = None
    object_format: str = "sha1"

    def figure(self) -> str:
        """What is published, for people: the total, and which commit's it is."""
        return f"{self.report.shown_total()}% of {self.source.commit[:10]}"

    def files(self, history: bytes, fingerprint: str | None) -> Files:
        """The files by path, with this measurement's line among those of ``history``.

        ``fingerprint`` is the publication's own; or that of the branch's ``data.json``, so that
        files which differ in nothing else, as another machine makes them, are found to be equal.
        """
        lines = history_jsonl(history, self.report, self.source)
        return self._files(lines, fingerprint)

    def joined(self, history: bytes, endpoint: bytes | None, newer: Source) -> Files:
        """What changes where a ``newer`` commit's files stay: this line joins its ``history``.

        ``endpoint`` is that commit's ``endpoint.json``, whose figure stays the trend's last.
        """
        files = {"history.jsonl": history_jsonl(history, self.report, self.source)}
        shown = message_of(endpoint)
        trend = trend_svg(files["history.jsonl"], shown, newer.committed_at) if shown else None
        return Files(files if trend is None else {**files, "trend.svg": trend})

    def _files(self, history: bytes, fingerprint: str | None) -> Files:
        badge = self._badge()
        trend = trend_svg(history, self.report.shown_total(), self.source.committed_at)
        readme = readme_md(
            self.report,
            self.links,
            has_html=bool(self.pages),
            has_trend=trend is not None,
            subproject=self.config.subproject,
        )
        own: dict[str, bytes | Content] = {
            "README.md": readme,
            "badge.svg": badge_svg(badge, self.config.badge_style),
            "endpoint.json": endpoint_json(badge),
            "history.jsonl": history,
            ".nojekyll": b"",
        }
        if trend is not None:
            own["trend.svg"] = trend
        files = self.pages.below(f"{HTML_FOLDER}/").joined(own)
        head = partial(data_head, self.report, self.source, self.coverage_path)
        blobs = {
            path: files.content(path).blob_id(self.object_format)
            for path in files
            if path not in OF_HISTORY
        }
        size = sum(files.content(path).length for path in blobs)
        if size > limit(PAGES_BYTES):
            raise exceeded(f"the pages have {size:,} bytes", PAGES_BYTES, "bytes of pages")
        data = data_json(head(), self.source, stamp(fingerprint, head(), blobs))
        return files.joined({"data.json": Content.packed(data)})

    def _badge(self) -> Badge:
        """Green from ``badge_green`` on: by default from the total's floor, else from 90."""
        green = self.config.badge_green
        if green is None:
            green = GREEN if self.total_floor is None else self.total_floor
        return badge_of(self.report, self.config.badge_label, green, self.config.badge_orange)
