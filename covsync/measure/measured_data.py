"""What was measured of each file, as one digest: read at once, where coverage.py asks file by file.

The tables are those that coverage.py documents
(https://coverage.readthedocs.io/en/latest/dbschema.html).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sqlite3
from pathlib import Path

QUERIES = (
    "select file_id, context_id, numbits from line_bits order by file_id",
    "select file_id, context_id, fromno, tono from arc order by file_id",
)


def digests(data_file: str) -> dict[str, bytes]:
    """By measured name a digest of its lines and arcs, in which contexts they ran.

    A file that a plugin traced has none. Raises ``sqlite3.Error`` where the tables are other ones.
    """
    uri = f"{Path(data_file).absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        traced = {
            file
            for file, tracer in database.execute("select file_id, tracer from tracer")
            if tracer
        }
        contexts = dict(database.execute("select id, context from context"))
        files = dict(database.execute("select id, path from file"))
        made = {file: hashlib.sha256() for file in files if file not in traced}
        for query in QUERIES:
            for file, rows in itertools.groupby(database.execute(query), key=lambda row: row[0]):
                told = sorted((contexts[context], *facts) for _, context, *facts in rows)
                if file in made:
                    made[file].update(repr((len(told), told)).encode("utf-8", "surrogateescape"))
    return {files[file]: digest.digest() for file, digest in made.items()}
