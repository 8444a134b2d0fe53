"""What a measurement still says of a text that was edited since. Pure.

Lines are compared by their code: comments, blank lines and the white space between tokens don't
count, so a line that only moved up or down keeps its coverage, and so does one whose comment was
edited. Only a comment that excludes code from coverage counts as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from covsync.model import Branch, FileReport

if TYPE_CHECKING:
    import ast

# Wider than coverage.py's default, as projects set their own: better one run too many.
EXCLUDING = re.compile(r"#.*\b(pragma|no ?cover|no ?branch|nocov|pytype|type:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Carried:
    """A file's report in the lines of its new text, and those of its lines no test has seen."""

    report: FileReport
    unmeasured: tuple[int, ...]


def carried(report: FileReport, old: bytes, new: bytes) -> Carried:
    """What ``report``, made of the text ``old``, says of the text ``new``."""
    import difflib

    before, after = _code_lines(old), _code_lines(new)
    if before is None or after is None:
        before, after = _raw_lines(old), _raw_lines(new)
    stays = {}
    matcher = difflib.SequenceMatcher(
        None, [code for _, code in before], [code for _, code in after], autojunk=False
    )
    for block in matcher.get_matching_blocks():
        for at in range(block.size):
            stays[before[block.a + at][0]] = after[block.b + at][0]
    fresh = set(stays.values())
    changed = [line for line, _ in after if line not in fresh]
    unmeasured = _holding_statements(new, changed)
    return Carried(_moved(report, stays), unmeasured)


def unmeasured_statements(text: bytes) -> tuple[int, ...]:
    """The lines of a text no test has seen that hold statements."""
    lines = _code_lines(text)
    return _holding_statements(text, [line for line, _ in lines or _raw_lines(text)])


def _code_lines(text: bytes) -> list[tuple[int, str]] | None:
    """Each line that has code, by its number from 1, as its tokens one space apart.

    ``None`` for a text that is no Python, or newer than the Python this runs on.
    """
    import io
    import tokenize

    layout = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    parts: dict[int, list[str]] = {}
    depth = 0
    try:
        for token in tokenize.tokenize(io.BytesIO(text).readline):
            if token.type == tokenize.INDENT:
                depth += 1
            elif token.type == tokenize.DEDENT:
                depth -= 1
            if token.type in (*layout, tokenize.ENCODING) or (
                token.type == tokenize.COMMENT and not EXCLUDING.search(token.string)
            ):
                continue
            first = token.start[0]
            for at, piece in enumerate(token.string.split("\n")):
                line = parts.setdefault(first + at, [str(depth)] if at == 0 else [])
                line.append(piece.rstrip("\r"))
    except (SyntaxError, tokenize.TokenError, UnicodeDecodeError):
        return None
    return [(line, " ".join(pieces)) for line, pieces in sorted(parts.items())]


def _raw_lines(text: bytes) -> list[tuple[int, str]]:
    """Each line that is not blank, nor a comment that does nothing, by its number from 1."""
    lines = enumerate(text.decode(errors="surrogateescape").splitlines(), 1)
    return [
        (at, line.rstrip())
        for at, line in lines
        if line.strip() and (not line.lstrip().startswith("#") or EXCLUDING.search(line))
    ]


def _holding_statements(text: bytes, lines: Iterable[int]) -> tuple[int, ...]:
    """Those of the lines that are part of a statement: not of a docstring, nor ``else:``.

    A text that this Python cannot parse is taken to hold statements in all of them.
    """
    import ast

    lines = sorted(lines)
    if not lines:
        return ()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return tuple(lines)
    holding: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not _is_silent(node):
            holding.update(_own_lines(node))
    return tuple(line for line in lines if line in holding)


def _is_silent(node: ast.stmt) -> bool:
    """Whether coverage.py counts no statement for it: docstrings, ``global``, ``nonlocal``."""
    import ast

    if isinstance(node, ast.Global | ast.Nonlocal):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _own_lines(node: ast.stmt) -> range:
    """The lines of a statement, or of a compound statement's head."""
    import ast

    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    body = getattr(node, "body", None)
    if isinstance(node, ast.Match):
        body = node.cases[0].body
    last = node.end_lineno or node.lineno
    if body:
        last = max(node.lineno, min(body[0].lineno, *_decorators(body[0])) - 1)
    return range(first, last + 1)


def _decorators(node: ast.stmt) -> list[int]:
    return [node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]


def _moved(report: FileReport, stays: dict[int, int]) -> FileReport:
    """The report with the lines that stay, by their new numbers; the others are left out."""

    def lines(old: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(stays[line] for line in old if line in stays))

    def branches(old: Iterable[Branch]) -> tuple[Branch, ...]:
        pairs = ((stays[a], stays.get(b, b) if b > 0 else b) for a, b in old if a in stays)
        return tuple(sorted(pairs))

    moved = replace(
        report,
        executed_lines=lines(report.executed_lines),
        missing_lines=lines(report.missing_lines),
        excluded_lines=lines(report.excluded_lines),
        missing_branches=branches(report.missing_branches),
        executed_branches=branches(report.executed_branches),
    )
    return replace(moved, totals=moved.counted())
