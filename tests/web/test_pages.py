"""The port for people and Prometheus, by real sockets: what it says, and who cannot disturb it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvloop

from agi.ami.figures import PDD_BOUNDS, Totals
from agi.metrics import Metrics
from agi.scene import Scene
from agi.web.pages import Pages


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes


class Watched(Mapping[str, Totals]):
    """Trunks' counters that note which thread looks at them."""

    def __init__(self, threads: set[int]) -> None:
        self.threads = threads

    def __getitem__(self, trunk: str) -> Totals:
        return Totals(pdd=[0] * (len(PDD_BOUNDS) + 1))

    def __iter__(self) -> Iterator[str]:
        self.threads.add(threading.get_ident())
        return iter(("uk-a",))

    def __len__(self) -> int:
        return 1


@dataclass
class Desk:
    """What lies behind the pages."""

    why: str = ""
    calls: int = 0
    made: int = 0
    providers: int = 0
    looked_from: set[int] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def scene(self) -> Scene:
        self.made += 1
        self.begun.set()
        await self.gate.wait()
        counts = Metrics()
        counts.calls["route", "memory", "ok"] = self.calls
        for number in range(self.providers):
            for other in range(32):
                counts.lookup[f"p{number}", f"o{other}"].observe(0.1)
        totals = Watched(self.looked_from)
        return Scene(at=1.0, version="1", told=(), silent={}, counts=counts, totals=totals)

    async def ready(self) -> str:
        return self.why


@dataclass
class Opened:
    desk: Desk
    address: tuple[str, int]

    async def get(self, path: str, method: str = "GET", accept: str = "*/*") -> Answered:
        head = f"{method} {path} HTTP/1.1\r\nHost: noc\r\nAccept: {accept}\r\n\r\n"
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(head.encode())
            async with asyncio.timeout(10):
                return parsed(await reader.read())
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def parsed(wire: bytes) -> Answered:
    head, _, body = wire.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    return Answered(int(first.split()[1]), fields, body)


@asynccontextmanager
async def opened(*, lifetime_s: float = 5.0, max_connections: int = 32) -> AsyncIterator[Opened]:
    desk = Desk()
    desk.gate.set()
    pages = Pages(desk.scene, desk.ready, lifetime_s=lifetime_s, max_connections=max_connections)
    try:
        yield Opened(desk, await pages.start("127.0.0.1", 0))
    finally:
        await pages.stop()


def with_pages(
    test: Callable[[Opened], Awaitable[None]], *, lifetime_s: float = 5.0, most: int = 32
) -> None:
    async def run() -> None:
        async with opened(lifetime_s=lifetime_s, max_connections=most) as pages:
            await test(pages)

    for factory in (None, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())


def is_problem(answered: Answered, status: int, title: str) -> bool:
    said = json.loads(answered.body)
    return (
        answered.status == said["status"] == status
        and said["title"] == title
        and answered.headers["content-type"] == "application/problem+json"
    )


def test_a_long_page_is_written_beside_the_loop_that_hears_asterisk() -> None:
    async def test(pages: Opened) -> None:
        assert 200 == (await pages.get("/metrics")).status
        assert 1 == len(pages.desk.looked_from)
        assert threading.get_ident() not in pages.desk.looked_from

    with_pages(test)


def test_it_is_alive_while_its_loop_runs() -> None:
    async def test(pages: Opened) -> None:
        answered = await pages.get("/healthz")
        assert (200, b"ok\n") == (answered.status, answered.body)
        assert "no-store" == answered.headers["cache-control"]

    with_pages(test)


def test_it_is_ready_only_while_a_call_would_be_decided_and_else_says_why_not() -> None:
    async def test(pages: Opened) -> None:
        assert 200 == (await pages.get("/readyz")).status
        pages.desk.why = "127.0.0.1:4573: Connection refused"
        answered = await pages.get("/readyz")
        assert is_problem(answered, 503, "Service Unavailable")
        assert pages.desk.why == json.loads(answered.body)["detail"]
        pages.desk.why = ""
        assert 200 == (await pages.get("/readyz")).status

    with_pages(test)


