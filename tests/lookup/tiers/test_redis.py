"""The cache that hosts share, against a real server: frozen, killed, full, locked, poisoned."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.redis import LIMIT_S, RedisStore
from agi.lookup.tiers.wire import Wire
from agi.model import Product
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
    written,
)
from tests.redis_server import RedisServer, redis_server

KEY = b"dialdip:1:network:" + KEYED.name(ONE).hex().encode()
STORES = Path(__file__).parents[3] / "docs" / "stores.md"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may break."""
    with redis_server(tmp_path) as server:
        yield server


async def timed(store: RedisStore, count: int) -> list[float]:
    loop, spent = asyncio.get_running_loop(), []
    for number in numbers(count):
        start = loop.time()
        assert None is await store.get(number)
        spent.append(loop.time() - start)
    return spent


async def until_kept(store: RedisStore, clock: Wall) -> None:
    """Put until what was put is there; the clock jumps over the gate's pauses."""
    async with asyncio.timeout(20):
        while entry() != await store.get(TWO):
            clock.now += 40
            await store.get(TWO)
            store.put(TWO, entry(), DAY)
            await written(store)


def first_slow_then_nothing(spent: list[float]) -> None:
    """Five questions take the limit, and scheduling; the others nearly nothing."""
    assert max(spent[:5]) < 10 * LIMIT_S
    assert median(spent[5:]) < 0.001


def test_f30_a_server_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.kill()

        async def main() -> None:
            seen = Seen()
            async with opened(redis_store(server.url, seen, limit_s=LIMIT_S)) as store:
                first_slow_then_nothing(await timed(store, 200))
                assert not store.available(asyncio.get_running_loop().time())
                assert ["failed", "shut"] == seen.what
                assert "ConnectionError" == seen.events[0].detail

        asyncio.run(main())


def test_f30_a_frozen_server_costs_five_calls_20_ms_and_the_others_nothing(
    own: RedisServer,
) -> None:
    async def main() -> None:
        seen, clock = Seen(), Wall()
        store = redis_store(own.url, seen, limit_s=LIMIT_S, clock=clock)
        async with opened(store):
            store.put(ONE, entry(), DAY)
            await written(store)
            own.freeze()
            try:
                spent = await timed(store, 200)
                first_slow_then_nothing(spent)
                assert min(spent[:5]) > LIMIT_S / 2
                store.put(ONE, entry(), DAY)
                await written(store)
                assert "dropped" in seen.what
                clock.now += 1.3
                assert max(await timed(store, 1)) > LIMIT_S / 2
                first_slow_then_nothing(await timed(store, 200))
            finally:
                own.thaw()
            await until_kept(store, clock)
            assert entry() == await store.get(ONE)

    asyncio.run(main())


def test_f30_a_server_killed_and_started_again_is_used_again(own: RedisServer) -> None:
    async def main() -> None:
        seen, clock = Seen(), Wall()
        async with opened(redis_store(own.url, seen, clock=clock)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            own.kill()
            first_slow_then_nothing(await timed(store, 200))
            own.start()
            await until_kept(store, clock)
            assert None is await store.get(ONE)

    asyncio.run(main())


def test_f30_writes_to_a_dead_server_are_dropped_and_counted(own: RedisServer) -> None:
    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(own.url, seen)) as store:
            own.kill()
            for number in numbers(300):
                store.put(number, entry(), DAY)
            await written(store)
            assert ("dropped", "ConnectionError") == (seen.events[0].what, seen.events[0].detail)
            assert {"dropped": 300} == (await store.stats())["troubles"]
            assert False is await store.drop(ONE)
            assert "not-erased" in seen.what

    asyncio.run(main())


def test_f30_a_frozen_server_holds_up_an_ending_for_a_second_at_most(own: RedisServer) -> None:
    async def main() -> None:
        seen, loop = Seen(), asyncio.get_running_loop()
        store = redis_store(own.url, seen)
        await store.open()
        own.freeze()
        for number in numbers(8_000):
            store.put(number, entry(), DAY)
        start = loop.time()
        await store.close()
        own.thaw()
        assert loop.time() - start < 3
        assert "dropped" in seen.what

    asyncio.run(main())


def test_a_connection_that_the_server_closed_meanwhile_is_no_failure(redis: RedisServer) -> None:
    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(redis.url, seen)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert entry() == await store.get(ONE)
            assert [] == seen.events

    asyncio.run(main())


