"""The bare responder: a uvloop Protocol that parses nothing and answers one fixed line.

usage: bare.py LINE_FILE, prints "ready 127.0.0.1:PORT".
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop


class Bare(asyncio.Protocol):
    """Answers as soon as it has seen the blank line, half-closes, waits for the client."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self._seen = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio.Transport
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._line:
            return
        self._seen += data
        if b"\n\n" in self._seen:
            self._transport.write(self._line)
            self._transport.write_eof()
            self._line = b""


async def main(line: bytes) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Bare(line), "127.0.0.1", 0, backlog=1024
    )
    print("ready {}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


uvloop.run(main(Path(sys.argv[1]).read_bytes()))
