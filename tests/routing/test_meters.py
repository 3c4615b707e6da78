"""Counting: what is too much is stopped, what is ordinary is not, and memory stays bounded."""

from __future__ import annotations

import random
import time

import pytest

from agi.routing.limits import Limits, read_limits
from agi.routing.meters import MAX_COUNTS, MAX_KEY, MAX_PACES, MAX_TOLD, Meters
from agi.routing.reading.faults import Faults
from agi.routing.trunk import Trunk

HEADER = "account,prefix,level,calls,lookups,half_life_s,comment\n"
NUMBER = "447700900123"


def limits(rows: str) -> Limits:
    faults = Faults()
    found = read_limits("limits.csv", (HEADER + rows).encode(), faults)
    faults.refuse()
    return found


def trunk(name: str, cps: int) -> Trunk:
    return Trunk(name, name, "PJSIP", 60, True, cps=cps)


BLOCK = limits(",,block,15,,600,\n")
LOOKUPS = limits(",,block,,15,600,\n")


# Calls.


def test_as_many_calls_as_the_limit_go_and_the_next_is_stopped() -> None:
    meters = Meters()
    told = [meters.call(BLOCK, "acme", NUMBER, 0.0) for _ in range(17)]
    assert [None] * 15 + [2, 2] == told


def test_a_count_halves_in_its_half_life() -> None:
    meters = Meters()
    for _ in range(15):
        assert meters.call(BLOCK, "acme", NUMBER, 100.0) is None
    # 7.5 are left of 15: seven more go, the eighth makes 15.5.
    told = [meters.call(BLOCK, "acme", NUMBER, 700.0) for _ in range(8)]
    assert [None] * 7 + [2] == told


def test_how_full_a_limit_is_can_be_asked_without_counting() -> None:
    meters = Meters()
    (limit,) = BLOCK.rows
    for _ in range(6):
        meters.call(BLOCK, "acme", NUMBER, 0.0)
    # 6 of 15, half of it after a half-life; asked as often as one likes.
    asked = [meters.fullness(limit, "acme", NUMBER, at) for at in (0.0, 0.0, 600.0)]
    assert [0.4, 0.4, 0.2] == pytest.approx(asked)
    assert 0.0 == meters.fullness(limit, "other", NUMBER, 0.0)
    assert meters.fullness(LOOKUPS.rows[0], "acme", NUMBER, 0.0) is None
    assert 1 == len(meters)


def test_who_goes_on_stays_out_and_is_let_in_a_half_life_after_the_end() -> None:
    meters = Meters()
    for second in range(3_600):
        meters.call(BLOCK, "acme", NUMBER, float(second))
    # The count stands at 30 and one less each second's decay; 29 / 2 + 1 is 15.5, 14 + 1 is 15.
    assert 2 == meters.call(BLOCK, "acme", NUMBER, 3_600.0 + 500)
    patient = Meters()
    for second in range(3_600):
        patient.call(BLOCK, "acme", NUMBER, float(second))
    assert patient.call(BLOCK, "acme", NUMBER, 3_600.0 + 700) is None


def test_numbers_of_one_block_count_together_and_those_of_another_do_not() -> None:
    meters = Meters()
    told = [meters.call(BLOCK, "acme", f"447700900{n:03d}", 0.0) for n in range(16)]
    assert 2 == told[-1]
    assert meters.call(BLOCK, "acme", "447700901000", 0.0) is None


def test_the_first_limit_of_the_file_is_named_and_all_of_them_count() -> None:
    both = limits(",,number,2,,,\n,,block,1,,,\n")
    meters = Meters()
    told = [meters.call(both, "acme", NUMBER, 0.0) for _ in range(3)]
    assert [None, 3, 2] == told


def test_without_limits_nothing_is_counted() -> None:
    meters = Meters()
    assert meters.call(limits(",33,block,1,,,\n"), "acme", NUMBER, 0.0) is None
    assert meters.call(LOOKUPS, "acme", NUMBER, 0.0) is None
    assert meters.dip(BLOCK, "acme", NUMBER, 0.0)
    assert 0 == len(meters)


