"""A source's page of coverage.py's HTML report, loose from its neighbours. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from covsync.measure.analysis.summary import UnknownFormError

# The one line of coverage.py's page templates that tells the time of day. A source line cannot
# look like it, as a page shows "<" of a source as an entity.
CREATED_AT = re.compile(r"(>coverage\.py v[^<]*</a>),\s*created at [^<]*(?=</p>)")
# Nor can one look like these: it has "&" as an entity too.
TO_PREVIOUS = '">&#xab; prev</a>'
TO_NEXT = '">&#xbb; next</a>'
LINKS_EACH = 2
PREVIOUS, NEXT = "\0previous", "\0next"


def timeless(page: str) -> str:
    """A page without the time at which it was made."""
    return CREATED_AT.sub(r"\1\n        ", page)


def loosened(page: str, previous: str, following: str) -> str:
    """A page with marks in place of the links to its neighbours. Raises ``UnknownFormError``."""
    if "\0" in page:
        raise UnknownFormError
    for link, end, mark in ((previous, TO_PREVIOUS, PREVIOUS), (following, TO_NEXT, NEXT)):
        if page.count(end) != LINKS_EACH or page.count(f'href="{link}{end}') != LINKS_EACH:
            raise UnknownFormError
        page = page.replace(f'href="{link}{end}', f'href="{mark}{end}')
    return page


def linked(page: str, previous: str, following: str) -> str:
    """A loose page with its neighbours."""
    return page.replace(PREVIOUS, previous).replace(NEXT, following)


def around(links: Sequence[str], at: int) -> tuple[str, str]:
    """The neighbours of the page at a place in the report; at the ends that is the index."""
    return (
        links[at - 1] if at else "index.html",
        links[at + 1] if at + 1 < len(links) else "index.html",
    )
