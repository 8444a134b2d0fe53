"""``covsync push``, as CI types it, to a bare repository."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, SHAPES, Checkout, run

FILES = {"README.md", "badge.svg", "endpoint.json", "data.json", "history.jsonl", ".nojekyll"}
ENDPOINT = '{"schemaVersion": 1, "label": "Coverage", "message": "9%", "color": "red"}'
GITHUB = "https://github.com/example/shapes.git"


def published(remote: Path, path: str, branch: str = "covsync-data") -> str:
    """A file of the data branch on the remote."""
    done = run(["git", "show", f"{branch}:{path}"], remote)
    assert done.status == 0, done.err
    return done.out


def listing(remote: Path, branch: str = "covsync-data") -> set[str]:
    done = run(["git", "ls-tree", "-r", "--name-only", "-z", branch], remote)
    return set(filter(None, done.out.split("\0")))


def commits(remote: Path, branch: str = "covsync-data") -> list[str]:
    return run(["git", "rev-list", branch, "--"], remote).out.split()


def state(folder: Path) -> dict[str, str]:
    """Every file of a checkout, git's own included, with what it holds."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink())
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def improve(shapes: Checkout) -> str:
    """Better tests, committed and measured: 100%."""
    shapes.write({"test_shapes.py": BETTER_TEST})
    commit = shapes.commit("Test more")
    shapes.coverage("run", "test_shapes.py")
    return commit


def test_the_whole_layout_is_published(shapes: Checkout, remote: Path) -> None:
    ended = shapes.covsync("push")
    assert (ended.status, ended.err) == (0, "")
    head = shapes.git("rev-parse", "HEAD").strip()
    names = listing(remote)
    pages = {name for name in names if name.startswith("htmlcov/")}
    assert ended.out == (
        f"covsync: pushed 75% of {head[:10]} to origin/covsync-data (files: {len(names)} added)\n"
    )
    assert names - pages == FILES
    assert {"htmlcov/index.html", "htmlcov/shapes_py.html"} <= pages
    assert not {"htmlcov/.gitignore", "htmlcov/status.json"} & pages


def test_every_figure_is_the_same(shapes: Checkout, remote: Path) -> None:
    """Table, badge, endpoint, data, history, page and gate tell one number."""
    shapes.write({"pyproject.toml": BRANCHES + "[tool.coverage.report]\nprecision = 2\n"})
    shapes.commit()
    shapes.covsync("push")
    data = json.loads(published(remote, "data.json"))
    assert data["coverage"] == data["raw_data"]["totals"]["percent_covered"] == 75.0
    assert json.loads(published(remote, "history.jsonl"))["percent_covered"] == 75.0
    assert json.loads(published(remote, "endpoint.json"))["message"] == "75.00%"
    assert "<title>Coverage: 75.00%</title>" in published(remote, "badge.svg")
    assert "| **75.00%** |" in published(remote, "README.md")
    assert '<span class="pc_cov">75.00%</span>' in published(remote, "htmlcov/index.html")
    assert "coverage is 75.00%" in shapes.covsync("check").out


def test_the_table_is_what_coverage_report_prints(shapes: Checkout, remote: Path) -> None:
    shapes.covsync("push")
    table = shapes.coverage("report", "--format=markdown", "--show-missing").out
    assert f"\n{table}\n\n## Setup coverage badge\n" in published(remote, "README.md")


def test_data_json_stays_readable_for_its_other_readers(shapes: Checkout, remote: Path) -> None:
    shapes.covsync("push")
    data = json.loads(published(remote, "data.json"))
    head, at = shapes.git("log", "-1", "--format=%H %ct").split()
    assert list(data) == ["coverage", "raw_data", "coverage_path", "covsync"]
    assert data["coverage_path"] == "."
    assert data["raw_data"]["meta"]["format"] == 3
    assert data["raw_data"]["files"]["shapes.py"]["missing_lines"] == [3]
    stamp = data["covsync"]["committed_at"]
    assert data["covsync"]["commit"] == head
    assert data["raw_data"]["meta"]["timestamp"] + "Z" == stamp
    assert run(["date", "-u", "-d", stamp, "+%s"], shapes.folder).out.strip() == at
    shapes.coverage("json", "--quiet", "-o", "report.json")
    theirs = json.loads((shapes.folder / "report.json").read_text())
    del theirs["meta"]["timestamp"], data["raw_data"]["meta"]["timestamp"]
    assert data["raw_data"] == theirs


