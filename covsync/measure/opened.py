"""From a data file to a ``Measurement``, which is only made where it is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from covsync.errors import NoDataError
from covsync.measure import data_file, measured_data, placing
from covsync.measure.analysis import packing
from covsync.measure.analysis.files import Analysis, analyse
from covsync.measure.analysis.kept import Kept
from covsync.measure.analysis.keys import Keys
from covsync.measure.analysis.keys import keys as keys_of
from covsync.measure.analysis.summary import UnknownFormError, summed
from covsync.measure.analysis.task import coverage_json, is_no_python
from covsync.measure.analysis.texts import Text
from covsync.measure.analysis.workers import WorkerFailedError, Workers, are_many
from covsync.measure.coverage_json import in_parts, report_from_json, report_from_summaries
from covsync.measure.data_file import HOW_TO_MEASURE
from covsync.measure.failures import explained_with_warnings
from covsync.measure.measurement import Measurement
from covsync.measure.paths import Paths, shown_path
from covsync.measure.report_settings import (
    contexts_are_harmless,
    fail_under,
    scope_of,
    style_of,
)
from covsync.measure.settings import digest_of_files, exclusions, option
from covsync.model import CoverageJson, Report, ReportStyle, WorkTree
from covsync.temporary import temporary_folder

if TYPE_CHECKING:
    from coverage import Coverage


class Opened(NamedTuple):
    """Coverage data that was found and placed, but not analysed yet.

    ``reporter`` is loaded with it, or ``None`` where it is a ``document`` of ``coverage json``.
    """

    configured: Coverage
    reporter: Coverage | None
    document: dict[str, Any]
    names: tuple[str, ...]
    data_file: Path
    tree: WorkTree
    kept: Kept
    keys: Keys
    scratch: Path
    workers: Workers
    warnings: list[str]

    def fingerprint(self) -> str | None:
        """Changes whenever the measurement or its pages might; ``None`` if that cannot be told."""
        if self.reporter is None:
            return None
        of_files = self.keys.fingerprint(self.names)
        if of_files is None:
            return None
        shown = (of_files, style_of(self.configured), fail_under(self.configured))
        return hashlib.sha256(repr(shown).encode()).hexdigest()

    def is_repeatable(self, report: Report) -> bool:
        """Whether the same data, texts, settings and versions will make the same ``report``.

        Not so where a plugin has a say, where names stand for others, where something was left out
        with a warning, or while files change.
        """
        shown = {shown_path(name, self.tree) for name in self.names}
        return (
            self.reporter is self.configured
            and all(map(is_no_python, shown.difference(file.path for file in report.files)))
            and not option(self.configured, "run:plugins")
            and not self.warnings
            and self.is_unchanged()
        )

    def is_unchanged(self) -> bool:
        """Whether data, settings and texts are what they were when they were read."""
        return (
            self.reporter is not None
            and self.keys.fingerprint(self.names) is not None
            and self.keys.still_hold(self.reporter.get_data().data_filename(), self.tree.folder)
            and all(map(self.keys.is_of, self.names))
        )

    def paths(self) -> list[str]:
        """The measured files, by path from the repository's top level."""
        names = list(self.document.get("files", {})) or self.names
        paths, top = Paths(self.tree), os.path.join(self.tree.top, "")
        return [paths.by_name(name).removeprefix(top) for name in names]

    def texts(self) -> Mapping[str, Text]:
        """What the sources held, by path from the repository's top level."""
        paths, top = Paths(self.tree), os.path.join(self.tree.top, "")
        return {
            paths.by_name(name).removeprefix(top): text for name, text in self.keys.texts.items()
        }

    def measurement(self, *, pages: bool = False) -> Measurement:
        """The measurement, made now; with ``pages`` what it takes for an HTML report is too.

        Raises ``NoDataError``, ``NothingToJudgeError`` and ``CovsyncError``.
        """
        with explained_with_warnings(self.tree, self.warnings):
            report, analysis = self._reported(pages=pages)
            if not report.files:
                raise NoDataError(f"{self.data_file} holds no measured files", HOW_TO_MEASURE)
            return Measurement(
                report=report,
                fail_under=fail_under(self.configured),
                warnings=tuple(dict.fromkeys(self.warnings)),
                data_file=self.data_file,
                tree=self.tree,
                coverage=self.reporter,
                names=self.names,
                scope=scope_of(self.configured, self.tree),
                exclusions=exclusions(self.configured),
                scratch=self.scratch,
                pages=analysis.pages if analysis else None,
                from_store=analysis.from_store if analysis else 0,
                notes=self.kept.notes,
            )

    def _reported(self, *, pages: bool) -> tuple[Report, Analysis | None]:
        """The report, put together from the files' results or made in one piece."""
        import coverage

        style, version = style_of(self.configured), coverage.version_info[:3]
        if self.reporter is None:
            return report_from_json(in_parts(self.document), style, version), None
        analysis = analyse(
            *(self.reporter, self.names, self.tree, self.keys, self.kept),
            pages=pages and contexts_are_harmless(self.reporter),
            workers=self.workers,
        )
        if analysis and analysis.entries:
            with contextlib.suppress(UnknownFormError):
                return _put_together(analysis, style, version), analysis
        self.kept.notes.append("coverage.py analysed all files in one piece")
        whole = coverage_json(self.reporter, list(self.names), self.scratch)
        return report_from_json(in_parts(whole), style, version), None


