"""What the lookup's tests share: numbers, rules, doubles of the client, the queue and the money.

The doubles answer in virtual time when they are given a script, else when the test says so.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from agi.errors import ProviderFault
from agi.lookup.account import Account, Governors, Terms
from agi.lookup.chain import Budgets
from agi.lookup.events import LookupDone, LookupEvent, ignore
from agi.lookup.failures import Failures
from agi.lookup.freshness import Freshness
from agi.lookup.parts import Parts
from agi.lookup.pipeline import Pipeline
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.record import Said
from agi.lookup.screening import Screens
from agi.lookup.store import Stored
from agi.lookup.tiers.memory import MemoryTier
from agi.model import (
    ErrorRule,
    Finding,
    Inquiry,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Product,
)
from tests.scenarios.virtual import run

ONE = Msisdn("447788450450")
TWO = Msisdn("447810701702")
NETWORK = NumberInfo(Mccmnc("23415"), Live.LIVE)
BARE = NumberInfo(Mccmnc("23415"))
EPOCH = 1_700_000_000.0
"""The wall clock's epoch at instant 0 of the monotonic clock."""

RULES = {
    "err1": ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, False, 3600, "range"),
    "err2": ErrorRule("comcetera", "err2", Outcome.INVALID_NUMBER, True, 300, "range"),
    "err29": ErrorRule("comcetera", "err29", Outcome.ABSENT, True, 60, "range"),
    "err36": ErrorRule("comcetera", "err36", Outcome.TEMPORARY, True, 0, "default"),
}


def rule(kind: str, code: str) -> ErrorRule | None:
    return RULES.get(code) if kind == "comcetera" else None


def numbers(count: int) -> list[Msisdn]:
    return [Msisdn(str(447_700_000_000 + index)) for index in range(count)]


def account(url: str = "http://127.0.0.1:9/npl", **terms: object) -> Comcetera:
    known: dict[str, Any] = {"username": "bob", "password": "secret-word", "keep_alive": True}
    return Comcetera(name="npl", url=url, **(known | terms))


def ok(number: Msisdn, mccmnc: str = "23415", units: float = 1.0) -> Answer:
    return Answer(number, Outcome.OK, NumberInfo(Mccmnc(mccmnc), Live.LIVE), units=units)


def coded(number: Msisdn, code: str, info: NumberInfo | None = None) -> Answer:
    return Answer(number, RULES[code].outcome if code in RULES else Outcome.MALFORMED, info, code)


def said(info: NumberInfo = NETWORK, provider: str = "npl", code: str = "") -> Said:
    network = NumberInfo(info.mccmnc, None, info.ported, info.line)
    return Said(info, network, provider, "comcetera", code, "")


def verdict(word: str, provider: str = "guard") -> Said:
    return Said(NumberInfo(), NumberInfo(), provider, "lanck", "", word)


def instant() -> float:
    return asyncio.get_running_loop().time()


