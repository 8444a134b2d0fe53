"""From a data file to a ``Measurement``: coverage.py analyses each source, covsync keeps it."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import math
import os
import sqlite3
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from covsync.config import floor
from covsync.errors import CovsyncError, NoDataError, NothingToJudgeError
from covsync.measure import chunk, data_file, settings
from covsync.measure.analysis import Analysis, analyse
from covsync.measure.coverage_json import report_from_json, unpacked
from covsync.measure.data_file import HOW_TO_MEASURE
from covsync.measure.kept import Kept
from covsync.measure.keys import Keys, shown_path
from covsync.measure.keys import keys as keys_of
from covsync.measure.paths import inside_work_tree, place
from covsync.measure.patterns import fits_any
from covsync.measure.summary import summed
from covsync.model import CoverageJson, Report, ReportStyle, WorkTree
from covsync.temporary import temporary_folder

if TYPE_CHECKING:
    from coverage import Coverage

SORTS = ("name", "stmts", "miss", "branch", "brpart", "cover")
MEASURE_AGAIN = "Run the tests under coverage.py again."
OTHER_WAYS = (
    "Record where the project's plugins are (`covsync run`, or `covsync record` after the tests), "
    "or install it where covsync runs (a pre-commit hook's additional_dependencies)."
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A report, and what else coverage.py knows of the project.

    ``fail_under`` is coverage.py's own floor, ``None`` where it sets none. ``warnings`` are
    coverage.py's, in its words. ``coverage`` can make the HTML report of the files ``names``; a
    ``coverage json`` file cannot, so there it is ``None``. ``omit`` are coverage.py's patterns of
    files to leave out, of ``[run]`` and ``[report]`` together. ``pages`` are what the HTML report
    can be put together from, where they were asked for and stand each by itself. ``from_store``
    counts the files that were not analysed now. ``scratch`` is a temporary folder, ``notes``
    are for ``--verbose``.
    """

    report: Report
    fail_under: Fraction | None
    warnings: tuple[str, ...]
    data_file: Path
    tree: WorkTree
    coverage: Coverage | None
    names: tuple[str, ...]
    omit: tuple[str, ...]
    scratch: Path
    pages: Mapping[str, bytes] | None
    from_store: int
    notes: list[str]

    @property
    def paths(self) -> Mapping[str, str]:
        """The paths that reports show, by measured name."""
        return {name: shown_path(name, self.tree) for name in self.names}


@dataclass(frozen=True, slots=True)
class Opened:
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
    warnings: list[str]

    def fingerprint(self) -> str | None:
        """Changes whenever the measurement or its pages might; ``None`` if that cannot be told."""
        if self.reporter is None:
            return None
        of_files = self.keys.fingerprint(self.names)
        if of_files is None:
            return None
        shown = (of_files, _style(self.configured), _fail_under(self.configured))
        return hashlib.sha256(repr(shown).encode()).hexdigest()

    def measurement(self, *, pages: bool = False) -> Measurement:
        """The measurement, made now; with ``pages`` what it takes for an HTML report is too.

        Raises ``NoDataError``, ``NothingToJudgeError`` and ``CovsyncError``.
        """
        analysis = None
        with _explained_with_warnings(self.tree, self.warnings):
            if self.reporter is None:
                told = unpacked(self.document)
            else:
                loose = pages and contexts_are_harmless(self.reporter)
                told, analysis = self._analysed(self.reporter, pages=loose)
            report = report_from_json(told, _style(self.configured), settings.version())
            if not report.files:
                raise NoDataError(f"{self.data_file} holds no measured files", HOW_TO_MEASURE)
            return Measurement(
                report=report,
                fail_under=_fail_under(self.configured),
                warnings=tuple(dict.fromkeys(self.warnings)),
                data_file=self.data_file,
                tree=self.tree,
                coverage=self.reporter,
                names=self.names,
                omit=_omitted(self.configured),
                scratch=self.scratch,
                pages=analysis.pages if analysis else None,
                from_store=analysis.from_store if analysis else 0,
                notes=self.kept.notes,
            )

    def _analysed(self, reporter: Coverage, *, pages: bool) -> tuple[CoverageJson, Analysis | None]:
        """What ``coverage json`` says, put together from the files' results or made in one."""
        analysis = analyse(
            *(reporter, self.names, self.tree, self.keys, self.kept),
            pages=pages,
            scratch=self.scratch,
        )
        if analysis and analysis.entries:
            summaries = map(chunk.summary_of, analysis.entries.values())
            totals = summed(summaries, chunk.precision(reporter))
            document = {"meta": analysis.meta, "files": {}, "totals": totals}
            return CoverageJson(document, analysis.entries), analysis
        self.kept.notes.append("coverage.py analysed all files in one piece")
        whole = chunk.coverage_json(reporter, list(self.names), self.scratch)
        return unpacked(whole), None


