"""Who looks at the whole service: pulls what the processes say, and makes one scene of it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from agi.log import Log
from agi.noc.generations import Generations
from agi.noc.listening import Listening
from agi.noc.mind import Noc
from agi.noc.pulling import Pulled, Puller
from agi.scene import Scene
from agi.sharing import Shared
from agi.web.readiness import decides

PULL_S: Final = 1.0
"""Every process is asked so often: what a kill costs of its counts is at most that."""

KEEP_S: Final = 5.0
"""All counters are put on disk so often, and before they are shown to anybody: a kill of noc costs
what it counted itself since then."""

LAST_S: Final = 1.0
"""How long the last look may take."""

_VERSION: Final = version("dialdip")


class Onlooker:
    """Makes scenes, one at a time, each shared by all who asked before it began.

    Figures over windows cost most of a scene with many trunks, and only people look at them.
    ``report`` is what noc says of itself; ``fastagi`` where calls are answered if no router says.
    """

    def __init__(  # noqa: PLR0913 - what a scene is made of
        self,
        state: Path,
        noc: Noc,
        listening: Listening,
        *,
        report: Callable[[], Mapping[str, Any]],
        fastagi: str,
        log: Log,
    ) -> None:
        self._noc = noc
        self._listening = listening
        self._report = report
        self._fastagi = fastagi
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._generations = Generations(state, log)
        noc.kpis.restore(self._generations.totals)
        self._puller = Puller(state)
        self._scenes = Shared(self._scene)
        self._counters = Shared(self._counted)
        self._routers: Sequence[Mapping[str, Any]] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[object] | None = None
        self._kept_at = 0.0

    def start(self) -> None:
        """Look every second, whoever else asks."""
        self._timer = self._loop.call_later(PULL_S, self.start)
        if self._look is None or self._look.done():
            due = self._loop.time() - self._kept_at >= KEEP_S
            self._look = self._loop.create_task(self._counters() if due else self._asked())

    async def stop(self) -> None:
        """Look for the last time, at what those left that ended before, and end."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(LAST_S):
                await self._counters()
        except TimeoutError:
            self._log("warning", "last_look_too_slow")
        await self._scenes.stop()
        await self._counters.stop()
        await self._puller.close()

    async def scene(self) -> Scene:
        """Return all there is to see, looked at after this was called."""
        return await self._scenes()

    async def counters(self) -> Scene:
        """Return what Prometheus wants, looked at after this was called: no figures of windows."""
        return await self._counters()

    async def ready(self) -> str:
        """Say why no call would be decided now; empty if one would."""
        if not self._routers:
            self._hear(await self._puller.pull())
        addresses = (str(one["fastagi"]) for one in self._routers)
        return await decides(next(addresses, self._fastagi))

    def _hear(self, pulled: Pulled) -> None:
        self._routers = [one for one in pulled.told if one["role"] == "router"]

    async def _scene(self) -> Scene:
        scene, kpis, now = await self._counters(), self._noc.kpis, self._noc.steady()
        return replace(
            scene,
            trunks=kpis.trunks(now),
            countries=kpis.countries(now),
            networks=kpis.networks(now),
        )

    async def _counted(self) -> Scene:
        scene = self._generations.carry(self._seen(*await self._asked()))
        self._kept_at = self._loop.time()
        await self._generations.save()
        return scene

    async def _asked(self) -> tuple[Pulled, Mapping[str, Any]]:
        pulled = await self._puller.pull()
        self._hear(pulled)
        mine = self._report()
        self._generations.take((*pulled.told, mine), self._noc.steady())
        return pulled, mine

    def _seen(self, pulled: Pulled, mine: Mapping[str, Any]) -> Scene:
        noc, kpis, now = self._noc, self._noc.kpis, time.time()
        ladders = [one["ladder"] for one in self._routers if "ladder" in one]
        worst = max(ladders, key=_shown, default=None)
        return Scene(
            at=now,
            version=_VERSION,
            told=pulled.told,
            silent=pulled.silent,
            counts=self._generations.total(),
            totals=kpis.totals,
            open_calls=kpis.open_calls(),
            standing=noc.standings(),
            asterisks=self._listening.seen(),
            security=noc.counted,
            unverified=noc.unverified,
            theirs=noc.theirs,
            ours=noc.ours,
            level=0 if worst is None else _shown(worst),
            level_why="" if worst is None else str(worst["why"]),
            pinned=any(one["pinned"] for one in ladders),
            calls_per_s=noc.rate.per_second(now),
            noc=mine,
        )


def _shown(ladder: Mapping[str, Any]) -> int:
    return int(ladder["shown"])
