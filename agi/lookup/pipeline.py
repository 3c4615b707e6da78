"""Find a number's network: never raises for a provider's sake, never late, pays once.

memory -> store -> what failed just now -> one flight per number -> the accounts in their order,
and every answer back into memory and store. A stale network beats none: it is shown when nobody
answers in time, and its refreshing goes on behind the call.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from agi import mcc
from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account
from agi.lookup.chain import Budgets, Chain, Outcome
from agi.lookup.failures import Failures
from agi.lookup.flight import Flights
from agi.lookup.freshness import FINAL, OTHER, ErrorRules, Freshness, found, younger
from agi.lookup.provider import Answer
from agi.lookup.record import Kept, Said, said_of
from agi.lookup.screening import Screens, with_verdicts
from agi.lookup.store import Store, Stored
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Finding, Inquiry, Msisdn, NumberInfo, Product, Source

RESERVE_S: Final = 0.03
"""Kept back from every deadline, for the decision and the writing of the answer."""

STALE_WAIT_S: Final = 0.15
"""With a stale answer in the hand nobody waits longer for a fresh one (RFC 8767, section 5)."""

CONFLICT_S: Final = 60.0
"""Answers so close together that contradict each other are a conflict, not a porting."""

_TIMEOUT: Final = Finding(Source.DEFAULT, "timeout")
_NOT_ASKED: Final = Finding(Source.SKIPPED, "same-route")


class Finder(Protocol):
    """Whoever knows networks: the pipeline of this process, or one at the end of a socket."""

    async def find(self, inquiry: Inquiry) -> Finding:
        """Return what is known by the inquiry's deadline; never raises, never later."""


class Dumps(Protocol):
    """A provider that answers at once from a file: ``agi.lookup.providers.file``."""

    @property
    def name(self) -> str:
        """The account's name in the configuration."""

    def answer(self, number: Msisdn) -> Answer:
        """Return what the file says."""

    def serves(self, inquiry: Inquiry) -> bool:
        """Say whether the file is one to ask about such a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a pipeline is made of.

    ``clock`` is the loop's own, monotonic; ``wall`` turns its values into epochs. ``accounts`` are
    asked in this order; ``dumps`` before them, ``fallbacks`` when none of them knew.
    """

    accounts: Sequence[Account] = ()
    dumps: Sequence[Dumps] = ()
    fallbacks: Sequence[Dumps] = ()
    memory: MemoryTier
    screens: Screens
    failures: Failures
    store: Store | None = None
    clock: Callable[[], float]
    wall: Callable[[float], float]
    error_rule: ErrorRules
    freshness: Freshness = field(default_factory=Freshness)
    budgets: Budgets = field(default_factory=Budgets)
    observe: events.Observer = events.ignore


