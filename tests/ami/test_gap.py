"""How long events may have been missed, and how long a refused listener stays away."""

from __future__ import annotations

import math

import pytest

from agi.ami.gap import Gap
from agi.ami.holding import Holding
from agi.ami.pauses import PATIENCE, Pauses


def test_a_gap_is_open_from_the_start_and_counts_its_seconds() -> None:
    gap = Gap(100.0)
    assert (True, 5.0, 0) == (gap.open, gap.seconds(105.0), gap.count)
    assert gap.close(110.0, gap.losses)
    assert (False, 10.0, 0) == (gap.open, gap.seconds(500.0), gap.count)


def test_a_gap_that_opens_again_is_counted_and_adds_up() -> None:
    gap = Gap(0.0)
    gap.close(1.0, gap.losses)
    assert gap.lose(10.0)
    assert not gap.lose(11.0)
    assert gap.close(14.0, gap.losses)
    assert (1, 5.0) == (gap.count, gap.seconds(99.0))


def test_a_gap_that_closes_before_it_was_last_told_does_not_run_back() -> None:
    """The list that ends it is heard a moment after it was made; a scrape came between."""
    gap = Gap(0.0)
    assert 10.3 == gap.seconds(10.3)
    gap.close(10.0, gap.losses)
    assert 10.3 == gap.seconds(99.0)
    gap.lose(100.0)
    assert 12.3 == pytest.approx(gap.seconds(102.0))


def test_a_list_that_was_asked_for_before_a_loss_does_not_close_the_gap() -> None:
    gap = Gap(0.0)
    before = gap.losses
    gap.lose(1.0)
    assert not gap.close(2.0, before)
    assert gap.open
    assert not Gap(0.0).lose(1.0)


def test_a_closed_gap_is_not_closed_twice_and_time_never_runs_back() -> None:
    gap = Gap(10.0)
    assert gap.close(5.0, 0)
    assert not gap.close(6.0, 0)
    assert 0.0 == gap.seconds(7.0)


def test_f47_the_pauses_double_from_half_a_second_to_half_a_minute_with_jitter() -> None:
    pauses = Pauses(PATIENCE, lambda: 0.999999)
    found = [pauses.after_failure(0.0) for _ in range(9)]
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == pytest.approx(found, rel=1e-4)
    least = Pauses(PATIENCE, lambda: 0.0)
    assert [0.25, 0.5, 1.0] == [least.after_failure(0.0) for _ in range(3)]


def test_a_connection_that_lasted_begins_the_pauses_anew_and_a_short_one_does_not() -> None:
    pauses = Pauses(PATIENCE, lambda: 0.999999)
    for _ in range(6):
        pauses.after_failure(1.0)
    assert 30.0 == pytest.approx(pauses.after_failure(1.0), rel=1e-4)
    assert 0.5 == pytest.approx(pauses.after_failure(30.0), rel=1e-4)


def test_f47_a_refused_login_waits_half_a_minute_at_least_and_is_never_banned() -> None:
    """fail2ban's defaults (jail.conf): maxretry 5 within findtime 10 minutes."""
    pauses = Pauses(PATIENCE, lambda: 0.0)
    found = [pauses.after_refusal() for _ in range(8)]
    assert [30.0, 120.0, 300.0, 300.0] == found[:4]
    attempts = [sum(found[:n]) for n in range(9)]
    assert all(later - first > 600 for first, later in zip(attempts, attempts[4:], strict=False))
    pauses.after_failure(60.0)
    assert 30.0 == pauses.after_refusal()


def test_ten_thousand_failures_do_not_overflow() -> None:
    pauses = Pauses(PATIENCE, lambda: 0.0)
    for _ in range(10_000):
        longest = pauses.after_failure(0.0), pauses.after_refusal()
    assert (15.0, 30.0) == longest


def test_what_is_held_is_given_when_its_time_has_come_in_order() -> None:
    held: Holding[str] = Holding(0.5)
    for came, item in ((1.0, "a"), (1.2, "b"), (2.0, "c")):
        held.add(came, came + 100, item)
    assert 1.5 == held.next
    assert [] == list(held.due(1.4))
    assert [(1.0, 101.0, "a"), (1.2, 101.2, "b")] == list(held.due(1.7))
    assert (1, 2.5) == (len(held), held.next)
    assert [(2.0, 102.0, "c")] == list(held.due(math.inf))
    assert (0, math.inf) == (len(held), held.next)


def test_what_is_spoilt_is_forgotten_and_the_rest_is_given() -> None:
    held: Holding[str] = Holding(0.5)
    for item in ("event", "list", "event"):
        held.add(1.0, 1.0, item)
    assert 2 == held.spoil(lambda item: item == "event")
    assert [(1.0, 1.0, "list")] == list(held.due(9.0))
