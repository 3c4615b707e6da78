"""Who looks at the whole service: what each of those who ask is given, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agi.ami.happenings import Began
from agi.ipc import Control, path_of
from agi.log import Silence
from agi.metrics import Metrics
from agi.noc.listening import Listening
from agi.noc.mind import Noc
from agi.noc.onlooker import Onlooker
from agi.settings import Config
from agi.web.exposition import exposition

NOW = 1_795_231_889.0
Looking = Callable[[Noc, Onlooker], Awaitable[None]]


def looking(state: Path, test: Looking, **router: Any) -> None:
    """Let somebody look at a service of one router, whose report has ``router`` in it."""
    said = {"role": "router", "index": 0, "generation": "f00d", "started": NOW, "uptime_s": 9.0}
    said |= {"connections": [3, 896], "fastagi": "127.0.0.1:1", "table": "000001-1a2b3c4d"}
    said |= {"counts": Metrics().snapshot(), **router}

    async def status(asked: dict[str, Any]) -> object:
        del asked
        return said

    def mine() -> dict[str, Any]:
        return {**said, "role": "noc", "generation": "beef", "routers": 1}

    async def run() -> None:
        noc = Noc(Config(), wall=lambda: NOW, steady=lambda: NOW, log=Silence())
        heard = Listening(noc, Silence(), steady=lambda: NOW)
        control = Control(path_of(state, "router", 0), {"status": status})
        await control.start()
        one = Onlooker(state, noc, heard, report=mine, fastagi="127.0.0.1:1", log=Silence())
        try:
            await test(noc, one)
        finally:
            await one.stop()
            await control.stop()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_only_people_are_given_figures_over_windows(tmp_path: Path) -> None:
    """With 500 trunks they cost more than everything else together, each second."""

    async def test(noc: Noc, one: Onlooker) -> None:
        noc.kpis.took(Began("uk-a", NOW, "GB", "23415"), NOW)
        scene, counters = await one.scene(), await one.counters()
        assert 1 / 60 == scene.trunks["uk-a"][60].cps
        assert ({"GB"}, {"23415"}) == (set(scene.countries), set(scene.networks))
        assert ({}, {}, {}) == (counters.trunks, counters.countries, counters.networks)
        assert {"uk-a": 1} == scene.open_calls == counters.open_calls

    looking(tmp_path, test)


def test_a_router_of_an_earlier_version_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """While a host is brought up to date, process by process, there are metrics."""

    async def test(_: Noc, one: Onlooker) -> None:
        scene = await one.scene()
        assert (0, "", False) == (scene.level, scene.level_why, scene.pinned)
        assert b'dialdip_processes{role="router"} 1.0' in exposition(scene).body

    looking(tmp_path, test)
