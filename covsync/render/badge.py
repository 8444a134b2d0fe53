"""``badge.svg``, drawn here, and ``endpoint.json``, from which shields.io draws it.

The measures are those of shields.io's badges, so that covsync's stands beside them in line: texts
in Verdana scaled by ten, each half as wide as its text (made odd) and its padding.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from html import escape

from covsync.model import Report
from covsync.render.text_width import BOLD_10, NORMAL_10, NORMAL_11, text_width

COLOURS = {"brightgreen": "#4c1", "orange": "#fe7d37", "red": "#e05d44"}
FONT = "Verdana,Geneva,DejaVu Sans,sans-serif"
PADDING = 5
WIDE_PADDING = 12
WIDE_SPACING = Fraction(5, 4)


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge says. ``colour`` is one of shields.io's names."""

    label: str
    message: str
    colour: str


def badge_of(report: Report, label: str, green: Fraction, orange: Fraction) -> Badge:
    """The badge of a report's total; ``green`` and ``orange`` are judged on the exact figure."""
    figure = report.totals.percent_covered
    colour = "brightgreen" if figure >= green else "orange" if figure >= orange else "red"
    return Badge(label, f"{report.shown_total()}%", colour)


def endpoint_json(badge: Badge) -> bytes:
    """The document of shields.io's endpoint badge, schema 1."""
    document = {
        "schemaVersion": 1,
        "label": badge.label,
        "message": badge.message,
        "color": badge.colour,
    }
    return json.dumps(document).encode() + b"\n"


def message_of(endpoint: bytes | None) -> str | None:
    """The figure in a published ``endpoint.json``, without the percent sign."""
    try:
        message = json.loads(endpoint or b"")["message"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_percent = isinstance(message, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?%", message)
    return message.removesuffix("%") if is_percent else None


def badge_svg(badge: Badge, style: str) -> bytes:
    """The picture. ``style`` is ``flat``, ``flat-square`` or ``for-the-badge``."""
    if style == "for-the-badge":
        return _for_the_badge(badge).encode()
    return _flat(badge, square=style == "flat-square").encode()


def _flat(badge: Badge, *, square: bool) -> str:
    label_width = text_width(badge.label, NORMAL_11) | 1
    message_width = text_width(badge.message, NORMAL_11) | 1
    left = label_width + 2 * PADDING
    width = left + message_width + 2 * PADDING
    texts = "".join(
        _text(words, 10 * start + 5 * wide + 10 * PADDING, 10 * wide, shadow=not square)
        for words, start, wide in (
            (badge.label, 1, label_width),
            (badge.message, left - 1, message_width),
        )
    )
    halves = _halves(badge, left, width, 20)
    if square:
        ground = f'<g shape-rendering="crispEdges">{halves}</g>'
    else:
        ground = (
            '<linearGradient id="s" x2="0" y2="100%">'
            '<stop offset="0" stop-color="#bbb" stop-opacity=".1"/>'
            '<stop offset="1" stop-opacity=".1"/></linearGradient>'
            f'<clipPath id="r"><rect width="{width}" height="20" rx="3" fill="#fff"/></clipPath>'
            f'<g clip-path="url(#r)">{halves}'
            f'<rect width="{width}" height="20" fill="url(#s)"/></g>'
        )
    return _picture(badge, width, 20, ground, 110, texts)


def _for_the_badge(badge: Badge) -> str:
    label, message = badge.label.upper(), badge.message.upper()
    label_width = text_width(label, NORMAL_10) + WIDE_SPACING * len(label)
    message_width = text_width(message, BOLD_10) + WIDE_SPACING * len(message)
    left = label_width + 2 * WIDE_PADDING
    width = left + message_width + 2 * WIDE_PADDING
    texts = "".join(
        f'<text x="{_decimal(10 * start + 5 * wide)}" y="175" transform="scale(.1)" '
        f'textLength="{_decimal(10 * wide)}"{weight}>{escape(words)}</text>'
        for words, start, wide, weight in (
            (label, Fraction(WIDE_PADDING), label_width, ""),
            (message, left + WIDE_PADDING, message_width, ' font-weight="bold"'),
        )
    )
    ground = f'<g shape-rendering="crispEdges">{_halves(badge, left, width, 28)}</g>'
    return _picture(badge, width, 28, ground, 100, texts)


def _halves(badge: Badge, left: Fraction | int, width: Fraction | int, height: int) -> str:
    return (
        f'<rect width="{_decimal(left)}" height="{height}" fill="#555"/>'
        f'<rect x="{_decimal(left)}" width="{_decimal(width - left)}" height="{height}" '
        f'fill="{COLOURS[badge.colour]}"/>'
    )


def _text(words: str, middle: int, length: int, *, shadow: bool) -> str:
    attributes = f'transform="scale(.1)" textLength="{length}"'
    below = (
        f'<text aria-hidden="true" x="{middle}" y="150" fill="#010101" fill-opacity=".3" '
        f"{attributes}>{escape(words)}</text>"
    )
    return (
        f'{below if shadow else ""}<text x="{middle}" y="140" {attributes}>{escape(words)}</text>'
    )


def _picture(
    badge: Badge, width: Fraction | int, height: int, ground: str, font_size: int, texts: str
) -> str:
    name = escape(f"{badge.label}: {badge.message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_decimal(width)}" height="{height}" '
        f'role="img" aria-label="{name}"><title>{name}</title>{ground}'
        f'<g fill="#fff" text-anchor="middle" font-family="{FONT}" '
        f'text-rendering="geometricPrecision" font-size="{font_size}">{texts}</g></svg>\n'
    )


def _decimal(value: Fraction | int) -> str:
    return f"{float(value):g}"
