"""One generation of accounts: built from a configuration, retired as a whole after a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from agi import accounts
from agi.config import Loaded
from agi.errors import ConfigurationError, Fault
from agi.lookup import events
from agi.lookup.account import Account, Governors
from agi.lookup.batcher import Batcher
from agi.lookup.client import MAX_BODY, Client
from agi.lookup.ledger import Ledger, Purse
from agi.lookup.limits import TokenBucket
from agi.lookup.money import Budget, shown
from agi.lookup.postback import Postbacks
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.datasoap import DatasoapAsync, Postback
from agi.lookup.providers.file import FileProvider
from agi.lookup.resolver import Resolver, literal
from agi.lookup.slots import Slots
from agi.metrics import Metrics
from agi.model import Inquiry, Line, Msisdn
from agi.settings import ProviderAccount

IDLE_CHECK_S: Final = 0.05

RESOLVE_S: Final = 0.3
"""How long a start waits for names; they go on being resolved behind it."""


class _Expected:
    """What one asynchronous provider expects of the door: the postbacks of its own jobs."""

    def __init__(self, postbacks: Postbacks[Postback], provider: DatasoapAsync) -> None:
        self._postbacks = postbacks
        self._provider = provider

    def expect(self, job: str, number: Msisdn, provider: str) -> asyncio.Future[Answer]:
        """Return the future of the answer that comes under ``job``."""
        return self._postbacks.expect(job, number, provider, self._provider.settle)

    def submitting(self) -> AbstractContextManager[None]:
        """Stand around a submission."""
        return self._postbacks.submitting()


@dataclass(frozen=True, slots=True)
class Book:
    """One account at work: its settings, its money, its connections and its products."""

    settings: ProviderAccount
    secret: str = field(repr=False)
    governors: Governors
    purse: Purse
    client: Client
    resolver: Resolver | None
    slots: Slots
    queues: tuple[Batcher, ...]
    accounts: tuple[Account, ...]
    was: ProviderAccount | None = None  # the settings before, when it goes on with that purse

    @property
    def inherits(self) -> bool:
        """Whether the purse is that of the generation before: an account has only one."""
        return self.was is not None

    async def open(self, ledger: Ledger) -> None:
        """Take up the money of the day; the generation before hands it over."""
        one, other = self.settings, self.was
        if other is None:
            await self.purse.open()
        elif (one.daily_budget, one.price) != (other.daily_budget, other.price):
            await self.purse.revise(Budget(one.daily_budget, one.price), ledger)


@dataclass(frozen=True, slots=True)
class Dumped:
    """A file of a dump, for the countries that it covers."""

    file: FileProvider
    countries: frozenset[str]

    @property
    def name(self) -> str:
        """The account's name in the configuration."""
        return self.file.name

    def serves(self, inquiry: Inquiry) -> bool:
        """Say whether the file is one to ask about such a number."""
        return not self.countries or inquiry.country in self.countries

    def answer(self, number: Msisdn) -> Answer:
        """Return what the file says."""
        return self.file.answer(number)


