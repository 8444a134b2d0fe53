"""No name, and no message of a server, becomes a command to the CI system that shows the output.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import SHAPES, Checkout, Ended

pytestmark = pytest.mark.first(1)  # of each test's cases; the others are for CI

COMMANDS = (
    *("::error::forged", "  ::add-mask::forged", "##[add-path]forged", "a##[error]forged"),
    *("##vso[task.complete result=Succeeded]", "###[group]", "##teamcity[buildStatus text='x']"),
)


def is_command(line: str) -> bool:
    """Whether GitHub's runner, Azure's agent or TeamCity would take a line for a command."""
    return line.lstrip().startswith("::") or bool(re.search(r"##\w*\[", line))


def no_commands(ended: Ended) -> Ended:
    lines = (ended.out + ended.err).splitlines()
    assert lines
    assert not [line for line in lines if is_command(line)]
    return ended


@pytest.fixture(params=COMMANDS)
def named(request: pytest.FixtureRequest, checkout: Checkout) -> str:
    """The name of a measured file, of which half is covered."""
    name = f"{request.param}.py"
    settings = "[tool.covsync]\nfail_under_file = 90\n"
    checkout.write({name: SHAPES, "pyproject.toml": settings, ".gitignore": ".coverage\n"})
    checkout.commit()
    checkout.coverage("run", name)
    return name


def test_no_finding_is_a_command(named: str, checkout: Checkout) -> None:
    ended = no_commands(checkout.covsync("check"))
    assert ended.status == 2
    assert ended.out.replace("\\", "").startswith(f"{named}: 33% is below 90%")


def test_json_says_the_same_without_a_command(named: str, checkout: Checkout) -> None:
    ended = no_commands(checkout.covsync("check", "--format=json"))
    assert json.loads(ended.out)["findings"][0]["subject"] == named


@pytest.mark.stress
def test_no_line_of_a_push_is_a_command(named: str, checkout: Checkout) -> None:
    assert no_commands(checkout.covsync("push", "--dry-run", "--verbose")).status == 0
    checkout.write({named: SHAPES + "\n"})
    assert named in no_commands(checkout.covsync("push")).err.replace("\\", "")


@pytest.mark.parametrize("said", COMMANDS)
@pytest.mark.first(3)
def test_no_message_of_the_server_is_a_command(shapes: Checkout, remote: Path, said: str) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ncat >&2 <<'end'\n{said}\nend\nexit 1\n")
    hook.chmod(0o755)
    ended = no_commands(shapes.covsync("push"))
    assert ended.status == 1
    assert said.strip() in ended.err.replace("\\", "")
    assert no_commands(shapes.covsync("push", "--debug", "--soft-fail")).status == 0


@pytest.mark.parametrize("arguments", [["check"], ["check", "--debug"], ["check", "--format=json"]])
def test_no_line_end_in_a_name_begins_a_command(shapes: Checkout, arguments: list[str]) -> None:
    ended = no_commands(shapes.covsync(*arguments, "--data-file", "none\n::error::forged"))
    assert ended.status in (1, 3)
    assert "forged" in ended.out + ended.err


def test_no_line_of_a_source_that_python_warns_of_is_a_command(checkout: Checkout) -> None:
    checkout.write(
        {"a.py": 'x = r"\\d"\nx = "\\d ##[add-path]forged"\n', ".gitignore": ".coverage\n"}
    )
    checkout.commit()
    checkout.coverage("run", "a.py")
    for command in (["check"], ["push"], ["push", "--output-dir", "../out", "--verbose"]):
        assert no_commands(checkout.covsync(*command)).status == 0
