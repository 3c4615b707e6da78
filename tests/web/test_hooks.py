"""The door of the postbacks, by real sockets: what it takes, and what strangers cannot do to it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvloop

from agi.lookup.postback import Postbacks, Verdict
from agi.lookup.provider import Answer
from agi.lookup.providers.datasoap import DatasoapAsync, read_postback
from agi.model import Live, Msisdn, NumberInfo, Outcome
from agi.web.hooks import MAX_BODY, Door

SECRET = "hook-s3cret-0123456789"
PATH = f"/hooks/datasoap/{SECRET}"


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Desk:
    """What lies behind the door."""

    verdict: Verdict = Verdict.TAKEN
    bodies: list[bytes] = field(default_factory=list)

    def deliver(self, body: bytes) -> Verdict:
        self.bodies.append(body)
        return self.verdict


@dataclass
class Opened:
    desk: Desk
    address: tuple[str, int]

    async def send(self, wire: bytes) -> Answered:
        """Write these bytes, read to the end of the connection."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(wire)
            async with asyncio.timeout(10):
                return parsed(await reader.read())
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def post(self, body: bytes, path: str = PATH, method: str = "POST") -> Answered:
        head = f"{method} {path} HTTP/1.1\r\nHost: door\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self.send(head.encode() + body)


def parsed(wire: bytes) -> Answered:
    head, _, body = wire.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    return Answered(int(first.split()[1]), fields, body)


@asynccontextmanager
async def opened(
    verdict: Verdict = Verdict.TAKEN, *, lifetime_s: float = 5.0, max_connections: int = 128
) -> AsyncIterator[Opened]:
    desk = Desk(verdict)
    door = Door(SECRET, desk.deliver, lifetime_s=lifetime_s, max_connections=max_connections)
    try:
        yield Opened(desk, await door.start("127.0.0.1", 0))
    finally:
        await door.stop()


def with_door(test: Callable[[Opened], Awaitable[None]], verdict: Verdict = Verdict.TAKEN) -> None:
    async def run() -> None:
        async with opened(verdict) as door:
            await test(door)

    asyncio.run(run())


