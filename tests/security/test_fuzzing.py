"""Mutated data, reports, configuration and data branches: an error of covsync's, or a right answer.

``COVSYNC_FUZZ_INPUTS=10000`` makes that many inputs in place of 300, and ``-n0 -s`` shows what they
took. Each gets two seconds of a processor and 300 MB.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import BRANCHES, SHAPES, SHAPES_TEST, Checkout, run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import JSON

pytestmark = pytest.mark.stress

INPUTS = int(os.environ.get("COVSYNC_FUZZ_INPUTS", "300"))
MOST_MEMORY = 300_000_000
COVERED, COVERABLE = 6, 8
MOST_PAGES, MOST_STEPS = 2000, 1_000_000
SETTINGS = {
    "pyproject.toml": BRANCHES,
    ".covsync.yaml": "fail_under: 70\nmax_drop: 10\npaths:\n  'sh*.py': 50\nstale: fail\n",
    ".coveragerc": "[run]\nbranch = true\ninclude =\n    shapes.py\n[report]\nprecision = 1\n",
    "setup.cfg": "[coverage:run]\nbranch = true\n[tool:pytest]\naddopts = -q\n",
    "tox.ini": "[coverage:report]\nfail_under = 60\nexclude_also =\n    x\n[pytest]\n",
}


def inputs(share: int) -> settings:
    """Settings for so many hundredths of the inputs."""
    return settings(
        max_examples=max(1, INPUTS * share // 100),
        suppress_health_check=list(HealthCheck),
    )


class Outcome(NamedTuple):
    status: int
    cpu: float
    memory: int
    out: str
    err: str


class Fuzzed:
    """A measured project with a published data branch, and what covsync does in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = Checkout(folder / "checkout")
        self.remote = folder / "remote.git"
        (folder / "tmp").mkdir()
        self.checkout.folder.mkdir()
        run(["git", "init", "--quiet", "--bare", str(self.remote)], folder)
        self.checkout.git("init", "--quiet")
        self.checkout.git("remote", "add", "origin", str(self.remote))
        self.checkout.write(
            {
                "shapes.py": SHAPES,
                "test_shapes.py": SHAPES_TEST,
                "pyproject.toml": BRANCHES,
                ".covsync.yaml": SETTINGS[".covsync.yaml"],
                ".gitignore": ".coverage\n*.json\n__pycache__/\n",
            }
        )
        self.checkout.commit()
        self.checkout.coverage("run", "test_shapes.py")
        self.checkout.coverage("json", "-q", "-o", "report.json")
        self.data = (self.checkout.folder / ".coverage").read_bytes()
        with contextlib.closing(sqlite3.connect(self.checkout.folder / ".coverage")) as database:
            self.names = {name for (name,) in database.execute("select path from file")}
        self.report = (self.checkout.folder / "report.json").read_bytes()
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fuzz_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            text=True,
        )
        self.outcomes: list[tuple[float, int, str]] = []
        assert self.run("push").status == 0
        self.tip = self.remote_git("rev-parse", "covsync-data").strip()
        names = self.remote_git("ls-tree", "-r", "--name-only", "covsync-data").splitlines()
        self.published = {name: self.of_branch(name) for name in names}

    def remote_git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.remote, input=stdin, capture_output=True, check=True
        )
        return os.fsdecode(done.stdout)

    def of_branch(self, name: str) -> bytes:
        return subprocess.run(
            ["git", "cat-file", "blob", f"covsync-data:{name}"],
            cwd=self.remote,
            capture_output=True,
            check=True,
        ).stdout

    def ended(self, *command: str) -> Outcome:
        """How a command ended in the checkout."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(f"{json.dumps(command)}\n")
        self.server.stdin.flush()
        return Outcome(**json.loads(self.server.stdout.readline()))

    def run(self, *arguments: str) -> Outcome:
        """What covsync does, which holds to the limits whatever happens, and is no bug."""
        before = self.state()
        found = self.ended("covsync", *arguments)
        self.outcomes.append((found.cpu, found.memory, " ".join(arguments)))
        assert found.status in (0, 1, 2, 3), found
        assert found.memory < MOST_MEMORY, found
        said = found.out + found.err
        assert said, found
        assert "Traceback" not in said, found
        assert "bug in covsync" not in said, found
        assert self.state() == before, "written outside of .git/covsync"
        return found

    def reported(self) -> tuple[int, int]:
        """What ``coverage json`` finds covered and coverable."""
        done = self.ended("coverage", "json", "-q", "-o", "-")
        return covered(json.loads(done.out)["totals"])

    def state(self) -> Mapping[str, tuple[int, int]]:
        """All files around, but those of git's and of the test's own, with sizes and times."""
        found = {}
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if name not in (".git", "remote.git")]
            for name in names if place != str(self.folder) else ():
                stat = os.lstat(os.path.join(place, name))
                found[os.path.join(place, name)] = (stat.st_size, stat.st_mtime_ns)
        return found

    def forget(self) -> None:
        """Removes what is stored, and puts the data branch back."""
        shutil.rmtree(self.checkout.folder / ".git" / "covsync", ignore_errors=True)
        self.remote_git("update-ref", "refs/heads/covsync-data", self.tip)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.server.communicate()
    slowest, largest = max(made.outcomes), max(made.outcomes, key=lambda each: each[1])
    sys.stdout.write(
        f"\n{len(made.outcomes)} runs: slowest {slowest[0]:.2f} s ({slowest[2]}), "
        f"largest {largest[1] / 1e6:.0f} MB ({largest[2]})\n"
    )


# Bytes.

PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            *(b"\0", b"\n", b"\r", b'"', b"'", b"{", b"}", b"[", b"]", b"<", b"|", b"::", b"&a *a"),
            *(
                b"-1",
                b"1e999",
                b"NaN",
                b"9" * 5000,
                b"../",
                b"/etc/passwd",
                b"\xff",
                b"\xef\xbb\xbf",
            ),
            *(b"[" * 3000, b"\x1b[2J", b"!!python/object:x", b"${HOME}", b"\xe2\x80\xae"),
        ]
    ),
)
KINDS = st.sampled_from(["insert", "replace", "delete", "repeat", "cut"])
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(["insert", "replace", "delete", "repeat", "cut"]), PIECES
    ),
    min_size=1,
    max_size=6,
)


def mutated(content: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for where, kind, piece in edits:
        at = int(where * len(content))
        if kind == "insert":
            content = content[:at] + piece + content[at:]
        elif kind == "replace":
            content = content[:at] + piece + content[at + len(piece) :]
        elif kind == "delete":
            content = content[:at] + content[at + 1 + len(piece) :]
        elif kind == "repeat":
            content = content[:at] + content[at : at + 40] * 9 + content[at:]
        else:
            content = content[: max(at, 1)]
    return content


# Coverage data.

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.sampled_from(
        ["shapes.py", "/etc/passwd", "../x.py", "a/" * 2000, "::error::x", b"\xff" * 99]
    ),
)
COLUMNS = st.sampled_from(
    [
        *(("file", "path"), ("context", "context"), ("meta", "value"), ("meta", "key")),
        *(("arc", "fromno"), ("arc", "tono"), ("arc", "file_id"), ("arc", "context_id")),
        *(("file", "id"), ("coverage_schema", "version"), ("tracer", "tracer")),
    ]
)
ENDLESS = (
    "alter table file rename to was; create view file as with recursive n(i) as (select 1 "
    "union all select i + 1 from n) select i as id, 'x' || i as path from n"
)
STATEMENTS = st.sampled_from(
    [
        "drop table arc",
        "drop table meta",
        "drop table file",
        "delete from meta",
        "delete from file",
        "insert into arc select file_id, context_id, fromno + 100000, tono from arc",
        "insert into line_bits select id, 1, zeroblob(100000) from file",
        "insert into file (path) select path || 'x' from file",
        "alter table arc rename to was; create view arc as select * from was",
        ENDLESS,
        "create trigger t after insert on file begin delete from file; end",
        "pragma user_version = 7",
        "update meta set value = '1' where key = 'has_arcs'; drop table line_bits",
    ]
)
UPDATES = st.lists(st.tuples(COLUMNS, VALUES) | STATEMENTS, min_size=1, max_size=4)


def written_data(fuzzed: Fuzzed, updates: list[Any]) -> None:
    path = fuzzed.checkout.folder / ".coverage"
    path.unlink(missing_ok=True)
    path.write_bytes(fuzzed.data)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"pragma max_page_count = {MOST_PAGES}")
        for each in updates:
            # What an earlier update has made endless is not followed here.
            database.set_progress_handler(lambda: 1, MOST_STEPS)
            with contextlib.suppress(sqlite3.Error), database:
                if isinstance(each, str):
                    database.executescript(each)
                else:
                    (table, column), value = each
                    database.execute(f"update {table} set {column} = ?", [value])  # noqa: S608


def judged(fuzzed: Fuzzed) -> None:
    """Where covsync has a figure, it is what coverage.py reports on this data.

    Other names it finds in the repository by their last parts, which coverage.py does not.
    """
    fuzzed.forget()
    outcome = fuzzed.run("check", "--format=json")
    if outcome.status not in (0, 2) or not json.loads(outcome.out)["judged"]:
        return
    with contextlib.closing(sqlite3.connect(fuzzed.checkout.folder / ".coverage")) as database:
        names = {name for (name,) in database.execute("select path from file")}
    if names != fuzzed.names:
        return
    found = json.loads(outcome.out)
    assert (found["covered"], found["coverable"]) == fuzzed.reported(), outcome


def covered(totals: Mapping[str, int]) -> tuple[int, int]:
    """What is covered and coverable by the totals of a ``coverage json`` report."""
    return (
        totals["covered_lines"] + totals.get("covered_branches", 0),
        totals["num_statements"] + totals.get("num_branches", 0),
    )


@inputs(25)
@given(updates=UPDATES)
@example(updates=[])
def test_data_of_any_rows(fuzzed: Fuzzed, updates: list[Any]) -> None:
    written_data(fuzzed, updates)
    judged(fuzzed)


@inputs(15)
@given(edits=EDITS)
def test_data_of_any_bytes(fuzzed: Fuzzed, edits: list[tuple[float, str, bytes]]) -> None:
    path = fuzzed.checkout.folder / ".coverage"
    path.unlink(missing_ok=True)
    path.write_bytes(mutated(fuzzed.data, edits))
    judged(fuzzed)


# Reports of coverage.py.


# Where in a report something is replaced, and by what.
CHANGES = st.lists(st.tuples(st.lists(st.integers(0, 9), max_size=6), JSON), max_size=3)


def replaced(document: Any, where: list[int], value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A JSON document with another value where the numbers lead."""
    if not where or not isinstance(document, dict | list) or not document:
        return value
    step, rest = where[0], where[1:]
    if isinstance(document, list):
        at = step % len(document)
        return [*document[:at], replaced(document[at], rest, value), *document[at + 1 :]]
    key = list(document)[step % len(document)]
    return {**document, key: replaced(document[key], rest, value)}


