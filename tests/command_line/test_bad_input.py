"""Whatever is wrong: one line that says so, one that says what to do, and the right exit code."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout, Ended


def _tells(ended: Ended, status: int, *words: str) -> None:
    lines = ended.err.splitlines()
    assert ended.status == status, ended
    assert ended.out == ""
    assert len(lines) == 2, ended.err
    assert lines[0].startswith("covsync: error: ")
    assert lines[1].startswith("  ")
    for word in words:
        assert word in ended.err


def _both_tell(checkout: Checkout, status: int, *words: str) -> None:
    """Neither command has anything to say beyond the error, and nothing reaches the remote."""
    before = checkout.git("ls-remote", "origin")
    for command in ("check", "push"):
        _tells(checkout.covsync(command), status, *words)
    assert checkout.git("ls-remote", "origin") == before


def test_no_data(shapes: Checkout) -> None:
    (shapes.folder / ".coverage").unlink()
    _both_tell(shapes, 3, "there is no coverage data: .coverage does not exist", "covsync run")


def test_shards_only(shapes: Checkout) -> None:
    data = (shapes.folder / ".coverage").read_bytes()
    (shapes.folder / ".coverage").unlink()
    for number in range(5):
        (shapes.folder / f".coverage.host.{number}.Xyz").write_bytes(data)
    (shapes.folder / ".coverage.txt").write_text("not a shard")
    _both_tell(
        shapes,
        3,
        "there is .coverage.host.0.Xyz, .coverage.host.1.Xyz, .coverage.host.2.Xyz and 2 more but",
        "coverage combine",
    )


def test_an_empty_data_file(shapes: Checkout) -> None:
    (shapes.folder / ".coverage").write_bytes(b"")
    _both_tell(shapes, 3, ".coverage is empty", "covsync run")


def test_data_of_a_run_that_measured_nothing(shapes: Checkout) -> None:
    shapes.write({"other.py": "x = 1\n"})
    shapes.coverage("erase")
    shapes.coverage("run", "--include", "none.py", "other.py")
    assert (shapes.folder / ".coverage").exists()
    _both_tell(shapes, 3, ".coverage holds no measured files", "covsync run")


def test_a_truncated_data_file(shapes: Checkout) -> None:
    path = shapes.folder / ".coverage"
    path.write_bytes(path.read_bytes()[:9000])
    _both_tell(shapes, 1, "the coverage data cannot be read", "run the tests again")


def test_a_data_file_that_is_something_else(shapes: Checkout) -> None:
    (shapes.folder / ".coverage").write_text("!coverage.py: This is a private format")
    _both_tell(shapes, 1, "is neither coverage.py's data nor a `coverage json` report")


def test_a_data_file_that_cannot_be_read(shapes: Checkout) -> None:
    (shapes.folder / ".coverage").unlink()
    (shapes.folder / ".coverage").mkdir()
    _both_tell(shapes, 1, "cannot read .coverage", "--data-file")


def test_a_newer_schema(shapes: Checkout) -> None:
    with sqlite3.connect(shapes.folder / ".coverage") as data:
        data.execute("update coverage_schema set version = 99")
    data.close()
    _both_tell(shapes, 1, "schema", "99", "coverage.py no newer than the one covsync uses")


def _commit_as_if_before_the_tests(checkout: Checkout, name: str, content: bytes) -> None:
    """By its time, the file is what the tests ran on."""
    (checkout.folder / name).write_bytes(content)
    os.utime(checkout.folder / name, (10**9, 10**9))
    checkout.commit()


def test_a_source_that_does_not_parse(shapes: Checkout) -> None:
    _commit_as_if_before_the_tests(shapes, "shapes.py", b"def area(:\n")
    _both_tell(shapes, 1, "shapes.py", "line 1", "language_version")


def test_a_source_in_no_encoding(shapes: Checkout) -> None:
    _commit_as_if_before_the_tests(shapes, "shapes.py", b"\x00\xff\xfe")
    _both_tell(shapes, 1, "a measured source cannot be read", "language_version")


@pytest.mark.parametrize("setting", ["fail_under = nan", "fail_under = 101", "sort = 'colour'"])
def test_a_setting_of_coverage_py_that_is_wrong(shapes: Checkout, setting: str) -> None:
    shapes.write({"pyproject.toml": f"{BRANCHES}[tool.coverage.report]\n{setting}\n"})
    shapes.stage()
    _both_tell(shapes, 1, f"coverage.py's [report] {setting.split(maxsplit=1)[0]} is ")


def test_a_glob_that_is_none(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync]\npaths = {"!" = 90}\n'})
    shapes.stage()
    _tells(shapes.covsync("check"), 1, "'!' in `paths` is not a glob")


def test_another_programs_database_is_left_as_it_is(shapes: Checkout) -> None:
    path = shapes.folder / "db.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("create table users (name)")
    database.close()
    before = path.read_bytes()
    for command in ("check", "push"):
        ended = shapes.covsync(command, "--data-file", "db.sqlite3")
        _tells(ended, 1, "db.sqlite3 is a database, but not coverage.py's")
    assert path.read_bytes() == before


def test_a_source_that_is_gone(shapes: Checkout) -> None:
    shapes.git("rm", "--quiet", "--cached", "shapes.py")
    (shapes.folder / "shapes.py").unlink()
    _tells(
        shapes.covsync("check"),
        3,
        "the data does not match the code",
        "shapes.py",
        "Run the tests under coverage.py again.",
    )


@pytest.mark.parametrize("configured", [True, False])
def test_a_missing_plugin(shapes: Checkout, *, configured: bool) -> None:
    """Not configured, coverage.py would leave the plugin's files out and say nothing."""
    shapes.write({"page.html": "<p>"})
    shapes.commit()
    with sqlite3.connect(shapes.folder / ".coverage") as data:
        path = str(shapes.folder / "page.html")
        (number,) = data.execute("insert into file (path) values (?) returning id", (path,))
        data.execute("insert into tracer values (?, 'some_templates.Plugin')", number)
    data.close()
    if configured:
        shapes.write({"pyproject.toml": BRANCHES + 'plugins = ["some_templates"]\n'})
        shapes.stage()
    _both_tell(shapes, 1, "plugin", "some_templates", "additional_dependencies")


