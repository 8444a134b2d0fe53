"""What README and docs show is what covsync does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

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