def test_the_commit_says_where_it_comes_from(shapes: Checkout, remote: Path) -> None:
    shapes.covsync("push")
    head, at = shapes.git("log", "-1", "--format=%H %ct").split()
    told = run(["git", "log", "--format=%cn <%ce> %ct%n%P%n%B", "covsync-data"], remote).out
    assert told.rstrip("\n") == (
        f"covsync <covsync@localhost> {at}\n\nci: update coverage data\n\nSource-Commit: {head}"
    )
    assert run(["git", "fsck", "--strict"], remote).status == 0


def test_the_same_coverage_again_is_no_commit(shapes: Checkout, remote: Path) -> None:
    shapes.covsync("push")
    before = commits(remote)
    again = shapes.covsync("push")
    assert (again.status, again.err) == (0, "")
    assert again.out.startswith("covsync: origin/covsync-data is up to date (75% at ")
    assert commits(remote) == before


def test_the_same_coverage_of_a_newer_commit_is_said_of_that_one(
    shapes: Checkout, remote: Path
) -> None:
    """Or else a commit between the two, whose job takes longer, would be taken for the newest."""
    shapes.covsync("push")
    shapes.write({"test_shapes.py": BETTER_TEST})
    shapes.commit("Test more")
    shapes.git("branch", "between")
    shapes.git("revert", "--no-edit", "HEAD")
    shapes.coverage("run", "test_shapes.py")
    newest = shapes.covsync("push", "--dry-run", "--verbose")
    assert [line[2:] for line in newest.out.splitlines()[:-1]] == [
        *("README.md", "data.json", "history.jsonl", "trend.svg")
    ]
    assert shapes.covsync("push").status == 0
    shapes.git("switch", "--quiet", "between")
    shapes.coverage("run", "test_shapes.py")
    late = shapes.covsync("push")
    assert "is at the newer commit" in late.out
    assert json.loads(published(remote, "endpoint.json"))["message"] == "75%"
    assert len(published(remote, "history.jsonl").splitlines()) == 3


@pytest.mark.stress
def test_a_shallow_clone_that_knows_both_commits_is_not_led_astray(
    shapes: Checkout, remote: Path, tmp_path: Path
) -> None:
    """There git calls neither the other's ancestor: the times tell."""
    old = shapes.git("rev-parse", "HEAD").strip()
    shapes.env["GIT_COMMITTER_DATE"] = f"{int(time.time()) + 3600} +0000"
    shapes.write({"test_shapes.py": BETTER_TEST})
    new = shapes.commit("Test more")
    shapes.coverage("run", "test_shapes.py")
    assert shapes.covsync("push").status == 0
    shallow = Checkout(tmp_path / "shallow")
    url = shapes.folder.as_uri()
    run(["git", "clone", "--quiet", "--depth=1", url, str(shallow.folder)], tmp_path)
    shallow.git("fetch", "--quiet", "--depth=1", "origin", old)
    shallow.git("checkout", "--quiet", old)
    shallow.git("remote", "set-url", "origin", str(remote))
    shallow.coverage("run", "test_shapes.py")
    assert f"is at the newer commit {new[:10]}" in shallow.covsync("push").out


def test_new_coverage_replaces_the_one_commit_and_joins_the_history(
    shapes: Checkout, remote: Path
) -> None:
    shapes.covsync("push")
    first = shapes.git("rev-parse", "HEAD").strip()
    second = improve(shapes)
    ended = shapes.covsync("push")
    assert ended.status == 0, ended
    assert len(commits(remote)) == 1
    history = [json.loads(line) for line in published(remote, "history.jsonl").splitlines()]
    assert {entry["commit"]: entry["percent_covered"] for entry in history} == {
        first: 75.0,
        second: 100.0,
    }
    assert json.loads(published(remote, "endpoint.json"))["message"] == "100%"


def test_append_makes_a_commit_a_publication(shapes: Checkout, remote: Path) -> None:
    shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync]\nhistory = "append"\n'})
    shapes.covsync("push")
    improve(shapes)
    shapes.covsync("push")
    assert len(commits(remote)) == 2


