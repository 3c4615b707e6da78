"""A TCP relay before a port: cuts what goes through it, refuses, or stands still, to order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

CHUNK: Final = 65_536


class Relay:
    """Passes bytes both ways between ``port``, on loopback, and ``target``.

    ``passed`` counts the bytes that came from the target; ``connections`` those ever made.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.passed = 0
        self.connections = 0
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; ``port`` is then known."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything and listen no more."""
        if self._server is not None:
            self._server.close()
        self.cut()
        self._flowing.set()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._server is not None:
            await self._server.wait_closed()

    def cut(self) -> None:
        """Reset all connections, both ends."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    def refuse(self) -> None:
        """Cut everything, and reset whoever comes, until ``accept``."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Let connections through again."""
        self._refusing = False

    def freeze(self) -> None:
        """Stand still: connections stay, no byte passes, until ``thaw``."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let bytes pass again."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ends = {writer, far_writer}
            self._open |= ends
            try:
                await asyncio.gather(
                    self._pass(reader, far_writer), self._pass(far_reader, writer, counts=True)
                )
            finally:
                self._open -= ends
                for end in ends:
                    end.transport.abort()
        writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool = False
    ) -> None:
        """Pass bytes one way until either end is gone; then neither is left."""
        try:
            while part := await reader.read(CHUNK):
                await self._flowing.wait()
                if counts:
                    self.passed += len(part)
                writer.write(part)
                await writer.drain()
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def relaying(target: int) -> AsyncIterator[Relay]:
    """Run a relay before a port of loopback until the end of the block."""
    relay = Relay(target)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()
