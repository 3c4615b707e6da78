"""The process for people: hears Asterisk, tells routers how trunks stand, answers over HTTP.

No call waits for it. When it is gone, calls go on by what routers heard lastly, and its parent
starts another one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agi import config, feed, tables
from agi.begun import Begun, first_of
from agi.errors import ConfigurationError, Fault, TableError, UsageError
from agi.ipc import Control, path_of
from agi.lifetime import Lifetime
from agi.log import Writer
from agi.metrics import Metrics
from agi.noc.desk import NocDesk
from agi.noc.feed_door import FeedDoor
from agi.noc.listening import Listening
from agi.noc.mind import Known, Noc
from agi.noc.onlooker import Onlooker
from agi.noc.pinboard import Pinboard
from agi.noc.pushing import Pusher
from agi.overview import heard, pinned
from agi.wall import Wall
from agi.web.pages import Pages

TICK_S: Final = 1.0

PORT_S: Final = 5.0
"""A port that cannot be had is tried again after so long."""


class NocProcess:
    """One noc at work."""

    def __init__(self, begun: Begun, log: Writer) -> None:
        state, settings = begun.state, begun.loaded.config
        self._begun = begun
        self._loaded = begun.loaded
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._reloading = asyncio.Lock()
        self._started = self._loop.time()
        self._ticking: asyncio.TimerHandle | None = None
        self._trying: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._alarms: tuple[str, ...] = ()
        self._no_port = ""
        self.web = "off"
        self.metrics = Metrics()
        steady = Wall(time.monotonic).now
        self.noc = Noc(settings, wall=time.time, steady=steady, log=log)
        self._life = Lifetime("noc", 0, self.metrics, log)
        self._pusher = Pusher(state, self.noc.word, refused=self._not_told)
        self._listening = Listening(self.noc, log, steady=steady)
        self.noc.on_change = self._pusher.hurry
        self.noc.heard_of = self._listening.hears_all
        self._pinboard = Pinboard(state, self.noc, wall=time.time, log=log)
        self._door = FeedDoor(feed.path_of(state), self.noc.decided)

    async def start(self) -> str:
        """Begin to hear and to answer; return where people and Prometheus are answered.

        Raises:
            TableError: the tables have faults, and there are none from before.
            UsageError: the state directory cannot be used.
        """
        state = self._begun.state
        self._onlooker = Onlooker(
            state,
            self.noc,
            self._listening,
            report=self.report,
            fastagi=self._loaded.config.fastagi.listen,
            log=self._log,
        )
        self._control = Control(path_of(state, "noc"), self._desk().handlers)
        await self._control.start()
        self._take(await asyncio.to_thread(first_of, self._begun, self._log))
        self._pinboard.load()
        await self._door.start()
        await self._listening.use(self._loaded.config.asterisk, self._loaded.manager_passwords)
        self._pages = Pages(self._onlooker.counters, self._onlooker.ready)
        await self._open()
        self._pusher.start()
        self._life.begin()
        self._onlooker.start()
        self._tick()
        self._log("info", "noc_ready", web=self.web, asterisks=len(self._loaded.config.asterisk))
        return self.web

    def _desk(self) -> NocDesk:
        return NocDesk(
            self.noc,
            self._pinboard,
            wall=time.time,
            scene=self._onlooker.scene,
            report=self.report,
            reload=self.reload,
            switch=self.switch,
        )

    async def stop(self) -> None:
        """Take the last counts of those that ended before, and end."""
        for timer in (self._ticking, self._trying):
            if timer is not None:
                timer.cancel()
        if self._opening is not None:
            self._opening.cancel()
        await self._pages.stop()
        await self._pusher.stop()
        await self._listening.stop()
        await self._onlooker.stop()
        await self._door.stop()
        self._life.end(self._begun.state, self.report())
        await self._control.stop()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        self.noc.tick()

    # ---- the port --------------------------------------------------------------------------

    async def _open(self) -> None:
        """Open the port for people; one that is taken costs metrics, not the start of a service."""
        where = self._loaded.config.web.listen
        host, _, port = where.rpartition(":")
        try:
            host, bound = await self._pages.start(host.strip("[]"), int(port))
        except OSError as bad:
            why = f"[web] listen = {where}: {os.strerror(bad.errno or 0)}"
            if why != self._no_port:
                self._no_port = why
                self._log("error", "no_port_for_people", why=why, again_s=PORT_S)
            self._trying = self._loop.call_later(PORT_S, self._open_again)
            return
        self.web = f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"
        if self._no_port:
            self._no_port = ""
            self._log("info", "port_for_people", web=self.web)

    def _open_again(self) -> None:
        self._opening = self._loop.create_task(self._open())

    # ---- status ----------------------------------------------------------------------------

    def report(self) -> Mapping[str, Any]:
        """Return what this process counted, and how it is; see ``agi.report``."""
        asterisks, standing = self._listening.seen(), self.noc.standings()
        said = {
            "role": "noc",
            "index": 0,
            "pid": os.getpid(),
            "uptime_s": self._loop.time() - self._started,
            "web": self.web,
            "table": self.noc.known.version,
            "alarms": self._alarms,
            "routers": self._door.connections,
            "told": self._door.told,
            "asterisks": asterisks,
            "troubles": [
                *([f"no metrics: {self._no_port}"] if self._no_port else []),
                *([self._pinboard.trouble] if self._pinboard.trouble else []),
                *heard(asterisks, standing),
            ],
            "hints": list(pinned(standing)),
            "log_dropped": self._log.dropped,
            "trouble_s": {},
            "counts": self.metrics.snapshot(),
        }
        return self._life.sign(said)

    def _not_told(self, why: str) -> None:
        self._log("error", "router_not_told", why=why)

    # ---- reload ----------------------------------------------------------------------------

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
            self._log("info", "noc_reloaded", table=self.noc.known.version)
            return {"table": self.noc.known.version, "restart_needed": waits}

    async def switch(self) -> dict[str, object]:
        """Know the store's active version from now on.

        Raises:
            UsageError: it cannot be loaded; what was known stays.
        """
        async with self._reloading:
            await self._load()
            return {"table": self.noc.known.version}

    async def _reread(self, uid: int) -> list[str]:
        fresh = config.load(self._loaded.path, os.environ, holder="noc")
        await asyncio.to_thread(tables.take_copy, fresh, self._begun.state, uid)
        await self._load()
        await self._listening.use(fresh.config.asterisk, fresh.manager_passwords)
        self._loaded = fresh
        begun = self._begun.loaded.config
        return [
            name
            for name in ("web", "kpi", "health")
            if getattr(begun, name) != getattr(fresh.config, name)
        ]

    async def _load(self) -> None:
        running = self.noc.known.version
        fresh = await asyncio.to_thread(tables.newer, self._begun.state, running)
        if fresh is not None:
            self._take(fresh)
            await asyncio.to_thread(tables.let_go, fresh.table.pieces())

    def _take(self, fresh: tables.InForce) -> None:
        """Know the names and limits of the trunks; the rest of a table is the routers' business."""
        self._alarms = fresh.alarms
        self.noc.use(Known(fresh.table.version, dict(fresh.table.trunks)))

    def _refused(self, faults: Sequence[Fault]) -> None:
        self.metrics.reloads["refused"] += 1
        self.metrics.reload_refused = True
        for fault in faults[:20]:
            self._log("error", "noc_reload_fault", fault=str(fault))
        self._log("error", "noc_reload_refused", faults=len(faults))
