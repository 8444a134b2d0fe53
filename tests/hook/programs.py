"""Random Python programs that run, and random layouts of them."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from coverage import Coverage

COVER, BRANCH = "# pragma: no cover", "# pragma: no branch"
REGION = ("# region: off", "# region: on")
EXCLUDE = ["pragma: no cover", "(?s:# region: off.*?# region: on)", r"if TYPE_CHECKING:"]
PARTIAL = ["pragma: no branch", "# no way"]
NOTES = ("# note", "#: 'it'", "# (", "#")
MATCHED = (COVER, BRANCH)


class Line(NamedTuple):
    """A logical line: how deep it is, and its tokens; ``None`` stands where a docstring may."""

    depth: int
    tokens: list[str] | None


class Program:
    """Lines of a random program. It calls ``t`` for values, which raises in the end."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[Line] = []
        self.names = 0
        self.suite(0, 3, in_function=False, in_loop=False)

    def expression(self, deep: int = 2) -> list[str]:
        """Its tokens, ``«`` and ``»`` where parentheses and ``¿`` where a comma may be added."""
        inner = ["t", "(", ")"]
        if deep:
            inner = ["(", *self.expression(deep - 1), ")"]
        forms = [
            ["t", "(", ")"],
            [str(self.random.randrange(9))],
            [self.random.choice(["'a'", "'b c'", "b'x'"])],
            [*inner, "and", "t", "(", ")"],
            [*inner, "if", "t", "(", ")", "else", "None"],
            ["t", "(", *inner, ",", "k", "=", "1", "¿", ")"],
            ["[", "t", "(", ")", "for", "i", "in", "[", "1", ",", "2", "]", "if", *inner, "]"],
            ["lambda", "x", ":", *inner],
            ["{", "'k'", ":", *inner, "¿", "}"],
            ["not", *inner],
            ["[", *inner, ",", "2", "¿", "]"],
        ]
        return ["«", *self.random.choice(forms if deep else forms[:3]), "»"]

    def add(self, depth: int, *tokens: str) -> None:
        self.lines.append(Line(depth, list(tokens)))

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def suite(self, depth: int, size: int, *, in_function: bool, in_loop: bool) -> None:
        for _ in range(self.random.randint(1, size)):
            self.statement(depth, in_function=in_function, in_loop=in_loop)

    def simple(self, *, in_function: bool, in_loop: bool) -> list[str]:
        forms = [
            ["x", "=", *self.expression()],
            ["t", "(", *self.expression(), "¿", ")"],
            ["pass"],
            ["x", ":", "int", "=", *self.expression()],
            ["assert", *self.expression()],
            ["..."],
        ]
        if in_function:
            forms += [["return", *self.expression()], ["return"]]
        if in_loop:
            forms += [["break"], ["continue"]]
        return self.random.choice(forms)

    def statement(  # noqa: C901 - a case a kind
        self, depth: int, *, in_function: bool, in_loop: bool
    ) -> None:
        def simple() -> list[str]:
            return self.simple(in_function=in_function, in_loop=in_loop)

        def body(*header: str, in_loop: bool = in_loop) -> None:
            if self.random.random() < 0.2:
                self.add(depth, *header, ":", *simple())
            elif depth < 3:
                self.add(depth, *header, ":")
                self.suite(depth + 1, 2, in_function=in_function, in_loop=in_loop)
            else:
                self.add(depth, *header, ":")
                self.add(depth + 1, *simple())

        kind = self.random.randrange(14)
        maybe = self.random.random() < 0.5
        if kind < 3:
            self.add(depth, *simple())
        elif kind == 3:
            self.add(depth, *simple(), ";", *simple())
        elif kind in (4, 5):
            self.branches(body)
        elif kind == 6:
            body("while", "t", "(", ")", "and", "(", *self.expression(1), ")", in_loop=True)
            if maybe:
                body("else")
        elif kind == 7:
            body("for", "i", "in", "[", "1", ",", "t", "(", ")", "¿", "]", in_loop=True)
            if maybe:
                body("else")
        elif kind in (8, 9):
            body("try")
            if maybe:
                body("except", "ValueError", "as", "e")
                body("except", "«", "(", "KeyError", ",", "OSError", "¿", ")", "»")
                body("else")
            body("finally")
        elif kind == 10:
            body("with", "c", "(", *self.expression(1), ")", "as", "w")
        elif kind == 11:
            self.match(depth, body)
        else:
            self.definition(depth)

    def branches(self, body: Callable[..., None]) -> None:
        body("if", *self.random.choice([["TYPE_CHECKING"], self.expression(), self.expression()]))
        for _ in range(self.random.randrange(2)):
            body("elif", *self.expression(1))
        if self.random.random() < 0.5:
            body("else")

    def match(self, depth: int, body: Callable[..., None]) -> None:
        self.add(depth, "match", "t", "(", ")", ":")
        start = len(self.lines)
        body("case", "1", "|", "True")
        body("case", "«", "_", "»")
        self.lines[start:] = [Line(depth_ + 1, tokens) for depth_, tokens in self.lines[start:]]

    def definition(self, depth: int) -> None:
        name, random = self.name(), self.random
        for _ in range(random.choice([0, 0, 1, 2])):
            self.add(depth, "@", "«", "d", "»")
        is_class = random.random() < 0.3
        header = [name] if is_class else [name, "(", "a", "=", *self.expression(1), "¿", ")"]
        kind = ["class"] if is_class else random.choice([["def"], ["def"], ["async", "def"]])
        if random.random() < 0.2:
            simple = self.simple(in_function=not is_class, in_loop=False)
            self.add(depth, *kind, *header, ":", *random.choice([simple, simple, ["'text'"]]))
        else:
            self.add(depth, *kind, *header, ":")
            self.lines.append(Line(depth + 1, None))
            if depth < 3:
                self.suite(depth + 1, 2, in_function=not is_class, in_loop=False)
            else:
                self.add(depth + 1, "x", "=", "1")
        if random.random() < 0.7:
            self.add(depth, "run", "(", name, ")")


