"""The trend is drawn from the history, and tells what the badge tells."""

from __future__ import annotations

import json
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


def test_its_points_lie_where_times_and_figures_are() -> None:
    history = (
        line("2026-01-01T00:00:00Z", 60.0)
        + line("2026-01-02T00:00:00Z", 70.0)
        + line("2026-01-05T00:00:00Z", 80.0)
    )
    svg = trend_svg(history, "80")
    assert svg is not None
    root = ET.fromstring(svg)  # noqa: S314 - ours
    assert root.get("aria-label") == (
        "Coverage over 3 publications, 2026-01-01 to 2026-01-05: now 80%"
    )
    polyline = root.find(f".//{SVG}polyline")
    assert polyline is not None
    assert polyline.get("points") == "44.0,136.0 179.0,74.0 584.0,12.0"
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
    assert trend_svg(history, "60") is None


def test_a_steady_figure_is_a_line_too() -> None:
    history = line("2026-01-01T00:00:00Z", 100.0) + line("2026-01-01T00:00:00+00:00", 100.0)
    assert b'points="44.0,' in (trend_svg(history, "100") or b"")


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
