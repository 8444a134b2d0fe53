"""Makes the pictures of the README: what a blocked commit and a data branch look like.

    python docs/pictures.py

A small project is measured, committed under pre-commit and published on a remote of its own; what
that prints and writes is drawn as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
HOOK = """\
repos:
  - repo: local
    hooks:
      - {id: covsync-check, name: covsync check, entry: covsync check, language: system,
         pass_filenames: false, always_run: true}
"""
CONFIGURATION = """\
[tool.coverage.run]
branch = true
source = ["shop"]

[tool.covsync]
fail_under = 90
"""
CART = """\
def total(items, discount=0):
    if not items:
        return 0
    price = sum(item.price for item in items)
    if discount:
        price -= price * discount // 100
    return price
"""
PRICES = """\
class Item:
    def __init__(self, price):
        if price < 0:
            raise ValueError(price)
        self.price = price
"""
ORDERS = """\
def is_free(weight, total):
    if weight > 20:
        return False
    return total >= 50


def shipping(weight, total):
    if is_free(weight, total):
        return 0
    return 5 + weight // 2
"""
FIRST_TESTS = """\
from unittest import TestCase

from shop.cart import total
from shop.orders import shipping
from shop.prices import Item


class ShopTest(TestCase):
    def test_total(self):
        self.assertEqual(total([Item(10), Item(5)]), 15)

    def test_shipping(self):
        self.assertEqual(shipping(3, 60), 0)
"""
MORE_TESTS = (
    """
    def test_discount(self):
        self.assertEqual(total([Item(10)], discount=10), 9)
""",
    """
    def test_heavy(self):
        self.assertEqual(shipping(30, 60), 20)
""",
    """
    def test_empty(self):
        self.assertEqual(total([]), 0)
""",
)
PROJECT = {
    ".gitignore": ".coverage\n__pycache__/\n",
    ".pre-commit-config.yaml": HOOK,
    "pyproject.toml": CONFIGURATION,
    "shop/__init__.py": "",
    "shop/cart.py": CART,
    "shop/orders.py": ORDERS,
    "shop/prices.py": PRICES,
    "tests/__init__.py": "",
    "tests/test_shop.py": FIRST_TESTS,
}
FONT = 'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="12"'
TEXT = 'font-family="-apple-system,Segoe UI,Helvetica,Arial,sans-serif"'
WIDTH, LINE, PADDING = 780, 20, 18
COLUMNS = (PADDING, 300, 380, 460, 540, 620, 640)


def main() -> int:
    """Writes the pictures beside this file."""
    for name, text in pictures().items():
        (HERE / name).write_text(text, encoding="utf-8")
    return 0


def pictures() -> Mapping[str, str]:
    """The pictures by their file's name."""
    with tempfile.TemporaryDirectory() as folder:
        blocked, published = play(Path(folder))
    return {"blocked-commit.svg": terminal(blocked), "data-branch.svg": page(published)}


def play(folder: Path) -> tuple[str, Mapping[str, str]]:
    """What a blocked commit prints, and the data branch's files after some publications."""
    project = folder / "project"
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    git = ("git", "-C", str(project))
    run([*("git", "init", "--quiet", "--bare", "--initial-branch=main"), f"{folder}/remote.git"])
    run([*git, "init", "--quiet", "--initial-branch=main"])
    run([*git, "remote", "add", "origin", "../remote.git"])
    run(["pre-commit", "install"], project)
    commit = [*git, "commit", "--quiet", "-m", "Ship orders"]
    blocked = ""
    for day, tests in enumerate(("", *MORE_TESTS), 1):
        with (project / "tests/test_shop.py").open("a") as stream:
            stream.write(tests)
        run([sys.executable, "-m", "covsync", "run", "-m", "unittest", "-q"], project)
        run([*git, "add", "--all"])
        if not blocked:
            blocked = run(commit, project)
        at = f"2026-03-0{day}T10:00:00+0000"
        date = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        run([*commit, "--no-verify"], project, date)
        run([sys.executable, "-m", "covsync", "push"], project)
    branch = (*git, "show")
    names = ("README.md", "badge.svg", "trend.svg")
    run([*git, "fetch", "--quiet", "origin", "covsync-data"])
    return blocked, {name: run([*branch, f"FETCH_HEAD:{name}"]) for name in names}


def run(command: Sequence[str], folder: Path | None = None, own: Mapping[str, str] = {}) -> str:
    """What a command prints, errors included."""
    identity = {
        f"GIT_{who}_{what}": "covsync"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "PRE_COMMIT_COLOR": "never"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **identity, **plain, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout


def terminal(printed: str) -> str:
    """A terminal with the commit and what it printed."""
    lines = ["$ git commit -m 'Ship orders'", *printed.splitlines()]
    rows = []
    for at, line in enumerate(lines):
        y = PADDING + 14 + at * LINE
        fill = "#f85149" if "Failed" in line or line.startswith("total") else "#c9d1d9"
        rows.append(
            f'<text x="{PADDING}" y="{y}" fill="{fill}" xml:space="preserve">{escape(line)}</text>'
        )
    height = 2 * PADDING + len(lines) * LINE
    return svg(
        height, f"<g {FONT}>{''.join(rows)}</g>", background="#0d1117", title="A blocked commit"
    )


def page(files: Mapping[str, str]) -> str:
    """The data branch's page: the trend, the table and the badge."""
    trend = f'<g transform="translate({PADDING} 88)">{files["trend.svg"]}</g>'
    table = [line for line in files["README.md"].splitlines() if line.startswith("|")]
    rows = []
    for at, line in enumerate([table[0], *table[2:]]):
        y = 280 + at * 26
        cells = [re.sub(r"[*\\]", "", each).strip() for each in line.strip("|").split("|")]
        weight = ' font-weight="600"' if at == 0 or "**" in line else ""
        for number, (cell, x) in enumerate(zip(cells, COLUMNS, strict=True)):
            anchor = "start" if number in (0, len(cells) - 1) else "end"
            rows.append(
                f'<text x="{x}" y="{y}" text-anchor="{anchor}"{weight}>{escape(cell)}</text>'
            )
        rows.append(f'<path d="M{PADDING} {y + 9}H{WIDTH - PADDING}" stroke="#d1d9e0"/>')
    end = 280 + (len(table) - 1) * 26
    badge = f'<g transform="translate({PADDING} {end})">{files["badge.svg"]}</g>'
    head = (
        f'<text x="{PADDING}" y="46" font-size="26" font-weight="600">Repository Coverage</text>'
        f'<text x="{PADDING}" y="74" fill="#0969da">Full report</text>'
    )
    body = f'<g {TEXT} font-size="14" fill="#1f2328">{head}{trend}{"".join(rows)}{badge}</g>'
    return svg(end + 40, body, background="#ffffff", title="The data branch's README.md")


def svg(height: int, body: str, *, background: str, title: str) -> str:
    """A picture of this height."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{background}" stroke="#d1d9e0"/>'
        f"{body}</svg>\n"
    )


if __name__ == "__main__":
    sys.exit(main())
