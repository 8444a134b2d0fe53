"""Several projects of one repository on one data branch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import BRANCHES, SHAPES, SHAPES_TEST, Checkout, run

TABLE = """\
<!-- covsync: subprojects -->
| Project | Coverage | Badge |
| :--- | ---: | :--- |
"""
API = "| [api](api/README.md) | 75% | [![api](api/badge.svg)](api/README.md) |\n"
WEB = "| [web](web/README.md) | {}% | [![web](web/badge.svg)](web/README.md) |\n"
END = "<!-- /covsync: subprojects -->\n"
OWN = {"README.md", "badge.svg", "endpoint.json", "data.json", "history.jsonl"}


@pytest.fixture
def several(shapes: Checkout) -> dict[str, Checkout]:
    """The project at the top, and two below it that have names."""
    below = {name: Checkout(shapes.folder / "parts" / name) for name in ("api", "web")}
    for name, part in below.items():
        settings = BRANCHES + f'[tool.covsync]\nsubproject = "{name}"\n'
        part.write({"shapes.py": SHAPES, "test_shapes.py": SHAPES_TEST, "pyproject.toml": settings})
    shapes.commit("Divide the project")
    several = {**below, "": shapes}  # data in a folder is newer than what the top measured before
    for part in several.values():
        part.coverage("run", "test_shapes.py")
    return several


def pushed(project: Checkout, *arguments: str) -> str:
    ended = project.covsync("push", *arguments)
    assert ended.status == 0, ended
    return ended.out


def shown(remote: Path, path: str) -> str:
    return run(["git", "show", f"covsync-data:{path}"], remote).out


def paths(remote: Path) -> set[str]:
    return set(run(["git", "ls-tree", "-r", "--name-only", "covsync-data"], remote).out.split())


def test_each_has_a_folder_and_the_front_page_lists_them(
    several: dict[str, Checkout], remote: Path
) -> None:
    pushed(several["web"])
    assert shown(remote, "README.md") == (f"# Repository Coverage\n\n{TABLE}{WEB.format(75)}{END}")
    pushed(several["api"])
    published = paths(remote)
    assert {path for path in published if "/" not in path} == {".nojekyll", "README.md"}
    for name in ("api", "web"):
        assert {f"{name}/{path}" for path in OWN} < published
        assert f"{name}/htmlcov/shapes_py.html" in published
        assert shown(remote, f"{name}/README.md").startswith(f"# Repository Coverage of {name}\n")
    assert json.loads(shown(remote, "api/data.json"))["coverage_path"] == "parts/api"
    assert shown(remote, "README.md") == (
        f"# Repository Coverage\n\n{TABLE}{API}{WEB.format(75)}{END}"
    )
    assert len(run(["git", "log", "--format=%H", "covsync-data"], remote).out.split()) == 1


def test_each_is_published_by_itself(several: dict[str, Checkout], remote: Path) -> None:
    pushed(several["api"])
    before = run(["git", "rev-parse", "covsync-data:api"], remote).out
    web = several["web"]
    pushed(web)
    assert "is up to date" in pushed(web)
    web.write({"test_shapes.py": SHAPES_TEST + "assert area(-1, 3) == 0\n"})
    web.commit("Test more")
    web.coverage("run", "test_shapes.py")
    pushed(web)
    assert shown(remote, "README.md").endswith(f"{API}{WEB.format(100)}{END}")
    assert run(["git", "rev-parse", "covsync-data:api"], remote).out == before
    assert "is up to date" in pushed(web)


def test_a_project_at_the_top_keeps_its_page_and_lists_the_others(
    several: dict[str, Checkout], remote: Path
) -> None:
    pushed(several["api"])
    pushed(several[""])
    page = shown(remote, "README.md")
    assert page.startswith("# Repository Coverage\n\n[Full report](htmlcov/index.html)\n")
    assert page.endswith(f"{TABLE}{API}{END}")
    assert paths(remote) > OWN
    pushed(several["web"])
    assert shown(remote, "README.md") == page.replace(END, WEB.format(75) + END)
    assert "is up to date" in pushed(several[""])
    assert "is up to date" in pushed(several["api"])


def test_a_flag_names_one_too_and_the_baseline_is_its_own(
    several: dict[str, Checkout], remote: Path
) -> None:
    web = several["web"]
    pushed(web, "--subproject", "site")
    assert {f"site/{path}" for path in OWN} < paths(remote)
    pushed(web)
    web.git("fetch", "--quiet", "origin", "covsync-data:refs/remotes/origin/covsync-data")
    settings = BRANCHES + '[tool.covsync]\nmax_drop = 0\nsubproject = "web"\n'
    worse = SHAPES_TEST.replace("assert outline", "# assert outline")
    web.write({"pyproject.toml": settings, "test_shapes.py": worse})
    web.stage()
    web.coverage("run", "test_shapes.py")
    ended = web.covsync("check")
    assert ended.status == 2
    assert "max_drop" in ended.out + ended.err


def test_links_lead_into_the_folder(several: dict[str, Checkout]) -> None:
    api = several["api"]
    api.git("remote", "set-url", "origin", "https://github.com/example/shapes.git")
    pushed(api, "--output-dir", "../../../out")
    out = api.folder.parents[2] / "out"
    assert (out / "README.md").read_text() == f"# Repository Coverage\n\n{TABLE}{API}{END}"
    page = (out / "api" / "README.md").read_text()
    raw = "https://raw.githubusercontent.com/example/shapes/covsync-data/api"
    report = "https://github.com/example/shapes/blob/covsync-data/api/htmlcov/index.html"
    assert f"[Full report](https://htmlpreview.github.io/?{report})" in page
    assert f"]({raw}/badge.svg)]" in page
    assert f"url={raw}/endpoint.json" in page
    pushed(several["web"], "--output-dir", "../../../out")
    assert (out / "README.md").read_text().endswith(f"{API}{WEB.format(75)}{END}")


@pytest.mark.stress
def test_a_spelling_that_a_mac_takes_for_another_is_refused(several: dict[str, Checkout]) -> None:
    pushed(several["web"])
    ended = several["api"].covsync("push", "--subproject", "Web")
    assert ended.status == 1
    assert "covsync-data holds web, which some systems take for Web" in ended.err


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.first(1)
def test_what_others_wrote_on_the_front_page_stays(
    several: dict[str, Checkout], remote: Path, tmp_path: Path, end: str
) -> None:
    """Even beside marks that are not covsync's doing."""
    pushed(several["web"])
    run(["git", "clone", "--quiet", "--branch=covsync-data", str(remote), "other"], tmp_path)
    other = Checkout(tmp_path / "other")
    begin, stop = (mark.strip() for mark in (TABLE.partition("\n")[0], END))
    lines = ["# Ours", begin, "x", stop, "between", begin, "y", stop]
    (other.folder / "README.md").write_bytes(end.join(lines).encode())
    other.commit()
    other.git("push", "--quiet")
    for name in ("api", "web"):
        several[name].write({"more.txt": name})
        several[name].commit()
        pushed(several[name])
    page = run(["git", "cat-file", "blob", "covsync-data:README.md"], remote).out
    listed = f"\n\n{TABLE}{API}{WEB.format(75)}{END}"
    assert page.replace("\r\n", "\n") == f"# Ours\nbetween{listed}"


