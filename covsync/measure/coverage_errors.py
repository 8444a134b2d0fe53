"""What coverage.py raises, in covsync's errors."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from covsync.config import PROJECT_FILES, place_of
from covsync.errors import CovsyncError, NoDataError, NothingToJudgeError
from covsync.measure.data_file import HOW_TO_MEASURE
from covsync.model import WorkTree

MEASURE_AGAIN = "Run the tests under coverage.py again."
OTHER_WAYS = (
    "Record where the project's plugins are (`covsync run`, or `covsync record` after the tests), "
    "or install it where covsync runs (a pre-commit hook's additional_dependencies)."
)
# How coverage.py begins to tell of an option, before it quotes its value.
OPTION = re.compile(r"(?:Option|Invalid) \[([\w.:-]+)\]\.?(\w+) ")


@contextmanager
def explained_with_warnings(tree: WorkTree, messages: list[str]) -> Iterator[None]:
    """As ``explained``; the ``messages`` of warnings are collected."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with explained(tree):
                yield
        finally:
            messages += [str(each.message) for each in caught]


@contextmanager
def explained(tree: WorkTree) -> Iterator[None]:
    """Turns what coverage.py raises into covsync's errors."""
    import coverage
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
            "Correct the file; or record with the project's own Python (`covsync run`, or `covsync "
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
            f"the one covsync uses ({coverage.__version__}).",
        ) from error
    except exceptions.ConfigError as error:
        raise wrong_settings(error) from None
    except exceptions.CoverageException as error:
        raise CovsyncError(
            f"coverage.py could not report: {_reason(error, tree)}",
            "Correct coverage.py's configuration; `coverage report` says the same.",
        ) from error
    except (Exception, SystemExit) as error:
        raise _of_coverage(error, tree) from error


def wrong_settings(error: Exception) -> CovsyncError:
    """What coverage.py does not like of its settings, by file, place and key alone.

    Its own words quote them, and a configuration file may hold or be a link to a secret.
    """
    text, where = str(error), ""
    for name in (*PROJECT_FILES, os.environ.get("COVERAGE_RCFILE")):
        start = f"Couldn't read config file {name}: "
        if text.startswith((start, f"Couldn't read {name!r} ")):
            text, where = text.removeprefix(start), f" in {name}"
    option = OPTION.match(text)
    key = f": [{option[1]}] {option[2]}" if option else ""
    return CovsyncError(
        f"coverage.py cannot use its settings{where}{place_of(error.__cause__)}{key}",
        "Correct them; `coverage debug config` says what is wrong.",
    )


def _of_coverage(error: BaseException, tree: WorkTree) -> CovsyncError:
    if isinstance(error, ImportError):
        return CovsyncError(
            f"a coverage.py plugin is not installed here: {_reason(error, tree)}", OTHER_WAYS
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return CovsyncError(
            f"there is no room for temporary files: {error.strerror}",
            "Make room in the temporary folder, or point TMPDIR at another.",
        )
    return CovsyncError(
        f"coverage.py or a plugin of it failed: {type(error).__name__}: {_reason(error, tree)}",
        "Run the tests again; if `coverage report` fails alike, fix its plugin or settings.",
    )


def _reason(error: BaseException, tree: WorkTree) -> str:
    """An error in coverage.py's words, on one line, with paths as the user knows them."""
    text = " ".join(str(error).split()).rstrip(".")
    return text.replace(os.path.join(str(tree.folder), ""), "")
