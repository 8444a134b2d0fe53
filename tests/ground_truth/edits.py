"""What people do to a Python file, one step at a time: a text and a number in, a text out.

The number says which statement, comment or definition; it counts round. An edit that does not apply
leaves the text as it is.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable

Edit = Callable[[str, int], str]

ADDED = (
    "extra = 1",
    "extra = 2 if __name__ else 3",
    "if __name__ == 'nobody':\n    extra = 4",
    "for extra in range(2):\n    if extra > 5:\n        break\nelse:\n    extra = 6",
    "assert __name__",
    "pass",
    "(lambda: 7)()",
    "raise RuntimeError('added')",
)
COMMENTS = (
    "# a remark",
    "# pragma: no cover",
    "# pragma: no branch",
    "# region off",
    "# region on",
    "# pragma: exclude file",
)
SUITES = ("body", "orelse", "finalbody")


def remove_statement(text: str, n: int) -> str:
    """A statement that has others beside it."""
    spans = [span for suite in _suites(text) if len(suite) > 1 for span in map(_span, suite)]
    return _without(text, *_chosen(spans, n)) if spans else text


def remove_else(text: str, n: int) -> str:
    """The ``else`` or ``finally`` of a statement, an ``elif`` aside."""
    lines = text.splitlines()
    found = []
    for node in ast.walk(ast.parse(text)):
        for suite in (getattr(node, "orelse", None), getattr(node, "finalbody", None)):
            if isinstance(suite, list) and suite:
                first, last = _span(suite[0])[0], _span(suite[-1])[1]
                if lines[first - 2].strip() in ("else:", "finally:"):
                    found.append((first - 1, last))
    return _without(text, *_chosen(found, n)) if found else text


def remove_condition(text: str, n: int) -> str:
    """An ``if`` without others, a loop's or a ``with``'s header: its body remains."""
    found = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.If, ast.For, ast.While)) and not node.orelse
    ]
    if not found:
        return text
    node = found[n % len(found)]
    first, last = node.body[0].lineno, node.end_lineno or 0
    if first == node.lineno:
        return text
    lines = text.splitlines()
    depth = node.body[0].col_offset - node.col_offset
    body = [line[depth:] if line[:depth].isspace() else line for line in lines[first - 1 : last]]
    return _checked(text, [*lines[: node.lineno - 1], *body, *lines[last:]])


def remove_decorator(text: str, n: int) -> str:
    found = [
        each
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for each in node.decorator_list
    ]
    if not found:
        return text
    node = found[n % len(found)]
    return _without(text, node.lineno, node.end_lineno or 0)


def add_statement(text: str, n: int) -> str:
    """A statement before another one."""
    statements = [each for suite in _suites(text) for each in suite]
    if not statements:
        return f"{text}{ADDED[n % len(ADDED)]}\n"
    node = statements[n // len(ADDED) % len(statements)]
    indent = " " * node.col_offset
    added = [indent + line for line in ADDED[n % len(ADDED)].split("\n")]
    lines, at = text.splitlines(), _span(node)[0] - 1
    return _checked(text, [*lines[:at], *added, *lines[at:]])


def change_number(text: str, n: int) -> str:
    """A number or a comparison."""
    found = [*re.finditer(r"\b\d\b|[<>](?==)|[<>](?!=)", text)]
    if not found:
        return text
    match = found[n % len(found)]
    other = {"<": ">", ">": "<"}.get(match[0]) or str((int(match[0]) + 1) % 10)
    return _checked(text, (text[: match.start()] + other + text[match.end() :]).splitlines())


def swap_definitions(text: str, n: int) -> str:
    """Two functions or classes of a module, one of which follows the other."""
    nodes = ast.parse(text).body
    pairs = [
        (_span(one), _span(two))
        for one, two in itertools.pairwise(nodes)
        if isinstance(one, (ast.FunctionDef, ast.ClassDef))
        and isinstance(two, (ast.FunctionDef, ast.ClassDef))
    ]
    if not pairs:
        return text
    (a, b), (c, d) = pairs[n % len(pairs)]
    lines = text.splitlines()
    new = [*lines[: a - 1], *lines[c - 1 : d], *lines[b : c - 1], *lines[a - 1 : b], *lines[d:]]
    return _checked(text, new)


def rename_definition(text: str, n: int) -> str:
    """A function or class of a module, with all that calls it in this file."""
    names = [
        node.name
        for node in ast.parse(text).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    ]
    if not names:
        return text
    name = names[n % len(names)]
    return re.sub(rf"\b{name}\b", f"{name}_{n % 3}", text)


def change_docstring(text: str, n: int) -> str:
    """A docstring: changed, removed, or made of two lines."""
    found = [
        node.body
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
        and ast.get_docstring(node) is not None
    ]
    if not found:
        return text
    body = found[n % len(found)]
    first, last = _span(body[0])
    lines, indent = text.splitlines(), " " * body[0].col_offset
    others = (['"""Another."""'], ['"""Two', f'{indent}lines."""'], [] if body[1:] else ["pass"])
    new = [(indent if at == 0 else "") + each for at, each in enumerate(others[n // 7 % 3])]
    return _checked(text, [*lines[: first - 1], *new, *lines[last:]])


def add_comment(text: str, n: int) -> str:
    """A comment on a line of its own, of those that exclude as well."""
    lines = text.splitlines()
    at = n // len(COMMENTS) % (len(lines) + 1)
    after = lines[at] if at < len(lines) else ""
    indent = after[: len(after) - len(after.lstrip())]
    return _checked(text, [*lines[:at], indent + COMMENTS[n % len(COMMENTS)], *lines[at:]])


def add_trailing_comment(text: str, n: int) -> str:
    """A comment behind a line of code."""
    lines = text.splitlines()
    places = [at for at, line in enumerate(lines) if line.strip() and "#" not in line]
    if not places:
        return text
    at = places[n // len(COMMENTS) % len(places)]
    lines[at] += f"  {COMMENTS[n % len(COMMENTS)]}"
    return _checked(text, lines)


def remove_comment(text: str, n: int) -> str:
    lines = text.splitlines()
    places = [at for at, line in enumerate(lines) if "#" in line]
    if not places:
        return text
    at = places[n % len(places)]
    rest = lines[at].partition("#")[0].rstrip()
    return _checked(text, [*lines[:at], *([rest] if rest else []), *lines[at + 1 :]])


def add_blank_lines(text: str, n: int) -> str:
    lines = text.splitlines()
    at = n % (len(lines) + 1)
    return _checked(text, [*lines[:at], *[""] * (1 + n % 3), *lines[at:]])


def wrap(text: str, n: int) -> str:
    """Parentheses around what a ``return`` gives, over several lines; or a call's arguments."""
    places = [*re.finditer(r"(?m)^( *)return (?!\()(.+?)(  #.*)?$", text)]
    if not places:
        return text
    match = places[n % len(places)]
    comment = match[3] or ""
    first, last = ("", comment) if n % 2 else (comment, "")
    inner = f"{match[1]}return ({first}\n{match[1]}    {match[2]}\n{match[1]}){last}"
    return _checked(text, (text[: match.start()] + inner + text[match.end() :]).splitlines())


