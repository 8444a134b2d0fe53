"""The traps of a coverage hook, each with the real pre-commit."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from conftest import BETTER_TEST, SHAPES, SHAPES_TEST, Checkout, Ended, run, with_hook

NOT_RUN = "the tests did not run on what is being committed: "
NOT_PUSHED = "the tests did not run on what is being pushed: "
EDITED = "was edited after the tests ran"
SETTINGS = """\
[tool.coverage.run]
branch = true
omit = ["test_*.py"]

[tool.covsync]
fail_under = 75
"""
UNCOVERED = "\n\ndef never():\n    return 1\n"


def works(python: str) -> bool:
    """Whether there is such a Python: pyenv's names for others only explain themselves."""
    return shutil.which(python) is not None and run([python, "-c", ""], Path.cwd()).status == 0


@pytest.fixture
def project(tmp_path: Path, hook: Path) -> Checkout:
    """A project with the hook at each stage, its first commit made through it."""
    stages = ("pre-commit", "pre-merge-commit", "pre-push")
    made = with_hook(tmp_path / "project", hook, stages, verbose=True)
    made.write(
        {
            ".gitignore": ".coverage\n__pycache__/\n",
            "pyproject.toml": SETTINGS,
            "shapes.py": SHAPES,
            "test_shapes.py": SHAPES_TEST,
        }
    )
    measure(made)
    made.stage()
    passes(commit(made))
    return made


def measure(project: Checkout) -> None:
    assert project.covsync("run", "test_shapes.py").status == 0


def commit(project: Checkout, *arguments: str) -> Ended:
    return run(["git", "commit", "-m", "Try", *arguments], project.folder, project.env)


def passes(ended: Ended, figure: str = "75") -> None:
    assert ended.status == 0, ended
    assert f"covsync: coverage is {figure}%, its floor held" in ended.err


def is_not_judged(ended: Ended) -> None:
    assert ended.status == 0, ended
    assert "no test can see what this commit changes, so it was not judged" in ended.err
    assert "coverage is" not in ended.err


def is_stopped(ended: Ended, words: str) -> None:
    assert ended.status == 1, ended
    assert words in ended.err


def append(project: Checkout, name: str, text: str) -> None:
    path = project.folder / name
    path.write_text(path.read_text() + text)


def test_a_partial_commit(project: Checkout) -> None:
    """Covered lines are staged; the same file's uncovered ones are not, and don't count."""
    append(project, "shapes.py", "\n\nUNIT = 1\n")
    measure(project)
    project.git("add", "shapes.py")
    append(project, "shapes.py", UNCOVERED)
    passes(commit(project), "78")
    project.git("add", "shapes.py")
    is_stopped(commit(project), f"{NOT_RUN}shapes.py:14 {EDITED}")


def test_the_covered_lines_stay_behind(project: Checkout) -> None:
    """The tests ran on the whole file, and saw 90%; without its covered lines it is less."""
    text = SHAPES + UNCOVERED
    project.write({"shapes.py": text + "".join(f"x{n} = {n}\n" for n in range(20))})
    measure(project)
    whole = (project.folder / "shapes.py").read_text()
    project.write({"shapes.py": text})
    project.stage("shapes.py")
    project.write({"shapes.py": whole})
    is_stopped(commit(project), f"{NOT_RUN}shapes.py:12 {EDITED}")
    project.write({"shapes.py": text})
    measure(project)
    is_stopped(commit(project), "total: 70% is below 75% (fail_under); missing shapes.py:3, 12")


def test_untracked_files(project: Checkout) -> None:
    project.write({"later.py": "def later():\n    return 1\n"})
    append(project, "shapes.py", "# more\n")
    passes(commit(project, "-a"))


@pytest.mark.stress
def test_a_linked_work_tree(project: Checkout) -> None:
    project.git("worktree", "add", "--quiet", "../linked", "-b", "topic")
    linked = Checkout(project.folder.parent / "linked", project.env)
    append(linked, "shapes.py", UNCOVERED)
    linked.git("add", "shapes.py")
    is_stopped(commit(linked), "there is no coverage data")
    measure(linked)
    is_stopped(commit(linked), "total: 70% is below 75% (fail_under)")
    linked.write({"test_shapes.py": BETTER_TEST})
    measure(linked)
    passes(commit(linked, "-a"), "90")