def is_problem(answered: Answered, status: int) -> bool:
    said = json.loads(answered.body)
    return (
        answered.status == said["status"] == status
        and answered.headers["content-type"] == "application/problem+json"
        and set(said) == {"type", "title", "status"}
    )


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Say whether the other side ends the connection, by FIN or RST, without another byte."""
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


def test_a_postback_with_the_secret_is_delivered() -> None:
    async def test(door: Opened) -> None:
        answered = await door.post(b'{"Job":"1"}')
        assert (200, b"") == (answered.status, answered.body)
        assert [b'{"Job":"1"}'] == door.desk.bodies

    with_door(test)


def test_it_works_on_uvloop() -> None:
    async def run() -> None:
        async with opened() as door:
            assert 200 == (await door.post(b"{}")).status

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_no_answer_names_the_server() -> None:
    async def test(door: Opened) -> None:
        for path in (PATH, "/"):
            assert not {"server", "date", "x-powered-by"} & set(
                (await door.post(b"", path)).headers
            )

    with_door(test)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [(Verdict.TAKEN, 200), (Verdict.EARLY, 200), (Verdict.REPEATED, 200)],
)
def test_a_repeated_job_gets_the_same_answer_as_the_first(verdict: Verdict, status: int) -> None:
    async def test(door: Opened) -> None:
        assert status == (await door.post(b"{}")).status

    with_door(test, verdict)


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.UNKNOWN, 404), (Verdict.MALFORMED, 400)])
def test_a_refusal_is_a_problem_document(verdict: Verdict, status: int) -> None:
    async def test(door: Opened) -> None:
        assert is_problem(await door.post(b"{}"), status)

    with_door(test, verdict)


def test_a_wrong_secret_an_unknown_job_and_any_other_path_look_the_same() -> None:
    async def test(door: Opened) -> None:
        unknown = await door.post(b"{}")
        assert is_problem(unknown, 404)
        for path in (
            "/hooks/datasoap/hook-s3cret-0123456780",
            "/hooks/datasoap/x",
            "/hooks/datasoap/%C3%A9%00%FF",
            "/hooks/datasoap/",
            PATH + "/",
            PATH + "/x",
            "/hooks/other/" + SECRET,
            "/",
            "/docs",
        ):
            assert unknown == await door.post(b"{}", path), path
        assert [b"{}"] == door.desk.bodies

    with_door(test, Verdict.UNKNOWN)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_allowed_whatever_the_secret(method: str) -> None:
    async def test(door: Opened) -> None:
        for path in (PATH, "/hooks/datasoap/x"):
            answered = await door.post(b"", path, method)
            assert (405, "post") == (answered.status, answered.headers["allow"])
        assert [] == door.desk.bodies

    with_door(test)


def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    async def test(door: Opened) -> None:
        head = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
        assert is_problem(await door.send(head.encode()), 413)
        assert 200 == (await door.post(b"x" * MAX_BODY)).status

    with_door(test)


def test_a_streamed_body_is_cut_at_the_limit() -> None:
    async def test(door: Opened) -> None:
        head = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        assert is_problem(await door.send(head.encode() + chunk * 16 + b"1\r\nx\r\n"), 413)
        assert [] == door.desk.bodies

    with_door(test)


def test_bytes_that_are_no_request_are_refused() -> None:
    async def test(door: Opened) -> None:
        assert 400 == (await door.send(b"nonsense\r\n\r\n")).status
        long = b"POST " + PATH.encode() + b" HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
        assert 400 == (await door.send(long)).status

    with_door(test)


@pytest.mark.parametrize(
    "started",
    [
        "",
        f"POST {PATH} HT",
        f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\n123",
    ],
)
def test_a_connection_that_dawdles_is_closed(started: str) -> None:
    async def run() -> None:
        async with opened(lifetime_s=0.2) as door:
            reader, writer = await asyncio.open_connection(*door.address)
            writer.write(started.encode())
            assert await is_ended(reader)
            writer.close()
            assert [] == door.desk.bodies
            assert 200 == (await door.post(b"{}")).status

    asyncio.run(run())


def test_a_body_that_ends_too_early_is_not_delivered() -> None:
    async def run() -> None:
        async with opened() as door:
            _, writer = await asyncio.open_connection(*door.address)
            writer.write(f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n12".encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            assert 200 == (await door.post(b"whole")).status
            assert [b"whole"] == door.desk.bodies

    asyncio.run(run())


def test_the_oldest_connection_gives_way_to_the_next() -> None:
    async def run() -> None:
        async with opened(max_connections=4) as door:
            held = [await asyncio.open_connection(*door.address) for _ in range(4)]
            assert 200 == (await door.post(b"{}")).status
            assert await is_ended(held[0][0])
            assert not held[3][0].at_eof()
            for _, writer in held:
                writer.close()

    asyncio.run(run())


def test_a_connection_ends_after_its_answer() -> None:
    async def test(door: Opened) -> None:
        request = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        answered = await door.send(request * 2)
        assert (200, "close") == (answered.status, answered.headers["connection"])
        assert [b"{}"] == door.desk.bodies

    with_door(test)


def test_the_secret_is_in_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def test(door: Opened) -> None:
        for method in ("POST", "GET"):
            await door.post(b"body-s3cret", method=method)
        await door.send(f"POST {PATH} nonsense\r\n\r\n".encode())

    caplog.set_level(logging.NOTSET)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    with_door(test, Verdict.MALFORMED)
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(Door(SECRET, Desk().deliver))


@pytest.mark.parametrize("secret", ["", "short", "has/slash/in/the/middle", "x" * 129])
def test_a_secret_that_can_be_guessed_or_not_be_a_path_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="16 to 128") as caught:
        Door(secret, Desk().deliver)
    assert not secret or secret not in str(caught.value)


def test_an_address_that_is_taken_is_an_os_error_and_stop_is_harmless() -> None:
    async def run() -> None:
        async with opened() as door:
            second = Door(SECRET, Desk().deliver)
            with pytest.raises(OSError, match="in use"):
                await second.start(*door.address)
            await second.stop()

    asyncio.run(run())


def test_nothing_listens_after_stop() -> None:
    async def run() -> None:
        async with opened() as door:
            address = door.address
            reader, writer = await asyncio.open_connection(*address)
        assert await is_ended(reader)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    asyncio.run(run())


def test_the_process_keeps_its_own_signal_handlers() -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    async def run() -> None:
        before = handlers()
        async with opened():
            assert before == handlers()

    asyncio.run(run())


def test_a14_the_vendor_s_postback_reaches_its_waiter_once() -> None:
    number, job = Msisdn("447976123456"), "56effe97-8f3a-4636-9dd0-78bc1faee005"
    account = DatasoapAsync(
        name="soap", url="https://soap.example", token="t0ken", postback_url="https://pbx.example"
    )
    body = {"Type": "HLR", "Lookup": f"00{number}", "Job": job, "Result": {"On": True}}
    late: list[object] = []

    async def run() -> None:
        jobs = Postbacks(
            read_postback,
            clock=asyncio.get_running_loop().time,
            on_late=lambda *said: late.append(said),
        )
        door = Door(SECRET, jobs.deliver)
        opened_door = Opened(Desk(), await door.start("127.0.0.1", 0))
        try:
            answer = jobs.expect(job, number, account.name, account.settle)
            wire = json.dumps(body).encode()
            assert 404 == (await opened_door.post(wire.replace(b"56effe97", b"56effe98"))).status
            changed = wire.replace(number.encode(), b"447976123457")
            assert 400 == (await opened_door.post(changed)).status
            assert [200, 200] == [(await opened_door.post(wire)).status for _ in range(2)]
            assert Answer(number, Outcome.OK, NumberInfo(live=Live.LIVE)) == await answer
            assert [] == late
        finally:
            await door.stop()

    asyncio.run(run())
