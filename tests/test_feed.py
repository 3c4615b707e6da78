"""The decisions feed between router and noc, over a real Unix socket, both ends ours."""

from __future__ import annotations

import asyncio
import math
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agi import feed
from agi.ami.decided import Decided, Hopped
from agi.errors import UsageError
from agi.feed import LENGTH, MAX_BATCH, MAX_BATCH_BYTES, PREAMBLE, Feed
from agi.model import Action, Decision, Hop, Mccmnc, NumberInfo, Source
from agi.noc.feed_door import FeedDoor

NOW = 1_795_231_889.0


def decision(number: int) -> Decision:
    return Decision(
        id=f"00000000-{number:06x}",
        action=Action.ROUTE,
        hops=(
            Hop("uk-a", "trunk-a", "PJSIP", "+447788450450", 45),
            Hop("uk-b", "trunk-b", "PJSIP", "+447788450450", 45),
        ),
        cause=None,
        source=Source.LIVE,
        reason="ok",
        rule="default",
        table="000001-1a2b3c4d",
        info=NumberInfo(Mccmnc("23415")),
        age_s=0.0,
        country="GB",
        line=None,
    )


class Ear:
    """Who hears decisions, and can be waited for."""

    def __init__(self) -> None:
        self.records: list[Decided] = []
        self._more = asyncio.Event()

    def take(self, record: Decided) -> None:
        self.records.append(record)
        self._more.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.records) < count:
                self._more.clear()
                await self._more.wait()

    @property
    def numbers(self) -> list[int]:
        return [int(record.id.partition("-")[2], 16) for record in self.records]


class Watched:
    """A router's feed whose comings and goings can be waited for."""

    def __init__(
        self, path: Path, *, most: int = feed.MOST, wall: Callable[[], float] = lambda: NOW
    ) -> None:
        self._states: asyncio.Queue[str] = asyncio.Queue()
        self.feed = Feed(path, wall=wall, on_state=self._states.put_nowait, most=most)

    async def state(self) -> str:
        async with asyncio.timeout(10):
            return await self._states.get()


@asynccontextmanager
async def door(path: Path, ear: Ear) -> AsyncIterator[FeedDoor]:
    opened = FeedDoor(path, ear.take)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is taken a second time tells nobody
            await asyncio.sleep(0)


def socket_of(directory: Path) -> Path:
    return feed.path_of(directory)


def test_a_decision_arrives_whole_and_without_a_number(tmp_path: Path) -> None:
    async def main() -> None:
        ear, router = Ear(), Watched(socket_of(tmp_path))
        async with door(socket_of(tmp_path), ear):
            router.feed.start()
            router.feed.note("1795231889.102", decision(7), 0.004)
            await ear.until(1)
            await router.feed.stop()
        expected = Decided(
            "00000000-000007",
            "1795231889.102",
            NOW,
            0.004,
            "GB",
            "23415",
            (Hopped("uk-a", "trunk-a", "PJSIP"), Hopped("uk-b", "trunk-b", "PJSIP")),
        )
        assert [expected] == ear.records
        assert b"7788450450" not in msgspec.msgpack.encode(ear.records)

    asyncio.run(main())


def test_what_was_decided_before_noc_came_is_told_in_its_order(tmp_path: Path) -> None:
    async def main() -> None:
        ear, router = Ear(), Watched(socket_of(tmp_path))
        for number in range(3 * MAX_BATCH + 1):
            router.feed.note("1.1", decision(number), 0.001)
        router.feed.start()
        async with door(socket_of(tmp_path), ear):
            await ear.until(3 * MAX_BATCH + 1)
            await router.feed.stop()
        assert list(range(3 * MAX_BATCH + 1)) == ear.numbers
        assert 0 == router.feed.dropped

    asyncio.run(main())


def test_a_noc_that_comes_back_is_told_again_what_is_kept(tmp_path: Path) -> None:
    """It may have died with what it had read; one that only lost the wire knows it by the id."""

    async def main() -> None:
        router, first, second = Watched(socket_of(tmp_path)), Ear(), Ear()
        async with door(socket_of(tmp_path), first):
            router.feed.start()
            router.feed.note("1.1", decision(1), 0.001)
            await first.until(1)
        assert "connected" == await router.state()
        assert "gone" == await router.state()
        router.feed.note("1.2", decision(2), 0.001)
        async with door(socket_of(tmp_path), second):
            await second.until(2)
            await router.feed.stop()
        assert [1] == first.numbers
        assert [1, 2] == second.numbers

    asyncio.run(main())


def test_what_is_told_twice_is_taken_once(tmp_path: Path) -> None:
    async def main() -> None:
        ear, path = Ear(), socket_of(tmp_path)
        async with door(path, ear) as opened:
            for _ in range(2):
                router = Watched(path)
                router.feed.note("1.1", decision(1), 0.001)
                router.feed.note("1.2", decision(2), 0.001)
                router.feed.start()
                assert "connected" == await router.state()
                await router.feed.stop()
            await until(lambda: opened.repeated >= 2)
        assert [1, 2] == ear.numbers
        assert (2, 2) == (opened.told, opened.repeated)

    asyncio.run(main())


def test_without_noc_the_newest_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    async def main() -> None:
        ear, router = Ear(), Watched(socket_of(tmp_path), most=10)
        for number in range(25):
            router.feed.note("1.1", decision(number), 0.001)
        router.feed.start()
        async with door(socket_of(tmp_path), ear):
            await ear.until(10)
            await router.feed.stop()
        assert list(range(15, 25)) == ear.numbers
        assert 15 == router.feed.dropped

    asyncio.run(main())


