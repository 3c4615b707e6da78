"""Many numbers, one request: what waits while an account's connections are busy goes together.

A provider allows so many requests at once per account (NPL v2.4: one) and many numbers in each
(1,000). A number never waits while a connection is free; numbers that had to wait share the next
one. A number whose callers' time has run out before it was sent is not sent: nobody pays for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

from agi.errors import ProviderFault
from agi.lookup.events import LookupDone, NumberAnswered, Observer, Overdue, Strangers, ignore
from agi.lookup.provider import Answer, Provider
from agi.lookup.slots import Slots
from agi.model import Msisdn, Outcome


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


class Expects(Protocol):
    """Who waits for postbacks: ``agi.lookup.postback.Postbacks``."""

    def expect(self, job: str, number: Msisdn, provider: str) -> asyncio.Future[Answer]:
        """Return the future of the answer that comes under ``job``."""

    def submitting(self) -> AbstractContextManager[None]:
        """Stand around a submission: its postback may come before its receipt."""


class _Waiting:
    """One number in the queue: who waits for it, and until when sending it is worth while."""

    __slots__ = ("future", "until")

    def __init__(self, future: asyncio.Future[Answer], until: float) -> None:
        self.future = future
        self.until = until


class _Exchange:
    """One request on its way: its numbers, who waits for each, and when it was sent."""

    def __init__(self, waiting: dict[Msisdn, asyncio.Future[Answer]], sent: float) -> None:
        self.open = waiting
        self.numbers = tuple(waiting)
        self.sent = sent
        self.strangers = 0

    def take(self, number: Msisdn) -> asyncio.Future[Answer] | None:
        """Return who waits for this number, once; count who was never asked for."""
        future = self.open.pop(number, None)
        if future is None:
            self.strangers += number not in self.numbers
        return future

    def failed(self, fault: ProviderFault) -> None:
        """Fail every number that has no answer yet."""
        for future in self.open.values():
            fail(future, fault)


def fail(future: asyncio.Future[Answer], fault: ProviderFault) -> None:
    """Fail a future that somebody may or may not look at."""
    if not future.done():
        future.set_exception(fault)
        future.exception()  # else a future nobody looks at would be logged as an error


class Batcher:
    """The one queue for one product of an account.

    ``deadline_s`` is the longest that a call waits (D); a request that was sent is read to twice
    that, counted from when it was sent, whether or not anybody still waits: its answers are paid
    for. At most ``max_waiting`` numbers queue. One event loop only.
    """

    def __init__(  # noqa: PLR0913 - parts and limits, by keyword
        self,
        *,
        provider: Provider,
        client: Asks,
        slots: Slots,
        deadline_s: float,
        clock: Callable[[], float],
        observe: Observer = ignore,
        postbacks: Expects | None = None,
        max_waiting: int = 10_000,
    ) -> None:
        self._provider = provider
        self._client = client
        self._slots = slots
        self._deadline_s = deadline_s
        self._clock = clock
        self._observe = observe
        self._postbacks = postbacks
        self._max = max_waiting
        self._waiting: dict[Msisdn, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._posted: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._closed = False
        self._held = False

    @property
    def name(self) -> str:
        """The account's name in the configuration."""
        return self._provider.name

    @property
    def waiting(self) -> int:
        """How many numbers wait for a free connection."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """How many requests of this product are on their way, or promised a postback."""
        return len(self._tasks) + len(self._posted)

    def submit(
        self, number: Msisdn, until: float, patience_s: float | None = None
    ) -> asyncio.Future[Answer]:
        """Queue ``number``; the future ends with its answer, or with a ``ProviderFault``.

        ``until`` is an instant of the clock: not sent by then, the number is dropped
        (``timeout``). A number that waits already is not queued twice: the callers get the same
        future.

        Raises:
            ProviderFault: ``shed``, when the queue is full or closed, or when the account's pace
                will not let the number out by ``until``, or within ``patience_s`` if given.
        """
        queued = self._waiting.get(number)
        if queued is not None and not queued.future.cancelled():
            queued.until = max(queued.until, until)
            return queued.future
        if self._closed or len(self._waiting) >= self._max:
            raise ProviderFault("shed", "closing" if self._closed else "too many numbers wait")
        # Who is about to be sent still stands in the queue, but has had its token.
        ahead = max(0, len(self._waiting) // self._provider.batch_size - self._starting)
        longest = until - self._clock()
        if self._slots.wait_s(ahead) > (longest if patience_s is None else patience_s):
            raise ProviderFault("shed", "the account's own pace")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Waiting(future, until)
        self._launch()
        return future

    def hold(self) -> None:
        """Send nothing until ``release``: another batcher still uses the account's connections."""
        self._held = True

    def release(self) -> None:
        """Send what waits."""
        self._held = False
        for _ in range(self._slots.connections):
            self._launch()

    def clear(self, fault: ProviderFault) -> None:
        """Fail what waits and was not sent: the provider does not work."""
        waiting, self._waiting = self._waiting, {}
        for entry in waiting.values():
            fail(entry.future, fault)

    async def close(self) -> None:
        """Fail what waits, cancel what is on its way, and take nothing any more."""
        self._closed = True
        self.clear(ProviderFault("shed", "closing"))
        tasks = (*self._tasks, *self._posted)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _launch(self) -> None:
        """Use what connections are free, as far as somebody waits; be woken for the rest.

        The request takes its numbers when it starts, one loop turn later: what was submitted in
        the same turn goes along at no cost in time.
        """
        while self._starting < len(self._waiting) and not (self._held or self._closed):
            if not self._slots.take(self._launch):
                return
            self._starting += 1
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        self._launch()

    async def _run(self) -> None:
        batch = self._take()
        if not batch:
            return
        exchange = _Exchange(batch, self._clock())
        overdue = asyncio.get_running_loop().call_later(
            self._deadline_s, self._observe, Overdue(self.name, self._deadline_s)
        )
        fault = ProviderFault("malformed", "the request ended without an answer")
        try:
            fault = await self._ask(exchange)
        except asyncio.CancelledError:
            fault = ProviderFault("shed", "cut off")
            raise
        finally:
            overdue.cancel()
            exchange.failed(fault)
            self._report(exchange, fault)

    async def _ask(self, exchange: _Exchange) -> ProviderFault:
        """Ask; return why the numbers that are left have no answer (``ok``: none is left)."""
        deadline = exchange.sent + 2 * self._deadline_s
        posting = nullcontext() if self._postbacks is None else self._postbacks.submitting()
        try:
            with posting:
                await self._client.ask(
                    self._provider, exchange.numbers, deadline, partial(self._answered, exchange)
                )
        except ProviderFault as fault:
            return fault
        return ProviderFault("malformed", "numbers left out") if exchange.open else _OK

    def _take(self) -> dict[Msisdn, asyncio.Future[Answer]]:
        """Take this request's share: the connections that start in this turn split what waits."""
        shares, self._starting = self._starting, self._starting - 1
        now = self._clock()
        for number in [n for n, entry in self._waiting.items() if entry.until <= now]:
            fail(self._waiting.pop(number).future, ProviderFault("timeout", "never sent"))
        size = min(-(-len(self._waiting) // shares), self._provider.batch_size)
        taken = tuple(self._waiting)[:size]
        return {number: self._waiting.pop(number).future for number in taken}

    def _answered(self, exchange: _Exchange, answer: Answer) -> None:
        future = exchange.take(answer.number)
        if future is None:
            return
        if answer.job and self._postbacks is not None:
            posted = self._postbacks.expect(answer.job, answer.number, self.name)
            task = asyncio.get_running_loop().create_task(self._post(posted, future, exchange.sent))
            self._posted.add(task)
            task.add_done_callback(self._posted.discard)
            return
        self._settle(future, answer, exchange.sent)

    async def _post(
        self, posted: asyncio.Future[Answer], future: asyncio.Future[Answer], sent: float
    ) -> None:
        """Wait for the postback that a receipt has promised, as long as for any answer."""
        overdue = asyncio.get_running_loop().call_later(
            max(0.0, sent + self._deadline_s - self._clock()),
            self._observe,
            Overdue(self.name, self._deadline_s),
        )
        try:
            async with asyncio.timeout_at(sent + 2 * self._deadline_s):
                answer = await posted
            if answer.outcome is Outcome.ACCOUNT:
                self._refused(answer.code, sent)
                fail(future, ProviderFault("account", answer.code))
            self._settle(future, answer, sent)
        except TimeoutError:
            fail(future, ProviderFault("timeout", "no postback"))
        except ProviderFault as fault:
            fail(future, fault)
        except asyncio.CancelledError:
            fail(future, ProviderFault("shed", "cut off"))
            raise
        finally:
            overdue.cancel()

    def _refused(self, code: str, sent: float) -> None:
        """Report that a postback refused the account: the request itself had gone well."""
        seconds = self._clock() - sent
        self._observe(LookupDone(self.name, "account", seconds, 1, 0, code))

    def _settle(self, future: asyncio.Future[Answer], answer: Answer, sent: float) -> None:
        if not future.done():
            future.set_result(answer)
        self._observe(NumberAnswered(self.name, answer.outcome, self._clock() - sent))

    def _report(self, exchange: _Exchange, fault: ProviderFault) -> None:
        numbers = len(exchange.numbers)
        self._observe(
            LookupDone(
                self.name,
                fault.cause,
                self._clock() - exchange.sent,
                numbers,
                numbers - len(exchange.open),
                fault.detail,
            )
        )
        if exchange.strangers:
            self._observe(Strangers(self.name, exchange.strangers))


_OK = ProviderFault("ok")
"""No fault: the one value of that type that is never raised."""
