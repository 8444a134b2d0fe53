"""What is known of each measured file: from the store, else from coverage.py, by many processes."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from covsync.measure.analysis import packing
from covsync.measure.analysis.kept import Kept
from covsync.measure.analysis.keys import Keys
from covsync.measure.analysis.summary import UnknownFormError
from covsync.measure.analysis.task import Result, Task, analysed, is_no_python
from covsync.measure.analysis.texts import SIZE
from covsync.measure.analysis.workers import FILES_EACH, WorkerFailedError, Workers, are_many
from covsync.measure.paths import Paths, shown_path
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

# With pages a report on few files costs more of its share than without.
PAGES_AT_ONCE = 24
META, ENTRIES, PAGES = "meta", "entry", "page"


class Analysis(NamedTuple):
    """The results of all measured files, packed.

    ``meta`` is the JSON report's. ``entries`` and ``pages`` are by the path that reports show, in
    the report's order; ``pages`` is ``None`` where none were asked for, or a file's page does not
    stand by itself. ``from_store`` counts the entries that were not analysed now.
    """

    meta: Mapping[str, Any]
    entries: Mapping[str, bytes]
    pages: Mapping[str, bytes] | None
    from_store: int


def analyse(
    reporter: Coverage,
    names: Sequence[str],
    tree: WorkTree,
    keys: Keys,
    kept: Kept,
    *,
    pages: bool,
    workers: Workers,
) -> Analysis | None:
    """The analysis of the files ``names`` in a loaded ``reporter``, done by ``workers`` if many.

    ``None`` where it has to be of one piece: a worker fails, coverage.py's reports look unknown, or
    the data or the settings have changed meanwhile. Raises what coverage.py does here.
    """
    paths = {name: shown_path(name, tree) for name in names}
    if len(set(paths.values())) < len(paths):
        return None
    pages = pages and all(name in keys.of_files for name in names)
    entries = _loaded(kept, ENTRIES, names, keys)
    loose = _loaded(kept, PAGES, names, keys) if pages else {}
    meta = kept.load(META, [keys.base]).get(keys.base) if keys.base else None
    result = Result(packing.meta_of(meta), entries, loose) if meta else Result({}, {}, loose)
    from_store = len(result.entries)
    new = Result({}, {}, {})
    largest_first = sorted(names, key=lambda name: _size(name, keys), reverse=True)
    tasks = _tasks(largest_first, paths, result, pages=pages)
    try:
        with contextlib.closing(_done(reporter, tasks, workers)) as done:
            for each in done:
                new.meta.update(each.meta)
                new.entries.update(each.entries)
                new.pages.update(each.pages)
    except (WorkerFailedError, UnknownFormError, OSError, ValueError):
        return None
    if keys.base:
        if not keys.still_hold(reporter.get_data().data_filename(), tree.folder):
            return None
        _keep(kept, keys, names, new)
    found = Result(new.meta or result.meta, result.entries | new.entries, result.pages | new.pages)
    ordered = [name for name in _report_order(reporter, names, tree) if found.entries[name]]
    return Analysis(
        found.meta,
        {paths[name]: found.entries[name] for name in ordered},
        {paths[name]: found.pages[name] for name in ordered} if pages else None,
        from_store,
    )


def _size(name: str, keys: Keys) -> int:
    return keys.texts[name].state[SIZE] if name in keys.texts else 0


def _report_order(reporter: Coverage, names: Iterable[str], tree: WorkTree) -> list[str]:
    """The files as coverage.py's reports order them: by their canonical path, if it makes one."""
    if reporter.get_option("run:relative_files"):
        return sorted(names)
    paths = Paths(tree)
    return sorted(names, key=lambda name: (paths.real(paths.by_name(name)), name))


def _loaded(kept: Kept, kind: str, names: Iterable[str], keys: Keys) -> dict[str, bytes]:
    by_key = {keys.of_files[name]: name for name in names if name in keys.of_files}
    return {by_key[key]: content for key, content in kept.load(kind, by_key).items()}


def _tasks(
    names: Iterable[str], paths: Mapping[str, str], known: Result, *, pages: bool
) -> list[Task]:
    """What is not known yet, in portions of files that need the same."""
    groups: dict[tuple[bool, bool], list[str]] = {}
    for name in names:
        without = name in known.entries and not known.entries[name]  # it is not in the report
        needs = (name not in known.entries, pages and not without and name not in known.pages)
        if any(needs):
            groups.setdefault(needs, []).append(name)
    return [
        Task({name: paths[name] for name in group[start : start + step]}, *needs)
        for needs, group in groups.items()
        for step in [PAGES_AT_ONCE if needs[1] else FILES_EACH]
        for start in range(0, len(group), step)
    ]


def _done(reporter: Coverage, tasks: Sequence[Task], workers: Workers) -> Generator[Result]:
    if are_many(sum(len(task.names) for task in tasks)):
        yield from workers.answers(tasks, reporter.get_data().data_filename())
        return
    for task in tasks:
        yield analysed(reporter, task, workers.scratch)


def _keep(kept: Kept, keys: Keys, names: Sequence[str], new: Result) -> None:
    used = {keys.of_files[name] for name in names if name in keys.of_files}
    for kind, contents in ((ENTRIES, new.entries), (PAGES, new.pages)):
        if contents:
            to_keep = {
                keys.of_files[name]: content
                for name, content in contents.items()
                if (content or is_no_python(name)) and keys.is_of(name)
            }
            kept.save(kind, used, to_keep)
    if new.meta and keys.base:
        kept.save(META, [keys.base], {keys.base: packing.packed_meta(new.meta)})
