"""The token that opens the remote: for git alone, not for the project's code or the tests."""

from __future__ import annotations

import os

VARIABLE = "COVSYNC_TOKEN"
_taken: list[str] = []  # none or one


def take() -> None:
    """Takes it out of the environment, which plugins and all that is started can read."""
    token = os.environ.pop(VARIABLE, "").strip()
    if token:
        _taken[:] = [token]


def given() -> str | None:
    """The token that was taken, ``None`` where there was none."""
    return _taken[0] if _taken else None
