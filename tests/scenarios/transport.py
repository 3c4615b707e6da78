"""The outermost thing: where httpx would open a socket, a scripted provider answers instead.

Everything inside is the product's own: client, batcher, accounts, parsers. All waiting is on the
loop's clock.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from agi.model import Msisdn
from tests.scenarios import vendors
from tests.scenarios.behaviour import Manner, Part
from tests.scenarios.vendors import Question, Word

OTHER = "23430"
"""The network that an answer for another number names."""

RIGHT = "23415"
"""What an answer says that is right, but does not arrive as it should."""

_PAGES: Final[Mapping[str, tuple[int, Mapping[str, str], bytes]]] = {
    "REDIRECT": (302, {"Location": "http://127.0.0.1:6379/"}, b""),
    "GZIP": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
    "HTML": (200, {}, b"<html><body>Service temporarily unavailable</body></html>"),
}

Post = Callable[[bytes], object]


@dataclass
class Provider:
    """One provider on the stage: what it plays, and what was asked of it."""

    name: str
    kind: str
    part: Part = field(default_factory=Part)
    asked: list[tuple[float, tuple[Msisdn, ...]]] = field(default_factory=list)
    open: int = 0
    peak: int = 0
    jobs: int = 0

    def busiest(self) -> int:
        """Return the most requests that came within any one second."""
        times = [at for at, _ in self.asked]
        return max((sum(t <= one < t + 1 for one in times) for t in times), default=0)


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        self._chunks = chunks
        self._ended = ended

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        self._ended()


class _Socket:
    async def aclose(self) -> None:
        """There is none."""


class Scripted(httpx.AsyncBaseTransport):
    """Answers the requests of one account as its ``Provider`` is told to."""

    def __init__(self, provider: Provider, post: Post) -> None:
        self._provider = provider
        self._post = post
        self._posting: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Take one request; the answer's bytes come when they are due."""
        provider = self._provider
        now = asyncio.get_running_loop().time()
        parts = urlsplit(str(request.url))
        asked = vendors.question(provider.kind, parts.path, parts.query, await request.aread())
        whole = provider.part.whole(asked.numbers, asked.what, now)
        if whole is not None and whole.does == "CLOSED_KEPT":
            provider.part.everybody = Manner(value=whole.value, after_ms=whole.after_ms)
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        provider.asked.append((now, asked.numbers))
        closed = self._open()
        try:
            await _connect(request, whole)
            answer = await self._answer(asked, whole, now)
        except BaseException:
            closed()
            raise
        status, headers, chunks = answer
        return httpx.Response(status, headers=headers, stream=_Body(chunks, closed))

    def _open(self) -> Callable[[], None]:
        provider = self._provider
        provider.open += 1
        provider.peak = max(provider.peak, provider.open)
        done = False

        def closed() -> None:
            nonlocal done
            if not done:
                done = True
                provider.open -= 1

        return closed

    async def _answer(
        self, asked: Question, whole: Manner | None, now: float
    ) -> tuple[int, dict[str, str], AsyncIterator[bytes]]:
        part = self._provider.part
        recent = sum(now - 1 < at for at, _ in self._provider.asked)
        if part.throttle_per_s and recent > part.throttle_per_s:
            whole = Manner("STATUS", "429", 5, part.throttle_after)
        if whole is None:
            return 200, {}, self._said(asked)
        if whole.does == "HANG":
            await asyncio.get_running_loop().create_future()
        if whole.does == "DRIP":
            return 200, {}, self._dripped(asked, float(whole.value))
        await asyncio.sleep(whole.after_ms / 1000)
        if whole.does == "RESET":
            raise httpx.ReadError("reset")
        return self._odd(asked, whole)

    def _odd(
        self, asked: Question, whole: Manner
    ) -> tuple[int, dict[str, str], AsyncIterator[bytes]]:
        if whole.does == "STATUS":
            headers = {"Retry-After": whole.retry_after} if whole.retry_after else {}
            return int(whole.value), headers, _bytes(b"no")
        if whole.does == "TRUNCATE":
            return 200, {}, self._truncated(asked)
        if whole.does == "OVERSIZE":
            return 200, {}, _endless(50_000_000)
        words = whole.value.encode() + b"\n"
        status, fields, said = _PAGES.get(whole.does, (200, {}, words))
        return status, dict(fields), _bytes(said)

    # ---- what is said --------------------------------------------------------------------

    def _words(self, asked: Question) -> list[tuple[float, Word]]:
        """Return what is said of each number, and after how many milliseconds."""
        words = []
        for number in asked.numbers:
            manner = self._provider.part.manner(number, asked.what)
            if manner.does != "SILENT":
                words.append((manner.after_ms, _word(number, manner)))
        return sorted(words, key=lambda word: word[0])

    async def _said(self, asked: Question) -> AsyncIterator[bytes]:
        words = self._words(asked)
        if asked.what == "text":
            began = asyncio.get_running_loop().time()
            yield b"QUERYOK\n"
            for after_ms, word in words:
                await asyncio.sleep(began + after_ms / 1000 - asyncio.get_running_loop().time())
                yield vendors.lines(asked, word)
            yield b"ENDBATCH\n"
            return
        await asyncio.sleep(max((after_ms for after_ms, _ in words), default=50) / 1000)
        if asked.postback:
            yield self._receipt(asked)
        elif words:
            yield vendors.body(asked, [word for _, word in words])

    async def _whole_body(self, asked: Question) -> bytes:
        words = self._words(asked)
        if asked.what == "text":
            said = b"".join(vendors.lines(asked, word) for _, word in words)
            return b"QUERYOK\n" + said + b"ENDBATCH\n"
        return vendors.body(asked, [word for _, word in words])

    async def _truncated(self, asked: Question) -> AsyncIterator[bytes]:
        full = await self._whole_body(asked)
        yield full[: len(full) * 2 // 3]

    async def _dripped(self, asked: Question, each_ms: float) -> AsyncIterator[bytes]:
        for byte in await self._whole_body(asked):
            await asyncio.sleep(each_ms / 1000)
            yield bytes((byte,))

    # ---- postbacks -----------------------------------------------------------------------

    def _receipt(self, asked: Question) -> bytes:
        provider = self._provider
        provider.jobs += 1
        job = f"00000000-0000-0000-0000-{provider.jobs:012d}"
        times = {"NEVER": 0, "TWICE": 2}.get(provider.part.postback, 1)
        if times:
            task = asyncio.get_running_loop().create_task(self._posts(asked, job, times))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)
        return vendors.receipt(job)

    async def _posts(self, asked: Question, job: str, times: int) -> None:
        await asyncio.sleep(self._provider.part.postback_ms / 1000)
        manner = self._provider.part.manner(asked.numbers[0], asked.what)
        for _ in range(times):
            self._post(vendors.postback(asked, _word(asked.numbers[0], manner), job))


