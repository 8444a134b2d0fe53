"""What coverage data may ask coverage.py for: it must stand in proportion to the sources.

coverage.py takes 8 numbers from each byte of a `numbits`, and reports with `show_contexts` name
every context on every line, so small data can make large reports.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from covsync.errors import CovsyncError
from covsync.limits import (
    CONTEXT_CHARACTERS,
    LINES_AFTER_END,
    SHOWN_CONTEXTS,
    SOURCE_BYTES,
    SOURCE_LINES,
    exceeded,
    limit,
)
from covsync.measure.coverage_options import option
from covsync.measure.data_schema import reading_data

if TYPE_CHECKING:
    from coverage import Coverage

LARGEST_NUMBITS = (
    "select path, max(length(numbits)) from line_bits join file on file.id = file_id group by path"
)
# As many lines at least as half of them name.
ARCS = "select context_id, count(*) from arc group by context_id"


def refuse_large_sources(sizes: Mapping[str, int]) -> None:
    """Raises ``CovsyncError`` where a source, of so many bytes by path, is too large to parse."""
    for path, size in sizes.items():
        if size > limit(SOURCE_BYTES):
            raise exceeded(f"{path!r} has {size:,} bytes", SOURCE_BYTES, "bytes of a source")
        if size > limit(SOURCE_LINES):  # with fewer bytes it cannot have so many lines
            lines = len(Path(path).read_bytes().splitlines())
            if lines > limit(SOURCE_LINES):
                raise exceeded(f"{path!r} has {lines:,} lines", SOURCE_LINES, "lines of a source")


def refuse_lines_after_end(data_file: str, sizes: Mapping[str, int]) -> None:
    """Raises ``CovsyncError`` where data names lines far beyond the end of a source.

    ``sizes`` are the sources' in bytes by measured name, none of them too large: a file has no more
    lines than bytes. Lines may be left of a source that was longer; coverage.py reports none.
    """
    with reading_data(Path(data_file)) as database:
        lengths = dict(database.execute(LARGEST_NUMBITS))
    for name, size in sizes.items():
        last = 8 * lengths.get(name, 0)
        if last > min(size, limit(SOURCE_LINES)) + limit(LINES_AFTER_END):
            raise exceeded(
                f"the coverage data names lines up to {last:,} of {name!r}, which has {size:,} "
                "bytes",
                LINES_AFTER_END,
                "lines after a source's end",
            )


def refuse_many_contexts(reporter: Coverage, *, pages: bool) -> None:
    """Raises ``CovsyncError`` where reports would name too many contexts, or name them too long.

    Only where coverage.py's settings have them shown: in its JSON report, or with ``pages`` in the
    HTML report.
    """
    in_json = bool(option(reporter, "json:show_contexts"))
    if not in_json and not (pages and option(reporter, "html:show_contexts")):
        return
    asked = option(reporter, "report:contexts")
    patterns = [str(each) for each in asked] if isinstance(asked, list) else []
    times, characters = _shown_contexts(reporter.get_data().data_filename(), patterns)
    for found, figure, unit in (
        (times, SHOWN_CONTEXTS, "of them"),
        (characters, CONTEXT_CHARACTERS, "characters of them"),
    ):
        if found > limit(figure):
            error = exceeded("show_contexts names contexts line by line", figure, unit)
            raise CovsyncError(
                error.message, f"Set show_contexts = false for coverage.py. {error.fix}"
            )


def _shown_contexts(data_file: str, patterns: Iterable[str]) -> tuple[int, int]:
    """How often reports name a context on a line, and in how many characters."""
    wanted = [re.compile(pattern) for pattern in patterns]
    with reading_data(Path(data_file)) as database:
        lengths = {
            number: len(str(name))
            for number, name in database.execute("select id, context from context")
            if not wanted or any(pattern.search(str(name)) for pattern in wanted)
        }
        times = Counter(dict(database.execute(ARCS)))
        for number, numbits in database.execute("select context_id, numbits from line_bits"):
            if isinstance(numbits, bytes):  # coverage.py says what is wrong with any other
                times[number] += int.from_bytes(numbits, "big").bit_count()
    return (
        sum(times[number] for number in lengths),
        sum(times[number] * length for number, length in lengths.items()),
    )
