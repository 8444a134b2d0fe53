"""Which new files a run of the tests would report or load. Pure.

A file is reported without being executed where it lies in coverage.py's ``source``, unless ``omit``
leaves it out. (https://coverage.readthedocs.io/en/latest/source.html)
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from covsync.measure.file_patterns import matches_any
from covsync.model import Scope, WorkTree
from covsync.source_paths import folders

# The names that pytest's, unittest's and Django's runners collect unless they are set up otherwise.
TESTS = ("test*.py", "*_test.py", "tests.py")
# coverage.py takes other names for what editors leave behind (coverage.files.find_python_files).
IMPORTABLE = re.compile(r"[^.#~!$@%^&*()+=,]+\.pyw?")
INIT = "__init__.py"


def is_test(path: str, patterns: Iterable[str]) -> bool:
    """Whether the runner collects a file of this name, or loads it as ``conftest.py``."""
    name = path.rpartition("/")[2]
    return name == "conftest.py" or any(
        fnmatchcase(path if "/" in each else name, each) for each in patterns
    )


def is_omitted(path: str, scope: Scope, tree: WorkTree) -> bool:
    """Whether coverage.py's ``omit`` or ``[report] include`` leaves out a path from the top."""
    absolute = os.path.join(tree.top, path)
    if scope.include and not matches_any(absolute, scope.include, tree.folder):
        return True
    return matches_any(absolute, scope.omit, tree.folder)


def is_reported(
    path: str,
    scope: Scope,
    present: Collection[str],
    loaded: Iterable[str],
    tree: WorkTree,
) -> bool:
    """Whether coverage.py would report a new file though nothing imports it.

    ``present`` are the paths in the commit, ``loaded`` those that the tests loaded.
    """
    if not IMPORTABLE.fullmatch(path.rpartition("/")[2]) or is_omitted(path, scope, tree):
        return False
    dirs = list(scope.source_dirs)
    dirs += [place for name in scope.source_pkgs for place in _places_of(name, path, loaded)]
    return any(_is_importable_below(each, path, scope, present) for each in dirs)


def is_loaded_unasked(path: str, scope: Scope, loaded: Iterable[str]) -> bool:
    """Whether a run would load a new file though no file that it loaded so far imports it."""
    if scope.loads_all or is_test(path, scope.tests):
        return True
    folder, _, name = path.rpartition("/")
    is_package_part = name == INIT or folder.rpartition("/")[2] == "migrations"
    inside = f"{folder}/" if folder else ""
    return is_package_part and any(each.startswith(inside) for each in loaded)


def is_among_tests(path: str, scope: Scope, loaded: Iterable[str]) -> bool:
    """Whether a path lies in or below a folder from which tests were loaded, the top level aside.

    A ``conftest.py`` is none: it may lie above several projects.
    """
    tests = {
        each.rpartition("/")[0]
        for each in loaded
        if is_test(each, scope.tests) and not each.endswith("conftest.py")
    }
    return not tests.isdisjoint(folders(path))


def _is_importable_below(source: str, path: str, scope: Scope, present: Collection[str]) -> bool:
    inside = f"{source}/" if source else ""
    if not path.startswith(inside):
        return False
    around = [each for each in folders(path) if each.startswith(inside) and each != source]
    return scope.namespaces or all(f"{each}/{INIT}" in present for each in around)


def _places_of(package: str, path: str, loaded: Iterable[str]) -> Iterator[str]:
    """The folders around ``path`` that may be the package: where it was loaded from, if it was."""
    parts = package.replace(".", "/")
    places = [each for each in folders(path) if f"/{each}".endswith(f"/{parts}")]
    loaded_ones = {
        folder for each in loaded for folder in folders(each) if f"/{folder}".endswith(f"/{parts}")
    }
    yield from (each for each in places if not loaded_ones or each in loaded_ones)
