"""The project of the ground-truth test: small, with all kinds of statements and exclusions."""

from __future__ import annotations

SHAPES = '''\
"""Shapes."""

import functools


def traced(function):
    """A decorator."""
    @functools.wraps(function)
    def call(*args):
        if not args:
            return None
        return function(*args)
    return call


def no_measure(function):
    return function


class Box:
    """A box."""

    sides = 4

    def __init__(self, width, height):
        self.width = width
        self.height = height

    @property
    def area(self):
        if self.width < 0:
            return 0
        return self.width * self.height

    @no_measure
    def never(self):
        if self.width:
            return 1
        return 2


@traced
def outline(box):
    total = 0
    for side in (box.width, box.height):
        if side > 0:  # pragma: no branch
            total += 2 * side
    else:
        total += 0
    return total


def debug(box):  # pragma: no cover
    print(box)
    return box
'''
FLOW = '''\
"""Flows."""
from tools import double


def numbers(count):
    """Yields."""
    while count > 0:
        yield count
        count -= 1
    yield 0


def parse(text):
    try:
        value = int(text)
    except ValueError:
        return -1
    else:
        value += 0
    finally:
        text = ''
    return double(value)


def kind(value):
    match value:
        case 0:
            return 'zero'
        case int() if value < 0:
            return 'below'
        case [_, *_]:
            return 'list'
        case _:
            return 'other'


def evens(values):
    return [each for each in values if each % 2 == 0]


# region off
def unfinished(value):
    if value:
        return 1
    return 2
# region on


def choose(a, b): return a if a > b else b


def late(value):
    """A docstring."""
    if value == 1: value = 2
    elif value == 3:
        value = 4
    return value
'''
TOOLS = """\
def double(value):
    if value > 8:
        return 8
    return 2 * value


def half(value):
    return value // 2
"""
SKIPPED = """\
# pragma: exclude file
def skipped(value):
    if value:
        return 1
    return 0
"""
UNUSED = '''\
def unused(value):
    """Nobody imports this."""
    if value:
        return 1
    return 0
'''
TEST_SHAPES = """\
import unittest

from pkg.shapes import Box, outline


class TestShapes(unittest.TestCase):
    def test_area(self):
        self.assertEqual(Box(2, 3).area, 6)

    def test_outline(self):
        self.assertEqual(outline(Box(2, 3)), 10)

    def test_negative(self):
        self.assertEqual(Box(-1, 3).area, 0)
"""
TEST_FLOW = """\
import unittest

from pkg import flow
from support import sample


class TestFlow(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual(list(flow.numbers(2)), [2, 1, 0])

    def test_parse(self):
        self.assertEqual(flow.parse('3'), 6)

    def test_kind(self):
        self.assertEqual(flow.kind(0), 'zero')
        self.assertEqual(flow.kind([1]), 'list')

    def test_evens(self):
        self.assertEqual(flow.evens(sample()), [2])

    def test_late(self):
        self.assertEqual(flow.late(3), 4)
"""
TEST_MORE = """\
import unittest

from pkg.flow import choose, kind, parse
from pkg.skipped import skipped


class TestMore(unittest.TestCase):
    def test_more(self):
        self.assertEqual(parse('x'), -1)
        self.assertEqual(choose(1, 2), 2)

    def test_below(self):
        self.assertEqual(kind(-1), 'below')
        self.assertEqual(skipped(1), 1)
"""
SUPPORT = """\
def sample():
    return [1, 2, 3]
"""
CONFTEST = """\
import unittest

ready = bool(unittest)
"""
JOB = """\
def job():
    return 1


job()
"""
FILES = {
    "pkg/__init__.py": "",
    "pkg/shapes.py": SHAPES,
    "pkg/flow.py": FLOW,
    "pkg/skipped.py": SKIPPED,
    "pkg/unused.py": UNUSED,
    "tools.py": TOOLS,
    "conftest.py": CONFTEST,
    "tests/test_shapes.py": TEST_SHAPES,
    "tests/test_flow.py": TEST_FLOW,
    "tests/test_more.py": TEST_MORE,
    "tests/support.py": SUPPORT,
    "scripts/job.py": JOB,
    "README.md": "A project.\n",
    ".gitignore": ".coverage\n.coverage.*\n__pycache__/\n",
}
# What two branches have besides.
OTHER_BRANCH = {
    "tests/test_other.py": """\
import unittest

from pkg.flow import kind
from tools import half


class TestOther(unittest.TestCase):
    def test_half(self):
        self.assertEqual(half(4), 2)
        self.assertEqual(kind('?'), 'other')
""",
    "tools.py": f"{TOOLS}\n\ndef third(value):\n    return value // 3\n",
}
MAIN_BRANCH = {
    "tests/test_shapes.py": f"""\
{TEST_SHAPES}
    def test_nothing(self):
        self.assertIsNone(outline())
"""
}
EXCLUSIONS = """\
exclude_also = [
    "@no_measure",
    "(?s:# region off.*?# region on)",
    "\\\\A(?s:.*# pragma: exclude file.*)\\\\Z",
    "return 'below'",
]
"""
# coverage.py's settings, by a name for each set of them. Without `source` it would report covsync,
# too, where that runs from a checkout.
RUN = {
    "all": 'branch = true\nomit = ["*/covsync/*"]\n',
    "package": 'branch = true\nsource = ["pkg"]\n',
    "here": 'branch = true\nsource = ["."]\nomit = ["tests/*", "conftest.py"]\n',
    "include": 'branch = true\ninclude = ["pkg/*", "tools.py"]\n',
    "omit": 'branch = true\nomit = ["pkg/sk*", "tests/*", "*/covsync/*"]\n',
    "lines": 'source_pkgs = ["pkg"]\n',
}


def pyproject(settings: str, exclusions: bool = True, floor: str = "") -> str:  # noqa: FBT001, FBT002
    """The project's configuration; ``floor`` is covsync's."""
    report = f"[tool.coverage.report]\n{EXCLUSIONS if exclusions else ''}"
    covsync = f"[tool.covsync]\nfail_under = {floor}\n" if floor else ""
    return (
        f"[tool.coverage.run]\n{RUN[settings]}\n{report}\n"
        f'[tool.pytest.ini_options]\npythonpath = ["."]\n\n{covsync}'
    )
