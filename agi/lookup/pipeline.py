"""Find a number's network: never raises for a provider's sake, never late, pays once.

memory -> flight -> batcher -> client -> provider, and the answer back into memory.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from agi.errors import ProviderFault
from agi.lookup.events import LateAnswer, Observer, ignore
from agi.lookup.flight import Flights
from agi.lookup.freshness import OTHER, ErrorRules, Freshness, found
from agi.lookup.provider import Answer
from agi.lookup.tiers.memory import Kept
from agi.model import Finding, Msisdn, Source

_REASONS: Final = {"timeout": "timeout", "shed": "shed"}
_TIMEOUT: Final = Finding(Source.DEFAULT, "timeout")


class Finder(Protocol):
    """Whoever knows networks: the pipeline of this process, or one at the end of a socket."""

    async def find(
        self, number: Msisdn, deadline: float, max_age_s: float | None = None
    ) -> Finding:
        """Return what is known of ``number`` by ``deadline``, an instant of the loop's clock."""


class Submits(Protocol):
    """One account's queue: ``agi.lookup.batcher.Batcher``, or a double."""

    @property
    def name(self) -> str:
        """The account's name in the configuration."""

    @property
    def kind(self) -> str:
        """The provider system: the key of its rows in ``errors.csv``."""

    def submit(self, number: Msisdn) -> asyncio.Future[Answer]:
        """Queue ``number``; raise ``ProviderFault`` when there is no room."""


class Tier(Protocol):
    """One place where answers are kept: the memory of this process, later a store behind it."""

    def get(self, number: Msisdn, now: float) -> Kept | None:
        """Return the entry of ``number`` with its age at ``now``, a value of the clock."""

    def put(self, number: Msisdn, answer: Answer, now: float, *, kind: str = "") -> None:
        """Keep ``answer``, obtained ``now`` from a provider of this ``kind``."""


class Pipeline:
    """The lookup of one process; one event loop only.

    ``asker`` None means that no provider is configured. ``clock`` is the loop's own, in seconds.
    ``reserve_s`` is kept back from every deadline, for the decision and the writing of the
    answer. ``timeout_s`` is the longest that a call waits for this provider, whatever its own
    deadline.
    """

    def __init__(  # noqa: PLR0913 - parts and limits, by keyword
        self,
        *,
        asker: Submits | None,
        memory: Tier,
        clock: Callable[[], float],
        error_rule: ErrorRules,
        fresh_network_s: float = 604_800.0,
        fresh_liveness_s: float = 300.0,
        timeout_s: float = math.inf,
        reserve_s: float = 0.03,
        max_flights: int = 10_000,
        observe: Observer = ignore,
    ) -> None:
        self._asker = asker
        self._memory = memory
        self._clock = clock
        self._rules = error_rule
        self._freshness = Freshness(fresh_network_s, fresh_liveness_s)
        self._timeout_s = timeout_s
        self._reserve_s = reserve_s
        self._observe = observe
        self._flights: Flights[Finding] = Flights(max_flights=max_flights)

    def recall(self, number: Msisdn, now: float, max_age_s: float | None = None) -> Finding | None:
        """Return what memory knows and is fresh, at once; ``now`` is a value of the clock."""
        kept = self._memory.get(number, now)
        return None if kept is None else self._freshness.shown(kept, self._rules, max_age_s)

    async def find(
        self, number: Msisdn, deadline: float, max_age_s: float | None = None
    ) -> Finding:
        """Return what memory or a provider knows, ``reserve_s`` before ``deadline`` at the latest.

        A caller that is cancelled, or whose time is up, leaves; the question goes on, and its
        answer is there for the next call. A question is not begun when no time is left.
        """
        now = self._clock()
        known = self.recall(number, now, max_age_s)
        if known is not None:
            return known
        if self._asker is None:
            return Finding(Source.DEFAULT, "no-provider")
        until = min(deadline - self._reserve_s, now + self._timeout_s)
        if until <= now:
            return _TIMEOUT
        return await self._wait(number, self._asker, until)

    async def close(self) -> None:
        """End every question; whoever waits is told ``shed``."""
        await self._flights.close()

    async def _wait(self, number: Msisdn, asker: Submits, until: float) -> Finding:
        try:
            async with asyncio.timeout_at(until):
                return await self._flights.join(number, partial(self._inquire, number, asker))
        except TimeoutError:
            return _TIMEOUT
        except ProviderFault as fault:
            return Finding(Source.DEFAULT, _REASONS.get(fault.cause, OTHER))

    async def _inquire(self, number: Msisdn, asker: Submits) -> Finding:
        """Ask, and keep the answer whether or not anybody still waits for it."""
        answer = await asker.submit(number)
        now = self._clock()
        rule = self._rules(asker.kind, answer.code) if answer.code else None
        if self._freshness.keeps(answer, self._memory.get(number, now), rule):
            self._memory.put(number, answer, now, kind=asker.kind)
        if not self._flights.waiting(number):
            self._observe(LateAnswer(asker.name))
        return found(answer, rule)
