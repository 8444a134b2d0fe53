"""coverage.py's HTML report as bytes that depend on the coverage alone."""

from __future__ import annotations

import hashlib
import html
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from covsync.errors import CovsyncError
from covsync.measure.measurement import Measurement, explained
from covsync.temporary import temporary_folder

if TYPE_CHECKING:
    from coverage import Coverage

PLAIN = re.compile(r"[\w.-]+")
NOT_PUBLISHED = (".gitignore", "status.json")
# The one line of coverage.py's page templates that tells the time of day. A source line cannot
# look like it, as a page shows "<" of a source as an entity.
CREATED_AT = re.compile(rb"(>coverage\.py v[^<]*</a>),\s*created at [^<]*(?=</p>)")


def html_pages(measurement: Measurement) -> Mapping[str, bytes]:
    """The HTML report's files by their path in it; none for data that holds no sources."""
    if measurement.coverage is None:
        return {}
    _refuse_untracked_style(measurement)
    with explained(measurement.tree), temporary_folder() as folder:
        measurement.coverage.html_report(
            list(measurement.names),
            directory=os.fspath(folder),
            show_contexts=None if _contexts_are_harmless(measurement.coverage) else False,
        )
        pages = {
            path.relative_to(folder).as_posix(): CREATED_AT.sub(rb"\1\n        ", path.read_bytes())
            if path.suffix == ".html"
            else path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in NOT_PUBLISHED
        }
    return _with_plain_names(pages)


def _refuse_untracked_style(measurement: Measurement) -> None:
    """coverage.py copies the file that ``[html] extra_css`` names, wherever it lies."""
    assert measurement.coverage is not None  # noqa: S101 - the caller has looked
    style, tree = measurement.coverage.get_option("html:extra_css"), measurement.tree
    real = os.path.realpath(os.path.join(tree.folder, str(style)))
    if style and os.path.relpath(real, tree.top) not in tree.tracked:
        raise CovsyncError(
            f"{style} (coverage.py's [html] extra_css) is not tracked by git, so it must not be "
            "published",
            "Commit it, or leave the setting out.",
        )


def _contexts_are_harmless(coverage: Coverage) -> bool:
    """Older coverage.py writes contexts into a script as they are."""
    return not any(set(context) & set("<>&") for context in coverage.get_data().measured_contexts())


def _with_plain_names(pages: Mapping[str, bytes]) -> dict[str, bytes]:
    """The pages, renamed where a link could be read as another: ``javascript:x``, ``a#b``."""
    odd = [name for name in pages if not PLAIN.fullmatch(name)]
    links = {spelt: _plain(name) for name in odd for spelt in _spellings(name)}
    if not links:
        return dict(pages)
    known = b"|".join(map(re.escape, sorted(links, key=len, reverse=True)))
    linked = re.compile(b'href="(' + known + b')(?=["#])')
    return {
        _plain(name): linked.sub(lambda match: b'href="' + links[match[1]].encode(), content)
        if name.endswith(".html")
        else content
        for name, content in pages.items()
    }


def _plain(name: str) -> str:
    if PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f"z_{digest}_" + re.sub(r"[^\w.-]", "_", name)


def _spellings(name: str) -> set[bytes]:
    """A page's name as the versions of coverage.py write it into a link."""
    spellings = (name, html.escape(name, quote=False), html.escape(name))
    return {each.encode("ascii", "xmlcharrefreplace") for each in spellings}
