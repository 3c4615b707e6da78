"""One account at a provider, governed: whether it may be asked now, and what came of it.

Everything that protects the provider, the money and the callers meets here: quarantine, pauses,
breaker, budget, pace. The rules themselves are pure and stand in ``breaker``, ``limits``,
``trust`` and ``money``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.breaker import Admit, Breaker, State
from agi.lookup.latency import Quantiles
from agi.lookup.limits import Pauses
from agi.lookup.money import Units, exact
from agi.lookup.provider import Answer
from agi.lookup.trust import Trust
from agi.model import Inquiry, Line, Msisdn, Product

QUARANTINE_S: Final = 600.0
"""How long an account is not asked whose answers cannot be right."""

_UNBILLED: Final = frozenset(
    {"connect", "tls", "http", "account", "bad_request", "throttled", "shed", "breaker"}
)
"""Failures after which nothing was looked up; any other may have been billed."""

_OURS: Final = frozenset({"shed", "throttled"})
"""Failures that say nothing of the provider's health: our own limits, or its."""


class Submits(Protocol):
    """One product's queue: ``agi.lookup.batcher.Batcher``, or a double."""

    def submit(
        self, number: Msisdn, until: float, patience_s: float | None = None
    ) -> asyncio.Future[Answer]:
        """Queue ``number``; raise ``ProviderFault`` when there is no room."""

    def clear(self, fault: ProviderFault) -> None:
        """Fail what waits and was not sent."""


class Pays(Protocol):
    """The account's money of the day: ``agi.lookup.ledger.Purse``, or a double."""

    @property
    def gone(self) -> bool:
        """Whether today's money is spent, not merely not on disk yet."""

    @property
    def short(self) -> bool:
        """Whether there is money, but the disk, which is being written, does not know of it yet."""

    async def secured(self, within_s: float) -> None:
        """Wait until the disk knows of more, or failed; no longer than this."""

    def may_spend(self, units: Units = 1) -> bool:
        """Set one answer's price aside; False when the day's money does not reach."""

    def spent(self, units: Units, held: Units | None = None) -> None:
        """An answer was paid for, in place of ``held`` units that were set aside."""

    def refunded(self, units: Units) -> None:
        """What was set aside was not needed."""


