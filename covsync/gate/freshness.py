"""What a measurement still says of a text that was edited since. Pure.

Texts are compared by their logical lines, token by token: comments, blank lines, line breaks within
brackets and other white space don't count, so a line that only moved up or down keeps its coverage,
and so does one that was laid out anew. Only a comment that excludes code from coverage counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from covsync.model import Branch, FileReport, Lines

# Wider than coverage.py's defaults, as projects set their own: better one run too many.
EXCLUDING = re.compile(r"#.*\b(pragma|no ?cover|no ?branch|nocov)", re.IGNORECASE)
# Logical lines in which coverage.py sees no statement. `else:` is none either, but where it comes
# or goes, other lines run.
STRING = r"""[rRuUbB]*('[^']*'|"[^"]*"|'''.*'''|\"\"\".*\"\"\")"""
SILENT = re.compile(rf"(global|nonlocal) .*|({STRING} ?)+", re.DOTALL)


class Carried(NamedTuple):
    """A file's report in the lines of its new text, and those of its lines no test has seen."""

    report: FileReport
    unmeasured: tuple[int, ...]


class _Logical(NamedTuple):
    """A logical line: its first and last line, how deep it is indented, and its tokens."""

    first: int
    last: int
    depth: int
    code: str


def carried(report: FileReport, old: bytes, new: bytes, exclusions: Iterable[str] = ()) -> Carried:
    """What ``report``, made of the text ``old``, says of the text ``new``.

    ``exclusions`` are the regular expressions by which coverage.py leaves lines out.
    """
    import difflib

    excluding = _excluding(exclusions)
    before, after = _logical_lines(old, excluding), _logical_lines(new, excluding)
    if before is None or after is None:
        before, after = _raw_lines(old, excluding), _raw_lines(new, excluding)
    matcher = difflib.SequenceMatcher(
        None,
        [(line.depth, line.code) for line in before],
        [(line.depth, line.code) for line in after],
        autojunk=False,
    )
    stays: dict[int, int] = {}
    seen: set[int] = set()
    for block in matcher.get_matching_blocks():
        for at in range(block.size):
            there, here = before[block.a + at], after[block.b + at]
            seen.add(here.first)
            for line in range(there.first, there.last + 1):
                stays[line] = min(here.first + line - there.first, here.last)
    return Carried(_moved(report, stays), _statements(x for x in after if x.first not in seen))


def unmeasured_statements(text: bytes) -> tuple[int, ...]:
    """The lines of a text no test has seen that hold statements."""
    return _statements(_logical_lines(text, EXCLUDING) or _raw_lines(text, EXCLUDING))


def _statements(lines: Iterable[_Logical]) -> tuple[int, ...]:
    return tuple(
        number
        for line in lines
        if not SILENT.fullmatch(line.code)
        for number in range(line.first, line.last + 1)
    )


def _excluding(exclusions: Iterable[str]) -> re.Pattern[str]:
    """What a line with a comment that counts as code looks like."""
    try:
        return re.compile(
            "|".join(f"({each})" for each in (EXCLUDING.pattern, *exclusions)), re.IGNORECASE
        )
    except re.error:
        return re.compile("")


def _logical_lines(text: bytes, excluding: re.Pattern[str]) -> list[_Logical] | None:
    """The logical lines that have code, in order.

    ``None`` for a text that is no Python, or newer than the Python this runs on.
    """
    import io
    import tokenize

    ignored = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    found: list[_Logical] = []
    tokens: list[tokenize.TokenInfo] = []
    depth = 0
    try:
        for token in tokenize.tokenize(io.BytesIO(text).readline):
            depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
            if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
                if tokens:
                    code = " ".join(each.string for each in tokens)
                    first, last = tokens[0].start[0], tokens[-1].end[0]
                    found.append(_Logical(first, last, depth, code.replace("\r", "")))
                tokens = []
            elif token.type == tokenize.COMMENT:
                tokens += [token] if excluding.search(token.line) else []
            elif token.type not in ignored:
                tokens.append(token)
    except (SyntaxError, tokenize.TokenError, UnicodeDecodeError):
        return None
    return found


def _raw_lines(text: bytes, excluding: re.Pattern[str]) -> list[_Logical]:
    """Each line that is not blank, nor a comment that does nothing, taken for a logical one."""
    lines = enumerate(text.decode(errors="surrogateescape").splitlines(), 1)
    return [
        _Logical(at, at, 0, line.rstrip())
        for at, line in lines
        if line.strip() and (not line.lstrip().startswith("#") or excluding.search(line))
    ]


def _moved(report: FileReport, stays: dict[int, int]) -> FileReport:
    """The report with the lines that stay, by their new numbers; the others are left out."""

    def lines(old: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted({stays[line] for line in old if line in stays}))

    def branches(old: Iterable[Branch]) -> tuple[Branch, ...]:
        pairs = ((stays[a], stays.get(b, b) if b > 0 else b) for a, b in old if a in stays)
        return tuple(sorted(pairs))

    before = report.lines
    moved = Lines(
        executed=lines(before.executed),
        missing=lines(before.missing),
        excluded=lines(before.excluded),
        missing_branches=branches(before.missing_branches),
        executed_branches=branches(before.executed_branches),
    )
    return FileReport(report.path, moved.counted(), moved)
