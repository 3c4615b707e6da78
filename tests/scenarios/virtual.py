"""Virtual time: an event loop whose clock jumps to the next timer when there is nothing to do.

An hour of time-outs passes in a millisecond, in the same order every time. Only what is scripted
in the same loop can be awaited: no threads, no sockets that take their time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

START_S: Final = 1_000.0
"""Where the clock starts: not 0, so that a forgotten instant does not pass for a real one."""

MOST_PASSES: Final = 500_000
"""So many turns of the loop without any time passing are taken for an endless loop."""

_ROUNDING_S: Final = 1e-9

Result = TypeVar("Result")


class Deadlock(AssertionError):
    """Everybody waits, and no timer will ever wake anybody."""


class Livelock(AssertionError):
    """The loop turns and turns, and no time passes."""


class _Selector(selectors.DefaultSelector):
    """Never waits: instead of waiting so long, it moves the clock so far."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START_S
        self.next_timer: Callable[[], float] = lambda: float("inf")
        self._passes = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise Deadlock("nothing is ready and no timer is set: everybody waits for ever")
        self._passes += 1
        if self._passes > MOST_PASSES:
            raise Livelock(f"{MOST_PASSES} turns of the loop at one instant")
        if timeout and not ready:
            # The timer's own instant: `now + timeout` may miss it by a rounding.
            then = min(self.next_timer(), self.now + timeout + _ROUNDING_S)
            if then > self.now:
                self.now, self._passes = then, 0
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on virtual time, in seconds from ``START_S``.

    Raises (out of ``run``):
        Deadlock: nothing is ready and no timer is set. A thread's or a socket's answer counts as
            nothing when it is not there at once.
        Livelock: tasks wake each other for ever at one instant.
    """

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._virtual.next_timer = self._next_timer

    def time(self) -> float:
        """Return the virtual instant, in seconds."""
        return self._virtual.now

    def _next_timer(self) -> float:
        # Asked for each time: the loop replaces its heap when many timers are cancelled.
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined] # its heap
        return timers[0].when() if timers else float("inf")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a new loop in virtual time, as ``asyncio.run`` does."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
