"""The screens of a number: fraud, TPS, Unsubscribe. Cached, asked once for many callers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from agi.errors import ProviderFault
from agi.lookup.flight import Flights
from agi.lookup.record import LISTED, Said
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Finding, Fraud, Inquiry, Msisdn, Product, Verdicts

Asks = Callable[[Product, Inquiry], Awaitable[Said | None]]
"""Asks a store, then the accounts of a product; None when nobody knows."""


class Screens:
    """Every screen's verdicts in memory, and the questions on their way; one event loop only.

    ``lives_s`` tells how long a verdict of a product counts.
    """

    def __init__(self, entries: int, lives_s: Callable[[Product], float]) -> None:
        self._lives_s = lives_s
        self._entries = entries
        self._memory: dict[Product, MemoryTier] = {}
        self._flights: dict[Product, Flights[str]] = {}

    def recall(self, number: Msisdn, products: Sequence[Product], now: float) -> Verdicts | None:
        """Return the verdicts when every one of them is remembered, at once."""
        known: dict[Product, str] = {}
        for product in products:
            kept = self.kept(number, product, now)
            if kept is None:
                return None
            known[product] = kept
        return verdicts(known)

    def kept(self, number: Msisdn, product: Product, now: float) -> str | None:
        """Return one verdict that is remembered, at once; None when none is."""
        memory = self._memory.get(product)
        kept = None if memory is None else memory.get(number, now)
        if kept is None or kept.age_s > self._lives_s(product):
            return None
        return kept.said.verdict

    def keep(self, number: Msisdn, product: Product, said: Said, obtained: float) -> None:
        """Remember a verdict."""
        memory = self._memory.get(product)
        if memory is None:
            memory = self._memory[product] = MemoryTier(self._entries)
        memory.put(number, said, obtained)

    async def ask(self, inquiry: Inquiry, product: Product, now: float, asks: Asks) -> str:
        """Return one verdict, from memory or from whoever knows; empty when nobody does."""
        known = self.kept(inquiry.number, product, now)
        if known is not None:
            return known
        flights = self._flights.setdefault(product, Flights())
        try:
            return await flights.join(inquiry.number, partial(_verdict, asks, product, inquiry))
        except ProviderFault:
            return ""

    def waiting(self, product: Product, number: Msisdn) -> int:
        """Return how many callers wait for this verdict now."""
        flights = self._flights.get(product)
        return 0 if flights is None else flights.waiting(number)

    def drop(self, number: Msisdn) -> bool:
        """Forget a number; say whether anything was known of it."""
        known = [memory.drop(number) for memory in self._memory.values()]
        return any(known)

    def purge(self, provider: str, since: float, until: float) -> None:
        """Distrust what an account said between two instants of the clock."""
        for memory in self._memory.values():
            memory.purge(provider, since, until)

    async def close(self) -> None:
        """End every question."""
        for flights in self._flights.values():
            await flights.close()


async def _verdict(asks: Asks, product: Product, inquiry: Inquiry) -> str:
    said = await asks(product, inquiry)
    return "" if said is None else said.verdict


def verdicts(known: dict[Product, str]) -> Verdicts:
    """Return what is known as values; an empty verdict is none."""
    fraud = known.get(Product.FRAUD, "")
    return Verdicts(
        Fraud(fraud) if fraud in frozenset(Fraud) else None,
        _listed(known.get(Product.TPS, "")),
        _listed(known.get(Product.UNSUBSCRIBE, "")),
    )


def with_verdicts(finding: Finding, known: dict[Product, str]) -> Finding:
    """Return the finding with what the screens said."""
    return msgspec.structs.replace(finding, verdicts=verdicts(known))


def _listed(verdict: str) -> bool | None:
    return verdict == LISTED if verdict else None
