"""noc's end of the decisions feed: routers of this host come in by a Unix socket and tell.

Nothing is ever answered. What a router tells twice, after a connection broke, is taken once. Only
this process's own user and root may come in (SO_PEERCRED of unix(7)).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec

from agi.ami.decided import Decided
from agi.feed import LENGTH, MAX_BATCH_BYTES, PREAMBLE
from agi.lookup.private import is_ours, listening

MAX_ROUTERS: Final = 64
REMEMBERED: Final = 200_000
"""Ids that are known again; routers keep 10,000 decisions each."""

_DECODER: Final = msgspec.msgpack.Decoder(list[Decided])


class FeedDoor:
    """Takes the routers' decisions and hands each to ``take``, once.

    ``refused`` counts who was turned away, ``faults`` connections cut for what came over them,
    ``told`` decisions, ``repeated`` those that were known already.
    """

    def __init__(
        self, path: Path, take: Callable[[Decided], None], *, remembered: int = REMEMBERED
    ) -> None:
        self.refused = 0
        self.faults = 0
        self.told = 0
        self.repeated = 0
        self._path = path
        self._take = take
        self._remembered = remembered
        self._server: asyncio.AbstractServer | None = None
        self._wires: set[_Wire] = set()
        self._known: dict[str, None] = {}  # in the order in which they came

    @property
    def connections(self) -> int:
        """How many routers are connected."""
        return len(self._wires)

    async def start(self) -> None:
        """Open the door, mode 0600 in a directory of mode 0700.

        Raises:
            UsageError: another noc answers there, or the path cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: _Wire(self), sock=listening(self._path, "noc"), backlog=MAX_ROUTERS
        )

    async def stop(self) -> None:
        """Close the door and all connections."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for wire in list(self._wires):
            wire.transport.abort()

    def opened(self, wire: _Wire) -> bool:
        """Let a router in, if it is one."""
        if len(self._wires) >= MAX_ROUTERS or not is_ours(wire.transport):
            self.refused += 1
            return False
        self._wires.add(wire)
        return True

    def heard(self, records: list[Decided]) -> None:
        """Take one batch."""
        known, take = self._known, self._take
        for record in records:
            if record.id in known:
                self.repeated += 1
                continue
            known[record.id] = None
            self.told += 1
            take(record)
        while len(known) > self._remembered:
            del known[next(iter(known))]

    def closed(self, wire: _Wire) -> None:
        """Forget a router, not what it told."""
        self._wires.discard(wire)


class _Wire(asyncio.Protocol):
    """One router's connection: a preamble, then batches, each behind its length."""

    def __init__(self, door: FeedDoor) -> None:
        self._door = door
        self._data = bytearray()
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        if not self._door.opened(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._understood():
            self._door.faults += 1
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever the kernel calls it, the router is gone
        self._door.closed(self)

    def _understood(self) -> bool:
        """Take every whole batch; say whether all of it was of our feed."""
        data = self._data
        if not self._greeted:
            if not PREAMBLE.startswith(data[: len(PREAMBLE)]):
                return False
            if len(data) < len(PREAMBLE):
                return True
            del data[: len(PREAMBLE)]
            self._greeted = True
        while len(data) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data)
            if length > MAX_BATCH_BYTES:
                return False
            end = LENGTH.size + length
            if len(data) < end:
                break
            try:
                records = _DECODER.decode(bytes(data[LENGTH.size : end]))
            except msgspec.MsgspecError:
                return False
            del data[:end]
            self._door.heard(records)
        return True