@inputs(20)
@given(changes=CHANGES, edits=st.just([]) | EDITS)
def test_a_report_of_any_form(
    fuzzed: Fuzzed, changes: list[tuple[list[int], Any]], edits: list[tuple[float, str, bytes]]
) -> None:
    fuzzed.forget()
    document = json.loads(fuzzed.report)
    for where, value in changes:
        document = replaced(document, where, value)
    content = mutated(json.dumps(document).encode("utf-8", "surrogatepass"), edits)
    (fuzzed.checkout.folder / "report.json").write_bytes(content)
    outcome = fuzzed.run("check", "--data-file=report.json", "--format=json")
    if outcome.status in (0, 2):
        files = json.loads(content)["files"]
        found = json.loads(outcome.out)
        assert (found["covered"], found["coverable"]) == covered(files["shapes.py"]["summary"])


# Configuration.


@inputs(25)
@given(name=st.sampled_from(sorted(SETTINGS)), edits=EDITS, staged=st.booleans())
def test_a_configuration_of_any_bytes(
    fuzzed: Fuzzed, name: str, edits: list[tuple[float, str, bytes]], *, staged: bool
) -> None:
    fuzzed.forget()
    checkout = fuzzed.checkout
    (checkout.folder / ".coverage").write_bytes(fuzzed.data)
    path = checkout.folder / name
    path.write_bytes(mutated(SETTINGS[name].encode(), edits))
    try:
        if staged:
            checkout.git("add", name)
        (checkout.folder / ".coverage").write_bytes(fuzzed.data)
        outcome = fuzzed.run("check", "--format=json")
        if outcome.status in (0, 2) and json.loads(outcome.out)["judged"]:
            found = json.loads(outcome.out)
            assert (found["covered"], found["coverable"]) == fuzzed.reported(), outcome
    finally:
        checkout.git("reset", "--quiet", "--hard")
        checkout.git("clean", "--quiet", "-fd")


