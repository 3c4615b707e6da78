"""What every process of the service does alike: start, say so, beat, reload, stop."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from agi import systemd
from agi.errors import ConfigurationError, TableError
from agi.lifeline import Lifeline
from agi.log import Writer, where

RESERVED_DESCRIPTORS: Final = 128
"""Kept for providers, control, log and tables when the descriptors run short."""

SWITCH_INTERVAL_S: Final = 0.0005
"""How long the log's thread may hold the interpreter while a call waits."""


class Part(Protocol):
    """The work of one process."""

    async def start(self) -> str:
        """Begin; return what whoever started the process wants to know of it."""

    async def reload(self) -> dict[str, object]:
        """Read configuration and tables anew; what is refused leaves everything as it was."""

    async def stop(self) -> None:
        """End; what was begun is finished, within the grace that a restart allows."""


class Process:
    """One part's life on one event loop. ``lifeline`` None: no parent of ours, perhaps systemd."""

    def __init__(self, part: Part, log: Writer, lifeline: Lifeline | None = None) -> None:
        self._part = part
        self._log = log
        self._lifeline = lifeline
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._reloading: set[asyncio.Task[None]] = set()

    async def live(self, announce: Callable[[str], None]) -> None:
        """Start, say so, and work until SIGTERM, SIGINT or the parent's end."""
        text = await self._part.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        self._loop.set_exception_handler(self._unforeseen)
        self._log.render_by(self._loop)
        # Only now: what the tiers hold for ordering is then never walked by the collector.
        gc.collect()
        gc.freeze()
        if self._lifeline is not None:
            self._lifeline.beat_by(self._loop, self._stop.set)
            self._lifeline.ready(text)
        else:
            systemd.notify(os.environ, "READY=1")
            self._beat()
        announce(text)
        await self._stop.wait()
        systemd.notify(os.environ, "STOPPING=1")
        await self._part.stop()

    def _beat(self) -> None:
        every = systemd.watchdog_s(os.environ)
        if every is not None:
            systemd.notify(os.environ, "WATCHDOG=1")
            self._loop.call_later(every, self._beat)

    def _on_hangup(self) -> None:
        task = self._loop.create_task(self._reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def _reload(self) -> None:
        # Logged and counted already: a signal has nobody to be told.
        with suppress(ConfigurationError, TableError):
            await self._part.reload()

    def _unforeseen(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        what = where(error) if error is not None else str(context.get("message", ""))
        self._log("error", "unforeseen", error=what)


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
