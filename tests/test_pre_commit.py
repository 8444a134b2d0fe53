"""The hook under the real pre-commit, which installs it from this very checkout."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import BETTER_TEST, BRANCHES, SHAPES, SHAPES_TEST, Checkout, Ended, run

SOURCE = Path(__file__).parents[1]


def copy_of_covsync(folder: Path) -> None:
    """The checkout under test, uncommitted changes included, as a repository with a commit."""
    shutil.copytree(SOURCE / "covsync", folder / "covsync")
    for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SOURCE / name, folder / name)
    made = Checkout(folder)
    made.git("init", "--quiet")
    made.commit("Copy the working tree")


@pytest.fixture(scope="module")
def hook_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hook") / "covsync"
    copy_of_covsync(folder)
    return folder


@pytest.fixture(scope="module")
def pre_commit_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One place for the environments, as making one takes a while."""
    home = tmp_path_factory.mktemp("pre-commit-home")
    yield home
    shutil.rmtree(home)


@pytest.fixture
def project(tmp_path: Path, hook_repository: Path, pre_commit_home: Path) -> Checkout:
    """A project that uses the hook, with a first commit made before."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = Checkout(folder, {"PRE_COMMIT_HOME": str(pre_commit_home)})
    made.git("init", "--quiet")
    head = run(["git", "rev-parse", "HEAD"], hook_repository).out.strip()
    made.write(
        {
            "shapes.py": SHAPES,
            "test_shapes.py": SHAPES_TEST,
            "pyproject.toml": BRANCHES + "[tool.covsync]\nfail_under = 90\n",
            ".gitignore": ".coverage\n__pycache__/\n",
            ".pre-commit-config.yaml": yaml.safe_dump(
                {
                    "repos": [
                        {
                            "repo": str(hook_repository),
                            "rev": head,
                            "hooks": [{"id": "covsync-check"}],
                        }
                    ]
                }
            ),
        }
    )
    assert run(["pre-commit", "install"], folder, made.env).status == 0
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
    assert "total: 75% is below 90% (fail_under); missing shapes.py 3\n" in ended.err
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
    assert "coverage run -m pytest" in ended.err


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


def test_try_repo(project: Checkout, hook_repository: Path) -> None:
    project.write({"test_shapes.py": BETTER_TEST})
    project.coverage("run", "test_shapes.py")
    project.git("add", "--all")
    command = ["pre-commit", "try-repo", str(hook_repository), "covsync-check", "--verbose"]
    ended = run(command, project.folder, project.env)
    assert ended.status == 0, ended
    assert "covsync: coverage is 100% (unverified), its floor held" in ended.out
