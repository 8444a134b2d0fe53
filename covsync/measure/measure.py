"""From a data file to a ``Measurement``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from covsync.errors import NoDataError
from covsync.measure import data_file, data_tables, plugins, reported_files, settings
from covsync.measure.analysis import Analysis, analyse
from covsync.measure.batch import coverage_json, is_no_python
from covsync.measure.coverage_errors import explained_with_warnings
from covsync.measure.coverage_options import (
    contexts_are_harmless,
    exclusions,
    fail_under,
    option,
    scope_of,
    style_of,
    without_debug_file,
)
from covsync.measure.data_bounds import (
    refuse_large_sources,
    refuse_lines_after_end,
    refuse_many_contexts,
)
from covsync.measure.data_file import HOW_TO_MEASURE
from covsync.measure.inputs import Inputs, state_of
from covsync.measure.json_report import (
    UnexpectedOutputError,
    in_parts,
    report_from_json,
    report_from_summaries,
    sum_up,
)
from covsync.measure.path_mapping import paths_in, shown_path
from covsync.measure.pool import Pool, PoolError, are_many
from covsync.measure.stored_results import StoredResults
from covsync.model import CoverageJson, FileReport, Report, ReportStyle, Scope, WorkTree
from covsync.temporary import temporary_folder

if TYPE_CHECKING:
    from coverage import Coverage


class MeasuredData(NamedTuple):
    """Coverage data whose paths are mapped to the repository, not analysed yet.

    ``reporter`` is loaded with it, or ``None`` where it is a ``document`` of ``coverage json``.
    ``names`` are the reported files as they were measured. ``results`` are those in the store.
    ``warnings`` are coverage.py's, in its words.
    """

    configured: Coverage
    reporter: Coverage | None
    document: Mapping[str, Any]
    names: tuple[str, ...]
    data_file: Path
    tree: WorkTree
    results: StoredResults
    inputs: Inputs
    scratch: Path
    pool: Pool
    warnings: list[str]

    @property
    def shown_paths(self) -> Mapping[str, str]:
        """The paths that reports show, by measured name."""
        return {name: shown_path(name, self.tree) for name in self.names}

    def paths(self) -> dict[str, str]:
        """The measured files by name, as paths from the repository's top level."""
        names = list(self.document.get("files", {})) or self.names
        paths, top = paths_in(self.tree), os.path.join(self.tree.top, "")
        return {name: paths.by_name(name).removeprefix(top) for name in names}

    def fingerprint(self) -> str | None:
        """Changes whenever the measurement or its pages might; ``None`` without keys."""
        of_files = self.inputs.fingerprint(self.names)
        if of_files is None:
            return None
        shown = (of_files, style_of(self.configured), fail_under(self.configured))
        return hashlib.sha256(repr(shown).encode()).hexdigest()

    def is_unchanged(self) -> bool:
        """Whether the measurement is surely of what data, settings and sources hold now."""
        has_keys = self.inputs.fingerprint(self.names) is not None
        return has_keys and self.inputs.are_current(self.tree.folder)

    def is_repeatable(self, report: Report) -> bool:
        """Whether the same data, texts, settings and versions will make the same ``report``.

        Not so where a plugin has a say, where names stand for others, where something was left out
        with a warning, or while files change.
        """
        shown = {*self.shown_paths.values()}
        return (
            self.reporter is self.configured
            and all(map(is_no_python, shown.difference(file.path for file in report.files)))
            and not option(self.configured, "run:plugins")
            and not self.warnings
            and self.is_unchanged()
        )

    def measurement(self, *, pages: bool = False) -> Measurement:
        """The measurement, made now; with ``pages`` what it takes for an HTML report is too.

        Raises ``NoDataError``, ``NothingToJudgeError`` and ``CovsyncError``.
        """
        with explained_with_warnings(self.tree, self.warnings):
            with plugins.importable(self.configured, os.fspath(self.tree.folder)):
                report, analysis = self._reported(pages=pages)
            if not report.files:
                raise NoDataError(f"{self.data_file} holds no measured files", HOW_TO_MEASURE)
            return Measurement(
                data=self,
                report=report,
                fail_under=fail_under(self.configured),
                scope=scope_of(self.configured, self.tree),
                exclusions=exclusions(self.configured),
                pages=analysis.pages if analysis else None,
                from_store=analysis.from_store if analysis else 0,
            )

    def _reported(self, *, pages: bool) -> tuple[Report, Analysis | None]:
        """The report, put together from the files' results or made of all files at once."""
        style = style_of(self.configured)
        if self.reporter is None:
            return report_from_json(in_parts(self.document), style), None
        refuse_many_contexts(self.reporter, pages=pages)
        analysis = analyse(
            self.reporter,
            self.names,
            self.tree,
            self.inputs,
            self.results,
            pages=pages and contexts_are_harmless(self.reporter),
            pool=self.pool,
        )
        if analysis and analysis.entries:
            with contextlib.suppress(UnexpectedOutputError):
                return _put_together(analysis, style), analysis
        self.results.notes.append("coverage.py analysed all files at once")
        whole = coverage_json(self.reporter, list(self.names), self.scratch)
        return report_from_json(in_parts(whole), style), None


