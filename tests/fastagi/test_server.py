"""The FastAGI port on real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from ipaddress import ip_network
from typing import Any

import pytest
import uvloop

from agi.errors import RemoteProtocolError
from agi.fastagi.protocol import Environment
from agi.fastagi.server import Closed, Ending, Limits, Prepared, Server, listen
from tests.fastagi.wire import environment

DEFAULTS = Limits()
LINE = b'SET VARIABLE ARRAY(A,CARRIER_COMMIT) "1,1795231889.102"\n'


class Recorder:
    """An application that answers as told and keeps what was reported."""

    def __init__(
        self, answer: Callable[[], Prepared | Awaitable[Prepared]] = lambda: Prepared(LINE, "call")
    ) -> None:
        self.answer = answer
        self.events: asyncio.Queue[Closed] = asyncio.Queue()
        self.errors: list[BaseException] = []
        self.asked: asyncio.Queue[Environment] = asyncio.Queue()

    def __call__(self, environment: Environment, accepted: float) -> Prepared | Awaitable[Prepared]:
        assert accepted > 0
        self.asked.put_nowait(environment)
        return self.answer()

    def closed(self, event: Closed) -> None:
        self.events.put_nowait(event)

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)


class Rig:
    """A server on a free port, and plain clients for it."""

    def __init__(self, application: Recorder, limits: Limits, allow: str) -> None:
        self.application = application
        self.server = Server(
            application,
            limits=limits,
            allow=[ip_network(allow)],
            loop=asyncio.get_running_loop(),
        )

    async def start(self) -> None:
        self.host, self.port = await self.server.start(listen("127.0.0.1", 0))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port)

    async def ended(self) -> Closed:
        return await asyncio.wait_for(self.application.events.get(), 5)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    def start(
        test: Callable[[Rig], Coroutine[Any, Any, None]],
        application: Callable[[], Recorder] = Recorder,
        limits: Limits = DEFAULTS,
        allow: str = "127.0.0.0/8",
    ) -> None:
        async def main() -> None:
            rig = Rig(application(), limits, allow)
            await rig.start()
            try:
                await asyncio.wait_for(test(rig), 10)
            finally:
                await rig.server.drain(0.1)

        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    return start


async def call(rig: Rig, *segments: bytes) -> bytes:
    """Send an environment as Asterisk does; return what the server wrote before its half-close."""
    reader, writer = await rig.connect()
    for segment in segments or (environment(),):
        writer.write(segment)
        await writer.drain()
    told = await reader.read()
    if told:
        writer.write(b"200 result=1\nHANGUP\n")
        await writer.drain()
    writer.close()
    return told


def test_a_call_gets_one_line_then_the_half_close(run: Callable[..., None]) -> None:
    async def test(rig: Rig) -> None:
        assert await call(rig) == LINE
        event = await rig.ended()
        assert (Ending.COMMITTED, "", "call") == (event.ending, event.kind, event.call)
        assert 0 <= event.seconds < 1
        assert 0 == rig.server.connections

    run(test)


def test_the_environment_may_come_in_any_number_of_segments(run: Callable[..., None]) -> None:
    async def test(rig: Rig) -> None:
        whole = environment()
        assert await call(rig, *(whole[i : i + 100] for i in range(0, len(whole), 100))) == LINE

    run(test)


def test_a_commit_that_asterisk_did_not_confirm_is_not_counted_as_one(
    run: Callable[..., None],
) -> None:
    async def test(rig: Rig) -> None:
        for reply, ending, kind in (
            (b"", Ending.NO_REPLY, ""),
            (b"HANGUP\n", Ending.NO_REPLY, ""),
            (b"200 result=0\n", Ending.BAD_REPLY, "200"),
            (b"510 Invalid or unknown command\n", Ending.BAD_REPLY, "510"),
            (b"520-Usage\nx\n520 End of proper usage.\n", Ending.BAD_REPLY, "520"),
            (b"agi_context: forged\n", Ending.BAD_REPLY, "bad-reply"),
            (b"HANGUP\n511 Command Not Permitted on a dead channel\n", Ending.BAD_REPLY, "511"),
            (b"100 result=0 Trying...\nHANGUP\n200 result=1\n", Ending.COMMITTED, ""),
        ):
            reader, writer = await rig.connect()
            writer.write(environment())
            assert await reader.read() == LINE
            writer.write(reply)
            writer.close()
            event = await rig.ended()
            assert (ending, kind) == (event.ending, event.kind), reply

    run(test)


@pytest.mark.parametrize(
    ("wire", "ending", "kind"),
    [
        (b"", Ending.CLOSED, ""),
        (b"GET / HTTP/1.0\r\n\r\n", Ending.REFUSED, "not-agi"),
        (environment(callerid=b"1\nagi_arg_1: EVIL"), Ending.REFUSED, "unknown-order"),
        (environment() + b"agi_context: x\n", Ending.REFUSED, "trailing-bytes"),
        (environment() + b"HANGUP\n", Ending.CALLER_GONE, ""),
        (environment()[:200], Ending.CLOSED, ""),
    ],
)
def test_what_is_no_call_gets_no_byte(
    run: Callable[..., None], wire: bytes, ending: Ending, kind: str
) -> None:
    async def test(rig: Rig) -> None:
        reader, writer = await rig.connect()
        writer.write(wire)
        if ending is Ending.CLOSED:
            writer.write_eof()
        # An abort with unread bytes is a reset: no byte either.
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        event = await rig.ended()
        assert (ending, kind) == (event.ending, event.kind)
        assert rig.application.asked.empty()
        writer.close()

    run(test)


def test_a_refusal_by_the_application_is_a_close_without_a_byte(run: Callable[..., None]) -> None:
    def refuse() -> Prepared:
        raise RemoteProtocolError("misrouted_pattern")

    async def later() -> Prepared:
        raise RemoteProtocolError("bad-number")

    for answer, kind in ((refuse, "misrouted_pattern"), (later, "bad-number")):

        async def test(rig: Rig, kind: str = kind) -> None:
            assert await call(rig) == b""
            event = await rig.ended()
            assert (Ending.REFUSED, kind) == (event.ending, event.kind)

        run(test, lambda answer=answer: Recorder(answer))


def test_a_fault_of_our_own_is_reported_once_and_commits_nothing(run: Callable[..., None]) -> None:
    def fail() -> Prepared:
        raise ZeroDivisionError

    async def later() -> Prepared:
        raise ZeroDivisionError

    for answer in (fail, later):

        async def test(rig: Rig) -> None:
            assert await call(rig) == b""
            assert Ending.FAILED == (await rig.ended()).ending
            assert [ZeroDivisionError] == list(map(type, rig.application.errors))

        run(test, lambda answer=answer: Recorder(answer))


def test_f8_a_hangup_while_a_lookup_runs_closes_at_once(run: Callable[..., None]) -> None:
    """F8: the caller leaves; the wait ends at once (asterisk would hold the channel until then)."""
    cancelled: list[str] = []

    async def answer() -> Prepared:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("waiter")
            raise
        raise AssertionError

    async def test(rig: Rig) -> None:
        for segments in ((b"HANGUP\n",), (b"HAN", b"GUP\n")):
            reader, writer = await rig.connect()
            writer.write(environment())
            await writer.drain()
            await rig.application.asked.get()
            for segment in segments:
                writer.write(segment)
                await writer.drain()
                await asyncio.sleep(0)
            assert await reader.read() == b""
            assert Ending.CALLER_GONE == (await rig.ended()).ending
            writer.close()
        assert ["waiter"] * 2 == cancelled

    run(test, lambda: Recorder(answer), Limits(deadline_s=20))


def test_bytes_that_go_on_behind_the_environment_are_refused(run: Callable[..., None]) -> None:
    """The genuine rest behind a forged end, in a later read as Asterisk 16 sends it."""

    async def answer() -> Prepared:
        await asyncio.Event().wait()
        raise AssertionError

    async def test(rig: Rig) -> None:
        for rest in (b"agi_context: carrier-route\n", b"200 result=1 (TRUSTED)\n"):
            reader, writer = await rig.connect()
            writer.write(environment())
            await writer.drain()
            await rig.application.asked.get()
            writer.write(rest)
            assert await reader.read() == b""
            event = await rig.ended()
            assert (Ending.REFUSED, "trailing-bytes") == (event.ending, event.kind)
            writer.close()

    run(test, lambda: Recorder(answer), Limits(deadline_s=20))


def test_f11_a_drip_of_an_environment_ends_at_its_deadline(run: Callable[..., None]) -> None:
    """F11: silence and slowness cost one descriptor for a bounded time."""

    async def test(rig: Rig) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        reader, writer = await rig.connect()
        writer.write(b"agi_network: y")
        assert await reader.read() == b""
        assert Ending.LATE == (await rig.ended()).ending
        # uvloop's clock counts whole milliseconds: a difference may show one less than it was.
        assert 0.099 < loop.time() - start < 2
        writer.close()

    run(test, limits=Limits(environment_s=0.1))


def test_an_answer_that_never_comes_ends_at_the_deadline(run: Callable[..., None]) -> None:
    async def answer() -> Prepared:
        await asyncio.Event().wait()
        raise AssertionError

    async def test(rig: Rig) -> None:
        assert await call(rig) == b""
        assert Ending.LATE == (await rig.ended()).ending

    run(test, lambda: Recorder(answer), Limits(deadline_s=0.1))


def test_a_peer_off_the_list_is_closed_before_parsing(run: Callable[..., None]) -> None:
    async def test(rig: Rig) -> None:
        reader, writer = await rig.connect()
        writer.write(environment())
        # An abort with unread bytes is a reset: no byte either.
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        event = await rig.ended()
        assert (Ending.REFUSED, "peer") == (event.ending, event.kind)
        assert rig.application.asked.empty()
        writer.close()

    run(test, allow="10.0.0.0/8")


def test_the_oldest_incomplete_connection_gives_way_and_calls_do_not(
    run: Callable[..., None],
) -> None:
    release: list[asyncio.Event] = []

    async def answer() -> Prepared:
        await release[0].wait()
        return Prepared(LINE, "call")

    async def test(rig: Rig) -> None:
        release.append(asyncio.Event())
        a_call = asyncio.ensure_future(call(rig))
        await rig.application.asked.get()
        idle = [await rig.connect() for _ in range(6)]
        sheds = [await rig.ended() for _ in range(3)]
        assert [Ending.SHED] * 3 == [event.ending for event in sheds]
        assert [b""] * 3 == [await reader.read() for reader, _ in idle[:3]]
        assert 4 == rig.server.connections
        release[0].set()
        assert LINE == await a_call
        for _, writer in idle:
            writer.close()

    run(test, lambda: Recorder(answer), Limits(connections=4, environment_s=20, deadline_s=20))
    release.clear()


def test_drain_lets_calls_end_and_takes_no_new_ones(run: Callable[..., None]) -> None:
    release: list[asyncio.Event] = []

    async def answer() -> Prepared:
        await release[0].wait()
        return Prepared(LINE, "call")

    async def test(rig: Rig) -> None:
        release[:] = [asyncio.Event()]
        a_call = asyncio.ensure_future(call(rig))
        await rig.application.asked.get()
        drained = asyncio.ensure_future(rig.server.drain(10))
        while True:
            await asyncio.sleep(0)
            try:
                _, writer = await rig.connect()
            except ConnectionRefusedError:
                break
            writer.close()
        release[0].set()
        assert LINE == await a_call
        assert 0 == await drained

    run(test, lambda: Recorder(answer), Limits(deadline_s=20))


def test_drain_closes_what_does_not_end(run: Callable[..., None]) -> None:
    async def test(rig: Rig) -> None:
        reader, writer = await rig.connect()
        assert LINE == await call(rig)  # accepted in order: the silent one is in
        assert 1 == await rig.server.drain(0.05)
        assert await reader.read() == b""
        writer.close()

    run(test, limits=Limits(environment_s=20))


def test_listening_needs_an_address_of_ours() -> None:
    with pytest.raises(OSError, match="assign"):
        listen("192.0.2.1", 0)
    with listen("::1", 0) as sock:
        assert socket.AF_INET6 == sock.family
