"""The service's life: built from a configuration, ready, reloaded, drained.

One process for now: the router answers calls and asks the provider itself. The parts are joined
here and nowhere else; whatever this module decides is about processes, not about calls.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any, Final

from agi import config, systemd
from agi.desk import Desk
from agi.dipper import Dipper
from agi.e164 import NumberingPlan
from agi.errors import ConfigurationError, Fault, TableError, UsageError
from agi.fastagi.server import Limits, Server, listen
from agi.ipc import Control, path_of
from agi.log import Writer, where
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.model import ErrorRule
from agi.report import report
from agi.router import Router
from agi.routing import files

RESERVED_DESCRIPTORS: Final = 128
"""Kept for providers, control, log and tables when the descriptors run short."""

SWITCH_INTERVAL_S: Final = 0.0005
"""How long the log's thread may hold the interpreter while a call waits."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a started service answers."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Service:
    """One running service."""

    def __init__(self, loaded: config.Loaded, state: Path, log: Writer) -> None:
        self.loaded = loaded
        self._begun = loaded  # what sockets, numbering plan and cache were made from
        self.log = log
        self.metrics = Metrics()
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._generation = 1
        self._memory = MemoryTier(loaded.config.cache.memory_entries)
        self._dipper = self._build_dipper(loaded)
        self._retiring: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._started = self._loop.time()
        self._reloading = asyncio.Lock()

    async def start(self, inherited: list[socket.socket]) -> Ready:
        """Load everything and open the port.

        Raises:
            TableError: the tables have faults.
            UsageError: the port or the state directory cannot be used.
        """
        settings = self.loaded.config
        tables = files.load(self.loaded.tables, self._generation)
        self._warn(tables.warnings)
        self.router = Router(
            plan=NumberingPlan(settings.numbers.country, settings.numbers.emergency),
            table=tables.table,
            pipeline=self._dipper.pipeline,
            deadline_s=settings.fastagi.deadline_ms / 1000,
            draw=Random(os.urandom(16)).random,  # noqa: S311 - odds, not secrets
            clock=self._loop.time,
            id_prefix=os.urandom(4).hex(),
            metrics=self.metrics,
            log=self.log,
        )
        self.server = Server(
            self.router,
            limits=Limits(
                deadline_s=settings.fastagi.deadline_ms / 1000,
                environment_s=min(0.3, settings.fastagi.deadline_ms / 2000),
                connections=connection_cap(),
            ),
            allow=[ip_network(text) for text in settings.fastagi.allow],
            loop=self._loop,
        )
        desk = Desk(self.router, clock=self._loop.time, report=self.report, reload=self.reload)
        self._control = Control(path_of(self._state, "router"), desk.handlers)
        sockets = self._sockets(inherited)
        await self._control.start()
        addresses = [await self.server.start(sock) for sock in sockets]
        self._ready = Ready(*addresses[0])
        return self._ready

    def _sockets(self, inherited: list[socket.socket]) -> list[socket.socket]:
        if inherited:
            return inherited
        where_ = self.loaded.config.fastagi.listen
        host, _, port = where_.rpartition(":")
        try:
            return [listen(host.strip("[]"), int(port))]
        except OSError as bad:
            raise UsageError(f"[fastagi] listen = {where_}: {bad.strerror}") from None

    def _build_dipper(self, loaded: config.Loaded) -> Dipper:
        return Dipper(
            loaded,
            memory=self._memory,
            clock=self._loop.time,
            error_rule=self._error_rule,
            metrics=self.metrics,
            log=self.log,
        )

    def _error_rule(self, kind: str, code: str) -> ErrorRule | None:
        return self.router.table.error_rule(kind, code)  # of the table that runs by then

    # ---- reload --------------------------------------------------------------------------

    async def reload(self) -> dict[str, object]:
        """Read configuration and tables anew; return the version that runs and what has to wait.

        Raises:
            ConfigurationError: the file has faults; everything stays as it was.
            TableError: the tables have faults; everything stays as it was.
        """
        async with self._reloading:
            try:
                waits = await self._switch()
            except (ConfigurationError, TableError) as refused:
                self._refused(refused)
                raise
            version = self.router.table.version
            self.metrics.reloads["ok"] += 1
            self.metrics.reload_refused = False
            self.log("info", "reloaded", table=version)
            return {"table": version, "restart_needed": waits}

    async def _switch(self) -> list[str]:
        fresh = config.load(self.loaded.path, os.environ)
        tables = await asyncio.to_thread(files.load, fresh.tables, self._generation + 1)
        changed = fresh.config.providers != self.loaded.config.providers or (
            fresh.passwords != self.loaded.passwords
        )
        # Everything that can fail has to be done before anything is switched.
        dipper = self._build_dipper(fresh) if changed else self._dipper
        self._warn((*fresh.warnings, *tables.warnings))
        waits = self._what_waits(fresh)
        self._generation += 1
        self.router.table = tables.table
        self.loaded = fresh
        if changed:
            self.metrics.failing.clear()  # of accounts and settings that are no more
            self._keep(dipper.wait_for(self._dipper))
            self._dipper = dipper
            self.router.pipeline = dipper.pipeline
        return waits

    def _refused(self, refused: ConfigurationError | TableError) -> None:
        self.metrics.reloads["refused"] += 1
        self.metrics.reload_refused = True
        for fault in refused.faults[:20]:
            self.log("error", "reload_fault", fault=str(fault))
        count, running = len(refused.faults), self.router.table.version
        self.log("error", "reload_refused", faults=count, running=running)

    def _what_waits(self, fresh: config.Loaded) -> list[str]:
        """Say which changed sections a reload does not reach: they bind sockets and caches."""
        old, new = self._begun.config, fresh.config
        sections = ("state_directory", "fastagi", "numbers", "cache", "log")
        waits = [name for name in sections if getattr(old, name) != getattr(new, name)]
        for section in waits:
            self.log("warning", "restart_needed", section=section)
        return waits

    async def _reload_on_signal(self) -> None:
        # Logged and counted already: a signal has nobody to be told.
        with suppress(ConfigurationError, TableError):
            await self.reload()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _on_hangup(self) -> None:
        self._keep(self._loop.create_task(self._reload_on_signal()))

    def _warn(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            self.log("warning", "configuration", fault=str(fault))

    # ---- status --------------------------------------------------------------------------

    def report(self) -> dict[str, object]:
        """Return what ``dialdip status`` shows."""
        return report(
            self.metrics,
            loaded=self.loaded,
            fastagi=str(self._ready),
            country=self._begun.config.numbers.country,
            table=self.router.table.version,
            connections=(self.server.connections, self.server.limits.connections),
            remembered=len(self._memory),
            log_dropped=self.log.dropped,
            uptime_s=self._loop.time() - self._started,
            now=self._loop.time(),
        )

    # ---- life ----------------------------------------------------------------------------

    async def run(self, announce: Callable[[Ready], None], inherited: list[socket.socket]) -> None:
        """Start, say so, and answer calls until SIGTERM or SIGINT."""
        ready = await self.start(inherited)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        self._loop.set_exception_handler(self._unforeseen)
        self.log.render_by(self._loop)
        gc.collect()
        gc.freeze()
        announce(ready)
        self.log(
            "info",
            "ready",
            fastagi=str(ready),
            table=self.router.table.version,
            connections=self.server.limits.connections,
        )
        systemd.notify(os.environ, "READY=1")
        self._beat()
        await self._stop.wait()
        await self.stop()

    async def stop(self) -> None:
        """Take no new calls, let the running ones end, close everything."""
        systemd.notify(os.environ, "STOPPING=1")
        left = await self.server.drain(self.loaded.config.fastagi.deadline_ms / 1000 + 0.2)
        self.log("info", "stopped", calls_cut=left)
        await self._control.stop()
        await self._dipper.close()

    def _beat(self) -> None:
        every = systemd.watchdog_s(os.environ)
        if every is not None:
            systemd.notify(os.environ, "WATCHDOG=1")
            self._loop.call_later(every, self._beat)

    def _unforeseen(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        what = where(error) if error is not None else str(context.get("message", ""))
        self.log("error", "unforeseen", error=what)


def connection_cap() -> int:
    """Raise the soft limit of descriptors to the hard one; return how many calls may use."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(soft, 65_536) - RESERVED_DESCRIPTORS)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop  # noqa: PLC0415 - optional: not every platform has it

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        factory = None
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def announce(ready: Ready) -> None:
    """Print the one line that scripts wait for."""
    print(f"ready fastagi={ready} web=off", flush=True)  # noqa: T201 - the contract's line


def serve(loaded: config.Loaded, environ: Mapping[str, str], log: Writer) -> None:
    """Run the service of one configuration until it is told to stop.

    Raises:
        TableError: the tables have faults.
        UsageError: the port or the state directory cannot be used.
    """

    async def main() -> None:
        service = Service(loaded, loaded.state(environ, root=os.geteuid() == 0), log)
        await service.run(announce, systemd.inherited(environ))

    run(main())
