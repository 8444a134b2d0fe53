"""Which texts are the same but for layout, comments and docstrings, and where lines go."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from random import Random

import pytest
from coverage.parser import PythonParser
from coverage.python import get_python_source
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import Program, pragmas, rendered

from covsync.gate.parsed_text import ParsedText
from covsync.gate.text import (
    first_difference,
    has_statements,
    moved_lines,
    same_text,
    statement_starts,
)

STDLIB = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
RANDOMS = st.randoms(use_true_random=True)


def is_same(old: str | bytes, new: str | bytes, *, docstrings: bool = False) -> bool:
    texts = [text.encode() if isinstance(text, str) else text for text in (old, new)]
    same = same_text(texts[0], texts[1], docstrings=docstrings)
    assert same_text(texts[1], texts[0], docstrings=docstrings) == same
    return same


@pytest.mark.parametrize(
    "old, new",
    [
        ("x = 1\ny = 2\n", "# a comment\nx = 1  # another\n\n\ny = 2"),
        ("x = 1\ny = 2\n", "x = 1\r\ny = 2\r\n"),
        ("x = 1\ny = 2\n", "x = 1\ry = 2\r"),
        ("x = 1\n", b"\xef\xbb\xbfx = 1\n"),
        ("x = 1\n\ny = 2\n", "x = 1\n\f\ny = 2\n"),
        ("x = 'a'\n", 'x = """a"""\n'),
        ("x = 'é'\n", 'x = "\\xe9"\n'),
        ("x = 'é'\n", "# coding: latin-1\nx = 'é'\n".encode("latin-1")),
        ("x = R'a'\n", "x = r'a'\n"),
        ("x = u'a'\n", "x = 'a'\n"),
        ("x = 'a' 'b'\n", "x = 'ab'\n"),
        ("x = f'{a}'\n", 'x = f"{ a }"\n'),
        ("x = 0XFF, 1000\n", "x = (0xff, 1_000)\n"),
        ("f(a, b)\n", "f(\n    a,  # first\n    b,\n)\n"),
        ("x = a + b\n", "x = (a\n     + b)\n"),
        ("x = a + b\n", "x = a \\\n    + b\n"),
        ("x = 1;\n", "x = 1\n"),
        ("if (x): y\n", "if x: y\n"),
        ("return_ = (not x)\n", "return_ = not x\n"),
        ("for x in (1, 2):\n    y\n", "for x in 1, 2:\n  y\n"),
        ("with (a as b, c):\n    y\n", "with a as b, c:\n    y\n"),
        ("class A():\n    x\n", "class A:\n    x\n"),
        ("del (a, b)\n", "del a, b\n"),
        ("@(d)\ndef f():\n    x\n", "@d\ndef f():\n\n    x\n"),
        ("try: x\nexcept (E): y\n", "try: x\nexcept E: y\n"),
        ("x = 1  # type: int\n", "x = 1  # type: str\n"),
        ("x = '\\d'\n", 'x = "\\d"\n'),
        ("", "# nothing\n"),
        ("no python\n", "no  python # at all\n"),
        ("x = " + "[" * 50 + "]" * 50, "x = (" + "[" * 50 + "]" * 50 + ")"),
        ("x = 1" + " + 1" * 2000, "x = (1" + " + 1" * 2000 + ")"),
        (b"x = '\xff'\r\n", b"x = '\xff'\n"),
    ],
)  # fmt: skip
def test_layout_is_the_same_text(old: str | bytes, new: str | bytes) -> None:
    assert is_same(old, new)


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("x = 1\ny = 2\n", "x = 1\ny = 3\n", 2),
        ("x = 1\n", "x = True\n", 1),
        ("x = 1\n", "x = 1.0\n", 1),
        ("x = 0.0\n", "x = -0.0\n", 1),
        ("x = 'a'\n", "x = b'a'\n", 1),
        ("x = 'a'\n", "x = f'a'\n", 1),
        ("x = 'a\fb'\n", "x = 'a b'\n", 1),
        ("# coding: utf-8\nx = 'é'\n", "# coding: latin-1\nx = 'é'\n".encode(), 2),
        ("if x: y = 1\n", "# note\nif x:\n    y = 1\n", 2),
        ("a = 1; b = 2\n", "a = 1\nb = 2\n", 1),
        ('"""a"""; x += 1; """b"""\n', '"""a"""; """b"""\n', 1),
        ("if a:\n    x\nelif b:\n    y\n", "if a:\n    x\nelse:\n    if b:\n        y\n", 3),
        ("if a:\n    x\nelse: y\n", "if a:\n    x\nelse:\n    y\n", 3),
        ("x = 1\nif a:\n    y\n", "x = 1\n\n# note\ny\n", 4),
        ("if a:\n    x\ny\n", "if a:\n    x\n    y\n", 3),
        ("for a in b:\n    x\nelse:\n    y\n", "for a in b:\n    x\ny\n", 3),
        ("f()\nreturn_\n", "f()\n# end\n", 2),
        ("f()\nreturn_\n", "f()\n", 1),
        ("x\n", "", 1),
        ("x = 1\n", "x = 1\ny =\n", 2),
        ("no python\n", "no python at all\n", 1),
        (b"x = 1\n# \xff\n", b"x = 1\n# \xfe\n", 2),
        ("def f(): 'doc'\n", "def f():\n    'doc'\n", 1),
        ("def f(a): 'doc'\n", "def f(\n  a): 'doc'\n", 1),
        ("def f(): 'doc'; x\n", "def f(): x\n", 1),
        ("x = a\n", "x = 'a\n", 1),
    ],
)  # fmt: skip
def test_what_is_not_the_same_is_named_by_its_line(
    old: str | bytes, new: str | bytes, line: int
) -> None:
    assert not is_same(old, new)
    old, new = (text.encode() if isinstance(text, str) else text for text in (old, new))
    assert first_difference(old, new) == line


@pytest.mark.parametrize("owner", ["", "def f():\n", "class A:\n", "async def f():\n"])
def test_a_docstring_counts_only_where_doctests_ran(owner: str) -> None:
    indent = "    " if owner else ""
    without = f"x = 1\n{owner}{indent}return_\n" if owner else "return_\n"
    texts = [without.replace("return_", f"{doc}\n{indent}return_") for doc in ("'a'", "'''b'''")]
    for old, new in ([without, texts[0]], texts):
        assert is_same(old, new)
        assert not is_same(old, new, docstrings=True)
        expected = 3 if owner else 1
        assert first_difference(old.encode(), new.encode()) == expected
    assert is_same(texts[0], texts[0].replace("'a'", '("a")  # note'), docstrings=True)


def test_a_string_that_is_no_docstring_counts() -> None:
    assert not is_same("x = 1\n'a'\n", "x = 1\n'b'\n")
    assert not is_same("x = 1\nb'a'\n", "x = 1\n")


def test_a_statement_that_differs_is_named_before_a_docstring() -> None:
    assert first_difference(b"'a'\nx = 1\n", b"'b'\nx = 2\n") == 2


def test_a_one_line_function_on_line_1_has_to_stay_there_where_nothing_follows() -> None:
    """coverage.py counts two branches for it on any other line."""
    assert not is_same("def f(): return 1\n", "# note\ndef f(): return 1\n")
    assert not is_same("@d\nclass A: x = 1\n", "# note\n@d\nclass A: x = 1\n")
    assert is_same("def f(): return 1\nf()\n", "# note\ndef f(): return 1\nf()\n")
    assert is_same("def f():\n    return 1\n", "# note\ndef f():\n    return 1\n")


def test_lines_move_with_their_statements() -> None:
    old = b"'doc'\nx = f(\n    1,\n    2,\n)\nif x:\n    y = 1\n"
    new = b"# note\n\nx = f(\n    1, 2)\n\nif x:\n    # note\n    y = (\n        1)\n"
    assert moved_lines(old, new) == {2: 3, 3: 4, 4: 4, 5: 4, 6: 6, 7: 8}
    assert moved_lines(new, old) == {3: 2, 4: 3, 6: 6, 8: 7, 9: 7}
    assert moved_lines(b"\xff\r\nx", b"\xff\nx") == {1: 1, 2: 2}


def test_a_line_that_continues_a_statement_belongs_to_it() -> None:
    text = b"f(\n    a=1,\n    # note\n    b=2,\n)\nx = '''\n'''\ny = 1\n"
    assert statement_starts(text) == {2: 1, 3: 1, 4: 1, 5: 1, 7: 6}
    assert statement_starts(b"f(\n") == {}


@pytest.mark.parametrize(
    "text, expected",
    [
        (b"", False),
        (b"# a comment\n\n", False),
        (b"'''a docstring\n'''\n# a comment\n", False),
        (b"'a docstring'; x = 1\n", True),
        (b"...\n", True),
        (b"import a\n", True),
        (b"no python\n", True),
        (b"# \xff\n", True),
    ],
)
def test_a_text_without_code_has_no_statements(text: bytes, *, expected: bool) -> None:
    assert has_statements(text) is expected


@settings(max_examples=100, deadline=None)
@given(random=RANDOMS)
def test_any_layout_of_a_program_is_the_same_text(random: Random) -> None:
    program = Program(random)
    counting = pragmas(random, len(program.lines))
    old, new = (rendered(program, counting, random).encode() for _ in range(2))
    before, after = ParsedText(old), ParsedText(new)
    assume(not before.shared_docstrings)
    assume(before.ends_in_one_line_definition == after.ends_in_one_line_definition)
    assert is_same(old, new)


@settings(max_examples=100, deadline=None)
@given(random=RANDOMS)
def test_a_program_with_a_statement_more_is_another_text(random: Random) -> None:
    program = Program(random)
    counting = pragmas(random, len(program.lines))
    old = rendered(program, counting, random).encode()
    at = random.choice([at for at, line in enumerate(program.lines) if line.tokens])
    program.lines.insert(at, program.lines[at]._replace(tokens=["extra"]))
    new = rendered(program, counting, random).encode()
    assert not is_same(old, new)
    parsed = ParsedText(new)
    assume(parsed.tree is not None and not parsed.shared_docstrings)
    assert b"extra" in new.splitlines()[first_difference(old, new) - 1]


@settings(max_examples=50, deadline=None)
@given(random=RANDOMS)
def test_statements_start_where_coverage_py_says(random: Random) -> None:
    program = Program(random)
    text = rendered(program, pragmas(random, len(program.lines)), random)
    assert statement_starts(text.encode()) == starts_by_coverage_py(text)


@pytest.mark.parametrize("path", STDLIB[::5], ids=lambda path: path.name)
@pytest.mark.first(6)
def test_statements_start_where_coverage_py_says_in_real_files(path: Path) -> None:
    assert statement_starts(path.read_bytes()) == starts_by_coverage_py(
        get_python_source(str(path))
    )


def starts_by_coverage_py(text: str) -> dict[int, int]:
    parser = PythonParser(text=text)
    parser.parse_source()
    lines = range(1, text.count("\n") + 2)
    firsts = {line: parser.first_line(line) for line in lines}
    return {line: first for line, first in firsts.items() if line != first}


@pytest.mark.parametrize("path", STDLIB[::6], ids=lambda path: path.name)
@pytest.mark.first(6)
def test_real_files_are_the_same_with_other_comments(path: Path) -> None:
    old = path.read_bytes()
    inside = {line for pair in statement_starts(old).items() for line in pair}
    found: list[bytes] = []
    for number, line in enumerate(old.splitlines(), 1):
        if number in inside or number < 3:
            found.append(line)
        elif not line.lstrip().startswith(b"#"):
            found += [b"", b"    # note", line]
    new = b"\n".join(found)
    assert is_same(old, new, docstrings=True)
    moved = moved_lines(old, new)
    before, after = old.splitlines(), new.splitlines()
    assert all(before[a - 1] == after[b - 1] for a, b in moved.items())


def test_the_formatters_output_is_the_same_unless_it_splits_lines(tmp_path: Path) -> None:
    paths = STDLIB[::10]
    for path in paths:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    subprocess.run(["ruff", "format", "--quiet", "--isolated", "."], cwd=tmp_path, check=True)
    count = 0
    for path in paths:
        old, new = path.read_bytes(), (tmp_path / path.name).read_bytes()
        lines = [len(ParsedText(text).lines or ()) for text in (old, new)]
        assert is_same(old, new) == (lines[0] == lines[1])
        count += lines[0] == lines[1]
    assert count > len(paths) / 2