class Pipeline:
    """The lookup of one host; one event loop only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._observe = parts.observe
        self._freshness = parts.freshness
        self._accounts = {
            product: [one for one in parts.accounts if one.terms.product is product]
            for product in Product
        }
        self._order = {one.name: index for index, one in enumerate(parts.accounts)}
        self._flights: Flights[Finding] = Flights()
        self._readings: Flights[Kept | None] = Flights()
        self.on_purge: Callable[[str, float], None] = _nothing
        for account in parts.accounts:
            account.on_quarantine = self._purge

    async def find(self, inquiry: Inquiry) -> Finding:
        """Return what is known, ``RESERVE_S`` before the inquiry's deadline at the latest.

        A caller that is cancelled, or whose time is up, leaves; the question goes on, and its
        answer is there for the next call. A question is not begun when no time is left.
        """
        if not inquiry.screens:
            return await self._network(inquiry)
        known, *said = await asyncio.gather(
            self._network(inquiry) if inquiry.network else _not_asked(),
            *(self._screen(inquiry, product) for product in inquiry.screens),
        )
        assert isinstance(known, Finding)  # noqa: S101 - gather forgets which is which
        by_product = dict(zip(inquiry.screens, map(str, said), strict=True))
        return with_verdicts(known, by_product)

    async def close(self) -> None:
        """End every question; whoever waits is told ``shed``."""
        await self._readings.close()
        await self._flights.close()
        await self._parts.screens.close()

    def late(self, account: Account, answer: Answer) -> None:
        """Keep an answer that came after its question had ended."""
        self._taken(account, Inquiry(answer.number, 0.0), answer)

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
            tiers[store.kind] = Kept(self._age_s(entry), entry.said)
        return tiers

    # ---- the network ---------------------------------------------------------------------

    async def _network(self, inquiry: Inquiry) -> Finding:
        now = self._clock()
        kept, known = self._recall(inquiry, now)
        if known is not None:
            return known
        until = self._until(inquiry, now, Product.NETWORK)
        if self._parts.store is not None and until > now:
            kept = younger(kept, await self._from_store(inquiry.number, until))
            rules, source = self._parts.error_rule, Source.STORE
            if kept is not None:
                known = self._freshness.shown(kept, rules, inquiry.max_age_s, source)
                if known is not None:
                    return known
        return self._or_older(inquiry, kept, await self._beyond(inquiry, kept, until))

    async def _beyond(self, inquiry: Inquiry, kept: Kept | None, until: float) -> Finding:
        """Nothing fresh is kept: ask, unless that failed just now; not long, if stale will do."""
        now = self._clock()
        failure = self._parts.failures.get(inquiry.number, now, self._generation)
        if failure is not None and inquiry.max_age_s != 0:
            self._observe(events.Avoided("", "failure"))
            return Finding(Source.DEFAULT, failure.reason)
        if until <= now:
            return _TIMEOUT
        if self._freshness.stale(kept, "", inquiry.max_age_s) is not None:
            until = min(until, now + self._stale_wait(inquiry))
        if inquiry.number in self._flights:
            self._observe(events.Avoided("", "coalesced"))
        return await self._join(inquiry, until)

    async def _join(self, inquiry: Inquiry, until: float) -> Finding:
        try:
            async with asyncio.timeout_at(until):
                return await self._flights.join(inquiry.number, partial(self._inquire, inquiry))
        except TimeoutError:
            return _TIMEOUT
        except ProviderFault as fault:
            return Finding(Source.DEFAULT, "shed" if fault.cause == "shed" else OTHER)

    async def _inquire(self, inquiry: Inquiry) -> Finding:
        """Ask whoever serves the number; the answer is kept whether or not anybody waits."""
        for dump in self._parts.dumps:
            if dump.serves(inquiry) and (told := self._dumped(dump, inquiry)) is not None:
                return told
        outcome = await self._ask(Product.NETWORK, inquiry)
        if outcome.answer is None or outcome.account is None:
            return self._failed(inquiry, outcome)
        terms = outcome.account.terms
        finding = found(outcome.answer, outcome.rule, terms.name, terms.kind)
        if finding.info.mccmnc is None and finding.rule is None and finding.reason != "ok":
            self._remember(inquiry, finding.reason, (self._at(outcome.account),))
        if not self._flights.waiting(inquiry.number):
            self._observe(events.LateAnswer(terms.name))
        return finding

    def _dumped(self, dump: Dumps, inquiry: Inquiry) -> Finding | None:
        answer = dump.answer(inquiry.number)
        if answer.info is None or answer.info.mccmnc is None:
            return None
        self._keep(inquiry.number, said_of(answer, dump.name, "file"), answer)
        return Finding(Source.LIVE, "ok", answer.info, 0.0, None, dump.name, "file")

    def _failed(self, inquiry: Inquiry, outcome: Outcome) -> Finding:
        if outcome.failed:
            self._remember(inquiry, outcome.reason, outcome.failed)
        return Finding(Source.DEFAULT, outcome.reason)

    def _remember(
        self, inquiry: Inquiry, reason: str, accounts: tuple[tuple[str, int], ...]
    ) -> None:
        self._parts.failures.failed(inquiry.number, self._clock(), reason, accounts)

    def _ask(self, product: Product, inquiry: Inquiry) -> Coroutine[Any, Any, Outcome]:
        wanted = (
            partial(self._flights.waiting, inquiry.number)
            if product is Product.NETWORK
            else partial(self._parts.screens.waiting, product, inquiry.number)
        )
        chain = Chain(
            inquiry,
            [one for one in self._accounts[product] if one.serves(inquiry)],
            rules=self._parts.error_rule,
            taken=self._taken,
            wanted=lambda: bool(wanted()),
            clock=self._clock,
            budgets=self._parts.budgets,
            observe=self._observe,
        )
        return chain.ask()

    # ---- the screens ---------------------------------------------------------------------

    async def _screen(self, inquiry: Inquiry, product: Product) -> str:
        now = self._clock()
        until = self._until(inquiry, now, product)
        if until <= now:
            return ""
        try:
            async with asyncio.timeout_at(until):
                return await self._parts.screens.ask(inquiry, product, now, self._ask_screen)
        except TimeoutError:
            return ""

    async def _ask_screen(self, product: Product, inquiry: Inquiry) -> Said | None:
        store = self._parts.store
        stored = await store.get(inquiry.number, product) if store is not None else None
        if stored is not None and self._age_s(stored) <= self._freshness.of_screen(product):
            obtained = self._clock() - self._age_s(stored)
            self._parts.screens.keep(inquiry.number, product, stored.said, obtained)
            return stored.said
        outcome = await self._ask(product, inquiry)
        if outcome.answer is None or outcome.account is None:
            return None
        terms = outcome.account.terms
        return said_of(outcome.answer, terms.name, terms.kind)

    # ---- what is kept --------------------------------------------------------------------

    def _recall(self, inquiry: Inquiry, now: float) -> tuple[Kept | None, Finding | None]:
        kept = self._parts.memory.get(inquiry.number, now)
        if kept is None:
            self._observe(events.TierAsked("memory", "miss"))
            return None, None
        known = self._freshness.shown(kept, self._parts.error_rule, inquiry.max_age_s)
        self._observe(events.TierAsked("memory", "hit" if known is not None else "stale"))
        return kept, known

    async def _from_store(self, number: Msisdn, until: float) -> Kept | None:
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
        age_s = self._age_s(stored)
        self._observe(events.TierAsked(store.kind, "hit"))
        now, memory = self._clock(), self._parts.memory
        if (kept := memory.get(number, now)) is None or age_s < kept.age_s:
            memory.put(number, stored.said, now - age_s)
        return memory.get(number, now)

    def _age_s(self, stored: Stored) -> float:
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

    def _taken(self, account: Account, inquiry: Inquiry, answer: Answer) -> Answer | None:
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
            self._keep(inquiry.number, said, answer)
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

    def _keep(self, number: Msisdn, said: Said, answer: Answer) -> None:
        now = self._clock()
        memory = self._parts.memory
        rule = self._parts.error_rule(said.kind, said.code) if said.code else None
        if self._freshness.keeps(answer, memory.get(number, now), rule):
            memory.put(number, said, now)
            self._write(number, said, self._freshness.kept_for(answer, rule), Product.NETWORK)
            self._parts.failures.forget(number)

    def _write(self, number: Msisdn, said: Said, keep_s: float, product: Product) -> None:
        if self._parts.store is not None:
            stored = Stored(said, self._parts.wall(self._clock()))
            self._parts.store.put(number, stored, keep_s, product)

    def _purge(self, provider: str, since: float) -> None:
        """An account is in quarantine: what it lately wrote is not to be believed either."""
        now = self._clock()
        self._parts.memory.purge(provider, since, now)
        self._parts.screens.purge(provider, since, now)
        self.on_purge(provider, now - since)

    # ---- times ---------------------------------------------------------------------------

    def _until(self, inquiry: Inquiry, now: float, product: Product) -> float:
        """Return how long this caller waits: its deadline, or all the accounts' times together."""
        serving = [one.terms.timeout_s for one in self._accounts[product] if one.serves(inquiry)]
        if not serving and self._parts.dumps:
            return inquiry.deadline - RESERVE_S
        return min(inquiry.deadline - RESERVE_S, now + sum(serving) if serving else now + 1.0)

    def _stale_wait(self, inquiry: Inquiry) -> float:
        """Return how long the slowest account that may be asked usually takes, within reason.

        Not its p95: then one refreshing in twenty would come too late though all is well.
        """
        now = self._clock()
        serving = [one for one in self._accounts[Product.NETWORK] if one.serves(inquiry)]
        usual = [one.latency.quantile(0.99, now) or STALE_WAIT_S for one in serving]
        return min(STALE_WAIT_S, max(usual, default=STALE_WAIT_S))

    def _or_older(self, inquiry: Inquiry, kept: Kept | None, known: Finding) -> Finding:
        """Return ``known``, or what is better than nothing: a stale network, then the range's."""
        if known.info.mccmnc is not None:
            return known
        if known.rule is not None and known.rule.outcome in FINAL:
            return known
        older = self._freshness.stale(kept, known.reason, inquiry.max_age_s)
        return older or self._of_range(inquiry, known) or known

    def _of_range(self, inquiry: Inquiry, known: Finding) -> Finding | None:
        if known.rule is not None and known.rule.route != "range":
            return None
        for dump in self._parts.fallbacks:
            if dump.serves(inquiry):
                info = dump.answer(inquiry.number).info
                if info is not None and info.mccmnc is not None:
                    return Finding(Source.RANGE, known.reason, info, None, None, dump.name, "file")
        return None

    def _generation(self, name: str) -> int:
        index = self._order.get(name)
        return -1 if index is None else self._parts.accounts[index].generation

    def _at(self, account: Account) -> tuple[str, int]:
        return account.name, account.generation


async def _not_asked() -> Finding:
    return _NOT_ASKED


def _nothing(provider: str, seconds_ago: float) -> None:
    del provider, seconds_ago