class Pragmas(NamedTuple):
    """Comments that count: by the index of a line the one at its end, and the ones above it."""

    ends: dict[int, str]
    above: dict[int, str]


def pragmas(random: Random, size: int) -> Pragmas:
    picked = [at for at in range(size) if random.random() < 0.08]
    ends = {at: random.choice(MATCHED) for at in picked if random.random() < 0.7}
    above = {at: random.choice((*REGION, COVER)) for at in picked if random.random() < 0.5}
    return Pragmas(ends, above)


def rendered(program: Program, counting: Pragmas, random: Random) -> str:
    """The program in a random layout; ``counting`` are comments that exclude."""
    found = []
    plain = random.random() < 0.3
    for at, (depth, tokens) in enumerate(program.lines):
        indent = "    " * depth
        while not plain and random.random() < 0.15:
            found.append(random.choice(["", "   ", f"{indent}{random.choice(NOTES)}", "# low"]))
        if at in counting.above:
            found.append(indent + counting.above[at])
        if tokens is None:
            if random.random() < 0.5:
                found.append(
                    indent + random.choice(['"doc"', "'''do\n  c'''", '("doc")', "'else:'"])
                )
            continue
        comment = counting.ends.get(at, "")
        if not comment and not plain and random.random() < 0.1:
            comment = random.choice(NOTES)
        text = " ".join(each for each in tokens if each not in "«»¿")
        if not plain:
            text = joined(list(laid_out(tokens, random)), random)
        found.append(f"{indent}{text}  {comment}".rstrip())
    return "\n".join(found) + random.choice(["", "\n", "\n\n", "\n# end\n"])


def laid_out(tokens: list[str], random: Random) -> Iterator[str]:
    """With optional parentheses, trailing commas and other quotes here and there."""
    open_: list[str] = []
    for each in tokens:
        if each == "«":
            open_.append(")" if random.random() < 0.15 else "")
            yield "(" if open_[-1] else ""
        elif each == "»":
            yield open_.pop()
        elif each == "¿":
            yield "," if random.random() < 0.3 else ""
        elif each.endswith("'") and each != "'text'":
            yield each.replace("'", random.choice("'\""))
        else:
            yield each


def joined(tokens: list[str], random: Random) -> str:
    """With line breaks here and there, in brackets or by a backslash."""
    found, deep = "", 0
    for each in filter(None, tokens):
        draw = random.random()
        if found and deep and draw < 0.1:
            found += random.choice(["\n", "  # in\n", "\n\n  "])
        elif found and not deep and draw < 0.03:
            found += " \\\n  "
        deep += (each in "([{") - (each in ")]}")
        found += f"{each} "
    return found.rstrip()


class Measured(NamedTuple):
    """What coverage.py says of a text that ran: counts, lines by kind, and branches by kind."""

    counts: dict[str, int]
    lines: dict[str, list[int]]
    branches: dict[str, list[tuple[int, int]]]


COUNTS = (
    "num_statements",
    "covered_lines",
    "missing_lines",
    "num_branches",
    "num_partial_branches",
    "covered_branches",
    "missing_branches",
)


def measured(text: str, folder: Path, seed: int) -> Measured:
    """Run the text under coverage.py; ``seed`` is of the values that the program gets."""
    path = folder / "program.py"
    path.write_text(text)
    code = compile(text, path, "exec")
    coverage = Coverage(data_file=None, branch=True, config_file=False, include=[str(path)])
    coverage.set_option("report:exclude_lines", EXCLUDE)
    coverage.set_option("report:partial_branches", PARTIAL)
    names = namespace(seed)
    coverage.start()
    try:
        with contextlib.suppress(Exception):
            exec(code, names)  # noqa: S102 - made here
    finally:
        coverage.stop()
    coverage.json_report(outfile=str(folder / "report.json"))
    [entry] = json.loads((folder / "report.json").read_text())["files"].values()
    return Measured(
        {name: entry["summary"][name] for name in COUNTS},
        {kind: entry[kind] for kind in ("executed_lines", "missing_lines")},
        {
            kind: [(a, b) for a, b in entry[kind]]
            for kind in ("executed_branches", "missing_branches")
        },
    )


def namespace(seed: int) -> dict[str, object]:
    """What a program calls: ``t`` gives values, ``c`` a context, ``d`` decorates, ``run`` runs."""
    values = Random(seed)  # noqa: S311
    calls = itertools.count()

    def t(*_: object, **__: object) -> object:
        if next(calls) > 60:
            raise RuntimeError
        if values.random() < 0.04:
            raise ValueError
        return values.choice([0, 1, 1, "", "a"])

    def run(function: Callable[..., object]) -> None:
        result = function()
        if isinstance(result, Coroutine):
            with contextlib.suppress(StopIteration):
                result.send(None)

    @contextlib.contextmanager
    def c(value: object) -> Iterator[object]:
        yield value

    return {"t": t, "c": c, "run": run, "d": lambda each: each, "TYPE_CHECKING": False}
