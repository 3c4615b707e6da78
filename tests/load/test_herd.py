"""Many calls at once to numbers that nobody asked before: one request pays for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.caller import D_S, Arrival, figures, place, steady
from tests.load.rig import NETWORK, mobile, rig

HERD = 1_000

SHORT = pytest.param(5.0, id="short")
LONG = pytest.param(30.0, id="long", marks=pytest.mark.soak)


def test_f34_1000_calls_at_once_to_a_cold_number_are_one_request(tmp_path: Path) -> None:
    """Its answer takes 250 ms, so that most of them are there before it comes."""
    with rig(tmp_path, latency_ms=250) as site:
        before = site.provider.requests()
        calls = place(site.address, [Arrival(0.0, mobile(0)) for _ in range(HERD)])
        asked = site.provider.requests() - before
        shares = [sum(row[-1] for row in site.counts(index)["calls"]) for index in (0, 1)]
    print(f"one cold number: {figures(calls)}; {asked} requests; by router {shares}")
    assert 1 == asked
    assert {True} == {call.committed for call in calls}
    assert {NETWORK} == {call.mccmnc for call in calls}
    assert all(shares), shares


@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_200_cold_numbers_a_second_through_one_slow_connection(
    tmp_path: Path, seconds: float
) -> None:
    """One connection and 300 ms a request: one number each would be 3.3 numbers a second."""
    rate = 200.0
    with rig(tmp_path, latency_ms=300) as site:
        calls = place(site.address, steady(rate, seconds, mobile))
        told = site.provider.report()
    print(
        f"{rate:.0f} cold numbers/s for {seconds:.0f} s: {figures(calls)}; "
        f"{told['requests']} requests, {told['distinct_numbers']} numbers, "
        f"at most {told['high_water']} at once"
    )
    assert {True} == {call.committed for call in calls}
    assert {NETWORK} == {call.mccmnc for call in calls}
    assert max(call.seconds for call in calls) <= D_S + 0.2
    assert len(calls) == told["distinct_numbers"] == sum_of(told)
    assert told["requests"] <= seconds / 0.3 + 3


def sum_of(told: dict[str, object]) -> int:
    """Return how many numbers were charged: each exactly once."""
    charged = told["charged"]
    assert isinstance(charged, int | float)
    return int(charged)
