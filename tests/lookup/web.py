"""A raw HTTP server for the lookup's tests: a script per connection, independent of the sandbox."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def sized(body: bytes, head: bytes = HEAD) -> bytes:
    """A whole response that keeps the connection alive."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answered(form: dict[str, str], mccmnc: str = "23415") -> bytes:
    """A good NPL body for every number of the form."""
    lines = [f"{number} {mccmnc},447785014185,234158341040126" for number in asked(form)]
    return "\n".join(["QUERYOK", *lines, "ENDBATCH", ""]).encode()


def asked(form: dict[str, str]) -> list[str]:
    return form["msisdn"].split(",")


class Talk:
    """One connection, as its script sees it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, web: "Web"
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.web = web
        self.nth = web.connections

    async def request(self) -> dict[str, str]:
        """Read one request; return its form. Raises IncompleteReadError when there is none."""
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in self.head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        form = dict(parse_qsl((await self.reader.readexactly(length)).decode()))
        self.web.requests.append(form)
        self.web.came.set()
        return form

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has closed."""
        while await self.reader.read(65_536):
            pass

    def reset(self) -> None:
        """Send RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Talk], Awaitable[None]]


class Web:
    """What the server saw."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self.came = asyncio.Event()
        self.sent = 0


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Web]:
    """Serve on a free loopback port until the block ends."""
    web = Web()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        web.connections += 1
        try:
            await script(Talk(reader, writer, web))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    web.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/npl"
    try:
        yield web
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def faithful(talk: Talk) -> None:
    """Answer every request, connection kept."""
    while True:
        await talk.send(sized(answered(await talk.request())))
