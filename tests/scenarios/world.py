"""The stage: the real dipper and routers, with a store, a ledger, a wall clock and providers that
are scripted.

Real: the configuration's classes, ``Dipper`` with its books, accounts, batchers, breakers, purses,
chain, pipeline, tiers of memory and screens, ``httpx`` and ``Client`` up to where a socket would be
opened, every parser, the frames between router and dipper, ``Nearby``, ``Router``, the tables.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from agi.books import Books
from agi.brownout.ladder import Ladder
from agi.brownout.rungs import Rungs
from agi.config import Loaded
from agi.dipper import Dipper, freshness_of
from agi.e164 import NumberingPlan
from agi.journal.writer import NoJournal
from agi.lookup import events
from agi.lookup.dump import Dump
from agi.lookup.failures import Failures
from agi.lookup.frames import Ask, Found, FrameReader, asked, found, write
from agi.lookup.link import NO_DIPPER
from agi.lookup.nearby import Nearby
from agi.lookup.pipeline import Pipeline
from agi.lookup.providers.file import FileProvider
from agi.lookup.screening import Screens
from agi.lookup.store import Store
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.model import ErrorRule, Finding, Inquiry, Msisdn
from agi.router import Router
from agi.router_process import VERDICTS_S, prices_of
from agi.routing.reading import files
from agi.routing.table import Table
from agi.settings import Cache, Config
from agi.tally import Tally
from agi.wall import Wall
from tests.scenarios.doubles import DictLedger, DictStore, Disk, Even, Lines
from tests.scenarios.transport import Provider, Scripted


@dataclass
class Site:
    """What a scenario configures: the TOML file's values, and the tables."""

    config: Config
    tables: Path
    directory: Path
    epoch: float
    store: bool = True

    def loaded(self) -> Loaded:
        """Return the configuration as a process reads it."""
        secrets = {one.name: SecretStr("secret") for one in self.config.providers}
        return Loaded(
            config=self.config,
            path=self.directory / "dialdip.toml",
            passwords=secrets,
            warnings=(),
        )


