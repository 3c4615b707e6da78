"""Faults come sorted, capped, and without whole numbers in them."""

from __future__ import annotations

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.faults import LIMIT, Faults, Nearest, shown


def test_no_fault_is_no_refusal_and_warnings_do_not_refuse() -> None:
    faults = Faults()
    faults.add(Fault("f", 1, 1, "odd", warning=True))
    faults.refuse()
    assert (Fault("f", 1, 1, "odd", warning=True),) == faults.warnings()
    assert 0 == len(faults)


@pytest.mark.parametrize("count", [LIMIT + 1, 3 * LIMIT, 5 * LIMIT + 7])
def test_the_first_thousand_by_place_are_told_and_a_closing_line_counts_the_rest(
    count: int,
) -> None:
    faults = Faults()
    for line in range(count, 0, -1):
        faults.add(Fault("f", line, 1, "wrong"))
    with pytest.raises(TableError) as caught:
        faults.refuse()
    assert list(range(1, LIMIT + 2)) == [fault.line for fault in caught.value.faults]
    assert f"and {count - LIMIT} more" in caught.value.faults[-1].what


def test_a_hundred_thousand_faults_do_not_stay_in_memory() -> None:
    faults = Faults()
    most = 0
    for line in range(100_000):
        faults.add(Fault("f", line + 1, 1, "wrong"))
        most = max(most, len(faults._faults._kept))
    assert most <= 2 * LIMIT
    assert 100_000 == len(faults)


def test_exactly_a_thousand_need_no_closing_line() -> None:
    faults = Faults()
    for line in range(LIMIT):
        faults.add(Fault("f", line + 1, 1, "wrong"))
    with pytest.raises(TableError) as caught:
        faults.refuse()
    assert ["wrong"] * LIMIT == [fault.what for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("abc", "'abc'"),
        ("447788450450", "'447788...'"),
        ("a\x1b[2J\u2028\xe9", r"'a\x1b[2J\u2028\xe9'"),
        ("x" * 50, f"'{'x' * 40}...'"),
    ],
)
def test_a_cell_is_quoted_short_printable_and_without_a_whole_number(
    cell: str, expected: str
) -> None:
    assert expected == shown(cell)


def test_the_nearest_name_is_suggested_a_hundred_times_at_most() -> None:
    nearest = Nearest(["Vodafone", "o2"])
    assert ["; did you mean 'Vodafone'?"] * 100 == [nearest.hint("vodafnoe") for _ in range(100)]
    assert "" == nearest.hint("vodafnoe")
    assert "" == Nearest(["o2"]).hint("zzz")