def test_no_git_repository(tmp_path: Path) -> None:
    lone = Checkout(tmp_path)
    for command in ("check", "push"):
        _tells(lone.covsync(command), 1, f"{tmp_path} is not in a git repository", "git init")


def test_no_git_at_all(shapes: Checkout, tmp_path: Path) -> None:
    bare = Checkout(shapes.folder, {"PATH": str(tmp_path)})
    covsync = next(
        Path(folder, "covsync")
        for folder in os.environ["PATH"].split(os.pathsep)
        if Path(folder, "covsync").exists()
    )
    (tmp_path / "covsync").symlink_to(covsync)
    for command in ("check", "push", "demo"):
        _tells(bare.covsync(command), 1, "git is not installed", "Install git")


def test_no_such_remote(shapes: Checkout) -> None:
    _tells(
        shapes.covsync("push", "--remote", "upstream"),
        1,
        "there is no remote 'upstream'",
        "The remotes are: origin.",
    )
    _tells(shapes.covsync("push", "--remote=--upload-pack=touch x"), 1, "there is no remote")


def test_a_remote_that_is_gone(shapes: Checkout, remote: Path) -> None:
    remote.rename(remote.with_name("moved.git"))
    _tells(shapes.covsync("push"), 1, "the remote's repository does not exist", "git remote -v")


def test_unborn_head(checkout: Checkout) -> None:
    checkout.write({"code.py": "x = 1\n"})
    checkout.coverage("run", "code.py")
    checkout.git("add", "code.py")
    assert checkout.covsync("check", "--fail-under", "100").status == 0
    _tells(checkout.covsync("push"), 1, "there is no commit yet", "git commit")


@pytest.mark.parametrize(
    "settings, words",
    [
        ("fail_udner = 90", ("unknown key 'fail_udner'", "pyproject.toml", "'fail_under'")),
        ("colour = 1", ("unknown key 'colour'", "The keys are: data_file, ")),
        (
            'fail_under = "90"',
            ("fail_under in [tool.covsync]", "a number from 0 to 100, without quotes"),
        ),
        ("fail_under = 101", ("fail_under in [tool.covsync]", "0 to 100")),
        ("fail_under = nan", ("fail_under", "0 to 100")),
        ("html = 1", ("html in", "true or false")),
        ('public = "yes"', ("public in", 'true, false or "auto"')),
        ('hosting = "svn"', ("hosting in", '"gitlab"')),
        ("paths = 90", ("paths in", "a table of globs and floors")),
        ('paths = {"a/**" = 900}', ("a/**", "0 to 100")),
        ("fail_under = 1e-99999999", ("fail_under", "0 to 100")),
        ('message = "a\\nb"', ("message in", "a text of one line")),
        ('branch = ""', ("branch in", "a text of one line")),
        ('pages_url = "javascript:x"', ("pages_url", "https://")),
        ("html = ", ("pyproject.toml is not valid TOML at line 5, column 8",)),
    ],
)
@pytest.mark.first(5)
def test_a_setting_that_is_wrong(shapes: Checkout, settings: str, words: tuple[str, ...]) -> None:
    shapes.write({"pyproject.toml": f"{BRANCHES}[tool.covsync]\n{settings}\n"})
    shapes.stage()
    _both_tell(shapes, 1, *words)


