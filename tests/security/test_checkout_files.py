"""Files of a checkout that others wrote: links, pipes, devices, and files without an end."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BRANCHES, SHAPES, Checkout, Ended

pytestmark = pytest.mark.first(1)  # of each test's cases; the others are for CI

CANARY = "hunter2-must-stay-at-home"
FLOOR = BRANCHES + "[tool.covsync]\nfail_under = 50\n"
SECONDS = 60  # after which what waits for a pipe is taken to wait for ever


def typed(checkout: Checkout, *words: str) -> Ended:
    """What ``covsync`` says, which must not wait for ever."""
    done = subprocess.run(
        ["covsync", *words],
        cwd=checkout.folder,
        env={**os.environ, **checkout.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def refused(ended: Ended, *words: str, status: int = 1) -> None:
    """It ended with an error of two lines that holds the words, and nothing of the secret."""
    assert ended.status == status, ended
    assert ended.out == ""
    assert ended.err.startswith("covsync: error: "), ended.err
    assert len(ended.err.splitlines()) == 2, ended.err
    for word in words:
        assert word in ended.err
    assert CANARY not in ended.err
    assert "bug in covsync" not in ended.err


@pytest.fixture
def project(shapes: Checkout) -> Iterator[Checkout]:
    """A recorded project with a floor; nothing of it may ever reach the remote."""
    shapes.write({"pyproject.toml": FLOOR})
    shapes.commit()
    assert shapes.covsync("run", "test_shapes.py").status == 0
    yield shapes
    assert shapes.git("ls-remote", "origin") == ""


# What `covsync ratchet` writes.


def test_the_floors_are_not_written_through_a_link(project: Checkout, tmp_path: Path) -> None:
    """A name that can be foretold could be a tracked link to any file of the user."""
    victim = tmp_path / "authorized_keys"
    victim.write_text(CANARY)
    victim.chmod(0o600)
    (project.folder / "pyproject.toml.covsync").symlink_to(victim)
    before = {path.name for path in project.folder.iterdir()}
    ended = typed(project, "ratchet")
    assert (ended.status, ended.out.splitlines()[0]) == (0, "fail_under: 50 -> 75"), ended
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == (CANARY, 0o600)
    assert (project.folder / "pyproject.toml.covsync").is_symlink()
    assert {path.name for path in project.folder.iterdir()} == before
    assert "fail_under = 75" in (project.folder / "pyproject.toml").read_text()


@pytest.mark.parametrize("mode", [0o600, 0o664])
@pytest.mark.first(1)
def test_the_file_keeps_its_mode(project: Checkout, mode: int) -> None:
    path = project.folder / "pyproject.toml"
    path.chmod(mode)
    assert typed(project, "ratchet").status == 0
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_within_the_repository_stays_one(project: Checkout) -> None:
    (project.folder / "shared").mkdir()
    path, target = project.folder / "pyproject.toml", project.folder / "shared" / "base.toml"
    path.rename(target)
    path.symlink_to("shared/base.toml")
    project.commit()
    assert project.covsync("run", "test_shapes.py").status == 0
    target.chmod(0o640)
    ended = typed(project, "ratchet")
    assert ended.status == 0, ended
    assert str(path.readlink()) == "shared/base.toml"
    assert "fail_under = 75" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [each.name for each in target.parent.iterdir()] == ["base.toml"]


def test_a_configuration_outside_is_not_written(project: Checkout, tmp_path: Path) -> None:
    victim = tmp_path / "other.toml"
    (project.folder / "pyproject.toml").rename(victim)
    (project.folder / "pyproject.toml").symlink_to(victim)
    refused(
        typed(project, "ratchet"),
        "pyproject.toml is a link that leads out of the repository's files",
    )
    assert victim.read_text() == FLOOR


# Where configuration is read from, and what an error tells of it.

CONFIGURATION = (
    *(".coveragerc", ".coveragerc.toml", "setup.cfg", "tox.ini", "pyproject.toml"),
    *(".covsync.yaml", "pytest.ini", "pytest.toml"),
)
COMMANDS = (
    *(["check"], ["push"], ["record"], ["ratchet"], ["run", "test_shapes.py"]),
    *(["compact"], ["check", "--debug"]),
)


def all_refuse(checkout: Checkout, *words: str) -> None:
    """Each command says so, and nothing is in any error or traceback of what the file holds."""
    for command in COMMANDS:
        ended = typed(checkout, *command)
        assert CANARY not in ended.out + ended.err
        if "--debug" not in command:
            refused(ended, *words)


def put_link(checkout: Checkout, name: str, target: str | Path) -> None:
    (checkout.folder / name).unlink(missing_ok=True)
    (checkout.folder / name).symlink_to(target)
    checkout.stage()


@pytest.mark.parametrize("name", CONFIGURATION)
@pytest.mark.first(1)
def test_no_configuration_is_read_outside_the_repository(
    project: Checkout, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    put_link(project, name, tmp_path / "secret")
    all_refuse(project, f"{name} is a link that leads out of the repository's files")


@pytest.mark.parametrize("target", ["/proc/self/environ", ".git/config", "/dev/zero", "/dev/stdin"])
@pytest.mark.first(2)
def test_nor_elsewhere_on_the_machine(project: Checkout, target: str) -> None:
    put_link(project, ".coveragerc", target)
    environ = Checkout(project.folder, {"PASSWORD": CANARY})
    all_refuse(environ, ".coveragerc is a link that leads out of the repository's files")


def test_nor_above_the_project(project: Checkout, tmp_path: Path) -> None:
    """There pytest looks for its settings, and so does covsync."""
    project.write({"part/pyproject.toml": FLOOR, "part/test_shapes.py": ""})
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    put_link(project, "tox.ini", tmp_path / "secret")
    part = Checkout(project.folder / "part")
    all_refuse(part, "../tox.ini is a link that leads out of the repository's files")


@pytest.mark.parametrize("name", CONFIGURATION)
@pytest.mark.first(1)
def test_a_pipe_is_not_opened_as_configuration(project: Checkout, name: str) -> None:
    (project.folder / name).unlink(missing_ok=True)
    os.mkfifo(project.folder / name)
    all_refuse(project, f"cannot read {name}: it is not a regular file")


@pytest.mark.parametrize("name", CONFIGURATION)
@pytest.mark.first(1)
def test_configuration_has_a_size(project: Checkout, name: str) -> None:
    with (project.folder / name).open("ab") as stream:
        stream.truncate(3 << 30)
    all_refuse(project, f"{name}: covsync reads at most 262,144 bytes", "COVSYNC_LIMITS=10")


def test_a_limit_can_be_raised(project: Checkout) -> None:
    text = FLOOR + "# A long comment\n" * 100_000
    project.write({"pyproject.toml": text})
    assert project.covsync("run", "test_shapes.py").status == 1
    patient = Checkout(project.folder, {"COVSYNC_LIMITS": "10"})
    assert patient.covsync("run", "test_shapes.py").status == 0


@pytest.mark.parametrize(
    "name, place",
    [
        (".coveragerc", "in .coveragerc at line 1"),
        ("setup.cfg", "in setup.cfg at line 1"),
        (".coveragerc.toml", "in .coveragerc.toml at line 1, column 10"),
        ("tox.ini", "in tox.ini at line 1"),
        ("pyproject.toml", "pyproject.toml is not valid TOML at line 1, column 10"),
        (".covsync.yaml", ".covsync.yaml does not hold keys and values"),
    ],
)
@pytest.mark.first(3)
def test_an_error_does_not_quote_the_file(project: Checkout, name: str, place: str) -> None:
    """It may be a link to what a developer keeps in the checkout alone."""
    project.write({".env": f"PASSWORD={CANARY} covsync\n", ".gitignore": ".env\n"})
    put_link(project, name, ".env")
    for command in (["push"], ["record"], ["run", "test_shapes.py"], ["push", "--debug"]):
        ended = typed(project, *command)
        assert place in ended.err
        assert CANARY not in ended.err


@pytest.mark.parametrize(
    "setting, words",
    [
        (f"[tool.coverage.run]\nbranch = '{CANARY}'", ": [tool.coverage.run] branch"),
        (f"[tool.coverage.run]\nconcurrency = ['{CANARY}']", "coverage.py cannot use its settings"),
        (f"[tool.coverage.run]\nsource = '{CANARY}'", ": [tool.coverage.run] source"),
        (
            f"[tool.coverage.run]\nomit = ['${{x?}} {CANARY}']",
            "coverage.py cannot use its settings",
        ),
        (f"[tool.coverage]\nrun = '{CANARY}'", "coverage.py cannot use its settings"),
        (f"[tool]\ncoverage = '{CANARY}'", "coverage.py cannot use its settings"),
        (
            f"[tool.coverage.report]\nexclude_lines = ['({CANARY}']",
            ": [tool.coverage.report] exclude_lines",
        ),
        (f"[tool.coverage.report]\nomit = ['**{CANARY}']", "coverage.py cannot use its settings"),
        (f"[tool.coverage.report]\nsort = '{CANARY}'", "[report] sort is not valid"),
        (f"[tool.coverage.report]\nfail_under = '{CANARY}'", "[tool.coverage.report] fail_under"),
        (f"[tool.covsync]\nfail_under = '{CANARY}'", "fail_under in [tool.covsync]"),
        (f"[tool.covsync]\nhosting = '{CANARY}'", "hosting in [tool.covsync]"),
        (f"[tool.covsync]\n'a {CANARY}' = 1", "unknown key in [tool.covsync]"),
        (f"[tool.covsync]\npages_url = '{CANARY}'", "pages_url in [tool.covsync]"),
        (f"[tool.covsync.paths]\na = '{CANARY}'", "paths in [tool.covsync]"),
    ],
)
@pytest.mark.first(6)
def test_an_error_does_not_quote_a_value(project: Checkout, setting: str, words: str) -> None:
    project.write({"pyproject.toml": f"{setting}\n"})
    os.utime(project.folder / "pyproject.toml", (10**9, 10**9))
    project.commit()
    (project.folder / ".git" / "covsync").rename(project.folder / ".git" / "no-record")
    for command in ("check", "push"):
        refused(typed(project, command), words)
        assert CANARY not in typed(project, command, "--debug").err


def test_an_ini_file_is_not_quoted_either(project: Checkout) -> None:
    project.write({"setup.cfg": f"[coverage:run]\nbranch = {CANARY}\n"})
    refused(typed(project, "push"), "coverage.py cannot use its settings in setup.cfg")
    project.write({"setup.cfg": f"[coverage:run]\n[coverage:run]\n{CANARY}\n"})
    refused(typed(project, "push"), "coverage.py cannot use its settings in setup.cfg at line 2")
    project.stage()
    refused(typed(project, "check"), "setup.cfg is not valid at line 2")


# What the developer's environment names.


def test_a_developer_may_keep_settings_elsewhere(project: Checkout, tmp_path: Path) -> None:
    (tmp_path / "own.rc").write_text("[run]\ninclude = shapes.py\n")
    (tmp_path / "link.rc").symlink_to("own.rc")
    own = Checkout(project.folder, {"COVERAGE_RCFILE": str(tmp_path / "link.rc")})
    assert own.covsync("run", "test_shapes.py").status == 0
    assert typed(own, "check").status == 0
    (tmp_path / "own.rc").write_text(f"{CANARY}\n")
    refused(typed(own, "push"), f"coverage.py cannot use its settings in {tmp_path}/link.rc at")
    (tmp_path / "own.rc").unlink()
    refused(typed(own, "push"), f"coverage.py cannot use its settings in {tmp_path}/link.rc\n")


@pytest.mark.parametrize("place", ["{top}/", ""])
def test_what_it_names_in_the_repository_stays_there(
    project: Checkout, tmp_path: Path, place: str
) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    put_link(project, "my.rc", tmp_path / "secret")
    name = place.format(top=project.folder) + "my.rc"
    environ = Checkout(project.folder, {"COVERAGE_RCFILE": name})
    all_refuse(environ, f"{name} is a link that leads out of the repository's files")


@pytest.mark.parametrize("name", ["/dev/zero", "../pipe"])
def test_it_names_a_regular_file(project: Checkout, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    environ = Checkout(project.folder, {"COVERAGE_RCFILE": name})
    all_refuse(environ, f"cannot read {name}: it is not a regular file")


# Data files.

UNRECORDED = (["check"], ["push"], ["record"], ["run", "--append", "test_shapes.py"])


@pytest.fixture
def unrecorded(shapes: Checkout) -> Iterator[Checkout]:
    """A project with data that no run of covsync wrote; nothing may reach the remote."""
    yield shapes
    assert shapes.git("ls-remote", "origin") == ""


def put_data(checkout: Checkout, kind: str, tmp_path: Path) -> None:
    """In place of the data: a pipe, or a link to what has no end."""
    data = checkout.folder / ".coverage"
    data.unlink()
    if kind == "pipe":
        os.mkfifo(data)
    elif kind == "link to a pipe":
        os.mkfifo(tmp_path / "pipe")
        data.symlink_to(tmp_path / "pipe")
    else:
        data.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device"])
def test_data_is_a_regular_file(unrecorded: Checkout, tmp_path: Path, kind: str) -> None:
    put_data(unrecorded, kind, tmp_path)
    for command in UNRECORDED:
        refused(typed(unrecorded, *command), ".coverage: it is not a regular file")


def test_recorded_data_that_became_a_pipe(project: Checkout, tmp_path: Path) -> None:
    """What is recorded is judged without the data; asked for again, it is looked at first."""
    put_data(project, "pipe", tmp_path)
    assert typed(project, "check").status == 0
    for command in UNRECORDED[1:]:
        refused(typed(project, *command), ".coverage: it is not a regular file")
    project.write({"shapes.py": SHAPES + "\n\nhalf = 1 / 2\n"})
    project.stage()
    refused(typed(project, "check"), ".coverage: it is not a regular file")


def test_analysed_data_that_became_a_pipe(unrecorded: Checkout, tmp_path: Path) -> None:
    """The stored report on it is compared with what lies there now."""
    for _ in range(2):
        assert typed(unrecorded, "check").status == 0
    put_data(unrecorded, "pipe", tmp_path)
    refused(typed(unrecorded, "check"), ".coverage: it is not a regular file")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "/dev/stdin", "."])
def test_a_named_report_is_a_regular_file(unrecorded: Checkout, name: str) -> None:
    os.mkfifo(unrecorded.folder / "pipe")
    for command in ("check", "push", "record"):
        ended = typed(unrecorded, command, "--data-file", name)
        refused(ended, f"{name.strip('.')}: it is not a regular file", "--data-file")
    unrecorded.write({"pyproject.toml": f"{BRANCHES}[tool.covsync]\ndata_file = '{name}'\n"})
    unrecorded.stage()
    for command in ("check", "push", "record", "ratchet"):
        refused(typed(unrecorded, command), f"{name.strip('.')}: it is not a regular file")


def sparse(path: Path, start: bytes, size: int) -> None:
    """A file of which the disk holds only the start; what follows reads as zeros."""
    with path.open("r+b" if path.exists() else "wb") as stream:
        stream.write(start)
        stream.truncate(size)


def test_a_report_has_a_size(unrecorded: Checkout) -> None:
    sparse(unrecorded.folder / "report.json", b'{"meta": {}}', 3 << 30)
    for command in ("check", "push", "record"):
        ended = typed(unrecorded, command, "--data-file", "report.json")
        refused(ended, "report.json: covsync reads at most 536,870,912 bytes", "COVSYNC_LIMITS=10")


def test_data_has_a_size(project: Checkout) -> None:
    """Also where its digest alone is asked for, for which all of it would be read."""
    sparse(project.folder / ".coverage", b"SQLite format 3\0", 1 << 40)
    project.write({"shapes.py": SHAPES + "\n\nhalf = 1 / 2\n"})
    project.stage()
    for command in UNRECORDED:
        ended = typed(project, *command)
        refused(ended, ".coverage: covsync reads at most 4,294,967,296 bytes")


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
@pytest.mark.first(1)
def test_nothing_is_read_or_written_beside_the_data(
    unrecorded: Checkout, tmp_path: Path, kind: str, suffix: str
) -> None:
    """SQLite would open its journal there, and write it through a link."""
    beside, victim = unrecorded.folder / f".coverage{suffix}", tmp_path / "victim"
    data = bytearray((unrecorded.folder / ".coverage").read_bytes())
    data[18:20] = b"\2\2" if suffix != "-journal" else data[18:20]  # a write-ahead log is used
    (unrecorded.folder / ".coverage").write_bytes(data)
    if kind == "pipe":
        os.mkfifo(beside)
    else:
        beside.symlink_to(victim)
    for command in UNRECORDED:
        refused(typed(unrecorded, *command), "where SQLite would keep its journal")
        assert not victim.exists()


def test_a_process_can_leave_no_pipe_among_the_data(project: Checkout) -> None:
    leave = "import os\nos.mkfifo(os.environ['COVERAGE_FILE'] + '.x')\n"
    project.write({"leave.py": leave + "import shapes\n"})
    project.commit()
    ended = typed(project, "run", "leave.py")
    assert (ended.status, "it is not a regular file" in ended.err) == (1, True), ended


def test_parallel_data_may_have_a_pipe_beside_it(project: Checkout) -> None:
    """When pytest has ended, the data files of its processes are looked at."""
    project.write({"test_all.py": "import os\n\n\ndef test():\n    os.mkfifo('.coverage.x.1.y')\n"})
    done = subprocess.run(
        ["coverage", "run", "--parallel-mode", "-m", "pytest", "-q"],
        cwd=project.folder,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    assert b"1 passed" in done.stdout
    refused(typed(project, "push", "--data-file", ".coverage.x.1.y"), "it is not a regular file")


@pytest.mark.parametrize("kind", ["pipe", "large"])
def test_notes_are_looked_at_before_they_are_read(project: Checkout, kind: str) -> None:
    notes = project.folder / "own.jsonl"
    if kind == "pipe":
        os.mkfifo(notes)
    else:
        sparse(notes, b'{"covsync": 1}\n', 3 << 30)
    words = {"pipe": "it is not a regular file", "large": "covsync reads at most 268,435,456 bytes"}
    refused(typed(project, "record", "--began=1", f"--notes={notes}"), words[kind])


# What settings would have coverage.py write.


@pytest.mark.parametrize("command", [["check"], ["record"], ["push"]])
def test_no_debug_file_is_written(shapes: Checkout, tmp_path: Path, command: list[str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    settings = f"debug = ['config', 'sys']\ndebug_file = '{elsewhere}'\n"
    shapes.write({"pyproject.toml": BRANCHES + settings})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    elsewhere.write_text("mine\n")
    ended = shapes.covsync(*command)
    assert ended.status == 0, ended
    assert elsewhere.read_text() == "mine\n"


def test_no_settings_can_be_named(shapes: Checkout) -> None:
    shapes.env["COVERAGE_RCFILE"] = os.devnull
    shapes.coverage("run", "test_shapes.py")
    assert shapes.covsync("check", "--fail-under=1").status == 0