def test_f31_a_full_server_refuses_writes_and_goes_on_reading(own: RedisServer) -> None:
    async def main() -> None:
        seen, clock = Seen(), Wall()
        async with opened(redis_store(own.url, seen, clock=clock)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            own.command("CONFIG", "SET", "maxmemory", "1")
            for _ in range(3):
                for number in numbers(100):
                    store.put(number, entry(), DAY)
                await written(store)
            assert [("refused", "OOM", 100)] == [
                (event.what, event.detail, event.count) for event in seen.events
            ]
            assert entry() == await store.get(ONE)
            clock.now += 10
            store.put(TWO, entry(), DAY)
            await written(store)
            assert [100, 201] == [event.count for event in seen.events]
            own.command("CONFIG", "SET", "maxmemory", "0")
            await until_kept(store, clock)

    asyncio.run(main())


def test_f31_a_read_only_replica_goes_on_answering(own: RedisServer) -> None:
    async def main() -> None:
        seen, clock = Seen(), Wall()
        async with opened(redis_store(own.url, seen, clock=clock)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            own.command("REPLICAOF", "127.0.0.1", "1")
            store.put(TWO, entry(), DAY)
            await written(store)
            assert [("refused", "READONLY")] == [
                (event.what, event.detail) for event in seen.events
            ]
            assert entry() == await store.get(ONE)
            assert False is await store.drop(ONE)
            assert "not-erased" in seen.what
            own.command("REPLICAOF", "NO", "ONE")
            await until_kept(store, clock)

    asyncio.run(main())


def test_f31_a_server_that_wants_a_password_is_left_alone(own: RedisServer) -> None:
    own.command("CONFIG", "SET", "requirepass", "open sesame")

    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(own.url, seen)) as store:
            first_slow_then_nothing(await timed(store, 200))
            assert ("failed", "NOAUTH") == (seen.events[0].what, seen.events[0].detail)
            assert "shut" in seen.what
        wrong = own.url.replace("//", "//:secret-word@")
        async with opened(redis_store(wrong, seen)) as store:
            assert None is await store.get(ONE)
        right = own.url.replace("//", "//:open%20sesame@")
        async with opened(redis_store(right, Seen())) as store:
            await until_kept(store, Wall())
        assert "secret-word" not in repr(seen.events)

    asyncio.run(main())


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def pretender(talk: Talk) -> AsyncIterator[str]:
    """Serve by ``talk``; end every connection with the server."""
    links: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links.append(writer)
        try:
            await talk(reader, writer)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        for link in links:
            link.close()
        await server.wait_closed()


def saying(reply: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(reply)
            await writer.drain()

    return talk


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "MOVED"),
        (b"-CLUSTERDOWN Hash slot not served\r\n", "CLUSTERDOWN"),
        (b"-NOPERM this user has no permissions to run the 'get' command\r\n", "NOPERM"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN"),
        (b"-ERR 447788450450 is not welcome\r\n", "ERR"),
    ],
)
def test_f31_a_server_that_refuses_everything_is_left_alone(reply: bytes, detail: str) -> None:
    async def main() -> None:
        seen = Seen()
        async with (
            pretender(saying(reply)) as url,
            opened(redis_store(url, seen, limit_s=0.2)) as store,
        ):
            spent = await timed(store, 100)
            assert median(spent[5:]) < 0.001
            assert detail == seen.events[0].detail
            assert ["failed" if detail == "LOADING" else "refused", "shut"] == seen.what

    asyncio.run(main())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"\x00\xff\xfe" * 50,
        b"*1\r\n" * 5_000,
        b"$99999999999\r\n",
        b"$-2\r\n",
        b"*-2\r\n",
        b":abc\r\n",
        b"*1000000000\r\n",
        b"\r\n",
        b"-\xff\xfe\r\n",
        b":42\r\n",
        b"+OK\r\n",
        b"*0\r\n",
    ],
)
def test_f33_a_server_that_speaks_nonsense_is_a_miss_and_a_trouble(reply: bytes) -> None:
    async def main() -> None:
        seen = Seen()
        async with (
            pretender(saying(reply)) as url,
            opened(redis_store(url, seen, limit_s=0.1)) as store,
        ):
            await timed(store, 12)
            assert {"failed", "garbage", "refused", "slow"} & set(seen.what)
            assert 2 == len(store._tasks)

    asyncio.run(main())


def test_f32_a_flushed_server_is_a_cold_cache_and_no_trouble(redis: RedisServer) -> None:
    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(redis.url, seen)) as store:
            for number in numbers(100):
                store.put(number, entry(), DAY)
            await written(store)
            redis.command("FLUSHALL")
            assert [None] * 100 == await asyncio.gather(*(map(store.get, numbers(100))))
            store.put(ONE, entry(), DAY)
            await written(store)
            assert entry() == await store.get(ONE)
            assert [] == seen.events

    asyncio.run(main())


