"""The hop over real sockets: a router's link, a dipper's door, and peers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from agi.errors import UsageError
from agi.lookup import door as doors
from agi.lookup.door import DipperDoor
from agi.lookup.frames import (
    Drop,
    Frame,
    FrameReader,
    Gossip,
    Hello,
    Ping,
    Pong,
    Purge,
    asked,
    found,
    write,
)
from agi.lookup.link import NO_DIPPER, SHED, TIMEOUT, DipperLink
from agi.model import Finding, Inquiry, Live, Mccmnc, Msisdn, NumberInfo, Source

ONE = Msisdn("447788450450")
TWO = Msisdn("447810701702")
KNOWN = Finding(Source.STORE, "ok", NumberInfo(Mccmnc("23415"), Live.LIVE), 3.0)
PATIENCE_S = 10.0


class Answers:
    """A dipper's pipeline: knows everything, or answers when the test says so."""

    def __init__(self) -> None:
        self.held: dict[Msisdn, asyncio.Future[Finding]] = {}
        self.asked: asyncio.Queue[Inquiry] = asyncio.Queue()

    def hold(self, number: Msisdn) -> asyncio.Future[Finding]:
        self.held[number] = asyncio.get_running_loop().create_future()
        return self.held[number]

    async def find(self, inquiry: Inquiry) -> Finding:
        self.asked.put_nowait(inquiry)
        held = self.held.get(inquiry.number)
        return KNOWN if held is None else await held