def test_a_branch_with_a_history_keeps_it_and_files_of_others_stay(
    shapes: Checkout, remote: Path
) -> None:
    shapes.git("switch", "--quiet", "--orphan", "covsync-data")
    shapes.write(
        {"CNAME": "coverage.example.org\n", "endpoint.json": ENDPOINT, "htmlcov/old.html": ""}
    )
    shapes.git("add", "--force", "CNAME", "endpoint.json", "htmlcov/old.html")
    shapes.git("commit", "--quiet", "--message", "Made by another tool")
    shapes.git("commit", "--quiet", "--allow-empty", "--message", "Again")
    shapes.git("push", "--quiet", "origin", "covsync-data")
    shapes.git("switch", "--quiet", "main")
    shapes.coverage("run", "test_shapes.py")
    ended = shapes.covsync("push")
    assert ended.status == 0, ended
    assert len(commits(remote)) == 3
    assert published(remote, "CNAME") == "coverage.example.org\n"
    assert "htmlcov/old.html" not in listing(remote)
    assert "1 updated, 1 removed" in ended.out


@pytest.mark.stress
def test_single_keeps_files_of_others_too(shapes: Checkout, remote: Path) -> None:
    shapes.covsync("push")
    other = shapes.folder.parent / "other"
    run(["git", "clone", "--quiet", "-b", "covsync-data", str(remote), str(other)], remote)
    Checkout(other).write({"CNAME": "coverage.example.org\n"})
    Checkout(other).commit("Name the pages")
    Checkout(other).git("push", "--quiet")
    shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync]\nhistory = "single"\n'})
    improve(shapes)
    assert shapes.covsync("push").status == 0
    assert len(commits(remote)) == 1
    assert published(remote, "CNAME") == "coverage.example.org\n"


@pytest.mark.parametrize("branch", ["main", "release"])
@pytest.mark.first(1)
def test_a_branch_with_other_files_is_never_taken(
    shapes: Checkout, remote: Path, branch: str
) -> None:
    shapes.write({"data.json": "{}", "endpoint.json": "[]"})
    shapes.commit("Have files of the same names")
    shapes.coverage("run", "test_shapes.py")
    shapes.git("push", "--quiet", "origin", f"main:{branch}")
    shapes.git("switch", "--quiet", "--detach")
    for history in ("auto", "single", "append"):
        shapes.write({"pyproject.toml": f'{BRANCHES}[tool.covsync]\nhistory = "{history}"\n'})
        ended = shapes.covsync("push", "--branch", branch)
        assert ended.status == 1
        assert f"{branch} holds other files, and no coverage data" in ended.err
        assert run(["git", "rev-parse", branch], remote).out == shapes.git("rev-parse", "HEAD")


def test_an_older_commit_never_replaces_a_newer_one(shapes: Checkout, remote: Path) -> None:
    """As when an old CI job is run again."""
    old = shapes.git("rev-parse", "HEAD").strip()
    later = {"GIT_COMMITTER_DATE": "2040-01-01T00:00:00Z"}
    new = improve(Checkout(shapes.folder, later))
    shapes.covsync("push")
    shapes.git("switch", "--quiet", "--detach", old)
    shapes.coverage("run", "test_shapes.py")
    ended = shapes.covsync("push")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == (
        f"covsync: origin/covsync-data is at the newer commit {new[:10]} "
        f"(75% of {old[:10]} is history)\n"
    )
    assert json.loads(published(remote, "endpoint.json"))["message"] == "100%"
    history = published(remote, "history.jsonl").splitlines()
    assert [json.loads(line)["commit"] for line in history] == [old, new]
    assert "now 100%" in published(remote, "trend.svg")
    before = commits(remote)
    assert shapes.covsync("push").out == ended.out
    assert commits(remote) == before


def test_what_is_not_committed_is_said(shapes: Checkout) -> None:
    """The tests ran on the same statements, so it is the commit's coverage."""
    shapes.write({"shapes.py": SHAPES + "\n"})
    shapes.covsync("run", "test_shapes.py")
    ended = shapes.covsync("push")
    assert ended.status == 0
    assert "shapes.py is published with changes that are not committed" in ended.err


def test_what_another_commit_would_have_to_hold_is_refused(shapes: Checkout, remote: Path) -> None:
    shapes.write({"shapes.py": SHAPES + "x = 1\n"})
    ended = shapes.covsync("push")
    assert ended.status == 3
    assert ended.err == (
        "covsync: error: the coverage is not of this commit: "
        "shapes.py was written after the coverage data\n"
        "  Commit what the tests ran on, or run them again: covsync run -m pytest\n"
    )
    assert listing(remote) == set()


