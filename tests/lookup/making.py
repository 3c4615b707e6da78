"""What the lookup's tests share: numbers, an account, rules, a double of the client."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agi.errors import ProviderFault
from agi.lookup.batcher import Batcher
from agi.lookup.client import Client
from agi.lookup.events import LookupEvent
from agi.lookup.pipeline import Pipeline
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.tiers.memory import MemoryTier
from agi.model import ErrorRule, Live, Mccmnc, Msisdn, NumberInfo, Outcome

ONE = Msisdn("447788450450")
TWO = Msisdn("447810701702")
NETWORK = NumberInfo(Mccmnc("23415"), Live.LIVE)

RULES = {
    "err1": ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, False, 3600, "range"),
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


def ok(number: Msisdn) -> Answer:
    return Answer(number, Outcome.OK, NETWORK)


@dataclass
class Sent:
    """One request that the code under test sent; the test says how it goes on."""

    numbers: tuple[Msisdn, ...]
    deadline: float
    on_answer: Callable[[Answer], None]
    end: asyncio.Future[None]

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
        self.sent.append(Sent(tuple(numbers), deadline, on_answer, end))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await end
        finally:
            self.open -= 1


async def settle(turns: int = 10) -> None:
    """Let everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def instant() -> float:
    return asyncio.get_running_loop().time()


class Lookup:
    """A whole lookup against an address: client, batcher, memory, pipeline, and its events."""

    def __init__(self, url: str, *, connections: int = 1, deadline_s: float = 0.8) -> None:
        self.events: list[LookupEvent] = []
        self.memory = MemoryTier(1000)
        self.client = Client(connections=connections, observe=self.events.append)
        self.batcher = Batcher(
            provider=account(url),
            client=self.client,
            connections=connections,
            deadline_s=deadline_s,
            clock=instant,
            observe=self.events.append,
        )
        self.pipeline = Pipeline(
            asker=self.batcher,
            memory=self.memory,
            clock=instant,
            error_rule=rule,
            observe=self.events.append,
        )

    async def close(self) -> None:
        await self.pipeline.close()
        await self.batcher.close()
        await self.client.close()
