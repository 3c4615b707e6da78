"""How one question is answered: admitted, counted, delayed, spoiled as ordered, charged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agi.sandbox.counters import Books
from agi.sandbox.delivery import Framing, acted, chunk, deliver, ending, opening
from agi.sandbox.desk import Desk
from agi.sandbox.exchange import JSON, TEXT, Api, Asked, Ground, Pieces, Reply, Service
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.mangle import mangled, needs_the_whole
from agi.sandbox.npl import Refusal
from agi.sandbox.people import slowest_ms, time_ms
from agi.sandbox.postback import Runner
from agi.sandbox.wire import Wire, whole

_ECONOMY_MS: Final = 5


class Excess(StrEnum):
    """What a request above the account's connections gets.

    The vendor's page states the limit but not the answer (Comcetera NPL API page, v2.4).
    """

    CLOSE = "close"  # closed without a byte
    FAIL = "fail"  # a FAIL line
    HTTP = "http"  # 503


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of the account, as ``Sandbox`` describes them."""

    connections: int
    latency_ms: int
    framing: Framing
    excess: Excess
    eol: str
    keeps_abandoned: bool
    patience_s: float


class Serving:
    """Answers the questions of all APIs; ``latencies`` holds what was ordered of them, in ms."""

    def __init__(  # noqa: PLR0913 - the parts of one account
        self,
        ground: Ground,
        terms: Terms,
        desk: Desk,
        *,
        books: Books,
        runner: Runner,
        changed: asyncio.Event,
    ) -> None:
        self.latencies: dict[Api, int] = {}
        self._ground = ground
        self._terms = terms
        self._desk = desk
        self._books = books
        self._runner = runner
        self._changed = changed

    def usual_ms(self, api: Api) -> int:
        """Return how long a number takes that has no latency of its own."""
        return self.latencies.get(api, self._terms.latency_ms)

    async def admit(self, wire: Wire, service: Service, asked: Asked | Reply) -> bool:
        """Take one request, or refuse it as one too many; say whether the connection lives on."""
        api = service.api
        full = api is Api.NPL and self._books.apis[api].busy >= self._terms.connections
        for counters in self._books.of(api):
            counters.arrived()
            counters.refused += full
            counters.busy += not full
        self._changed.set()
        if full:
            return await self._refuse_excess(wire)
        try:
            async with asyncio.timeout(self._terms.patience_s):
                return await self._answer(wire, service, asked)
        finally:
            for counters in self._books.of(api):  # not those of before: a reset may have come
                counters.busy -= 1
            self._changed.set()

    async def _refuse_excess(self, wire: Wire) -> bool:
        if self._terms.excess is Excess.FAIL:
            return await self._say(wire, Api.NPL, Reply(self._busy_line(), kind=TEXT))
        if self._terms.excess is Excess.HTTP:
            await wire.send(whole(503, TEXT, b"", ("Connection", "close")))
        return False

    def _busy_line(self) -> bytes:
        return (Refusal.BUSY + self._terms.eol).encode()

    async def _say(self, wire: Wire, api: Api, refusal: Reply) -> bool:
        for counters in self._books.of(api):
            counters.failed += 1
        return await deliver(wire, refusal, None, self._framing_of(api))

    def _framing_of(self, api: Api) -> Framing:
        return self._terms.framing if api is Api.NPL else Framing.LENGTH

    async def _answer(self, wire: Wire, service: Service, asked: Asked | Reply) -> bool:
        api, numbers = service.api, asked.numbers if isinstance(asked, Asked) else ()
        order, concerned = self._desk.take(numbers, api, self._ground.clock())
        refusal = service.refuse(order.trouble) if order else None
        if refusal is not None or isinstance(asked, Reply):
            said = refusal or asked
            return isinstance(said, Reply) and await self._say(wire, api, said)
        latency_s = self._latency_s(api, asked, order)
        self._charge(api, asked)
        if asked.errand is not None:
            return await self._take_errand(wire, asked, order, concerned, latency_s)
        if asked.pieces is not None and not (acted(order) or needs_the_whole(order)):
            return await self._stream(wire, asked.pieces, asked, order, concerned)
        if await self._abandoned(wire, api, latency_s):
            return False
        return await self._deliver(wire, api, asked.answer(order, concerned), order)

    async def _deliver(self, wire: Wire, api: Api, reply: Reply, order: Order | None) -> bool:
        body = mangled(reply.body, reply.kind, order)
        if body is not reply.body:
            reply = Reply(body, reply.status, reply.kind, reply.headers, reply.other)
        return await deliver(wire, reply, order, self._framing_of(api))

    async def _take_errand(
        self,
        wire: Wire,
        asked: Asked,
        order: Order | None,
        concerned: frozenset[str],
        latency_s: float,
    ) -> bool:
        """Give the receipt at once; its postback follows when the answer is ready."""
        if asked.errand is None:
            return False
        reply = asked.answer(order, concerned)
        await self._runner.before_receipt(asked.errand, order)
        alive = await self._deliver(wire, Api.DATASOAP, reply, order)
        self._runner.after_receipt(asked.errand, order, latency_s)
        return alive

    async def _stream(
        self, wire: Wire, pieces: Pieces, asked: Asked, order: Order | None, ids: frozenset[str]
    ) -> bool:
        """Send each number's object when it is ready, the quickest first (NPL page, v3.32)."""
        framing = Framing.CHUNKED if self._terms.framing is Framing.LENGTH else self._terms.framing
        await wire.send(opening(JSON, framing))
        waited_ms, before = 0, b"["
        for ms, numbers in self._by_time(asked.numbers, self._extra_ms(order)):
            if await self._abandoned(wire, Api.NPL, (ms - waited_ms) / 1000):
                return False
            waited_ms = ms
            if objects := pieces(numbers, order, ids):
                await wire.send(chunk(before + b",".join(objects), framing))
                before = b","
        cut = order is not None and order.trouble is Trouble.TRUNCATE
        end = b"" if cut else b"]" if before == b"," else b"[]"
        await wire.send(chunk(end, framing) + ending(framing))
        return framing is not Framing.CLOSE

    def _by_time(
        self, numbers: tuple[str, ...], extra_ms: int
    ) -> list[tuple[int, tuple[str, ...]]]:
        usual = self.usual_ms(Api.NPL)
        groups: dict[int, list[str]] = {}
        for number in reversed(numbers):
            ms = time_ms(self._ground.people.get(number), usual) + extra_ms
            groups.setdefault(ms, []).append(number)
        return [(ms, tuple(group)) for ms, group in sorted(groups.items())]

    def _charge(self, api: Api, asked: Asked) -> None:
        account = self._ground.account
        if account.credits_left is not None:
            account.credits_left = max(0, account.credits_left - asked.credits)
        for counters in self._books.of(api):
            counters.charged += asked.credits
            counters.asked(asked.numbers)

    def _extra_ms(self, order: Order | None) -> int:
        return order.amount or 0 if order and order.trouble is Trouble.SLOW else 0

    def _latency_s(self, api: Api, asked: Asked, order: Order | None) -> float:
        usual = slowest_ms(asked.numbers, self._ground.people, self.usual_ms(api))
        seen = self._books.apis[api].numbers
        if asked.economy and all(number in seen for number in asked.numbers):
            usual = min(usual, _ECONOMY_MS)
        return (usual + self._extra_ms(order)) / 1000

    async def _abandoned(self, wire: Wire, api: Api, latency_s: float) -> bool:
        if latency_s <= 0:
            return False
        since = time.monotonic()
        if not await wire.gone(latency_s):
            return False
        for counters in self._books.of(api):
            counters.abandoned += 1
        self._changed.set()
        if self._terms.keeps_abandoned:
            await asyncio.sleep(max(0.0, latency_s - (time.monotonic() - since)))
        return True