def test_commit_all(project: Checkout) -> None:
    append(project, "shapes.py", UNCOVERED)
    is_stopped(commit(project, "-a"), f"{NOT_RUN}shapes.py:11 {EDITED}")


@pytest.mark.stress
def test_commit_one_file(project: Checkout) -> None:
    append(project, "shapes.py", UNCOVERED)
    project.git("add", "shapes.py")
    append(project, "test_shapes.py", "# more\n")
    passes(commit(project, "test_shapes.py"))
    is_stopped(commit(project, "shapes.py"), f"{NOT_RUN}shapes.py:11 {EDITED}")


def test_amend(project: Checkout) -> None:
    is_not_judged(commit(project, "--amend"))
    append(project, "shapes.py", UNCOVERED)
    is_stopped(commit(project, "--amend", "-a"), f"{NOT_RUN}shapes.py:11 {EDITED}")


@pytest.mark.stress
def test_a_merge(project: Checkout) -> None:
    project.git("switch", "--quiet", "--create", "topic")
    append(project, "shapes.py", "\n\nUNIT = 1\n")
    measure(project)
    passes(commit(project, "-a"), "78")
    project.git("switch", "--quiet", "main")
    project.write({"notes.txt": "x\n"})
    project.stage("notes.txt")
    is_not_judged(commit(project))
    ended = run(["git", "merge", "--no-ff", "topic", "-m", "Merge"], project.folder, project.env)
    assert ended.status == 0, ended
    assert "coverage is 78%, its floor held" in ended.out + ended.err


@pytest.mark.stress
def test_a_merge_and_one_that_is_committed_by_hand_agree_on_what_is_changed(
    project: Checkout,
) -> None:
    """An untested line of the branch is no change of the merge, but one of its squash."""
    project.write({"pyproject.toml": SETTINGS + "fail_under_diff = 100\n"})
    measure(project)
    assert commit(project, "-a").status == 0
    project.git("switch", "--quiet", "--create", "topic")
    project.write({"shapes.py": SHAPES.replace("return 0", "return -1")})
    project.git("commit", "--quiet", "--no-verify", "-a", "-m", "Change an untested line")
    project.git("switch", "--quiet", "main")
    project.write({"notes.txt": "x\n"})
    project.stage("notes.txt")
    is_not_judged(commit(project))
    before = project.git("rev-parse", "HEAD").strip()
    for how in ("at once", "by hand", "squashed"):
        options = {"at once": "--no-ff", "by hand": "--no-commit", "squashed": "--squash"}
        merge = ["git", "merge", options[how], "topic", "-m", "Merge"]
        if how != "at once":
            assert run(merge[:4], project.folder, project.env).status == 0
            measure(project)
        else:  # the tests ran on what will be merged
            project.git("merge", "--no-commit", "topic")
            measure(project)
            project.git("merge", "--abort")
        ended = run(merge, project.folder, project.env) if how == "at once" else commit(project)
        if how == "squashed":
            is_stopped(
                ended, "changed lines: 0% is below 100% (fail_under_diff); missing shapes.py:3"
            )
        else:
            assert ended.status == 0, (how, ended)
            assert "coverage is 75%, all 2 floors held" in ended.out + ended.err
            assert len(project.git("rev-list", "--merges", f"{before}..HEAD").split()) == 1
        project.git("reset", "--quiet", "--hard", before)


def test_the_first_commit(project: Checkout) -> None:
    shutil.rmtree(project.folder / ".git")
    project.git("init", "--quiet")
    run(["pre-commit", "install"], project.folder, project.env)
    project.git("add", "--all")
    ended = commit(project)
    assert ended.status == 0, ended
    assert "coverage is 75% by file times, its floor held" in ended.err


