"""coverage.py's HTML report as bytes that depend on the coverage alone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from covsync.measure.measurement import Measurement, explained
from covsync.temporary import temporary_folder

NOT_PUBLISHED = (".gitignore", "status.json")
# The one line of coverage.py's page templates that tells the time of day. A source line cannot
# look like it, as a page shows "<" of a source as an entity.
CREATED_AT = re.compile(rb"(>coverage\.py v[^<]*</a>),\s*created at [^<]*(?=</p>)")


def html_pages(measurement: Measurement) -> Mapping[str, bytes]:
    """The HTML report's files by their path in it; none for data that holds no sources."""
    if measurement.coverage is None:
        return {}
    with explained(measurement.tree), temporary_folder() as folder:
        measurement.coverage.html_report(list(measurement.names), directory=os.fspath(folder))
        return {
            path.relative_to(folder).as_posix(): CREATED_AT.sub(rb"\1\n        ", path.read_bytes())
            if path.suffix == ".html"
            else path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in NOT_PUBLISHED
        }
