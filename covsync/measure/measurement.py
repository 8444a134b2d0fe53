"""From a data file to a ``Measurement``: coverage.py analyses each source, covsync keeps it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covsync.errors import CovsyncError, NoDataError, NothingToJudgeError
from covsync.measure import data_file
from covsync.measure.coverage_json import report_from_json
from covsync.measure.paths import inside_work_tree, place
from covsync.model import Report, ReportStyle, WorkTree

if TYPE_CHECKING:
    from coverage import Coverage

MEASURE_AGAIN = "Run the tests under coverage.py again."
OTHER_WAYS = (
    "Install it where covsync runs (for a pre-commit hook: additional_dependencies; for another "
    "Python: language_version)."
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A report, and what else coverage.py knows of the project.

    ``fail_under`` is coverage.py's own floor, ``None`` where it sets none. ``warnings`` are
    coverage.py's, in its words. ``coverage`` can make the HTML report; a ``coverage json`` file
    cannot, so there it is ``None``.
    """

    report: Report
    fail_under: Fraction | None
    warnings: tuple[str, ...]
    data_file: Path
    tree: WorkTree
    coverage: Coverage | None


@contextmanager
def measured(
    wanted: Path | None, tree: WorkTree, *, only_tracked: bool = False
) -> Iterator[Measurement]:
    """The measurement in the data file ``wanted`` (``None``: coverage.py's own choice).

    The working directory must be ``tree.folder``, where coverage.py looks for its configuration.
    With ``only_tracked`` a measured file that git does not track is an error, as its text would
    be published. Raises ``NoDataError``, ``NothingToJudgeError`` and ``CovsyncError``.
    """
    from coverage import Coverage

    with tempfile.TemporaryDirectory(prefix="covsync-") as folder:
        scratch = Path(folder)
        with explained(tree), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            configured = Coverage(data_file=os.fspath(wanted)) if wanted else Coverage()
            path = Path(str(configured.get_option("run:data_file")))
            reporter = None
            if data_file.recognise(path) is data_file.Kind.JSON:
                configured = Coverage(data_file=None)
                configured.get_data()
                document = _document(path, tree)
            else:
                configured.load()
                reporter = _placed(configured, path, tree, scratch)
                _refuse_missing_plugins(reporter)
                if only_tracked:
                    _refuse_untracked(reporter, tree)
                document = _analysed(reporter, scratch)
            report = report_from_json(document, _style(configured), _installed_version())
            if not report.files:
                raise NoDataError(f"{path} holds no measured files", data_file.HOW_TO_MEASURE)
            said = tuple(dict.fromkeys(str(each.message) for each in caught))
            measurement = Measurement(report, _fail_under(configured), said, path, tree, reporter)
        yield measurement


def _analysed(reporter: Coverage, scratch: Path) -> dict[str, Any]:
    """What ``coverage json`` says, less the time of day."""
    outfile = scratch / "coverage.json"
    reporter.json_report(outfile=os.fspath(outfile), pretty_print=False)
    with outfile.open(encoding="utf-8") as stream:
        document: dict[str, Any] = json.load(stream)
    outfile.unlink()
    del document["meta"]["timestamp"]
    return document


def _placed(loaded: Coverage, path: Path, tree: WorkTree, scratch: Path) -> Coverage:
    """The same data with each measured path where it belongs in this repository."""
    from coverage import Coverage, CoverageData

    def outside(data: CoverageData) -> bool:
        return any(name != stands for name, stands in place(data.measured_files(), tree).items())

    data = loaded.get_data()
    if loaded.get_option("paths"):
        loaded = Coverage(data_file=os.fspath(scratch / "combined"))
        loaded.combine([os.fspath(path)], strict=True, keep=True)
        data = loaded.get_data()
    if not outside(data):
        return loaded
    stands_for = place(data.measured_files(), tree)
    moved = CoverageData(basename=os.fspath(scratch / "moved"))
    moved.update(data, map_path=lambda name: stands_for.get(name, name))
    moved.write()
    moved.close()
    reporter = Coverage(data_file=os.fspath(scratch / "moved"))
    reporter.load()
    return reporter


def _refuse_missing_plugins(reporter: Coverage) -> None:
    """Without its plugin coverage.py would leave a file out of the report and say nothing."""
    configured = reporter.get_option("run:plugins")
    plugins = configured if isinstance(configured, list) else []
    data = reporter.get_data()
    for name in sorted(data.measured_files()):
        tracer = data.file_tracer(name)
        if tracer and not any(tracer.startswith(f"{plugin}.") for plugin in plugins):
            raise CovsyncError(
                f"{name} was measured by the coverage.py plugin {tracer}, which is not configured",
                "Name the plugin in coverage.py's [run] plugins. " + OTHER_WAYS,
            )


def _refuse_untracked(reporter: Coverage, tree: WorkTree) -> None:
    for name in sorted(reporter.get_data().measured_files()):
        relative = inside_work_tree(name, tree)
        if relative not in tree.tracked:
            raise CovsyncError(
                f"{relative} is measured but git does not track it, so it must not be published",
                "Commit it, or leave it out with coverage.py's [run] omit.",
            )


def _document(path: Path, tree: WorkTree) -> dict[str, Any]:
    """A ``coverage json`` file's content, its files named as in this repository."""
    try:
        document = json.loads(path.read_bytes())
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


def _style(configured: Coverage) -> ReportStyle:
    precision = configured.get_option("report:precision")
    return ReportStyle(
        precision=precision if isinstance(precision, int) else 0,
        sort=str(configured.get_option("report:sort") or "name"),
        skip_covered=bool(configured.get_option("report:skip_covered")),
        skip_empty=bool(configured.get_option("report:skip_empty")),
    )


def _fail_under(configured: Coverage) -> Fraction | None:
    value = Fraction(str(configured.get_option("report:fail_under") or 0))
    if not 0 <= value <= 100:
        raise CovsyncError(
            f"coverage.py's fail_under is {value}", "Set it to a percentage from 0 to 100."
        )
    return value or None


def _installed_version() -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", importlib.metadata.version("coverage"))
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


@contextmanager
def explained(tree: WorkTree) -> Iterator[None]:
    """Turns what coverage.py raises into covsync's errors."""
    from coverage import exceptions

    try:
        yield
    except CovsyncError:
        raise
    except exceptions.NoDataError as error:
        raise NoDataError(_reason(error, tree), data_file.HOW_TO_MEASURE) from error
    except exceptions.NoSource as error:
        raise NothingToJudgeError(
            f"the data does not match the code: {_reason(error, tree)}", MEASURE_AGAIN
        ) from error
    except exceptions.NotPython as error:
        raise CovsyncError(
            _reason(error, tree),
            "Mend the file, or let covsync run on the Python that the project is written for "
            "(for a pre-commit hook: language_version).",
        ) from error
    except (exceptions.DataError, sqlite3.Error) as error:
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


def _reason(error: Exception, tree: WorkTree) -> str:
    """An error in coverage.py's words, on one line, with paths as the user knows them."""
    text = " ".join(str(error).split()).rstrip(".")
    return text.replace(os.path.join(str(tree.folder), ""), "")
