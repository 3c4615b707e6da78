"""A whole lookup against a real address: client, queue, account, memory, pipeline, and its events.

It runs on the real clock: sockets take their time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agi.lookup.account import Account, Governors, Terms
from agi.lookup.batcher import Batcher
from agi.lookup.client import Client
from agi.lookup.events import LookupEvent
from agi.lookup.failures import Failures
from agi.lookup.freshness import Freshness
from agi.lookup.limits import TokenBucket
from agi.lookup.parts import Parts
from agi.lookup.pipeline import Pipeline
from agi.lookup.provider import Provider
from agi.lookup.screening import Screens
from agi.lookup.slots import Slots
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Finding, Msisdn
from tests.lookup.making import EPOCH, ONE, Money, account, ask_for, instant, rule

T = TypeVar("T")


class Lookup:
    """One account of one connection at ``url``, and everything in front of it."""

    def __init__(
        self, url: str, *, provider: Provider | None = None, deadline_s: float = 0.8, **terms: Any
    ) -> None:
        self.events: list[LookupEvent] = []
        self.memory = MemoryTier(1000)
        self.purse = Money()
        self.client = Client(connections=1, observe=self.events.append)
        asked = provider or account(url)
        known: dict[str, Any] = {"timeout_s": 60.0} | terms
        self.account = Account(
            Terms(asked.name, asked.kind, asked.product, **known),
            governors=Governors(lambda: 0.5, probe_s=2 * deadline_s),
            purse=self.purse,
            clock=instant,
            observe=self.events.append,
        )
        self.batcher = Batcher(
            provider=asked,
            client=self.client,
            slots=Slots(1, TokenBucket(0, 1), clock=instant),
            deadline_s=deadline_s,
            clock=instant,
            observe=self.account.observe,
        )
        self.account.queue = self.batcher
        self.pipeline = Pipeline(
            Parts(
                accounts=[self.account],
                memory=self.memory,
                screens=Screens(1000, Freshness().of_screen),
                failures=Failures(1000, lambda: 0.5),
                clock=instant,
                wall=lambda at: EPOCH + at,
                error_rule=rule,
                observe=self.events.append,
            )
        )

    async def find(self, number: Msisdn = ONE, within: float = 5.0, **terms: Any) -> Finding:
        return await self.pipeline.find(ask_for(number, within, **terms))

    async def close(self) -> None:
        await self.pipeline.close()
        await self.batcher.close()
        await self.client.close()


def live(scene: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Play a scene on the real clock."""
    return asyncio.run(scene())
