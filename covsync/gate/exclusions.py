"""Whether coverage.py's exclusions match the same statements in two texts of a file. Pure.

Its exclusions are regular expressions over the raw text, comments included, and a match may span
several lines. They are evaluated as coverage.py does, and compared by logical lines.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from covsync.gate.logical_lines import (
    LogicalLine,
    coverage_source,
    logical_lines,
    universal_newlines,
)
from covsync.gate.parsed_text import parsed
from covsync.gate.text import paired_lines


class _Read(NamedTuple):
    """A text as coverage.py reads it, its logical lines, and where those begin by line."""

    source: str
    lines: Sequence[LogicalLine]
    starts: Mapping[int, int]


def match_alike(old: bytes, new: bytes, groups: Sequence[Sequence[str]]) -> bool:
    """Whether each group of regular expressions matches the same statements in both texts.

    They are the same by ``same_text``. A group is joined to one expression, as coverage.py does
    with ``exclude_lines`` and ``exclude_also``. Not alike is what cannot be evaluated here: an
    expression that ``re`` does not compile, a text that cannot be tokenized.
    """
    if universal_newlines(old) == universal_newlines(new):
        return True
    pairs = paired_lines(old, new)
    before, after = _read(old), _read(new)
    if pairs is None or before is None or after is None:
        return False
    statements = [pair for pair in pairs if not pair.is_docstring]
    for group in groups:
        pattern = _compiled(group)
        if pattern is None:
            return False
        there, here = _matched(pattern, before), _matched(pattern, after)
        if any((pair.old.first in there) != (pair.new.first in here) for pair in statements):
            return False
        if _by_layout(before.lines, there) != _by_layout(after.lines, here):
            return False
    return True


def _read(text: bytes) -> _Read | None:
    """``None`` where the text cannot be tokenized, or coverage.py sees other lines than Python.

    It takes form feeds for spaces, so that they indent.
    """
    source, python = coverage_source(text), parsed(text)
    lines = python.lines if source == python.source else logical_lines(source)
    if source is None or lines is None or _outline(lines) != _outline(python.lines or ()):
        return None
    starts = {at: line.first for line in lines for at in range(line.first, line.last + 1)}
    return _Read(source, lines, starts)


def _outline(lines: Iterable[LogicalLine]) -> Sequence[tuple[int, int, int]]:
    return [(line.first, line.last, line.depth) for line in lines]


def _compiled(group: Sequence[str]) -> re.Pattern[str] | None:
    """The group as one expression, as coverage.py joins it."""
    joined = group[0] if len(group) == 1 else "|".join(f"(?:{each})" for each in group)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(joined, re.MULTILINE)
        except (re.error, OverflowError, RecursionError):
            return None


def _matched(pattern: re.Pattern[str], text: _Read) -> frozenset[int]:
    """The lines that a match touches, those of a logical line by its first one."""
    if not pattern.pattern:  # coverage.py takes an empty group for none, or for all lines
        return frozenset()
    source, starts = text.source, text.starts
    found: set[int] = set()
    at, line = 0, 1
    for match in pattern.finditer(source):
        line += source.count("\n", at, match.start())
        at = match.start()
        last = line + source.count("\n", at, match.end())
        found.update(starts.get(each, each) for each in range(line, last + 1))
    return frozenset(found)


def _by_layout(lines: Sequence[LogicalLine], matched: frozenset[int]) -> Sequence[object]:
    """Of exclusions that coverage.py carries on by physical lines, all that they depend on."""
    definitions = list(_decorated(lines, matched))
    carried = matched.union(first for first, is_matched, _ in definitions if is_matched)
    return [facts for _, *facts in definitions], list(_cases(lines, carried))


def _decorated(
    lines: Sequence[LogicalLine], matched: frozenset[int]
) -> Iterator[tuple[int, bool, Sequence[int]]]:
    """For each decorated definition its line, and whether a match excludes the whole of it.

    One does on any line, a comment's as well, from where the first decorator's expression begins,
    and from there it is excluded. That may be within the decorator's logical line; then its rows
    follow.
    """
    first: LogicalLine | None = None
    for line in lines:
        if line.tokens[0].string == "@":
            first = first or line
        elif first:
            is_matched = any(at in matched for at in range(first.first, line.first + 1))
            within = is_matched and _expression_row(first) > 0
            yield line.first, is_matched, first.rows if within else ()
            first = None


def _expression_row(decorator: LogicalLine) -> int:
    """On which of the decorator's lines its expression begins, brackets around it aside."""
    rows = zip(decorator.tokens, decorator.rows, strict=True)
    return next((row for token, row in rows if token.string not in ("@", "(")), 0)


def _cases(lines: Sequence[LogicalLine], matched: frozenset[int]) -> Iterator[object]:
    """For each ``case`` with a match in its suite alone, the layout of both.

    coverage.py excludes the ``case`` too where each physical line of the suite is excluded, which
    a statement over several lines prevents.
    """
    for at, line in enumerate(lines):
        if line.tokens[0].string == "case" and line.first not in matched:
            suite = _suite(lines, at)
            if any(each.first in matched for each in suite):
                yield [each.rows if each.last > each.first else () for each in (line, *suite)]


def _suite(lines: Sequence[LogicalLine], at: int) -> Sequence[LogicalLine]:
    """The lines after that at an index that are indented deeper."""
    depth = lines[at].depth
    return list(takewhile(lambda line: line.depth > depth, lines[at + 1 :]))