@pytest.mark.parametrize(
    "text, words",
    [
        ("fail_udner: 90", ("unknown key 'fail_udner'", ".covsync.yaml", "'fail_under'")),
        ("- 1", (".covsync.yaml does not hold keys and values",)),
        ("a: [", (".covsync.yaml is not valid YAML at line 1, column 5",)),
        ("a: !!python/object/apply:os.system ['true']", (".covsync.yaml is not valid YAML",)),
        ("1: 2", ("unknown key in .covsync.yaml",)),
    ],
)
@pytest.mark.first(2)
def test_a_yaml_file_that_is_wrong(shapes: Checkout, text: str, words: tuple[str, ...]) -> None:
    shapes.write({".covsync.yaml": text})
    shapes.stage()
    _both_tell(shapes, 1, *words)


def test_two_configurations(shapes: Checkout) -> None:
    shapes.write(
        {"pyproject.toml": BRANCHES + "[tool.covsync]\n", ".covsync.yaml": "fail_under: 9\n"}
    )
    shapes.stage()
    _both_tell(shapes, 1, "[tool.covsync] of pyproject.toml and in .covsync.yaml")


@pytest.mark.parametrize(
    "floor", ["101", "-1", "nan", "inf", "abc", "", "95%", "1e-99999999", "9_0"]
)
@pytest.mark.parametrize("flag", ["--fail-under", "--fail-under-file"])
@pytest.mark.first(5)
def test_a_floor_that_is_none(shapes: Checkout, flag: str, floor: str) -> None:
    _tells(
        shapes.covsync("check", f"{flag}={floor}"),
        1,
        f"{floor!r} is not a percentage from 0 to 100",
    )


def test_bad_usage_is_not_a_broken_floor(shapes: Checkout) -> None:
    for arguments in ([], ["chekc"], ["check", "--what"], ["push", "--dry-run", "--output-dir=x"]):
        _tells(shapes.covsync(*arguments), 1, "--help")


@pytest.mark.parametrize("branch", ["-x", "a..b", "a b", "a~1", "x.lock", "/x", "@{1}", "a\nb"])
@pytest.mark.first(3)
def test_a_branch_name_that_git_refuses(shapes: Checkout, branch: str) -> None:
    ended = shapes.covsync("push", f"--branch={branch}")
    assert ended.status == 1
    assert "is not a name that git allows for a branch" in ended.err
    assert "--branch" in ended.err


def test_the_branch_that_is_checked_out(shapes: Checkout) -> None:
    _tells(shapes.covsync("push", "--branch", "main"), 1, "main is checked out", "--branch")


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.py", ".git/config", "link.py"])
@pytest.mark.first(2)
def test_a_path_that_leads_outside_the_repository(
    shapes: Checkout, tmp_path: Path, name: str
) -> None:
    """Refused by its name alone: the file is never read, and nothing is published."""
    (tmp_path / "secret.py").write_text("password = 'hunter2'\n")
    (shapes.folder / "link.py").symlink_to(tmp_path / "secret.py")
    shapes.commit()
    with sqlite3.connect(shapes.folder / ".coverage") as data:
        data.execute("insert into file (path) values (?)", (name,))
    data.close()
    _both_tell(shapes, 1, repr(name))


