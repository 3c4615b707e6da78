"""The dipper's end of the hop: routers of this host come in by a Unix socket and ask.

Answers leave in the order in which they are found. A router that disconnects ends no lookup: what
was asked is paid for and fills the cache. What was broadcast lately is said again to a router that
connects, so that one which was away for a moment misses nothing. What one router counted against
limits is told to the others, and to nobody later.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from agi.lookup.frames import (
    VERSION,
    Ask,
    Drop,
    Frame,
    Gossip,
    Hello,
    Ping,
    Pong,
    ProtocolFault,
    Purge,
    found,
)
from agi.lookup.link import NO_DIPPER, SHED
from agi.lookup.private import is_ours, listening
from agi.lookup.wire import Wire
from agi.model import Finding, Inquiry

MAX_ROUTERS: Final = 64
MAX_ASKS: Final = 65_536
MAX_UNREAD: Final = 1_048_576
GREETING_S: Final = 2.0
BACKLOG: Final = 128
REMEMBERED_S: Final = 30.0
REMEMBERED: Final = 1_024


class Finds(Protocol):
    """Whoever answers: the pipeline of this process, or a double."""

    def find(self, inquiry: Inquiry) -> Coroutine[Any, Any, Finding]:
        """Return what is known by the inquiry's deadline; never raises."""


class DipperDoor:
    """Answers the routers of this host from ``finder``.

    ``clock`` is CLOCK_MONOTONIC in seconds. Only this process's own user and root may come in
    (SO_PEERCRED), at most 64 connections. ``refused`` counts who was turned away, ``faults`` wires
    cut for what came over them, ``slow`` routers cut because they did not read.
    """

    def __init__(
        self, path: Path, finder: Finds, *, clock: Callable[[], float], generation: int = 0
    ) -> None:
        self.refused = 0
        self.faults = 0
        self.slow = 0
        self._path = path
        self._finder = finder
        self._clock = clock
        self._hello = Hello(VERSION, os.getpid(), generation)
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.AbstractServer | None = None
        self._wires: set[Wire] = set()
        self._lookups: set[asyncio.Task[Finding]] = set()
        self._said: deque[tuple[float, Purge | Drop]] = deque(maxlen=REMEMBERED)

    @property
    def connections(self) -> int:
        """How many routers are connected."""
        return len(self._wires)

    @property
    def asks(self) -> int:
        """How many questions are being answered."""
        return len(self._lookups)

    async def start(self) -> None:
        """Open the door, mode 0600 in a directory of mode 0700.

        Raises:
            UsageError: another dipper answers there, or the path cannot be used.
        """
        self._server = await self._loop.create_unix_server(
            lambda: Wire(self, self._loop, MAX_UNREAD),
            sock=listening(self._path, "dipper"),
            backlog=BACKLOG,
        )

    async def close(self) -> None:
        """Close the door and all connections, and end what is still being looked up."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        wires = list(self._wires)
        for wire in wires:
            wire.cut("closing")
        lookups = list(self._lookups)
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*(wire.gone for wire in wires), *lookups, return_exceptions=True)

    def broadcast(self, frame: Purge | Drop) -> None:
        """Tell all routers, and for half a minute those that connect."""
        self._said.append((self._clock(), frame))
        for wire in self._wires:
            if wire.welcome:
                wire.send(frame)

    def opened(self, wire: Wire) -> None:
        """Let a router in (of ``End``)."""
        if len(self._wires) >= MAX_ROUTERS or not is_ours(wire.transport):
            self.refused += 1
            wire.cut("refused")
            return
        self._wires.add(wire)
        wire.send(self._hello)
        self._loop.call_later(GREETING_S, self._expect_greeting, wire)

    def _expect_greeting(self, wire: Wire) -> None:
        if not wire.welcome:
            wire.cut("silent")

    def heard(self, wire: Wire, frame: Frame) -> None:
        """Take what a router says (of ``End``)."""
        if type(frame) is Ask and wire.welcome:
            self._look_up(wire, frame)
        elif type(frame) is Gossip and wire.welcome:
            self._pass_on(wire, frame)
        elif type(frame) is Ping and wire.welcome:
            wire.send(Pong())
        elif type(frame) is Hello and not wire.welcome:
            self._welcome(wire, frame)
        else:
            raise ProtocolFault("unexpected")

    def _welcome(self, wire: Wire, hello: Hello) -> None:
        if hello.version != VERSION:
            raise ProtocolFault("version")
        wire.welcome = True
        now = self._clock()
        for at, frame in self._said:
            past_s = now - at
            if past_s > REMEMBERED_S:
                continue
            if type(frame) is Purge:
                wire.send(Purge(frame.provider, frame.seconds_ago + past_s))
            else:
                wire.send(frame)

    def _pass_on(self, teller: Wire, frame: Gossip) -> None:
        """Tell the other routers; one that does not read goes without: it counts by itself."""
        for wire in self._wires:
            if wire is not teller and wire.welcome and not wire.full:
                wire.send(frame)

    def _look_up(self, wire: Wire, ask: Ask) -> None:
        if len(self._lookups) >= MAX_ASKS:
            wire.send(found(ask.id, SHED))
            return
        lookup = self._loop.create_task(self._finder.find(ask.inquiry()))
        self._lookups.add(lookup)
        lookup.add_done_callback(partial(self._answer, wire, ask.id))

    def _answer(self, wire: Wire, number: int, lookup: asyncio.Task[Finding]) -> None:
        self._lookups.discard(lookup)
        finding = NO_DIPPER
        if not lookup.cancelled():
            error = lookup.exception()
            if error is None:
                finding = lookup.result()
            else:
                said = {"message": "a lookup raised", "exception": error}
                self._loop.call_exception_handler(said)
        wire.send(found(number, finding))

    def choked(self, wire: Wire) -> None:
        """Cut a router that does not read (of ``End``)."""
        self.slow += 1
        wire.cut("slow")

    def closed(self, wire: Wire) -> None:
        """Forget a router, not what it asked (of ``End``)."""
        self._wires.discard(wire)
        self.faults += wire.why in {"malformed", "oversize", "unexpected", "version"}