def value_for(number: str, key: NumberKey = KEYED) -> bytes:
    name = key.name(number)  # type: ignore[arg-type] # of our own making
    obtained_ms, sealed = key.seal(name, entry())
    return b"\x01" + obtained_ms.to_bytes(8, "big") + sealed


def test_the_value_is_a_form_the_age_and_the_sealed_record(redis: RedisServer) -> None:
    """So that a host of another version knows what it finds."""
    redis.command("SET", KEY, value_for(ONE))

    async def main() -> None:
        async with opened(redis_store(redis.url, Seen())) as store:
            assert entry() == await store.get(ONE)

    asyncio.run(main())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"garbage",
        b"23415",
        b"\x01" + b"\x00" * 16,
        b"\x02" + value_for(ONE)[1:],
        value_for(ONE)[:-1],
        value_for(ONE) + b"\n",
        value_for(ONE).replace(b"23415", b"23410"),
        value_for(TWO),
        value_for(ONE, NumberKey.keyed(b"the secret of somebody else")),
        value_for(ONE) + b"x" * 300,
        b"x" * 1_000_000,
    ],
    ids=range(12),
)
def test_f33_a_hostile_value_is_a_miss_and_counted(redis: RedisServer, value: bytes) -> None:
    redis.command("SET", KEY, value)

    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(redis.url, seen)) as store:
            assert None is await store.get(ONE)
            assert ["garbage"] == seen.what
            assert store.available(0.0)

    asyncio.run(main())


def test_f33_a_key_of_the_wrong_type_is_a_miss_and_does_not_shut_the_gate(
    redis: RedisServer,
) -> None:
    redis.command("LPUSH", KEY, "x")

    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(redis.url, seen)) as store:
            for _ in range(10):
                assert None is await store.get(ONE)
            assert ["garbage"] == seen.what
            assert store.available(0.0)
            store.put(ONE, entry(), DAY)
            await written(store)
            assert entry() == await store.get(ONE)

    asyncio.run(main())


def test_f33_a_huge_value_holds_the_loop_up_for_no_longer_than_a_call_may_wait(
    own: RedisServer,
) -> None:
    own.command("CONFIG", "SET", "proto-max-bulk-len", "536870912")
    own.command("SETRANGE", KEY, "50000000", "x")

    async def main() -> None:
        async with opened(redis_store(own.url, Seen(), limit_s=LIMIT_S)) as store:
            loop, lags, going = asyncio.get_running_loop(), [], True

            async def watch() -> None:
                while going:
                    start = loop.time()
                    await asyncio.sleep(0.001)
                    lags.append(loop.time() - start)

            watching = asyncio.create_task(watch())
            for _ in range(5):
                assert None is await store.get(ONE)
            going = False
            await watching
            assert max(lags) < 0.25

    asyncio.run(main())


def test_a34_no_key_and_no_value_in_the_server_holds_a_number(redis: RedisServer) -> None:
    async def main() -> None:
        async with opened(redis_store(redis.url, Seen())) as store:
            for product in Product:
                store.put(ONE, entry(), DAY, product)

    asyncio.run(main())
    keys = re.findall(rb"dialdip:1:[a-z]+:[0-9a-f]{40}\r\n", redis.command("KEYS", "*"))
    assert 4 == len(keys)
    held = b"".join(keys) + b"".join(redis.command("GET", key.strip()) for key in keys)
    assert ONE.encode() not in held
    assert ONE[2:].encode() not in held


def test_an_entry_ends_by_itself(redis: RedisServer) -> None:
    async def main() -> None:
        async with opened(redis_store(redis.url, Seen())) as store:
            store.put(ONE, entry(), 100)

    asyncio.run(main())
    assert 90_000 < int(redis.command("PTTL", KEY).strip(b":\r\n")) <= 100_000


def test_what_was_purged_is_removed_when_it_is_next_asked_for(redis: RedisServer) -> None:
    async def main() -> None:
        async with opened(redis_store(redis.url, Seen())) as store:
            store.put(ONE, entry(NOW - 5), DAY)
            await written(store)
            await store.purge("npl", NOW - 50)
            assert None is await store.get(ONE)
            await written(store)

    asyncio.run(main())
    assert b"$-1\r\n" == redis.command("GET", KEY)


