"""What the tiers cost: hit, miss and put, memory and file, and pauses of the event loop.

Each tier is filled in a process of its own, so that its memory is its own. Times are of the store's
own calls on the event loop, one at a time; "at once" is the time for each of 50 together.

usage: python tests/bench/tiers.py [--entries N]... [--seconds S]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agi.lookup.events import ignore
from agi.lookup.provider import Answer
from agi.lookup.record import Said, said_of
from agi.lookup.store import Stored
from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.memory import MemoryTier
from agi.lookup.tiers.redis import RedisStore
from agi.lookup.tiers.sqlite import SqliteStore
from agi.model import Live, Mccmnc, Msisdn, NumberInfo, Outcome
from tests.bench import ticks
from tests.redis_server import redis_server

SIZES: Final = (10_000, 1_000_000)
TIERS: Final = ("memory", "sqlite", "sqlite-keyed", "redis")
ASKED: Final = 5_000
FIRST: Final = 447_000_000_000
KEYED: Final = NumberKey.keyed(b"sixteen bytes ok")


def number(index: int) -> Msisdn:
    """Return a number; neighbours are far apart, as callers' numbers are."""
    return Msisdn(str(FIRST + index * 7_919 % 999_999_937))


def some_said() -> list[Said]:
    """Return what a country's networks say: 24 different records."""
    return [
        said_of(
            Answer(number(0), Outcome.OK, NumberInfo(Mccmnc(f"234{mnc:02}"), live, ported)),
            "npl",
            "comcetera",
        )
        for mnc in (10, 15, 20, 30)
        for live in (None, Live.LIVE, Live.ABSENT)
        for ported in (False, True)
    ]


def rss_mb() -> float:
    """Return this process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def shares(spent: list[float]) -> dict[str, float]:
    """Return p50 and p99 in microseconds."""
    cuts = quantiles(spent, n=100)
    return {"p50_us": cuts[49] * 1e6, "p99_us": cuts[98] * 1e6}


def timed(work: Callable[[int], object], indexes: list[int]) -> dict[str, float]:
    """Time single calls."""
    spent = []
    for index in indexes:
        start = time.perf_counter()
        work(index)
        spent.append(time.perf_counter() - start)
    return shares(spent)


async def asked(get: Callable[[int], Awaitable[object]], indexes: list[int]) -> dict[str, float]:
    """Time single questions, then fifty at once."""
    spent = []
    for index in indexes:
        start = time.perf_counter()
        await get(index)
        spent.append(time.perf_counter() - start)
    start = time.perf_counter()
    for at in range(0, len(indexes), 50):
        await asyncio.gather(*(get(index) for index in indexes[at : at + 50]))
    each = (time.perf_counter() - start) / len(indexes)
    return shares(spent) | {"at_once_us": each * 1e6}


def memory(entries: int, seconds: float) -> dict[str, Any]:
    """Measure the memory tier, then the loop's pauses with it full."""
    said, before = some_said(), rss_mb()
    tier = MemoryTier(entries)
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    for index in range(entries):
        tier.put(number(index), said[index % 24], time.monotonic())
    put = (time.perf_counter() - start) / entries
    dice = random.Random(1)
    some = [dice.randrange(entries) for _ in range(ASKED)]
    now = time.monotonic()
    return {
        "put_us": put * 1e6,
        "hit": timed(lambda index: tier.get(number(index), now), some),
        "miss": timed(lambda index: tier.get(number(entries + index), now), some),
        "rss_mb": rss_mb() - before,
        "pauses": uvloop.run(pauses(tier, said, entries, seconds)),
        "control": uvloop.run(pauses(None, said, entries, seconds / 2)),
    }


async def pauses(
    tier: MemoryTier | None, said: list[Said], entries: int, seconds: float
) -> dict[str, Any]:
    """Tick every millisecond while five calls are looked up and two answers kept in each."""
    now = time.perf_counter
    end, fresh, dice = now() + seconds, itertools.count(entries), random.Random(2)

    def work() -> None:
        if tier is None:
            return
        for _ in range(5):
            tier.get(number(dice.randrange(entries)), now())
        for _ in range(2):
            new = next(fresh)
            tier.put(number(new), said[new % 24], now())

    return await ticks.ticks(lambda: now() < end, work)


