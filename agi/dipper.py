"""The dipper: asks providers. It alone holds credentials, connections, breakers, money and store.

A composition root: it joins the accounts of a configuration, the tiers and the pipeline, replaces
them together at a reload, and says how they are.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from agi.accounts import probes
from agi.books import Books, Dumped, state_of, state_of_dump
from agi.config import Loaded
from agi.errors import ConfigurationError, Fault, TableError, UsageError
from agi.log import Log
from agi.lookup.chain import Budgets
from agi.lookup.failures import Failures
from agi.lookup.flight import Flights
from agi.lookup.freshness import ErrorRules, Freshness
from agi.lookup.ledger import Ledger
from agi.lookup.parts import Parts
from agi.lookup.pipeline import Pipeline
from agi.lookup.postback import Postbacks
from agi.lookup.probes import Asked, Probes
from agi.lookup.provider import Answer
from agi.lookup.providers.datasoap import Postback, read_postback
from agi.lookup.providers.file import FileProvider
from agi.lookup.screening import Screens
from agi.lookup.store import Store
from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.memory import MemoryTier
from agi.lookup.tiers.sqlite import SqliteStore
from agi.metrics import Metrics
from agi.model import Dialled, Finding, Inquiry, Msisdn
from agi.settings import Cache
from agi.tally import Tally
from agi.wall import Wall

if TYPE_CHECKING:
    from agi.web.hooks import Door

FAILURES: Final = 20_000
"""Numbers whose failure is remembered, at most."""

DUMP_CHECK_S: Final = 10.0
"""How often the files of dumps are looked at."""


def freshness_of(cache: Cache) -> Freshness:
    """Return the lifetimes that a configuration sets."""
    fresh = cache.fresh_s
    return Freshness(
        network_s=fresh.network,
        liveness_s=fresh.liveness,
        fraud_s=fresh.fraud,
        tps_s=fresh.tps,
        unsubscribe_s=fresh.unsubscribe,
        stale_s=cache.stale_s.network,
    )


class Dipper:
    """The lookup of one host; one event loop only."""

    def __init__(  # noqa: PLR0913 - a composition root is given its parts
        self,
        loaded: Loaded,
        *,
        state: Path,
        clock: Callable[[], float],
        error_rule: ErrorRules,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.loaded = loaded
        self.metrics = metrics
        self.on_purge: Callable[[str, float], None] = _nothing
        self.on_change: Callable[[Msisdn], None] = _nobody
        self._state = state
        self._clock = clock
        self._wall = Wall(clock)
        self._rules = error_rule
        self._log = log
        self._dice = Random(secrets.randbits(128))  # noqa: S311 - odds, not secrets
        self._observe = Tally(metrics, log, clock)
        settings = loaded.config.cache
        freshness = freshness_of(settings)
        self.memory = MemoryTier(settings.memory_entries, keep_s=freshness.keep_s)
        self._screens = Screens(settings.memory_entries, freshness.of_screen)
        self._failures = Failures(FAILURES, self._dice.random)
        self._ledger = Ledger(state / "budget.json")
        self.store = self._build_store(settings)
        self._secret = secrets.token_urlsafe(32)
        self._postbacks: Postbacks[Postback] = Postbacks(
            read_postback,
            clock=clock,
            on_late=self._late,
            observe=self._observe,
            label="datasoap",
        )
        self._door: Door | None = None
        self._files: dict[str, FileProvider] = {}
        self._refused_dumps: dict[str, str] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._purging: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._budgets = Budgets()
        self._flights: Flights[Finding] = Flights()
        self.books, self.pipeline = self._assemble(loaded)
        self.probes = Probes(
            self._askable, clock=clock, draw=self._dice.random, observe=self._observe
        )
        self._understand: Callable[[str], Dialled] | None = None

    async def open(self) -> None:
        """Open the store, the books, the dumps and the door for postbacks.

        Raises:
            ConfigurationError: the dumps have faults.
            UsageError: the door's address cannot be used.
        """
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._ledger.open()
        if self._ledger.corrupt:
            self._log("error", "ledger_corrupt", note="today's budgets count as spent")
        if self.store is not None:
            await self.store.open()
        await self._read_dumps()
        await self._open_door()
        await self.books.open()
        self._watch = asyncio.get_running_loop().create_task(self._watch_dumps())

    async def find(self, inquiry: Inquiry) -> Finding:
        """Return what is known by the inquiry's deadline; see ``Pipeline.find``."""
        pipeline = self.pipeline
        finding = await pipeline.find(inquiry)
        if finding.reason == "shed" and (self._retiring or pipeline is not self.pipeline):
            # Its accounts retired between the store and their queue: nobody was asked.
            return await self.pipeline.find(inquiry)
        return finding

    def probe(self, understand: Callable[[str], Dialled]) -> None:
        """Ask each account for its known number from now on; ``understand`` is the plan's."""
        self._understand = understand
        self.probes.use(probes(self.loaded.config.providers, understand))

    def _askable(self) -> Asked:
        files = {name: file.answer for name, file in self._files.items()}
        return Asked(self.books.accounts, files)

    async def forget(self, number: Msisdn) -> bool:
        """Forget a number in memory and store; say whether anything was known of it."""
        return await self.pipeline.keeper.forget(number)

    async def reload(self, loaded: Loaded) -> None:
        """Serve by another configuration's accounts from now on; what was asked is answered.

        Raises:
            ConfigurationError: the accounts contradict themselves, or a dump that is new has
                faults; everything stays as it was.
        """
        old, then = self.loaded.config, self.books
        same = loaded.config.providers == old.providers and (
            loaded.passwords == self.loaded.passwords
        )
        if not same:
            files = self._files
            try:
                books, pipeline = self._assemble(loaded, then)
                await self._read_dumps()
            except ConfigurationError:
                self._files = files
                raise
            books.hold()
            await books.open()
            self.books, self.pipeline = books, pipeline
            self.metrics.failing.clear()  # of accounts and settings that are no more
            following = _follow(then, books, self._following)
            self._following = asyncio.get_running_loop().create_task(following)
            self._keep(self._following)
        self.loaded = loaded
        if self._understand is not None:
            self.probe(self._understand)
        if same:
            await self._read_dumps()

    async def close(self) -> None:
        """End every question at once, write what waits."""
        if self._watch is not None:
            self._watch.cancel()
        if self._door is not None:
            await self._door.stop()
        self._postbacks.close()
        await self.probes.close()
        await self.pipeline.close()
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self.books.close()
        await asyncio.gather(*self._purging, return_exceptions=True)
        if self.store is not None:
            await self.store.close()
        await self._ledger.close()

    # ---- parts ---------------------------------------------------------------------------

    def _assemble(self, loaded: Loaded, then: Books | None = None) -> tuple[Books, Pipeline]:
        books = Books(
            loaded,
            ledger=self._ledger,
            postbacks=self._postbacks,
            postback_url=f"{loaded.config.hooks.public_url}/hooks/datasoap/{self._secret}",
            clock=self._clock,
            wall=self._wall.now,
            observe=self._observe,
            dice=self._dice,
            before=then,
        )
        before, after = self._dumps(loaded)
        pipeline = Pipeline(
            Parts(
                accounts=books.accounts,
                dumps=before,
                fallbacks=after,
                memory=self.memory,
                screens=self._screens,
                failures=self._failures,
                store=self.store,
                clock=self._clock,
                wall=self._wall.at,
                error_rule=self._rules,
                freshness=freshness_of(loaded.config.cache),
                budgets=self._budgets,
                flights=self._flights,
                observe=self._observe,
            )
        )
        pipeline.on_purge = self._purge
        pipeline.keeper.on_change = lambda number: self.on_change(number)  # noqa: PLW0108 - as it is then
        return books, pipeline

    def _dumps(self, loaded: Loaded) -> tuple[list[Dumped], list[Dumped]]:
        """Return the dumps that stand before the first account that costs, and those behind."""
        before: list[Dumped] = []
        after: list[Dumped] = []
        files: dict[str, FileProvider] = {}
        paid = False
        for one in loaded.config.providers:
            if not one.enabled:
                continue
            if one.kind != "file":
                paid = True
                continue
            path = loaded.relative(one.path or "")
            known = self._files.get(one.name)
            file = known if known and known.path == path else FileProvider(one.name, path)
            files[one.name] = file
            (after if paid else before).append(Dumped(file, frozenset(one.countries)))
        self._files = files
        return before, after

    def _build_store(self, settings: Cache) -> Store | None:
        key = self.loaded.cache_key
        secret = key.get_secret_value().encode() if key is not None else b""
        try:
            keyed = NumberKey.keyed(secret) if secret else NumberKey.plain()
            if settings.store == "none":
                return None
            if settings.store.startswith("sqlite:"):
                return SqliteStore(
                    self._state / settings.store.removeprefix("sqlite:"),
                    numbers=keyed if settings.numbers == "keyed" else NumberKey.plain(),
                    wall=self._wall.now,
                    observe=self._observe,
                )
            # Only who shares a cache pays for its client: 90 ms of start, 6 MB.
            from agi.lookup.tiers.redis import RedisStore  # noqa: PLC0415

            return RedisStore(
                settings.store,
                numbers=keyed,
                observe=self._observe,
                clock=self._clock,
                wall=self._wall.now,
            )
        except ValueError as wrong:
            fault = Fault(str(self.loaded.path), 0, 0, f"cache: {wrong}")
            raise ConfigurationError((fault,)) from None

    async def _open_door(self) -> None:
        hooks = self.loaded.config.hooks
        if hooks.listen is None:
            return
        # Only who has a door pays for what it is made of: 50 ms of start, 6 MB.
        from agi.web.hooks import Door  # noqa: PLC0415

        host, _, port = hooks.listen.rpartition(":")
        self._door = Door(self._secret, self._postbacks.deliver)
        try:
            await self._door.start(host.strip("[]"), int(port))
        except OSError as bad:
            raise UsageError(f"[hooks] listen = {hooks.listen}: {bad.strerror}") from None

    # ---- dumps ---------------------------------------------------------------------------

    async def _read_dumps(self) -> None:
        """Read the dumps that are new; one with faults at the start refuses the start."""
        for file in self._files.values():
            first = file.dump is None
            try:
                if await file.refresh():
                    self._refused_dumps.pop(file.name, None)
                    self._log("info", "dump_read", provider=file.name)
            except TableError as faulty:
                self._refused_dumps[file.name] = f"refused: {faulty.faults[0]}"
                for fault in faulty.faults[:20]:
                    self._log("error", "dump_fault", provider=file.name, fault=str(fault))
                if first:
                    raise ConfigurationError(faulty.faults) from None

    async def _watch_dumps(self) -> None:
        while True:
            await asyncio.sleep(DUMP_CHECK_S)
            with suppress(ConfigurationError):  # logged with its faults; the old one serves
                await self._read_dumps()

    # ---- what happens --------------------------------------------------------------------

    def _late(self, name: str, answer: Answer) -> None:
        """Keep what a vendor posted when nobody waited for it any more."""
        for account in self.books.accounts:
            if account.name == name:
                self.pipeline.late(account, answer)
                return

    def _purge(self, provider: str, seconds_ago: float) -> None:
        self.on_purge(provider, seconds_ago)
        if self.store is not None:
            since = self._wall.now() - seconds_ago
            task = asyncio.get_running_loop().create_task(self.store.purge(provider, since))
            self._purging.add(task)
            task.add_done_callback(self._purging.discard)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    # ---- how it is -----------------------------------------------------------------------

    def providers(self) -> list[dict[str, object]]:
        """Return every account's state, for people; no secret and no number in it."""
        now = self._clock()
        found = [state_of(book, now, self.metrics) for book in self.books.books]
        dumps = self._files.values()
        found += [state_of_dump(one, self._refused_dumps.get(one.name, "")) for one in dumps]
        return [{**one, "probe": str(self.probes.seen(str(one["provider"])))} for one in found]


async def _follow(then: Books, now: Books, earlier: asyncio.Task[None] | None) -> None:
    """Let one generation follow another, each in its turn: they share the connections."""
    try:
        if earlier is not None:
            await asyncio.wait([earlier])
    except asyncio.CancelledError:
        await then.close(now)
        raise
    await then.retire(now)
    now.release()


def _nothing(provider: str, seconds_ago: float) -> None:
    del provider, seconds_ago


def _nobody(number: Msisdn) -> None:
    del number