def test_what_is_older_than_ten_minutes_is_not_told(tmp_path: Path) -> None:
    async def main() -> None:
        now = [NOW]
        ear, router = Ear(), Watched(socket_of(tmp_path), wall=lambda: now[0])
        router.feed.note("1.1", decision(1), 0.001)
        await until(lambda: not router.feed._fresh)  # it is a record by now
        now[0] += 601.0
        router.feed.note("1.2", decision(2), 0.001)
        router.feed.start()
        async with door(socket_of(tmp_path), ear):
            await ear.until(1)
            await router.feed.stop()
        assert [2] == ear.numbers
        assert 1 == router.feed.dropped

    asyncio.run(main())


def test_a_noc_that_does_not_read_costs_the_router_nothing_but_what_is_kept(
    tmp_path: Path,
) -> None:
    """F48: what it does not take stays bounded, and calls never wait."""

    async def main() -> None:
        path = socket_of(tmp_path)
        path.parent.mkdir()
        stalled: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

        async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            del reader
            writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport both ways
            stalled.set_result(writer)

        server = await asyncio.start_unix_server(never_reads, path, limit=1024)
        router = Watched(path, most=1_000)
        router.feed.start()
        noc = await stalled
        count = 0
        async with asyncio.timeout(30):
            while not router.feed.dropped:
                for _ in range(500):
                    router.feed.note("1.1", decision(count), 0.001)
                    count += 1
                await asyncio.sleep(0.001)
        assert router.feed.waiting <= 1_000 + 500
        await router.feed.stop()
        noc.close()
        server.close()

    asyncio.run(main())


def test_the_last_decisions_of_a_router_that_ends_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        ear, router = Ear(), Watched(socket_of(tmp_path))
        async with door(socket_of(tmp_path), ear):
            router.feed.start()
            assert "connected" == await router.state()
            router.feed.note("1.1", decision(1), 0.001)
            await router.feed.stop()
            await ear.until(1)
        assert [1] == ear.numbers

    asyncio.run(main())


def batch(at: float, seconds: float) -> bytes:
    data = msgspec.msgpack.encode([Decided("i", "1.1", at, seconds, "", "", ())])
    return PREAMBLE + LENGTH.pack(len(data)) + data


BATCH = msgspec.msgpack.encode([Decided("i", "1.1", NOW, 0.1, "", "", ())])


_NO_TIMES = ("no time", "no end", "before all time", "no duration", "before it began")


@pytest.mark.parametrize(
    "wrong",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"dialdip decisions 2\n",
        PREAMBLE + LENGTH.pack(MAX_BATCH_BYTES + 1),
        PREAMBLE + LENGTH.pack(3) + b"\x93\x01\x02",
        PREAMBLE + LENGTH.pack(1) + b"\x07",
        batch(math.nan, 0.1),
        batch(math.inf, 0.1),
        batch(-1.0, 0.1),
        batch(NOW, math.nan),
        batch(NOW, -0.1),
    ],
    ids=["http", "another version", "too long", "torn", "no list", *_NO_TIMES],
)
def test_what_is_no_feed_is_cut_and_counted(tmp_path: Path, wrong: bytes) -> None:
    async def main() -> None:
        ear = Ear()
        async with door(socket_of(tmp_path), ear) as opened, asyncio.timeout(10):
            reader, writer = await asyncio.open_unix_connection(socket_of(tmp_path))
            writer.write(wrong)
            assert b"" == await _to_end(reader)
            assert 1 == opened.faults
            assert 0 == opened.connections
            writer.close()
        assert [] == ear.records

    asyncio.run(main())


async def _to_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_a_feed_is_understood_however_its_bytes_are_cut(tmp_path: Path) -> None:
    whole = PREAMBLE + LENGTH.pack(len(BATCH)) + BATCH

    async def main() -> None:
        ear = Ear()
        async with door(socket_of(tmp_path), ear) as opened:
            _, writer = await asyncio.open_unix_connection(socket_of(tmp_path))
            for byte in whole:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            await ear.until(1)
            assert 0 == opened.faults
            writer.close()

    asyncio.run(main())


def test_the_door_is_for_its_own_user_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with door(socket_of(tmp_path), Ear()):
            assert 0o600 == stat.S_IMODE(socket_of(tmp_path).stat().st_mode)

    asyncio.run(main())


def test_a_second_noc_on_one_state_directory_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with door(socket_of(tmp_path), Ear()):
            with pytest.raises(UsageError, match="another noc runs with this state directory"):
                await FeedDoor(socket_of(tmp_path), lambda _: None).start()

    asyncio.run(main())


def test_the_socket_that_a_killed_noc_left_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        path = socket_of(tmp_path)
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
        async with door(path, Ear()) as opened:
            assert 0 == opened.connections

    asyncio.run(main())


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="too long for a socket"):
            await FeedDoor(tmp_path / ("x" * 120), lambda _: None).start()
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="state_directory"):
            await FeedDoor(tmp_path / "file" / "run" / "a.sock", lambda _: None).start()

    asyncio.run(main())


def test_ids_are_remembered_to_a_bound(tmp_path: Path) -> None:
    async def main() -> None:
        ear = Ear()
        opened = FeedDoor(socket_of(tmp_path), ear.take, remembered=2)
        records = [Decided(str(n), "1.1", NOW, 0.1, "", "", ()) for n in range(3)]
        opened.heard(records)
        opened.heard(records[2:])
        opened.heard(records[:1])
        assert ["0", "1", "2", "0"] == [record.id for record in ear.records]
        assert 1 == opened.repeated

    asyncio.run(main())
