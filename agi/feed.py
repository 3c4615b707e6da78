"""The router's end of the decisions feed: tells noc what was answered, behind the call.

A call costs one append to a list. Twenty milliseconds later what gathered there becomes records
without a number, and they leave in one write. Nothing here waits for noc: while it is away or does
not read, records are kept, the newest 10,000 of ten minutes at most; what falls out untold is
counted. A connection that is new is told all that is kept: noc knows by the id what it has already.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import msgspec

from agi.ami.decided import Decided, Hopped
from agi.model import Decision

PREAMBLE: Final = b"dialdip decisions 1\n"
"""The first bytes of a connection: another version's feed is not understood."""

LENGTH: Final = struct.Struct(">I")
"""What stands before each batch: how many bytes of msgpack follow, at most ``MAX_BATCH_BYTES``."""

MAX_BATCH_BYTES: Final = 1_048_576
MAX_BATCH: Final = 256
"""Records of one batch: at most some 1,000 bytes each, and a fraction of a millisecond in all."""

BATCH_S: Final = 0.02
MOST: Final = 10_000
KEEP_S: Final = 600.0

FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 1.0
HIGH_WATER: Final = 262_144

Fresh = tuple[str, Decision, float, float]


def path_of(state: Path) -> Path:
    """Return the socket over which routers tell noc what they decided."""
    return state / "run" / "decisions.sock"


class Feed:
    """One router's feed on the loop that runs. ``wall`` is the wall clock, an epoch in seconds.

    ``dropped`` counts decisions that noc was never told. ``on_state`` is told "connected", "gone".
    """

    def __init__(
        self,
        path: Path,
        *,
        wall: Callable[[], float],
        on_state: Callable[[str], None] | None = None,
        most: int = MOST,
    ) -> None:
        self.dropped = 0
        self._path = path
        self._wall = wall
        self._on_state = on_state or _nobody
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._fresh: list[Fresh] = []
        self._waiting: deque[Decided] = deque()
        self._told: deque[Decided] = deque(maxlen=most)
        self._timer: asyncio.TimerHandle | None = None
        self._wire: _Wire | None = None
        self._keeper: asyncio.Task[None] | None = None

    def state(self) -> dict[str, object]:
        """Return how it is, for a report."""
        connected = self._wire is not None
        return {"connected": connected, "waiting": self.waiting, "dropped": self.dropped}

    @property
    def waiting(self) -> int:
        """How many decisions are still to be told."""
        return len(self._fresh) + len(self._waiting)

    def start(self) -> None:
        """Connect in the background, for ever; nobody waits for it."""
        self._keeper = self._loop.create_task(self._keep_connected())

    async def stop(self) -> None:
        """Tell what waits, as far as noc takes it at once, and end."""
        self._on_state = _nobody
        while self.waiting and self._wire is not None and not self._wire.full:
            self._tell()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._timer is not None:
            self._timer.cancel()
        if self._wire is not None:
            self._wire.end()

    def note(self, uniqueid: str, decision: Decision, seconds: float) -> None:
        """Take one answered call; ``seconds`` from accept to the written answer."""
        self._fresh.append((uniqueid, decision, self._wall(), seconds))
        if self._timer is None:
            self._timer = self._loop.call_later(BATCH_S, self._tell)

    # ---- telling ---------------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell one batch; the loop has its turn before the next."""
        self._timer = None
        fresh, self._fresh = self._fresh, []
        self._waiting.extend(map(_record, fresh))
        self._let_go(len(self._waiting) - self._most)
        wire = self._wire
        if wire is None or wire.full or not self._waiting:
            return
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(min(MAX_BATCH, len(waiting)))]
        self._told.extend(batch)
        wire.send(batch)
        if waiting:
            self._again()

    def _let_go(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()
            self.dropped += 1

    def _again(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(0, self._tell)

    # ---- the connection --------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            gone: asyncio.Future[None] = self._loop.create_future()
            try:
                await self._loop.create_unix_connection(
                    lambda gone=gone: _Wire(self, gone),  # type: ignore[misc] # bound now, not later
                    str(self._path),
                )
                pause_s = FIRST_PAUSE_S
                await gone
            except OSError:  # noc is not there, or just going
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    def opened(self, wire: _Wire) -> None:
        """Begin with all that is kept: what the connection before took may never have arrived."""
        self._wire = wire
        oldest = self._wall() - KEEP_S
        kept = [one for one in (*self._told, *self._waiting)[-self._most :] if one.at >= oldest]
        self.dropped += sum(one.at < oldest for one in self._waiting)
        self._told.clear()
        self._waiting = deque(kept)
        self._on_state("connected")
        self._again()

    def writable(self) -> None:
        """Go on: noc reads again."""
        self._again()

    def closed(self) -> None:
        """Keep what comes from now on."""
        self._wire = None
        self._on_state("gone")


class _Wire(asyncio.Protocol):
    """One connection to noc, which says nothing on it. ``full`` while noc does not read."""

    def __init__(self, feed: Feed, gone: asyncio.Future[None]) -> None:
        self.full = False
        self._feed = feed
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.transport.write(PREAMBLE)
        self._feed.opened(self)

    def send(self, batch: Sequence[Decided]) -> None:
        """Send one batch."""
        data = msgspec.msgpack.encode(batch)
        self.transport.write(LENGTH.pack(len(data)) + data)

    def end(self) -> None:
        """Close; what was sent still arrives, unless noc does not read."""
        if self.full:
            self.transport.abort()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._feed.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever the kernel calls it, noc is gone
        self._feed.closed()
        if not self._gone.done():
            self._gone.set_result(None)


def _nobody(state: str) -> None:
    del state


def _record(fresh: Fresh) -> Decided:
    uniqueid, decision, at, seconds = fresh
    return Decided(
        decision.id,
        uniqueid,
        at,
        seconds,
        decision.country,
        decision.info.mccmnc or "",
        tuple(_hopped(hop.trunk, hop.endpoint, hop.tech) for hop in decision.hops),
    )


@lru_cache(maxsize=4_096)
def _hopped(trunk: str, endpoint: str, tech: str) -> Hopped:
    return Hopped(trunk, endpoint, tech)  # the same few in every record: kept once
