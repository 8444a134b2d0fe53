"""coverage.py's settings for the processes that a program starts."""

from __future__ import annotations

import configparser
import os
import re
import tempfile
from pathlib import Path

from covsync import observer
from covsync.measure.settings import chosen_sections, disk_reader


def write_for_all_processes(target: Path) -> None:
    """Writes the project's settings for processes that start anywhere, each with its own data.

    They are those of the configuration file that coverage.py would choose in the working
    directory, with paths made absolute, and what it takes to measure processes besides the first.
    """
    sections = chosen_sections(disk_reader(Path()))
    run = sections.setdefault("run", {})
    for key in ("source", "include", "omit"):
        if key in run:
            run[key] = "\n".join(map(_anywhere, re.split(r"[,\n]+", run[key])))
    concurrency = {*re.split(r"[,\s]+", run.get("concurrency", "")), "multiprocessing"} - {""}
    if concurrency == {"multiprocessing"}:
        concurrency.add("thread")
    run |= {"parallel": "true", "concurrency": ",".join(sorted(concurrency))}
    # The observer does it, as a worker that is terminated waits for ever now and then by this.
    run["sigterm"] = "false"
    run["plugins"] = "\n".join(filter(None, [run.get("plugins", ""), observer.__name__]))
    run["relative_files"] = "false"  # a process elsewhere would be relative to there
    here, temporary = Path.cwd(), tempfile.gettempdir()
    foreign = [] if here.is_relative_to(temporary) else [f"{temporary}/*"]  # what tests write there
    if not Path(observer.__file__).is_relative_to(here):
        foreign.append(observer.__file__)
    run["omit"] = "\n".join(filter(None, [run.get("omit", ""), *foreign]))
    run["patch"] = ",".join(sorted({*re.split(r"[,\s]+", run.get("patch", "")), "_exit"} - {""}))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    with target.open("w", encoding="utf-8") as stream:
        parser.write(stream)


def _anywhere(entry: str) -> str:
    """A source folder or a file pattern that means the same in every working directory."""
    entry = entry.strip()
    is_pattern = "*" in entry or "?" in entry or entry.endswith(".py")
    if not entry or entry.startswith(("*", "?", "/")):
        return entry
    if is_pattern and "/" not in entry:
        return entry
    path = os.path.abspath(entry)  # noqa: PTH100 - it may be a pattern
    return path if is_pattern or os.path.isdir(entry) else entry  # noqa: PTH112 - as above
