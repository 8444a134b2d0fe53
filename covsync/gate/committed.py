"""What a snapshot says of the commit at hand: the index in place of the work tree. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from covsync.model import FileReport, Report, Snapshot, Totals


class Committed(NamedTuple):
    """The report in the lines of the index; ``unmeasured`` are, by path, lines no test has seen.

    Reports and lines are by the path from the repository's top level.
    """

    report: Report
    files: Mapping[str, FileReport]
    unmeasured: Mapping[str, tuple[int, ...]]


def origins(
    snapshot: Snapshot, blobs: Mapping[str, str], renamed: Mapping[str, str]
) -> Mapping[str, str]:
    """For each path in the index that was measured, the path under which it was.

    ``blobs`` are the index's, by path. A file that moved is found by git's ``renamed`` (old to
    new), or by its very text.
    """
    found = {path: path for path in blobs if path in snapshot.files}
    gone = snapshot.files.keys() - blobs.keys()
    if not gone:
        return found
    for old in sorted(gone):
        new = renamed.get(old)
        if new in blobs and new not in found:
            found[str(new)] = old
    moved = frozenset(found.values())
    by_blob = {snapshot.files[path].blob: path for path in gone if path not in moved}
    for path, blob in blobs.items():
        if path not in found and path not in snapshot.seen and blob in by_blob:
            found[path] = by_blob.pop(blob)
    return found


def changed(
    snapshot: Snapshot, blobs: Mapping[str, str], origin: Mapping[str, str]
) -> dict[str, str]:
    """Those of the measured paths, with their origins, whose text is not what the tests ran on."""
    return {path: old for path, old in origin.items() if blobs[path] != snapshot.files[old].blob}


def committed(
    snapshot: Snapshot,
    blobs: Mapping[str, str],
    origin: Mapping[str, str],
    new_sources: Iterable[str],
    texts: Mapping[str, bytes],
    names: Mapping[str, str],
) -> Committed:
    """The report of the index.

    ``texts`` are contents by blob, of all that changed and of the ``new_sources``; ``names`` are
    paths as the report shows them.
    """
    files, unmeasured = {}, {}
    for path, old in origin.items():
        measured = snapshot.files[old]
        files[path] = FileReport(names[path], measured.totals, measured.detail)
    for path, old in changed(snapshot, blobs, origin).items():
        from covsync.gate.freshness import carried

        before = snapshot.files[old].text
        if before is None:
            before = texts.get(snapshot.files[old].blob, b"")
        moved = carried(files[path], before, texts[blobs[path]], snapshot.exclusions)
        files[path] = moved.report
        if moved.unmeasured:
            unmeasured[path] = moved.unmeasured
    for path in new_sources:
        from covsync.gate.freshness import unmeasured_statements

        lines = unmeasured_statements(texts[blobs[path]])
        if lines:
            unmeasured[path] = lines
    totals = Totals.together(file.totals for file in files.values())
    shown = tuple(sorted(files.values(), key=lambda file: file.path))
    report = Report(shown, totals, snapshot.has_branches, snapshot.style)
    return Committed(report, files, unmeasured)