async def stored(store: SqliteStore | RedisStore, entries: int) -> dict[str, Any]:
    """Fill a store and ask it."""
    said, spent = some_said(), 0.0
    await store.open()
    begun = time.perf_counter()
    for first in range(0, entries, 4_000):
        start = time.perf_counter()
        for index in range(first, min(entries, first + 4_000)):
            store.put(number(index), Stored(said[index % 24], time.time()), 864_000.0)
        spent += time.perf_counter() - start
        await store.flushed()
    filled = time.perf_counter() - begun
    dice = random.Random(1)
    some = [dice.randrange(entries) for _ in range(ASKED)]
    assert await store.get(number(some[0])) is not None
    figures: dict[str, Any] = {
        "put_us": spent / entries * 1e6,
        "written_per_s": entries / filled,
        "hit": await asked(lambda index: store.get(number(index)), some),
        "miss": await asked(lambda index: store.get(number(entries + index)), some),
        "rss_mb": rss_mb(),
    }
    stats = await store.stats()
    figures |= {"entries": stats["entries"], "troubles": stats["troubles"]}
    await store.close()
    return figures


def sqlite(entries: int, key: NumberKey) -> dict[str, Any]:
    """Measure the file."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "cache.sqlite"

        async def main() -> dict[str, Any]:
            store = SqliteStore(path, numbers=key, wall=time.time, observe=ignore)
            return await stored(store, entries)

        figures = uvloop.run(main())
        return figures | {"file_mb": path.stat().st_size / 1e6}


def redis(entries: int) -> dict[str, Any]:
    """Measure the server of several hosts, on this one."""
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as server:

        async def main() -> dict[str, Any]:
            clock = asyncio.get_running_loop().time
            store = RedisStore(
                server.url, numbers=KEYED, observe=ignore, clock=clock, wall=time.time
            )
            return await stored(store, entries)

        figures = uvloop.run(main())
        info = server.command("INFO", "memory").decode()
        used = int(info.split("used_memory:")[1].split()[0])
        return figures | {"server_mb": used / 1e6}


def one(tier: str, entries: int, seconds: float) -> dict[str, Any]:
    """Measure one tier in this process."""
    if tier == "memory":
        return memory(entries, seconds)
    if tier == "redis":
        return redis(entries)
    return sqlite(entries, KEYED if tier == "sqlite-keyed" else NumberKey.plain())


def measure(sizes: tuple[int, ...], seconds: float) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Measure every tier at every size, each in a process of its own."""
    for entries in sizes:
        for tier in TIERS:
            done = subprocess.run(
                [
                    *(sys.executable, __file__, "--one", tier),
                    *("--entries", str(entries), "--seconds", str(seconds)),
                ],
                check=True,
                capture_output=True,
                text=True,
            )
            yield tier, entries, json.loads(done.stdout)


def lines(tier: str, entries: int, figures: dict[str, Any]) -> Iterator[str]:
    """Return the lines for people."""
    hit, miss = figures["hit"], figures["miss"]
    at_once = f", {hit['at_once_us']:.0f} us each of 50 at once" if "at_once_us" in hit else ""
    yield (
        f"{tier:13} {entries:>10,}  hit p50 {hit['p50_us']:.1f} p99 {hit['p99_us']:.1f} us{at_once}"
        f"; miss p50 {miss['p50_us']:.1f} us; put {figures['put_us']:.1f} us"
    )
    sizes = [
        f"{label} {figures[name]:,.1f}"
        for name, label in (
            ("rss_mb", "RSS MB"),
            ("file_mb", "file MB"),
            ("server_mb", "server MB"),
            ("written_per_s", "written a second"),
        )
        if name in figures
    ]
    yield f"{'':25} {'; '.join(sizes)}"
    for name in ("pauses", "control"):
        if name in figures:
            for line in ticks.lines(name, figures[name]):
                yield f"{'':25} {line}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, action="append")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--one", choices=TIERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sizes = tuple(given.entries or SIZES)
    if given.one:
        print(json.dumps(one(given.one, sizes[0], given.seconds)))
        return
    for tier, entries, figures in measure(sizes, given.seconds):
        for line in lines(tier, entries, figures):
            print(line, flush=True)


if __name__ == "__main__":
    main()