def test_the_documented_acl_is_enough_and_no_command_beyond_it_is_tried(own: RedisServer) -> None:
    line = re.search(r"^ACL SETUSER dialdip .*$", STORES.read_text(), re.MULTILINE)
    assert line is not None
    words = line.group().replace("PASSWORD", "open-sesame").split()
    assert b"+OK\r\n" == own.command(*words)
    link = own.url.replace("//", "//dialdip:open-sesame@")

    async def main() -> None:
        seen = Seen()
        async with opened(redis_store(link, seen)) as store:
            store.put(ONE, entry(NOW - 5), DAY)
            await written(store)
            assert entry(NOW - 5) == await store.get(ONE)
            assert await store.drop(ONE)
            await store.purge("npl", NOW - 10)
            await store.stats()
        assert [] == seen.events

    own.command("ACL", "LOG", "RESET")
    asyncio.run(main())
    assert b"*0\r\n" == own.command("ACL", "LOG")
    asyncio.run(intruder(link))


async def intruder(link: str) -> None:
    """The same account reaches neither other keys nor other commands."""
    wire = Wire(link, 2.0)
    replies = await wire.exchange([("GET", "other"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG",)])
    await wire.close()
    assert ["NOPERM"] * 3 == [reply.status_code for reply in replies[:3]]


def test_a_server_behind_a_unix_socket_does_as_well(redis: RedisServer) -> None:
    async def main() -> None:
        async with opened(redis_store(f"unix://{redis.unix}", Seen())) as store:
            await until_kept(store, Wall())

    asyncio.run(main())


def test_three_hundred_questions_cancelled_at_any_moment_mix_up_no_answers(
    redis: RedisServer,
) -> None:
    asked = numbers(300)

    async def main() -> None:
        async with opened(redis_store(redis.url, Seen())) as store:
            for index, number in enumerate(asked):
                store.put(number, entry(NOW - index), DAY)
            await written(store)
            for index, number in enumerate(asked):
                gone = asyncio.create_task(store.get(number))
                for _ in range(index % 7):
                    await asyncio.sleep(0)
                gone.cancel()
                after = (index + 1) % 300
                assert entry(NOW - after) == await store.get(asked[after])

    asyncio.run(main())


def test_an_answer_that_comes_too_late_reaches_no_other_question() -> None:
    async def main() -> None:
        seen, too_late, links = Seen(), asyncio.Event(), 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal links
            links += 1
            first = links == 1
            while await reader.read(65_536):
                if first:
                    await too_late.wait()
                    value = value_for(ONE)
                    writer.write(b"$%d\r\n%b\r\n" % (len(value), value))
                else:
                    writer.write(b"$-1\r\n")

        async with (
            pretender(talk) as url,
            opened(redis_store(url, seen, limit_s=0.1)) as store,
        ):
            assert 1 == links
            too_late.set()
            assert None is await store.get(TWO)
            assert 2 == links
            assert "garbage" not in seen.what

    asyncio.run(main())


def test_nothing_is_said_to_a_server_but_the_question() -> None:
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            heard.append(data)
            writer.write(b"$-1\r\n")

    async def main() -> None:
        async with pretender(talk) as url, opened(redis_store(url, Seen())) as store:
            assert None is await store.get(ONE)

    asyncio.run(main())
    assert b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(KEY), KEY) == heard[1]
    assert [True, True] == [data.startswith(b"*2\r\n$3\r\nGET\r\n") for data in heard]


def test_plain_numbers_and_what_is_no_address_are_refused_without_quoting_it() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="key"):
            redis_store("redis://127.0.0.1:1/0", Seen(), numbers=PLAIN)
        for wrong in (
            "http://x",
            "redis://:secret-word/9@h:1",
            "redis://h/?socket_timeout=secret-word",
        ):
            with pytest.raises(ValueError) as fault:
                redis_store(wrong, Seen())
            assert "secret-word" not in str(fault.value)

    asyncio.run(main())


def test_a_store_whose_task_broke_is_closed_and_says_so(redis: RedisServer) -> None:
    class Broken(Wire):
        async def exchange(self, commands: object) -> list[object]:
            del commands
            raise LookupError

    async def main() -> None:
        seen = Seen()
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        store = redis_store(redis.url, seen, limit_s=0.05)
        store._reading = Broken(redis.url, 1.0)
        async with opened(store):
            assert None is await store.get(ONE)
            assert ("failed", "ended") == (seen.events[0].what, seen.events[0].detail)
            assert not store.available(0.0)

    asyncio.run(main())
