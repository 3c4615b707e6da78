"""The process that answers calls: tables, port, memory, the link to the dipper, its control."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from ipaddress import ip_network
from random import Random
from typing import Final

from agi import config, pins, tables
from agi.begun import Begun, address_of, first_of, link_path
from agi.brownout.rungs import Climb, Rungs
from agi.desk import Desk
from agi.dipper import freshness_of
from agi.errors import ConfigurationError, Fault, TableError, UsageError
from agi.fastagi.server import Limits, Server, listen
from agi.feed import Feed
from agi.feed import path_of as feed_path
from agi.gossip import Counts, Gossip
from agi.ipc import Control, path_of
from agi.journal.writer import open_journal
from agi.lifetime import Lifetime
from agi.log import Writer
from agi.lookup.link import DipperLink
from agi.lookup.nearby import Nearby
from agi.lookup.screening import Screens
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.model import ErrorRule, Line, Msisdn
from agi.outlook import Outlook, news_of
from agi.process import connection_cap
from agi.router import Prices, Router
from agi.settings import Config

LINK_S: Final = 0.5
"""How long a starting router waits for the dipper before it answers calls without it."""

HOP_S: Final = 0.005
"""Kept back of a deadline here; less than the dipper keeps, so that its last word is heard."""

CONNECTED: Final = "connected"
"""The state of the link in which the dipper is asked; see ``DipperLink``."""

VERDICTS_S: Final = 300.0
"""A router remembers verdicts no longer: their true age is the dipper's to know."""


