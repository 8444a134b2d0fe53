"""The data branch's ``README.md``: the page one shows to the team."""

from __future__ import annotations

from urllib.parse import quote

from covsync.model import Links, Report
from covsync.render.table import markdown_table, name_cell


def readme_md(
    report: Report, links: Links, *, has_html: bool, has_trend: bool, subproject: str | None = None
) -> bytes:
    """The page: title, link to the full report, trend, table, badges, what this branch is."""
    of_which = f" of {name_cell(subproject)}" if subproject else ""
    parts = [f"# Repository Coverage{of_which}\n"]
    if has_html:
        parts.append(f"[Full report]({links.report})\n")
    if has_trend:
        parts.append("![Coverage over time](trend.svg)\n")
    parts += [markdown_table(report) + "\n", BADGES]
    parts.append(_direct_image(links))
    if links.is_public:
        parts += [_endpoint_badge(links), _dynamic_badge(links)]
    parts.append(WHAT_IS_THAT)
    return "\n".join(parts).encode("utf-8", "surrogateescape")


BADGES = """\
## Setup coverage badge

To show the coverage in the `README` of your main branch, copy one of these lines into it.
"""

WHAT_IS_THAT = """\
## What is that?

This branch holds the coverage of the project's newest measured commit. `covsync push` writes it
after the tests have run, from the same figures as `badge.svg`, `endpoint.json`, `data.json` and
`history.jsonl` beside this page. Don't edit these files: the next publication replaces them.
"""


def _badge(image: str, links: Links) -> str:
    """The badge, and its line to copy."""
    line = f"[![Coverage badge]({image})]({links.badge_target})"
    return f"{line}\n\n```markdown\n{line}\n```\n"


def _direct_image(links: Links) -> str:
    return f"""\
### Direct image

{_badge(links.badge, links)}
The picture is a file of this branch: it needs no other service, and whoever may see the repository
sees it.
"""


def _endpoint_badge(links: Links) -> str:
    image = f"https://img.shields.io/endpoint?url={links.endpoint}"
    return f"""\
### [Shields.io](https://shields.io) Json Endpoint

{_badge(image, links)}
Shields.io draws this one from `endpoint.json`, in whatever [style](https://shields.io/endpoint) you
ask it for. It has to be able to read the repository, and may show an older figure for some minutes.
"""


def _dynamic_badge(links: Links) -> str:
    query = "color=brightgreen&label=coverage&query=%24.message"
    image = (
        f"https://img.shields.io/badge/dynamic/json?{query}&url={quote(links.endpoint, safe='')}"
    )
    return f"""\
### [Shields.io](https://shields.io) Dynamic Badge

{_badge(image, links)}
This one takes only the figure from `endpoint.json`; colour and label are in the address above.
"""
