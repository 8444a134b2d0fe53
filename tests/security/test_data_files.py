"""Coverage data made to keep covsync busy, to fill its memory, or to run what is in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Checkout, Ended
from coverage import CoverageData
from coverage.numbits import nums_to_numbits

pytestmark = pytest.mark.first(1)  # of each test's cases; the others are for CI

# An upper bound for what ends at once, or else never would.
SECONDS = 60
# Python and coverage.py themselves take less than a tenth of it.
MEMORY = 1 << 30
ENDLESS = "from (with recursive n(i) as (select 1 union all select i + 1 from n) select i from n)"
TRACER = (
    "drop table tracer; create table tracer (file_id integer primary key, tracer text, "
    "foreign key (file_id) references file (id)"
)


def bounded(folder: Path, *command: str, **env: str) -> Ended:
    """Runs a command in so much time and memory as nothing honest takes here."""
    limited = ["prlimit", f"--as={MEMORY}", "--", *command]
    done = subprocess.run(
        limited,
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def refused(checkout: Checkout, *words: str, options: tuple[str, ...] = (), **env: str) -> None:
    """Both commands say in two lines what is wrong, and nothing reaches the remote."""
    for command in ("check", "push"):
        ended = bounded(checkout.folder, "covsync", command, *options, **env)
        assert (ended.status, ended.out) == (1, ""), ended
        lines = ended.err.splitlines()
        assert len(lines) == 2, ended.err
        assert lines[0].startswith("covsync: error: ")
        assert lines[1].startswith("  ")
        assert all(len(line) < 500 for line in lines)
        for word in words:
            assert word in ended.err
    assert checkout.git("ls-remote", "origin") == ""


def altered(data: Path, script: str) -> None:
    """Runs SQL on a data file, its very schema included."""
    script = script.replace("ENDLESS", ENDLESS).replace("TRACER", TRACER)
    with contextlib.closing(sqlite3.connect(data)) as database:
        database.executescript(f"pragma writable_schema = on; {script}")


# What SQLite would compute because the schema says so.


@pytest.mark.parametrize(
    "script",
    [
        "drop table arc; create view arc as select 1 file_id, 0 context_id, i fromno, 1 ENDLESS",
        "drop table file; create view file as select i id, i || '.py' path ENDLESS",
        "create view more as select i ENDLESS",
        "create trigger t after insert on file begin delete from file; end",
        "create virtual table v using fts4(x)",
        "create table more (x)",
        "create index more on file (path || hex(zeroblob(900000)))",
        "create index more on file (path)",
        "alter table file add column x generated always as (hex(zeroblob(900000000))) virtual",
        "alter table file add column x",
        "TRACER, check (zeroblob(900000000) is not null))",
        "TRACER) strict",
        "drop table tracer",
        "update sqlite_master set sql = null where name = 'tracer'",
        "update sqlite_master set type = 'x' || char(10) || 'y' where name = 'tracer'",
    ],
)
@pytest.mark.first(4)
def test_a_schema_that_is_not_coverage_pys_is_refused(shapes: Checkout, script: str) -> None:
    altered(shapes.folder / ".coverage", script)
    refused(shapes, ".coverage")


def test_a_view_in_the_data_of_a_parallel_run_is_not_combined(shapes: Checkout) -> None:
    """A part is read, and with `--append` the data that was there, before coverage.py has a say."""
    before = (shapes.folder / ".coverage").read_bytes()
    script = "drop table file; create view file as select i id, i || '' path ENDLESS"
    altered(shapes.folder / ".coverage", script)
    program = ("covsync", "run", "--append", "test_shapes.py")
    ended = bounded(shapes.folder, *program)
    assert ended.status == 1
    assert "coverage.py makes no such view as its 'file'" in ended.err
    shutil.copy(shapes.folder / ".coverage", shapes.folder / "part")
    (shapes.folder / ".coverage").write_bytes(before)
    leaves = "import os, shutil, coverage\ndata = coverage.Coverage.current().get_data()\n"
    leaves += "shutil.copy('part', data.base_filename() + '.host.1.Xyz')\n"
    shapes.write({"leaves.py": leaves})
    ended = bounded(shapes.folder, "covsync", "run", "leaves.py")
    assert ended.status == 1
    assert "coverage.py makes no such view as its 'file'" in ended.err
    assert (shapes.folder / ".coverage").read_bytes() == before


def _inner_page(size: int, child: int) -> bytes:
    """A page of a table's tree that leads hundreds of times to the same one."""
    cells = (size - 100) // 10
    start = size - 5 * cells
    head = struct.pack(">BHHHBI", 5, 0, cells, start, 0, child)
    pointers = b"".join(struct.pack(">H", start + 5 * at) for at in range(cells))
    cell = struct.pack(">IB", child, 1)
    return (head + pointers).ljust(start, b"\0") + cell * cells


