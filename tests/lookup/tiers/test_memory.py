"""The memory tier: what it gives back, what it forgets, and that nothing in it stalls."""

import gc
import time

import pytest
from cachetools import TTLCache
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.provider import Answer
from agi.lookup.tiers.memory import Kept, MemoryTier, Said
from agi.model import Live, Mccmnc, Msisdn, NumberInfo, Outcome
from tests.lookup.making import NETWORK, ONE, TWO, numbers, ok

DAY = 86_400.0


def test_what_was_put_is_returned_with_its_age() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, ok(ONE), 1000.0, kind="comcetera")
    said = Said(NETWORK, NumberInfo(Mccmnc("23415")), "comcetera", "")
    assert Kept(42.5, said) == tier.get(ONE, 1042.5)
    assert None is tier.get(TWO, 1042.5)


@given(
    mccmnc=st.none() | st.from_regex(r"[2-7][0-9]{4,5}", fullmatch=True).map(Mccmnc),
    live=st.none() | st.sampled_from(Live),
    ported=st.none() | st.booleans(),
    code=st.from_regex(r"(err[0-9]{1,3})?", fullmatch=True),
    age_s=st.floats(0, DAY),
)
def test_everything_survives_the_packing(
    mccmnc: Mccmnc | None, live: Live | None, ported: bool | None, code: str, age_s: float
) -> None:
    tier = MemoryTier(10)
    info = NumberInfo(mccmnc, live, ported)
    tier.put(ONE, Answer(ONE, Outcome.OK, info, code), 0.0, kind="comcetera")
    said = Said(info, NumberInfo(mccmnc, None, ported), "comcetera", code)
    assert Kept(age_s, said) == tier.get(ONE, age_s)


def test_a_later_answer_takes_the_place_of_the_earlier() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, ok(ONE), 0.0)
    tier.put(ONE, Answer(ONE, Outcome.NOT_FOUND, None, "err1"), 5.0)
    kept = tier.get(ONE, 6.0)
    assert kept is not None
    assert (1.0, "err1", NumberInfo()) == (kept.age_s, kept.said.code, kept.said.info)
    assert 1 == len(tier)


@pytest.mark.parametrize("entries", [1, 100, 4_096, 50_001, 300_000])
def test_it_never_holds_more_than_its_entries(entries: int) -> None:
    tier = MemoryTier(entries)
    for number in numbers(min(entries, 60_000) + 500):
        tier.put(number, ok(number), 0.0)
    assert len(tier) <= entries


def test_a_small_tier_forgets_the_least_recently_used() -> None:
    tier = MemoryTier(2)
    first, second, third = numbers(3)
    tier.put(first, ok(first), 0.0)
    tier.put(second, ok(second), 0.0)
    tier.get(first, 1.0)
    tier.put(third, ok(third), 2.0)
    assert [True, False, True] == [
        tier.get(number, 3.0) is not None for number in (first, second, third)
    ]


def test_an_entry_beyond_its_life_is_not_returned_and_makes_room() -> None:
    tier = MemoryTier(10, keep_s=100.0)
    tier.put(ONE, ok(ONE), 0.0)
    assert tier.get(ONE, 100.0) is not None
    assert None is tier.get(ONE, 100.1)
    assert 0 == len(tier)


def test_dropping_says_whether_there_was_something() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, ok(ONE), 0.0)
    assert [True, False] == [tier.drop(ONE), tier.drop(ONE)]
    assert None is tier.get(ONE, 0.0)


def test_clearing_forgets_everything() -> None:
    tier = MemoryTier(20_000)
    for number in numbers(100):
        tier.put(number, ok(number), 0.0)
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
            tier.put(number, ok(number), 0.0)
        ours = min(collection() for _ in range(3))
        control = [ok(number) for number in numbers(100_000)]
        ordinary = min(collection() for _ in range(3))
    finally:
        gc.unfreeze()
    assert 100_000 == len(control)
    assert ours < ordinary / 2


def test_networks_are_shared_between_numbers() -> None:
    tier = MemoryTier(10)
    tier.put(ONE, ok(ONE), 0.0)
    tier.put(TWO, ok(TWO), 0.0)
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
        tier.put(number, ok(number), 0.0)
        control[number] = b"x"
    clock[0] = 11.0

    def use(number: Msisdn) -> None:
        tier.put(number, ok(number), 11.0)
        tier.get(entries[0], 11.0)

    stalled = longest(1, lambda number: control.__setitem__(number, b"x"))
    gc.disable()
    worst = longest(5_000, use)
    gc.enable()
    assert stalled > 0.02
    assert worst < stalled / 2
