"""What was measured of each file, read at once where coverage.py asks file by file.

The tables are those that coverage.py documents
(https://coverage.readthedocs.io/en/latest/dbschema.html).
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from pathlib import Path

from covsync.measure.data_schema import reading_data, reading_new_data
from covsync.measure.sqlite_file import is_plain
from covsync.model import sha256

# Put together by SQLite, in the order of the tables' own index. In any other order the digests
# would be others too, and files be analysed again; never would different data have the same.
LINES = "select file_id, context_id, hex(numbits), '' from line_bits"
ARCS = (
    "select file_id, context_id, group_concat(fromno), group_concat(tono) from arc "
    "group by file_id, context_id"
)
TRACERS = "select path, tracer from tracer join file on file.id = file_id where tracer <> ''"


def digests(data_file: str) -> dict[str, bytes]:
    """By measured name a digest of its lines and arcs, and of the contexts they ran in.

    A file that a plugin traced has none. Raises ``sqlite3.Error`` where the tables are other ones.
    """
    with reading_data(Path(data_file)) as database:
        files = dict(database.execute("select id, path from file"))
        # Each stands for a name that may be long, in as many rows as there are.
        contexts = {
            number: _digest(name)
            for number, name in database.execute("select id, context from context")
        }
        facts_of = defaultdict(list)
        for query in (LINES, ARCS):
            for file, context, *facts in database.execute(query):
                facts_of[file].append((contexts.get(context), facts))
        traced = dict(database.execute(TRACERS))
    return {
        name: _digest(sorted(facts_of[file], key=repr))
        for file, name in files.items()
        if name not in traced
    }


def _digest(facts: object) -> bytes:
    return sha256(repr(facts).encode("utf-8", "surrogateescape")).digest()


def measured_names(data_file: Path) -> list[str]:
    """The files that were measured; none where the tables are other ones, or there is no file."""
    if not is_plain(data_file):
        return []
    try:
        with reading_new_data(data_file) as database:
            return [name for (name,) in database.execute("select path from file")]
    except sqlite3.Error:
        return []


def count_files(data_file: Path) -> int:
    """How many files were measured; 0 where the tables are other ones, or there is no file."""
    if not is_plain(data_file):
        return 0
    try:
        with reading_new_data(data_file) as database:
            return int(database.execute("select count(*) from file").fetchone()[0])
    except sqlite3.Error:
        return 0


def tracers(data_file: str) -> dict[str, str]:
    """By measured name the plugin that traced it. Raises ``sqlite3.Error`` as ``digests``."""
    with reading_data(Path(data_file)) as database:
        return dict(database.execute(TRACERS))
