"""The badge has shields.io's measures, tells its text to everyone, and breaks on none."""

from __future__ import annotations

import json
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest

from covsync.model import Report, ReportStyle, Totals
from covsync.render.badge import Badge, badge_of, badge_svg, endpoint_json

SVG = "{http://www.w3.org/2000/svg}"


def picture(label: str, message: str, style: str = "flat") -> ET.Element:
    return ET.fromstring(badge_svg(Badge(label, message, "orange"), style))  # noqa: S314 - ours


@pytest.mark.parametrize(
    "label, message, style, width",
    [
        ("Coverage", "94%", "flat", "98"),
        ("Coverage", "0%", "flat", "92"),
        ("Coverage", "100%", "flat", "106"),
        ("Coverage", "94%", "flat-square", "98"),
        ("Coverage", "100%", "flat-square", "106"),
        ("coverage", "94.06%", "flat", "114"),
        ("Coverage", "94%", "for-the-badge", "142.75"),
        ("Coverage", "100%", "for-the-badge", "152"),
    ],
)
def test_its_width_is_shields_ios(label: str, message: str, style: str, width: str) -> None:
    assert picture(label, message, style).get("width") == width


def test_its_parts_lie_where_shields_io_puts_them() -> None:
    """As in the badge of a data branch that shields.io drew."""
    svg = picture("Coverage", "99%")
    texts = [
        (text.get("x"), text.get("y"), text.get("textLength")) for text in svg.iter(f"{SVG}text")
    ]
    assert texts == [
        ("325", "150", "530"),
        ("325", "140", "530"),
        ("795", "150", "250"),
        ("795", "140", "250"),
    ]
    halves = [(rect.get("x"), rect.get("width")) for rect in svg.iter(f"{SVG}rect")]
    assert halves == [(None, "98"), (None, "63"), ("63", "35"), (None, "98")]


@pytest.mark.parametrize("style", ["flat", "flat-square", "for-the-badge"])
def test_it_tells_its_text_to_everyone(style: str) -> None:
    svg = picture("Coverage", "94%", style)
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "Coverage: 94%")
    assert svg.findtext(f"{SVG}title") == "Coverage: 94%"


@pytest.mark.parametrize("style", ["flat", "flat-square", "for-the-badge"])
def test_a_label_is_text_and_nothing_else(style: str) -> None:
    svg = picture("<a&\"b'>é漢", "94%", style)
    assert svg.get("aria-label") == "<a&\"b'>é漢: 94%"
    shown = [text.text for text in svg.iter(f"{SVG}text")]
    assert "<a&\"b'>é漢" in shown or "<A&\"B'>É漢" in shown


@pytest.mark.parametrize(
    "missing, colour",
    [(0, "brightgreen"), (100, "brightgreen"), (101, "orange"), (300, "orange"), (301, "red")],
)
def test_its_colour_is_judged_on_the_exact_figure(missing: int, colour: str) -> None:
    totals = Totals(statements=1000, missing=missing)
    report = Report(
        (),
        totals,
        has_branches=False,
        style=ReportStyle(),
        coverage_json=None,
    )
    badge = badge_of(report, "Coverage", Fraction(90), Fraction(70))
    assert badge.colour == colour
    assert json.loads(endpoint_json(badge)) == {
        "schemaVersion": 1,
        "label": "Coverage",
        "message": badge.message,
        "color": colour,
    }