@contextmanager
def measured(
    wanted: Path | None, tree: WorkTree, *, only_tracked: bool = False, kept: Path | None = None
) -> Iterator[Measurement]:
    """The measurement in a data file; see ``opened`` and ``Opened.measurement``."""
    with opened(wanted, tree, only_tracked=only_tracked, kept=kept) as found:
        yield found.measurement()


@contextmanager
def opened(
    wanted: Path | None, tree: WorkTree, *, only_tracked: bool = False, kept: Path | None = None
) -> Iterator[Opened]:
    """The data in the data file ``wanted`` (``None``: coverage.py's own choice).

    The working directory must be ``tree.folder``, where coverage.py looks for its configuration.
    With ``only_tracked`` a measured file that git does not track is an error, as its text would
    be published. Results of earlier runs are found, and left, in the folder ``kept``, if there is
    one. Raises ``NoDataError``, ``NothingToJudgeError`` and ``CovsyncError``.
    """
    from coverage import Coverage

    if str(tree.folder) not in sys.path:
        sys.path.append(str(tree.folder))  # a project may keep its plugins beside its settings
    with temporary_folder() as scratch:
        said: list[str] = []
        with _explained_with_warnings(tree, said):
            configured = Coverage(data_file=os.fspath(wanted)) if wanted else Coverage()
            path = Path(str(configured.get_option("run:data_file")))
            reporter, names, document, keys = None, [], {}, Keys(b"", {}, {})
            if data_file.recognise(path) is data_file.Kind.JSON:
                configured = Coverage(data_file=None)
                configured.get_data()  # lets plugins configure it, as a floor may come from one
                document = _document(path, tree)
            else:
                configured.load()
                reporter = _placed(configured, path, tree, scratch)
                names = _reported(reporter, tree)
                if only_tracked:
                    _refuse_untracked(names, tree)
                _refuse_missing(configured, names, tree)
                _refuse_missing_plugins(reporter, names)
                if not names:
                    raise NoDataError(f"{path} holds no measured files", HOW_TO_MEASURE)
                keys = keys_of(reporter, names, tree)
            found = Opened(
                *(configured, reporter, document, tuple(names), path, tree),
                *(Kept(kept, os.path.relpath(tree.folder, tree.top)), keys, scratch, said),
            )
        yield found