def test_pages_that_lead_to_one_another_without_end_are_refused(shapes: Checkout) -> None:
    """SQLite would read 400 ** 6 rows of the table `file`."""
    data = shapes.folder / ".coverage"
    with contextlib.closing(sqlite3.connect(data)) as database:
        ((root,),) = database.execute("select rootpage from sqlite_master where name = 'file'")
    content = bytearray(data.read_bytes())
    (size,) = struct.unpack_from(">H", content, 16)
    leaf = content[(root - 1) * size : root * size]
    first = len(content) // size + 1
    content[(root - 1) * size : root * size] = _inner_page(size, first)
    for page in range(first, first + 5):
        content += _inner_page(size, page + 1)
    content += leaf
    struct.pack_into(">I", content, 28, len(content) // size)
    data.write_bytes(content)
    refused(shapes, "the coverage data cannot be read: the database is damaged")


def _page_of_an_index(size: int, root: int) -> bytes:
    """A page of `sqlite_master` with one row: that of the automatic index of `file`."""
    texts = (b"index", b"sqlite_autoindex_file_1", b"file")
    kinds = bytes([*(13 + 2 * len(text) for text in texts), 1, 0])
    row = bytes([len(kinds) + 1]) + kinds + b"".join(texts) + bytes([root])
    cell = bytes([len(row), 1]) + row
    head = struct.pack(">BHHHBH", 13, 0, 1, size - len(cell), 0, size - len(cell))
    return head.ljust(size - len(cell), b"\0") + cell


def test_a_schema_without_end_is_given_up(shapes: Checkout) -> None:
    """SQLite would read 400 ** 6 rows of `sqlite_master`, to which the first page belongs."""
    data = shapes.folder / ".coverage"
    index = "select rootpage from sqlite_master where name = 'sqlite_autoindex_file_1'"
    with contextlib.closing(sqlite3.connect(data)) as database:
        ((root,),) = database.execute(index)
    content = bytearray(data.read_bytes())
    (size,) = struct.unpack_from(">H", content, 16)
    moved = content[:size]
    used = 8 + 2 * struct.unpack_from(">H", moved, 103)[0]
    moved[:used] = moved[100 : 100 + used]  # as on a page without the file's header
    first = len(content) // size + 1
    cell = struct.pack(">IB", first, 100)
    content[size - len(cell) : size] = cell
    struct.pack_into(">BHHHBIH", content, 100, 5, 0, 1, size - 5, 0, first + 1, size - 5)
    content += moved
    for page in range(first + 1, first + 7):
        content += _inner_page(size, page + 1)
    content += _page_of_an_index(size, root)
    struct.pack_into(">I", content, 28, len(content) // size)
    data.write_bytes(content)
    ended = limited(shapes, "check", DATA_SECONDS=1)
    assert ended.status == 1
    assert ".coverage: covsync looks at it for at most 1 seconds" in ended.err


# What is out of proportion to the sources.


def lines_of_contexts(checkout: Checkout, contexts: int, lines: int, setting: str) -> None:
    """A source of so many lines, each of which ran in so many contexts."""
    checkout.write({"shapes.py": "x = 1\n" * lines, "pyproject.toml": setting})
    checkout.commit()
    data = checkout.folder / ".coverage"
    data.unlink()
    checkout.coverage("run", "--include=shapes.py", "shapes.py")
    with contextlib.closing(sqlite3.connect(data)) as database, database:
        names = [(number, f"test_{number}") for number in range(2, contexts + 2)]
        database.executemany("insert into context values (?, ?)", names)
        numbits = nums_to_numbits(range(1, lines + 1))
        rows = [(1, number, numbits) for number, _ in names]
        database.executemany("insert into line_bits values (?, ?, ?)", rows)


def limited(checkout: Checkout, *command: str, **figures: int) -> Ended:
    """Runs covsync with other figures in `limits.py`, as its own take long to reach."""
    set_figures = "".join(f"limits.{name} = {figure}; " for name, figure in figures.items())
    program = f"from covsync import limits; {set_figures}from covsync.cli import entry; entry()"
    return bounded(checkout.folder, sys.executable, "-c", program, *command)


def test_lines_far_after_the_end_are_refused(shapes: Checkout) -> None:
    """coverage.py would make 8 million numbers of this, again and again."""
    shapes.write({"pyproject.toml": ""})
    shapes.commit()
    shapes.coverage("run", "--include=shapes.py", "test_shapes.py")
    altered(shapes.folder / ".coverage", "update line_bits set numbits = zeroblob(1000000)")
    refused(shapes, "names lines up to 8,000,000 of", "at most 100,000 lines after a source's end")


def test_lines_of_a_source_that_was_longer_count_for_nothing(shapes: Checkout) -> None:
    """As in coverage.py's own report, which ignores them."""
    lines_of_contexts(shapes, 1, 10, "")
    with contextlib.closing(sqlite3.connect(shapes.folder / ".coverage")) as database, database:
        longer = nums_to_numbits([1, 2, 5, 90_000])
        database.execute("update line_bits set numbits = ?", [longer])
    figure = shapes.coverage("report", "--format=total").out.strip()
    assert shapes.covsync("check").out.startswith(f"covsync: coverage is {figure}% ")


@pytest.mark.parametrize("figure", ["SOURCE_BYTES", "SOURCE_LINES"])
def test_a_source_that_is_too_large_is_not_parsed(shapes: Checkout, figure: str) -> None:
    ended = limited(shapes, "check", **{figure: 5})
    assert ended.status == 1
    assert limited(shapes, "check", **{figure: 200}).status == 0
    assert f"covsync reads at most 5 {figure[7:].lower()} of a source" in ended.err


@pytest.mark.stress
def test_contexts_in_pages_are_counted_before_pages_are_made(shapes: Checkout) -> None:
    lines_of_contexts(shapes, 2000, 6000, "[tool.coverage.html]\nshow_contexts = true\n")
    ended = bounded(shapes.folder, "covsync", "push")
    assert ended.status == 1
    assert "show_contexts names contexts line by line: covsync reads at most" in ended.err
    assert "Set show_contexts = false" in ended.err
    assert bounded(shapes.folder, "covsync", "check").status == 0


@pytest.mark.parametrize("kind", ["html", "json"])
@pytest.mark.parametrize("figure", ["SHOWN_CONTEXTS", "CONTEXT_CHARACTERS"])
def test_shown_contexts_are_bounded(shapes: Checkout, kind: str, figure: str) -> None:
    """Those alone that `[report] contexts` lets through."""
    setting = f"[tool.coverage.{kind}]\nshow_contexts = true\n"
    lines_of_contexts(shapes, 30, 10, setting)
    ended = limited(shapes, "push", **{figure: 100})
    assert ended.status == 1
    assert "show_contexts names contexts line by line: covsync reads at most 100" in ended.err
    assert limited(shapes, "push", **{figure: 5000}).status == 0
    shapes.write({"pyproject.toml": f"{setting}[tool.coverage.report]\ncontexts = ['test_7$']\n"})
    shapes.commit()
    assert limited(shapes, "push", **{figure: 100}).status == 0


def test_pages_are_counted_before_they_are_pushed(shapes: Checkout) -> None:
    ended = limited(shapes, "push", PAGES_BYTES=10_000)
    assert ended.status == 1
    assert "covsync reads at most 10,000 bytes of pages" in ended.err
    assert shapes.git("ls-remote", "origin") == ""


@pytest.mark.stress
def test_a_hundred_thousand_contexts_that_are_not_shown_pass(shapes: Checkout) -> None:
    lines_of_contexts(shapes, 100_000, 200, "")
    assert bounded(shapes.folder, "covsync", "push").status == 0


@pytest.mark.stress
def test_a_long_context_is_read_once_for_all_its_files(shapes: Checkout) -> None:
    """Of 600 files with a context of 50 MB it would be 30 GB."""
    names = [f"module_{number}.py" for number in range(600)]
    shapes.write(dict.fromkeys(names, "x = 1\n") | {"all.py": ""})
    shapes.write({"all.py": "".join(f"import {name[:-3]}\n" for name in names)})
    shapes.write({"pyproject.toml": ""})
    shapes.commit()
    shapes.coverage("run", "all.py")
    altered(
        shapes.folder / ".coverage",
        "update context set context = replace(hex(zeroblob(25000000)), '0', 'x')",
    )
    assert bounded(shapes.folder, "covsync", "check").status == 0


# What takes longer than in proportion.


@pytest.mark.parametrize(
    "name", ["/x" * 600_000, "x/" * 600_000 + "shapes.py"], ids=["strange", "with a tail"]
)
def test_a_name_of_many_parts_is_not_looked_for(shapes: Checkout, name: str) -> None:
    with contextlib.closing(sqlite3.connect(shapes.folder / ".coverage")) as database, database:
        database.execute("insert into file (path) values (?)", [name])
    refused(shapes, "names a file at length: covsync reads at most 4,096 characters of it")


@pytest.mark.stress
def test_thousands_of_names_and_of_files_that_end_alike(checkout: Checkout) -> None:
    """Each name was compared with each file that has its last part."""
    here = [f"d/p{number}/__init__.py" for number in range(1500)]
    checkout.write(dict.fromkeys(here, ""))
    checkout.commit()
    there = [f"/{'x/' * 300}{number}/{here[number % 1500]}" for number in range(10_000)]
    data = CoverageData(basename=str(checkout.folder / ".coverage"))
    data.add_lines({name: [1] for name in there})
    data.write()
    data.close()
    ended = bounded(checkout.folder, "covsync", "push", "--dry-run")
    assert ended.status == 0, ended
    ambiguous = ["/app/__init__.py", *(f"/app{number}/__init__.py" for number in range(10_000))]
    data.erase()
    data.add_lines({name: [1] for name in ambiguous})
    data.write()
    data.close()
    ended = bounded(checkout.folder, "covsync", "push", "--dry-run")
    assert ended.status == 1
    assert "which could be any of d/p0/__init__.py" in ended.err


def test_aliases_are_not_read(shapes: Checkout) -> None:
    """Nine times nine times nine ...: an error would show all of it."""
    lines = ["a0: &a0 x"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 10)]
    shapes.write({".covsync.yaml": "\n".join([*lines, ""])})
    shapes.commit()
    refused(shapes, ".covsync.yaml has an alias (*name), which is not read")


@pytest.mark.parametrize("name", ["pyproject.toml", ".covsync.yaml"])
def test_a_configuration_of_a_million_digits_is_not_parsed(shapes: Checkout, name: str) -> None:
    key = "[tool.covsync]\nfail_under = " if name.endswith("toml") else "fail_under: "
    shapes.write({name: key + "9" * 300_000 + "\n"})
    shapes.commit()
    refused(shapes, f"{name}: covsync reads at most 262,144 bytes")
    shapes.write({name: key + "9" * 100_000 + "\n"})
    shapes.commit()
    refused(shapes, name)


@pytest.mark.parametrize("name", ["pyproject.toml", ".covsync.yaml", ".coveragerc"])
def test_a_long_line_of_a_configuration_is_not_parsed(shapes: Checkout, name: str) -> None:
    """40 KB of a dotted key would take `tomllib` 17 s and 1.6 GB."""
    shapes.write({name: "a." * 20_000 + "a = 1\n"})
    shapes.commit()
    refused(shapes, f"a line of {name}: covsync reads at most 4,096 bytes")


# A `coverage json` report.


@pytest.mark.parametrize("number", ["9" * 100_000, "0." + "9" * 100_000, "1e" + "0" * 100_000])
def test_a_number_of_many_digits_in_a_report_is_not_read(shapes: Checkout, number: str) -> None:
    shapes.coverage("json", "--quiet", "-o", "coverage.json")
    report = shapes.folder / "coverage.json"
    report.write_text(
        report.read_text().replace('"missing_lines": 1', f'"missing_lines": {number}')
    )
    refused(
        shapes,
        "a number in the coverage json report: covsync reads at most 400 digits",
        options=("--data-file", "coverage.json"),
    )


def test_a_report_that_is_too_large_is_not_read(shapes: Checkout) -> None:
    shapes.coverage("json", "--quiet", "-o", "coverage.json")
    command = ("check", "--data-file", "coverage.json")
    ended = limited(shapes, *command, REPORT_SIZE=1000)
    assert ended.status == 1
    assert "covsync reads at most 1,000 bytes" in ended.err
    assert limited(shapes, *command).status == 0


@pytest.mark.parametrize("key", ["executed_lines", "missing_lines", "missing_branches"])
def test_line_numbers_that_no_file_has_are_refused(shapes: Checkout, key: str) -> None:
    shapes.coverage("json", "--quiet", "-o", "coverage.json")
    report = shapes.folder / "coverage.json"
    document = json.loads(report.read_text())
    for number in (10**300, True, 1.0, "1"):
        document["files"]["shapes.py"][key][0] = [1, number] if "branches" in key else number
        report.write_text(json.dumps(document))
        refused(shapes, f"{key} is not a list of", options=("--data-file", "coverage.json"))
    for content in ("[" * 200_000, '{"a":' * 200_000):
        report.write_text('{"meta": ' + content)
        refused(shapes, "is not valid JSON", options=("--data-file", "coverage.json"))
