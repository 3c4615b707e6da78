"""A raw HTTP server for the lookup's tests: a script per connection, independent of the sandbox.

Certificates are made by the ``openssl`` program, so that they are somebody else's work too.
"""

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
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
        self.port = 0
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self.came = asyncio.Event()
        self.sent = 0


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
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

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    web.url = f"http{'s' if tls else ''}://127.0.0.1:{web.port}/npl"
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


class Authority:
    """A certificate authority of one test run, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.certificate = directory / "ca.pem"
        extensions = "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"
        self._key("ca", "-x509", "-out", "ca.pem", *_added(extensions))

    def trusted(self) -> ssl.SSLContext:
        """A client's context that trusts this authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def server(self, name: str, days: int = 2) -> ssl.SSLContext:
        """A server's context with a certificate for a DNS name; of -1 days: an expired one."""
        self._key("leaf", "-new", "-out", "leaf.csr")
        (self._directory / "names").write_text(f"subjectAltName=DNS:{name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days))
        asked = ("-req", "-in", "leaf.csr", "-extfile", "names", "-out", "leaf.pem")
        self._openssl("x509", *asked, *signing)
        return self._serving("leaf")

    def self_signed(self, name: str) -> ssl.SSLContext:
        """A server's context whose certificate nobody vouches for."""
        self._key("own", "-x509", "-out", "own.pem", *_added([f"subjectAltName=DNS:{name}"]))
        return self._serving("own")

    def _serving(self, stem: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._directory / f"{stem}.pem", self._directory / f"{stem}.key")
        return context

    def _key(self, stem: str, *terms: str) -> None:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl("req", *curve, "-keyout", f"{stem}.key", "-subj", f"/CN=test {stem}", *terms)

    def _openssl(self, *terms: str) -> None:
        command = ["openssl", *terms]
        subprocess.run(command, cwd=self._directory, check=True, capture_output=True, timeout=30)


def _added(extensions: Iterable[str]) -> list[str]:
    return [term for extension in extensions for term in ("-addext", extension)]
