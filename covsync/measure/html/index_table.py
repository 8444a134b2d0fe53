"""The tables of coverage.py's HTML report, taken apart and put together for other files. Pure.

Nothing here depends on a version of coverage.py: a table's last row holds the sums of its columns,
and what is put together is compared with a page of coverage.py's own before it is used.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from covsync.measure.json_report import UnexpectedOutputError
from covsync.model import shown_percent

PAGE = re.compile(
    r'(?P<before>.*<span class="pc_cov">)[\d.]+(?P<head>%</span>.*<tbody>\n)'
    r"(?P<rows>.*)"
    r'(?P<foot>        </tbody>\n.*<tr class="total">\n)(?P<total>.*?)(?P<tail>            </tr>\n'
    r'.*<p id="no_rows">\n[^<]*</p>\n)(?P<notes>(?:        <p>[^<]*</p>\n)*)(?P<end></main>\n.*)',
    re.DOTALL,
)
ROW = re.compile(r'            <tr class="region">\n.*?\n            </tr>\n', re.DOTALL)
LINK = re.compile(r'<a href="([^"]*?)(?:#t\d+)?">(.*?)</a></td>\n')
CELL = re.compile(r'(<td(?: class="[^"]*")?(?: data-ratio="(\d+) (\d+)")?>)([\d.]+)(%?)(?=</td>)')
# The links of an index to the first file's page and to the last one's.
ENDS = ("next", "prev")
THIN_SPACE = "\N{THIN SPACE}"
FILES = "index.html"
PLURALS = {
    FILES: ("file", "files"),
    "function_index.html": ("function", "functions"),
    "class_index.html": ("class", "classes"),
}
Figure = tuple[int, ...]


class Skipping(NamedTuple):
    """Which rows coverage.py is set to leave out."""

    covered: bool
    empty: bool


class Row(NamedTuple):
    """A row: its ``text``, the page it links to as it is written there, and its figures."""

    text: str
    link: str
    figures: tuple[Figure, ...]

    @classmethod
    def of(cls, text: str) -> Row:
        """The row that a ``text`` holds. Raises ``UnexpectedOutputError``."""
        link = LINK.search(text)
        figures = _figures(text)
        if link is None or len(_counts(figures)) not in (3, 5):
            raise UnexpectedOutputError
        return cls(text, link[1], figures)

    def paths(self) -> tuple[str, str]:
        """What the path of the row's file may be: some versions of coverage.py escape it twice."""
        link = LINK.search(self.text)
        assert link is not None  # noqa: S101 - of() saw to it
        shown = html.unescape(re.sub("<[^>]*>", "", link[2]))
        shown = shown.replace(f"{THIN_SPACE}/{THIN_SPACE}", "/")  # as some versions show it
        return shown, html.unescape(shown)

    def is_covered(self) -> bool:
        """Whether no line and no branch is missing, as coverage.py's skip_covered has it."""
        counts = _counts(self.figures)
        return counts[1] == 0 and counts[4:] in ((), (0,))

    def is_empty(self) -> bool:
        """Whether there is no statement."""
        return _counts(self.figures)[0] == 0


def rows_of(page: str) -> list[Row]:
    """The rows of a page's table. Raises ``UnexpectedOutputError``."""
    parts = _parts(page)
    texts = ROW.findall(parts["rows"])
    if "".join(texts) != parts["rows"]:
        raise UnexpectedOutputError
    return [Row.of(text) for text in texts]


def ends_of(page: str) -> tuple[str, str]:
    """The first and the last file's page that an index links to.

    Raises ``UnexpectedOutputError``.
    """
    links = [re.findall(f'id="{end}FileLink" class="nav" href="([^"]*)"', page) for end in ENDS]
    if any(len(found) != 1 for found in links):
        raise UnexpectedOutputError
    return links[0][0], links[1][0]


