"""What is kept of answers: in memory and store, unless they must not be believed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from agi import mcc
from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account
from agi.lookup.flight import Flights
from agi.lookup.parts import Parts
from agi.lookup.provider import Answer
from agi.lookup.record import Kept, Said, said_of
from agi.lookup.store import Stored
from agi.model import Finding, Inquiry, Msisdn, NumberInfo, Product

CONFLICT_S: Final = 60.0
"""Answers so close together that contradict each other are a conflict, not a porting."""


class Keeper:
    """The tiers of one pipeline; one event loop only.

    ``order`` is the place of each account among those that are asked. ``on_change`` is given a
    number whose network is another one than was kept: whoever else remembers it is wrong now.
    """

    def __init__(self, parts: Parts, order: Mapping[str, int]) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._observe = parts.observe
        self._freshness = parts.freshness
        self._order = order
        self._readings: Flights[Kept | None] = Flights()
        self.on_change: Callable[[Msisdn], None] = _nobody

    async def close(self) -> None:
        """End every reading of the store."""
        await self._readings.close()

    async def forget(self, number: Msisdn) -> bool:
        """Forget a number in every tier here; say whether anything was known of it."""
        parts = self._parts
        parts.failures.forget(number)
        known = [parts.memory.drop(number), parts.screens.drop(number)]
        if parts.store is not None:
            known.append(await parts.store.drop(number))
        return any(known)

    async def kept(self, number: Msisdn) -> dict[str, Kept]:
        """Return what each tier holds of a number's network, for people; nobody is asked."""
        tiers: dict[str, Kept] = {}
        if (in_memory := self._parts.memory.get(number, self._clock())) is not None:
            tiers["memory"] = in_memory
        if (store := self._parts.store) is not None and (entry := await store.get(number)):
            tiers[store.kind] = Kept(self.age_s(entry), entry.said)
        return tiers

    def recall(self, inquiry: Inquiry, now: float) -> tuple[Kept | None, Finding | None]:
        """Return what memory holds, and what a call gets of it when that is fresh."""
        kept = self._parts.memory.get(inquiry.number, now)
        if kept is None:
            self._observe(events.TierAsked("memory", "miss"))
            return None, None
        known = self._freshness.shown(kept, self._parts.error_rule, inquiry.max_age_s)
        self._observe(events.TierAsked("memory", "hit" if known is not None else "stale"))
        return kept, known

    async def from_store(self, number: Msisdn, until: float) -> Kept | None:
        """Read the store, once for all who ask for the number now; what it knows is remembered."""
        try:
            async with asyncio.timeout_at(until):
                return await self._readings.join(number, partial(self._read, number))
        except (TimeoutError, ProviderFault):
            return None

    async def _read(self, number: Msisdn) -> Kept | None:
        store = self._parts.store
        stored = None if store is None else await store.get(number)
        if stored is None or store is None:
            self._observe(events.TierAsked(store.kind if store else "", "miss"))
            return None
        network = stored.said.info.mccmnc
        if network is not None and not mcc.plausible(network, number):
            # No account's answer is kept that names such a network: somebody else wrote it.
            self._observe(events.StoreTrouble(store.kind, "garbage"))
            self._observe(events.TierAsked(store.kind, "miss"))
            return None
        age_s = self.age_s(stored)
        self._observe(events.TierAsked(store.kind, "hit"))
        now, memory = self._clock(), self._parts.memory
        if (kept := memory.get(number, now)) is None or age_s < kept.age_s:
            memory.put(number, stored.said, now - age_s)
        return memory.get(number, now)

    def age_s(self, stored: Stored) -> float:
        """Return an entry's age; one from the future has an age that nobody knows.

        A network then counts as just no longer fresh: of use when nobody answers, and asked
        again. Anything else is of no use.
        """
        age_s = self._parts.wall(self._clock()) - stored.obtained
        if age_s >= -1.0:
            return age_s
        said = stored.said
        known = said.info.mccmnc is not None and not said.code
        return self._freshness.network_s + 1.0 if known else math.inf

    def taken(self, account: Account, inquiry: Inquiry, answer: Answer) -> Answer | None:
        """Keep what an account said; None when it must not be believed."""
        terms = account.terms
        info = answer.info
        if account.governors.trust.quarantined(self._clock()):
            return None
        if info is not None and info.mccmnc is not None:
            if not mcc.plausible(info.mccmnc, inquiry.number):
                self._observe(events.Implausible(terms.name))
                account.strange()
                return None
            if self._contradicts(account, inquiry.number, info):
                return answer
        said = said_of(answer, terms.name, terms.kind)
        if terms.product is Product.NETWORK:
            self.keep(inquiry.number, said, answer)
        elif answer.verdict:
            keep_s = self._freshness.of_screen(terms.product)
            self._parts.screens.keep(inquiry.number, terms.product, said, self._clock())
            self._write(inquiry.number, said, keep_s, terms.product)
        return answer

    def _contradicts(self, account: Account, number: Msisdn, info: NumberInfo) -> bool:
        """Say whether an account that comes earlier has just named another network."""
        kept = self._parts.memory.get(number, self._clock())
        if kept is None or kept.said.info.mccmnc in (None, info.mccmnc):
            return False
        other = kept.said.provider
        if kept.age_s > CONFLICT_S or other == account.name:
            return False
        self._observe(events.Conflict(account.name, other))
        return self._order.get(other, -1) < self._order[account.name]

    def keep(self, number: Msisdn, said: Said, answer: Answer) -> None:
        """Keep what was said just now in memory and store, if it is worth it."""
        now = self._clock()
        memory = self._parts.memory
        rule = self._parts.error_rule(said.kind, said.code) if said.code else None
        before = memory.get(number, now)
        if self._freshness.keeps(answer, before, rule):
            memory.put(number, said, now)
            if before is not None and before.said.info.mccmnc not in (None, said.info.mccmnc):
                self.on_change(number)
            self._write(number, said, self._freshness.kept_for(answer, rule), Product.NETWORK)
            self._parts.failures.answered(number)

    def _write(self, number: Msisdn, said: Said, keep_s: float, product: Product) -> None:
        if self._parts.store is not None:
            stored = Stored(said, self._parts.wall(self._clock()))
            self._parts.store.put(number, stored, keep_s, product)

    def purge(self, provider: str, since: float) -> None:
        """An account is in quarantine: what it lately wrote is not to be believed either."""
        now = self._clock()
        self._parts.memory.purge(provider, since, now)
        self._parts.screens.purge(provider, since, now)


def _nobody(number: Msisdn) -> None:
    del number
