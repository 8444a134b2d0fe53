"""The hook under the real pre-commit, which installs it from this very checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import (
    BETTER_TEST,
    BRANCHES,
    SHAPES,
    SHAPES_TEST,
    SOURCE,
    Checkout,
    Ended,
    run,
    with_hook,
)


@pytest.fixture
def project(tmp_path: Path, hook: Path) -> Checkout:
    """A project that uses the hook, before its first commit."""
    made = with_hook(tmp_path / "project", hook)
    made.write(
        {
            "shapes.py": SHAPES,
            "test_shapes.py": SHAPES_TEST,
            "pyproject.toml": BRANCHES + "[tool.covsync]\nfail_under = 90\n",
            ".gitignore": ".coverage\n__pycache__/\n",
        }
    )
    return made


def try_to_commit(project: Checkout) -> Ended:
    project.git("add", "--all")
    return run(["git", "commit", "--message", "Draw shapes"], project.folder, project.env)


def test_a_commit_below_the_floor_is_blocked_and_goes_through_after_better_tests(
    project: Checkout,
) -> None:
    project.coverage("run", "test_shapes.py")
    ended = try_to_commit(project)
    assert ended.status == 1
    assert "covsync check...." in ended.err
    assert "Failed\n- hook id: covsync-check\n- exit code: 2\n" in ended.err
    assert "total: 75% is below 90% (fail_under); missing shapes.py:3\n" in ended.err
    assert project.git("rev-list", "--all") == ""

    project.write({"test_shapes.py": BETTER_TEST})
    project.coverage("run", "test_shapes.py")
    ended = try_to_commit(project)
    assert ended.status == 0, ended
    assert "Passed" in ended.err
    assert len(project.git("rev-list", "HEAD").split()) == 1


def test_a_commit_without_data_is_blocked_with_what_to_do(project: Checkout) -> None:
    ended = try_to_commit(project)
    assert ended.status == 1
    assert "- exit code: 3\n" in ended.err
    assert "Run the tests first: covsync run -m pytest. " in ended.err
    assert 'no_data = "warn"' in ended.err


@pytest.mark.stress
def test_a_passing_verdict_is_seen_where_the_project_asks_for_it(
    tmp_path: Path, hook: Path
) -> None:
    """pre-commit shows nothing of a hook that passes, but with ``verbose: true``."""
    for verbose in (True, False):
        made = with_hook(tmp_path / f"project-{verbose}", hook, verbose=verbose)
        made.write({"shapes.py": SHAPES, "test_shapes.py": SHAPES_TEST, "pyproject.toml": BRANCHES})
        made.write({".coveragerc": "[run]\ninclude = shapes.py\n[report]\nfail_under = 80\n"})
        made.write({".gitignore": ".coverage\n__pycache__/\n"})
        made.stage()
        assert made.covsync("run", "test_shapes.py").status == 0
        ended = try_to_commit(made)
        assert ended.status == 0, ended
        lines = [line for line in ended.err.splitlines() if not line.startswith("[INFO]")]
        assert lines[0].startswith("covsync check....")
        assert lines[0].endswith("Passed")
        verdict = "covsync: coverage is 83%, its floor held"
        assert [line for line in lines if line.startswith("covsync: ")] == [verdict] * verbose


def test_the_manifest_is_valid() -> None:
    done = subprocess.run(
        ["pre-commit", "validate-manifest", ".pre-commit-hooks.yaml"], cwd=SOURCE, check=False
    )
    assert done.returncode == 0
    (hook,) = yaml.safe_load((SOURCE / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["entry"]) == ("covsync-check", "covsync check")
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    assert (hook["always_run"], hook["require_serial"]) == (True, True)
    assert hook["minimum_pre_commit_version"] == "3.2.0"


@pytest.mark.stress
def test_try_repo(project: Checkout, hook: Path) -> None:
    project.write({"test_shapes.py": BETTER_TEST})
    project.coverage("run", "test_shapes.py")
    project.git("add", "--all")
    command = ["pre-commit", "try-repo", str(hook / "covsync"), "covsync-check", "--verbose"]
    ended = run(command, project.folder, project.env)
    assert ended.status == 0, ended
    assert "covsync: coverage is 100% by file times, its floor held" in ended.out
