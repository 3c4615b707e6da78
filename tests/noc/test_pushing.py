"""noc's word to routers: each second, at once at a change, whatever one of them does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from agi.errors import UsageError
from agi.ipc import Control, path_of
from agi.noc.pushing import EVERY_S, SOON_S, Pusher


class Router:
    """A router's control socket that keeps what it is told."""

    def __init__(self, state: Path, index: int, *, refuses: str = "") -> None:
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._refuses = refuses
        self._control = Control(path_of(state, "router", index), {"health": self._health})

    async def _health(self, asked: dict[str, Any]) -> object:
        self.told.put_nowait({name: one for name, one in asked.items() if name != "peer"})
        if self._refuses:
            raise UsageError(self._refuses)
        return {}

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.told.get()

    async def start(self) -> None:
        await self._control.start()

    async def stop(self) -> None:
        await self._control.stop()


class Word:
    """What there is to tell: how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.refused: list[str] = []

    def __call__(self) -> dict[str, object]:
        self.asked += 1
        return {"standings": {}, "ladder": None, "count": self.asked}


@asynccontextmanager
async def pushing(state: Path, word: Word) -> AsyncIterator[Pusher]:
    pusher = Pusher(state, word, refused=word.refused.append)
    pusher.start()
    try:
        yield pusher
    finally:
        await pusher.stop()


def test_every_router_is_told_each_second(tmp_path: Path) -> None:
    async def main() -> None:
        routers = [Router(tmp_path, index) for index in range(2)]
        for router in routers:
            await router.start()
        word = Word()
        begun = time.monotonic()
        async with pushing(tmp_path, word):
            for count in (1, 2):
                for router in routers:
                    told = await router.next()
                    assert {"standings": {}, "ladder": None, "count": count} == told
        assert EVERY_S * 0.9 <= time.monotonic() - begun < 10
        for router in routers:
            await router.stop()

    asyncio.run(main())


def test_a_change_is_told_at_once(tmp_path: Path) -> None:
    """Many of them, so that a machine that stands still for a moment is no second of waiting."""

    async def main() -> None:
        router, word = Router(tmp_path, 0), Word()
        await router.start()
        async with pushing(tmp_path, word) as pusher:
            await router.next()
            begun = time.monotonic()
            for _ in range(20):
                pusher.hurry()
                await router.next()
            assert time.monotonic() - begun < 20 * EVERY_S / 2
        await router.stop()

    asyncio.run(main())


def test_many_changes_of_a_moment_are_told_together(tmp_path: Path) -> None:
    async def main() -> None:
        router, word = Router(tmp_path, 0), Word()
        await router.start()
        async with pushing(tmp_path, word) as pusher:
            await router.next()
            begun = time.monotonic()
            for _ in range(1_000):
                pusher.hurry()
                await asyncio.sleep(0)
            await router.next()
            assert word.asked <= 3 + (time.monotonic() - begun) / SOON_S
        await router.stop()

    asyncio.run(main())


def test_a_frozen_router_keeps_nobody_else_from_hearing(tmp_path: Path) -> None:
    async def main() -> None:
        word, well = Word(), Router(tmp_path, 1)
        await well.start()
        met = asyncio.Event()

        async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            met.set()
            await reader.read()
            writer.close()

        frozen = await asyncio.start_unix_server(says_nothing, path_of(tmp_path, "router", 0))
        async with pushing(tmp_path, word) as pusher:
            for _ in range(3):
                await well.next()
                pusher.hurry()
            await met.wait()
        frozen.close()
        await well.stop()

    asyncio.run(main())


def test_what_killed_routers_left_disturbs_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        word, well = Word(), Router(tmp_path, 1)
        await well.start()
        path_of(tmp_path, "router", 0).touch()
        async with pushing(tmp_path, word):
            await well.next()
            await well.next()
        assert [] == word.refused
        await well.stop()

    asyncio.run(main())


def test_a_router_that_refuses_is_said_once(tmp_path: Path) -> None:
    async def main() -> None:
        word, odd = Word(), Router(tmp_path, 0, refuses="no news of trunks")
        await odd.start()
        async with pushing(tmp_path, word) as pusher:
            for _ in range(3):
                await odd.next()
                pusher.hurry()
        assert ["router-0: no news of trunks"] == word.refused
        await odd.stop()

    asyncio.run(main())


def test_an_answer_that_is_none_is_passed_over(tmp_path: Path) -> None:
    async def main() -> None:
        word, times = Word(), asyncio.Queue[None]()

        async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            times.put_nowait(None)
            line = await reader.readline()
            assert "health" == msgspec.json.decode(line)["op"]
            writer.write(b"{no json\n")
            writer.close()

        path = path_of(tmp_path, "router", 0)
        path.parent.mkdir()
        server = await asyncio.start_unix_server(babbles, path)
        async with pushing(tmp_path, word) as pusher, asyncio.timeout(10):
            for _ in range(3):
                await times.get()
                pusher.hurry()
        server.close()

    asyncio.run(main())
