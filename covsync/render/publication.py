"""Everything a publication consists of, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from covsync.config import Config
from covsync.model import Links, Report, Source
from covsync.render.badge import Badge, badge_of, badge_svg, endpoint_json, message_of
from covsync.render.data_json import data_json
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
GREEN = Fraction(90)


def is_owned(path: str) -> bool:
    """Whether a file of the data branch is covsync's to write and to remove."""
    return path in OWNED_FILES or path.startswith(f"{HTML_FOLDER}/")


@dataclass(frozen=True, slots=True)
class Publication:
    """One measurement of one commit, to be rendered for what the branch already holds.

    ``pages`` are the files of ``htmlcov/``, empty where none are wanted. ``coverage_path`` is the
    project's folder within the repository. ``total_floor`` is the total's floor, if it has one.
    """

    report: Report
    pages: Mapping[str, bytes]
    source: Source
    links: Links
    coverage_path: str
    config: Config
    total_floor: Fraction | None

    def figure(self) -> str:
        """What is published, for people: the total, and which commit's it is."""
        return f"{self.report.shown_total()}% of {self.source.commit[:10]}"

    def files(self, history: bytes = b"") -> dict[str, bytes]:
        """The files by path, with this measurement's line among those of ``history``."""
        history = history_jsonl(history, self.report, self.source)
        badge = self._badge()
        trend = trend_svg(history, self.report.shown_total())
        readme = readme_md(
            self.report,
            self.links,
            has_html=bool(self.pages),
            has_trend=trend is not None,
            subproject=self.config.subproject,
        )
        files = {
            "README.md": readme,
            "badge.svg": badge_svg(badge, self.config.badge_style),
            "endpoint.json": endpoint_json(badge),
            "data.json": data_json(self.report, self.source, self.coverage_path),
            "history.jsonl": history,
            ".nojekyll": b"",
            **{f"{HTML_FOLDER}/{path}": content for path, content in self.pages.items()},
        }
        return files if trend is None else {**files, "trend.svg": trend}

    def joined(self, history: bytes, endpoint: bytes | None) -> dict[str, bytes]:
        """What changes where a newer commit's files stay: this line joins its ``history``.

        ``endpoint`` is that commit's ``endpoint.json``, whose figure stays the trend's last.
        """
        files = {"history.jsonl": history_jsonl(history, self.report, self.source)}
        shown = message_of(endpoint)
        trend = trend_svg(files["history.jsonl"], shown) if shown else None
        return files if trend is None else {**files, "trend.svg": trend}

    def _badge(self) -> Badge:
        """Green from ``badge_green`` on: by default from the total's floor, else from 90."""
        green = self.config.badge_green
        if green is None:
            green = GREEN if self.total_floor is None else self.total_floor
        return badge_of(self.report, self.config.badge_label, green, self.config.badge_orange)
