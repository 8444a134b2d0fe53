"""Whatever becomes of the store, an answer stays what it was."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BRANCHES, SHAPES, SHAPES_TEST, Checkout, run, with_read_only
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covsync.measure.json_report import Entry
from covsync.measure.stored_results import StoredResults

FLOOR = "[tool.covsync]\nfail_under = 75\n"
RECORDED = "covsync: coverage is 75%, its floor held\n"
BY_TIMES = "covsync: coverage is 75% by file times, its floor held\n"


@pytest.fixture
def recorded(shapes: Checkout) -> Checkout:
    shapes.write({"pyproject.toml": BRANCHES + FLOOR})
    shapes.commit("Set a floor")
    assert shapes.covsync("run", "test_shapes.py").status == 0
    return shapes


def store_of(checkout: Checkout) -> Path:
    return checkout.folder / ".git" / "covsync" / "store-5.sqlite"


def answers(checkout: Checkout) -> None:
    """The answer is by the record, or else by file times and the store is said to be why."""
    ended = checkout.covsync("check", "--verbose")
    expected = BY_TIMES if "cannot be read, so it is not used" in ended.err else RECORDED
    assert (ended.status, ended.out) == (0, expected)


@pytest.mark.parametrize("part", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.first(2)
def test_a_truncated_store_changes_no_answer(recorded: Checkout, part: float) -> None:
    whole = store_of(recorded).read_bytes()
    store_of(recorded).write_bytes(whole[: int(len(whole) * part)])
    answers(recorded)
    ended = recorded.covsync("check", "--fail-under=90")
    assert ended.out.startswith("total: 75% is below 90% (fail_under); missing shapes.py:3\n")


@pytest.mark.stress
def test_a_store_in_which_bytes_were_zeroed_changes_no_answer(recorded: Checkout) -> None:
    whole = store_of(recorded).read_bytes()
    for page in range(0, len(whole), 4096):
        store_of(recorded).write_bytes(whole[:page] + b"\0" * 4096 + whole[page + 4096 :])
        answers(recorded)


def test_a_store_that_is_read_only_is_read(recorded: Checkout) -> None:
    command = with_read_only(
        store_of(recorded).parent, "covsync check; coverage run shapes.py; covsync record"
    )
    ended = run(command, recorded.folder)
    assert ended.out == RECORDED
    assert "cannot record in" in ended.err


def test_a_store_that_cannot_be_is_none(recorded: Checkout) -> None:
    shutil.rmtree(store_of(recorded).parent)
    store_of(recorded).parent.write_text("in the way")
    assert recorded.covsync("check").out == BY_TIMES
    assert "cannot record in" in recorded.covsync("record").err


def test_the_names_of_folders_do_not_matter(shapes: Checkout) -> None:
    odd = shapes.folder.rename(shapes.folder.parent / "50%3f #1?&mode=rw")
    project = Checkout(odd)
    project.write({"pyproject.toml": BRANCHES + FLOOR})
    project.stage()
    project.covsync("run", "test_shapes.py")
    assert project.covsync("check").out == RECORDED


@pytest.mark.parametrize("other", ["store-4.sqlite", "store-6.sqlite"])
def test_a_store_of_another_version_is_left_alone_and_named(recorded: Checkout, other: str) -> None:
    theirs = store_of(recorded).rename(store_of(recorded).with_name(other))
    before = theirs.read_bytes()
    ended = recorded.covsync("check")
    assert ended.out == BY_TIMES
    assert ended.err == (
        f"covsync: note: {other} holds a newer record, of a covsync of another version: this one "
        "reads store-5.sqlite. Let the hook's `rev` and the project's environment be the same "
        "covsync.\n"
    )
    recorded.covsync("run", "test_shapes.py")
    ended = recorded.covsync("check")
    assert (ended.out, ended.err) == (RECORDED, "")
    assert theirs.read_bytes() == before


def test_a_check_waits_for_who_writes(recorded: Checkout) -> None:
    writer = sqlite3.connect(store_of(recorded), isolation_level=None, check_same_thread=False)
    writer.execute("begin exclusive")
    release = threading.Timer(0.5, writer.close)
    release.start()
    assert recorded.covsync("check").out == RECORDED
    release.join()


def test_results_of_one_project_are_not_those_of_another(tmp_path: Path) -> None:
    """Where there are none yet, the processes that analyse are started early."""
    entry = Entry('{"num_statements": 1}', b"content")
    StoredResults(tmp_path, "backend").save("entry", [b"key"], {b"key": entry})
    assert not StoredResults(tmp_path, "backend").is_empty()
    assert StoredResults(tmp_path, "frontend").is_empty()
    assert StoredResults(tmp_path, "backend").load("entry", [b"key", b"other"]) == {b"key": entry}
    assert StoredResults(tmp_path, "frontend").load("entry", [b"key"]) == {}


def test_many_may_record_and_check_at_once(recorded: Checkout) -> None:
    def started(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["covsync", *arguments], cwd=recorded.folder, stdout=subprocess.PIPE, text=True
        )

    store_of(recorded).unlink()  # of what was observed there is nothing to record again
    assert recorded.covsync("record").status == 0
    judged = recorded.covsync("check", "--format=json").out
    assert json.loads(judged)["evidence"] == "record by file times"
    commands = (["record"], ["check", "--format=json"])
    running = [started(*each) for _ in range(3) for each in commands]
    said = [process.communicate()[0] for process in running]
    assert said == ["covsync: coverage is 75%, recorded\n", judged] * 3
    assert recorded.covsync("check", "--format=json").out == judged


EDITS: dict[str, Callable[[str], str | None]] = {
    "keep": lambda text: text,
    "comment": lambda text: f"# A comment\n\n{text}",
    "comment at the end": lambda text: f"{text}\n\n# The end\n",
    "lay out anew": lambda text: text.replace("    ", "  ").replace(
        "width * height", "width*height"
    ),
    "edit a statement": lambda text: text.replace("return 0", "return None"),
    "add a statement": lambda text: f"{text}\n\nUNIT = 1\n",
    "remove a statement": lambda text: text.replace("    if width < 0:\n        return 0\n", ""),
    "break": lambda text: f"{text}def (:\n",
    "move": lambda text: text,
    "move and comment": lambda text: f"# A comment\n{text}",
    "remove": lambda _: None,
}
HARMLESS = {"keep", "comment", "comment at the end", "lay out anew"}
NAMES = ("one.py", "two.py", "sub/three.py", "sub/four.py")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Four files like ``shapes.py``, one of them recorded with a text that git does not have."""
    project = Checkout(tmp_path_factory.mktemp("several"))
    project.git("init", "--quiet")
    shapes = {name: SHAPES.replace("2 *", f"{at} + 2 *") for at, name in enumerate(NAMES)}
    tests = "".join(
        SHAPES_TEST.replace("shapes", name[:-3].replace("/", ".")).replace("10", str(10 + at))
        for at, name in enumerate(NAMES)
    )
    project.write(
        {**shapes, "test_all.py": tests, "sub/__init__.py": "", ".gitignore": ".coverage*\n"}
    )
    source = '[tool.coverage.run]\nbranch = true\nsource = ["."]\nomit = ["test_*.py"]\n'
    project.write({"pyproject.toml": source})
    project.commit()
    project.write({"one.py": f"{shapes['one.py']}\n\nLAST = 1\n"})
    assert project.covsync("run", "test_all.py").status == 0
    return project


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    edits=st.fixed_dictionaries({name: st.sampled_from(sorted(EDITS)) for name in NAMES}),
    new=st.booleans(),
    floors=st.fixed_dictionaries(
        {},
        optional={f"--fail-under{which}": st.integers(60, 100) for which in ("", "-file", "-diff")},
    ),
    stale=st.sampled_from(["fail", "ignore"]),
    kind=st.sampled_from(["text", "json"]),
)
@pytest.mark.stress
def test_random_edits_of_the_index_are_judged_by_what_is_stored(
    several: Checkout,
    edits: dict[str, str],
    new: bool,  # noqa: FBT001 - drawn
    floors: dict[str, int],
    stale: str,
    kind: str,
) -> None:
    measured = {name: (several.folder / name).read_text() for name in NAMES}
    try:
        for name, edit in edits.items():
            text = EDITS[edit](measured[name])
            several.folder.joinpath(name).unlink()
            moved = name.replace(".py", "_moved.py") if edit.startswith("move") else name
            several.write({} if text is None else {moved: text})
        several.write({"sub/new.py": "NEW = 1\n"} if new else {})
        several.write({".covsync.yaml": f'stale: "{stale}"\n'})
        several.git("add", "--all")
        arguments = ["check", f"--format={kind}"]
        arguments += [f"{flag}={percent}" for flag, percent in floors.items()]
        ended = several.covsync(*arguments)
        assert ended.err == "" or ended.err.startswith(("covsync: error: ", "covsync: note: "))
        is_as_recorded = not new and set(edits.values()) <= HARMLESS
        if stale == "fail":
            assert (ended.status == 3) is not is_as_recorded, ended
        if kind == "json" and is_as_recorded:
            assert json.loads(ended.out)["percent_covered"] == 100 * 25 / 33
    finally:
        several.git("reset", "--quiet", "--hard")
        several.git("clean", "--quiet", "--force", "-d")
        several.write(measured)