@pytest.mark.parametrize("setting", ["--no-html", "html = false"])
def test_the_pages_can_be_left_out(shapes: Checkout, remote: Path, setting: str) -> None:
    flags = [setting] if setting.startswith("--") else []
    if not flags:
        shapes.write({"pyproject.toml": f"{BRANCHES}[tool.covsync]\n{setting}\n"})
    assert shapes.covsync("push", *flags).status == 0
    assert listing(remote) == FILES
    assert "Full report" not in published(remote, "README.md")


def test_another_branch_and_another_remote(shapes: Checkout, tmp_path: Path) -> None:
    run(["git", "init", "--quiet", "--bare", "other.git"], tmp_path)
    shapes.git("remote", "add", "other", "../other.git")
    ended = shapes.covsync("push", "--remote", "other", "--branch", "data/coverage")
    assert ended.status == 0, ended
    assert "to other/data/coverage" in ended.out
    assert listing(tmp_path / "other.git", "data/coverage") >= FILES


def test_a_dry_run_says_what_would_change_and_touches_nothing(
    shapes: Checkout, remote: Path
) -> None:
    before, there = state(shapes.folder), state(remote)
    ended = shapes.covsync("push", "--dry-run")
    lines = ended.out.splitlines()
    assert (ended.status, ended.err) == (0, "")
    assert lines[0] == "+ .nojekyll"
    assert "+ htmlcov/shapes_py.html" in lines
    assert lines[-1].startswith("covsync: would push 75% of ")
    assert (state(shapes.folder), state(remote)) == (before, there)
    shapes.covsync("push")
    improve(shapes)
    ended = shapes.covsync("push", "--dry-run")
    assert "~ badge.svg" in ended.out.splitlines()
    assert "+ .nojekyll" not in ended.out.splitlines()


