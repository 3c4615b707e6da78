"""What every store promises, tried on each of them: one contract, three instances."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agi.lookup.provider import Answer
from agi.lookup.record import said_of
from agi.lookup.store import Store, Stored
from agi.lookup.tiers.redis import RedisStore
from agi.lookup.tiers.sqlite import SqliteStore
from agi.model import Outcome, Product
from tests.lookup.tiers.keeping import (
    DAY,
    KEYED,
    NOW,
    ONE,
    PLAIN,
    TWO,
    Seen,
    Wall,
    entry,
    numbers,
    opened,
    redis_store,
    sqlite_store,
    written,
)
from tests.redis_server import RedisServer

Some = SqliteStore | RedisStore
Make = Callable[[Seen, Wall], Some]


@pytest.fixture(params=["sqlite-plain", "sqlite-keyed", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        return lambda seen, wall: redis_store(server.url, seen, wall=wall)
    numbers = KEYED if request.param == "sqlite-keyed" else PLAIN
    path = tmp_path / "state" / "cache.sqlite"
    return lambda seen, wall: sqlite_store(path, seen, wall=wall, numbers=numbers)


def tried(make: Make, test: Callable[[Some, Wall], Awaitable[None]]) -> None:
    """Run a test with an open store; it must cause no trouble."""

    async def main() -> None:
        seen, wall = Seen(), Wall()
        async with opened(make(seen, wall)) as store:
            await test(store, wall)
        assert [] == seen.events

    asyncio.run(main())


def test_it_is_a_store_and_names_its_kind(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        known: Store = store
        assert known.kind in {"sqlite", "redis"}
        assert store.kind == (await store.stats())["kind"]

    tried(make, test)


def test_what_was_put_comes_back_exactly(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        stored = entry(NOW - 1.5)
        store.put(ONE, stored, DAY)
        await written(store)
        assert stored == await store.get(ONE)
        assert None is await store.get(TWO)

    tried(make, test)


def test_each_product_of_a_number_is_kept_apart(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        verdict = Answer(ONE, Outcome.OK, None, verdict="listed")
        listed = Stored(said_of(verdict, "dsa", "datasoap"), NOW)
        store.put(ONE, listed, DAY, Product.TPS)
        await written(store)
        assert None is await store.get(ONE)
        assert None is await store.get(ONE, Product.UNSUBSCRIBE)
        assert listed == await store.get(ONE, Product.TPS)

    tried(make, test)


def test_a_later_entry_takes_the_place_of_the_earlier(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        store.put(ONE, entry(NOW - 10, "23415"), DAY)
        store.put(ONE, entry(NOW, "23410"), DAY)
        await written(store)
        assert entry(NOW, "23410") == await store.get(ONE)

    tried(make, test)


def test_dropping_forgets_every_product_and_says_whether_there_was_one(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        store.put(ONE, entry(), DAY)
        store.put(ONE, entry(), DAY, Product.FRAUD)
        store.put(TWO, entry(), DAY)
        await written(store)
        assert [True, False] == [await store.drop(ONE), await store.drop(ONE)]
        assert [None, None] == [await store.get(ONE), await store.get(ONE, Product.FRAUD)]
        assert entry() == await store.get(TWO)

    tried(make, test)


def test_dropping_also_forgets_what_still_waits_to_be_written(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        store.put(ONE, entry(), DAY)
        await store.drop(ONE)
        await written(store)
        assert None is await store.get(ONE)

    tried(make, test)


def test_purging_takes_one_account_and_only_since_then(make: Make) -> None:
    async def test(store: Some, wall: Wall) -> None:
        store.put(ONE, entry(NOW - 100), DAY)
        store.put(TWO, entry(NOW - 5), DAY)
        store.put(ONE, entry(NOW - 5, provider="other"), DAY, Product.FRAUD)
        await written(store)
        await store.purge("npl", NOW - 50)
        assert entry(NOW - 100) == await store.get(ONE)
        assert None is await store.get(TWO)
        assert entry(NOW - 5, provider="other") == await store.get(ONE, Product.FRAUD)
        wall.now += 60
        store.put(TWO, entry(NOW + 60), DAY)
        await written(store)
        assert entry(NOW + 60) == await store.get(TWO)

    tried(make, test)


def test_what_was_put_before_a_close_is_there_after_an_open(make: Make) -> None:
    async def main() -> None:
        seen, wall = Seen(), Wall()
        async with opened(make(seen, wall)) as store:
            for _ in range(3):
                store.put(ONE, entry(), DAY)
        async with opened(make(seen, wall)) as store:
            assert entry() == await store.get(ONE)
        assert [] == seen.events

    asyncio.run(main())


@pytest.mark.parametrize("shift", [3600.0, -3600.0])
def test_f40_a_wall_clock_that_jumps_an_hour_loses_nothing_and_ages_nothing_itself(
    make: Make, shift: float
) -> None:
    """The entry says when it was obtained, be that in the future; the pipeline judges it."""

    async def test(store: Some, wall: Wall) -> None:
        store.put(ONE, entry(), 10 * DAY)
        await written(store)
        wall.now += shift
        assert entry() == await store.get(ONE)

    tried(make, test)


def test_a_store_that_is_closed_or_not_open_knows_nothing_and_counts_what_it_loses(
    make: Make,
) -> None:
    async def main() -> None:
        seen = Seen()
        store = make(seen, Wall())
        assert None is await store.get(ONE)
        store.put(ONE, entry(), DAY)
        assert ["dropped"] == seen.what
        assert False is (await store.stats())["working"]
        await store.close()
        async with opened(store):
            assert None is await store.get(ONE)
        assert None is await store.get(ONE)
        assert 0 == (await store.stats())["queue"]

    asyncio.run(main())


def test_a_thousand_questions_at_once_are_all_answered_rightly(make: Make) -> None:
    async def test(store: Some, _: Wall) -> None:
        asked = numbers(1000)
        for index, number in enumerate(asked):
            store.put(number, entry(NOW - index), DAY)
        await written(store)
        found = await asyncio.gather(*(store.get(number) for number in asked))
        assert [entry(NOW - index) for index in range(1000)] == found

    tried(make, test)


def test_the_queue_is_bounded_and_a_full_one_loses_entries_not_time(make: Make) -> None:
    async def main() -> None:
        seen = Seen()
        async with opened(make(seen, Wall())) as store:
            # No task runs between these puts, and a writer's thread takes at most its batch.
            for number in numbers(30_000):
                store.put(number, entry(), DAY)
            queue = (await store.stats())["queue"]
            assert isinstance(queue, int)
            assert queue <= 8_192
            assert "dropped" in seen.what

    asyncio.run(main())