class RouterProcess:
    """One router at work."""

    def __init__(self, begun: Begun, log: Writer) -> None:
        self._begun = begun
        self._loaded = begun.loaded
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._reloading = asyncio.Lock()
        self._linked = asyncio.Event()
        self._started = self._loop.time()
        self.metrics = Metrics()
        self._life = Lifetime("router", begun.index, self.metrics, log)

    async def start(self) -> str:
        """Load everything and open the port; return its address.

        Raises:
            TableError: the tables have faults, and there are none from before.
            UsageError: the port or the state directory cannot be used.
        """
        settings = self._loaded.config
        self._take(first_of(self._begun, self._log))
        self.link: DipperLink | None = None
        self._climb = Climb(self._loop, self.metrics, self._log)
        self._nearby = self._build_nearby(settings)
        self._journal = open_journal(
            settings.journal,
            self._begun.state,
            plan=self._begun.plan,
            wall=time.time,
            log=self._log,
        )
        self.router = self._build_router(settings)
        self._feed = Feed(feed_path(self._begun.state), wall=time.time, on_state=self._on_feed)
        self.router.feed = self._feed.note
        self._gossip = Gossip(self.router.brakes.meters, self._loop, self._tell)
        self.server = self._build_server(settings)
        path = path_of(self._begun.state, "router", self._begun.index)
        self._control = Control(path, self._desk().handlers)
        self._recall_pins()
        sockets = self._sockets(settings)
        self.address = address_of(sockets[0])
        await self._control.start()
        await self._connect()
        for sock in sockets:
            await self.server.start(sock)
        self._feed.start()
        self._gossip.start()
        self._life.begin()
        self._climb.start()
        self._log("info", "ready", fastagi=self.address, table=self.router.table.version)
        return self.address

    def _desk(self) -> Desk:
        return Desk(
            self.router,
            clock=self._loop.time,
            report=self.report,
            reload=self.reload,
            switch=self.switch,
        )

    def _build_router(self, settings: Config) -> Router:
        return Router(
            plan=self._begun.plan,
            table=self._in_force.table,
            nearby=self._nearby,
            prices=prices_of(settings),
            deadline_s=settings.fastagi.deadline_ms / 1000,
            draw=Random(os.urandom(16)).random,  # noqa: S311 - odds, not secrets
            clock=self._loop.time,
            wall=time.time,
            id_prefix=os.urandom(4).hex(),
            metrics=self.metrics,
            log=self._log,
            journal=self._journal,
            ladder=self._climb.ladder,
            outlook=Outlook(
                clock=self._loop.time, wall=time.time, trial_share=settings.health.trial_share
            ),
        )

    def _build_server(self, settings: Config) -> Server:
        return Server(
            self.router,
            limits=Limits(
                deadline_s=settings.fastagi.deadline_ms / 1000,
                environment_s=min(0.3, settings.fastagi.deadline_ms / 2000),
                connections=connection_cap(),
            ),
            allow=[ip_network(text) for text in settings.fastagi.allow],
            loop=self._loop,
        )

    async def stop(self) -> None:
        """Take no new calls, let the running ones end, close everything."""
        left = await self.server.drain(self._loaded.config.fastagi.deadline_ms / 1000 + 0.2)
        self._log("info", "stopped", calls_cut=left)
        self._gossip.stop()
        await self._feed.stop()
        self._climb.stop()
        await asyncio.to_thread(self._journal.close)
        self._life.end(self._begun.state, self.report())
        await self._control.stop()
        if self.link is not None:
            await self.link.close()

    # ---- parts ---------------------------------------------------------------------------

    def _build_nearby(self, settings: Config) -> Nearby:
        freshness = freshness_of(settings.cache)
        entries = settings.cache.memory_entries

        def lives_s(product: object) -> float:
            del product
            return VERDICTS_S

        return Nearby(
            memory=MemoryTier(entries, keep_s=freshness.keep_s),
            screens=Screens(entries, lives_s),
            finder=Rungs(self._begun.finder or self._build_link(), self._climb.ladder),
            clock=self._loop.time,
            error_rule=self._error_rule,
            freshness=freshness,
        )

    def _build_link(self) -> DipperLink:
        self.link = DipperLink(
            link_path(self._begun.state),
            clock=self._loop.time,
            on_purge=self._purge,
            on_drop=self._drop,
            on_gossip=self._hear,
            on_state=self._on_link,
            reserve_s=HOP_S,
        )
        return self.link

    def _purge(self, provider: str, seconds_ago: float) -> None:
        self._nearby.purge(provider, seconds_ago)

    def _drop(self, number: Msisdn) -> None:
        self._nearby.drop(number)

    def _hear(self, counts: Counts) -> None:
        self._gossip.hear(counts)

    def _tell(self, counts: Counts) -> None:
        if self.link is not None:
            self.link.tell(counts)

    async def _connect(self) -> None:
        if self.link is None:
            return
        self.link.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINK_S):
                await self._linked.wait()

    def _on_link(self, state: str) -> None:
        connected = state == CONNECTED
        if connected:
            self._linked.set()
        self._log("info" if connected else "warning", "dipper", state=state)

    def _recall_pins(self) -> None:
        """Go by what people pinned before this process began; noc says it anew when it is there."""
        try:
            held = pins.read(self._begun.state, time.time())
        except UsageError as unread:
            self._log("error", "pins_not_read", why=str(unread))
        else:
            self.router.heed(news_of(held.told()))

    def _on_feed(self, state: str) -> None:
        self._log("info", "noc", state=state)

    def _error_rule(self, kind: str, code: str) -> ErrorRule | None:
        return self.router.table.error_rule(kind, code)  # of the table that runs by then

    def _sockets(self, settings: Config) -> Sequence[socket.socket]:
        if self._begun.sockets:
            return self._begun.sockets
        where = settings.fastagi.listen
        host, _, port = where.rpartition(":")
        try:
            return [listen(host.strip("[]"), int(port))]
        except OSError as bad:
            raise UsageError(f"[fastagi] listen = {where}: {bad.strerror}") from None

    # ---- reload --------------------------------------------------------------------------

    async def reload(self, uid: int | None = None) -> dict[str, object]:
        """Read the configuration anew, and put the tables' working copy in force if it differs.

        ``uid`` is who asks, None for a signal. Returns the version that runs and what has to wait.

        Raises:
            ConfigurationError: the file has faults; everything stays as it was.
            TableError: the tables have faults; everything stays as it was.
            UsageError: the store cannot be used; everything stays as it was.
        """
        async with self._reloading:
            try:
                waits = await self._reread(os.getuid() if uid is None else uid)
            except (ConfigurationError, TableError) as refused:
                self._refused(refused.faults)
                raise
            except UsageError as failed:
                self._refused((Fault(str(self._loaded.tables), 0, 0, str(failed)),))
                raise
            self.metrics.reloads["ok"] += 1
            self.metrics.reload_refused = False
            version = self.router.table.version
            self._log("info", "reloaded", table=version)
            return {"table": version, "restart_needed": waits}

    async def switch(self) -> dict[str, object]:
        """Serve the store's active version from now on.

        Raises:
            UsageError: it cannot be loaded; what ran runs on.
        """
        async with self._reloading:
            await self._load()
            return {"table": self.router.table.version}

    async def _reread(self, uid: int) -> list[str]:
        fresh = config.load(self._loaded.path, os.environ, secrets=None)
        self._warn(await asyncio.to_thread(tables.take_copy, fresh, self._begun.state, uid))
        waits = self._what_waits(fresh)
        await self._load()
        self.router.prices = prices_of(fresh.config)
        self._loaded = fresh
        return waits

    async def _load(self) -> None:
        running = self.router.table.version
        fresh = await asyncio.to_thread(tables.newer, self._begun.state, running)
        if fresh is None:
            return
        before = self.router.table.pieces()
        self._take(fresh)
        self.router.table = fresh.table
        self._log("info", "tables_switched", before=running, table=fresh.table.version)
        await asyncio.to_thread(tables.let_go, before)

    def _take(self, fresh: tables.InForce) -> None:
        self._in_force = fresh
        for alarm in fresh.alarms:
            self._log("error", "tables_damaged", alarm=alarm)

    def _refused(self, faults: Sequence[Fault]) -> None:
        self.metrics.reloads["refused"] += 1
        self.metrics.reload_refused = True
        for fault in faults[:20]:
            self._log("error", "reload_fault", fault=str(fault))
        count, running = len(faults), self.router.table.version
        self._log("error", "reload_refused", faults=count, running=running)

    def _what_waits(self, fresh: config.Loaded) -> list[str]:
        """Say which changed sections a reload does not reach: they bind sockets and caches."""
        old, new = self._begun.loaded.config, fresh.config
        sections = ("state_directory", "fastagi", "numbers", "cache", "hooks", "journal", "log")
        waits = [name for name in sections if getattr(old, name) != getattr(new, name)]
        for section in waits:
            self._log("warning", "restart_needed", section=section)
        return waits

    def _warn(self, faults: tuple[Fault, ...]) -> None:
        if self._begun.index == 0:  # its siblings would say the same
            for fault in faults:
                self._log("warning", "configuration", fault=str(fault))

    # ---- status --------------------------------------------------------------------------

    def report(self) -> Mapping[str, object]:
        """Return what this process counted, and how it is; see ``agi.report``."""
        now = self._loop.time()
        said = {
            "role": "router",
            "index": self._begun.index,
            "pid": os.getpid(),
            "uptime_s": now - self._started,
            "fastagi": self.address,
            "country": self._begun.loaded.config.numbers.country,
            "table": self.router.table.version,
            "connections": [self.server.connections, self.server.limits.connections],
            "remembered": len(self._nearby.memory),
            "alarms": self._in_force.alarms,
            "limits": self.router.brakes.tripped(),
            "ladder": self.router.ladder.state(),
            "outlook": self.router.outlook.state(),
            "feed": self._feed.state(),
            "journal": self._journal.state(),
            "dipper": self.link.state if self.link is not None else CONNECTED,
            "log_dropped": self._log.dropped,
            "trouble_s": {name: now - at for name, at in self.metrics.last.items()},
            "counts": self.metrics.snapshot(),
        }
        return self._life.sign(said)


def prices_of(settings: Config) -> Prices:
    """Return what a lookup of a country's numbers costs by the first account that serves them."""
    paid = [one for one in settings.providers if one.enabled and one.kind != "file"]

    def price(country: str, line: Line | None) -> tuple[Decimal, str] | None:
        del line
        for one in paid:
            if not one.countries or country in one.countries:
                return one.price, one.currency
        return None

    return price
