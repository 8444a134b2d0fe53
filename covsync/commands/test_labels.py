"""Which tests a command line of unittest or Django's test runner asks for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from covsync.measure.session.pytest_arguments import Narrowed, by_folders

DEFAULT_PATTERN = "test*.py"
# Options of one or both that leave tests out.
SELECTING = {"-k": "-k", "--tag": "--tag", "--exclude-tag": "--exclude-tag"}
DJANGO = ("manage.py", "django-admin", "django-admin.py")


class Runner(NamedTuple):
    """A test runner's own arguments, and the folders that its labels are looked up in."""

    words: Sequence[str]
    is_django: bool
    folders: tuple[Path, ...]


def narrowed(program: Sequence[str], here: Path, top: Path) -> Narrowed | None:
    """What ``program`` was narrowed by, ``None`` where it runs all tests.

    It runs in the folder ``here`` of the repository at ``top``. A label that names no module
    names a class or a test. The arguments of any other program may mean anything.
    """
    runner = _runner(program, here)
    if runner is None:
        arguments = program[2:] if program[0] == "-m" else program[1:]
        return Narrowed("files", " ".join(arguments)) if arguments else None
    found, labels, patterns = _parsed(runner)
    for option in SELECTING:
        if getattr(found, option.strip("-").replace("-", "_")):
            return Narrowed("option", option)
    for label in labels:
        if not _is_module(label, runner.folders):
            return Narrowed("option", label)
    folders = {label: _folder(label, runner.folders) for label in labels}
    asked = [*(label for label, folder in folders.items() if folder is None), *patterns]
    if asked:
        return Narrowed("files", " ".join(asked))
    return by_folders([folder for folder in folders.values() if folder], (here, top))


def patterns(program: Sequence[str]) -> list[str]:
    """The patterns of the names of test files, none where ``program`` is no test runner."""
    runner = _runner(program, Path())
    return [] if runner is None else _parsed(runner)[2] or [DEFAULT_PATTERN]


def _runner(program: Sequence[str], here: Path) -> Runner | None:
    if list(program[:2]) == ["-m", "unittest"]:
        return Runner(program[2:], is_django=False, folders=(here,))
    if list(program[:3]) == ["-m", "django", "test"]:
        return Runner(program[3:], is_django=True, folders=(here,))
    if Path(program[0]).name in DJANGO and list(program[1:2]) == ["test"]:
        folders = (here, (here / program[0]).parent)
        return Runner(program[2:], is_django=True, folders=folders)
    return None


def _parsed(runner: Runner) -> tuple[argparse.Namespace, list[str], list[str]]:
    """The options, the labels and folders that are asked for, and the patterns of test files."""
    parser = _django_parser() if runner.is_django else _unittest_parser()
    for option in SELECTING:
        parser.add_argument(option, action="append")
    parser.add_argument("-p", "--pattern")
    try:
        found, rest = parser.parse_known_args(runner.words)
    except argparse.ArgumentError:  # the runner has reported it
        found, rest = parser.parse_known_args([])
    labels = [word for word in rest if not word.startswith("-")]
    pattern = found.pattern
    if not runner.is_django and labels[:1] == ["discover"]:
        pattern = pattern or next(iter(labels[2:3]), None)
        labels = [found.start] if found.start else labels[1:2]
    return found, labels, [pattern] if pattern else []


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)


def _unittest_parser() -> argparse.ArgumentParser:
    parser = _parser()
    parser.add_argument("-s", "--start-directory", dest="start")
    parser.add_argument("-t", "--top-level-directory", "--durations", dest="other")
    for flag in "bcfqv":  # may stand before another, as in `-vk name`
        parser.add_argument(f"-{flag}", action="count")
    return parser


def _django_parser() -> argparse.ArgumentParser:
    parser = _parser()
    parser.add_argument("-v", "-t", "--top-level", "--durations", dest="other")
    parser.add_argument("--settings", "--pythonpath", "--verbosity", dest="other")
    parser.add_argument("--testrunner", "--logger", dest="other")
    parser.add_argument("--parallel", "--shuffle", nargs="?")
    for flag in "bdr":
        parser.add_argument(f"-{flag}", action="count")
    return parser


def _folder(label: str, folders: Sequence[Path]) -> Path | None:
    """The folder that a label stands for."""
    places = [place for each in folders for place in (each / label, each.joinpath(*_parts(label)))]
    return next((place for place in places if place.is_dir()), None)


def _is_module(label: str, folders: Sequence[Path]) -> bool:
    return _folder(label, folders) is not None or any(
        (each / label).exists() or (each.joinpath(*_parts(label)).with_suffix(".py")).is_file()
        for each in folders
    )


def _parts(label: str) -> list[str]:
    return [part for part in label.split(".") if part] or ["."]
