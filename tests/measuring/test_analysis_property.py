"""Whatever is edited, warm and cold figures are coverage.py's own."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from coverage import Coverage, CoverageData
from hypothesis import given, settings
from hypothesis import strategies as st

from covsync.measure.html.assemble import html_pages
from covsync.measure.html.split import without_time
from covsync.measure.measure import Measurement, open_data
from covsync.measure.stored_results import StoredResults
from covsync.model import Lines, Totals, WorkTree

WORKERS = "covsync.measure.pool"
NAMES = ("a.py", "b.py", "c.py")
STATEMENTS = (
    "x = 1",
    "if x:\n    y = 2",
    "while x:\n    x = 0\nelse:\n    y = 3",
    "def f(z):\n    return z",
    "class A:\n    def g(self):\n        if self:\n            return 1",
    "try:\n    x = 1\nexcept ValueError:  # pragma: no cover\n    x = 2",
    "x = [\n    1,\n    2,\n]",
    "# only a comment",
)
LAST_LINE = 12


@dataclass(frozen=True)
class State:
    """A project at one moment: its sources, which lines and arcs ran, its settings and its tools.

    ``versions`` are those that results are kept by, where they are not the real ones; ``by_many``
    processes its files are analysed.
    """

    texts: tuple[str, ...]
    has_arcs: bool
    ran: tuple[frozenset[int], ...]
    precision: int
    exclude_also: str
    skip_covered: bool
    versions: tuple[str, str] | None
    by_many: bool


sources = st.lists(st.sampled_from(STATEMENTS), max_size=4).map(
    lambda parts: "\n".join(parts) + "\n"
)
lines = st.frozensets(st.integers(1, LAST_LINE), min_size=1)
states = st.builds(
    State,
    st.tuples(*[sources] * len(NAMES)),
    st.booleans(),
    st.tuples(*[lines] * len(NAMES)),
    st.integers(0, 2),
    st.sampled_from(["", "y = 2", "def f"]),
    st.booleans(),
    st.sampled_from([None, ("7.99", "3.13"), ("7.99", "3.99")]),
    st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> list[State]:
    """States that follow each other; each one has something of the one before."""
    history = [draw(states)]
    for after in draw(st.lists(states, min_size=1, max_size=3)):
        kept = draw(st.frozensets(st.sampled_from(sorted(State.__dataclass_fields__))))
        before = history[-1]
        values = {
            name: getattr(before if name in kept else after, name)
            for name in State.__dataclass_fields__
        }
        history.append(State(**values))
    return history


@contextmanager
def entered(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def bring_about(state: State, folder: Path) -> None:
    (folder / ".coveragerc").write_text(
        f"[report]\nprecision = {state.precision}\nskip_covered = {state.skip_covered}\n"
        f"exclude_also = {state.exclude_also}\n"
    )
    (folder / ".coverage").unlink(missing_ok=True)
    data = CoverageData(os.fspath(folder / ".coverage"))
    for name, text, ran in zip(NAMES, state.texts, state.ran, strict=True):
        (folder / name).write_text(text)
        path = os.fspath(folder / name)
        if state.has_arcs:
            stops = [-1, *sorted(ran), -1]
            data.add_arcs({path: list(itertools.pairwise(stops))})
        else:
            data.add_lines({path: ran})
    data.close()


def pretended(versions: tuple[str, str] | None) -> AbstractContextManager[object]:
    """For a while covsync takes coverage.py and Python for others, which results do not tell."""
    if versions is None:
        return nullcontext()
    return patch("covsync.measure.settings.versions", lambda: repr(versions))


def told(folder: Path, store: Path) -> tuple[Measurement, dict[str, bytes], str | None]:
    tree = WorkTree(folder, folder, frozenset(NAMES))
    with open_data(None, tree, StoredResults(store, ".")) as found:
        measurement = found.measurement(pages=True)
        return measurement, dict(html_pages(measurement)), found.fingerprint()


def read(measurement: Measurement) -> list[tuple[str, Totals, Lines]]:
    return [(file.path, file.totals, file.lines) for file in measurement.report.files]


def figures(measurement: Measurement) -> str:
    whole = measurement.report.coverage_json
    assert whole is not None
    files = {path: json.loads(zlib.decompress(entry)) for path, entry in whole.entries.items()}
    return json.dumps({**whole.document, "files": files})


def of_coverage_py(folder: Path) -> tuple[str, dict[str, bytes]]:
    reporter = Coverage()
    reporter.load()
    out = folder / "out"
    reporter.json_report(outfile=os.fspath(folder / "own.json"))
    reporter.html_report(directory=os.fspath(out))
    document = json.loads((folder / "own.json").read_text())
    del document["meta"]["timestamp"]
    pages = {
        path.name: without_time(path.read_text()).encode() if path.suffix == ".html" else b""
        for path in out.iterdir()
        if path.name not in (".gitignore", "status.json")
    }
    for path in out.iterdir():
        path.unlink()
    return json.dumps(document), {name: page for name, page in pages.items() if page}


@settings(max_examples=15, deadline=None, database=None, derandomize=True)
@given(histories())
@pytest.mark.stress
def test_warm_cold_and_coverage_py_agree(history: list[State]) -> None:
    seen: dict[str | None, tuple[str, dict[str, bytes]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        project, store = folder / "project", folder / "store"
        project.mkdir()
        with entered(project):
            for number, state in enumerate(history):
                bring_about(state, project)
                few = 0 if state.by_many else 24
                with pretended(state.versions), patch(f"{WORKERS}.FEW", few):
                    warm, warm_pages, fingerprint = told(project, store)
                    cold, cold_pages, again = told(project, folder / f"cold-{number}")
                own, own_pages = of_coverage_py(project)
                assert figures(warm) == figures(cold) == own
                assert warm_pages == cold_pages
                html = {name: page for name, page in warm_pages.items() if name.endswith("html")}
                assert html == own_pages
                assert read(warm) == read(cold)
                assert not warm.data.results.notes
                assert fingerprint == again
                if number and history[number - 1].versions != state.versions:
                    assert not warm.from_store
                assert seen.setdefault(fingerprint, (own, own_pages)) == (own, own_pages)
