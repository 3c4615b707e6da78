"""The listening socket to order: refused, frozen, flapping; seen from outside."""

import asyncio

import pytest

from agi.sandbox.door import State
from agi.sandbox.faults import parse_order
from agi.sandbox.providers import Sandbox
from tests.sandbox.raw import SOUND, Raw, http, play, post


async def refused(raw: Raw) -> bool:
    try:
        _, writer = await raw.open(b"")
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


def test_f13_a_closed_port_refuses_and_opens_again_on_the_same_address() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        reader, writer = await raw.open(http("GET", "/_sandbox", Connection="keep-alive"))
        await reader.readuntil(b"faults")
        sandbox.door.down()
        assert (await reader.read()).endswith(b"]}")
        writer.close()
        assert await refused(raw)
        await sandbox.door.up()
        assert SOUND == (await raw.npl()).body

    play(scene)


def test_a_frozen_port_connects_and_says_nothing_until_it_thaws() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        old_reader, old_writer = await raw.open(post()[:20])
        sandbox.door.freeze()
        reader, writer = await raw.open(post())
        old_writer.write(post()[20:])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(old_reader.read(1), 0.1)
        assert 0 == sandbox.counters.requests
        await sandbox.door.calm()
        assert (await reader.read()).endswith(SOUND)
        assert b"HTTP/1.1 200 OK" in await old_reader.read()
        writer.close()
        old_writer.close()

    play(scene, connections=2)


@pytest.mark.parametrize(("fault", "state"), [("down:1", State.DOWN), ("freeze:1", State.FROZEN)])
def test_an_order_for_the_port_ends_by_itself(fault: str, state: State) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        status, _ = await raw.control("POST", "/fault", {"fault": fault})
        assert 200 == status
        await sandbox.door.until(state)
        assert (fault == "down:1") == await refused(raw)
        await sandbox.door.until(State.OPEN)
        assert SOUND == (await raw.npl()).body

    play(scene)


def test_f24_a_flapping_port_goes_and_comes_until_it_is_told_to_stop() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.door.obey(parse_order("flap:1"))
        for state in (State.DOWN, State.OPEN, State.DOWN):
            await sandbox.door.until(state)
            assert (state is State.DOWN) == await refused(raw)
        sandbox.reset()
        await sandbox.door.until(State.OPEN)
        assert SOUND == (await raw.npl()).body
        await sandbox.door.calm()
        assert sandbox.door._plan is None

    play(scene)


def test_f24_one_api_may_flap_while_the_others_stand() -> None:
    now = [100.0]

    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        await raw.control("POST", "/fault", {"fault": "flap:5", "api": "npl"})
        assert SOUND == (await raw.npl()).body
        now[0] += 5
        assert (await raw.npl()).reset
        assert b"-99" == (await raw.ask("GET", "/")).body

    play(scene, clock=lambda: now[0])


@pytest.mark.parametrize(
    "order",
    [
        {"fault": "down:5", "api": "npl"},
        {"fault": "freeze:5", "next": 1},
        {"fault": "flap:5", "number": "447788450450"},
        {"fault": "flap:5", "next": 1, "api": "npl"},
    ],
)
def test_an_order_for_the_port_takes_nothing_beside_it(order: dict[str, object]) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        status, answer = await raw.control("POST", "/fault", order)
        assert 400 == status
        assert "concerns the whole port" in answer["detail"]
        assert State.OPEN is sandbox.door.state

    play(scene)


def test_a_port_of_ipv6_is_opened_too() -> None:
    async def run() -> None:
        sandbox = Sandbox({}, latency_ms=0, others="23415")
        host, port = await sandbox.start("::1")
        seen = await Raw(host, port).exchange(http("GET", "/_sandbox"))
        assert 200 == seen.status
        await sandbox.stop()

    asyncio.run(run())
