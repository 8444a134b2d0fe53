"""Appends a function to ten measured sources, and says in a copy of the data that tests ran it.

    python grow.py DATA COPY

Measuring Django again would take minutes, and the data would hardly differ.
"""

import shutil
import sys
from pathlib import Path

from coverage import CoverageData

FILES = 10
LEAST_LINES = 30
ADDED = """

def appended(value):
    if value:
        value += 1
    return value
"""


def main(data_file: str, copy: str) -> None:
    """Edits the sources that ``data_file`` names; its data with the new lines goes to ``copy``."""
    shutil.copyfile(data_file, copy)
    data = CoverageData(basename=copy)
    data.read()
    names = [name for name in sorted(data.measured_files()) if len(data.lines(name) or ()) > 1]
    long = [name for name in names if len(_text(name).splitlines()) >= LEAST_LINES]
    for name in long[:: len(long) // FILES][:FILES]:
        text = _text(name).rstrip("\n") + "\n"
        Path(name).write_text(text + ADDED, encoding="utf-8")
        at = text.count("\n") + 3
        if data.has_arcs():
            last = max(data.lines(name) or ())
            arcs = {(last, at), (at, -1), (-at, at + 1), (at + 1, at + 3), (at + 3, -at)}
            data.add_arcs({name: arcs})
        else:
            data.add_lines({name: {at, at + 1, at + 3}})
    data.write()


def _text(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


main(*sys.argv[1:])
