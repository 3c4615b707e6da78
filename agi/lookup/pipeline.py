"""Find a number's network: never raises for a provider's sake, never late, pays once.

memory -> store -> what failed just now -> one flight per number -> the accounts in their order,
and every answer back into memory and store. A stale network beats none: it is shown when nobody
answers in time, and its refreshing goes on behind the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account
from agi.lookup.chain import Chain, Outcome
from agi.lookup.freshness import FINAL, OTHER, found, younger
from agi.lookup.keeping import Keeper
from agi.lookup.parts import Dumps, Parts
from agi.lookup.provider import Answer
from agi.lookup.record import Kept, Said, said_of
from agi.lookup.screening import with_verdicts
from agi.model import Finding, Inquiry, Product, Source

RESERVE_S: Final = 0.03
"""Kept back from every deadline, for the decision and the writing of the answer."""

STALE_WAIT_S: Final = 0.15
"""With a stale answer in the hand nobody waits longer for a fresh one (RFC 8767, section 5)."""

_TIMEOUT: Final = Finding(Source.DEFAULT, "timeout")
_NOT_ASKED: Final = Finding(Source.SKIPPED, "same-route")


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
        self._flights = parts.flights
        self.keeper = Keeper(parts, self._order)
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
        await self.keeper.close()
        await self._flights.close()
        await self._parts.screens.close()

    def late(self, account: Account, answer: Answer) -> None:
        """Keep an answer that came after its question had ended."""
        self.keeper.taken(account, Inquiry(answer.number, 0.0), answer)

    # ---- the network ---------------------------------------------------------------------

    async def _network(self, inquiry: Inquiry) -> Finding:
        now = self._clock()
        kept, known = self.keeper.recall(inquiry, now)
        if known is not None:
            return known
        until = self._until(inquiry, now, Product.NETWORK)
        if self._parts.store is not None and until > now:
            kept = younger(kept, await self.keeper.from_store(inquiry.number, until))
            rules, source = self._parts.error_rule, Source.STORE
            if kept is not None:
                known = self._freshness.shown(kept, rules, inquiry.max_age_s, source)
                if known is not None:
                    return known
        if inquiry.unasked:
            return self._or_older(inquiry, kept, self._untold(inquiry))
        return self._or_older(inquiry, kept, await self._beyond(inquiry, kept, until))

    def _untold(self, inquiry: Inquiry) -> Finding:
        """Nobody may be asked: return what a file says, which asks nobody, else why."""
        self._observe(events.Avoided("", "brownout"))
        return self._of_file(inquiry) or Finding(Source.DEFAULT, inquiry.unasked)

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
        if (told := self._of_file(inquiry)) is not None:
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

    def _of_file(self, inquiry: Inquiry) -> Finding | None:
        for dump in self._parts.dumps:
            if dump.serves(inquiry) and (told := self._dumped(dump, inquiry)) is not None:
                return told
        return None

    def _dumped(self, dump: Dumps, inquiry: Inquiry) -> Finding | None:
        answer = dump.answer(inquiry.number)
        if answer.info is None or answer.info.mccmnc is None:
            return None
        self.keeper.keep(inquiry.number, said_of(answer, dump.name, "file"), answer)
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
            taken=self.keeper.taken,
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
                if inquiry.unasked:
                    return await self._kept_verdict(product, inquiry, now)
                return await self._parts.screens.ask(inquiry, product, now, self._ask_screen)
        except TimeoutError:
            return ""

    async def _kept_verdict(self, product: Product, inquiry: Inquiry, now: float) -> str:
        """Return a verdict that is remembered, empty when none is: nobody may be asked."""
        known = self._parts.screens.kept(inquiry.number, product, now)
        if known is not None:
            return known
        said = await self._stored_verdict(product, inquiry)
        return "" if said is None else said.verdict

    async def _stored_verdict(self, product: Product, inquiry: Inquiry) -> Said | None:
        store = self._parts.store
        stored = await store.get(inquiry.number, product) if store is not None else None
        if stored is None or self.keeper.age_s(stored) > self._freshness.of_screen(product):
            return None
        obtained = self._clock() - self.keeper.age_s(stored)
        self._parts.screens.keep(inquiry.number, product, stored.said, obtained)
        return stored.said

    async def _ask_screen(self, product: Product, inquiry: Inquiry) -> Said | None:
        stored = await self._stored_verdict(product, inquiry)
        if stored is not None:
            return stored
        failure = self._parts.failures.get(inquiry.number, self._clock(), self._generation, product)
        if failure is not None and inquiry.max_age_s != 0:
            self._observe(events.Avoided("", "failure"))
            return None
        outcome = await self._ask(product, inquiry)
        if outcome.answer is None or outcome.account is None or not outcome.answer.verdict:
            self._no_verdict(product, inquiry, outcome)
            return None
        terms = outcome.account.terms
        return said_of(outcome.answer, terms.name, terms.kind)

    def _no_verdict(self, product: Product, inquiry: Inquiry, outcome: Outcome) -> None:
        """Remember it: an answer that is no verdict is paid for all the same."""
        accounts = outcome.failed
        if outcome.account is not None:
            accounts = (*accounts, self._at(outcome.account))
        if accounts:
            self._parts.failures.failed(
                inquiry.number,
                self._clock(),
                outcome.reason,
                accounts,
                product=product,
                at_least_s=outcome.rule.negative_ttl_s if outcome.rule is not None else 0.0,
            )

    def _purge(self, provider: str, since: float) -> None:
        self.keeper.purge(provider, since)
        self.on_purge(provider, self._clock() - since)

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