class _Watched(Tally):
    """The dipper's observer, watched by the scenario."""

    def __init__(
        self,
        watch: events.Observer,
        metrics: Metrics,
        log: Lines,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(metrics, log, clock)
        self._watch = watch

    def __call__(self, event: events.LookupEvent) -> None:
        """Tell the scenario, then count."""
        self._watch(event)
        super().__call__(event)


class StagedDipper(Dipper):
    """The real dipper, its disk, its dice and its sockets scripted."""

    def __init__(self, stage: Stage, table: Callable[[], Table]) -> None:
        self._stage = stage
        loop = asyncio.get_running_loop()

        def rule(kind: str, code: str) -> ErrorRule | None:
            return table().error_rule(kind, code)

        super().__init__(
            stage.site.loaded(),
            state=stage.site.directory,
            clock=loop.time,
            error_rule=rule,
            metrics=Metrics(),
            log=stage.log,
        )

    async def open(self) -> None:
        """Open; the files of dumps are looked at when the scenario says so, not every 10 s."""
        await super().open()
        if self._watch is not None:
            self._watch.cancel()

    def _build_store(self, settings: Cache) -> Store | None:
        # The first thing that is built from the wall clock.
        del settings
        stage = self._stage
        self._wall = Wall(self._clock, stage.epoch)
        self._observe = _Watched(stage.happened, self.metrics, stage.log, self._clock)
        return DictStore(stage.disk, self._wall.now) if stage.site.store else None

    def _assemble(self, loaded: Loaded, then: Books | None = None) -> tuple[Books, Pipeline]:
        stage = self._stage
        if not isinstance(self._dice, Even):
            self._dice = Even()
            self._failures = Failures(20_000, self._dice.random)
            self._ledger = DictLedger(stage.disk)
        for one in loaded.config.providers:
            if one.kind == "file" and one.name not in self._files:
                path = loaded.relative(one.path or "")
                self._files[one.name] = FileProvider(one.name, path, Dump.load(path))
        books, pipeline = super()._assemble(loaded, then)
        for book in books.books:
            provider = stage.provider(book.settings.name, book.settings.kind)
            scripted = Scripted(provider, self._postbacks.deliver)
            book.client._kept = book.client._fresh = httpx.AsyncClient(
                transport=scripted, follow_redirects=False, trust_env=False, timeout=None
            )
        return books, pipeline


class Hop:
    """The way from a router to the dipper, through the real frames; it can be cut."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._waiting: set[asyncio.Future[Finding]] = set()

    async def find(self, inquiry: Inquiry) -> Finding:
        """Ask the dipper; ``no-dipper`` at once when there is none."""
        dipper = self._stage.dipper
        if dipper is None:
            return NO_DIPPER
        task = asyncio.ensure_future(self._over(dipper, inquiry))
        self._waiting.add(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._stage.dipper is dipper:
                raise
            return NO_DIPPER
        finally:
            self._waiting.discard(task)

    def cut(self) -> None:
        """Answer what waits: the dipper is gone."""
        for task in tuple(self._waiting):
            task.cancel()

    async def _over(self, dipper: Dipper, inquiry: Inquiry) -> Finding:
        ask = _through(asked(1, inquiry))
        assert isinstance(ask, Ask)
        told = _through(found(1, await dipper.find(ask.inquiry())))
        assert isinstance(told, Found)
        return told.finding()


def _through(frame: Ask | Found) -> object:
    buffer = bytearray()
    write(buffer, frame)
    (arrived,) = FrameReader().feed(bytes(buffer))
    return arrived


class Stage:
    """Everything of one scenario, and what happened on it."""

    def __init__(self, site: Site, routers: int) -> None:
        self.site = site
        self.disk = Disk()
        self.log = Lines()
        self.events: Counter[tuple[str, str]] = Counter()
        self.spent: Counter[str] = Counter()
        self.providers: dict[str, Provider] = {}
        self.dipper: StagedDipper | None = None
        self.routers: list[Router] = []
        self._hops: list[Hop] = []
        self._count = routers
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.trouble: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: self.trouble.append(context))
        self.table = files.load(site.tables, 1).table

    # ---- processes -----------------------------------------------------------------------

    async def start(self) -> None:
        """Start the dipper and the routers."""
        await self.start_dipper()
        self.start_routers()

    async def start_dipper(self) -> None:
        """Start the dipper."""
        dipper = StagedDipper(self, lambda: self.table)
        dipper.on_purge = self._purge
        dipper.on_change = self._drop
        await dipper.open()
        self.dipper = dipper

    async def stop_dipper(self, *, crash: bool = False) -> None:
        """Stop the dipper; after a crash the disk has what it had."""
        dipper, self.dipper = self.dipper, None
        for hop in self._hops:
            hop.cut()
        if dipper is None:
            return
        money = {name: dict(days) for name, days in self.disk.money.items()}
        await dipper.close()
        if crash:
            self.disk.money = money

    def start_routers(self) -> None:
        """Start the routers, with nothing in their memory."""
        self._hops = [Hop(self) for _ in range(self._count)]
        self.routers = [self._router(hop) for hop in self._hops]

    def _router(self, hop: Hop) -> Router:
        config = self.site.config
        freshness = freshness_of(config.cache)
        entries = config.cache.memory_entries
        ladder = Ladder(self._loop.time, Even().random, wall=self.epoch)
        nearby = Nearby(
            memory=MemoryTier(entries, keep_s=freshness.keep_s),
            screens=Screens(entries, lambda _: VERDICTS_S),
            finder=Rungs(hop, ladder),
            clock=self._loop.time,
            error_rule=self.table.error_rule,
            freshness=freshness,
        )
        return Router(
            plan=NumberingPlan(config.numbers.country, config.numbers.emergency),
            table=self.table,
            nearby=nearby,
            prices=prices_of(config),
            deadline_s=config.fastagi.deadline_ms / 1000,
            draw=Even().random,
            clock=self._loop.time,
            wall=self.epoch,
            id_prefix="scn",
            metrics=Metrics(),
            log=self.log,
            journal=NoJournal(),
            ladder=ladder,
        )

    # ---- what happens --------------------------------------------------------------------

    def epoch(self) -> float:
        """Return the wall clock's time."""
        passed = self._loop.time() - self._began
        return self.site.epoch + passed + self.disk.wall_shift_s

    def provider(self, name: str, kind: str = "") -> Provider:
        """Return a provider's script; it outlives every process of ours."""
        if name not in self.providers:
            self.providers[name] = Provider(name, kind)
        return self.providers[name]

    def happened(self, event: events.LookupEvent) -> None:
        """Count an event under its name, and under what it says."""
        who = str(getattr(event, "provider", getattr(event, "tier", getattr(event, "store", ""))))
        name = type(event).__name__.lower()
        self.events[name, who] += 1
        match event:
            case events.Breaker(_, state, why, page):
                self.events[f"breaker-{state}", who] += 1
                self.events[f"breaker-{state}-{why}", who] += bool(why)
                self.events["paged", who] += page
            case events.Avoided(_, why):
                self.events[f"avoided-{why}", who] += 1
            case events.LookupDone(_, outcome):
                self.events[f"request-{outcome}", who] += 1
            case events.Spent(_, amount, currency):
                self.spent[who] += amount  # type: ignore[assignment] # exact decimals
                del currency
            case events.Paused(_, seconds, scope):
                self.events[f"paused-{seconds:g}", who] += 1
                self.events[f"paused-{scope}", who] += bool(scope)
            case events.PostbackRefused(_, why):
                self.events[f"postback-{why}", who] += 1
            case events.TierAsked(tier, result):
                self.events[f"{tier}-{result}", who] += 1

    def saved(self, currency: str) -> Decimal:
        """Return the money of lookups that were not needed."""
        return sum((router.metrics.saved[currency] for router in self.routers), Decimal(0))

    def _drop(self, number: Msisdn) -> None:
        """Do what the frame ``Drop`` has every router do."""
        for router in self.routers:
            router.nearby.drop(number)

    def _purge(self, provider: str, seconds_ago: float) -> None:
        for router in self.routers:
            router.nearby.purge(provider, seconds_ago)

    def left(self, name: str) -> Decimal | None:
        """Return what an account may still spend today."""
        if self.dipper is None:
            return None
        return next(b.purse.left for b in self.dipper.books.books if b.settings.name == name)

    def breaker(self, name: str) -> str:
        """Return the state of an account's breaker."""
        if self.dipper is None:
            return "gone"
        book = next(b for b in self.dipper.books.books if b.settings.name == name)
        return str(book.governors.breaker.state)

    async def close(self) -> None:
        """Stop everything."""
        await self.stop_dipper()

    def state(self) -> str:
        """Return what people would see of the providers, as JSON."""
        return json.dumps(self.dipper.providers() if self.dipper else [], default=str)