def test_a_reloaded_table_finds_its_counts_again() -> None:
    meters = Meters()
    for _ in range(10):
        meters.call(BLOCK, "acme", NUMBER, 0.0)
    lower = limits("# new\n,,block,10,,600,\n")
    assert 3 == meters.call(lower, "acme", NUMBER, 0.0)


def test_a_clock_that_stands_or_steps_back_loses_no_count() -> None:
    meters = Meters()
    for _ in range(15):
        meters.call(BLOCK, "acme", NUMBER, 100.0)
    assert 2 == meters.call(BLOCK, "acme", NUMBER, 99.0)
    assert 2 == meters.call(BLOCK, "acme", NUMBER, 100.0)
    # Had the step back counted, these ten half-lives would pass twice.
    assert 2 == meters.call(BLOCK, "acme", NUMBER, 100.0 - 6_000)
    assert 2 == meters.call(BLOCK, "acme", NUMBER, 100.0)


# Lookups.


def test_a29_along_a_block_lookups_stop_but_for_one_in_ten_and_calls_go_on() -> None:
    rows = limits(",44,block,,300,600,\n")
    meters = Meters()
    numbers = [f"447700900{number:03d}" for number in range(1_000)]
    calls = [meters.call(rows, "acme", number, 0.0) for number in numbers]
    dips = [meters.dip(rows, "acme", number, 0.0) for number in numbers]
    assert [None] * 1_000 == calls
    assert [True] * 300 == dips[:300]
    assert 70 == sum(dips[300:])


def test_a29_call_back_bait_to_one_foreign_range_is_stopped() -> None:
    meters = Meters()
    told = [meters.call(BLOCK, "acme", f"22997{n:06d}"[:11], n * 2.0) for n in range(40)]
    assert told[:15] == [None] * 15
    assert 2 == told[16]


def test_a30_an_account_that_drains_its_lookups_leaves_the_others_theirs() -> None:
    rows = limits(",,country,5,100,600,\n")
    meters = Meters()
    dice = random.Random(30)
    made = 0
    for _ in range(2_000):
        made += meters.dip(rows, "drain", f"447{dice.randrange(10**9):09d}", 0.0)
    assert 100 + 190 == made
    assert all(meters.dip(rows, "acme", f"447{n:09d}", 0.0) for n in range(100))
    for _ in range(50):
        meters.call(rows, "drain", NUMBER, 0.0)
    assert 2 == meters.call(rows, "drain", NUMBER, 0.0)
    assert meters.call(rows, "acme", NUMBER, 0.0) is None
    assert meters.call(rows, "", NUMBER, 0.0) is None


# Calls per second.


@pytest.mark.parametrize("cps", [1, 2, 7, 50])
def test_a_trunk_never_gets_more_than_its_calls_in_any_second(cps: int) -> None:
    dice = random.Random(cps)
    meters, a, now = Meters(), trunk("a", cps), 1_000.0
    taken: list[float] = []
    for _ in range(5_000):
        now += dice.choice([0.0, 0.001, 0.3 / cps, 1.0 / cps, 1.1])
        if not meters.trunk_closed(a, now):
            meters.trunk_taken(a, now)
            taken.append(now)
    for first, last in zip(taken, taken[cps:], strict=False):
        assert last - first >= 1.0
    assert len(taken) > 500


def test_a_trunk_at_its_limit_takes_the_next_call_a_second_later() -> None:
    meters, a = Meters(), trunk("a", 2)
    for now in (10.0, 10.5):
        assert not meters.trunk_closed(a, now)
        meters.trunk_taken(a, now)
    assert meters.trunk_closed(a, 10.75)
    assert not meters.trunk_closed(a, 11.0)
    assert not meters.trunk_closed(trunk("b", 2), 10.75)