def test_the_files_can_go_to_a_folder_instead(shapes: Checkout, remote: Path) -> None:
    before = state(remote)
    out = shapes.folder.parent / "out"
    ended = shapes.covsync("push", "--output-dir", "../out")
    assert ended.status == 0, ended
    assert str(out) in ended.out
    assert state(remote) == before
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    shapes.covsync("push")
    assert there == listing(remote)
    for name in ("README.md", "badge.svg", "data.json", "history.jsonl", "htmlcov/index.html"):
        assert (out / name).read_text() == published(remote, name)
    improve(shapes)
    assert shapes.covsync("push", "--output-dir", "../out").status == 0
    assert len((out / "history.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("folder", [".", "../file"])
def test_a_folder_with_other_files_is_left_alone(shapes: Checkout, folder: str) -> None:
    (shapes.folder.parent / "file").write_text("not a folder")
    before = state(shapes.folder)
    ended = shapes.covsync("push", "--output-dir", folder)
    assert ended.status == 1
    assert "--output-dir" in ended.err
    assert state(shapes.folder) == before


def test_a_folder_needs_no_remote(shapes: Checkout) -> None:
    shapes.git("remote", "remove", "origin")
    assert shapes.covsync("push", "--output-dir", "../out").status == 0
    readme = (shapes.folder.parent / "out" / "README.md").read_text()
    assert "[Full report](htmlcov/index.html)" in readme


def test_the_checkout_is_bit_for_bit_what_it_was(shapes: Checkout, remote: Path) -> None:
    """With a stash, staged, dirty and untracked files, and hooks that would all fail."""
    shapes.write({"shapes.py": SHAPES + "\n"})
    shapes.git("stash")
    shapes.coverage("run", "test_shapes.py")
    shapes.write({"staged.txt": "staged\n"})
    shapes.git("add", "staged.txt")
    shapes.write({"staged.txt": "and dirty\n", "untracked.txt": "untracked\n"})
    for name in ("pre-commit", "pre-push", "reference-transaction", "post-commit"):
        hook = shapes.folder / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    for setting in ("commit.gpgsign=true", "core.autocrlf=true", "push.followTags=true"):
        shapes.git("config", *setting.split("="))
    facts = (
        ("rev-parse", "HEAD"),
        ("status", "--porcelain=v2", "--branch", "--untracked-files=all"),
        ("stash", "list"),
        ("for-each-ref",),
        ("config", "--local", "--list"),
        ("count-objects", "--verbose"),
        ("diff", "--cached"),
        ("diff",),
    )
    told = [shapes.git(*fact) for fact in facts]
    before = state(shapes.folder)
    ended = shapes.covsync("push")
    assert ended.status == 0, ended
    assert state(shapes.folder) == before
    assert [shapes.git(*fact) for fact in facts] == told
    assert listing(remote) >= FILES


def test_nothing_stays_in_the_temporary_folder(shapes: Checkout, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    at = Checkout(shapes.folder, {"TMPDIR": str(temporary)})
    assert at.covsync("push").status == 0
    assert at.covsync("check").status == 0
    assert list(temporary.iterdir()) == []


def test_the_pages_tell_no_time_and_no_path(shapes: Checkout, remote: Path) -> None:
    shapes.covsync("push")
    for name in listing(remote):
        if name.endswith(".html"):
            page = published(remote, name)
            assert "created at" not in page
            assert str(shapes.folder) not in page
            assert ">coverage.py v" in page


def test_a_source_that_looks_like_coverage_pys_stamp_keeps_its_words(
    shapes: Checkout, remote: Path
) -> None:
    line = "# >coverage.py v7</a>,\n#    created at 2020-01-01 00:00 +0000\n"
    shapes.write({"shapes.py": line + SHAPES})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    shapes.covsync("push")
    assert "created at 2020-01-01 00:00 +0000" in published(remote, "htmlcov/shapes_py.html")


def test_a_coverage_json_report_is_published_without_pages(shapes: Checkout, remote: Path) -> None:
    shapes.coverage("json", "--quiet", "-o", "report.json")
    ended = shapes.covsync("push", "--data-file", "report.json")
    assert ended.status == 0, ended
    assert "htmlcov/ is left out" in ended.err
    assert listing(remote) == FILES


@pytest.mark.stress
def test_publishers_that_race_all_succeed_and_nothing_is_lost(
    shapes: Checkout, remote: Path, tmp_path: Path
) -> None:
    racers = []
    for number in range(6):
        clone = tmp_path / f"clone{number}"
        run(["git", "clone", "--quiet", str(shapes.folder), str(clone)], tmp_path)
        racer = Checkout(clone)
        racer.git("remote", "set-url", "origin", str(remote))
        racer.write({"shapes.py": SHAPES + "x = 1\n" * number})
        racer.git("commit", "--quiet", "--allow-empty", "--all", "-m", f"Race {number}")
        racer.coverage("run", "test_shapes.py")
        racers.append(racer)
    running = [
        subprocess.Popen(["covsync", "push"], cwd=racer.folder, stdout=subprocess.PIPE)
        for racer in racers
    ]
    assert [each.communicate() and each.returncode for each in running] == [0] * 6
    lines = published(remote, "history.jsonl").splitlines()
    assert {json.loads(line)["commit"] for line in lines} == {
        racer.git("rev-parse", "HEAD").strip() for racer in racers
    }
    assert len(commits(remote)) == 1


def test_it_works_inside_a_git_hook(shapes: Checkout, remote: Path) -> None:
    """Git tells its hooks where its index and folder are; that must not lead covsync astray."""
    inside = Checkout(
        shapes.folder,
        {
            "GIT_DIR": str(shapes.folder / ".git"),
            "GIT_WORK_TREE": str(shapes.folder),
            "GIT_INDEX_FILE": str(shapes.folder / ".git" / "index"),
            "GIT_PREFIX": "",
        },
    )
    before = state(shapes.folder)
    ended = inside.covsync("push")
    assert ended.status == 0, ended
    assert state(shapes.folder) == before
    assert listing(remote) >= FILES


def test_links_come_from_the_remotes_url(shapes: Checkout) -> None:
    shapes.git("remote", "set-url", "origin", GITHUB)
    assert shapes.covsync("push", "--output-dir", "../out").status == 0
    readme = (shapes.folder.parent / "out" / "README.md").read_text()
    assert (
        "[Full report](https://htmlpreview.github.io/?https://github.com/example/shapes/blob/"
        "covsync-data/htmlcov/index.html)" in readme
    )
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\npublic = false\n"})
    assert shapes.covsync("push", "--output-dir", "../out").status == 0
    readme = (shapes.folder.parent / "out" / "README.md").read_text()
    assert "shields.io" not in readme
    assert "htmlpreview" not in readme


def test_secrets_in_a_url_stay_secret(shapes: Checkout) -> None:
    """A dead port: git gets as far as naming the address it cannot reach."""
    shapes.git("remote", "set-url", "origin", "http://robot:s3cr3t-t0ken@127.0.0.1:9/a/b.git")
    ended = shapes.covsync("push", "--debug")
    assert ended.status == 1
    assert "the remote cannot be reached" in ended.err
    assert "s3cr3t-t0ken" not in ended.out + ended.err
