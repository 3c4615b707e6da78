"""Many numbers, one request: what waits while an account's connections are busy goes together.

A provider allows so many requests at once per account (NPL v2.4: one) and many numbers in each
(1,000). A number never waits while a slot is free; numbers that had to wait share the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from agi.errors import ProviderFault
from agi.lookup.events import LookupDone, NumberAnswered, Observer, Strangers, ignore
from agi.lookup.provider import Answer, Provider
from agi.model import Msisdn


class Asks(Protocol):
    """What carries a request: ``agi.lookup.client.Client``, or a double."""

    async def ask(
        self,
        provider: Provider,
        numbers: Sequence[Msisdn],
        deadline: float,
        on_answer: Callable[[Answer], None],
    ) -> None:
        """Ask, and hand over each answer as it arrives; raise ``ProviderFault``."""


class _Exchange:
    """One request on its way: its numbers, who waits for each, and when it was sent."""

    def __init__(self, waiting: dict[Msisdn, asyncio.Future[Answer]], sent: float) -> None:
        self.open = waiting
        self.numbers = tuple(waiting)
        self.sent = sent
        self.strangers = 0

    def answered(self, answer: Answer) -> bool:
        """Wake whoever waits for this number; say whether it was one that is still open."""
        future = self.open.pop(answer.number, None)
        if future is None:
            self.strangers += answer.number not in self.numbers
            return False
        if not future.done():
            future.set_result(answer)
        return True

    def failed(self, fault: ProviderFault) -> None:
        """Fail every number that has no answer yet."""
        for future in self.open.values():
            if not future.done():
                future.set_exception(fault)
                future.exception()  # else a future nobody looks at would be logged as an error


class Batcher:
    """The one queue in front of one account.

    ``deadline_s`` is the longest that a call waits (D); a request that was sent is read to twice
    that, counted from when it was sent, whether or not anybody still waits: its answers are paid
    for. At most ``max_waiting`` numbers queue. One event loop only.
    """

    def __init__(  # noqa: PLR0913 - parts and limits, by keyword
        self,
        *,
        provider: Provider,
        client: Asks,
        connections: int,
        deadline_s: float,
        clock: Callable[[], float],
        observe: Observer = ignore,
        max_waiting: int = 10_000,
    ) -> None:
        self._provider = provider
        self._client = client
        self._connections = connections
        self._hard_s = 2 * deadline_s
        self._clock = clock
        self._observe = observe
        self._max = max_waiting
        self._waiting: dict[Msisdn, asyncio.Future[Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._closed = False
        self._held = False

    @property
    def name(self) -> str:
        """The account's name in the configuration."""
        return self._provider.name

    @property
    def kind(self) -> str:
        """The provider system: the key of its rows in ``errors.csv``."""
        return self._provider.kind

    @property
    def waiting(self) -> int:
        """How many numbers wait for a free connection."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """How many connections are in use, at most ``connections``."""
        return len(self._tasks)

    def submit(self, number: Msisdn) -> asyncio.Future[Answer]:
        """Queue ``number``; the future ends with its answer, or with a ``ProviderFault``.

        A number that waits already is not queued twice: the callers get the same future.

        Raises:
            ProviderFault: ``shed``, when the queue is full or closed.
        """
        queued = self._waiting.get(number)
        if queued is not None and not queued.cancelled():
            return queued
        if self._closed or len(self._waiting) >= self._max:
            raise ProviderFault("shed", "closing" if self._closed else "too many numbers wait")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._launch()
        return future

    def hold(self) -> None:
        """Send nothing until ``release``: another batcher still uses the account's connections."""
        self._held = True

    def release(self) -> None:
        """Send what waits."""
        self._held = False
        for _ in range(self._connections):
            self._launch()

    async def close(self) -> None:
        """Fail what waits, cancel what is on its way, and take nothing any more."""
        self._closed = True
        _Exchange(self._waiting, 0.0).failed(ProviderFault("shed", "closing"))
        self._waiting = {}
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _launch(self) -> None:
        """Use a free slot, if there is one and somebody waits.

        The request takes its numbers when it starts, one loop turn later: what was submitted in
        the same turn goes along at no cost in time.
        """
        if self._held or not self._waiting or len(self._tasks) >= self._connections:
            return
        self._starting += 1
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._launch()

    async def _run(self) -> None:
        batch = self._take()
        if not batch:
            return
        exchange = _Exchange(batch, self._clock())
        outcome, detail = "malformed", ""
        try:
            outcome, detail = await self._ask(exchange)
        except asyncio.CancelledError:
            outcome = "shed"
            raise
        finally:
            exchange.failed(ProviderFault(outcome, "the request ended without an answer"))
            self._report(exchange, outcome, detail)

    async def _ask(self, exchange: _Exchange) -> tuple[str, str]:
        """Return ``ok``, or the cause and detail why the rest of the numbers has no answer."""
        deadline = exchange.sent + self._hard_s
        try:
            await self._client.ask(
                self._provider, exchange.numbers, deadline, lambda a: self._answered(exchange, a)
            )
        except ProviderFault as fault:
            exchange.failed(fault)
            return fault.cause, fault.detail
        return ("malformed", "numbers left out") if exchange.open else ("ok", "")

    def _take(self) -> dict[Msisdn, asyncio.Future[Answer]]:
        """Take this request's share: the slots that start in this turn split what waits."""
        shares, self._starting = self._starting, self._starting - 1
        size = min(-(-len(self._waiting) // shares), self._provider.batch_size)
        taken = tuple(self._waiting)[:size]
        return {number: self._waiting.pop(number) for number in taken}

    def _answered(self, exchange: _Exchange, answer: Answer) -> None:
        if exchange.answered(answer):
            seconds = self._clock() - exchange.sent
            self._observe(NumberAnswered(self.name, answer.outcome, seconds))

    def _report(self, exchange: _Exchange, outcome: str, detail: str) -> None:
        numbers = len(exchange.numbers)
        answered = numbers - len(exchange.open)
        seconds = self._clock() - exchange.sent
        self._observe(LookupDone(self.name, outcome, seconds, numbers, answered, detail))
        if exchange.strangers:
            self._observe(Strangers(self.name, exchange.strangers))
