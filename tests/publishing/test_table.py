"""The table is byte for byte coverage.py's own, on real measurements."""

from __future__ import annotations

import pytest
from conftest import Checkout

NAMES = ("a.py", "z10.py", "z2.py", "_under_score_.py", "UPPER.py", "sub/__init__.py", "a-b c.py")
ODD_NAMES = ("pi|pe.py", "ba`ck`tick.py", "a<script>alert(1).py", "[x](y).py", "t~m*e#.py")
NEWLINE = "new\nline.py"

SOURCES = (
    "",
    "x = 1\n",
    "x = 1\nif x > 2:\n    x = 3\n",
    "def f(x):\n    if x:\n        return 1\n    # not a statement\n    return 2\n\n\nf(1)\n",
    "for x in range(3):\n    if x == 9:\n        break\nelse:\n    x = 1\nwhile x:\n    x = 0\n",
    "def g():\n    y = 1\n    if y:  # pragma: no cover\n        y = 2\n    return y\n",
    "a = 1\nb = a if a == 2 else 3\ndef h(): return 1\n",
)


def measure(checkout: Checkout, names: tuple[str, ...], report: str, *, branch: bool) -> None:
    """Runs a file of each name, with varied contents."""
    files = {name: SOURCES[at % len(SOURCES)] for at, name in enumerate(names)}
    runs = "".join(f"runpy.run_path({name!r})\n" for name in names)
    settings = f"[tool.coverage.run]\nbranch = {str(branch).lower()}\n[tool.coverage.report]\n"
    checkout.write({**files, "run.py": f"import runpy\n{runs}"})
    checkout.write({"pyproject.toml": settings + report, ".gitignore": ".coverage\n"})
    checkout.commit()
    checkout.coverage("run", "--source=.", "run.py")


def tables(checkout: Checkout) -> tuple[str, str]:
    """Covsync's table, and coverage.py's."""
    ended = checkout.covsync("push", "--no-html", "--output-dir", "../out")
    assert ended.status == 0, ended
    readme = (checkout.folder.parent / "out" / "README.md").read_text(encoding="utf-8")
    ours = readme.partition("# Repository Coverage\n\n")[2].partition("\n\n\n## Setup")[0]
    return ours + "\n", checkout.coverage("report", "--format=markdown", "--show-missing").out


@pytest.mark.parametrize("branch", [True, False])
@pytest.mark.parametrize(
    "report",
    [
        "",
        "precision = 2",
        "skip_covered = true",
        "skip_empty = true",
        "skip_covered = true\nskip_empty = true",
        "precision = 1\nsort = '-cover'",
        "sort = 'Miss'",
        "sort = '-Stmts'",
        "sort = '-name'",
        "omit = ['z*']",
    ],
)
@pytest.mark.first(2)
def test_the_table_is_coverage_pys(checkout: Checkout, report: str, *, branch: bool) -> None:
    measure(checkout, NAMES, report, branch=branch)
    ours, theirs = tables(checkout)
    assert ours == theirs


@pytest.mark.stress
def test_the_table_of_more_than_ten_thousand_statements(checkout: Checkout) -> None:
    checkout.write({"many.py": "x = 1\n" * 12345, ".gitignore": ".coverage\n"})
    checkout.commit()
    checkout.coverage("run", "many.py")
    ours, theirs = tables(checkout)
    assert ours == theirs


def test_odd_names_are_escaped_as_coverage_py_does(checkout: Checkout) -> None:
    measure(checkout, ODD_NAMES, "", branch=True)
    ours, theirs = tables(checkout)
    assert "| pi\\|pe.py " in ours
    assert ours == theirs


def test_no_name_breaks_the_table(checkout: Checkout) -> None:
    measure(checkout, (*ODD_NAMES, NEWLINE), "", branch=False)
    ours, _ = tables(checkout)
    lines = ours.splitlines()
    assert len(lines) == len(ODD_NAMES) + len((NEWLINE, "run.py")) + len(("head", "rule", "total"))
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "<script>" not in ours
    assert "new?line.py" in ours.replace("\\", "")
