"""``trend.svg``: the total over the commits' times, once two publications can be compared."""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from math import ceil, floor, isfinite

from covsync.limits import SECONDS_AHEAD, limit
from covsync.render.history import history_lines

LONGEST = 200
WIDTH, HEIGHT = 640, 160
LEFT, RIGHT, TOP, BOTTOM = 44, 56, 12, 24


def trend_svg(history: bytes, shown_total: str, newest: int) -> bytes | None:
    """The picture of ``history``'s newest publications, ``None`` where there are not two.

    ``newest`` is the time (Unix) of the commit that the page is of: a line of a much later one was
    not written by covsync, and is left out. ``shown_total`` stands beside the last point, so that
    it says what badge and table say. The line's points are hours and percentages, drawn to scale by
    the renderer: so a point stays as it is written when others join, and git has little to keep.
    """
    points = _points(history, newest + limit(SECONDS_AHEAD))[-LONGEST:]
    if len(points) < 2:
        return None
    (first, _), (last, _) = points[0], points[-1]
    lowest = min(floor(min(percent for _, percent in points) / 10) * 10, 90)
    highest = max(ceil(max(percent for _, percent in points) / 10) * 10, lowest + 10)
    wide = (WIDTH - LEFT - RIGHT) / (_hours(last) - _hours(first) or 1.0)
    high = (HEIGHT - TOP - BOTTOM) / (highest - lowest)

    def down(percent: float) -> float:
        return TOP + high * (highest - percent)

    line = " ".join(f"{_hours(at):.1f},{percent:.2f}" for at, percent in points)
    start = LEFT - wide * _hours(first)
    scale = f"matrix({wide:.9g} 0 0 {-high:.9g} {start:.9g} {down(0):.9g})"
    end_x, end_y = start + wide * _hours(last), down(points[-1][1])
    grid = "".join(
        f'<path d="M{LEFT} {down(tick):.1f}H{WIDTH - RIGHT}" stroke="#888" stroke-opacity=".35"/>'
        f'<text x="{LEFT - 6}" y="{down(tick) + 4:.1f}" text-anchor="end">{tick}%</text>'
        for tick in (lowest, highest)
    )
    title = escape(
        f"Coverage over {len(points)} publications, {first:%Y-%m-%d} to {last:%Y-%m-%d}: "
        f"now {shown_total}%"
    )
    foot = HEIGHT - 6
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>'
        '<g font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" fill="#888">'
        f"{grid}"
        f'<text x="{LEFT}" y="{foot}">{first:%Y-%m-%d}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{foot}" text-anchor="end">{last:%Y-%m-%d}</text>'
        f'<polyline points="{line}" transform="{scale}" fill="none" stroke="#2f81f7" '
        'stroke-width="2" stroke-linejoin="round" vector-effect="non-scaling-stroke"/>'
        f'<circle cx="{end_x:.1f}" cy="{end_y:.1f}" r="3.5" fill="#2f81f7"/>'
        f'<text x="{end_x + 8:.1f}" y="{end_y + 4:.1f}" font-weight="bold">{shown_total}%</text>'
        "</g></svg>\n"
    ).encode()


def _hours(at: datetime) -> float:
    return at.timestamp() / 3600


def _points(history: bytes, until: int) -> list[tuple[datetime, float]]:
    """When each publication's commit was made, and its percentage; lines of others left out."""
    points = []
    for line in history_lines(history):
        try:
            entry = json.loads(line)
            at = datetime.strptime(entry["committed_at"], "%Y-%m-%dT%H:%M:%S%z")
            percent = float(entry["percent_covered"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
        if isfinite(percent) and 0 <= percent <= 100 and at.timestamp() <= until:
            points.append((at, percent))
    return sorted(points)