def _put_together(analysis: Analysis, style: ReportStyle, version: tuple[int, ...]) -> Report:
    """The report that the results of all files make."""
    parts = {path: packing.parts_of(entry) for path, entry in analysis.entries.items()}
    summaries = {path: summary for path, (summary, _) in parts.items()}
    totals = summed(summaries.values(), style.precision)
    document = {"meta": analysis.meta, "files": {}, "totals": totals}
    told = CoverageJson(document, {path: text for path, (_, text) in parts.items()})
    return report_from_summaries(told, summaries, style, version)


@contextlib.contextmanager
def measured(wanted: Path | None, tree: WorkTree, kept: Kept) -> Iterator[Measurement]:
    """The measurement in a data file; see ``opened`` and ``Opened.measurement``."""
    with opened(wanted, tree, kept, eager=True) as found:
        yield found.measurement()


@contextlib.contextmanager
def opened(
    wanted: Path | None,
    tree: WorkTree,
    kept: Kept,
    *,
    only_tracked: bool = False,
    eager: bool = False,
) -> Iterator[Opened]:
    """The data in the data file ``wanted`` (``None``: coverage.py's own choice).

    The working directory must be ``tree.folder``, where coverage.py looks for its configuration.
    With ``only_tracked`` a measured file that git does not track is an error, as its text would
    be published. Results of earlier runs are ``kept``. ``eager`` says that the measurement will be
    asked for. Raises ``NoDataError``, ``NothingToJudgeError`` and ``CovsyncError``.
    """
    if str(tree.folder) not in sys.path:
        sys.path.append(str(tree.folder))  # a project may keep its plugins beside its settings
    with temporary_folder() as scratch, contextlib.closing(Workers(scratch)) as workers:
        if eager and kept.is_empty():
            _start_early(workers, wanted)
        from coverage import Coverage

        said: list[str] = []
        with explained_with_warnings(tree, said):
            as_configured = digest_of_files(tree.folder)
            configured = Coverage(data_file=os.fspath(wanted)) if wanted else Coverage()
            path = Path(str(configured.get_option("run:data_file")))
            reporter, names, document, keys = None, [], {}, Keys()
            if data_file.recognise(path) is data_file.Kind.JSON:
                configured = Coverage(data_file=None)
                configured.get_data()  # lets plugins configure it, as a floor may come from one
                document = placing.document(path, tree)
            else:
                configured.load()
                reporter = placing.placed(configured, path, tree, scratch)
                names = placing.sources(reporter, tree, only_tracked=only_tracked)
                if not names:
                    raise NoDataError(f"{path} holds no measured files", HOW_TO_MEASURE)
                keys = keys_of(reporter, names, tree, as_configured)
            found = Opened(
                *(configured, reporter, document, tuple(names), path, tree),
                *(kept, keys, scratch, workers, said),
            )
        yield found


def _start_early(workers: Workers, wanted: Path | None) -> None:
    """Has processes load coverage.py while it is loaded here, if there seems to be much to do."""
    files = measured_data.count(wanted or Path(os.environ.get("COVERAGE_FILE") or ".coverage"))
    if are_many(files):
        with contextlib.suppress(WorkerFailedError):  # it will be told if they are needed
            workers.start(files)
