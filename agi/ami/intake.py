"""From the socket to the sink: blocks wait here, are read in short slices, held, and passed on.

Asterisk disconnects a manager user who does not read (its write timeout is 100 ms unless
manager.conf says otherwise), so taking a block off the socket never waits for its reading.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from agi.ami.events import ChannelSeen, Event
from agi.ami.holding import Holding
from agi.ami.reading import Alarm, Device, Hint, Listed, ListEnd, Reader

SLICE_S: Final = 0.005
"""How long reading may keep the event loop from its other work."""

LAG_SPAN_S: Final = 5.0

Listing = Listed | Device
Done = Callable[[list[Listing], float], None]


class Heeds(Protocol):
    """Who is told what the stream holds. ``at`` is an epoch."""

    def event(self, event: Event) -> None:
        """Take an event."""

    def lost(self, at: float) -> None:
        """Take note that events since then are missing."""

    def hint(self) -> None:
        """Take note that a contact may have changed."""

    def alarm(self) -> None:
        """Take note of a stranger's text in the stream."""


class _Ended:
    """Stands in the queue where a connection ended."""


_Held = Event | tuple[Done, list[Listing]] | _Ended


class Intake:
    """The blocks of one PBX, over all its connections.

    ``clock`` is monotonic, ``wall`` gives epochs. At most ``most`` blocks and ``most_bytes`` wait;
    the oldest give way, and whoever heeds us hears of the loss.
    """

    def __init__(  # noqa: PLR0913 - clocks and bounds, by keyword
        self,
        heeds: Heeds,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        most: int = 200_000,
        most_bytes: int = 67_108_864,
        slice_s: float = SLICE_S,
    ) -> None:
        self.events = 0
        self.last_heard = wall()
        self._overflow = 0
        self._doubted = 0
        self._odd = 0
        self._heeds = heeds
        self._clock = clock
        self._wall = wall
        self._most = most
        self._most_bytes = most_bytes
        self._slice_s = slice_s
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, float, bytes | _Ended]] = deque()
        self._bytes = 0
        self._spilled: float | None = None
        self._reader = Reader()
        self._held: Holding[_Held] = Holding()
        self._lists: dict[str, tuple[Done, list[Listing]]] = {}
        self._reading: asyncio.Handle | None = None
        self._releasing: asyncio.TimerHandle | None = None
        self._lags = (0.0, 0.0, 0.0)  # since when, the longest since then, and before

    @property
    def dropped(self) -> int:
        """How many blocks were not believed, not understood, or had to give way."""
        return self._overflow + self._doubted + self._odd + self._reader.doubted + self._reader.odd

    @property
    def odd(self) -> int:
        """How many events of ours had a shape that we do not know."""
        return self._odd + self._reader.odd

    @property
    def lag_s(self) -> float:
        """The longest time of late from the socket to whoever heeds us."""
        _, longest, before = self._lags
        return max(longest, before)

    def put(self, block: bytes) -> None:
        """Take a block off the socket."""
        self.last_heard = self._wall()
        self._append(block)
        self._bytes += len(block)
        while len(self._queue) > self._most or self._bytes > self._most_bytes:
            self._spill()

    def end(self) -> None:
        """Take note that the connection ended: what comes later is another stream."""
        self._lists.clear()
        self._append(_Ended())

    def collect(self, action: str, done: Done) -> None:
        """Gather the list of this action; ``done`` gets it in its place in the stream."""
        self._lists[action] = (done, [])

    def forget(self, action: str) -> None:
        """Gather a list no longer."""
        self._lists.pop(action, None)

    def close(self) -> None:
        """Read what waits, pass on what is held, and stop."""
        while self._queue:
            self._read_one()
        self._release(math.inf)
        for handle in (self._reading, self._releasing):
            if handle is not None:
                handle.cancel()

    def _append(self, block: bytes | _Ended) -> None:
        self._queue.append((self._clock(), self.last_heard, block))
        if self._reading is None:
            self._reading = self._loop.call_soon(self._slice)

    def _spill(self) -> None:
        _, heard, block = self._queue.popleft()
        if isinstance(block, _Ended):
            self._hold(self._clock(), heard, block)
            return
        self._bytes -= len(block)
        self._overflow += 1
        if self._spilled is None:
            self._spilled = heard

    def _slice(self) -> None:
        """Read for a short while. Whatever is raised costs one block, and the loop says it."""
        self._reading = None
        try:
            self._read_for(self._clock() + self._slice_s)
            self._release(self._queue[0][0] if self._queue else self._clock())
        finally:
            if self._queue and self._reading is None:
                self._reading = self._loop.call_soon(self._slice)

    def _read_for(self, until: float) -> None:
        while self._queue:
            for _ in range(min(32, len(self._queue))):
                self._read_one()
            if self._clock() >= until:
                return

    def _read_one(self) -> None:
        came, heard, block = self._queue.popleft()
        if self._spilled is not None:
            spilled, self._spilled = self._spilled, None
            self._heeds.lost(spilled)
        if isinstance(block, _Ended):
            self._hold(came, heard, block)
            return
        self._bytes -= len(block)
        self.events += 1
        read = self._reader.read(block, heard)
        match read:
            case None:
                return
            case Alarm(spoils=spoils):
                self._alarmed(heard, spoils=spoils)
            case Hint():
                self._heeds.hint()
            case Listed(action=action) | Device(action=action):
                if action in self._lists:
                    self._lists[action][1].append(read)
            case ListEnd(action=action):
                if action in self._lists:
                    self._hold(came, heard, self._lists.pop(action))
            case _:
                self._hold(came, heard, read)

    def _alarmed(self, heard: float, *, spoils: bool) -> None:
        self._heeds.alarm()
        if spoils:
            # Lists bear an ActionID of ours, which no stranger knows.
            self._doubted += self._held.spoil(lambda item: not isinstance(item, tuple | _Ended))
            self._heeds.lost(heard - self._held.hold_s)

    def _hold(self, came: float, heard: float, item: _Held) -> None:
        self._held.add(came, heard, item)
        if isinstance(item, _Ended):
            self._doubted += self._reader.doubted
            self._odd += self._reader.odd
            self._reader = Reader()
            self._release(math.inf)
        elif self._releasing is None:
            self._releasing = self._loop.call_later(self._held.hold_s, self._release_later)

    def _release_later(self) -> None:
        self._releasing = None
        try:
            self._release(self._queue[0][0] if self._queue else self._clock())
        finally:
            if self._held and self._releasing is None:
                left = max(0.001, self._held.next - self._clock())
                self._releasing = self._loop.call_later(left, self._release_later)

    def _release(self, now: float) -> None:
        """Pass on what nothing can spoil any more."""
        for came, heard, item in self._held.due(now):
            self._note_lag(came)
            if isinstance(item, tuple):
                done, listed = item
                done(listed, heard)
            elif isinstance(item, _Ended):
                self._heeds.lost(heard)
            else:
                self._heeds.event(item)

    def _note_lag(self, came: float) -> None:
        now = self._clock()
        since, longest, before = self._lags
        if now - since > LAG_SPAN_S:
            since, longest, before = now, 0.0, longest
        self._lags = (since, max(longest, now - came), before)


def channels(listed: list[Listing]) -> list[ChannelSeen]:
    """Return the channels of a list."""
    return [item.channel for item in listed if isinstance(item, Listed)]


def states(listed: list[Listing]) -> dict[str, bool]:
    """Return which endpoints can be reached, of the devices of a list.

    ``UNAVAILABLE`` is a device without a reachable contact; ``INVALID`` is none of this PBX's, and
    ``UNKNOWN`` says nothing (Asterisk, main/devicestate.c). Of two technologies with an endpoint
    of the same name the one that works counts.
    """
    found: dict[str, bool] = {}
    for item in listed:
        if isinstance(item, Device) and item.state not in ("INVALID", "UNKNOWN"):
            tech, _, endpoint = item.device.partition("/")
            if tech in ("PJSIP", "SIP", "IAX2") and endpoint:
                found[endpoint] = found.get(endpoint, False) or item.state != "UNAVAILABLE"
    return found
