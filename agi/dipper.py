"""The dipper: asks the provider. It joins an account's settings, its slots and the lookup.

A composition root, in the router's process for now: the seam is ``Finder.find``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agi.config import Loaded
from agi.errors import ConfigurationError, Fault
from agi.log import Log
from agi.lookup.batcher import Batcher
from agi.lookup.client import Client
from agi.lookup.events import LookupDone, LookupEvent, Strangers
from agi.lookup.pipeline import Pipeline
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.model import ErrorRule
from agi.settings import ProviderAccount

REPEAT_S: Final = 10.0
"""The same trouble of the same provider is logged at most once in so long; counters have it all."""

IDLE_CHECK_S: Final = 0.05


class Dipper:
    """One configuration's provider account and the pipeline on it."""

    def __init__(  # noqa: PLR0913 - a composition root is given its parts
        self,
        loaded: Loaded,
        *,
        memory: MemoryTier,
        clock: Callable[[], float],
        error_rule: Callable[[str, str], ErrorRule | None],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._told: dict[tuple[str, str], float] = {}
        self._deadline_s = loaded.config.fastagi.deadline_ms / 1000
        self._client: Client | None = None
        self._batcher: Batcher | None = None
        account = next((one for one in loaded.config.providers if one.enabled), None)
        if account is not None:
            self._client = Client(connections=account.connections, observe=self._observe)
            self._batcher = self._build(account, self._client, loaded)
        fresh = loaded.config.cache.fresh_s
        self.pipeline = Pipeline(
            asker=self._batcher,
            memory=memory,
            clock=clock,
            error_rule=error_rule,
            fresh_network_s=fresh.network,
            fresh_liveness_s=fresh.liveness,
            timeout_s=account.timeout_ms / 1000 if account else 0.0,
            observe=self._observe,
        )

    def _build(self, account: ProviderAccount, client: Client, loaded: Loaded) -> Batcher:
        try:
            provider = Comcetera(
                name=account.name,
                url=account.url,
                username=account.username,
                password=loaded.passwords[account.name].get_secret_value(),
                api_version=account.api_version,
                batch_size=account.batch_size,
                economy=account.economy,
            )
        except ValueError as wrong:
            fault = Fault(str(loaded.path), 0, 0, f"provider {account.name}: {wrong}")
            raise ConfigurationError((fault,)) from None
        return Batcher(
            provider=provider,
            client=client,
            connections=account.connections,
            deadline_s=self._deadline_s,
            clock=self._clock,
            observe=self._observe,
        )

    def wait_for(self, other: Dipper) -> asyncio.Task[None]:
        """Send nothing until ``other`` has retired: both would use the same account's slots."""
        if self._batcher is not None:
            self._batcher.hold()
        return asyncio.get_running_loop().create_task(self._follow(other))

    async def _follow(self, other: Dipper) -> None:
        await other.retire()
        if self._batcher is not None:
            self._batcher.release()

    async def retire(self) -> None:
        """Let what was asked be answered, then close: after a reload another dipper serves."""
        until = self._clock() + 2 * self._deadline_s
        while self._batcher and (self._batcher.busy or self._batcher.waiting):
            if self._clock() > until:
                break
            await asyncio.sleep(IDLE_CHECK_S)
        await self.close()

    async def close(self) -> None:
        """End every question at once; whoever waits is told ``shed``."""
        await self.pipeline.close()
        if self._batcher is not None:
            await self._batcher.close()
        if self._client is not None:
            await self._client.close()

    def _observe(self, event: LookupEvent) -> None:
        metrics = self._metrics
        if isinstance(event, LookupDone):
            metrics.lookups[(event.provider, event.outcome)] += 1
            metrics.lookup[event.provider].observe(event.seconds)
            if event.outcome == "ok":
                metrics.failing.pop(event.provider, None)
            elif event.outcome != "shed":  # our own doing says nothing of the provider
                times, _, _ = metrics.failing.get(event.provider, (0, "", ""))
                metrics.failing[event.provider] = (times + 1, event.outcome, event.detail)
                self._trouble("lookup_failed", event.provider, event.outcome, event.detail)
        elif isinstance(event, Strangers):
            metrics.strangers[event.provider] += event.count
            self._trouble("answers_for_other_numbers", event.provider, "strangers")

    def _trouble(self, event: str, provider: str, what: str, detail: str = "") -> None:
        now = self._clock()
        last = self._told.get((provider, what))
        if last is None or now - last >= REPEAT_S:
            self._told[provider, what] = now
            self._log("warning", event, provider=provider, outcome=what, detail=detail)
