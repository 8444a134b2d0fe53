"""The Markdown table, byte for byte what ``coverage report`` prints.

``coverage report --format=markdown --show-missing`` would analyse every source again; this
renders the analysis there is. The rules are those of ``coverage.report.SummaryReporter``, which
changed twice in the range of versions that covsync supports. One thing is stricter here: what
would break the table or inject into it is replaced or escaped whatever coverage.py does with it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from fractions import Fraction

from covsync.model import FileReport, Report, Totals, shown_name

TOTAL_ON_THE_LEFT = (7, 13, 0)
ESCAPES_ALL_PUNCTUATION = (7, 13, 5)

PUNCTUATION = str.maketrans(
    {char: f"\\{char}" for char in string.punctuation if char not in ".,/-"}
)
UNDERSCORE = str.maketrans({"_": "\\_"})
UNSAFE = re.compile(r"[^\w .,/>~+=@%:;-]")


def markdown_table(report: Report) -> str:
    """The table with its header, its rows and TOTAL, each line ended."""
    header = ["Name", "Stmts", "Miss", *(["Branch", "BrPart"] if report.has_branches else [])]
    header += ["Cover", "Missing"]
    shown = [each for each in report.files if not _is_skipped(each, report)]
    rows = [_row(each, report) for each in _in_order(shown, report)]
    total = ["TOTAL", *_counts(report.totals, report), report.shown_total(), ""]

    texts = [[_escaped(str(value), report) for value in row] for row in rows]
    name_width = max([len("**TOTAL**"), *(len(row[0]) for row in texts)]) + 1
    cover_width = max(len(report.shown_total()) + 6, len(" Cover "))
    widths = [9] * (len(header) - 3) + [cover_width, 10]

    cells = [f"| {header[0]:{name_width}}|"]
    cells += [f"{text:>{width}} |" for text, width in zip(header[1:], widths, strict=True)]
    lines = ["".join(cells), _rule([len(cell) for cell in cells])]
    for name, *values in texts:
        values[-2] += "%"
        padded = [f"{text:>{width}} |" for text, width in zip(values, widths, strict=True)]
        lines.append(f"| {name:{name_width}}|" + "".join(padded))
    bold = [f" **{text}**" for text in [*map(str, total[:-2]), f"{total[-2]}%"]] + [""]
    side = "<" if report.coverage_version >= TOTAL_ON_THE_LEFT else ">"
    padded = [f"{text:>{width}} |" for text, width in zip(bold[1:], widths, strict=True)]
    lines.append(f"|{bold[0]:{side}{name_width}} |" + "".join(padded))
    lines += _end_lines(report)
    return "".join(f"{line}\n" for line in lines)


def _rule(widths: Sequence[int]) -> str:
    name, *others = widths
    parts = ["- |".rjust(name - 1, "-"), *("-: |".rjust(width - 1, "-") for width in others)]
    return "|" + " ".join(parts)


def _counts(totals: Totals, report: Report) -> list[int]:
    branches = [totals.branches, totals.partial_branches] if report.has_branches else []
    return [totals.statements, totals.missing, *branches]


def _row(file: FileReport, report: Report) -> list[str | int]:
    name = shown_name(file.path)
    shown = file.totals.shown(report.style.precision)
    return [name, *_counts(file.totals, report), shown, file.missing_text()]


def escaped(text: str) -> str:
    """``text`` for a table's cell: no character of it means anything to Markdown."""
    return text.translate(PUNCTUATION)


def _escaped(text: str, report: Report) -> str:
    escapes_all = report.coverage_version >= ESCAPES_ALL_PUNCTUATION or UNSAFE.search(text)
    return escaped(text) if escapes_all else text.translate(UNDERSCORE)


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