class Refusal(StrEnum):
    """Why an account is not asked now."""

    QUARANTINE = "quarantine"
    PAUSED = "paused"
    BREAKER = "breaker"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an account is, as the configuration says it.

    ``countries`` empty: all. ``lines`` empty: all. ``timeout_s`` is how long one call waits for
    it. ``price`` is of one unit. ``by_country``: it throttles a destination, not the account.
    ``posted``: a request brings a receipt only, and the answer comes by postback.
    """

    name: str
    kind: str
    product: Product
    countries: frozenset[str] = frozenset()
    lines: frozenset[Line] = frozenset()
    timeout_s: float = 0.7
    price: Decimal = Decimal(0)
    currency: str = "EUR"
    by_country: bool = False
    posted: bool = False


class Governors:
    """What all products of one account share: its breaker, its pauses, the trust in it."""

    def __init__(self, draw: Callable[[], float], *, probe_s: float) -> None:
        self.breaker = Breaker(draw=draw, probe_s=probe_s)
        self.pauses = Pauses()
        self.trust = Trust(quarantine_s=QUARANTINE_S)
        self.last_error = ""
        self.broke = False  # its money of the day is spent, and that was said


class Account:
    """One product of one account; one event loop only."""

    def __init__(
        self,
        terms: Terms,
        *,
        governors: Governors,
        purse: Pays,
        clock: Callable[[], float],
        observe: events.Observer,
    ) -> None:
        self.terms = terms
        self.governors = governors
        self.latency = Quantiles()
        self.queue: Submits | None = None
        self.on_quarantine: Callable[[str, float], None] = _nothing
        self._purse = purse
        self._clock = clock
        self._observe = observe
        self._out: set[asyncio.Future[Answer]] = set()
        self._ended = 0
        self._heard = float("-inf")

    @property
    def name(self) -> str:
        """The account's name in the configuration."""
        return self.terms.name

    @property
    def generation(self) -> int:
        """Which outage this is: grows when the account works again."""
        return self.governors.breaker.generation

    def failure(self) -> tuple[str, int]:
        """Return what tells the request that has just failed from others of this account."""
        return self.name, self._ended

    def silence(self, since: float) -> tuple[str, float] | None:
        """Return what tells this silence from others; None when something came after ``since``."""
        return None if self._heard >= since else (self.name, self._heard)

    def serves(self, inquiry: Inquiry) -> bool:
        """Say whether this account is one to ask about such a number."""
        terms = self.terms
        if terms.countries and inquiry.country not in terms.countries:
            return False
        return not terms.lines or inquiry.line is None or inquiry.line in terms.lines

    @property
    def short(self) -> bool:
        """Whether its money is refused for a moment only: ``secured`` says when it is there."""
        return self._purse.short

    async def secured(self, within_s: float) -> None:
        """Wait for more of the day's money, no longer than this."""
        await self._purse.secured(within_s)

    def admit(self, inquiry: Inquiry) -> Admit | Refusal:
        """Say whether the account may be asked now; a yes is followed by ``ask``."""
        now = self._clock()
        governors = self.governors
        if governors.trust.quarantined(now):
            return Refusal.QUARANTINE
        if governors.pauses.paused(self._scope(inquiry.country), now):
            return Refusal.PAUSED
        if not self._purse.may_spend(1):
            self._out_of_money()
            return Refusal.BUDGET
        governors.broke = False
        admitted = governors.breaker.admit(now)
        if admitted is Admit.NO:
            self._purse.refunded(1)
            return Refusal.BREAKER
        if admitted is Admit.PROBE:
            self._told()
        return admitted

    def ask(
        self,
        inquiry: Inquiry,
        until: float,
        *,
        probe: bool,
        patience_s: float | None = None,
    ) -> asyncio.Future[Answer]:
        """Queue the number; the future ends with its answer, or with a ``ProviderFault``.

        ``patience_s``: the account's own pace may keep it no longer; None: until ``until``.

        Raises:
            ProviderFault: there is no room.
        """
        assert self.queue is not None  # noqa: S101 - whoever builds an account gives it one
        try:
            future = self.queue.submit(inquiry.number, until, patience_s)
        except ProviderFault:
            self._purse.refunded(1)
            if probe:
                self.governors.breaker.released(self._clock())
            raise
        if future in self._out and not probe:
            # The number waits already for somebody else: one answer, paid once.
            self._purse.refunded(1)
            return future
        self._out.add(future)
        settle = partial(self._settled, inquiry.country, self._clock(), probe=probe)
        future.add_done_callback(settle)
        return future

    def observe(self, event: events.LookupEvent) -> None:
        """Take what the queue and the client report: the breaker lives on it."""
        if isinstance(event, events.LookupDone):
            self._done(event)
        elif isinstance(event, events.Overdue):
            sent = self._clock() - event.seconds
            self._judge(self.governors.breaker.failed(self._clock(), "timeout", sent))
        elif isinstance(event, events.NumberAnswered) and self.terms.posted:
            self._judge(self.governors.breaker.succeeded(self._clock()))
        elif isinstance(event, events.Strangers):
            self.strange(event.count)
        self._observe(event)

    def strange(self, count: int = 1) -> None:
        """Count answers that cannot be right; enough of them, and nothing is believed."""
        now = self._clock()
        trust = self.governors.trust
        if trust.strange(now, count):
            self._observe(events.Quarantined(self.name, QUARANTINE_S))
            self.on_quarantine(self.name, trust.suspect_since(now))

    def _out_of_money(self) -> None:
        if self._purse.gone and not self.governors.broke:
            self.governors.broke = True
            self._observe(events.BudgetGone(self.name))

    def _done(self, event: events.LookupDone) -> None:
        now = self._clock()
        self._ended += 1
        breaker = self.governors.breaker
        if event.outcome == "ok":
            if not self.terms.posted:  # a receipt is no answer yet
                self._judge(breaker.succeeded(now))
        elif event.outcome in _OURS:
            self.governors.last_error = f"{event.outcome} {event.detail}".strip()
            breaker.released(now)
        else:
            self.governors.last_error = f"{event.outcome} {event.detail}".strip()
            # A request that is our own fault would fail again with every call.
            cause = "http" if event.outcome == "bad_request" else event.outcome
            self._judge(breaker.failed(now, cause, now - event.seconds))

    def _judge(self, changed: bool) -> None:
        if not changed:
            return
        self._told()
        if self.governors.breaker.state is State.OPEN and self.queue is not None:
            self.queue.clear(ProviderFault("breaker"))

    def _told(self) -> None:
        breaker = self.governors.breaker
        page = breaker.take_page()
        self._observe(events.Breaker(self.name, breaker.state, breaker.why, page))

    def _settled(
        self, country: str, asked: float, future: asyncio.Future[Answer], *, probe: bool
    ) -> None:
        now = self._clock()
        self._out.discard(future)
        if future.cancelled():
            self._purse.refunded(1)
            return
        fault = future.exception()
        if fault is None:
            answer = future.result()
            self._heard = now
            self.latency.observe(now - asked, now)
            self._paid(answer.units)
            return
        cause = fault.cause if isinstance(fault, ProviderFault) else "malformed"
        detail = fault.detail if isinstance(fault, ProviderFault) else ""
        if detail == _NEVER_SENT or (cause in _UNBILLED and detail != _CUT_OFF):
            self._purse.refunded(1)
            if probe:
                self.governors.breaker.released(now)
        else:
            self._paid(1)
        asked_s = fault.retry_after_s if isinstance(fault, ProviderFault) else None
        if cause == "throttled" or asked_s is not None:
            self._pause(country, now, asked_s or 1.0)

    def _paid(self, units: float) -> None:
        self._purse.spent(units, 1)
        if units and self.terms.price:
            amount = self.terms.price * exact(units)
            self._observe(events.Spent(self.name, amount, self.terms.currency))

    def _pause(self, country: str, now: float, seconds: float) -> None:
        scope = self._scope(country)
        known = self.governors.pauses.paused(scope, now)
        self.governors.pauses.pause(scope, now, seconds)  # the longest counts
        if not known:
            self._observe(events.Paused(self.name, seconds, scope))

    def _scope(self, country: str) -> str:
        return (country or _NO_COUNTRY) if self.terms.by_country else ""


_NO_COUNTRY: Final = "ZZ"
"""The scope of numbers of no country, such as +883; the empty scope is all of them (ISO 3166-1:
ZZ is left to users)."""

_NEVER_SENT: Final = "never sent"
_CUT_OFF: Final = "cut off"  # by our own end, after it was sent: the provider may bill it


def _nothing(name: str, since: float) -> None:
    del name, since
