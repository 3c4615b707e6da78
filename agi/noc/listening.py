"""Who listens to which PBX: one listener for each ``[[asterisk]]``, as the configuration has it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from pydantic import SecretStr

from agi.ami.listener import AmiListener
from agi.ami.seen import AsteriskSeen
from agi.ami.sink import Sink
from agi.log import Log
from agi.settings import Asterisk

Wanted = tuple[Asterisk, str]


class Listening:
    """All listeners of this process; what they hear goes to ``sink``.

    ``steady`` gives epochs that do not jump.
    """

    def __init__(self, sink: Sink, log: Log, *, steady: Callable[[], float]) -> None:
        self._sink = sink
        self._log = log
        self._steady = steady
        self._ended: dict[str, AsteriskSeen] = {}
        self._wanted: dict[str, Wanted] = {}
        self._listeners: dict[str, AmiListener] = {}

    async def use(self, pbxs: Sequence[Asterisk], passwords: Mapping[str, SecretStr]) -> None:
        """Listen to these PBXs from now on; what has not changed is not disturbed.

        Calls of a PBX that is none of them any more are over, for all that we shall hear of them.
        """
        wanted = {one.name: (one, passwords[one.name].get_secret_value()) for one in pbxs}
        for name in [name for name, was in self._wanted.items() if wanted.get(name) != was]:
            del self._wanted[name]
            listener = self._listeners.pop(name)
            await listener.stop()
            self._ended[name] = _both(listener.seen(), self._ended.get(name))
            if name not in wanted:
                self._sink.resynced(name, (), self._steady())
        for name, (settings, password) in wanted.items():
            if name not in self._wanted:
                self._wanted[name] = settings, password
                self._listeners[name] = self._listener(settings, password)
                self._listeners[name].start()

    async def stop(self) -> None:
        """Listen to nobody any more."""
        await self.use((), {})

    def seen(self) -> dict[str, AsteriskSeen]:
        """Return how it goes with each PBX."""
        return {
            name: _both(listener.seen(), self._ended.get(name))
            for name, listener in self._listeners.items()
        }

    def hears_all(self) -> bool:
        """Say whether there is a PBX, and every one is heard."""
        seen = self.seen()
        return bool(seen) and all(one.connected for one in seen.values())

    def _listener(self, settings: Asterisk, password: str) -> AmiListener:
        return AmiListener(
            settings,
            password,
            self._sink,
            clock=time.monotonic,
            wall=self._steady,
            dice=Random(os.urandom(16)).random,  # noqa: S311 - pauses, not secrets
            log=self._log,
        )


def _both(seen: AsteriskSeen, before: AsteriskSeen | None) -> AsteriskSeen:
    """Return what is seen now, with what earlier listeners to the same PBX counted."""
    if before is None:
        return seen
    return replace(
        seen,
        gap_s=seen.gap_s + before.gap_s,
        gaps=seen.gaps + before.gaps,
        events=seen.events + before.events,
        dropped=seen.dropped + before.dropped,
    )
