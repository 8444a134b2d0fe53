"""The report on the index, made from a record of what the tests ran on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from covsync.model import Difference, FileReport, LoadedFile, Record, Report, Totals
from covsync.source_paths import is_python, may_be_script


class IndexReport(NamedTuple):
    """The recorded report in the lines of the index, and how the index differs from the record.

    ``files`` are the reports by path from the repository's top level.
    """

    report: Report
    files: Mapping[str, FileReport]
    differences: tuple[Difference, ...]


def changed(record: Record, names: Mapping[str, str]) -> list[str]:
    """The recorded paths that have another object name in the index; ``names`` are by path."""
    return [
        path for path, file in record.files.items() if path in names and names[path] != file.name
    ]


def index_report(
    record: Record,
    names: Mapping[str, str],
    texts: Mapping[str, bytes],
    new: Iterable[str],
    deleted: Iterable[str],
    shown: Mapping[str, str],
    *,
    all_differences: bool = True,
) -> IndexReport:
    """The report of the index; without ``all_differences`` no text is compared after one differs.

    ``names`` are the object names in the index by path, ``texts`` the contents by object name of
    those that ``changed``, as recorded and now. ``new`` are the paths that a run would report or
    load besides, ``deleted`` those that the commit removes. ``shown`` are paths as reports show
    them.
    """
    differences = [Difference(path, 0, "added") for path in new]
    gone = record.files.keys() - names.keys()
    removed = frozenset(deleted)
    differences += [
        Difference(path, 0, "deleted" if path in removed else "missing") for path in gone
    ]
    files: dict[str, FileReport] = {}
    for path, file in record.files.items():
        if path in names and file.totals is not None and file.detail is not None:
            files[path] = FileReport(shown[path], file.totals, file.detail)
    for path in changed(record, names):
        if differences and not all_differences:
            break
        old, new_text = _texts(record.files[path], names[path], texts)
        difference = _difference(path, old, new_text, record)
        if difference:
            differences.append(difference)
        elif path in files:
            files[path] = _moved(files[path], old, new_text)
    ordered = tuple(sorted(files.values(), key=lambda file: file.path))
    totals = Totals.together(file.totals for file in files.values())
    report = Report(ordered, totals, record.has_branches, record.style)
    return IndexReport(report, files, tuple(sorted(differences)))


def _texts(
    file: LoadedFile, name: str, texts: Mapping[str, bytes]
) -> tuple[bytes | None, bytes | None]:
    """A file's text as recorded and in the index, ``None`` for a submodule or a lost object."""
    before = texts.get(file.name) if file.own_text is None else file.text
    return before, texts.get(name)


def _difference(
    path: str, old: bytes | None, new: bytes | None, record: Record
) -> Difference | None:
    """How a text in the index differs from the recorded one, ``None`` where it is the same."""
    if old is None or new is None:
        return Difference(path, 0, "edited")
    from covsync.gate.exclusions import match_alike
    from covsync.gate.text import first_difference, same_text

    is_code = is_python(path) or may_be_script(path)
    same = same_text(old, new, docstrings=record.doctests) if is_code else old == new
    if not same:
        return Difference(path, first_difference(old, new), "edited")
    measured = record.files[path].totals is not None
    if measured and is_code and not match_alike(old, new, record.exclusions):
        return Difference(path, 0, "excluded")
    return None


def _moved(file: FileReport, old: bytes | None, new: bytes | None) -> FileReport:
    """The report with its recorded totals, its lines by their numbers in the new text."""
    from covsync.gate.text import moved_lines

    if old is None or new is None or old == new:
        return file
    return file._replace(detail=lambda: file.lines.moved(moved_lines(old, new)))
