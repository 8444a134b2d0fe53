"""The trend is drawn from the history, and tells what the badge tells."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from conftest import BETTER_TEST, Checkout

from covsync.render.trend import trend_svg

SVG = "{http://www.w3.org/2000/svg}"


def line(at: str, percent: object) -> bytes:
    return (
        json.dumps({"commit": at, "committed_at": at, "percent_covered": percent}).encode() + b"\n"
    )


NEWEST = 1767571200  # 2026-01-05
POINTS = ((490896, 60), (490920, 70), (490992, 80))


def test_its_points_lie_where_times_and_figures_are() -> None:
    history = (
        line("2026-01-01T00:00:00Z", 60.0)
        + line("2026-01-02T00:00:00Z", 70.0)
        + line("2026-01-05T00:00:00Z", 80.0)
    )
    svg = trend_svg(history, "80", NEWEST)
    assert svg is not None
    root = ET.fromstring(svg)  # noqa: S314 - ours
    assert root.get("aria-label") == (
        "Coverage over 3 publications, 2026-01-01 to 2026-01-05: now 80%"
    )
    polyline = root.find(f".//{SVG}polyline")
    assert polyline is not None
    assert polyline.get("points") == "490896.0,60.00 490920.0,70.00 490992.0,80.00"
    scale = re.fullmatch(r"matrix\((.*)\)", polyline.get("transform") or "")
    assert scale is not None
    wide, _, _, high, left, top = map(float, scale[1].split())
    drawn = [(wide * hours + left, high * percent + top) for hours, percent in POINTS]
    assert [(round(x, 1), round(y, 1)) for x, y in drawn] == [(44, 136), (179, 74), (584, 12)]
    assert [text.text for text in root.iter(f"{SVG}text")] == [
        *("60%", "80%", "2026-01-01", "2026-01-05", "80%"),
    ]


@pytest.mark.parametrize(
    "history",
    [
        b"",
        line("2026-01-01T00:00:00Z", 60.0),
        line("2026-01-01T00:00:00Z", 60.0) + b"{\n[]\nnull\n" + line("yesterday", 3),
        line("2026-01-01T00:00:00Z", 1e400) + line("2026-01-02T00:00:00Z", "x"),
    ],
)
def test_one_point_is_no_trend(history: bytes) -> None:
    assert trend_svg(history, "60", NEWEST) is None


def test_a_steady_figure_is_a_line_too() -> None:
    history = line("2026-01-01T00:00:00Z", 100.0) + line("2026-01-01T00:00:00+00:00", 100.0)
    assert b'points="490896.0,100.00 490896.0,100.00"' in (trend_svg(history, "100", NEWEST) or b"")


def test_the_second_publication_shows_it(shapes: Checkout) -> None:
    out = shapes.folder.parent / "out"
    publish = ("push", "--no-html", "--output-dir", str(out))
    shapes.covsync(*publish)
    assert not (out / "trend.svg").exists()
    assert "trend.svg" not in readme(out)
    shapes.write({"test_shapes.py": BETTER_TEST})
    shapes.commit("Test more")
    shapes.coverage("run", "test_shapes.py")
    shapes.covsync(*publish)
    assert "now 100%" in (out / "trend.svg").read_text()
    assert "\n![Coverage over time](trend.svg)\n\n| Name" in readme(out)


def readme(out: Path) -> str:
    return (out / "README.md").read_text(encoding="utf-8")
