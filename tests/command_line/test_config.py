"""What may be set, where, and what wins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout

from covsync.config import Config, load, project_folder

EVERYTHING = {
    "data_file": Path("data/.coverage"),
    "fail_under": Fraction("94.95"),
    "fail_under_file": Fraction(80),
    "paths": {"src/core/**": Fraction("98.5")},
    "fail_under_diff": Fraction(100),
    "max_drop": Fraction("0.5"),
    "no_data": "warn",
    "stale": "ignore",
    "branch": "data",
    "remote": "upstream",
    "history": "append",
    "html": False,
    "message": "docs: coverage",
    "hosting": "gitlab",
    "public": False,
    "pages_url": "https://example.org/cov",
    "badge_label": "tests",
    "badge_style": "flat-square",
    "badge_green": Fraction(95),
    "badge_orange": Fraction(80),
}
TOML = """
[tool.covsync]
data_file = "data/.coverage"
fail_under = 94.95
fail_under_file = 80
paths = {"src/core/**" = 98.5}
fail_under_diff = 100
max_drop = 0.5
no_data = "warn"
stale = "ignore"
branch = "data"
remote = "upstream"
history = "append"
html = false
message = "docs: coverage"
hosting = "gitlab"
public = false
pages_url = "https://example.org/cov/"
badge_label = "tests"
badge_style = "flat-square"
badge_green = 95
badge_orange = 80
"""
YAML = """
data_file: data/.coverage
fail_under: 94.95
fail_under_file: 80
paths:
  "src/core/**": 98.5
fail_under_diff: 100
max_drop: 0.5
no_data: warn
stale: ignore
branch: data
remote: upstream
history: append
html: no
message: "docs: coverage"
hosting: gitlab
public: false
pages_url: https://example.org/cov/
badge_label: tests
badge_style: flat-square
badge_green: 95
badge_orange: 80
"""


@pytest.mark.parametrize("name, text", [("pyproject.toml", TOML), (".covsync.yaml", YAML)])
def test_every_key_can_be_set_in_either_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert load(tmp_path, {}) == Config(**EVERYTHING)  # type: ignore[arg-type]


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Config()
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    (tmp_path / ".covsync.yaml").write_text("# nothing yet\n")
    assert load(tmp_path, {}) == Config()


def test_a_flag_wins_and_one_not_given_does_not(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TOML)
    config = load(tmp_path, {"branch": "other", "remote": None})
    assert (config.branch, config.remote) == ("other", "upstream")


def test_the_nearest_project_counts(tmp_path: Path) -> None:
    deep = tmp_path / "backend" / "src" / "app"
    deep.mkdir(parents=True)
    assert project_folder(deep, tmp_path) == tmp_path
    (tmp_path / "backend" / "pyproject.toml").touch()
    assert project_folder(deep, tmp_path) == tmp_path / "backend"
    assert project_folder(tmp_path, tmp_path) == tmp_path


def test_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert {key for key in EVERYTHING if f"| `{key}` |" in text} == set(EVERYTHING)


@pytest.mark.parametrize(
    "setting, colour",
    [("", "brightgreen"), ("badge_green = 99", "orange"), ("badge_orange=99", "red")],
)
def test_the_badge_is_green_from_the_floor_on(shapes: Checkout, setting: str, colour: str) -> None:
    shapes.write(
        {
            "pyproject.toml": BRANCHES
            + f"[tool.covsync]\nfail_under = {70 if 'green' in colour else 80}\n{setting}\n"
        }
    )
    assert shapes.covsync("push", "--output-dir", "../out").status == 0
    endpoint = (shapes.folder.parent / "out" / "endpoint.json").read_text()
    assert f'"color": "{colour}"' in endpoint