def change_quotes(text: str, _: int) -> str:
    return _checked(text, re.sub(r"'([^'\"\n]*)'", r'"\1"', text).splitlines())


def reindent(text: str, _: int) -> str:
    """Two spaces for each four."""
    return _checked(
        text,
        [re.sub(r"^(    )+", lambda m: m[0][: len(m[0]) // 2], line) for line in text.splitlines()],
    )


def join_lines(text: str, n: int) -> str:
    """An ``if`` and its only statement on one line, or two statements."""
    places = [*re.finditer(r"(?m)^( *)((?:if|for|else)\b[^#\n]*:)\n +([a-z][^#:\n]*)$", text)]
    if not places:
        return text
    match = places[n % len(places)]
    joined = f"{match[1]}{match[2]} {match[3]}"
    return _checked(text, (text[: match.start()] + joined + text[match.end() :]).splitlines())


def skip_test(text: str, n: int) -> str:
    """A test, by a decorator."""
    places = [*re.finditer(r"(?m)^( *)def test_", text)]
    if not places:
        return text
    match = places[n % len(places)]
    return f"{text[: match.start()]}{match[1]}@unittest.skip('later')\n{text[match.start() :]}"


def empty_test(text: str, n: int) -> str:
    """A test without a body."""
    found = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    if not found:
        return text
    node = found[n % len(found)]
    lines, indent = text.splitlines(), " " * node.body[0].col_offset
    start, end = _span(node.body[0])[0], node.end_lineno or 0
    return _checked(text, [*lines[: start - 1], f"{indent}pass", *lines[end:]])


def break_syntax(text: str, n: int) -> str:
    """A line that does not parse."""
    lines = text.splitlines(keepends=True)
    at = n % (len(lines) + 1)
    return "".join([*lines[:at], "def (:\n", *lines[at:]])


CODE: dict[str, Edit] = {
    each.__name__: each
    for each in (
        *(remove_statement, remove_else, remove_condition, remove_decorator, add_statement),
        *(change_number, swap_definitions, rename_definition, join_lines, break_syntax),
    )
}
LAYOUT: dict[str, Edit] = {
    each.__name__: each
    for each in (
        *(add_comment, add_trailing_comment, remove_comment, add_blank_lines, wrap, change_quotes),
        *(reindent, change_docstring),
    )
}
TEST: dict[str, Edit] = {
    each.__name__: each for each in (remove_statement, skip_test, empty_test, change_number)
}
EDITS = {**CODE, **LAYOUT, **TEST}


def _suites(text: str) -> list[list[ast.stmt]]:
    return [
        suite
        for node in ast.walk(ast.parse(text))
        for field in SUITES
        for suite in [getattr(node, field, None)]
        if isinstance(suite, list) and suite and isinstance(suite[0], ast.stmt)
    ]


def _span(node: ast.stmt) -> tuple[int, int]:
    """The first line, decorators included, and the last."""
    starts = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
    return min(starts), node.end_lineno or 0


def _chosen(spans: list[tuple[int, int]], n: int) -> tuple[int, int]:
    return sorted(spans)[n % len(spans)]


def _without(text: str, first: int, last: int) -> str:
    lines = text.splitlines()
    return _checked(text, [*lines[: first - 1], *lines[last:]])


def _checked(text: str, lines: list[str]) -> str:
    """The new text, or the old one where the new does not parse."""
    new = "".join(f"{line}\n" for line in lines)
    try:
        ast.parse(new)
    except SyntaxError:
        return text
    return new
