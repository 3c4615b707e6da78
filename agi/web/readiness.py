"""Whether a call would be decided now: one real exchange with the FastAGI port."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Final

from agi import names
from agi.fastagi.client import MAX_ANSWER, environment, read_variables

PATIENCE_S: Final = 1.0
"""The port has so long for the whole exchange; a call has less."""

_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}

_CLOSED: Final = "{} closes without an answer: is this host in [fastagi] allow?"


async def decides(address: str, timeout_s: float = PATIENCE_S) -> str:
    """Ask ``/health`` at HOST:PORT as Asterisk does; return why it is not answered, empty if it is.

    The answer comes from a router's own loop, as a call's does.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(_HERE.get(host, host), int(port))
            try:
                return await _exchange(reader, writer, address)
            finally:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return f"{address} accepts, and says nothing within {timeout_s:g} s: no router is at work"
    except ConnectionResetError:
        return _CLOSED.format(address)
    except OSError as bad:
        # asyncio's own words for a connection hold the address, and not the reason.
        return f"{address}: {os.strerror(bad.errno) if bad.errno else 'no connection'}"


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
) -> str:
    writer.write(environment(f"agi://{address}/health", "health", "readiness"))
    line = b""
    while len(line) < MAX_ANSWER and (more := await reader.read(4096)):
        line += more
    if read_variables(line).get(names.HEALTH) != "ok":
        return _CLOSED.format(address)
    writer.write(b"200 result=1\nHANGUP\n")
    await writer.drain()
    writer.write_eof()
    return "" if await reader.read(1) == b"" else f"{address} says more than one line"
