"""The provider double that ships with the product: Comcetera NPL on one loopback port.

Faithful to v2.4 (v2.3 without ``apiver``, v2.5 with ``economy``), its failures included, and any
fault to order besides. It shares no code with the product's own adapter, so that they can disagree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from agi.sandbox import npl
from agi.sandbox.control import PREFIX, Counters, control, report
from agi.sandbox.delivery import Framing, deliver
from agi.sandbox.faults import Desk, Order, Trouble, other_answer
from agi.sandbox.subscribers import Subscriber
from agi.sandbox.wire import BadRequest, Request, Wire, whole

_MAX_CONNECTIONS: Final = 900  # below the usual soft limit of 1,024 descriptors
_ECONOMY_MS: Final = 5


class Excess(StrEnum):
    """What a request above the account's connections gets.

    The vendor's page states the limit but not the answer (Comcetera NPL API page, v2.4).
    """

    CLOSE = "close"  # closed without a byte
    FAIL = "fail"  # a FAIL line
    HTTP = "http"  # 503


class Sandbox:
    """One account at a double of Comcetera NPL, served over plain HTTP.

    Args:
        subscribers: who exists; any other number is answered ERR1.
        username: the account's name.
        password: the account's password.
        connections: requests of the account at once; more get ``excess``.
        latency_ms: how long a number takes that has no latency of its own, 0 to 60,000.
        credits_left: credits of the account, one per number; None: no end of them.
        locked: the account is locked for payment.
        crlf: lines end in CR LF.
        framing: how the end of an answer is marked.
        excess: what a request too many gets.
        keeps_abandoned: a request whose client went holds its connection slot until its answer
            would have been ready; open in the vendor's page.
        patience_s: the longest that anything lasts on a connection.
    """

    def __init__(  # noqa: PLR0913 - one argument for each term of the account
        self,
        subscribers: Mapping[str, Subscriber],
        *,
        username: str = "demo",
        password: str = "demo",  # noqa: S107 - the password of a double
        connections: int = 1,
        latency_ms: int = 50,
        credits_left: int | None = None,
        locked: bool = False,
        crlf: bool = False,
        framing: Framing = Framing.CLOSE,
        excess: Excess = Excess.CLOSE,
        keeps_abandoned: bool = False,
        patience_s: float = 60.0,
    ) -> None:
        self.counters = Counters()
        self.desk = Desk({n: s.fault for n, s in subscribers.items() if s.fault})
        self._subscribers = subscribers
        self._username = username
        self._password = password
        self._connections = connections
        self._latency_ms = latency_ms
        self._credits_at_start = credits_left
        self._locked = locked
        self._eol = "\r\n" if crlf else "\n"
        self._framing = framing
        self._excess = excess
        self._keeps_abandoned = keeps_abandoned
        self._patience_s = patience_s
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen; return the address, with the port that the system chose if it was 0."""
        self._server = await asyncio.start_server(self._connected, host, port, backlog=512)
        name = self._server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def stop(self) -> None:
        """Stop listening and drop what is going on."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Put counters, credits and orders back to what they were at the start."""
        self.counters = Counters(busy=self.counters.busy)
        self.desk.clear()

    async def until(self, true: Callable[[Counters], bool]) -> None:
        """Wait until something is true of the counters: the way to wait without sleeping."""
        while not true(self.counters):
            self._changed.clear()
            await self._changed.wait()

    def report(self) -> dict[str, object]:
        """Return what ``GET /_sandbox`` shows."""
        return report(self.counters, self.desk, self._credits_left())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer, self._patience_s)
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= _MAX_CONNECTIONS:
            wire.abort()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._converse(wire)
        except (ConnectionError, TimeoutError):
            # Clients that go or stall are what this server is for: no news in that.
            wire.abort()
        finally:
            wire.close()

    async def _converse(self, wire: Wire) -> None:
        try:
            while request := await wire.request():
                if not await self._respond(wire, request):
                    return
        except BadRequest as error:
            await wire.send(whole(error.status, "text/plain", b"", ("Connection", "close")))

    async def _respond(self, wire: Wire, request: Request) -> bool:
        """Answer one request; say whether the connection lives on."""
        if request.path == PREFIX or request.path.startswith(PREFIX + "/"):
            status, document = control(self, request.method, request.path, request.body)
            await wire.send(whole(status, "application/json", document))
            return request.keep_alive
        if request.path != "/npl":
            await wire.send(whole(404, "text/plain", b"no such page\n"))
            return request.keep_alive
        if request.method not in {"GET", "POST"}:
            await wire.send(whole(405, "text/plain", b"", ("Allow", "GET, POST")))
            return request.keep_alive
        return await self._admit(wire, npl.read_query(request.form())) and request.keep_alive

    async def _admit(self, wire: Wire, query: npl.Query) -> bool:
        counters = self.counters
        counters.requests += 1
        counters.high_water = max(counters.high_water, counters.busy + 1)
        self._changed.set()
        if counters.busy >= self._connections:
            counters.refused += 1
            return await self._refuse_excess(wire)
        counters.busy += 1
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._answer(wire, query)
        finally:
            self.counters.busy -= 1  # not of `counters`: a reset may have come between
            self._changed.set()

    async def _refuse_excess(self, wire: Wire) -> bool:
        if self._excess is Excess.FAIL:
            return await self._say(wire, npl.Refusal.BUSY)
        if self._excess is Excess.HTTP:
            await wire.send(whole(503, "text/plain", b"", ("Connection", "close")))
        return False

    async def _say(self, wire: Wire, refusal: npl.Refusal) -> bool:
        self.counters.failed += 1
        return await deliver(wire, (refusal + self._eol).encode(), b"", None, self._framing)

    async def _answer(self, wire: Wire, query: npl.Query) -> bool:
        order, concerned = self.desk.take(query.numbers)
        refusal = npl.ORDERED.get(order.trouble) if order else None
        refusal = refusal or npl.first_refusal(
            query,
            self._username,
            self._password,
            locked=self._locked,
            credits_left=self._credits_left(),
        )
        if refusal is not None:
            return await self._say(wire, refusal)
        latency_s = self._latency_s(query, order)
        self.counters.charged += len(query.numbers)
        self.counters.asked(query.numbers)
        if await self._abandoned(wire, latency_s):
            return False
        lines = npl.lines_of(query, self._subscribers)
        true = npl.body(lines, self._eol, order, concerned)
        other = npl.body(other_answer(lines), self._eol, None, concerned)
        return await deliver(wire, true, other, order, self._framing)

    def _latency_s(self, query: npl.Query, order: Order | None) -> float:
        usual = npl.slowest_ms(query.numbers, self._subscribers, self._latency_ms)
        known = all(n in self.counters.numbers for n in query.numbers)
        if query.economy and known:
            usual = min(usual, _ECONOMY_MS)
        if order is not None and order.trouble is Trouble.SLOW:
            usual += order.amount or 0
        return usual / 1000

    async def _abandoned(self, wire: Wire, latency_s: float) -> bool:
        if not latency_s:
            return False
        since = time.monotonic()
        if not await wire.gone(latency_s):
            return False
        self.counters.abandoned += 1
        self._changed.set()
        if self._keeps_abandoned:
            await asyncio.sleep(max(0.0, latency_s - (time.monotonic() - since)))
        return True

    def _credits_left(self) -> int | None:
        if self._credits_at_start is None:
            return None
        return self._credits_at_start - self.counters.charged
