"""Several projects on one data branch: each in a folder of its own, the front page lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from covsync.config import SUBPROJECT
from covsync.errors import PublicationError
from covsync.limits import SUBPROJECTS, exceeded, limit
from covsync.render.table import escaped, name_cell

HEADING = b"# Repository Coverage\n"
BEGIN, END = "<!-- covsync: subprojects -->", "<!-- /covsync: subprojects -->"
END_OF_SECTION = re.compile(rb"%b[ \t]*(?:\r?\n|\Z)" % END.encode())


def subprojects(paths: Iterable[str]) -> list[str]:
    """The folders among a branch's ``paths`` in which a project is published, in order.

    Raises ``PublicationError`` where there are too many.
    """
    split = (path.split("/") for path in paths)
    named = {path[0] for path in split if path[1:] == ["data.json"]}
    found = sorted(filter(SUBPROJECT.fullmatch, named))
    if len(found) > limit(SUBPROJECTS):
        raise PublicationError.of(exceeded("the data branch", SUBPROJECTS, "subprojects"))
    return found


def front_page(page: bytes | None, figures: Mapping[str, str]) -> bytes:
    """The branch's ``README.md`` with the list of subprojects, in place of what it listed before.

    ``page`` is what it says besides, such as the report of a project at the top; ``figures`` are
    the percentages by name, as on each one's badge.
    """
    rest = _without_sections(HEADING if page is None else page)
    if not figures:
        return rest
    lines = [BEGIN, "| Project | Coverage | Badge |", "| :--- | ---: | :--- |"]
    lines += [_row(name, figure) for name, figure in sorted(figures.items())]
    section = "\n".join([*lines, END])
    return rest.rstrip(b"\n") + f"\n\n{section}\n".encode()


def _without_sections(page: bytes) -> bytes:
    """A page with a line end in place of each list: one search forward for each marker."""
    begin, parts, at = BEGIN.encode(), [], 0
    while (start := page.find(begin, at)) >= 0:
        end = END_OF_SECTION.search(page, start)
        if end is None:
            break
        parts += [page[at:start].rstrip(b"\r\n"), b"\n"]
        at = end.end()
    return b"".join([*parts, page[at:]])


def _row(name: str, figure: str) -> str:
    page, badge = (f"{quote(name)}/{file}" for file in ("README.md", "badge.svg"))
    shown = name_cell(name)
    return f"| [{shown}]({page}) | {escaped(figure)}% | [![{shown}]({badge})]({page}) |"