@contextmanager
def _explained_with_warnings(tree: WorkTree, said: list[str]) -> Iterator[None]:
    """As ``explained``, and what is warned of meanwhile joins what was ``said``."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with explained(tree):
                yield
        finally:
            said += [str(each.message) for each in caught]


def _placed(loaded: Coverage, path: Path, tree: WorkTree, scratch: Path) -> Coverage:
    """The same data with each measured path where it belongs in this repository."""
    from coverage import Coverage, CoverageData

    mapped = loaded
    if loaded.get_option("paths"):
        mapped = Coverage(data_file=os.fspath(scratch / "mapped"))
        mapped.combine([os.fspath(path)], strict=True, keep=True)
        mapped.set_option("paths", {})  # or every report would map all of it again
    data = mapped.get_data()
    stands_for = place(_reported(mapped, tree), tree)
    if not loaded.get_option("run:relative_files"):  # then coverage.py asks for absolute names
        stands_for = {name: os.path.join(tree.folder, to) for name, to in stands_for.items()}
    if all(name == here for name, here in stands_for.items()):
        return mapped
    moved = CoverageData(basename=os.fspath(scratch / "moved"))
    moved.update(data, map_path=lambda name: stands_for.get(name, name))
    moved.write()
    if hasattr(moved, "close"):  # coverage.py 7.10.3 has it
        moved.close()
    reporter = Coverage(data_file=os.fspath(scratch / "moved"))
    reporter.load()
    return reporter


def _reported(loaded: Coverage, tree: WorkTree) -> list[str]:
    """The measured files that coverage.py's ``[report] include`` and ``omit`` let through.

    The others may lie anywhere: they are neither placed, read nor published.
    """
    include, omit = loaded.get_option("report:include"), loaded.get_option("report:omit")

    def is_reported(name: str) -> bool:
        path = os.path.normpath(os.path.join(tree.folder, name))
        if isinstance(include, list) and include and not fits_any(path, include, tree.folder):
            return False
        return not (isinstance(omit, list) and fits_any(path, omit, tree.folder))

    return sorted(filter(is_reported, loaded.get_data().measured_files()))


def _refuse_missing(configured: Coverage, names: list[str], tree: WorkTree) -> None:
    """As coverage.py does, but before it has opened the database once a name."""
    if configured.get_option("report:ignore_errors"):
        return
    for name in names:
        if not os.path.lexists(os.path.join(tree.folder, name)):
            here = os.path.relpath(os.path.join(tree.folder, name), tree.folder)
            raise NothingToJudgeError(
                f"the data does not match the code: No source for code: {here!r}", MEASURE_AGAIN
            )


def _refuse_missing_plugins(reporter: Coverage, names: list[str]) -> None:
    """Without its plugin coverage.py would leave a file out of the report and say nothing."""
    configured = reporter.get_option("run:plugins")
    plugins = configured if isinstance(configured, list) else []
    data = reporter.get_data()
    for name in names:
        tracer = data.file_tracer(name)
        if tracer and not any(tracer.startswith(f"{plugin}.") for plugin in plugins):
            raise CovsyncError(
                f"{name} was measured by the coverage.py plugin {tracer}, which is not configured",
                "Name the plugin in coverage.py's [run] plugins. " + OTHER_WAYS,
            )


def _refuse_untracked(names: list[str], tree: WorkTree) -> None:
    for name in names:
        relative = inside_work_tree(name, tree)
        if not os.path.normpath(os.path.join(tree.folder, name)).startswith(f"{tree.folder}/"):
            raise CovsyncError(
                f"{relative} is measured but lies outside the project's folder {tree.folder.name}/",
                "Measure from a folder that holds all sources, or leave it out with omit.",
            )
        if any(os.fspath(each) in tree.tracked for each in Path(relative or "").parents):
            raise CovsyncError(
                f"{relative} is measured but belongs to a submodule, another repository",
                "Publish it from there, or leave it out with coverage.py's omit.",
            )
        if relative not in tree.tracked:
            raise CovsyncError(
                f"{relative} is measured but git does not track it, so it must not be published",
                "Commit it, or leave it out with coverage.py's omit, in [run] or [report].",
            )


def _document(path: Path, tree: WorkTree) -> dict[str, Any]:
    """A ``coverage json`` file's content, its files named as in this repository."""
    try:
        document = json.loads(
            path.read_bytes(), parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise CovsyncError(
            f"{path} is not valid JSON: {error}", "Write it again: coverage json"
        ) from None
    files = document.get("files") if isinstance(document, dict) else None
    if isinstance(files, dict):
        named: dict[str, Any] = {}
        stands_for = place(files, tree)
        for name, entry in files.items():
            here = os.path.relpath(os.path.join(tree.folder, stands_for[name]), tree.folder)
            if here in named:
                raise CovsyncError(
                    f"{path} names {here} twice", "Combine the data before: coverage combine"
                )
            named[here] = entry
        document["files"] = named
        if isinstance(document.get("meta"), dict):
            document["meta"].pop("timestamp", None)
    return document  # type: ignore[no-any-return]


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse_constant(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a figure")


def contexts_are_harmless(coverage: Coverage) -> bool:
    """Older coverage.py writes contexts into a script as they are."""
    return not any(set(context) & set("<>&") for context in coverage.get_data().measured_contexts())


def _style(configured: Coverage) -> ReportStyle:
    precision = configured.get_option("report:precision")
    sort = str(configured.get_option("report:sort") or "name")
    if sort.lower().lstrip("+-") not in SORTS:
        raise CovsyncError(
            f"coverage.py's [report] sort is {sort!r}", f"Set it to one of: {', '.join(SORTS)}."
        )
    return ReportStyle(
        precision=precision if isinstance(precision, int) else 0,
        sort=sort,
        skip_covered=bool(configured.get_option("report:skip_covered")),
        skip_empty=bool(configured.get_option("report:skip_empty")),
    )


def _omitted(configured: Coverage) -> tuple[str, ...]:
    lists = (configured.get_option("run:omit"), configured.get_option("report:omit"))
    return tuple(str(pattern) for each in lists if isinstance(each, list) for pattern in each)


def _fail_under(configured: Coverage) -> Fraction | None:
    value = configured.get_option("report:fail_under") or 0
    try:
        return floor(value) or None
    except ValueError as error:
        raise CovsyncError(
            f"coverage.py's [report] fail_under is {value}", f"Set it to {error}."
        ) from None


@contextmanager
def explained(tree: WorkTree) -> Iterator[None]:
    """Turns what coverage.py raises into covsync's errors."""
    from coverage import exceptions

    try:
        yield
    except CovsyncError:
        raise
    except exceptions.NoDataError as error:
        raise NoDataError(_reason(error, tree), HOW_TO_MEASURE) from error
    except exceptions.NoSource as error:
        raise NothingToJudgeError(
            f"the data does not match the code: {_reason(error, tree)}", MEASURE_AGAIN
        ) from error
    except (exceptions.NotPython, SyntaxError, UnicodeError, RecursionError) as error:
        raise CovsyncError(
            f"a measured source cannot be read: {_reason(error, tree)}",
            "Mend the file; or record with the project's own Python (`covsync run`, or `covsync "
            "record` after the tests); or set the hook's language_version to that.",
        ) from error
    except (exceptions.DataError, sqlite3.Error) as error:
        if "is locked" in str(error):
            raise CovsyncError(
                "another process is writing the coverage data", "Try again when it is done."
            ) from error
        raise CovsyncError(
            f"the coverage data cannot be read: {_reason(error, tree)}",
            "Delete it and run the tests again; it must be written by a coverage.py no newer than "
            f"the one covsync uses ({importlib.metadata.version('coverage')}).",
        ) from error
    except ImportError as error:
        raise CovsyncError(
            f"a coverage.py plugin is not installed here: {_reason(error, tree)}", OTHER_WAYS
        ) from error
    except exceptions.CoverageException as error:
        raise CovsyncError(
            f"coverage.py could not report: {_reason(error, tree)}",
            "Mend coverage.py's configuration; `coverage report` says the same.",
        ) from error
    except (Exception, SystemExit) as error:
        raise _of_coverage(error, tree) from error


def _of_coverage(error: BaseException, tree: WorkTree) -> CovsyncError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return CovsyncError(
            f"there is no room for temporary files: {error.strerror}",
            "Make room in the temporary folder, or point TMPDIR at another.",
        )
    return CovsyncError(
        f"coverage.py or a plugin of it failed: {type(error).__name__}: {_reason(error, tree)}",
        "Run the tests again; if `coverage report` fails alike, mend its plugin or settings.",
    )


def _reason(error: BaseException, tree: WorkTree) -> str:
    """An error in coverage.py's words, on one line, with paths as the user knows them."""
    text = " ".join(str(error).split()).rstrip(".")
    return text.replace(os.path.join(str(tree.folder), ""), "")