class Router:
    """A link whose states and orders are kept for the test."""

    def __init__(self, path: Path, **terms: Any) -> None:
        self.states: asyncio.Queue[str] = asyncio.Queue()
        self.orders: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self.heard: asyncio.Queue[tuple[tuple[str, float], ...]] = asyncio.Queue()
        self.link = DipperLink(
            path,
            clock=time.monotonic,
            on_gossip=lambda counts: self.heard.put_nowait(tuple(counts)),
            on_purge=lambda name, back_s: self.orders.put_nowait((name, back_s)),
            on_drop=lambda number: self.orders.put_nowait((number, 0.0)),
            on_state=self.states.put_nowait,
            **terms,
        )

    async def state(self, wanted: str, within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while wanted != await self.states.get():
                pass

    async def find(self, number: Msisdn = ONE, within_s: float = PATIENCE_S) -> Finding:
        return await self.link.find(Inquiry(number, time.monotonic() + within_s))


@contextlib.asynccontextmanager
async def opened(path: Path, finder: Answers | None = None) -> AsyncIterator[DipperDoor]:
    door = DipperDoor(path, finder or Answers(), clock=time.monotonic, generation=7)
    await door.start()
    try:
        yield door
    finally:
        await door.close()


@contextlib.asynccontextmanager
async def linked(path: Path, **terms: Any) -> AsyncIterator[Router]:
    router = Router(path, **terms)
    router.link.start()
    try:
        yield router
    finally:
        await router.link.close()


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until a count of the code under test, which calls nobody, is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - a count sets no event
            await asyncio.sleep(0.001)


class Stranger:
    """Somebody who speaks, or keeps silent, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = FrameReader()
        self._heard: list[Frame] = []

    async def hear(self) -> Frame | None:
        """Return the next frame; None at the end."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._heard:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._heard = self._frames.feed(data)
        return self._heard.pop(0)

    def say(self, *frames: Frame) -> None:
        buffer = bytearray()
        for frame in frames:
            write(buffer, frame)
        self.writer.write(bytes(buffer))

    async def end(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def knocking(path: Path) -> AsyncIterator[Stranger]:
    stranger = Stranger(*await asyncio.open_unix_connection(str(path)))
    try:
        yield stranger
    finally:
        await stranger.end()


@contextlib.asynccontextmanager
async def false_dipper(path: Path) -> AsyncIterator[asyncio.Queue[Stranger]]:
    """A listener whose connections the test itself answers."""
    came: asyncio.Queue[Stranger] = asyncio.Queue()
    strangers: list[Stranger] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strangers.append(Stranger(reader, writer))
        came.put_nowait(strangers[-1])

    server = await asyncio.start_unix_server(take, str(path))
    try:
        yield came
    finally:
        server.close()
        for stranger in strangers:
            await stranger.end()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "run" / "dip.sock"
    if len(os.fsencode(place)) > 107:
        pytest.fail("the temporary directory's name is too long for a socket: use --basetemp")
    return place


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(bounded())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_router_gets_the_dippers_answer(path: Path, loop: Callable[[], Any]) -> None:
    async def main() -> None:
        finder = Answers()
        async with opened(path, finder) as door, linked(path) as router:
            await router.state("connected")
            asked_ = Inquiry(ONE, time.monotonic() + 5, "GB", max_age_s=60.0)
            assert KNOWN == await router.link.find(asked_)
            assert asked_ == await finder.asked.get()
            assert 1 == door.connections
            assert router.link.peer == Hello(3, os.getpid(), 7)
            assert 0 == router.link.pending

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def test_answers_come_in_the_order_in_which_they_are_found(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        slow = finder.hold(ONE)
        async with opened(path, finder), linked(path) as router:
            await router.state("connected")
            first = asyncio.create_task(router.find(ONE))
            assert KNOWN == await router.find(TWO)
            assert not first.done()
            slow.set_result(Finding(Source.LIVE, "ok"))
            assert Finding(Source.LIVE, "ok") == await first

    run(main)


def test_without_a_dipper_the_answer_comes_at_once(path: Path) -> None:
    async def main() -> None:
        async with linked(path) as router:
            begun = time.monotonic()
            assert NO_DIPPER == await router.find()
            assert time.monotonic() - begun < 0.5

    run(main)


def test_a_router_tries_again_with_growing_pauses_until_a_dipper_comes(path: Path) -> None:
    async def main() -> None:
        tries: asyncio.Queue[None] = asyncio.Queue()

        def draw() -> float:
            tries.put_nowait(None)
            return 0.0

        async with linked(path, draw=draw) as router:
            begun = time.monotonic()
            for _ in range(10):
                await tries.get()
            # Half of 5, 7.5, 11, 17, 25, 38, 57, 85 and 128 ms: the dice gave the shortest pauses.
            assert 0.18 < time.monotonic() - begun < 5.0
            async with opened(path):
                await router.state("connected", within_s=1.0)

    run(main)


def test_a_dipper_that_comes_or_comes_back_is_found_within_a_second(path: Path) -> None:
    async def main() -> None:
        async with linked(path) as router:
            assert NO_DIPPER == await router.find()
            for _ in range(2):
                async with opened(path):
                    await router.state("connected", within_s=1.0)
                    assert KNOWN == await router.find()
                await router.state("gone")

    run(main)


def test_what_waits_on_a_lost_connection_is_answered_at_once(path: Path) -> None:
    async def main() -> None:
        async with false_dipper_of(path) as came, linked(path) as router:
            dipper = await came.get()
            dipper.say(Hello(3, 1, 1))
            await router.state("connected")
            waiting = asyncio.create_task(router.find())
            assert isinstance(await dipper.hear(), Hello)
            await dipper.hear()
            dipper.writer.transport.abort()
            begun = time.monotonic()
            assert NO_DIPPER == await waiting
            assert time.monotonic() - begun < 1.0

    run(main)


@contextlib.asynccontextmanager
async def false_dipper_of(path: Path) -> AsyncIterator[asyncio.Queue[Stranger]]:
    path.parent.mkdir()
    async with false_dipper(path) as came:
        yield came


def test_an_answer_never_comes_later_than_the_deadline_less_the_reserve(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        finder.hold(ONE)
        async with opened(path, finder), linked(path, reserve_s=0.1) as router:
            await router.state("connected")
            begun = time.monotonic()
            assert TIMEOUT == await router.find(within_s=0.4)
            took = time.monotonic() - begun
            assert 0.28 < took < 0.4, took  # 10 ms early at most; the rest is the machine's
            assert TIMEOUT == await router.find(within_s=0.1)  # nothing is left: not even asked
            assert 0 == router.link.pending

    run(main)


def test_a_deadline_before_the_next_sweep_is_kept_too(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        finder.hold(ONE)
        async with opened(path, finder), linked(path, reserve_s=0.0) as router:
            await router.state("connected")
            waiting = asyncio.create_task(router.find(within_s=5.0))
            await finder.asked.get()
            hasty = asyncio.create_task(router.find(TWO, within_s=0.004))
            await asyncio.sleep(0)  # it has asked
            assert router.link._sweep_at - time.monotonic() < 0.005
            assert await hasty in {TIMEOUT, KNOWN}
            waiting.cancel()

    run(main)


def test_an_answer_that_comes_too_late_is_counted_and_hurts_nobody(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        late = finder.hold(ONE)
        async with opened(path, finder), linked(path) as router:
            await router.state("connected")
            assert TIMEOUT == await router.find(within_s=0.1)
            late.set_result(KNOWN)
            assert KNOWN == await router.find(TWO)
            await until(lambda: router.link.late == 1)

    run(main)


def test_a_caller_who_gives_up_leaves_no_trace(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        held = finder.hold(ONE)
        async with opened(path, finder) as door, linked(path) as router:
            await router.state("connected")
            waiting = asyncio.create_task(router.find())
            await finder.asked.get()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            assert (0, 1) == (router.link.pending, door.asks)
            held.set_result(KNOWN)
            await until(lambda: door.asks == 0)

    run(main)


def test_too_many_questions_are_shed_at_once(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        held = finder.hold(ONE)
        async with opened(path, finder), linked(path, max_pending=2) as router:
            await router.state("connected")
            waiting = [asyncio.create_task(router.find()) for _ in range(2)]
            await finder.asked.get()
            assert SHED == await router.find(TWO)
            held.set_result(KNOWN)
            assert [KNOWN, KNOWN] == [await one for one in waiting]
            assert KNOWN == await router.find(TWO)

    run(main)


def test_a_silent_dipper_costs_a_second_once_and_then_nobody_anything(path: Path) -> None:
    async def main() -> None:
        async with false_dipper_of(path) as came, linked(path) as router:
            dipper = await came.get()
            dipper.say(Hello(3, 1, 1))
            await router.state("connected")
            begun = time.monotonic()
            assert NO_DIPPER == await router.find(within_s=60.0)  # it was stalled meanwhile
            assert 0.7 < time.monotonic() - begun < 5.0
            assert "stalled" == router.link.state
            begun = time.monotonic()
            assert NO_DIPPER == await router.find(within_s=60.0)
            assert time.monotonic() - begun < 0.5
            while not isinstance(await dipper.hear(), Ping):
                pass
            dipper.say(Pong())
            await router.state("connected")

    run(main)


def test_a_dipper_that_does_not_read_is_stalled_before_the_memory_fills(path: Path) -> None:
    async def main() -> None:
        async with false_dipper_of(path) as came, linked(path, max_pending=100_000) as router:
            dipper = await came.get()
            dipper.reader._transport.pause_reading()  # type: ignore[attr-defined] # as frozen
            dipper.say(Hello(3, 1, 1))
            await router.state("connected")
            asks = [asyncio.create_task(router.find(within_s=60.0)) for _ in range(50_000)]
            await router.state("stalled")
            assert router.link._missed <= 4  # not by its silence, which takes longer
            assert {NO_DIPPER} == set(await asyncio.gather(*asks))

    run(main)


@pytest.mark.parametrize(
    "said",
    [
        struct.pack(">I", 1 << 20),
        struct.pack(">I", 1) + b"\xc1",
        b"\0\0\0\x02\x91\x06",  # a Pong before the Hello
        b"\0\0\0\x05\x94\x00\x01\x01\x01",  # a Hello of version 1
    ],
)
def test_a_peer_that_speaks_something_else_is_cut_and_counted(path: Path, said: bytes) -> None:
    async def main() -> None:
        async with false_dipper_of(path) as came, linked(path) as router:
            dipper = await came.get()
            dipper.writer.write(said)
            await until(lambda: router.link.faults == 1)
            assert NO_DIPPER == await router.find()
        async with opened(path) as door, knocking(path) as router_:
            router_.writer.write(said)
            await until(lambda: door.faults == 1)
            assert 0 == door.connections

    run(main)


def test_purges_and_drops_reach_every_router_and_those_that_come_soon_after(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as door, linked(path) as one, linked(path) as two:
            for router in (one, two):
                await router.state("connected")
            await until(lambda: sum(wire.welcome for wire in door._wires) == 2)
            door.broadcast(Purge("npl", 600.0))
            door.broadcast(Drop(ONE))
            for router in (one, two):
                assert ("npl", 600.0) == await router.orders.get()
                assert (ONE, 0.0) == await router.orders.get()
            async with linked(path) as late:
                name, back_s = await late.orders.get()
                assert ("npl", True) == (name, 600.0 <= back_s < 630.0)
                assert (ONE, 0.0) == await late.orders.get()

    run(main)


def test_a_router_that_leaves_does_not_end_what_it_asked(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        held = finder.hold(ONE)
        async with opened(path, finder) as door:
            async with linked(path) as router:
                await router.state("connected")
                asking = asyncio.create_task(router.find())
                await finder.asked.get()
            assert NO_DIPPER == await asking
            await until(lambda: door.connections == 0)
            assert 1 == door.asks
            held.set_result(KNOWN)
            await until(lambda: door.asks == 0)

    run(main)


def test_a_router_that_does_not_read_is_cut_before_the_memory_fills(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as door, knocking(path) as router:
            router.reader._transport.pause_reading()  # type: ignore[attr-defined] # as if frozen
            router.say(Hello(3, 1, 1))
            ask = asked(1, Inquiry(ONE, time.monotonic() + 60))
            while door.slow == 0:
                router.say(*[ask] * 1_000)
                await asyncio.sleep(0)
            await until(lambda: door.connections == 0)

    run(main)


def test_only_so_many_routers_come_in(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as door, contextlib.AsyncExitStack() as stack:
            for _ in range(doors.MAX_ROUTERS):
                router = await stack.enter_async_context(knocking(path))
                assert isinstance(await router.hear(), Hello)
            one_more = await stack.enter_async_context(knocking(path))
            assert await one_more.hear() is None
            assert (1, doors.MAX_ROUTERS) == (door.refused, door.connections)

    run(main)


def test_who_connects_and_says_nothing_is_cut(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as door, knocking(path) as router:
            assert isinstance(await router.hear(), Hello)
            assert await router.hear() is None
            assert 0 == door.connections

    run(main)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_only_the_services_own_user_and_root_come_in() -> None:
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "print(len(s.recv(100)))"
    )

    async def knock_as(uid: int, at: Path) -> bytes:
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-c", script, str(at), user=uid, stdout=-1, stderr=-1, cwd="/"
        )
        assert process.stdout is not None
        said = await process.stdout.read()
        await process.wait()
        return said.strip()

    async def main(at: Path) -> None:
        async with opened(at) as door:
            at.parent.chmod(0o711)  # the modes would turn them away before we do
            at.chmod(0o666)  # noqa: ASYNC240 - a file in memory
            await knock_as(65_534, at)
            assert (1, 0) == (door.refused, door.connections)
            assert 0 < int(await knock_as(0, at))

    with tempfile.TemporaryDirectory() as place:  # pytest's own is closed to others further up
        Path(place).chmod(0o711)
        run(partial(main, Path(place) / "run" / "dip.sock"))


def test_the_door_is_for_its_owner_alone(path: Path) -> None:
    async def main() -> None:
        async with opened(path):
            assert (0o600, 0o700) == (mode(path), mode(path.parent))

    def mode(place: Path) -> int:
        return place.stat().st_mode & 0o777

    run(main)
    assert not path.exists()


def test_a_second_dipper_is_refused_and_a_killed_one_succeeded(path: Path) -> None:
    async def main() -> None:
        async with opened(path):
            with pytest.raises(UsageError, match="another dipper runs"):
                await DipperDoor(path, Answers(), clock=time.monotonic).start()
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
            killed.listen()
        async with opened(path), linked(path) as router:
            await router.state("connected")

    run(main)


def test_a_file_in_the_way_is_left_alone(path: Path) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="is no socket"):
            await DipperDoor(path, Answers(), clock=time.monotonic).start()

    path.parent.mkdir()
    path.write_text("somebody's notes")
    run(main)
    assert "somebody's notes" == path.read_text()


def test_a_path_that_cannot_be_a_socket_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="too long for a socket"):
            await DipperDoor(tmp_path / ("x" * 108), Answers(), clock=time.monotonic).start()
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="state_directory"):
            await DipperDoor(tmp_path / "file/s", Answers(), clock=time.monotonic).start()

    run(main)


def test_a_lookup_that_raises_is_reported_and_answered(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        finder.hold(ONE).set_exception(ValueError("a fault of ours"))
        said: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: said.append(what))
        async with opened(path, finder), linked(path) as router:
            await router.state("connected")
            assert NO_DIPPER == await router.find()
            assert ["a lookup raised"] == [what["message"] for what in said]

    run(main)


def test_beyond_what_the_dipper_can_hold_questions_are_shed(path: Path) -> None:
    async def main() -> None:
        finder = Answers()
        held = finder.hold(ONE)
        async with opened(path, finder) as door, knocking(path) as router:
            router.say(Hello(3, 1, 1))
            assert isinstance(await router.hear(), Hello)
            deadline = time.monotonic() + 60
            router.say(*(asked(n, Inquiry(ONE, deadline)) for n in range(doors.MAX_ASKS + 1)))
            assert found(doors.MAX_ASKS, SHED) == await router.hear()
            assert doors.MAX_ASKS == door.asks
            held.cancel()

    run(main)


def test_what_a_router_counted_is_told_to_the_others_and_not_to_itself(path: Path) -> None:
    async def main() -> None:
        async with opened(path), linked(path) as one, linked(path) as two, linked(path) as three:
            for router in (one, two, three):
                await router.state("connected")
            one.link.tell([("block customer 88213", 3.0)])
            two.link.tell([("number customer 88213", 1.0)])
            async with asyncio.timeout(PATIENCE_S):
                assert (("block customer 88213", 3.0),) == await two.heard.get()
                assert (("number customer 88213", 1.0),) == await one.heard.get()
                both = {await three.heard.get(), await three.heard.get()}
            assert 2 == len(both)
            assert one.heard.empty()
            assert two.heard.empty()

    run(main)


def test_without_a_dipper_counts_are_told_to_nobody(path: Path) -> None:
    async def main() -> None:
        async with linked(path) as router:
            router.link.tell([("a", 1.0)] * 5_000)
            async with opened(path):
                await router.state("connected")
                assert KNOWN == await router.find()
            assert router.heard.empty()

    run(main)


def test_counts_before_a_greeting_cut_the_wire(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as door, knocking(path) as stranger:
            assert isinstance(await stranger.hear(), Hello)
            stranger.say(Gossip((("a", 1.0),)))
            assert await stranger.hear() is None
            assert 1 == door.faults

    run(main)