def test_a_file_outside_is_not_taken_for_one_inside(shapes: Checkout, tmp_path: Path) -> None:
    """Its tail is that of a file in the repository, but it lies right here, beside it."""
    other = tmp_path / "other" / "pkg" / "tools.py"
    shapes.write({"pkg/tools.py": "x = 1\nif x == 2:\n    x = 3\n", "run.py": "import pkg.tools\n"})
    shapes.commit()
    other.parent.mkdir(parents=True)
    other.write_text("x = 1\nx = 2\nx = 3\n")
    settings = f"[tool.coverage.run]\nsource = ['pkg', '{other.parent}']\n"
    shapes.write({"pyproject.toml": settings})
    shapes.write({"run.py": f"import runpy, pkg.tools\nrunpy.run_path({str(other)!r})\n"})
    shapes.commit()
    shapes.coverage("run", "run.py")
    _both_tell(shapes, 1, repr(str(other)), "is not a file of this repository")
    omit = f"[tool.coverage.report]\nomit = ['{tmp_path}/other/*']\n"
    shapes.write({"pyproject.toml": settings + omit})
    shapes.stage()
    ended = shapes.covsync("check", "--fail-under-file", "90")
    assert ended.out.startswith("pkg/tools.py: 67% is below 90%")


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.py", "C:\\secret.py"])
@pytest.mark.first(1)
def test_a_path_in_a_json_report_that_leads_outside(shapes: Checkout, name: str) -> None:
    shapes.coverage("json", "--quiet", "-o", "report.json")
    path = shapes.folder / "report.json"
    report = json.loads(path.read_text())
    report["files"][name] = report["files"].pop("shapes.py")
    path.write_text(json.dumps(report))
    for command in ("check", "push"):
        _tells(shapes.covsync(command, "--data-file", "report.json"), 1, repr(name))


@pytest.mark.parametrize(
    "document, words",
    [
        ("{", "not valid JSON"),
        ("{}", "meta is not an object"),
        ('{"meta": {"format": 9}}', "its format is 9"),
        ('{"meta": {"format": 3}}', "meta.branch_coverage"),
        ('{"meta": {"format": 3, "branch_coverage": false}}', "files is not an object"),
        ("[" * 100_000, "neither coverage.py's data nor"),
        ('{"a":' * 100_000, "not valid JSON"),
    ],
)
@pytest.mark.first(3)
def test_a_json_report_that_is_none(shapes: Checkout, document: str, words: str) -> None:
    shapes.write({"report.json": document})
    _tells(shapes.covsync("check", "--data-file", "report.json"), 1, words)


def test_a_json_report_that_contradicts_itself(shapes: Checkout) -> None:
    shapes.coverage("json", "--quiet", "-o", "report.json")
    path = shapes.folder / "report.json"
    report = json.loads(path.read_text())
    report["totals"]["missing_lines"] = 0
    path.write_text(json.dumps(report))
    _tells(
        shapes.covsync("check", "--data-file", "report.json"),
        1,
        "the coverage json report is not usable: totals.percent_covered is not what its counts",
        "coverage json",
    )


def test_an_untracked_source_is_never_published(shapes: Checkout) -> None:
    shapes.write({"pyproject.toml": "[tool.coverage.run]\n", ".gitignore": "local.py\n.coverage\n"})
    shapes.write({"local.py": "password = 'hunter2'\n", "test_shapes.py": "import local, shapes\n"})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    assert shapes.covsync("check", "--fail-under", "1").status == 0
    _tells(
        shapes.covsync("push"),
        1,
        "local.py is measured but git does not track it",
        "omit",
    )
    assert shapes.git("ls-remote", "origin") == ""


def test_a_style_sheet_that_git_does_not_track_is_never_published(shapes: Checkout) -> None:
    """coverage.py would copy it among the pages, whatever it is."""
    (shapes.folder.parent / "secrets").write_text("password = hunter2\n")
    for name in ("../secrets", ".git/config"):
        settings = BRANCHES + f'[tool.coverage.html]\nextra_css = "{name}"\n'
        shapes.write({"pyproject.toml": settings})
        _tells(shapes.covsync("push"), 1, "extra_css", "leave the setting out")
    assert shapes.git("ls-remote", "origin") == ""
    shapes.write(
        {"pyproject.toml": settings.replace(".git/config", "own.css"), "own.css": "a {}\n"}
    )
    shapes.commit()
    assert shapes.covsync("push").status == 0
    published = Checkout(shapes.folder.parent / "remote.git")
    assert "htmlcov/own" in published.git("ls-tree", "-r", "--name-only", "covsync-data")


def test_a_submodules_source_belongs_to_its_own_repository(shapes: Checkout) -> None:
    shapes.git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(shapes.folder),
        "part",
    )
    shapes.write({"pyproject.toml": "[tool.coverage.run]\n"})
    shapes.write({"test_shapes.py": "import part.shapes\nimport shapes\n"})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    _tells(
        shapes.covsync("push"),
        1,
        "part/shapes.py is measured but belongs to a submodule, another repository",
        "Publish it from there",
    )


def test_gits_own_folder_is_no_project(shapes: Checkout) -> None:
    inside = Checkout(shapes.folder / ".git")
    _tells(inside.covsync("push"), 1, "is git's own folder", "Run covsync in the checkout")
