"""The process that asks providers: the dipper behind its door for routers, and its control."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from agi import config, tables
from agi.accounts import crowded_out, unasked_screens
from agi.begun import Begun, first_of, link_path
from agi.dipper import Dipper
from agi.errors import ConfigurationError, Fault, TableError, UsageError
from agi.ipc import Control, path_of
from agi.journal.archive import Archive, directory_of
from agi.lifetime import Lifetime
from agi.log import Writer
from agi.lookup.door import DipperDoor
from agi.lookup.frames import Drop, Purge
from agi.lookup_desk import LookupDesk
from agi.metrics import Metrics
from agi.model import ErrorRule, Msisdn


class DipperProcess:
    """One dipper at work."""

    def __init__(self, begun: Begun, log: Writer) -> None:
        self._begun = begun
        self._loaded = begun.loaded
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._reloading = asyncio.Lock()
        self._started = self._loop.time()
        self.metrics = Metrics()
        self._life = Lifetime("dipper", 0, self.metrics, log)

    async def start(self) -> str:
        """Open the store and the doors; return nothing that anybody needs.

        Raises:
            TableError: the tables have faults, and there are none from before.
            ConfigurationError: accounts or dumps have faults.
            UsageError: an address or the state directory cannot be used.
        """
        self._take(first_of(self._begun, self._log))
        self.dipper = Dipper(
            self._loaded,
            state=self._begun.state,
            clock=self._loop.time,
            error_rule=self._error_rule,
            metrics=self.metrics,
            log=self._log,
        )
        self._door = DipperDoor(link_path(self._begun.state), self.dipper, clock=self._loop.time)
        desk = LookupDesk(
            self.dipper,
            plan=self._begun.plan,
            clock=self._loop.time,
            report=self.report,
            standing=self._standing,
            reload=self.reload,
            switch=self.switch,
            forgotten=self._forgotten,
            journal=Archive(directory_of(self._begun.state)),
        )
        self._control = Control(path_of(self._begun.state, "dipper"), desk.handlers)
        await self._control.start()
        await self.dipper.open()
        self.dipper.on_purge = self._purged
        self.dipper.on_change = self._forgotten
        await self._door.start()
        self.dipper.probe(self._begun.plan.understand)
        self._life.begin()
        self._warn(self._loaded.warnings)
        self._log("info", "dipper_ready", providers=len(self.dipper.books.books))
        return ""

    async def stop(self) -> None:
        """Let what was asked be answered for a moment, write what waits, end."""
        await self._door.close()
        await self.dipper.close()
        self._life.end(self._begun.state, self.report())
        await self._control.stop()

    async def reload(self, uid: int | None = None) -> dict[str, object]:
        """Read the configuration anew, and put the tables' working copy in force if it differs.

        ``uid`` is who asks, None for a signal.

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
            version = self._in_force.table.version
            self._log("info", "dipper_reloaded", table=version)
            return {"table": version, "restart_needed": waits}

    async def switch(self) -> dict[str, object]:
        """Serve the store's active version from now on.

        Raises:
            UsageError: it cannot be loaded; what ran runs on.
        """
        async with self._reloading:
            await self._load()
            return {"table": self._in_force.table.version}

    def report(self) -> Mapping[str, object]:
        """Return what this process counted, and how it is; see ``agi.report``."""
        said = {
            "role": "dipper",
            "index": 0,
            "pid": os.getpid(),
            "uptime_s": self._loop.time() - self._started,
            "table": self._in_force.table.version,
            "alarms": self._in_force.alarms,
            "routers": self._door.connections,
            "remembered": len(self.dipper.memory),
            "store": self._loaded.config.cache.store.partition(":")[0],
            "log_dropped": self._log.dropped,
            "trouble_s": {name: self._loop.time() - at for name, at in self.metrics.last.items()},
            "providers": self.dipper.providers(),
            "unasked": self._unasked(),
            "counts": self.metrics.snapshot(),
        }
        return self._life.sign(said)

    async def _standing(self) -> Mapping[str, object]:
        return await asyncio.to_thread(tables.standing, self._loaded, self._begun.state)

    async def _reread(self, uid: int) -> list[str]:
        fresh = config.load(self._loaded.path, os.environ)
        await self.dipper.reload(fresh)
        try:
            warnings = await asyncio.to_thread(tables.take_copy, fresh, self._begun.state, uid)
        except (TableError, UsageError):
            await self.dipper.reload(self._loaded)  # whole or not at all
            raise
        self._loaded = fresh
        await self._load()
        self._warn((*fresh.warnings, *warnings))
        return self._what_waits(fresh)

    async def _load(self) -> None:
        running = self._in_force.table.version
        fresh = await asyncio.to_thread(tables.newer, self._begun.state, running)
        if fresh is not None:
            before = self._in_force.table.pieces()
            self._take(fresh)
            await asyncio.to_thread(tables.let_go, before)

    def _take(self, fresh: tables.InForce) -> None:
        self._in_force = fresh
        for alarm in fresh.alarms:
            self._log("error", "tables_damaged", alarm=alarm)

    def _refused(self, faults: Sequence[Fault]) -> None:
        self.metrics.reloads["refused"] += 1
        self.metrics.reload_refused = True
        for fault in faults[:20]:
            self._log("error", "dipper_reload_fault", fault=str(fault))
        self._log("error", "dipper_reload_refused", faults=len(faults))

    def _what_waits(self, fresh: config.Loaded) -> list[str]:
        """Say which changed sections a reload does not reach: store and door stay open."""
        begun = self._begun.loaded
        waits = [
            name
            for name in ("cache", "hooks")
            if getattr(begun.config, name) != getattr(fresh.config, name)
        ]
        if begun.cache_key != fresh.cache_key and "cache" not in waits:
            waits.append("cache")
        return waits

    def _error_rule(self, kind: str, code: str) -> ErrorRule | None:
        return self._in_force.table.error_rule(kind, code)

    def _purged(self, provider: str, seconds_ago: float) -> None:
        self._door.broadcast(Purge(provider, seconds_ago))

    def _forgotten(self, number: Msisdn) -> None:
        self._door.broadcast(Drop(number))

    def _warn(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            self._log("warning", "configuration", fault=str(fault))
        for what in self._unasked():
            self._log("warning", "screen_without_provider", note=what)
        settings = self._loaded.config
        for what in crowded_out(settings.providers, settings.fastagi.deadline_ms):
            self._log("warning", "provider_asked_too_late", note=what)

    def _unasked(self) -> list[str]:
        return unasked_screens(self._loaded.config.providers, self._in_force.table.screens_wanted)
