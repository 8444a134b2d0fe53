"""What coverage.py makes of each measured file: from the store, else made now by many processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from covsync.measure.batch import LEFT_OUT, Batch, Results, analyse_batch, is_no_python
from covsync.measure.inputs import Inputs
from covsync.measure.json_report import (
    Entry,
    UnexpectedOutputError,
    compressed,
    decompressed,
)
from covsync.measure.path_mapping import paths_in, shown_path
from covsync.measure.pool import FILES_EACH, Pool, PoolError, are_many
from covsync.measure.stored_results import StoredResults
from covsync.model import WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

# With pages a report on few files costs more of its share than without.
PAGES_AT_ONCE = 24
META, ENTRIES, PAGES = "meta", "entry", "page"


class Analysis(NamedTuple):
    """The results of all measured files.

    ``meta`` is the JSON report's. ``entries`` and ``pages`` are by the path that reports show, in
    the report's order; ``pages`` is ``None`` where none are wanted, or a file's page does not stand
    by itself. ``from_store`` counts the entries that were not made now.
    """

    meta: Mapping[str, Any]
    entries: Mapping[str, Entry]
    pages: Mapping[str, bytes] | None
    from_store: int


def analyse(
    reporter: Coverage,
    names: Sequence[str],
    tree: WorkTree,
    inputs: Inputs,
    stored: StoredResults,
    *,
    pages: bool,
    pool: Pool,
) -> Analysis | None:
    """The analysis of the files ``names`` in a loaded ``reporter``, done by a ``pool`` if many.

    ``None`` where coverage.py has to report on all files at once: the pool fails, a report is not
    built as expected, or the data or the settings have changed meanwhile. Raises what coverage.py
    does here.
    """
    paths = {name: shown_path(name, tree) for name in names}
    if len(set(paths.values())) < len(paths):
        return None
    pages = pages and all(name in inputs.keys for name in names)
    found = _load(stored, names, inputs, pages=pages)
    from_store = len(found.entries)
    largest_first = sorted(names, key=inputs.size, reverse=True)
    batches = _batches(largest_first, paths, found, pages=pages)
    new = Results({}, {}, {})
    try:
        with contextlib.closing(_analysed(reporter, batches, pool)) as results:
            for each in results:
                new.meta.update(each.meta)
                new.entries.update(each.entries)
                new.pages.update(each.pages)
    except (PoolError, UnexpectedOutputError):
        return None
    if inputs.base:
        if not inputs.is_data_current(tree.folder):
            return None
        _save(stored, inputs, names, new)
    entries, of_pages = found.entries | new.entries, found.pages | new.pages
    ordered = [name for name in _report_order(reporter, names, tree) if entries[name] != LEFT_OUT]
    return Analysis(
        new.meta or found.meta,
        {paths[name]: entries[name] for name in ordered},
        {paths[name]: of_pages[name] for name in ordered} if pages else None,
        from_store,
    )


def _report_order(reporter: Coverage, names: Iterable[str], tree: WorkTree) -> list[str]:
    """The files as coverage.py's reports order them: by their canonical path, if it makes one."""
    if reporter.get_option("run:relative_files"):
        return sorted(names)
    paths = paths_in(tree)
    return sorted(names, key=lambda name: (paths.real(paths.by_name(name)), name))


def _load(stored: StoredResults, names: Iterable[str], inputs: Inputs, *, pages: bool) -> Results:
    """What the store has; without the report's ``meta`` no entry is of use."""
    by_key = {inputs.keys[name]: name for name in names if name in inputs.keys}

    def load(kind: str) -> dict[str, Entry]:
        return {by_key[key]: each for key, each in stored.load(kind, by_key).items()}

    of_pages = {name: each.content for name, each in load(PAGES).items()} if pages else {}
    meta = stored.load(META, [inputs.base]).get(inputs.base) if inputs.base else None
    if meta is None:
        return Results({}, {}, of_pages)
    return Results(json.loads(decompressed(meta.content)), load(ENTRIES), of_pages)


def _batches(
    names: Iterable[str], paths: Mapping[str, str], found: Results, *, pages: bool
) -> list[Batch]:
    """What was not found, in batches of files that need the same."""
    groups: dict[tuple[bool, bool], list[str]] = {}
    for name in names:
        has_page = name in found.pages or found.entries.get(name) == LEFT_OUT
        needs = (name not in found.entries, pages and not has_page)
        if any(needs):
            groups.setdefault(needs, []).append(name)
    batches = []
    for (entries, with_pages), group in groups.items():
        step = PAGES_AT_ONCE if with_pages else FILES_EACH
        for start in range(0, len(group), step):
            some = {name: paths[name] for name in group[start : start + step]}
            batches.append(Batch(some, entries, with_pages))
    return batches


def _analysed(reporter: Coverage, batches: Sequence[Batch], pool: Pool) -> Generator[Results]:
    if are_many(sum(len(batch.paths) for batch in batches)):
        yield from pool.results(batches, reporter.get_data().data_filename())
        return
    for batch in batches:
        yield analyse_batch(reporter, batch, pool.scratch)


def _save(stored: StoredResults, inputs: Inputs, names: Sequence[str], new: Results) -> None:
    """Stores what was made now of sources that have not changed meanwhile."""
    used = {inputs.keys[name] for name in names if name in inputs.keys}
    pages = {name: Entry("", content) for name, content in new.pages.items()}
    for kind, results in ((ENTRIES, new.entries), (PAGES, pages)):
        if results:
            to_store = {
                inputs.keys[name]: each
                for name, each in results.items()
                if name in inputs.keys
                and (each != LEFT_OUT or is_no_python(name))
                and inputs.is_source_current(name)
            }
            stored.save(kind, used, to_store)
    if new.meta:
        meta = Entry("", compressed(json.dumps(new.meta)))
        stored.save(META, [inputs.base], {inputs.base: meta})
