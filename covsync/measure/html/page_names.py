"""File names of pages that a link cannot be misread for. Pure."""

from __future__ import annotations

import hashlib
import html
import os
import re
from functools import partial

from covsync.contents import Content, Files
from covsync.measure.html.index_table import PLURALS

PLAIN = re.compile(r"[\w.-]+")


def with_plain_names(pages: Files) -> Files:
    """The pages, renamed where a link could be read as another: ``javascript:x``, ``a#b``."""
    odd = [name for name in pages if not PLAIN.fullmatch(name)]
    links = {spelling: _plain(name) for name in odd for spelling in _spellings(name)}
    if not links:
        return pages
    alternatives = b"|".join(map(re.escape, sorted(links, key=len, reverse=True)))
    linked = re.compile(b'href="(' + alternatives + b')(?=["#])')

    def renamed(name: str) -> bytes:
        if not name.endswith(".html"):
            return pages[name]
        return linked.sub(lambda match: b'href="' + links[match[1]].encode(), pages[name])

    # The tables are long, so they are not made each time.
    return Files(
        {
            _plain(name): Content.packed([renamed(name)])
            if name in PLURALS
            else Content.made_by(partial(renamed, name))
            for name in pages
        }
    )


def _plain(name: str) -> str:
    if PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f"z_{digest}_" + re.sub(r"[^\w.-]", "_", name)


def _spellings(name: str) -> set[bytes]:
    """A page's name as the versions of coverage.py write it into a link."""
    spellings = (name, html.escape(name, quote=False), html.escape(name))
    return {each.encode("ascii", "xmlcharrefreplace") for each in spellings}