@pytest.mark.stress
def test_a_site_with_a_badge_of_its_own_is_not_taken(
    shapes: Checkout, remote: Path, tmp_path: Path
) -> None:
    endpoint = '{"schemaVersion": 1, "label": "x", "message": "88%", "color": "green"}'
    branch_of(remote, {"README.md": "# Our site\n", "badges/endpoint.json": endpoint}, tmp_path)
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert "covsync-data holds other files, and no coverage data" in ended.err
    assert shown(remote, "README.md") == "# Our site\n"


def branch_of(remote: Path, files: dict[str, str], tmp_path: Path) -> None:
    other = Checkout(tmp_path / "other")
    other.folder.mkdir()
    other.git("init", "--quiet", "--initial-branch=covsync-data")
    other.write(files)
    other.commit()
    other.git("push", "--quiet", str(remote), "covsync-data")


@pytest.mark.stress
def test_a_folder_of_something_else_is_not_taken(
    several: dict[str, Checkout], remote: Path, tmp_path: Path
) -> None:
    pushed(several["web"])
    run(["git", "clone", "--quiet", "--branch=covsync-data", str(remote), "other"], tmp_path)
    other = Checkout(tmp_path / "other")
    other.write({"api/index.html": "mine\n"})
    other.commit()
    other.git("push", "--quiet")
    ended = several["api"].covsync("push")
    assert ended.status == 1
    assert "api/ on covsync-data holds other files, and no coverage data" in ended.err
    pushed(several["web"])
    assert shown(remote, "api/index.html") == "mine\n"


@pytest.mark.parametrize("path", ["data.json/x.txt", "htmlcov", "htmlcov/shapes_py.html/x"])
@pytest.mark.first(1)
def test_nothing_in_the_way_is_dropped(
    shapes: Checkout, remote: Path, tmp_path: Path, path: str
) -> None:
    """Git would let a file take a folder's place, and a folder a file's."""
    endpoint = '{"schemaVersion": 1, "label": "Coverage", "message": "94%", "color": "green"}'
    branch_of(remote, {"endpoint.json": endpoint, path: "mine\n"}, tmp_path)
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert f"the data branch holds {path}, where covsync writes" in ended.err
    assert shown(remote, path) == "mine\n"


@pytest.mark.parametrize("name", ["..", "a/b", ".git", "-x", "", "HTMLCOV", "data.json", "a b"])
@pytest.mark.first(2)
def test_a_name_that_is_none(shapes: Checkout, name: str) -> None:
    shapes.write({"pyproject.toml": BRANCHES + f'[tool.covsync]\nsubproject = "{name}"\n'})
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert "subproject in [tool.covsync] of pyproject.toml is not valid" in ended.err
    shapes.write({"pyproject.toml": BRANCHES})
    ended = shapes.covsync("push", f"--subproject={name}")
    assert ended.status == 1
    assert f"{name!r} is not a name" in ended.err
