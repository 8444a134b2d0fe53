"""One value of a configuration file changed, and no other byte of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from covsync.config import PYPROJECT, parsed_toml, parsed_yaml
from covsync.errors import CovsyncError
from covsync.model import exact_decimal

NUMBER = re.compile(r"(?<![\w.+-])[+-]?(\d[\d_]*)?\.?\d[\d_]*([eE][+-]?\d+)?(?![\w.])")


def edited(text: str, name: str, key: tuple[str, ...], old: Fraction, new: Fraction) -> str:
    """``text`` of the file ``name`` with the floor ``key`` at ``new`` instead of ``old``.

    The place is found by trying: it is the one number that, replaced, changes what the file says
    in just this key. Raises ``CovsyncError`` where none does.
    """
    before = _parsed(text, name)
    for match in NUMBER.finditer(text):
        if _exact(match[0]) != old:
            continue
        candidate = text[: match.start()] + exact_decimal(new) + text[match.end() :]
        try:
            after = _parsed(candidate, name)
        except CovsyncError:
            continue
        if _differ_only_in(before, after, key) and _exact(str(_at(after, key))) == new:
            return candidate
    raise CovsyncError(
        f"cannot find the value of {' '.join(key)} in {name}",
        f"Set it to {exact_decimal(new)} by hand.",
    )


def _parsed(text: str, name: str) -> Mapping[str, Any]:
    path = Path(name)
    return parsed_toml(text, path) if name == PYPROJECT else parsed_yaml(text, path)


def _place(document: Mapping[str, Any], key: tuple[str, ...]) -> tuple[str, ...]:
    return (
        ("tool", "covsync", *key) if "tool" in document and "covsync" in document["tool"] else key
    )


def _at(document: Any, key: tuple[str, ...]) -> Any:  # noqa: ANN401 - any document
    for part in _place(document, key):
        document = document[part]
    return document


def _differ_only_in(before: Any, after: Any, key: tuple[str, ...]) -> bool:  # noqa: ANN401
    return bool(_without(before, _place(before, key)) == _without(after, _place(after, key)))


def _without(document: Any, key: tuple[str, ...]) -> Any:  # noqa: ANN401 - any document
    first, *rest = key
    if not isinstance(document, Mapping) or first not in document:
        return document
    others = {name: value for name, value in document.items() if name != first}
    return {**others, first: _without(document[first], tuple(rest))} if rest else others


def _exact(text: str) -> Fraction | None:
    try:
        return Fraction(Decimal(text.replace("_", "")))
    except (ArithmeticError, ValueError):
        return None
