"""Figures are exact inside, and shown as coverage.py shows them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from covsync.model import Finding, Lines, Totals, exact_decimal


def of(covered: int, coverable: int) -> Totals:
    return Totals(statements=coverable, missing=coverable - covered)


@pytest.mark.parametrize(
    "covered, coverable, precision, shown",
    [
        (0, 0, 0, "100"),
        (0, 7, 0, "0"),
        (7, 7, 0, "100"),
        (1, 3, 0, "33"),
        (1, 3, 2, "33.33"),
        (1, 100_000, 0, "1"),
        (1, 100_000, 2, "0.01"),
        (99_999, 100_000, 0, "99"),
        (99_999, 100_000, 1, "99.9"),
        (99_999, 100_000, 3, "99.999"),
        (1, 200, 0, "1"),
        (5, 200, 0, "2"),
        (7, 200, 0, "4"),
        (1887, 2000, 1, "94.3"),
    ],
)
def test_shown_as_coverage_py_shows_it(
    covered: int, coverable: int, precision: int, shown: str
) -> None:
    assert of(covered, coverable).shown(precision) == shown


def test_statements_and_branches_count_alike() -> None:
    totals = Totals(statements=6, missing=2, branches=2, partial_branches=1, missing_branches=1)
    assert totals.percent_covered == Fraction(125, 2)


@pytest.mark.parametrize(
    "covered, coverable, floor, shown",
    [
        (949, 1000, "95", "94.9"),
        (9496, 10000, "95", "94.96"),
        (944, 1000, "95", "94"),
        (99_999, 100_000, "100", "99"),
        (1, 1000, "0.5", "0.1"),
        (0, 3, "0.001", "0"),
        (2, 3, "66.6667", "66.66667"),
    ],
)
def test_a_figure_below_its_floor_reads_so(
    covered: int, coverable: int, floor: str, shown: str
) -> None:
    text = of(covered, coverable).shown_below(Fraction(floor), 0)
    assert Fraction(text) < Fraction(floor)
    assert text == shown


@pytest.mark.parametrize("text", ["0", "95", "94.9", "0.001", "99.99999999"])
def test_a_floor_reads_as_it_was_written(text: str) -> None:
    assert exact_decimal(Fraction(text)) == text


@pytest.mark.parametrize(
    "covered, coverable, floor, needed",
    [(6, 8, "90", 2), (6, 8, "75.1", 1), (0, 10, "100", 10), (949, 1000, "95", 1)],
)
def test_how_much_is_needed_is_exact(covered: int, coverable: int, floor: str, needed: int) -> None:
    finding = Finding("fail_under", "total", of(covered, coverable), Fraction(floor), ())
    assert finding.needed == needed
    assert of(covered + needed, coverable).percent_covered >= Fraction(floor)
    assert of(covered + needed - 1, coverable).percent_covered < Fraction(floor)


def test_missing_lines_join_over_what_is_no_statement() -> None:
    lines = Lines(
        executed=(4, 6, 8),
        missing=(1, 2, 5, 10, 11),
        excluded=(6,),
        missing_branches=((4, 5), (4, -1), (8, 4), (10, 4)),
    )
    assert lines.missing_items() == ["1-2", "4->exit", "5", "8->4", "10-11"]
