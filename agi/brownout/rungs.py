"""Whom a router's lookups ask, by the rung of the brown-out ladder that it stands on."""

from __future__ import annotations

import asyncio
import os
import time
from random import Random
from typing import Final

import msgspec

from agi.brownout.ladder import Change, Ladder, Permit
from agi.log import Log
from agi.lookup.parts import Finder
from agi.metrics import Metrics
from agi.model import Finding, Inquiry

TICK_S: Final = 1.0
"""How often a ladder is told the time: a pin ends at most so late."""


class Rungs:
    """A ``Finder`` in front of another one: it asks no more than the ladder permits."""

    def __init__(self, finder: Finder, ladder: Ladder) -> None:
        self._finder = finder
        self._ladder = ladder

    async def find(self, inquiry: Inquiry) -> Finding:
        """Return what is known by the inquiry's deadline; never raises, never later."""
        ladder = self._ladder
        permit = ladder.permit(inquiry)
        if permit is Permit.KEPT:
            kept = msgspec.structs.replace(inquiry, unasked=ladder.reason)
            return await self._finder.find(kept)
        finding = await self._finder.find(inquiry)
        ladder.told(permit, inquiry, finding)
        return finding


class Climb:
    """One router's ladder at work: it is told the time, and its changes are logged."""

    def __init__(self, loop: asyncio.AbstractEventLoop, metrics: Metrics, log: Log) -> None:
        draw = Random(os.urandom(16)).random  # noqa: S311 - odds, not secrets
        self.ladder = Ladder(loop.time, draw, wall=time.time, on_change=self._changed)
        self._loop = loop
        self._metrics = metrics
        self._log = log
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; it goes on until ``stop``."""
        self._timer = self._loop.call_later(TICK_S, self.start)
        self.ladder.tick(self._metrics.calls)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def _changed(self, change: Change) -> None:
        level = "warning" if change.after else "info"
        before, after = change.before.word, change.after.word
        self._log(
            level, "brownout", before=before, after=after, why=change.why, pinned=change.pinned
        )
