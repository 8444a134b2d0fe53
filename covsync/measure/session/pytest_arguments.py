"""What a command line leaves out of the tests, as far as its arguments say."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

# Options of pytest's by the name of what they set. Those of the project's own `addopts` do not
# count: what they leave out belongs to the project.
NARROWING = {
    "keyword": ("-k",),
    "markexpr": ("-m",),
    "deselect": ("--deselect",),
    "lf": ("--lf", "--last-failed"),
    "stepwise": ("--sw", "--stepwise", "--stepwise-skip", "--stepwise-reset"),
    "ignore": ("--ignore",),
    "ignore_glob": ("--ignore-glob",),
    "collectonly": ("--co", "--collect-only"),
}
FLAGS = ("lf", "stepwise", "collectonly")
# By another of these, other files may be collected, or other tests of the same files.
OTHER_FILES = {"config": ("-c", "--config-file"), "rootdir": ("--rootdir",)}
FILE_SETTINGS = ("python_files", "testpaths", "norecursedirs")
TEST_SETTINGS = ("python_classes", "python_functions")


class Narrowed(NamedTuple):
    """By what tests were left out.

    ``by`` is "option"; "files" where any test file may have been left out; or "folders", then
    ``what`` are the absolute folders of which a test file may have been left out.
    """

    by: str
    what: str | list[str]


class PytestWords:
    """The arguments of pytest in ``folder``, with those of ``PYTEST_ADDOPTS`` and of files."""

    def __init__(self, words: Iterable[str], folder: Path) -> None:
        self.folder = folder
        try:
            added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
        except ValueError:  # pytest has reported it
            added = []
        self.words = list(_expanded([*added, *words], folder))
        self.found, self.rest = _parsed(self.words)

    def overrides_addopts(self) -> bool:
        """Whether ``addopts`` are none of the project's usual settings."""
        return bool(self.found.config) or "addopts" in self._overridden()

    def by_option(self, addopts: Sequence[str] = ()) -> Narrowed | None:
        """The first option that leaves tests out.

        ``addopts`` are the settings', which count where they are not the usual ones.
        """
        found = [self.found, *([_parsed(addopts)[0]] if self.overrides_addopts() else [])]
        for each in found:
            for name, options in NARROWING.items():
                if getattr(each, name):
                    return Narrowed("option", options[0])
        setting = next((name for name in self._overridden() if name in TEST_SETTINGS), "")
        return Narrowed("option", f"-o {setting}") if setting else None

    def by_places(
        self, asked: Sequence[str], tops: Collection[Path], testpaths: Iterable[Path] = ()
    ) -> Narrowed | None:
        """What the ``asked`` tests, files and folders leave out, or options of other files."""
        nodes = [word for word in asked if "::" in word]
        if nodes:
            return Narrowed("option", nodes[0])
        files = [word for word in asked if not (self.folder / word).is_dir()]
        files += [f"-o {name}" for name in self._overridden() if name in FILE_SETTINGS]
        files += [options[0] for name, options in OTHER_FILES.items() if getattr(self.found, name)]
        if files:
            return Narrowed("files", " ".join(files))
        return by_folders([self.folder / word for word in asked], tops, testpaths)

    def _overridden(self) -> list[str]:
        return [word.partition("=")[0].strip() for word in self.found.override or []]


def by_folders(
    folders: Sequence[Path], tops: Iterable[Path], testpaths: Iterable[Path] = ()
) -> Narrowed | None:
    """What a run of some ``folders`` may leave out.

    They are compared with the ``testpaths``, or else with their siblings; siblings of a folder at
    one of the project's ``tops`` need not hold tests.
    """
    if not folders:
        return None
    places = {os.path.realpath(path) for path in testpaths}
    if not places:
        above = {os.path.realpath(top) for top in tops}
        parents = {os.path.dirname(os.path.realpath(path)) for path in folders}  # noqa: PTH120
        places = {each for each in parents if not _holds_any(each, above)}
    return Narrowed("folders", sorted(places)) if places else None


def _holds_any(folder: str, paths: Iterable[str]) -> bool:
    inside = os.path.join(folder, "")
    return any(os.path.join(path, "").startswith(inside) for path in paths)


def _expanded(words: Iterable[str], folder: Path) -> Iterable[str]:
    """The words, with the lines of each file that an ``@`` precedes, as since pytest 8.2."""
    for word in words:
        file = folder / word[1:]
        if word.startswith("@") and file.is_file():
            yield from file.read_text(errors="replace").splitlines()
        else:
            yield word


def _parsed(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name, options in NARROWING.items():
        action = "store_true" if name in FLAGS else "append"
        parser.add_argument(*options, dest=name, action=action)
    for name, options in OTHER_FILES.items():
        parser.add_argument(*options, dest=name)
    parser.add_argument("-o", "--override-ini", dest="override", action="append")
    for flag in "hlqsvx":  # may stand before one of the above, as in `-xk name`
        parser.add_argument(f"-{flag}", action="count")
    # Options whose value may look like another option.
    parser.add_argument("-p", "-r", "-W", "-n", dest="other", action="append")
    try:
        return parser.parse_known_args(words)
    except argparse.ArgumentError:  # pytest has reported it
        return parser.parse_known_args([])