def assembled(
    model: str,
    name: str,
    rows: Sequence[Row],
    skipping: Skipping,
    precision: int,
    ends: Sequence[str],
) -> str:
    """The page ``name``, built like its ``model`` but of other ``rows``.

    ``ends`` are the links to the first file's page and to the last one's.
    """
    parts = _parts(model)
    old = ends_of(model)
    totals = _sums([row.figures for row in rows], _figures(parts["total"]))
    end = parts["end"]
    for which, before, after in zip(ENDS, old, ends, strict=True):
        stem = f'id="{which}FileLink" class="nav" href="'
        end = end.replace(f'{stem}{before}"', f'{stem}{after}"')
    return "".join(
        [
            *(parts["before"], _percent(totals[-1], precision), parts["head"]),
            *(row.text for row in reported(rows, skipping)),
            *(parts["foot"], _filled(parts["total"], totals, precision), parts["tail"]),
            *(_notes(name, rows, skipping), end),
        ]
    )


def reported(rows: Iterable[Row], skipping: Skipping) -> list[Row]:
    """Those of the ``rows`` that are not left out."""
    return [row for row in rows if not _is_skipped(row, skipping)]


def check_totals(page: str, rows: Sequence[Row], precision: int) -> None:
    """Raises ``UnexpectedOutputError`` unless a page's totals are what its ``rows`` sum up to."""
    total = _parts(page)["total"]
    if _filled(total, _sums([row.figures for row in rows], _figures(total)), precision) != total:
        raise UnexpectedOutputError


def _parts(page: str) -> dict[str, str]:
    match = PAGE.fullmatch(page)
    if match is None:
        raise UnexpectedOutputError
    return match.groupdict()


def _figures(text: str) -> tuple[Figure, ...]:
    return tuple(
        (int(match[2]), int(match[3])) if match[2] else (int(match[4]),)
        for match in CELL.finditer(text)
        if match[2] or not match[5]
    )


def _counts(figures: Sequence[Figure]) -> tuple[int, ...]:
    """Statements, missing and excluded; with branches those, and how many are partial."""
    return tuple(each[0] for each in figures if len(each) == 1)


def _is_skipped(row: Row, skipping: Skipping) -> bool:
    return (skipping.covered and row.is_covered()) or (skipping.empty and row.is_empty())


def _sums(rows: Sequence[tuple[Figure, ...]], shape: tuple[Figure, ...]) -> list[Figure]:
    widths = [len(figure) for figure in shape]
    if not widths or any([len(figure) for figure in row] != widths for row in rows):
        raise UnexpectedOutputError
    if not rows:
        return [(0,) * width for width in widths]
    return [
        tuple(sum(parts) for parts in zip(*column, strict=True))
        for column in zip(*rows, strict=True)
    ]


def _percent(ratio: Figure, precision: int) -> str:
    return shown_percent(ratio[0], ratio[-1], precision)


def _filled(total: str, figures: Sequence[Figure], precision: int) -> str:
    """The row of totals with other figures."""
    left = iter(figures)

    def cell(match: re.Match[str]) -> str:
        figure = next(left)
        if len(figure) == 1:
            return f"{match[1]}{figure[0]}{match[5]}"
        head = match[1].replace(f'"{match[2]} {match[3]}"', f'"{figure[0]} {figure[1]}"')
        return f"{head}{_percent(figure, precision)}{match[5]}"

    return CELL.sub(cell, total)


def _notes(name: str, rows: Sequence[Row], skipping: Skipping) -> str:
    """How many rows were left out; one that is covered and empty counts as covered."""
    if name not in PLURALS:
        raise UnexpectedOutputError
    covered = sum(skipping.covered and row.is_covered() for row in rows)
    empty = sum(_is_skipped(row, skipping) for row in rows) - covered
    texts = []
    if covered:
        texts.append(f"{covered} {PLURALS[name][covered != 1]} skipped due to complete coverage.")
    if empty:
        texts.append(f"{empty} empty {PLURALS[name][empty != 1]} skipped.")
    return "".join(f"        <p>{text}</p>\n" for text in texts)
