"""How late a loop is, by a loop and a clock that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from agi.lag import EVERY_S, Lag


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Slow:
    """A loop that comes to what it was asked for when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, Callable[[], None], Handle]] = []

    def clock(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        handle = Handle()
        self.waiting.append((self.now + delay, callback, handle))
        return handle

    def come_to_it(self, late_s: float) -> None:
        due, callback, handle = self.waiting.pop()
        assert not handle.cancelled
        self.now = due + late_s
        callback()


def test_it_tells_how_much_later_than_wanted_the_loop_came_again_and_again() -> None:
    seen: list[float] = []
    loop = Slow()
    lag = Lag(seen.append, loop, loop.clock)
    lag.start()
    for late_s in (0.0, 0.25, 0.0625):
        loop.come_to_it(late_s)
    assert [0.0, 0.25, 0.0625] == [round(one, 6) for one in seen]
    assert 100 + 4 * EVERY_S + 0.3125 == round(loop.waiting[0][0], 6)


def test_a_timer_that_comes_early_is_not_late() -> None:
    seen: list[float] = []
    loop = Slow()
    Lag(seen.append, loop, loop.clock).start()
    loop.come_to_it(-0.001)
    assert [0.0] == seen


def test_stopped_it_asks_for_nothing_more() -> None:
    seen: list[float] = []
    loop = Slow()
    lag = Lag(seen.append, loop, loop.clock)
    lag.start()
    lag.stop()
    lag.stop()
    assert [True] == [handle.cancelled for _, _, handle in loop.waiting]


def test_g14_a_blocked_loop_is_seen_by_the_real_clock() -> None:
    async def run() -> None:
        seen: list[float] = []
        told = asyncio.Event()

        def observe(seconds: float) -> None:
            seen.append(seconds)
            told.set()

        lag = Lag(observe, asyncio.get_running_loop(), time.monotonic)
        lag.start()
        until = time.monotonic() + 0.2
        while time.monotonic() < until:  # what a loop must never do: 150 ms longer than the timer
            pass
        await told.wait()
        lag.stop()
        assert 0.12 < seen[0]

    asyncio.run(run())
