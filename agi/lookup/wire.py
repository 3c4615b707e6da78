"""One connection of the hop between router and dipper, whichever end it is.

Frames come in one by one, and leave in one write for each turn of the event loop.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from agi.lookup.frames import Frame, FrameReader, ProtocolFault, write


class End(Protocol):
    """Whoever speaks over a wire."""

    def opened(self, wire: Wire) -> None:
        """Take note that the wire is there; nothing was read."""

    def heard(self, wire: Wire, frame: Frame) -> None:
        """Take one frame; ``ProtocolFault`` closes the wire."""

    def choked(self, wire: Wire) -> None:
        """Take note that the peer does not read; ``wire.full`` until it does again."""

    def closed(self, wire: Wire) -> None:
        """Take note that the wire is gone; ``wire.why`` says why."""


class Wire(asyncio.Protocol):
    """One connection's bytes: frames in one by one, frames out in one write for each turn.

    ``why`` is ``gone`` (the peer closed), the kind of a ``ProtocolFault``, or what was given to
    ``cut``. ``welcome`` belongs to the end: the peer has said a good ``Hello``.
    """

    def __init__(self, end: End, loop: asyncio.AbstractEventLoop, high_water: int) -> None:
        self.why = "gone"
        self.welcome = False
        self.full = False
        self.gone: asyncio.Future[None] = loop.create_future()
        self.transport: asyncio.Transport | None = None
        self._end = end
        self._loop = loop
        self._high_water = high_water
        self._reader = FrameReader()
        self._out = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio's callback)."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self.transport.set_write_buffer_limits(high=self._high_water)
        self._end.opened(self)

    def data_received(self, data: bytes) -> None:
        """Read frames (asyncio's callback)."""
        heard = self._end.heard
        try:
            for frame in self._reader.feed(data):
                heard(self, frame)
        except ProtocolFault as fault:
            self.cut(fault.kind)

    def pause_writing(self) -> None:
        """Pass on that the peer does not read (asyncio's callback)."""
        self.full = True
        self._end.choked(self)

    def resume_writing(self) -> None:
        """Take note that it reads again (asyncio's callback)."""
        self.full = False

    def connection_lost(self, exc: Exception | None) -> None:
        """End (asyncio's callback)."""
        del exc  # whatever the kernel calls it, the peer is gone
        self.transport = None
        self._end.closed(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def send(self, frame: Frame) -> None:
        """Send one frame, together with the others of this turn; nothing when the wire is gone."""
        if self.transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        write(self._out, frame)

    def cut(self, why: str) -> None:
        """Close at once, whatever was still to be sent."""
        if self.transport is not None:
            self.why = why
            self.transport.abort()

    def _flush(self) -> None:
        out, self._out = self._out, bytearray()  # the transport may keep what it is given
        if self.transport is not None:
            self.transport.write(out)