@pytest.mark.stress
def test_a_rename_a_deletion_and_a_mode(project: Checkout) -> None:
    project.git("mv", "shapes.py", "forms.py")
    is_stopped(commit(project), f"{NOT_RUN}shapes.py was loaded by the tests and is deleted")
    project.write({"test_shapes.py": SHAPES_TEST.replace("from shapes", "from forms")})
    measure(project)
    passes(commit(project, "-a"))
    (project.folder / "forms.py").chmod(0o755)
    is_not_judged(commit(project, "-a"))
    project.git("rm", "--quiet", "forms.py")
    is_stopped(commit(project), f"{NOT_RUN}forms.py was loaded by the tests and is deleted")


def test_a_symbolic_link_and_a_submodule(project: Checkout) -> None:
    (project.folder / "link.py").symlink_to("shapes.py")
    other = Checkout(project.folder.parent / "other")
    other.folder.mkdir()
    other.git("init", "--quiet")
    other.write({"lib.py": "x = 1\n"})
    other.commit()
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    project.git(*add, str(other.folder), "vendor")
    project.git("add", "--all")
    passes(commit(project))


@pytest.mark.stress
def test_line_ends(project: Checkout) -> None:
    project.git("config", "core.autocrlf", "true")
    project.write({"shapes.py": "# Shapes\n" + SHAPES})
    measure(project)
    path = project.folder / "shapes.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    passes(commit(project, "-a"))


def test_a_sparse_checkout(project: Checkout) -> None:
    project.write({"lib/more.py": "x = 1\n", "test_shapes.py": SHAPES_TEST + "import lib.more\n"})
    measure(project)
    project.git("add", "--all")
    passes(commit(project), "78")
    project.git("sparse-checkout", "set", "--no-cone", "/*", "!/lib/")
    assert not (project.folder / "lib" / "more.py").exists()
    append(project, "shapes.py", "# more\n")
    passes(commit(project, "-a"), "78")


@pytest.mark.parametrize("name", ["a b.py", "it's.py", 'a"b.py', "new\nline.py", "é.py"])
@pytest.mark.stress
def test_odd_names(project: Checkout, name: str) -> None:
    source = "x = 1\nif x == 2:\n    x = 3\n"
    run_it = f"import runpy\nrunpy.run_path({name!r})\n"
    project.write({name: source, "test_shapes.py": BETTER_TEST + run_it})
    measure(project)
    project.git("add", "--all")
    passes(commit(project), "85")
    project.write({name: source.replace("3", "4")})
    is_stopped(commit(project, "-a"), f"{NOT_RUN}{name.replace(chr(10), '?')}:3 {EDITED}")


def test_a_name_that_is_no_text(project: Checkout) -> None:
    """pre-commit itself fails on such a name, so the hook is a plain one here."""
    name = os.fsdecode(b"\xff.txt")
    plain = project.folder / ".git" / "hooks" / "pre-commit"
    plain.write_text("#!/bin/sh\nexec covsync check\n")
    (project.folder / name).write_text("x\n")
    project.git("add", "--all")
    is_not_judged(commit(project))
    append(project, "shapes.py", UNCOVERED)
    is_stopped(commit(project, "-a"), f"{NOT_RUN}shapes.py:11 {EDITED}")


def test_before_a_push(project: Checkout) -> None:
    """What is pushed is judged, not what happens to be staged."""
    run(["git", "init", "--quiet", "--bare", "../remote.git"], project.folder)
    project.git("remote", "add", "origin", "../remote.git")
    push = ["git", "push", "origin", "main"]
    assert run(push, project.folder, project.env).status == 0
    append(project, "shapes.py", UNCOVERED)
    project.git("commit", "--quiet", "--no-verify", "-a", "-m", "Slip through")
    project.write({"shapes.py": SHAPES})
    project.git("add", "shapes.py")
    ended = run(push, project.folder, project.env)
    assert ended.status == 1
    assert f"{NOT_PUSHED}shapes.py:11 {EDITED}" in ended.out + ended.err
    assert "Check it out and run the tests on it: covsync run test_shapes.py" in ended.out
    project.git("reset", "--quiet", "--hard")
    measure(project)
    assert "total: 70% is below 75% (fail_under)" in run(push, project.folder, project.env).out