def test_a_trunk_without_a_limit_is_never_closed_nor_counted() -> None:
    meters, a = Meters(), trunk("a", 0)
    for _ in range(100):
        meters.trunk_taken(a, 0.0)
    assert not meters.trunk_closed(a, 0.0)
    assert 0 == len(meters)
    assert [] == meters.drain()


def test_an_account_has_so_many_calls_a_second_and_refused_ones_do_not_count() -> None:
    meters = Meters()
    assert [True, True, False, False] == [
        meters.account_taken("acme", 2, now) for now in (0.0, 0.5, 0.75, 0.9)
    ]
    assert meters.account_taken("acme", 2, 1.0)
    assert not meters.account_taken("acme", 2, 1.25)
    assert meters.account_taken("other", 2, 1.25)
    assert all(meters.account_taken("acme", 0, 1.25) for _ in range(10))


# Several routers.


def test_two_routers_that_tell_each_other_hold_one_limit() -> None:
    one, other = Meters(), Meters()
    gone = 0
    for call in range(40):
        here, there = (one, other) if call % 2 else (other, one)
        gone += here.call(BLOCK, "acme", NUMBER, float(call) / 100) is None
        there.hear(here.drain(), float(call) / 100)
    assert 15 == gone


def test_two_routers_hold_one_trunk_and_one_account() -> None:
    one, other, a = Meters(), Meters(), trunk("a", 2)
    one.trunk_taken(a, 0.0)
    one.trunk_taken(a, 0.0)
    one.account_taken("acme", 1, 0.0)
    told = one.drain()
    assert 2 == len(told)
    other.hear(told, 0.1)
    assert other.trunk_closed(a, 0.5)
    assert not other.account_taken("acme", 1, 0.5)
    assert not other.trunk_closed(a, 1.2)


def test_a_flood_at_one_router_counts_at_the_others_up_to_double_the_limit_too() -> None:
    one, other = Meters(), Meters()
    for call in range(2_000):
        one.call(BLOCK, "acme", NUMBER, call / 100)
        other.hear(one.drain(), call / 100)
    # From 30 at most to less than 15 within two half-lives, as at the router that was flooded.
    assert one.call(BLOCK, "acme", NUMBER, 1_220.0) is None
    assert other.call(BLOCK, "acme", NUMBER, 1_220.0) is None


def test_while_a_flood_goes_on_at_one_router_the_others_stay_shut() -> None:
    one, other = Meters(), Meters()
    for second in range(0, 3_600, 5):
        one.call(BLOCK, "acme", NUMBER, float(second))
        other.hear(one.drain(), float(second))
    assert 2 == other.call(BLOCK, "acme", NUMBER, 3_600.0)


def test_a_count_beyond_an_eighth_of_its_limit_is_to_be_told_at_once_until_it_is_full() -> None:
    """Limit 16: from 3 up to the double, 32; a count that grows no more says nothing."""
    meters, rows = Meters(), limits(",,number,16,,300,\n")
    near: list[None] = []
    meters.on_near = lambda: near.append(None)
    told = []
    for _ in range(34):
        near.clear()
        meters.call(rows, "pbx", NUMBER, 0.0)
        told.append(len(near))
    assert [0] * 2 + [1] * 30 + [0] * 2 == told


def test_what_was_told_is_not_told_again_and_what_was_heard_is_not_told_on() -> None:
    one, other = Meters(), Meters()
    one.call(BLOCK, "acme", NUMBER, 0.0)
    one.call(BLOCK, "acme", NUMBER, 0.0)
    ((key, amount),) = told = one.drain()
    assert 2.0 == amount
    assert key.isascii()
    assert len(key) <= MAX_KEY
    assert [] == one.drain()
    other.hear(told, 0.0)
    assert [] == other.drain()


