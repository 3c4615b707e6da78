"""The pauses of an event loop: a tick every millisecond, how late it came, and why."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from statistics import quantiles
from typing import Any, Final

TICK_S: Final = 0.001
PAUSE_S: Final = 0.02
"""Every later tick is listed with its cause."""

SHARE: Final = 0.5
"""What took more than this of a pause is its cause."""


async def ticks(going: Callable[[], bool], work: Callable[[], None]) -> dict[str, Any]:
    """Tick while ``going``, with ``work`` in every tick; return how late the ticks came."""
    lags: list[float] = []
    long: list[tuple[float, str]] = []
    collected: list[tuple[int, float]] = []
    watch = _collections(collected)
    gc.callbacks.append(watch)
    now = time.perf_counter  # uvloop's own clock stands still within a turn
    while going():
        due, cpu, before = now() + TICK_S, time.thread_time(), len(collected)
        work()
        await asyncio.sleep(max(0.0, due - now()))
        lags.append(now() - due)
        if lags[-1] > PAUSE_S:
            busy = time.thread_time() - cpu
            long.append((lags[-1] * 1e3, cause(collected[before:], busy, lags[-1])))
    gc.callbacks.remove(watch)
    return {
        "ticks": len(lags),
        "p999_ms": quantiles(lags, n=1000)[998] * 1e3,
        "max_ms": max(lags) * 1e3,
        "gen2": sum(1 for generation, _ in collected if generation == 2),
        "gc_max_ms": max((spent for _, spent in collected), default=0.0) * 1e3,
        "longer_than_20_ms": long,
    }


def _collections(collected: list[tuple[int, float]]) -> Callable[[str, dict[str, int]], None]:
    begun = [0.0]

    def watch(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            begun[0] = time.perf_counter()
        else:
            collected.append((info["generation"], time.perf_counter() - begun[0]))

    return watch


def cause(collected: list[tuple[int, float]], busy_s: float, lag_s: float) -> str:
    """Name what made a tick late: the collector, the loop's own work, or somebody else's.

    Args:
        collected: generation and seconds of the collections meanwhile.
        busy_s: CPU seconds of the loop's thread meanwhile.
        lag_s: how late the tick came.
    """
    longest = max(collected, key=lambda one: one[1], default=(0, 0.0))
    if longest[1] > lag_s * SHARE:
        return f"garbage collection of generation {longest[0]}"
    return "work on the loop" if busy_s > lag_s * SHARE else "not on a core"


def lines(name: str, seen: dict[str, Any]) -> Iterator[str]:
    """Return the lines for people."""
    yield (
        f"loop, {name}: p99.9 {seen['p999_ms']:.2f} ms, max {seen['max_ms']:.2f} ms"
        f" of {seen['ticks']:,} ticks; longest collection {seen['gc_max_ms']:.2f} ms"
    )
    for lag_ms, why in seen["longer_than_20_ms"]:
        yield f"  a pause of {lag_ms:.1f} ms: {why}"