def test_each_scrape_is_of_a_fresh_scene() -> None:
    async def test(pages: Opened) -> None:
        for count in (1, 2, 3):
            pages.desk.calls = count
            answered = await pages.get("/metrics")
            assert f'source="memory"}} {count}.0\n'.encode() in answered.body
        assert "text/plain; version=0.0.4; charset=utf-8" == answered.headers["content-type"]
        answered = await pages.get("/metrics", accept="application/openmetrics-text;version=1.0.0")
        assert answered.headers["content-type"].startswith("application/openmetrics-text")
        assert answered.body.endswith(b"# EOF\n")

    with_pages(test)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_is_answered_without_a_body(path: str) -> None:
    async def test(pages: Opened) -> None:
        whole, head = await pages.get(path), await pages.get(path, "HEAD")
        assert (200, b"") == (head.status, head.body)
        assert whole.headers["content-length"] == head.headers["content-length"]

    with_pages(test)


@pytest.mark.parametrize("path", ["/", "/metrics/", "/v1/route", "/healthz/x", "/%2e%2e/etc"])
def test_what_is_not_there_is_a_problem_document(path: str) -> None:
    async def test(pages: Opened) -> None:
        assert is_problem(await pages.get(path), 404, "Not Found")

    with_pages(test)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(method: str) -> None:
    async def test(pages: Opened) -> None:
        answered = await pages.get("/metrics", method)
        assert is_problem(answered, 405, "Method Not Allowed")
        assert {"get", "head"} == set(answered.headers["allow"].split(", "))

    with_pages(test)


def test_a_head_without_an_end_is_refused() -> None:
    async def test(pages: Opened) -> None:
        reader, writer = await asyncio.open_connection(*pages.address)
        writer.write(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000)
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    with_pages(test)


def test_f48_scrapers_that_come_while_a_scene_is_made_share_the_next_one() -> None:
    async def test(pages: Opened) -> None:
        pages.desk.gate.clear()
        scrapes = [asyncio.create_task(pages.get("/metrics")) for _ in range(20)]
        assert 200 == (await pages.get("/healthz")).status
        both_sides = 2 * len(scrapes) + 2
        while len(asyncio.all_tasks()) < both_sides:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0)
        pages.desk.gate.set()
        assert {200} == {one.status for one in await asyncio.gather(*scrapes)}
        assert 2 >= pages.desk.made

    with_pages(test)


def test_f48_a_scraper_that_reads_nothing_disturbs_nobody_and_is_ended() -> None:
    async def test(pages: Opened) -> None:
        slow = []
        pages.desk.providers = 3  # a body that these sockets' buffers do not hold
        begun = time.monotonic()
        assert 200 == (await pages.get("/metrics")).status
        alone_s = time.monotonic() - begun
        for _ in range(8):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, pages.address)
            reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
            writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's has it
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: noc\r\n\r\n")
            slow.append((reader, writer))
        begun = time.monotonic()
        assert 200 == (await pages.get("/metrics")).status
        assert 200 == (await pages.get("/healthz")).status
        assert 3.0 + 20 * alone_s > time.monotonic() - begun
        for reader, writer in slow:
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                assert await ended(reader)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    with_pages(test, lifetime_s=5.0)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Say whether the other side ends the connection, whatever it still sends."""
    try:
        await reader.read()
    except ConnectionResetError:
        return True
    return reader.at_eof()


def test_f48_connections_that_say_nothing_give_way_to_who_asks() -> None:
    async def test(pages: Opened) -> None:
        silent = [await asyncio.open_connection(*pages.address) for _ in range(12)]
        assert 200 == (await pages.get("/metrics")).status
        for _, writer in silent:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    with_pages(test, lifetime_s=60, most=4)


def test_f48_a_scraper_that_leaves_in_the_middle_leaves_the_others_their_answer() -> None:
    async def test(pages: Opened) -> None:
        pages.desk.gate.clear()
        _, writer = await asyncio.open_connection(*pages.address)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: noc\r\n\r\n")
        scrape = asyncio.create_task(pages.get("/metrics"))
        await pages.desk.begun.wait()
        writer.transport.abort()
        pages.desk.gate.set()
        assert 200 == (await scrape).status

    with_pages(test)


def test_stopped_it_ends_everything() -> None:
    async def test(pages: Opened) -> None:
        pages.desk.gate.clear()
        reader, writer = await asyncio.open_connection(*pages.address)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: noc\r\n\r\n")
        await pages.desk.begun.wait()
        waiting.append((reader, writer))

    waiting: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def run() -> None:
        async with opened() as pages:
            await test(pages)
        for reader, writer in waiting:
            async with asyncio.timeout(10):
                assert await ended(reader)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    asyncio.run(run())