async def _connect(request: httpx.Request, whole: Manner | None) -> None:
    """Tell the client's own watch over connecting what httpcore would tell it."""
    does = whole.does if whole is not None else ""
    trace = request.extensions["trace"]
    await trace("connection.connect_tcp.started", {})
    if does == "REFUSE":
        raise httpx.ConnectError("refused", request=request)
    if does == "BLACKHOLE":
        await asyncio.get_running_loop().create_future()
    if does == "TLS":
        error = httpx.ConnectError("handshake", request=request)
        raise error from ssl.SSLError(1, "certificate has expired")
    await trace("connection.connect_tcp.complete", {"return_value": _Socket()})
    await trace("http11.send_request_headers.started", {})


def _word(number: Msisdn, manner: Manner) -> Word:
    of = number
    if manner.does == "WRONG_NUMBER":
        far = str((int(number[-4]) + 5) % 10)  # nobody else who is asked
        return Word(Msisdn(number[:-4] + far + number[-3:]), OTHER)
    network = manner.value if manner.does == "ANSWERS" and manner.value.isdigit() else ""
    if manner.does in {"TRUNCATE", "DRIP"}:
        network = RIGHT
    code = manner.value if manner.does == "REPLY" else ""
    return Word(of, network, code, manner.more)


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _endless(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 16_384):
        yield b"x" * 16_384
