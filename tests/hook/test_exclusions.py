"""Where coverage.py's exclusions match otherwise, and that its figures stay where they don't."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from programs import EXCLUDE, PARTIAL, Program, measured, pragmas, rendered

from covsync.gate.exclusions import match_alike
from covsync.gate.text import moved_lines, same_text

COVER = [r"#\s*pragma: no cover"]
REGION = [r"# begin(?s:.)*?# end", *COVER]
WHOLE = [r"\A(?s:.*# pragma: exclude file.*)\Z"]
DECORATED = "@d\n@e\ndef f():\n    x\n    y\n"
CASES = "match x:\n    case _:\n        f(a,\n          b)  # pragma: no cover\n"


@pytest.mark.parametrize(
    "old, new, group",
    [
        ("x\ny\n", "x\ny  # note\n", COVER),
        ("x\ny\n", "x\n# pragma: no cover\ny\n", COVER),
        ("x\ny  # pragma: no cover\n", "x\n\ny  # pragma: no cover, as z\n", COVER),
        ("f(\n    a,  # pragma: no cover\n)\n", "f(a)  # pragma: no cover\n", COVER),
        ("'''doc'''\nx\n", "'''doc # pragma: no cover'''\nx\n", COVER),
        ("x\n# begin\ny\n# end\nz\n", "x\n# begin\n\n\ny\n# end\nz\n", REGION),
        (DECORATED, f"# pragma: no cover\n{DECORATED}", COVER),
        (CASES, CASES.replace("match", "# note\nmatch"), COVER),
        ("x\n", "x\n# note\n", []),
        ("x\n", "x\r\n", ["("]),
    ],
)
def test_an_exclusion_that_matches_the_same_statements_stays(
    old: str, new: str, group: list[str]
) -> None:
    assert same_text(old.encode(), new.encode(), docstrings=False)
    assert match_alike(old.encode(), new.encode(), [group, ["no branch"]])
    assert match_alike(new.encode(), old.encode(), [["no branch"], group])


@pytest.mark.parametrize(
    "old, new, group",
    [
        ("x\ny\n", "x\ny  # pragma: no cover\n", COVER),
        ("x\ny  # pragma: no cover\n", "x  # pragma: no cover\ny\n", COVER),
        ("if a:\n    x\nelse:\n    y\n", "if a:\n    x\nelse:  # pragma: no cover\n    y\n", COVER),
        ("x\n# begin\ny\n# end\nz\n", "x\n# begin\ny\nz\n# end\n", REGION),
        ("x\n# begin\ny\n# end\nz\n", "x\ny\n# end\nz\n", REGION),
        ("# pragma: exclude file\nx\n", "x\n", WHOLE),
        (DECORATED, DECORATED.replace("@e", "# pragma: no cover\n@e"), COVER),
        (DECORATED, DECORATED.replace("def", "# pragma: no cover\ndef"), COVER),
        (
            DECORATED.replace("@d", "@d  # pragma: no cover"),
            DECORATED.replace("@d", "@(\n    d)  # pragma: no cover"),
            COVER,
        ),
        (
            DECORATED.replace("f():", "f():  # pragma: no cover"),
            DECORATED.replace("f():", "f():  # pragma: no cover").replace("@d", "@ \\\n  d"),
            COVER,
        ),
        (CASES, CASES.replace(",\n          b", ", b"), COVER),
        ("if x: y\n", "if (x): y\n", ["if x"]),
        ("x\n", "x\n# note\n", ["("]),
        ("x\n\fy\n", "x\ny\n", COVER),
        (b"# \xff\nx\n", b"# \xff\nx\n\n", COVER),
    ],
)
def test_an_exclusion_that_matches_others_or_cannot_be_evaluated_is_seen(
    old: str | bytes, new: str | bytes, group: list[str]
) -> None:
    old, new = (text.encode() if isinstance(text, str) else text for text in (old, new))
    assert not match_alike(old, new, [["no branch"], group])
    assert not match_alike(new, old, [group])


@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=True), seed=st.integers(0, 1000))
def test_coverage_py_counts_the_same_where_texts_and_exclusions_are_alike(
    random: Random, seed: int
) -> None:
    program = Program(random)
    counting = pragmas(random, len(program.lines))
    also = pragmas(random, len(program.lines)) if random.random() < 0.3 else counting
    old, new = rendered(program, counting, random), rendered(program, also, random)
    texts = old.encode(), new.encode()
    assume(same_text(*texts, docstrings=False) and match_alike(*texts, [EXCLUDE, PARTIAL]))
    with tempfile.TemporaryDirectory() as folder:
        try:
            before, after = (measured(text, Path(folder).resolve(), seed) for text in (old, new))
        except AssertionError:  # coverage.py's own: on Python 3.10 it stumbles over `with`
            reject()
    assert before.counts == after.counts
    moved = moved_lines(*texts)
    assert {
        kind: sorted(moved[line] for line in found) for kind, found in before.lines.items()
    } == (after.lines)
    stay = {line: line for lines in after.branches.values() for pair in lines for line in pair}
    for kind, found in before.branches.items():
        assert moved_branches(found, moved) == moved_branches(after.branches[kind], stay)


def moved_branches(
    branches: Iterable[tuple[int, int]], moved: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Ends below 0 are exits, by the line where what is left begins; for these it is one."""
    return sorted((moved[start], -1 if end < 0 else moved[end]) for start, end in branches)
