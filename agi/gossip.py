"""Routers tell each other what they counted against limits, so that all of them hold one limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from agi.routing.meters import Meters

ROUND_S: Final = 0.05
"""How often routers tell each other what they counted."""

NEAR_S: Final = 0.002
"""How soon they do where a limit is more than an eighth full: a burst is over in 50 ms."""

Counts = Sequence[tuple[str, float]]


class Gossip:
    """One router's part in it; ``tell`` brings counts to the other routers, or loses them."""

    def __init__(
        self, meters: Meters, loop: asyncio.AbstractEventLoop, tell: Callable[[Counts], None]
    ) -> None:
        self._meters = meters
        self._loop = loop
        self._tell = tell
        self._round: asyncio.TimerHandle | None = None
        self._soon: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; it goes on until ``stop``."""
        self._meters.on_near = self._hurry
        self._go_round()

    def stop(self) -> None:
        """End; what was not told yet is not told."""
        for timer in (self._round, self._soon):
            if timer is not None:
                timer.cancel()

    def hear(self, counts: Counts) -> None:
        """Take what another router counted."""
        self._meters.hear(counts, self._loop.time())

    def _go_round(self) -> None:
        self._round = self._loop.call_later(ROUND_S, self._go_round)
        self._say()

    def _hurry(self) -> None:
        if self._soon is None:
            self._soon = self._loop.call_later(NEAR_S, self._say)

    def _say(self) -> None:
        self._soon = None
        counts = self._meters.drain()
        if counts:
            self._tell(counts)
