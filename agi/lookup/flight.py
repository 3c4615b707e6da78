"""One question per number for many callers: whoever comes first asks, the others wait along."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from agi.errors import ProviderFault
from agi.model import Msisdn

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Start(Protocol[T_co]):
    """Begins the asking; called once per flight."""

    def __call__(self) -> Coroutine[Any, Any, T_co]:
        """Return the coroutine that asks."""


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiters: list[asyncio.Future[T]] = field(default_factory=list)


class Flights(Generic[T]):
    """The questions that are being asked now; one event loop only.

    There are at most ``max_flights``, each with at most ``max_waiters`` callers.

    A flight belongs to nobody: it goes on when its leader leaves, and its end reaches everyone
    who still waits, success and failure alike.
    """

    def __init__(self, *, max_flights: int = 10_000, max_waiters: int = 16_384) -> None:
        self._max = max_flights
        self._max_waiters = max_waiters
        self._flights: dict[Msisdn, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, number: Msisdn, start: Start[T]) -> asyncio.Future[T]:
        """Return a future of one's own; cancelling it leaves the flight and nothing else.

        Raises:
            ProviderFault: ``shed``, when a new flight or a caller would be one too many.
        """
        flight = self._flights.get(number) or self._take_off(number, start)
        if len(flight.waiters) >= self._max_waiters:
            raise ProviderFault("shed", "too many callers wait")
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        flight.waiters.append(waiter)
        return waiter

    def __contains__(self, number: Msisdn) -> bool:
        return number in self._flights

    def waiting(self, number: Msisdn) -> int:
        """Return how many callers wait for ``number`` now."""
        flight = self._flights.get(number)
        return 0 if flight is None else sum(not waiter.done() for waiter in flight.waiters)

    async def close(self) -> None:
        """End every flight; whoever waits gets a ``shed`` fault."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_off(self, number: Msisdn, start: Start[T]) -> _Flight[T]:
        if len(self._flights) >= self._max:
            raise ProviderFault("shed", "too many flights")
        flight = _Flight(asyncio.get_running_loop().create_task(start()))
        self._flights[number] = flight
        flight.task.add_done_callback(partial(self._land, number))
        return flight

    def _land(self, number: Msisdn, task: asyncio.Task[T]) -> None:
        waiters = [waiter for waiter in self._flights.pop(number).waiters if not waiter.done()]
        fault = ProviderFault("shed", "closing") if task.cancelled() else task.exception()
        if fault is None:
            for waiter in waiters:
                waiter.set_result(task.result())
            return
        for waiter in waiters:
            waiter.set_exception(fault)
            waiter.exception()  # else a waiter dropped without a look would be logged as an error
        if not waiters and not isinstance(fault, ProviderFault):
            _report(task, fault)


def _report(task: asyncio.Task[T], fault: BaseException) -> None:
    """Give a programming error that nobody waits for to the loop: it must not vanish."""
    context = {"message": "a lookup failed unexpectedly", "exception": fault, "task": task}
    task.get_loop().call_exception_handler(context)