async def settle(turns: int = 10) -> None:
    """Let everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def swept(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene, then end what it left running, and what that starts in its turn."""
    try:
        await scene()
    finally:
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene in virtual time."""
    run(swept(scene))


def ask_for(number: Msisdn = ONE, within: float = 0.8, **terms: Any) -> Inquiry:
    """Make an inquiry whose deadline is ``within`` seconds from now."""
    return Inquiry(number, instant() + within, **({"country": "GB"} | terms))


# ---- a client on a desk ---------------------------------------------------------------------


@dataclass
class Sent:
    """One request that the code under test sent; the test says how it goes on."""

    numbers: tuple[Msisdn, ...]
    deadline: float
    on_answer: Callable[[Answer], None]
    end: asyncio.Future[None]
    at: float = 0.0

    def answer(self, *numbers: Msisdn) -> None:
        for number in numbers or self.numbers:
            self.on_answer(ok(number))

    def done(self) -> None:
        self.end.set_result(None)

    def fail(self, cause: str) -> None:
        self.end.set_exception(ProviderFault(cause))


@dataclass
class Desk:
    """A client double: requests lie on it until the test ends them."""

    sent: list[Sent] = field(default_factory=list)
    most: int = 0
    open: int = 0

    async def ask(
        self,
        provider: Provider,
        numbers: Sequence[Msisdn],
        deadline: float,
        on_answer: Callable[[Answer], None],
    ) -> None:
        assert "npl" == provider.name
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append(Sent(tuple(numbers), deadline, on_answer, end, instant()))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await end
        finally:
            self.open -= 1


# ---- an account whose queue is a double -----------------------------------------------------

Script = Callable[[Msisdn], tuple[float, Answer | ProviderFault]]
"""How a queue answers a number: after how many seconds, and with what."""


def says(answer: Callable[[Msisdn], Answer] = ok, after: float = 0.01) -> Script:
    return lambda number: (after, answer(number))


def on(mccmnc: str, after: float = 0.01) -> Script:
    return lambda number: (after, ok(number, mccmnc))


def code(word: str, info: NumberInfo | None = None, after: float = 0.01) -> Script:
    return lambda number: (after, coded(number, word, info))


def fails(cause: str, detail: str = "", after: float = 0.01, pause: float | None = None) -> Script:
    return lambda _: (after, ProviderFault(cause, detail, retry_after_s=pause))


class Queue:
    """A batcher double, one request for each number; it reports as the batcher does."""

    def __init__(self) -> None:
        self.script: Script | None = None
        self.full: ProviderFault | None = None
        self.asked: list[Msisdn] = []
        self.times: list[float] = []
        self.waiting: dict[Msisdn, asyncio.Future[Answer]] = {}
        self.cleared: list[ProviderFault] = []
        self.report: Callable[[LookupEvent], None] = ignore
        self.name = ""

    def submit(
        self, number: Msisdn, until: float, patience_s: float | None = None
    ) -> asyncio.Future[Answer]:
        del patience_s
        del until
        if self.full is not None:
            raise self.full
        self.asked.append(number)
        self.times.append(instant())
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        if self.script is not None:
            after, result = self.script(number)
            loop = asyncio.get_running_loop()
            loop.call_later(after, self.end, future, result, instant())
        return future

    def clear(self, fault: ProviderFault) -> None:
        self.cleared.append(fault)

    def end(
        self, future: asyncio.Future[Answer], result: Answer | ProviderFault, sent: float
    ) -> None:
        """Settle one number's future, and tell the account how its request went."""
        outcome, detail = "ok", ""
        if isinstance(result, ProviderFault):
            outcome, detail = result.cause, result.detail
            future.set_exception(result)
            future.exception()
        else:
            future.set_result(result)
        answered = int(outcome == "ok")
        self.report(LookupDone(self.name, outcome, instant() - sent, 1, answered, detail))

    def answer(self, result: Answer | ProviderFault, number: Msisdn = ONE) -> None:
        self.end(self.waiting.pop(number), result, self.times[-1])


class Money:
    """A purse double that counts; ``left`` is how many more units it allows."""

    def __init__(self, left: float = float("inf")) -> None:
        self.left = left
        self.writing = False  # the disk is not so far yet
        self.held = 0
        self.refunds = 0
        self.paid: list[float] = []

    @property
    def gone(self) -> bool:
        return self.left < 1 and not self.writing

    @property
    def short(self) -> bool:
        return False

    async def secured(self, within_s: float) -> None: ...

    def may_spend(self, units: object = 1) -> bool:
        assert 1 == units
        if self.left < 1:
            return False
        self.left -= 1
        self.held += 1
        return True

    def spent(self, units: Any, held: Any = None) -> None:
        assert 1 == held
        self.held -= 1
        self.paid.append(float(units))

    def refunded(self, units: object) -> None:
        assert 1 == units
        self.left += 1
        self.held -= 1
        self.refunds += 1