# The data branch.


@inputs(15)
@given(picked=st.integers(0, 99), edits=EDITS, fetch=st.booleans())
def test_a_data_branch_of_any_bytes(
    fuzzed: Fuzzed, picked: int, edits: list[tuple[float, str, bytes]], *, fetch: bool
) -> None:
    fuzzed.forget()
    (fuzzed.checkout.folder / ".coverage").write_bytes(fuzzed.data)
    name = sorted(fuzzed.published)[picked % len(fuzzed.published)]
    content = mutated(fuzzed.published[name], edits)
    stream = b"commit refs/heads/covsync-data\ncommitter t <t@localhost> 1700000000 +0000\n"
    stream += b"data 0\nfrom refs/heads/covsync-data^0\n"
    stream += b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content)
    fuzzed.remote_git("fast-import", "--quiet", "--force", stdin=stream)
    before = fuzzed.remote_git("rev-parse", "covsync-data")
    if fetch:
        fuzzed.run("check", "--fetch")
    else:
        outcome = fuzzed.run("push")
        if outcome.status:
            assert fuzzed.remote_git("rev-parse", "covsync-data") == before
        else:
            data = json.loads(fuzzed.of_branch("data.json"))
            assert covered(data["raw_data"]["totals"]) == (COVERED, COVERABLE)
            assert fuzzed.of_branch("badge.svg") == fuzzed.published["badge.svg"]