@pytest.mark.stress
def test_before_the_first_push(project: Checkout) -> None:
    """The remote has nothing yet; another branch than the one checked out is pushed."""
    run(["git", "init", "--quiet", "--bare", "../remote.git"], project.folder)
    project.git("remote", "add", "origin", "../remote.git")
    project.git("branch", "clean")
    append(project, "shapes.py", UNCOVERED)
    project.git("commit", "--quiet", "--no-verify", "-a", "-m", "Slip through")
    project.git("switch", "--quiet", "clean")
    ended = run(["git", "push", "origin", "main"], project.folder, project.env)
    assert ended.status == 1
    assert f"{NOT_PUSHED}shapes.py:11 {EDITED}" in ended.out + ended.err
    assert run(["git", "push", "origin", "clean"], project.folder, project.env).status == 0


def test_a_project_with_coverage_plugins(project: Checkout) -> None:
    """The hook's environment has neither plugin; the project's, where it recorded, has both."""
    project.write(
        {
            "pyproject.toml": SETTINGS.replace(
                "branch = true",
                'plugins = ["covdefaults", "django_coverage_plugin"]\nsource = ["."]',
            )
            + '[tool.coverage.django_coverage_plugin]\ntemplate_extensions = "html"\n'
            + "[tool.coverage.report]\nfail_under = 60\n",
            "templates/page.html": "<p>\n{% if x %}\n{{ x }}\n{% endif %}\n</p>\n",
            "test_shapes.py": SHAPES_TEST
            + "import django\nfrom django.conf import settings\n"
            + "from django.template import Context, Engine\n"
            + "settings.configure(TEMPLATES=[{'BACKEND': "
            + "'django.template.backends.django.DjangoTemplates', 'DIRS': ['templates'], "
            + "'OPTIONS': {'debug': True}}])\ndjango.setup()\n"
            + "Engine(dirs=['templates'], debug=True).get_template('page.html')"
            + ".render(Context({'x': 0}))\n",
        }
    )
    measure(project)
    project.git("add", "--all")
    ended = commit(project)
    assert ended.status == 0, ended
    assert "its floor held" in ended.err
    page = project.folder / "templates" / "page.html"
    page.write_text(page.read_text().replace("<p>", "<p>{{ y }}"))
    is_stopped(commit(project, "-a"), f"{NOT_RUN}templates/page.html:1 {EDITED}")


def test_a_text_no_python_parses(project: Checkout) -> None:
    project.write({"shapes.py": SHAPES + "\n\nfuture x := 1\n"})
    is_stopped(commit(project, "-a"), f"{NOT_RUN}shapes.py:11 {EDITED}")


OLDER = next((name for name in ("python3.10", "python3.11") if works(name)), None)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its syntax needs Python 3.12")
@pytest.mark.skipif(OLDER is None, reason="there is no older Python for the hook")
@pytest.mark.stress
def test_a_syntax_the_hooks_python_does_not_know(project: Checkout) -> None:
    """The project's Python recorded it; the hook's never parses it."""
    path = project.folder / ".pre-commit-config.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["repos"][0]["hooks"][0]["language_version"] = OLDER
    path.write_text(yaml.safe_dump(settings))
    newer = (
        SHAPES
        + "\n\ntype Size = tuple[int, int]\n\n\ndef first[T](of: list[T]) -> T:\n    return of[0]\n"
    )
    project.write({"shapes.py": newer})
    project.write({"test_shapes.py": BETTER_TEST + "from shapes import first\nfirst([1])\n"})
    measure(project)
    passes(commit(project, "-a"), "100")
    project.write({"shapes.py": "# The same\n" + newer})
    passes(commit(project, "-a"), "100")
    project.write({"shapes.py": newer.replace("of[0]", "of[-1]")})
    is_stopped(commit(project, "-a"), f"{NOT_RUN}shapes.py:15 {EDITED}")
    measure(project)
    shutil.rmtree(project.folder / ".git" / "covsync")
    is_stopped(commit(project, "-a"), "or set the hook's language_version to that")
