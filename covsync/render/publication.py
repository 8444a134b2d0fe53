"""Everything a publication consists of, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from covsync.config import Config
from covsync.model import Links, Report, Source
from covsync.render.badge import badge_of, badge_svg, endpoint_json
from covsync.render.data_json import data_json, source_of
from covsync.render.history import history_jsonl
from covsync.render.readme import readme_md

HTML_FOLDER = "htmlcov"
OWNED_FILES = ("README.md", "badge.svg", "endpoint.json", "data.json", "history.jsonl", ".nojekyll")
GREEN = Fraction(90)


def is_owned(path: str) -> bool:
    """Whether a file of the data branch is covsync's to write and to remove."""
    return path in OWNED_FILES or path.startswith(f"{HTML_FOLDER}/")


@dataclass(frozen=True, slots=True)
class Publication:
    """One measurement of one commit, rendered but for what the branch already holds.

    ``coverage_files`` depend on the coverage alone; ``data.json`` and ``history.jsonl`` also name
    the commit that was measured.
    """

    report: Report
    source: Source
    coverage_path: str
    coverage_files: Mapping[str, bytes]

    def files(self, published_history: bytes = b"") -> dict[str, bytes]:
        """The files by path, with this measurement's line among the ``published_history``."""
        return {
            **self.coverage_files,
            "data.json": data_json(self.report, self.source, self.coverage_path),
            "history.jsonl": history_jsonl(published_history, self.report, self.source),
        }

    def repeated(self, data: bytes | None, history: bytes | None) -> dict[str, bytes] | None:
        """The files, had they been made from the commit whose ``data`` and ``history`` stand.

        Where a branch holds just these, it tells this very coverage already. ``None`` where its
        ``data.json`` is not covsync's, or it has no ``history.jsonl``.
        """
        source = source_of(data)
        if source is None or history is None:
            return None
        return {
            **self.coverage_files,
            "data.json": data_json(self.report, source, self.coverage_path),
            "history.jsonl": history,
        }


def render(
    report: Report,
    html: Mapping[str, bytes],
    *,
    source: Source,
    links: Links,
    coverage_path: str,
    config: Config,
    total_floor: Fraction | None,
) -> Publication:
    """The publication of ``report``; ``html`` are the pages, empty where none are wanted.

    The badge is green from ``badge_green`` on: by default from the total's floor, else from 90.
    """
    green = config.badge_green
    if green is None:
        green = GREEN if total_floor is None else total_floor
    badge = badge_of(report, config.badge_label, green, config.badge_orange)
    return Publication(
        report,
        source,
        coverage_path,
        {
            "README.md": readme_md(report, links, has_html=bool(html)),
            "badge.svg": badge_svg(badge, config.badge_style),
            "endpoint.json": endpoint_json(badge),
            ".nojekyll": b"",
            **{f"{HTML_FOLDER}/{path}": content for path, content in html.items()},
        },
    )
