"""What the tests of the tiers share: numbers, entries, a clock, a store to try."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from agi.lookup.events import LookupEvent, StoreTrouble
from agi.lookup.provider import Answer
from agi.lookup.record import Said, said_of
from agi.lookup.store import Stored
from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.redis import RedisStore
from agi.lookup.tiers.sqlite import SqliteStore
from agi.model import Live, Mccmnc, Msisdn, NumberInfo, Outcome

S = TypeVar("S", bound=SqliteStore | RedisStore)

ONE = Msisdn("447788450450")
TWO = Msisdn("447810701702")
NOW = 1_750_000_000.0
DAY = 86_400.0
SECRET = b"a secret of 24 bytes, ok"
PLAIN = NumberKey.plain()
KEYED = NumberKey.keyed(SECRET)


def said(mccmnc: str = "23415", provider: str = "npl", **axes: object) -> Said:
    info = NumberInfo(Mccmnc(mccmnc), Live.LIVE, **axes)  # type: ignore[arg-type] # a test's own
    return said_of(Answer(ONE, Outcome.OK, info), provider, "comcetera")


def entry(obtained: float = NOW, mccmnc: str = "23415", provider: str = "npl") -> Stored:
    return Stored(said(mccmnc, provider), obtained)


def numbers(count: int, first: int = 447_700_000_000) -> list[Msisdn]:
    return [Msisdn(str(first + index)) for index in range(count)]


class Seen:
    """An observer that remembers; ``wait`` is for an event that comes from a thread."""

    def __init__(self) -> None:
        self.events: list[StoreTrouble] = []
        self._came = asyncio.Event()

    def __call__(self, event: LookupEvent) -> None:
        assert isinstance(event, StoreTrouble)
        self.events.append(event)
        self._came.set()

    @property
    def what(self) -> list[str]:
        return [event.what for event in self.events]

    async def wait(self, what: str) -> StoreTrouble:
        async with asyncio.timeout(10):
            while what not in self.what:
                self._came.clear()
                await self._came.wait()
        return next(event for event in self.events if event.what == what)


class Wall:
    """A wall clock that the test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sqlite_store(
    path: Path, seen: Seen, *, wall: Wall | None = None, numbers: NumberKey = PLAIN
) -> SqliteStore:
    # Two busy cores may hold a thread back for longer than the 50 ms of a call.
    return SqliteStore(path, numbers=numbers, wall=wall or Wall(), observe=seen, limit_s=5.0)


def redis_store(
    url: str,
    seen: Seen,
    *,
    wall: Wall | None = None,
    numbers: NumberKey = KEYED,
    limit_s: float = 2.0,
    clock: Wall | None = None,
) -> RedisStore:
    return RedisStore(
        url,
        numbers=numbers,
        observe=seen,
        clock=clock or asyncio.get_running_loop().time,
        wall=wall or Wall(),
        limit_s=limit_s,
    )


@asynccontextmanager
async def opened(store: S) -> AsyncIterator[S]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def written(store: SqliteStore | RedisStore) -> None:
    """Wait until what was put is where it can be read."""
    await store.flushed()
