"""Measured paths find their place in the repository, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout

from covsync.errors import CovsyncError
from covsync.measure.path_mapping import place
from covsync.model import WorkTree


def placed(tree: WorkTree, *names: str) -> dict[str, str]:
    """Where each name belongs, relative to the top level."""
    return {
        name: Path(stands_for).relative_to(tree.top).as_posix() if stands_for != name else name
        for name, stands_for in place(names, tree).items()
    }


@pytest.fixture
def tree(tmp_path: Path) -> WorkTree:
    tracked = (
        "setup.py",
        "src/pkg/__init__.py",
        "src/pkg/core.py",
        "src/pkg/sub/__init__.py",
        "backend/app/__init__.py",
        "backend/app/core.py",
        "frontend/app/__init__.py",
        "frontend/app/view.py",
    )
    return WorkTree(tmp_path, tmp_path, frozenset(tracked))


def test_native_paths_stay(tree: WorkTree) -> None:
    names = ("src/pkg/core.py", str(tree.top / "setup.py"), str(tree.top / "not/there.py"))
    assert placed(tree, *names) == {name: name for name in names}


@pytest.mark.parametrize(
    "root", ["/app/", "/home/runner/work/r/r/", "C:\\work\\", "\\\\server\\share\\r\\", "../other/"]
)
def test_another_checkouts_paths_are_found_by_their_tail(tree: WorkTree, root: str) -> None:
    paths = ("setup.py", "src/pkg/core.py", "src/pkg/__init__.py", "backend/app/__init__.py")
    names = {root + (path.replace("/", "\\") if "\\" in root else path): path for path in paths}
    assert placed(tree, *names) == names


def test_windows_relative_paths_too(tree: WorkTree) -> None:
    assert placed(tree, "src\\pkg\\core.py") == {"src\\pkg\\core.py": "src/pkg/core.py"}


def test_a_part_of_the_repository_may_have_been_the_whole_there(tree: WorkTree) -> None:
    """As where a container holds only the backend: the neighbours tell which one it is."""
    assert placed(tree, "/srv/app/core.py", "/srv/app/__init__.py") == {
        "/srv/app/core.py": "backend/app/core.py",
        "/srv/app/__init__.py": "backend/app/__init__.py",
    }


def test_an_ambiguous_path_names_its_candidates(tree: WorkTree) -> None:
    with pytest.raises(CovsyncError) as error:
        place(["/srv/app/__init__.py"], tree)
    assert (
        "'/srv/app/__init__.py', which could be any of backend/app/__init__.py, frontend/"
        in str(error.value)
    )
    assert "[paths]" in error.value.fix


@pytest.mark.parametrize(
    "name", ["/usr/lib/python3/json/decoder.py", "/etc/passwd", "<string>", "/x/../../y.py", ""]
)
def test_a_stranger_is_refused(tree: WorkTree, name: str) -> None:
    with pytest.raises(CovsyncError):
        place(["src/pkg/core.py", name, "/"], tree)


def test_one_shared_name_is_not_enough_beside_native_paths(tree: WorkTree) -> None:
    """A library's setup.py is not the project's."""
    with pytest.raises(CovsyncError, match="is not a file of this repository"):
        place([str(tree.top / "src/pkg/core.py"), "/usr/lib/python3/setup.py"], tree)


def test_data_measured_in_another_checkout_is_judged_and_published(
    shapes: Checkout, remote: Path
) -> None:
    """As in a container: the data names files that are not there, relative_files is not set."""
    here = Checkout(shapes.folder.parent / "here", {"CI": "true"})
    Checkout(shapes.folder.parent).git("clone", "--quiet", str(shapes.folder), str(here.folder))
    here.git("remote", "set-url", "origin", str(remote))
    (shapes.folder / ".coverage").rename(here.folder / ".coverage")
    shapes.folder.rename(shapes.folder.with_name("gone"))
    for settings in ("", "[tool.coverage.paths]\nsource = ['lib', '/nowhere']\n"):
        here.write({"pyproject.toml": BRANCHES + "# Settings\n" + settings})
        here.commit()
        assert here.covsync("check", "--fail-under", "75").out.startswith(
            "covsync: coverage is 75%"
        )
    assert here.covsync("push").status == 0
    page = Checkout(remote).git("show", "covsync-data:htmlcov/shapes_py.html")
    assert "outline" in page
    assert "checkout" not in page


def test_relative_names_are_found_without_the_setting_that_made_them(shapes: Checkout) -> None:
    """coverage.py itself reports 0% then: the setting was in a file that it is not told of now."""
    (shapes.folder.parent / "rc").write_text(
        "[run]\nbranch = true\nrelative_files = true\ninclude = shapes.py\n"
    )
    shapes.coverage("run", "--rcfile=../rc", "test_shapes.py")
    assert shapes.covsync("check").out.startswith("covsync: coverage is 75% by file times")


def test_coverage_pys_own_paths_come_first(shapes: Checkout) -> None:
    """Two copies of a file: the tail fits both, the user's [paths] say which one it is."""
    source = (shapes.folder / "shapes.py").read_text()
    shapes.write({"one/lib/shapes.py": source, "two/lib/shapes.py": source})
    shapes.commit()
    data = shapes.folder / "two" / "lib"
    shapes.write(
        {"pyproject.toml": "[tool.coverage.run]\nbranch = true\ninclude=['*/shapes.py']\n"}
    )
    elsewhere = shapes.folder.parent / "there" / "lib"
    elsewhere.mkdir(parents=True)
    for name in ("shapes.py", "test_shapes.py"):
        (elsewhere / name).write_text((shapes.folder / name).read_text())
    shapes.coverage("run", "--data-file=.coverage", str(elsewhere / "test_shapes.py"))
    (elsewhere / "shapes.py").rename(elsewhere / "gone.py")
    shapes.stage()
    assert "which could be any of one/lib/shapes.py" in shapes.covsync("check").err
    settings = (
        f"[tool.coverage.paths]\nlib = ['{data.relative_to(shapes.folder)}', '*/there/lib']\n"
    )
    shapes.write({"pyproject.toml": "[tool.coverage.run]\nbranch = true\n" + settings})
    shapes.stage()
    ended = shapes.covsync("check", "--fail-under-file", "100")
    assert ended.out.startswith("two/lib/shapes.py: 75% is below 100%")
