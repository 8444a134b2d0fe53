"""What the syntax tree of a text says of each of its logical lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from covsync.gate.logical_lines import LogicalLine, decoded, logical_lines

if TYPE_CHECKING:
    import ast

# What begins a logical line for which the tree has no node, or none that sets it apart from others.
CLAUSES = frozenset(("elif", "else", "except", "finally", "case", "@"))
# The parts of a statement or clause that have logical lines of their own, or may have.
SUITES = frozenset(("body", "orelse", "finalbody", "handlers", "cases", "decorator_list"))
# `u"x"` is `"x"`, and a type comment is a comment.
WITHOUT_EFFECT = frozenset(("kind", "type_comment"))


@lru_cache(maxsize=2)
def parsed(text: bytes) -> ParsedText:
    """The text, read once for all that is asked of a pair in a row."""
    return ParsedText(text)


class ParsedText:
    """A text's logical lines, and on demand its syntax tree."""

    def __init__(self, text: bytes) -> None:
        self.source = decoded(text)
        self.lines = logical_lines(self.source)

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree; ``None`` where this Python cannot parse the text."""
        import ast
        import warnings

        if self.source is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(self.source)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None

    @cached_property
    def docstrings(self) -> frozenset[int]:
        """The first lines of the logical lines that hold a docstring and nothing else."""
        return self._docstring_lines - self.shared_docstrings

    @cached_property
    def shared_docstrings(self) -> frozenset[int]:
        """The first lines of the logical lines that hold a docstring and other code."""
        return frozenset(line for line in self._docstring_lines if len(self._nodes[line]) > 1)

    def content(self, line: LogicalLine, *, docstrings: bool) -> tuple[str, Sequence[object]]:
        """What the tree says of a logical line: its clause's keyword, and its statements.

        Docstrings are left out unless ``docstrings``.
        """
        keyword = line.tokens[0].string
        return keyword if keyword in CLAUSES else "", [
            part
            for node in self._nodes.get(line.first, ())
            if docstrings or id(node) not in self._docstring_nodes
            for part in _flattened(node)
        ]

    @cached_property
    def ends_in_one_line_definition(self) -> bool:
        """Whether line 1 begins a function or class on one logical line, and no code follows.

        Then coverage.py takes leaving the module, which it numbers 1 wherever it begins, and
        leaving the function for one; anywhere else it counts two branches.
        """
        import ast

        if self.tree is None or not self.lines or self.lines[0].first != 1:
            return False
        node, *rest = self.tree.body
        return (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and self._first(node) == self._first(node.body[0])
            and not any(map(_may_run, rest))
        )

    @cached_property
    def _firsts(self) -> Mapping[int, int]:
        lines = self.lines or ()
        return {at: line.first for line in lines for at in range(line.first, line.last + 1)}

    def _first(self, node: ast.AST) -> int:
        """The first line of the logical line on which a statement, clause or expression begins."""
        import ast

        at = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno  # type: ignore[attr-defined]
        return self._firsts.get(at, at)

    @cached_property
    def _nodes(self) -> Mapping[int, list[ast.AST]]:
        """Statements, clauses and decorators, by the first line of their logical lines."""
        found: dict[int, list[ast.AST]] = {}
        for node in _statements(self.tree):
            found.setdefault(self._first(node), []).append(node)
        return found

    @cached_property
    def _docstring_nodes(self) -> Mapping[int, ast.stmt]:
        """The docstrings' statements, by their identity."""
        import ast

        owners = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        bodies = [
            node.body for node in (self.tree, *_statements(self.tree)) if isinstance(node, owners)
        ]
        return {id(body[0]): body[0] for body in bodies if body and _is_string(body[0])}

    @cached_property
    def _docstring_lines(self) -> frozenset[int]:
        return frozenset(map(self._first, self._docstring_nodes.values()))


def _is_string(node: ast.stmt) -> bool:
    import ast

    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _may_run(node: ast.stmt) -> bool:
    """Whether a statement may have bytecode, on some Python."""
    import ast

    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return not (
        isinstance(node, ast.Global)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )


def _statements(tree: ast.Module | None) -> Iterator[ast.AST]:
    """The statements, ``except`` and ``case`` clauses and decorators of a tree, in order."""
    ahead: list[ast.AST] = [] if tree is None else [*reversed(tree.body)]
    while ahead:
        node = ahead.pop()
        yield node
        for field in reversed(node._fields):
            if field in SUITES:
                inner = getattr(node, field)
                # A lambda, which may decorate, has a `body` that is no suite.
                if isinstance(inner, list):
                    ahead += reversed(inner)


def _flattened(node: ast.AST) -> Iterator[object]:
    """A statement without its suites, or a decorator, part by part: equal only for the same."""
    import ast

    ahead: list[object] = [node]
    if not isinstance(node, ast.expr):
        yield type(node)
        ahead = [getattr(node, field, None) for field in node._fields if field not in SUITES]
    if isinstance(node, ast.Delete):
        ahead = [list(_without_tuples(node.targets))]
    while ahead:
        part = ahead.pop()
        if isinstance(part, ast.AST):
            yield type(part)
            ahead += [
                getattr(part, field, None) for field in part._fields if field not in WITHOUT_EFFECT
            ]
        elif isinstance(part, list):
            yield len(part)
            ahead += part
        else:
            yield type(part), part


def _without_tuples(targets: Sequence[ast.expr]) -> Iterator[ast.expr]:
    """What is deleted: `del (a, b)` is `del a, b`, as formatters write it."""
    import ast

    ahead = [*reversed(targets)]
    while ahead:
        target = ahead.pop()
        if isinstance(target, ast.Tuple):
            ahead += reversed(target.elts)
        else:
            yield target
