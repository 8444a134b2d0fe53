"""The tables of coverage.py's HTML report, taken apart and put together for other files. Pure.

Nothing here depends on a version of coverage.py: a table's last row holds the sums of its columns,
and what is put together is compared with a page of coverage.py's own before it is used.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
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

    def is_skipped(self, skipping: Skipping) -> bool:
        """Whether coverage.py leaves it out."""
        return (skipping.covered and self.is_covered()) or (skipping.empty and self.is_empty())


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
    rows: Callable[[], Iterable[Row]],
    skipping: Skipping,
    precision: int,
    ends: Sequence[str],
) -> Iterator[str]:
    """The page ``name``, in pieces, built like its ``model`` but of other ``rows``.

    The rows are read twice, as the page begins with their total. ``ends`` are the links to the
    first file's page and to the last one's. Raises ``UnexpectedOutputError``.
    """
    parts = _parts(model)
    old = ends_of(model)
    tally = _Tally.of(rows(), _figures(parts["total"]), skipping)
    totals, end = tally.figures, parts["end"]
    for which, before, after in zip(ENDS, old, ends, strict=True):
        stem = f'id="{which}FileLink" class="nav" href="'
        end = end.replace(f'{stem}{before}"', f'{stem}{after}"')
    yield parts["before"] + _percent(totals[-1], precision) + parts["head"]
    yield from (row.text for row in rows() if not row.is_skipped(skipping))
    yield parts["foot"] + _filled(parts["total"], totals, precision) + parts["tail"]
    yield _notes(name, tally) + end


def check_totals(page: str, rows: Sequence[Row], precision: int) -> None:
    """Raises ``UnexpectedOutputError`` unless a page's totals are what its ``rows`` sum up to."""
    total = _parts(page)["total"]
    tally = _Tally.of(rows, _figures(total), Skipping(covered=False, empty=False))
    if _filled(total, tally.figures, precision) != total:
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


class _Tally(NamedTuple):
    """The sums of the rows' ``figures``, and how many are left out: ``covered``, else ``empty``."""

    figures: list[Figure]
    covered: int
    empty: int

    @classmethod
    def of(cls, rows: Iterable[Row], shape: Sequence[Figure], skipping: Skipping) -> _Tally:
        """Of ``rows`` whose figures have this ``shape``. Raises ``UnexpectedOutputError``."""
        widths = [len(figure) for figure in shape]
        if not widths:
            raise UnexpectedOutputError
        figures: list[Figure] = [(0,) * width for width in widths]
        covered = empty = 0
        for row in rows:
            if [len(figure) for figure in row.figures] != widths:
                raise UnexpectedOutputError
            figures = [tuple(map(add, *pair)) for pair in zip(figures, row.figures, strict=True)]
            if skipping.covered and row.is_covered():
                covered += 1
            elif skipping.empty and row.is_empty():
                empty += 1
        return cls(figures, covered, empty)


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


def _notes(name: str, tally: _Tally) -> str:
    """What an index says of the rows that are left out."""
    if name not in PLURALS:
        raise UnexpectedOutputError
    texts = []
    if tally.covered:
        rows = PLURALS[name][tally.covered != 1]
        texts.append(f"{tally.covered} {rows} skipped due to complete coverage.")
    if tally.empty:
        texts.append(f"{tally.empty} empty {PLURALS[name][tally.empty != 1]} skipped.")
    return "".join(f"        <p>{text}</p>\n" for text in texts)
