"""``covsync ratchet`` moves floors, and nothing else in the file."""

from __future__ import annotations

import pytest
from conftest import BRANCHES, Checkout

TOML = (
    BRANCHES
    + """\
[tool.other]
fail_under = 50 # not ours
numbers = [50, 60.5]

[tool.covsync]   # floors
fail_under=50    # 50 for now
"fail_under_file" = 6_0.5
# fail_under = 50
paths = { "*.py" = 50.0, "50" = 50, "none/**" = 7 }\t
"""
)
YAML = """\
# fail_under: 50
fail_under: 50   # 50 for now
fail_under_file:   60.5
paths: {"*.py": 50.0,
  "none/**": 7}
"""


@pytest.fixture
def measured(shapes: Checkout) -> Checkout:
    shapes.covsync("run", "test_shapes.py")
    return shapes


def text(checkout: Checkout, name: str) -> str:
    return (checkout.folder / name).read_bytes().decode()


def test_floors_rise_and_every_other_byte_stays(measured: Checkout) -> None:
    measured.write({"pyproject.toml": TOML.replace("\n", "\r\n")})
    ended = measured.covsync("ratchet")
    assert ended.status == 0
    assert "none/** of `paths` matches no measured file" in ended.err
    assert ended.out == (
        "fail_under: 50 -> 75\nfail_under_file: 60.5 -> 75\npaths *.py: 50 -> 75\n"
        "covsync: pyproject.toml: 3 changed, 0 floors stay\n"
    )
    expected = (
        TOML.replace("fail_under=50 ", "fail_under=75 ")
        .replace("6_0.5", "75")
        .replace('"*.py" = 50.0', '"*.py" = 75')
    )
    assert text(measured, "pyproject.toml") == expected.replace("\n", "\r\n")
    assert "0 changed, 3 floors stay" in measured.covsync("ratchet").out


def test_yaml_too(measured: Checkout) -> None:
    measured.write({".covsync.yaml": YAML})
    assert measured.covsync("ratchet").status == 0
    assert text(measured, ".covsync.yaml") == (
        YAML.replace("\nfail_under: 50 ", "\nfail_under: 75 ")
        .replace("60.5", "75")
        .replace("50.0", "75")
    )


@pytest.mark.parametrize(
    "step, figure", [("1", "66"), ("0.1", "66.6"), ("5", "65"), ("0.01", "66.66"), ("100", "50")]
)
@pytest.mark.first(2)
def test_it_rounds_down_to_the_step(checkout: Checkout, step: str, figure: str) -> None:
    checkout.write({"code.py": "x = 1\nif x == 2:\n    x = 3\n"})
    checkout.write({"pyproject.toml": "[tool.covsync]\nfail_under = 50\n"})
    checkout.git("add", "--all")
    checkout.covsync("run", "code.py")
    assert checkout.covsync("ratchet", "--step", step).status == 0
    assert text(checkout, "pyproject.toml") == f"[tool.covsync]\nfail_under = {figure}\n"


def test_it_lowers_only_when_told(measured: Checkout) -> None:
    settings = BRANCHES + "[tool.covsync]\nfail_under = 90\n"
    measured.write({"pyproject.toml": settings})
    ended = measured.covsync("ratchet")
    assert ended.out == "covsync: pyproject.toml: 0 changed, 1 floor stays\n"
    assert text(measured, "pyproject.toml") == settings
    assert measured.covsync("ratchet", "--allow-lower").out.startswith("fail_under: 90 -> 75\n")
    assert text(measured, "pyproject.toml") == settings.replace("90", "75")


def test_nothing_to_raise(measured: Checkout) -> None:
    ended = measured.covsync("ratchet")
    assert ended.status == 1
    assert "no floor is configured" in ended.err
    assert measured.covsync("ratchet", "--step", "0").status == 1


def test_stale_data_raises_nothing(measured: Checkout) -> None:
    measured.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nfail_under = 1\n"})
    measured.write({"shapes.py": "x = 1\n"})
    measured.git("add", "--all")
    ended = measured.covsync("ratchet")
    assert ended.status == 3
    assert ended.err == (
        "covsync: error: the tests did not run on what is being committed: "
        "shapes.py:1 was edited after the tests ran\n"
        "  Run the tests again: covsync run test_shapes.py\n"
    )
    assert "fail_under = 1\n" in text(measured, "pyproject.toml")