class Measurement(NamedTuple):
    """The report on measured ``data``, and what else coverage.py says of the project.

    ``fail_under`` is coverage.py's own floor, ``None`` where it sets none. ``scope`` and
    ``exclusions`` are as in a ``Record``. ``pages`` are what the HTML report can be put together
    from, by the path that reports show, where they were asked for and stand each by itself.
    ``from_store`` counts the files that were not analysed now.
    """

    data: MeasuredData
    report: Report
    fail_under: Fraction | None
    scope: Scope
    exclusions: tuple[tuple[str, ...], ...]
    pages: Mapping[str, bytes] | None
    from_store: int

    def files(self) -> dict[str, FileReport]:
        """The reported files by their path from the repository's top level."""
        tree = self.data.tree
        top, folder = os.path.join(tree.top, ""), os.fspath(tree.folder)
        paths = (os.path.normpath(os.path.join(folder, file.path)) for file in self.report.files)
        files = zip(paths, self.report.files, strict=True)
        return {path.removeprefix(top): file for path, file in files}

    def entries(self) -> dict[str, bytes]:
        """Their compressed entries in the JSON report, by the same paths."""
        assert self.report.coverage_json is not None  # noqa: S101 - every measurement has one
        contents = self.report.coverage_json.entries
        return {path: contents[file.path] for path, file in self.files().items()}


def _put_together(analysis: Analysis, style: ReportStyle) -> Report:
    """The report that the results of all files make."""
    summaries = {path: json.loads(entry.summary) for path, entry in analysis.entries.items()}
    totals = sum_up(summaries.values(), style.precision)
    document = {"meta": analysis.meta, "files": {}, "totals": totals}
    entries = {path: entry.content for path, entry in analysis.entries.items()}
    return report_from_summaries(CoverageJson(document, entries), summaries, style)


@contextlib.contextmanager
def measured(wanted: Path | None, tree: WorkTree, results: StoredResults) -> Iterator[Measurement]:
    """The measurement in a data file; see ``open_data`` and ``MeasuredData.measurement``."""
    with open_data(wanted, tree, results, eager=True) as data:
        yield data.measurement()


@contextlib.contextmanager
def open_data(
    wanted: Path | None,
    tree: WorkTree,
    results: StoredResults,
    *,
    only_tracked: bool = False,
    eager: bool = False,
) -> Iterator[MeasuredData]:
    """The data in the data file ``wanted`` (``None``: coverage.py's own choice).

    The working directory must be ``tree.folder``, where coverage.py looks for its configuration.
    With ``only_tracked`` a measured file that git does not track is an error, as its text would
    be published. ``eager`` says that the measurement will be asked for. Raises ``NoDataError``,
    ``NothingToJudgeError`` and ``CovsyncError``.
    """
    with temporary_folder() as scratch, contextlib.closing(Pool(scratch)) as pool:
        if eager and results.is_empty():
            _start_early(pool, wanted)
        warnings: list[str] = []
        with explained_with_warnings(tree, warnings):
            data = _opened(wanted, tree, results, pool, warnings, only_tracked=only_tracked)
        yield data


def _opened(
    wanted: Path | None,
    tree: WorkTree,
    results: StoredResults,
    pool: Pool,
    warnings: list[str],
    *,
    only_tracked: bool,
) -> MeasuredData:
    from coverage import Coverage

    folder = os.fspath(tree.folder)
    as_configured = settings.digest_of_files(tree.folder)
    configured = settings.configured(wanted)
    path = Path(str(configured.get_option("run:data_file")))
    kind = data_file.recognise(path)
    absolute = os.path.abspath(path)  # noqa: PTH100 - no link is to be followed
    inputs = Inputs(
        data_file=absolute,
        data=state_of(absolute),
        settings=as_configured,
        versions=settings.versions(),
        environment=settings.environment(),
    )
    reporter, names, document = None, [], {}
    if kind is data_file.Kind.JSON:
        configured = without_debug_file(Coverage(data_file=None))
        with plugins.importable(configured, folder):
            configured.get_data()  # lets plugins configure it, as a floor may come from one
        document = reported_files.json_document(path, tree)
    else:
        with plugins.importable(configured, folder):
            configured.load()
            reporter = reported_files.mapped_data(configured, path, tree, pool.scratch)
        names = reported_files.sources(reporter, tree, only_tracked=only_tracked)
        if not names:
            raise NoDataError(f"{path} holds no measured files", HOW_TO_MEASURE)
        inputs = inputs.with_sources(reporter, names, tree)
        sizes = {name: inputs.size(name) for name in names}
        refuse_large_sources(sizes)
        refuse_lines_after_end(reporter.get_data().data_filename(), sizes)
    return MeasuredData(
        configured=configured,
        reporter=reporter,
        document=document,
        names=tuple(names),
        data_file=path,
        tree=tree,
        results=results,
        inputs=inputs,
        scratch=pool.scratch,
        pool=pool,
        warnings=warnings,
    )


def _start_early(pool: Pool, wanted: Path | None) -> None:
    """Has processes load coverage.py while it is loaded here, if there seems to be much to do."""
    path = wanted or Path(os.environ.get("COVERAGE_FILE") or ".coverage")
    files = data_tables.count_files(path)
    if are_many(files):
        with contextlib.suppress(PoolError):  # raised again where they are needed
            pool.start(files)
