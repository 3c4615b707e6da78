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
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx
from pydantic import SecretStr

from agi.books import Books
from agi.config import Loaded
from agi.dipper import Dipper, Wall, freshness_of
from agi.e164 import NumberingPlan
from agi.lookup import events
from agi.lookup.dump import Dump
from agi.lookup.failures import Failures
from agi.lookup.frames import Ask, Found, FrameReader, asked, found, write
from agi.lookup.ledger import Charge, Ledger
from agi.lookup.link import NO_DIPPER
from agi.lookup.nearby import Nearby
from agi.lookup.pipeline import Pipeline
from agi.lookup.providers.file import FileProvider
from agi.lookup.record import read, written
from agi.lookup.screening import Screens
from agi.lookup.store import Store, Stored
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.model import ErrorRule, Finding, Inquiry, Msisdn, Product
from agi.router import Router
from agi.router_process import VERDICTS_S, prices_of
from agi.routing import files
from agi.routing.table import Table
from agi.settings import Cache, Config
from tests.scenarios.transport import Provider, Scripted


class Even(Random):
    """Dice that always fall in the middle: a spread of 20 % is then none."""

    def random(self) -> float:
        """Return a half."""
        return 0.5


class Lines:
    """Takes the log, for checks."""

    def __init__(self) -> None:
        self.said: Counter[str] = Counter()

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Count one line."""
        del level, values
        self.said[event] += 1

    def later(self, level: str, event: str, values: object) -> None:
        """Count one line."""
        del level, values
        self.said[event] += 1


@dataclass
class Disk:
    """What outlives every process of the host."""

    answers: dict[tuple[Msisdn, Product], tuple[bytes, float, float]] = field(default_factory=dict)
    money: dict[str, dict[str, Charge]] = field(default_factory=dict)
    store_ms: float = 0.0
    store_works: bool = True
    wall_shift_s: float = 0.0


class DictStore:
    """The seam ``Store`` on a dictionary; records pass through their real bytes."""

    kind = "sqlite"

    def __init__(self, disk: Disk, wall: Callable[[], float]) -> None:
        self._disk = disk
        self._wall = wall

    async def open(self) -> None:
        """Nothing to open."""

    async def get(self, number: Msisdn, product: Product = Product.NETWORK) -> Stored | None:
        """Return the entry, after as long as the disk takes."""
        if self._disk.store_ms:
            await asyncio.sleep(self._disk.store_ms / 1000)
        record = self._disk.answers.get((number, product)) if self._disk.store_works else None
        if record is None:
            return None
        said = read(record[0])
        return None if said is None else Stored(said, record[1])

    def put(
        self, number: Msisdn, stored: Stored, keep_s: float, product: Product = Product.NETWORK
    ) -> None:
        """Keep the bytes, to the millisecond as the real stores do."""
        if self._disk.store_works:
            obtained = round(stored.obtained, 3)
            record = written(stored.said), obtained, obtained + keep_s
            self._disk.answers[number, product] = record

    async def drop(self, number: Msisdn) -> bool:
        """Forget a number."""
        keys = [key for key in self._disk.answers if key[0] == number]
        for key in keys:
            del self._disk.answers[key]
        return bool(keys)

    async def purge(self, provider: str, since: float) -> None:
        """Forget what an account wrote since an epoch."""
        for key, (record, obtained, _) in list(self._disk.answers.items()):
            said = read(record)
            if said is not None and said.provider == provider and obtained >= since:
                del self._disk.answers[key]

    async def stats(self) -> dict[str, object]:
        """Return little."""
        return {"entries": len(self._disk.answers)}

    async def close(self) -> None:
        """Nothing to close."""


class DictLedger(Ledger):
    """The ledger without its thread; a write is on disk when it is asked for."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(Path("budget.json"))
        self._disk = disk

    async def open(self) -> None:
        """Take what the disk has."""
        self._accounts = {name: dict(days) for name, days in self._disk.money.items()}

    def write(self, account: str, day: str, charge: Charge) -> asyncio.Future[None]:
        """Put one day on disk."""
        self._disk.money.setdefault(account, {})[day] = charge
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def close(self) -> None:
        """Nothing to close."""


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
        return DictStore(stage.disk, self._wall.now) if stage.site.store else None

    def _assemble(self, loaded: Loaded) -> tuple[Books, Pipeline]:
        stage = self._stage
        if not isinstance(self._dice, Even):
            self._dice = Even()
            self._failures = Failures(20_000, self._dice.random)
            self._ledger = DictLedger(stage.disk)
            tally = self._observe
            self._observe = lambda event: (stage.happened(event), tally(event))[1]  # type: ignore[assignment,method-assign,func-returns-value] # an observer
        for one in loaded.config.providers:
            if one.kind == "file" and one.name not in self._files:
                path = loaded.relative(one.path or "")
                self._files[one.name] = FileProvider(one.name, path, Dump.load(path))
        books, pipeline = super()._assemble(loaded)
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
        nearby = Nearby(
            memory=MemoryTier(entries, keep_s=freshness.keep_s),
            screens=Screens(entries, lambda _: VERDICTS_S),
            finder=hop,
            clock=self._loop.time,
            error_rule=lambda kind, code: self.table.error_rule(kind, code),
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
            id_prefix="scn",
            metrics=Metrics(),
            log=self.log,
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
