"""The memory tier: what it gives back, what it forgets, and that nothing in it stalls."""

import gc
import time
import tracemalloc

import pytest
from cachetools import TTLCache
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.record import Kept
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Live, Mccmnc, Msisdn, NumberInfo
from tests.lookup.tiers.keeping import DAY, ONE, TWO, numbers, said

SAID = said()


def test_what_was_put_is_returned_with_its_age() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, SAID, 1000.0)
    assert Kept(42.5, SAID) == tier.get(ONE, 1042.5)
    assert NumberInfo(Mccmnc("23415"), Live.LIVE) == SAID.info
    assert None is tier.get(TWO, 1042.5)


@given(age_s=st.floats(0, DAY), mnc=st.integers(0, 999))
def test_everything_survives_the_packing(age_s: float, mnc: int) -> None:
    tier = MemoryTier(10)
    one = said(f"234{mnc:03}", "other", ported=True)
    tier.put(ONE, one, 0.0)
    assert Kept(age_s, one) == tier.get(ONE, age_s)


def test_a_later_answer_takes_the_place_of_the_earlier() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, SAID, 0.0)
    tier.put(ONE, said("23410"), 5.0)
    assert Kept(1.0, said("23410")) == tier.get(ONE, 6.0)
    assert 1 == len(tier)


@pytest.mark.parametrize("entries", [1, 100, 4_096, 50_001, 300_000])
def test_f36_it_never_holds_more_than_its_entries(entries: int) -> None:
    tier = MemoryTier(entries)
    for number in numbers(min(entries, 60_000) + 500):
        tier.put(number, SAID, 0.0)
    assert len(tier) <= entries


def test_f36_numbers_in_use_outlive_any_stream_of_new_ones() -> None:
    tier = MemoryTier(50_000)
    hot = numbers(500, 441_000_000_000)
    for number in hot:
        tier.put(number, SAID, 0.0)
    for index, number in enumerate(numbers(200_000)):
        tier.put(number, SAID, 0.0)
        assert tier.get(hot[index % 500], 1.0) is not None
    assert len(tier) <= 50_000


def test_f36_a_full_tier_takes_new_numbers_without_a_stall_or_more_memory() -> None:
    tier = MemoryTier(50_000)
    for number in numbers(50_500):
        tier.put(number, SAID, 0.0)
    gc.collect()
    tracemalloc.start()
    try:
        for number in numbers(50_000, 441_000_000_000):
            tier.put(number, SAID, 1.0)
        grown, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Every old entry gave way to a new one: about 200 bytes each came, and none of them is more.
    assert most < 50_000 * 400
    assert grown <= most
    worst = longest(5_000, lambda number: tier.put(number, SAID, 2.0))
    assert worst < 0.2


def test_what_an_account_said_while_it_was_not_to_be_trusted_is_removed_when_asked_for() -> None:
    tier = MemoryTier(10)
    before, within, after, other = numbers(4)
    for number, obtained, one in (
        (before, 5.0, SAID),
        (within, 10.0, SAID),
        (after, 21.0, SAID),
        (other, 10.0, said(provider="other")),
    ):
        tier.put(number, one, obtained)
    tier.purge("npl", 10.0, 20.0)
    found = [tier.get(number, 30.0) is not None for number in (before, within, after, other)]
    assert [True, False, True, True] == found
    assert 3 == len(tier)


def test_a_small_tier_forgets_the_least_recently_used() -> None:
    tier = MemoryTier(2)
    first, second, third = numbers(3)
    tier.put(first, SAID, 0.0)
    tier.put(second, SAID, 0.0)
    tier.get(first, 1.0)
    tier.put(third, SAID, 2.0)
    assert [True, False, True] == [
        tier.get(number, 3.0) is not None for number in (first, second, third)
    ]


def test_an_entry_beyond_its_life_is_not_returned_and_makes_room() -> None:
    tier = MemoryTier(10, keep_s=100.0)
    tier.put(ONE, SAID, 0.0)
    assert tier.get(ONE, 100.0) is not None
    assert None is tier.get(ONE, 100.1)
    assert 0 == len(tier)


def test_dropping_says_whether_there_was_something() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, SAID, 0.0)
    assert [True, False] == [tier.drop(ONE), tier.drop(ONE)]
    assert None is tier.get(ONE, 0.0)


def test_clearing_forgets_everything() -> None:
    tier = MemoryTier(20_000)
    for number in numbers(100):
        tier.put(number, SAID, 0.0)
    tier.clear()
    assert 0 == len(tier)


def collection() -> float:
    start = time.perf_counter()
    gc.collect()
    return time.perf_counter() - start


def test_a_frozen_tier_costs_the_collector_nothing_however_it_grows() -> None:
    tier = MemoryTier(100_000)
    gc.collect()
    gc.freeze()
    try:
        for number in numbers(100_000):
            tier.put(number, SAID, 0.0)
        ours = min(collection() for _ in range(3))
        control = [[number] for number in numbers(100_000)]
        ordinary = min(collection() for _ in range(3))
    finally:
        gc.unfreeze()
    assert 100_000 == len(control)
    assert ours < ordinary / 2


def test_networks_are_shared_between_numbers() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, SAID, 0.0)
    tier.put(TWO, SAID, 0.0)
    one, two = tier.get(ONE, 1.0), tier.get(TWO, 1.0)
    assert one is not None
    assert two is not None
    assert one.said is two.said


def longest(operations: int, one: object) -> float:
    """Run ``one(number)`` for new numbers; return the longest single one in seconds."""
    assert callable(one)
    most = 0.0
    for index in range(operations):
        number = Msisdn(str(490_000_000_000 + index))
        start = time.perf_counter()
        one(number)
        most = max(most, time.perf_counter() - start)
    return most


def test_mass_expiry_stalls_nothing_where_a_ttl_cache_does() -> None:
    entries = numbers(200_000)
    tier = MemoryTier(200_000, keep_s=10.0)
    clock = [0.0]
    control: TTLCache[Msisdn, bytes] = TTLCache(200_000, 10.0, timer=lambda: clock[0])
    for number in entries:
        tier.put(number, SAID, 0.0)
        control[number] = b"x"
    clock[0] = 11.0

    def use(number: Msisdn) -> None:
        tier.put(number, SAID, 11.0)
        tier.get(entries[0], 11.0)

    stalled = longest(1, lambda number: control.__setitem__(number, b"x"))
    gc.disable()
    worst = longest(5_000, use)
    gc.enable()
    assert stalled > 0.02
    assert worst < stalled / 2
