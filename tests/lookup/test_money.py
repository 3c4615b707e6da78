"""A day's money: what may be spent, held, given back, and what must be on disk before."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.money import Budget, exact

DAY = "2026-11-21"
PRICE = Decimal("0.006")


def budget(limit: str | None = "50.00", price: Decimal = PRICE, *, secured: str = "") -> Budget:
    made = Budget(None if limit is None else Decimal(limit), price)
    made.turn(DAY)
    if secured:
        made.secure(DAY, Decimal(secured))
    return made


def test_nothing_may_be_spent_before_the_disk_knows() -> None:
    made = budget()
    assert made.may(DAY) is False
    made.secure(DAY, Decimal("0.006"))
    assert made.may(DAY) is True
    assert made.may(DAY) is False


def test_a_limit_is_never_exceeded_and_used_up_exactly() -> None:
    made = budget("0.06", secured="0.06")
    assert [True] * 10 + [False] * 3 == [made.may(DAY) for _ in range(13)]


def test_tenths_add_up_exactly() -> None:
    made = budget("1", Decimal(1), secured="1")
    assert [True] * 10 + [False] == [made.may(DAY, 0.1) for _ in range(11)]


def test_half_units_cost_half() -> None:
    made = budget("1", Decimal(1), secured="1")
    assert made.may(DAY, 0.5)
    made.settle(0.5)
    assert (Decimal("0.5"), Decimal("0.5")) == (made.spent, made.left)


def test_what_is_refunded_may_be_spent_again() -> None:
    made = budget("0.006", secured="0.006")
    assert made.may(DAY)
    assert not made.may(DAY)
    made.refund(1)
    assert made.may(DAY)


def test_what_is_settled_may_not() -> None:
    made = budget("0.006", secured="0.006")
    assert made.may(DAY)
    made.settle(1)
    assert not made.may(DAY)
    assert made.gone


def test_an_answer_cheaper_than_what_was_held_gives_the_rest_back() -> None:
    made = budget("1", Decimal(1), secured="1")
    assert made.may(DAY, 1)
    made.settle(0.5, held=1)
    assert (Decimal(0), Decimal("0.5")) == (made.held, made.left)


def test_an_answer_dearer_than_what_was_held_is_counted_in_full() -> None:
    made = budget("3", Decimal(1), secured="1")
    assert made.may(DAY, 1)
    made.settle(2, held=1)
    assert (Decimal(2), Decimal(1)) == (made.spent, made.left)
    assert not made.may(DAY, 1)
    assert Decimal(3) == made.target()


def test_in_flight_money_is_not_gone_but_not_left_either() -> None:
    made = budget("0.006", secured="0.006")
    assert made.may(DAY)
    assert (Decimal(0), False) == (made.left, made.gone)


def test_without_a_limit_everything_goes_and_is_counted() -> None:
    made = budget(None)
    assert all(made.may(DAY) for _ in range(3))
    made.settle(3)
    assert (Decimal("0.018"), None, False) == (made.spent, made.left, made.gone)
    assert made.target() is None


def test_a_limit_of_nothing_allows_nothing() -> None:
    made = budget("0")
    assert (False, True, None) == (made.may(DAY), made.gone, made.target())


def test_what_costs_nothing_is_always_allowed() -> None:
    made = budget("0", Decimal(0))
    assert (True, False) == (made.may(DAY, 1000), made.gone)


def test_a_portion_is_a_hundredth_of_the_limit() -> None:
    assert Decimal("0.50") == budget("50.00").target()


def test_a_portion_is_at_least_fifty_units() -> None:
    assert Decimal("0.300") == budget("1.00").target()


def test_a_portion_is_no_more_than_the_limit() -> None:
    assert Decimal("0.010") == budget("0.010").target()


def test_the_next_portion_is_wanted_when_half_of_one_is_used() -> None:
    made = budget("50.00", secured="0.50")
    assert made.target() is None
    assert made.may(DAY, 41)  # 0.246 of 0.25
    assert made.target() is None
    assert made.may(DAY, 1)
    assert Decimal("0.752") == made.target()


def test_nothing_more_is_wanted_at_the_limit() -> None:
    made = budget("0.30", secured="0.30")
    assert made.may(DAY, 49)
    assert made.target() is None


def test_a_batch_larger_than_a_portion_makes_room_for_itself() -> None:
    made = budget("50.00", secured="0.50")
    assert not made.may(DAY, 1000)
    target = made.target()
    assert Decimal("6.50") == target  # the 6.00 asked for, and a portion
    made.secure(DAY, target)
    assert made.may(DAY, 1000)


def test_a_batch_that_the_limit_cannot_pay_does_not_ask_the_disk() -> None:
    made = budget("5.00", secured="0.30")
    assert not made.may(DAY, 1000)
    assert made.target() is None


def test_another_day_is_refused_until_it_is_turned_to() -> None:
    made = budget(secured="0.50")
    assert not made.may("2026-11-22")
    made.turn("2026-11-22")
    assert not made.may("2026-11-22")
    made.secure(DAY, Decimal(9))
    assert not made.may("2026-11-22")
    made.secure("2026-11-22", Decimal("0.50"))
    assert made.may("2026-11-22")


def test_what_is_in_flight_at_midnight_counts_to_the_new_day() -> None:
    made = budget("1", Decimal(1), secured="1")
    assert made.may(DAY)
    made.turn("2026-11-22")
    assert Decimal(0) == made.left
    made.settle(1)
    assert Decimal(1) == made.spent


def test_a_day_taken_up_again_begins_with_what_it_cost() -> None:
    made = budget("1", Decimal(1))
    made.turn(DAY, Decimal("0.5"))
    assert Decimal("0.5") == made.left


@pytest.mark.parametrize("units", [-1, float("nan"), float("inf"), Decimal("-0.5")])
def test_units_that_are_no_amount_are_refused(units: float | Decimal) -> None:
    with pytest.raises(ValueError, match="finite number from 0"):
        exact(units)


steps = st.lists(
    st.tuples(st.sampled_from(["may", "settle", "refund", "disk"]), st.integers(1, 120)),
    max_size=60,
)


@given(steps, st.integers(0, 300))
def test_whatever_happens_the_disk_is_ahead_and_the_limit_holds(
    steps: list[tuple[str, int]], limit: int
) -> None:
    made = budget(str(limit), Decimal(1))
    disk, paid, flying = Decimal(0), 0, []
    for what, units in steps:
        if what == "may" and made.may(DAY, units):
            flying.append(units)
        elif what == "disk" and (target := made.target()) is not None:
            disk = target
            made.secure(DAY, disk)
        elif what in ("settle", "refund") and flying:
            units_in_flight = flying.pop()
            paid += units_in_flight if what == "settle" else 0
            getattr(made, what)(units_in_flight)
        assert paid + sum(flying) <= disk <= limit
        assert limit - paid - sum(flying) == made.left
