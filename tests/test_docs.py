"""What README and docs show is what covsync does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from covsync import limits

TOP = Path(__file__).parent.parent


def test_the_pictures_show_what_covsync_prints_and_publishes() -> None:
    spec = importlib.util.spec_from_file_location("pictures", TOP / "docs" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pictures().items():
        assert (TOP / "docs" / name).read_text(encoding="utf-8") == text, "python docs/pictures.py"


@pytest.mark.parametrize(
    "page", sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")]), ids=lambda page: page.name
)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_limit_is_listed_with_its_figure() -> None:
    source = Path(limits.__file__).read_text(encoding="utf-8")
    rows = ["| at most | of what |", "| --- | --- |"]
    for text, name in re.findall(r"(?m)^# (.+)\.\n([A-Z_]+) = ", source):
        unit, _, what = text.partition(" ")
        rows.append(f"| {getattr(limits, name):,} {unit.lower()} | {what} |")
    named = {name for name in vars(limits) if name.isupper()} - {"VARIABLE"}
    assert len(rows) - 2 == len(named), "each limit has a comment: its unit and of what"
    page = (TOP / "docs" / "security.md").read_text(encoding="utf-8")
    listed = re.search(r"(?s)<!-- limits -->\n\n(.*?)\n\n<!-- /limits -->", page)
    assert listed is not None
    assert listed[1].split("\n") == rows