class Firm:
    """One account with its queue and purse doubles; its breaker is drawn in the middle."""

    def __init__(
        self,
        name: str = "npl",
        script: Script | None = None,
        *,
        observe: Callable[[LookupEvent], None] = ignore,
        product: Product = Product.NETWORK,
        left: float = float("inf"),
        **terms: Any,
    ) -> None:
        self.purse = Money(left)
        self.governors = Governors(lambda: 0.5, probe_s=1.6)
        kind = terms.pop("kind", "comcetera")
        self.account = Account(
            Terms(name, kind, product, **terms),
            governors=self.governors,
            purse=self.purse,
            clock=instant,
            observe=observe,
        )
        self.queue = Queue()
        self.queue.script = script
        self.queue.name = name
        self.queue.report = self.account.observe
        self.account.queue = self.queue

    def used_to(self, seconds: float, samples: int = 20) -> "Firm":
        """Let the account have answered so fast till now."""
        for _ in range(samples):
            self.account.latency.observe(seconds, instant())
        return self

    def breaks(self, cause: str = "reset") -> "Firm":
        """Open the account's breaker: five failures in a row, or one refusal of the account."""
        for _ in range(1 if cause == "account" else 5):
            self.account.observe(LookupDone(self.account.name, cause, 0.01, 1, 0))
        return self


class Shelf:
    """A store double in a dictionary; ``gate`` keeps readers waiting until it is set."""

    kind = "sqlite"

    def __init__(self) -> None:
        self.kept: dict[tuple[Msisdn, Product], Stored] = {}
        self.lives: dict[tuple[Msisdn, Product], float] = {}
        self.reads = 0
        self.gate: asyncio.Event | None = None

    async def open(self) -> None: ...

    async def get(self, number: Msisdn, product: Product = Product.NETWORK) -> Stored | None:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.kept.get((number, product))

    def put(
        self, number: Msisdn, stored: Stored, keep_s: float, product: Product = Product.NETWORK
    ) -> None:
        self.kept[number, product] = stored
        self.lives[number, product] = keep_s

    async def drop(self, number: Msisdn) -> bool:
        known = [key for key in self.kept if key[0] == number]
        for key in known:
            del self.kept[key]
        return bool(known)

    async def purge(self, provider: str, since: float) -> None: ...

    async def stats(self) -> dict[str, object]:
        return {}

    async def close(self) -> None: ...

    def holds(self, words: Said, age_s: float, product: Product = Product.NETWORK) -> None:
        """Put ONE there, as of so long ago."""
        self.kept[ONE, product] = Stored(words, EPOCH + instant() - age_s)


class Stage:
    """A pipeline over firms; everything that was observed is in ``events``."""

    def __init__(
        self, *firms: Firm, store: Shelf | None = None, rules: Any = rule, **terms: Any
    ) -> None:
        self.events: list[LookupEvent] = []
        self.firms = firms
        for firm in firms:
            firm.account._observe = self.events.append
        self.freshness = terms.pop("freshness", Freshness())
        self.memory = MemoryTier(1000, keep_s=self.freshness.keep_s)
        self.screens = Screens(1000, self.freshness.of_screen)
        self.failures = Failures(1000, lambda: 0.5)
        self.store = store
        self.budgets = Budgets()
        self.pipeline = Pipeline(
            Parts(
                accounts=[firm.account for firm in firms],
                memory=self.memory,
                screens=self.screens,
                failures=self.failures,
                store=store,
                clock=instant,
                wall=lambda at: EPOCH + at,
                error_rule=rules,
                freshness=self.freshness,
                budgets=self.budgets,
                observe=self.events.append,
                **terms,
            )
        )

    async def find(self, number: Msisdn = ONE, within: float = 0.8, **terms: Any) -> Finding:
        return await self.pipeline.find(ask_for(number, within, **terms))

    def seen(self, kind: type[LookupEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def remembers(self, age_s: float, words: Said | None = None, number: Msisdn = ONE) -> None:
        """Let memory hold a network (or ``words``) of so many seconds of age."""
        self.memory.put(number, words or said(), instant() - age_s)
