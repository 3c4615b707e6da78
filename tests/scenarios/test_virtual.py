"""The clock of the scenarios: it jumps, keeps order, and does not hang."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.scenarios.virtual import START_S, Deadlock, Livelock, run


def test_a_week_passes_in_no_time_and_arrives_exactly() -> None:
    async def week() -> float:
        await asyncio.sleep(7 * 86_400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert START_S + 604_800 == run(week())
    assert time.monotonic() - began < 5


def test_timers_fire_in_their_order_at_their_instants() -> None:
    seen: list[tuple[str, float]] = []

    async def note(name: str, after: float) -> None:
        await asyncio.sleep(after)
        seen.append((name, round(asyncio.get_running_loop().time() - START_S, 9)))

    async def both() -> None:
        await asyncio.gather(note("late", 0.3), note("early", 0.1))

    run(both())
    assert [("early", 0.1), ("late", 0.3)] == seen


def test_a_timeout_is_as_long_as_it_says() -> None:
    async def waits() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):
                await loop.create_future()
        return loop.time()

    assert START_S + 0.8 == run(waits())


def test_waiting_for_nobody_is_a_deadlock_and_said_so() -> None:
    async def waits() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match="everybody waits for ever"):
        run(waits())


def test_time_goes_on_when_many_timers_are_cancelled() -> None:
    async def many() -> float:
        for _ in range(10):
            await asyncio.gather(*(_quick() for _ in range(200)))
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    async def _quick() -> None:
        async with asyncio.timeout(60):
            await asyncio.sleep(0.01)

    assert START_S + 1.1 == pytest.approx(run(many()))


def test_turning_for_ever_at_one_instant_is_a_livelock() -> None:
    async def turns() -> None:
        while True:  # noqa: ASYNC110 - the very thing to be caught
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="at one instant"):
        run(turns())
