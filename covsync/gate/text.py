"""Whether two texts of a Python file are the same but for layout, comments and docstrings. Pure.

They are the same where their syntax trees are, and the same statements share each logical line, as
coverage.py counts lines. Logical lines are compared by their tokens; where these differ, as for
quotes and parentheses, by what the syntax tree says of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from covsync.gate.logical_lines import (
    LogicalLine,
    coverage_source,
    logical_lines,
    universal_newlines,
)
from covsync.gate.parsed_text import ParsedText, parsed


def same_text(old: bytes, new: bytes, *, docstrings: bool) -> bool:
    """Whether both have the same syntax tree, with the same statements on each logical line.

    Docstrings count only where ``docstrings``. Of texts that this Python cannot parse the tokens
    are compared, and where it cannot tokenize them, the bytes.
    """
    if universal_newlines(old) == universal_newlines(new):
        return True
    before, after = parsed(old), parsed(new)
    if before.lines is None or after.lines is None:
        return False
    if _differ_in_comments_alone(before.lines, after.lines):
        return True
    return (
        _first_unlike(before, after, docstrings=docstrings) is None
        and before.ends_in_one_line_definition == after.ends_in_one_line_definition
    )


class Pair(NamedTuple):
    """A logical line of an old text, and the one of the new text that holds the same.

    ``is_docstring`` where that is a docstring and nothing else.
    """

    old: LogicalLine
    new: LogicalLine
    is_docstring: bool


def paired_lines(old: bytes, new: bytes) -> Sequence[Pair] | None:
    """The logical lines of two texts that are the same by ``same_text``, in order.

    A docstring that only one of them has is left out. ``None`` where they cannot be tokenized.
    """
    before, after = parsed(old), parsed(new)
    if before.lines is None or after.lines is None:
        return None
    there, here = _placed(before), _placed(after)
    return [Pair(line, here[place], place[1]) for place, line in there.items() if place in here]


def moved_lines(old: bytes, new: bytes) -> Mapping[int, int]:
    """For each line of a logical line of ``old``, its line in ``new``.

    Both are the same by ``same_text``. The first line of a logical line becomes the first line of
    its counterpart, and none goes beyond the end of that.
    """
    pairs = paired_lines(old, new)
    if pairs is None:
        return {line: line for line in range(1, len(old.splitlines()) + 1)}
    return {
        line: min(there.new.first + line - there.old.first, there.new.last)
        for there in pairs
        for line in range(there.old.first, there.old.last + 1)
    }


def first_difference(old: bytes, new: bytes) -> int:
    """The line of ``new`` where the first difference begins, of two texts that are not the same.

    Where statements were only removed, that is the line where they would be. A docstring is named
    only where no statement differs.
    """
    before, after = parsed(old), parsed(new)
    if before.lines is None or after.lines is None:
        return _first_unlike_physical_line(old, new)
    for docstrings in (False, True):
        at = _first_unlike(before, after, docstrings=docstrings)
        if at is not None:
            _, lines = _compared(before, after, docstrings=docstrings)
            return lines[at].first if at < len(lines) else _end(lines, new)
    return after.lines[0].first if after.lines else 1


def statement_starts(text: bytes) -> Mapping[int, int]:
    """For each line that continues a logical line, the first line of that.

    This is coverage.py's own map, without the first lines themselves. Empty where the text cannot
    be tokenized.
    """
    lines = logical_lines(coverage_source(text)) or ()
    return {at: line.first for line in lines for at in range(line.first + 1, line.last + 1)}


def has_statements(text: bytes) -> bool:
    """Whether there is more than comments and a module's docstring, which coverage.py counts not.

    A text that cannot be parsed may have some.
    """
    read = parsed(text)
    if read.tree is None or read.lines is None:
        return True
    return any(line.first not in read.docstrings for line in read.lines)


def _differ_in_comments_alone(old: Sequence[LogicalLine], new: Sequence[LogicalLine]) -> bool:
    """Whether nothing but lines without code came or went, and that leaves coverage.py alone."""
    return (
        len(old) == len(new)
        and all(
            a.depth == b.depth and a.code == b.code and a.rows == b.rows
            for a, b in zip(old, new, strict=True)
        )
        and (not old or (old[0].first == 1) == (new[0].first == 1))
    )


def _compared(
    old: ParsedText, new: ParsedText, *, docstrings: bool
) -> tuple[Sequence[LogicalLine], Sequence[LogicalLine]]:
    """The logical lines of both that count."""
    before, after = old.lines or (), new.lines or ()
    if docstrings or old.tree is None or new.tree is None:
        return before, after
    return (
        [line for line in before if line.first not in old.docstrings],
        [line for line in after if line.first not in new.docstrings],
    )


def _first_unlike(old: ParsedText, new: ParsedText, *, docstrings: bool) -> int | None:
    """Which of the new text's logical lines that count is the first that differs; ``None``: none.

    It may be the one after the last.
    """
    before, after = _compared(old, new, docstrings=docstrings)
    for at, (there, here) in enumerate(zip(before, after)):  # noqa: B905 - one may be longer
        if not _alike(old, there, new, here, docstrings=docstrings):
            return at
    return None if len(before) == len(after) else min(len(before), len(after))


def _alike(
    old: ParsedText, there: LogicalLine, new: ParsedText, here: LogicalLine, *, docstrings: bool
) -> bool:
    if there.depth != here.depth:
        return False
    if there.code == here.code and there.rows == here.rows:
        return True
    if old.tree is None or new.tree is None:
        return there.code == here.code
    is_shared = there.first in old.shared_docstrings
    if is_shared != (here.first in new.shared_docstrings):
        return False
    # coverage.py leaves out each physical line of a docstring, whatever else begins on it.
    if is_shared and there.rows != here.rows:
        return False
    return there.code == here.code or old.content(there, docstrings=docstrings) == new.content(
        here, docstrings=docstrings
    )


def _placed(text: ParsedText) -> Mapping[tuple[int, bool], LogicalLine]:
    """Each logical line by how many come before it that are no docstring, and whether it is one."""
    placed: dict[tuple[int, bool], LogicalLine] = {}
    count = 0
    for line in text.lines or ():
        is_docstring = line.first in text.docstrings
        placed[count, is_docstring] = line
        count += not is_docstring
    return placed


def _end(lines: Sequence[LogicalLine], text: bytes) -> int:
    """The line after the last logical line, or the text's last line."""
    after = lines[-1].last + 1 if lines else 1
    return max(1, min(after, len(universal_newlines(text).splitlines())))


def _first_unlike_physical_line(old: bytes, new: bytes) -> int:
    before, after = (universal_newlines(text).split(b"\n") for text in (old, new))
    for at, (there, here) in enumerate(zip(before, after), 1):  # noqa: B905 - one may be longer
        if there != here:
            return at
    return max(1, min(len(before), len(universal_newlines(new).splitlines())))
