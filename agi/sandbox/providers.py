"""The provider double that ships with the product: every API on one loopback port, one account.

``/npl`` is Comcetera NPL (text of v2.3 to v2.5, JSON of v3), ``/v1/insight`` LANCK, ``/`` and
``/v1/async`` Data Soap, ``/apiv2`` hlrlookup v2. Faithful to the vendors' pages, their failures
included, and any fault to order besides. It shares no code with the product's own adapters, so that
they can disagree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from agi.sandbox import lanck
from agi.sandbox.control import PREFIX, control
from agi.sandbox.counters import Books, Counters
from agi.sandbox.datasoap import DataSoap
from agi.sandbox.delivery import Framing, deliver
from agi.sandbox.desk import Desk
from agi.sandbox.door import Door
from agi.sandbox.exchange import TEXT, Account, Api, Ground, Reply, Service
from agi.sandbox.faults import Trouble
from agi.sandbox.hlrlookup import HlrLookup
from agi.sandbox.npl_api import Npl
from agi.sandbox.people import People
from agi.sandbox.postback import Runner
from agi.sandbox.serving import Excess, Serving, Terms
from agi.sandbox.subscribers import Subscriber
from agi.sandbox.wire import BadRequest, Request, Wire, whole

_MAX_CONNECTIONS: Final = 900  # below the usual soft limit of 1,024 descriptors


@dataclass(frozen=True, slots=True)
class Vendors:
    """Terms that only one vendor has.

    ``lanck_per_second`` limits requests, ``hlrlookup_per_second`` numbers of one network,
    ``datasoap_per_second`` what one token asks, each in any second; 0: no limit. ``datasoap_mnc``:
    Data Soap tells the MNC and whether a number was ported, which no page shows. ``wrapped``:
    hlrlookup's answers stand under a key ``body``.
    """

    lanck_per_second: float = lanck.REQUESTS_PER_SECOND
    hlrlookup_per_second: float = 0
    datasoap_per_second: float = 0
    datasoap_mnc: bool = False
    wrapped: bool = False


def _services(ground: Ground, vendors: Vendors, eol: str) -> tuple[Service, ...]:
    return (
        Npl(ground, eol),
        lanck.Lanck(ground, vendors.lanck_per_second),
        HlrLookup(ground, per_second=vendors.hlrlookup_per_second, wrapped=vendors.wrapped),
        DataSoap(ground, mnc=vendors.datasoap_mnc, per_second=vendors.datasoap_per_second),
    )


class Sandbox:
    """One account at doubles of all provider systems, served over plain HTTP.

    Args:
        subscribers: who exists; any other number is unknown, in each API's words.
        username: the account's name, key or login.
        password: the account's password, secret or token.
        connections: NPL requests of the account at once; more get ``excess``. The other APIs
            limit requests a second instead.
        latency_ms: how long a number takes that has no latency of its own, 0 to 60,000.
        credits_left: credits of the account, one per NPL number; None: no end of them.
        locked: the account is locked for payment.
        crlf: NPL lines end in CR LF.
        framing: how the end of an NPL answer is marked.
        excess: what an NPL request too many gets.
        keeps_abandoned: a request whose client went holds its connection slot until its answer
            would have been ready; open in the vendor's page.
        patience_s: the longest that anything lasts on a connection.
        others: the network (MCC and MNC) of every number that is not listed; empty: unknown.
        vendors: what only one vendor has, his limits above all.
        clock: monotonic seconds, for limits and flapping.
        wall: seconds since 1970, for time stamps.
    """

    def __init__(  # noqa: PLR0913 - one argument for each term of the account
        self,
        subscribers: Mapping[str, Subscriber],
        *,
        username: str = "demo",
        password: str = "demo",  # noqa: S107 - the password of a double
        connections: int = 1,
        latency_ms: int = 50,
        credits_left: float | None = None,
        locked: bool = False,
        crlf: bool = False,
        framing: Framing = Framing.CLOSE,
        excess: Excess = Excess.CLOSE,
        keeps_abandoned: bool = False,
        patience_s: float = 60.0,
        others: str = "",
        vendors: Vendors = Vendors(),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.books = Books()
        self.desk = Desk({n: s.fault for n, s in subscribers.items() if s.fault})
        self.account = Account(username, password, locked, credits_left)
        self.now = clock
        self._credits_at_start = credits_left
        self._patience_s = patience_s
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = Runner(self._posted, patience_s)
        self.door = Door(self._connected, self._end_connections)
        ground = Ground(self.account, People(subscribers, others), clock, wall)
        eol = "\r\n" if crlf else "\n"
        terms = Terms(connections, latency_ms, framing, excess, eol, keeps_abandoned, patience_s)
        self._services = _services(ground, vendors, eol)
        self._serving = Serving(
            ground, terms, self.desk, books=self.books, runner=self._runner, changed=self._changed
        )

    @property
    def counters(self) -> Counters:
        """The counters in all; those of one API are in ``books``."""
        return self.books.total

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen; return the address, with the port that the system chose if it was 0."""
        return await self.door.open(host, port)

    async def stop(self) -> None:
        """Stop listening and drop what is going on."""
        self.door.close()
        await self._runner.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Put counters, credits, latencies and orders back to what they were at the start."""
        self.books.reset()
        self.desk.clear()
        self.door.soothe()
        self.account.credits_left = self._credits_at_start
        self._serving.latencies.clear()

    def set_latency(self, ms: int | None, api: Api | None = None) -> None:
        """Change how long a number takes that has no latency of its own; None: as at start."""
        for one in Api if api is None else (api,):
            if ms is None:
                self._serving.latencies.pop(one, None)
            else:
                self._serving.latencies[one] = ms

    async def until(self, true: Callable[[Counters], bool]) -> None:
        """Wait until something is true of the counters: the way to wait without sleeping."""
        while not true(self.counters):
            self._changed.clear()
            await self._changed.wait()

    def report(self) -> dict[str, object]:
        """Return what ``GET /_sandbox`` shows; no number in it."""
        return self.counters.told() | {
            "credits": self.account.credits_left,
            "apis": {api: counters.told() for api, counters in self.books.apis.items()},
            "latency_ms": {api: self._serving.usual_ms(api) for api in Api},
            "door": self.door.state,
            "orders": self.desk.standing(),
            "faults": list(Trouble),
        }

    def _posted(self, taken: bool) -> None:
        for counters in self.books.of(Api.DATASOAP):
            counters.posted += taken
            counters.lost += not taken
        self._changed.set()

    def _end_connections(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer, self._patience_s)
        if len(self._tasks) >= _MAX_CONNECTIONS:
            wire.abort()
            return
        # A task of our own: asyncio reports those that it made as failed when they are cancelled.
        task = asyncio.get_running_loop().create_task(self._attend(wire))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, wire: Wire) -> None:
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
                await self.door.thawed.wait()
                if not await self._respond(wire, request):
                    return
        except BadRequest as error:
            await wire.send(whole(error.status, TEXT, b"", ("Connection", "close")))

    async def _respond(self, wire: Wire, request: Request) -> bool:
        """Answer one request; say whether the connection lives on."""
        if request.path == PREFIX or request.path.startswith(PREFIX + "/"):
            status, document = control(self, request.method, request.path, request.body)
            await wire.send(whole(status, "application/json", document))
            return request.keep_alive
        for service in self._services:
            asked = service.read(request)
            if isinstance(asked, Reply) and not asked.failed:
                return await deliver(wire, asked, None, Framing.LENGTH) and request.keep_alive
            if asked is not None:
                return await self._serving.admit(wire, service, asked) and request.keep_alive
        await wire.send(whole(404, TEXT, b"no such page\n"))
        return request.keep_alive
