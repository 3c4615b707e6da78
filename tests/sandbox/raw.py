"""A client of the sandbox that knows nothing but sockets, and the stage for its scenes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from agi.sandbox.faults import Order
from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import Subscriber

VENDOR = {
    "447788450450": Subscriber("447788450450", "23415", "447785014185", "234158341040126"),
    "447810701702": Subscriber("447810701702", "23415", "447785014185", "234159002945116"),
    "447973100100": Subscriber("447973100100", error="ERR1"),
}
ONE = "447788450450"
SOUND = b"QUERYOK\n447788450450 23415,447785014185,234158341040126\nENDBATCH\n"


@dataclass(frozen=True)
class Seen:
    """What came over one connection: head, body, and whether it ended by RST."""

    head: bytes
    body: bytes
    reset: bool

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """A client that knows nothing but sockets."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    async def open(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self._address, limit=2**22)
        writer.write(data)
        return reader, writer

    async def exchange(self, data: bytes) -> Seen:
        reader, writer = await self.open(data)
        got, reset = bytearray(), False
        try:
            while block := await reader.read(2**20):
                got += block
        except ConnectionResetError:
            reset = True
        writer.close()
        head, _, body = bytes(got).partition(b"\r\n\r\n")
        return Seen(head, body, reset)

    async def ask(
        self, method: str, target: str, body: bytes | str | dict[str, Any] = b"", **headers: str
    ) -> Seen:
        """Send one request and read to the end; a dict goes as JSON, a str as a form."""
        return await self.exchange(http(method, target, body, **headers))

    async def npl(self, numbers: str = ONE, **more: str) -> Seen:
        return await self.exchange(post(numbers, **more))

    async def control(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        body = b"" if document is None else json.dumps(document).encode()
        head = f"{method} /_sandbox{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        seen = await self.exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return seen.status, json.loads(seen.body)


def http(
    method: str, target: str, body: bytes | str | dict[str, Any] = b"", **headers: str
) -> bytes:
    kinds = {str: "application/x-www-form-urlencoded", dict: "application/json"}
    data = json.dumps(body) if isinstance(body, dict) else body
    data = data.encode() if isinstance(data, str) else data
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(data)}"]
    lines += [f"Content-Type: {kinds[type(body)]}"] if type(body) in kinds else []
    lines += [f"{name}: {value}" for name, value in ({"Connection": "close"} | headers).items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def post(numbers: str = ONE, **more: str) -> bytes:
    fields = {"user": "demo", "pass": "demo", "msisdn": numbers, "apiver": "2.4"} | more
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    return (
        "POST /npl HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def play(scene: Callable[[Sandbox, Raw], Awaitable[None]], **terms: Any) -> None:
    play_with(VENDOR, scene, **terms)


def ordered(order: Order, scene: Callable[[Raw], Awaitable[None]], **terms: Any) -> None:
    async def with_order(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(order)
        await scene(raw)

    play(with_order, **terms)


def play_with(
    subscribers: dict[str, Subscriber],
    scene: Callable[[Sandbox, Raw], Awaitable[None]],
    **terms: Any,
) -> None:
    async def run() -> None:
        sandbox = Sandbox(subscribers, **({"latency_ms": 0} | terms))
        raw = Raw(*await sandbox.start())
        try:
            async with asyncio.timeout(30):
                await scene(sandbox, raw)
        finally:
            await sandbox.stop()

    asyncio.run(run())
