"""The Markdown table, byte for byte what ``coverage report`` prints.

``coverage report --format=markdown --show-missing`` would analyse every source again; this
renders the analysis there is. The rules are those of ``coverage.report.SummaryReporter``. It is
stricter with names: what would break the table is replaced, and what would become a link is code.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from fractions import Fraction

from covsync.model import FileReport, Report, Totals, shown_name

PUNCTUATION = str.maketrans(
    {char: f"\\{char}" for char in string.punctuation if char not in ".,/-"}
)
# What GitHub, GitLab, Gitea or Bitbucket make a link of by itself, escaped or not: an address, a
# mention, an issue, a wiki page, a commit. They look for none in code.
LINKED = re.compile(
    r"www\.|://|mailto:|xmpp:|@|[#!~%&$]\d|\bGH-\d|\[\[|\b[0-9a-f]{7,64}\b", re.IGNORECASE
)
TOTAL = "**TOTAL**"
COUNT_WIDTH, MISSING_WIDTH = 9, 10


def markdown_table(report: Report) -> str:
    """The table with its header, its rows and TOTAL, each line ended."""
    branches = ["Branch", "BrPart"] if report.has_branches else []
    header = ["Name", "Stmts", "Miss", *branches, "Cover", "Missing"]
    shown = [each for each in report.files if not _is_skipped(each, report)]
    rows = [_row(each, report) for each in _in_order(shown, report)]
    total = [
        f" **{text}**" for text in [*_counts(report.totals, report), f"{report.shown_total()}%"]
    ]
    name_width = max(len(name) for name in (TOTAL, *(row[0] for row in rows))) + 1
    cover_width = max(len(total[-1]), len(" Cover "))
    widths = [name_width, *[COUNT_WIDTH] * (len(header) - 3), cover_width, MISSING_WIDTH]

    head = _cells(header, widths)
    lines = ["".join(head), _rule([len(cell) for cell in head])]
    lines += ["".join(_cells(row, widths)) for row in rows]
    lines.append("".join(_cells([TOTAL, *total, ""], widths)))
    lines += _end_lines(report)
    return "".join(f"{line}\n" for line in lines)


def _cells(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The cells of a line: the name to the left, the others to the right."""
    name, *others = texts
    first, *rest = widths
    return [
        f"| {name:{first}}|",
        *(f"{text:>{width}} |" for text, width in zip(others, rest, strict=True)),
    ]


def _rule(widths: Sequence[int]) -> str:
    name, *others = widths
    parts = ["- |".rjust(name - 1, "-"), *("-: |".rjust(width - 1, "-") for width in others)]
    return "|" + " ".join(parts)


def _counts(totals: Totals, report: Report) -> list[int]:
    branches = [totals.branches, totals.partial_branches] if report.has_branches else []
    return [totals.statements, totals.missing, *branches]


def _row(file: FileReport, report: Report) -> list[str]:
    counts = map(str, _counts(file.totals, report))
    cover = f"{file.totals.shown(report.style.precision)}%"
    return [name_cell(shown_name(file.path)), *counts, cover, escaped(file.missing_text())]


def escaped(text: str) -> str:
    """``text`` for a table's cell: no character of it means anything to Markdown."""
    return text.translate(PUNCTUATION)


def name_cell(name: str) -> str:
    """A name for a table's cell, where it becomes no link."""
    return _code(name) if LINKED.search(name) else escaped(name)


def _code(text: str) -> str:
    """``text`` as a code span of a table's cell; it cannot hold a backslash before a bar."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if {text[0], text[-1]} & {"`", " "} else ""  # one at each end is not shown
    held = text.replace("\\|", "?|").replace("|", "\\|")
    return f"{fence}{space}{held}{space}{fence}"


def _is_complete(file: FileReport) -> bool:
    return not file.totals.missing and not file.totals.partial_branches


def _is_skipped(file: FileReport, report: Report) -> bool:
    if report.style.skip_covered and _is_complete(file):
        return True
    return report.style.skip_empty and not file.totals.statements


def _in_order(files: Sequence[FileReport], report: Report) -> list[FileReport]:
    option = report.style.sort.lower()
    column = option.lstrip("+-")

    def by_number(file: FileReport) -> tuple[Fraction | int, str]:
        totals = file.totals
        figures: dict[str, Fraction | int] = {
            "stmts": totals.statements,
            "miss": totals.missing,
            "branch": totals.branches,
            "brpart": totals.partial_branches,
            "cover": totals.percent_covered,
        }
        return figures[column], file.path

    def by_name(file: FileReport) -> tuple[list[str | int], str]:
        chunks = re.split(r"(\d+)", file.path)
        return [int(text) if at % 2 else text for at, text in enumerate(chunks)], file.path

    if column == "name":
        return sorted(files, key=by_name, reverse=option.startswith("-"))
    return sorted(files, key=by_number, reverse=option.startswith("-"))


def _end_lines(report: Report) -> list[str]:
    skipped = [file for file in report.files if _is_skipped(file, report)]
    covered = sum(_is_complete(file) for file in skipped) if report.style.skip_covered else 0
    empty = len(skipped) - covered
    lines = []
    if covered:
        files = "file" if covered == 1 else "files"
        lines.append(f"\n{covered} {files} skipped due to complete coverage.")
    if empty:
        files = "file" if empty == 1 else "files"
        lines.append(f"\n{empty} empty {files} skipped.")
    return lines
