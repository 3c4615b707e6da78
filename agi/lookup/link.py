"""The router's end of the hop to the dipper: a ``Finder`` that a call never waits for in vain.

Connections are made in the background, never on the path of a call. While there is none, or while
the dipper is silent, every question is answered at once by ``no-dipper``, and the router goes on
with what it remembers. Frames leave in one write for each turn of the event loop; one sweep looks
after all deadlines (a timer for each question halves what the hop carries).
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agi.lookup.frames import (
    VERSION,
    Drop,
    Found,
    Frame,
    Gossip,
    Hello,
    Ping,
    Pong,
    ProtocolFault,
    Purge,
    asked,
    gossip,
)
from agi.lookup.wire import Wire
from agi.model import Finding, Inquiry, Msisdn, Source

NO_DIPPER: Final = Finding(Source.DEFAULT, "no-dipper")
TIMEOUT: Final = Finding(Source.DEFAULT, "timeout")
SHED: Final = Finding(Source.DEFAULT, "shed")

SWEEP_S: Final = 0.01
PULSE_S: Final = 0.25
MISSES: Final = 4
"""Pulses without a word from the dipper after which it counts as stalled: one second."""

FIRST_PAUSE_S: Final = 0.005
LONGEST_PAUSE_S: Final = 0.25
GROWTH: Final = 1.5
HIGH_WATER: Final = 262_144


class DipperLink:
    """Asks the dipper of this host; satisfies the seam ``Finder``.

    ``clock`` is CLOCK_MONOTONIC in seconds (a loop's ``time``). ``reserve_s`` is kept back from
    every deadline. ``on_purge`` gets an account's name and how many seconds back, ``on_drop`` a
    number: what this router remembers of them is to be forgotten. ``on_gossip`` gets what another
    router counted against limits. ``on_state`` gets every change of ``state``. ``draw`` gives odds
    in [0, 1) for the pauses between attempts to connect.

    ``late`` counts answers that nobody waited for any more, ``faults`` wires cut for what came.
    """

    def __init__(  # noqa: PLR0913 - a seam's callbacks and limits, by keyword
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        on_purge: Callable[[str, float], None],
        on_drop: Callable[[Msisdn], None],
        on_gossip: Callable[[Sequence[tuple[str, float]]], None] = lambda _: None,
        on_state: Callable[[str], None] = lambda _: None,
        reserve_s: float = 0.03,
        max_pending: int = 8_192,
        generation: int = 0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.late = 0
        self.faults = 0
        self.state = "gone"
        self.peer: Hello | None = None
        self._path = path
        self._clock = clock
        self._on_purge = on_purge
        self._on_drop = on_drop
        self._on_gossip = on_gossip
        self._on_state = on_state
        self._reserve_s = reserve_s
        self._max_pending = max_pending
        self._hello = Hello(VERSION, os.getpid(), generation)
        self._draw = draw
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._usable: Wire | None = None
        self._pending: dict[int, tuple[asyncio.Future[Finding], float]] = {}
        self._last_id = 0
        self._sweep_at = math.inf
        self._sweeper: asyncio.TimerHandle | None = None
        self._missed = 0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """How many questions wait for their answer."""
        return len(self._pending)

    def start(self) -> None:
        """Connect in the background, for ever; nobody waits for it."""
        self._keeper = self._loop.create_task(self._keep_connected())

    async def close(self) -> None:
        """Answer what waits with ``no-dipper`` and end."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._wire is not None and self._wire.transport is not None:
            await self._wire.gone
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def find(self, inquiry: Inquiry) -> Finding:
        """Return what the dipper knows, before ``inquiry.deadline - reserve_s``; never raises.

        The reasons of our own: ``no-dipper`` (it is gone or silent, at once), ``timeout`` (up to
        10 ms early, never late), ``shed`` (too many questions wait already).
        """
        wire = self._usable
        if wire is None:
            return NO_DIPPER
        if len(self._pending) >= self._max_pending:
            return SHED
        now = self._clock()
        due = inquiry.deadline - self._reserve_s
        if due <= now:
            return TIMEOUT
        number = self._last_id = self._last_id + 1
        answer: asyncio.Future[Finding] = self._loop.create_future()
        self._pending[number] = answer, due
        if due < self._sweep_at:
            self._sweep_by(min(due, now + SWEEP_S), now)
        wire.send(asked(number, inquiry))
        try:
            return await answer
        finally:
            self._pending.pop(number, None)

    def tell(self, counts: Sequence[tuple[str, float]]) -> None:
        """Tell the other routers what this one counted; nobody, while there is no dipper."""
        wire = self._usable
        if wire is not None and not wire.full:
            for frame in gossip(counts):
                wire.send(frame)

    # ---- deadlines -------------------------------------------------------------------------

    def _sweep_by(self, at: float, now: float) -> None:
        if at < self._sweep_at:
            if self._sweeper is not None:
                self._sweeper.cancel()
            self._sweep_at = at
            self._sweeper = self._loop.call_later(at - now, self._sweep)

    def _sweep(self) -> None:
        self._sweep_at, self._sweeper = math.inf, None
        now = self._clock()
        horizon = now + SWEEP_S  # what ends before the next sweep ends now
        for answer, due in self._pending.values():
            if due <= horizon and not answer.done():
                answer.set_result(TIMEOUT)
        if self._pending:
            self._sweep_by(horizon, now)

    # ---- the wire --------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            wire = self._wire = Wire(self, self._loop, HIGH_WATER)
            try:
                await self._attempt(wire)
            finally:
                wire.cut("closing")
            if wire.welcome:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s * (0.5 + self._draw() / 2))
            pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)

    async def _attempt(self, wire: Wire) -> None:
        """Connect once, and wait for as long as the connection lasts."""
        try:
            await self._loop.create_unix_connection(lambda: wire, str(self._path))
        except OSError:
            return  # no dipper: that is a state, and find() says so
        await wire.gone

    def opened(self, wire: Wire) -> None:
        """Introduce this router (of ``End``)."""
        wire.send(self._hello)

    def heard(self, wire: Wire, frame: Frame) -> None:
        """Take what the dipper says (of ``End``)."""
        self._missed = 0
        if type(frame) is Found and wire.welcome:
            waiting = self._pending.get(frame.id)
            if waiting is None or waiting[0].done():
                self.late += 1
            else:
                waiting[0].set_result(frame.finding())
        else:
            self._heard_rarely(wire, frame)
        if self.state == "stalled" and not wire.full:
            self._become("connected", wire)

    def _heard_rarely(self, wire: Wire, frame: Frame) -> None:
        match frame:
            case Hello(version=version) if not wire.welcome:
                if version != VERSION:
                    raise ProtocolFault("version")
                wire.welcome, self.peer = True, frame
                self._become("connected", wire)
                self._loop.call_later(PULSE_S, self._pulse, wire)
            case Pong() if wire.welcome:
                pass
            case Gossip() if wire.welcome:
                self._on_gossip(frame.counts)
            case Purge() if wire.welcome:
                self._on_purge(frame.provider, frame.seconds_ago)
            case Drop() if wire.welcome:
                self._on_drop(Msisdn(frame.number))
            case _:
                raise ProtocolFault("unexpected")

    def choked(self, wire: Wire) -> None:
        """Stop asking a dipper that does not even read (of ``End``)."""
        if wire.welcome:
            self._become("stalled", None)

    def closed(self, wire: Wire) -> None:
        """Answer what waits (of ``End``)."""
        self.faults += wire.why not in {"gone", "closing"}
        if self.state != "gone":
            self._become("gone", None)

    def _pulse(self, wire: Wire) -> None:
        """Count silence by pulses, not by a clock: this router itself may have been frozen."""
        if wire.transport is None:
            return
        self._missed += 1
        if self._missed > MISSES and self.state == "connected":
            self._become("stalled", None)
        wire.send(Ping())
        self._loop.call_later(PULSE_S, self._pulse, wire)

    def _become(self, state: str, usable: Wire | None) -> None:
        self._usable = usable
        if usable is None:
            for answer, _ in self._pending.values():
                if not answer.done():
                    answer.set_result(NO_DIPPER)
        if state != self.state:
            self.state = state
            self._on_state(state)