def test_the_longest_key_is_short_enough() -> None:
    meters = Meters()
    longest = limits(",,number,1,,86400,\n")
    meters.call(longest, "a" * 32, "9" * 32, 0.0)
    ((key, _),) = meters.drain()
    assert len(key) <= MAX_KEY


@pytest.mark.parametrize(
    "junk",
    [
        (),
        ("c600.00000000.acme/44",),
        ("", 1.0),
        ("c600.00000000.acme/44", float("nan")),
        ("c600.00000000.acme/44", float("inf")),
        ("c600.00000000.acme/44", -1.0),
        ("c600.00000000.acme/44", 0.0),
        ("c600.00000000.acme/44", 1e9),
        ("c600.00000000.acme/44", "1"),
        ("c600.00000000.acme/44", None),
        ("c0.00000000.acme/44", 1.0),
        ("c.00000000.acme/44", 1.0),
        ("c999999.00000000.acme/44", 1.0),
        ("c86401.00000000.acme/44", 1.0),
        ("x600.00000000.acme/44", 1.0),
        ("c600.00000000.\u0661/44", 1.0),
        ("c" * 81, 1.0),
        (b"c600.00000000.acme/44", 1.0),
        (["c600"], 1.0),
        None,
        7,
        "c6",
    ],
)
def test_junk_is_ignored_and_what_stands_beside_it_is_not(junk: object) -> None:
    meters = Meters()
    meters.hear([junk, ("tb", 1.0), junk], 0.0)
    assert 1 == len(meters)


def test_what_is_told_and_heard_at_once_is_bounded() -> None:
    rows, meters = limits(",,number,15,,600,\n"), Meters()
    for number in range(MAX_TOLD + 1_000):
        meters.call(rows, "acme", f"447{number:09d}", 0.0)
    told = meters.drain()
    assert MAX_TOLD == len(told)
    other = Meters()
    other.hear([*told, ("tb", 1.0)], 0.0)
    assert MAX_TOLD == len(other)


# Bounds.


def test_a27_no_flood_of_numbers_takes_more_memory_or_drives_a_strong_count_out() -> None:
    rows, meters = limits(",,number,15,,600,\n"), Meters()
    for _ in range(30):
        meters.call(rows, "acme", NUMBER, 0.0)
    before = time.process_time()
    for number in range(3 * MAX_COUNTS):
        meters.call(rows, "acme", f"33{number:09d}", 1.0)
    # Measured: 5 us each.
    assert time.process_time() - before < 3 * MAX_COUNTS * 60e-6
    assert MAX_COUNTS == len(meters)
    assert 2 == meters.call(rows, "acme", NUMBER, 1.0)


def test_a27_a_weak_count_in_use_outlives_weak_ones_that_are_not() -> None:
    rows, meters = limits(",,number,1,,600,\n"), Meters()
    meters.call(rows, "acme", NUMBER, 0.0)
    for number in range(MAX_COUNTS - 1):
        meters.call(rows, "acme", f"33{number:09d}", 0.0)
    meters.call(rows, "acme", NUMBER, 6_000.0)
    for number in range(MAX_COUNTS // 2):
        meters.call(rows, "acme", f"34{number:09d}", 6_000.0)
    assert 2 == meters.call(rows, "acme", NUMBER, 6_000.0)


def test_a27_the_slowest_call_of_a_flood_is_quick_too() -> None:
    rows, meters = limits(",,number,15,,600,\n"), Meters()
    slowest = 0.0
    for number in range(MAX_COUNTS + 5_000):
        before = time.thread_time()
        meters.call(rows, "acme", f"33{number:09d}", 1.0)
        slowest = max(slowest, time.thread_time() - before)
    # Nothing is swept: growing the table once takes the longest, some milliseconds.
    assert slowest < 0.2


def test_a27_made_up_accounts_take_bounded_memory() -> None:
    meters = Meters()
    for number in range(MAX_PACES + 500):
        meters.account_taken(f"a{number}", 5, 0.0)
    assert MAX_PACES == len(meters)