class Books:
    """All HTTP accounts of one configuration, in its order; one event loop only."""

    def __init__(  # noqa: PLR0913 - parts, by keyword
        self,
        loaded: Loaded,
        *,
        ledger: Ledger,
        postbacks: Postbacks[Postback],
        postback_url: str,
        clock: Callable[[], float],
        wall: Callable[[], float],
        observe: events.Observer,
        dice: Random,
        before: Books | None = None,
    ) -> None:
        self._loaded = loaded
        self._ledger = ledger
        self._postbacks = postbacks
        self._postback_url = postback_url
        self._clock = clock
        self._wall = wall
        self._observe = observe
        self._dice = dice
        self._zone = ZoneInfo(loaded.config.tables.timezone)
        self._deadline_s = loaded.config.fastagi.deadline_ms / 1000
        self._faults: list[Fault] = []
        wanted = [one for one in loaded.config.providers if one.enabled and one.kind != "file"]
        old = {} if before is None else {book.settings.name: book for book in before.books}
        found = [self._book(one, old.get(one.name)) for one in wanted]
        if self._faults:
            raise ConfigurationError(tuple(self._faults))
        self.books: tuple[Book, ...] = tuple(book for book in found if book is not None)

    @property
    def accounts(self) -> Sequence[Account]:
        """Every product of every account, in the order of the configuration."""
        return [account for book in self.books for account in book.accounts]

    async def open(self) -> None:
        """Take up the money of the day, and resolve names; a moment, not more."""
        await asyncio.gather(
            *(book.open(self._ledger) for book in self.books),
            *(book.resolver.start(RESOLVE_S) for book in self.books if book.resolver is not None),
        )

    def hold(self) -> None:
        """Send nothing until ``release``: another generation still uses the connections."""
        for queue in self._queues():
            queue.hold()

    def release(self) -> None:
        """Send what waits."""
        for queue in self._queues():
            queue.release()

    async def retire(self, heir: Books | None = None) -> None:
        """Let what was asked be answered, then close; ``heir`` goes on with the same money."""
        until = self._clock() + 2 * self._deadline_s
        try:
            while any(queue.busy or queue.waiting for queue in self._queues()):
                if self._clock() > until:
                    break
                await asyncio.sleep(IDLE_CHECK_S)
        finally:  # also when the process ends meanwhile
            await self.close(heir)

    async def close(self, heir: Books | None = None) -> None:
        """End every question at once; whoever waits is told ``shed``."""
        inherited = [] if heir is None else [book.purse for book in heir.books if book.inherits]
        for book in self.books:
            for queue in book.queues:
                await queue.close()
            book.slots.close()
            await book.client.close()
            if book.resolver is not None:
                book.resolver.stop()
            if book.purse not in inherited:
                await book.purse.close()

    def _queues(self) -> list[Batcher]:
        return [queue for book in self.books for queue in book.queues]

    def _day(self) -> str:
        return datetime.fromtimestamp(self._wall(), self._zone).date().isoformat()

    def _book(self, settings: ProviderAccount, before: Book | None) -> Book | None:
        secret = self._loaded.passwords[settings.name].get_secret_value()
        try:
            built = accounts.providers(settings, secret, self._postback_url)
        except ValueError as wrong:
            what = f"provider {settings.name}: {wrong}"
            self._faults.append(Fault(str(self._loaded.path), 0, 0, what))
            return None
        rate = settings.requests_per_second or accounts.RATES.get(settings.kind, 0.0)
        slots = Slots(
            settings.connections, TokenBucket(rate, max(1.0, rate / 5)), clock=self._clock
        )
        resolver = self._resolver(settings)
        purse = self._purse(settings) if before is None else before.purse
        governors = Governors(self._dice.random, probe_s=2 * self._deadline_s)
        if before is not None and before.settings == settings and before.secret == secret:
            governors = before.governors  # no reload of something else lifts a quarantine
        client = Client(
            connections=settings.connections,
            max_body=accounts.MAX_BODY.get(settings.kind, MAX_BODY),
            resolver=resolver,
            wall=self._wall,
            # By the account: answers for other numbers count against the trust in it.
            observe=lambda event: products[0].observe(event),  # noqa: PLW0108 - made later
        )
        parts = [
            self._product(settings, provider, lines, governors, purse, client, slots)
            for provider, lines in built
        ]
        queues, products = zip(*parts, strict=True)
        was = None if before is None else before.settings
        return Book(
            settings, secret, governors, purse, client, resolver, slots, queues, products, was
        )

    def _purse(self, settings: ProviderAccount) -> Purse:
        budget = Budget(settings.daily_budget, settings.price)
        return Purse(settings.name, budget, self._ledger, self._day)

    def _product(  # noqa: PLR0913, PLR0917 - the parts that an account's products share
        self,
        settings: ProviderAccount,
        provider: Provider,
        lines: frozenset[Line],
        governors: Governors,
        purse: Purse,
        client: Client,
        slots: Slots,
    ) -> tuple[Batcher, Account]:
        account = Account(
            accounts.terms(settings, provider.product, lines),
            governors=governors,
            purse=purse,
            clock=self._clock,
            observe=self._observe,
        )
        expected = (
            _Expected(self._postbacks, provider) if isinstance(provider, DatasoapAsync) else None
        )
        account.queue = queue = Batcher(
            provider=provider,
            client=client,
            slots=slots,
            deadline_s=self._deadline_s,
            clock=self._clock,
            observe=account.observe,
            postbacks=expected,
        )
        return queue, account

    def _resolver(self, settings: ProviderAccount) -> Resolver | None:
        parts = urlsplit(settings.endpoint)
        host = parts.hostname or ""
        if literal(host):
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        name = settings.name
        return Resolver(
            host,
            port,
            allow_private=settings.allow_private,
            clock=self._clock,
            observe=lambda what: self._observe(events.NameTrouble(name, what)),
        )


def state_of(book: Book, now: float, metrics: Metrics) -> dict[str, object]:
    """Return how an account is, for people; no secret and no number in it."""
    breaker = book.governors.breaker
    latency = book.accounts[0].latency
    quick, slow = latency.quantile(0.5, now), latency.quantile(0.95, now)
    states = [str(breaker.state)]
    if book.governors.trust.quarantined(now):
        states.append("quarantined")
    if book.governors.pauses.paused("", now):
        states.append("paused")
    left = book.purse.left
    failing = metrics.failing.get(book.settings.name)
    return {
        "provider": book.settings.name,
        "kind": book.settings.kind,
        "products": " ".join(str(one.terms.product) for one in book.accounts),
        "breaker": " ".join(states),
        "why": breaker.why,
        "p50_ms": None if quick is None else round(quick * 1000, 1),
        "p95_ms": None if slow is None else round(slow * 1000, 1),
        "connections": f"{book.slots.busy} of {book.slots.connections}",
        "waiting": sum(queue.waiting for queue in book.queues),
        "spent_today": f"{shown(book.purse.today)} {book.settings.currency}",
        "budget_left": None if left is None else f"{shown(left)} {book.settings.currency}",
        "last_error": f"{failing[1]} {failing[2]}".strip() if failing else "",
        "trouble": book.purse.trouble or (book.resolver.trouble if book.resolver else ""),
    }


def state_of_dump(file: FileProvider, trouble: str) -> dict[str, object]:
    """Return how a dump is, for people; ``trouble`` is why its newest file is not in force."""
    return {
        "provider": file.name,
        "kind": "file",
        "products": "network",
        "breaker": "closed" if file.dump is not None else "not read",
        "trouble": trouble,
    }
