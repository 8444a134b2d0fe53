"""The logical lines of a Python text, as ``tokenize`` finds them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tokenize


class LogicalLine(NamedTuple):
    """A logical line: its first and last physical line, how deep it is indented, and its tokens.

    Comments, line breaks and indentation are no part of ``tokens``.
    """

    first: int
    last: int
    depth: int
    tokens: Sequence[tokenize.TokenInfo]

    @property
    def code(self) -> list[tuple[int, str]]:
        """What the line says, whatever its layout: the type and the string of each token."""
        return [(token.type, token.string) for token in self.tokens]

    @property
    def rows(self) -> list[int]:
        """For each token the physical line it begins on, counted from the line's first one."""
        return [token.start[0] - self.first for token in self.tokens]


def universal_newlines(text: bytes) -> bytes:
    r"""The text with ``\n`` for each line end, as Python reads it."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def decoded(text: bytes) -> str | None:
    """The text as Python decodes it, with a final newline; ``None`` where Python cannot."""
    return _decoded(universal_newlines(text), "strict")


def coverage_source(text: bytes) -> str | None:
    """The text as coverage.py decodes it to parse it; ``None`` where it cannot.

    Other than for Python a form feed is a space, and what cannot be decoded is replaced.
    """
    return _decoded(universal_newlines(text).replace(b"\f", b" "), "replace")


def _decoded(text: bytes, errors: str) -> str | None:
    import tokenize

    try:
        encoding = tokenize.detect_encoding(iter(text.splitlines(keepends=True)).__next__)[0]
        source = text.decode(encoding, errors)
    except (SyntaxError, ValueError, LookupError):
        return None
    return source if source.endswith("\n") or not source else source + "\n"


def logical_lines(source: str | None) -> tuple[LogicalLine, ...] | None:
    """The logical lines in order; ``None`` where the text cannot be tokenized."""
    import io
    import tokenize

    if source is None:
        return None
    found: list[LogicalLine] = []
    tokens: list[tokenize.TokenInfo] = []
    depth = 0
    layout = {tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.ENDMARKER}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = token.type
            if kind == tokenize.INDENT:
                depth += 1
            elif kind == tokenize.DEDENT:
                depth -= 1
            elif kind not in layout:
                tokens.append(token)
            elif kind == tokenize.NEWLINE and tokens:
                found.append(LogicalLine(tokens[0].start[0], token.end[0], depth, tokens))
                tokens = []
    except (SyntaxError, tokenize.TokenError):
        return None
    return tuple(found)
