"""The whole lookup against the shipped sandbox, which was written without a look at it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

import pytest

from agi.model import Finding, Live, Mccmnc, Msisdn, NumberInfo, Source
from agi.sandbox.delivery import Framing
from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import read_subscribers
from tests.lookup.making import RULES
from tests.lookup.whole import Lookup

SHIPPED = read_subscribers(Path(str(files("agi.sandbox") / "subscribers.csv")))
SOUND = {
    number: one
    for number, one in SHIPPED.items()
    # NPL says ERR29 of who is absent, and ERR1 of who is dead.
    if one.mccmnc and not one.fault and one.live in (None, Live.LIVE)
}

Scene = Callable[[Lookup, Sandbox], Awaitable[None]]


def play(scene: Scene, *, crlf: bool = False, framing: Framing = Framing.CLOSE) -> None:
    """Run a scene with a lookup in front of a sandbox whose password is the lookup's."""

    async def stage() -> None:
        sandbox = Sandbox(
            SHIPPED,
            username="bob",
            password="secret-word",
            latency_ms=10,
            crlf=crlf,
            framing=framing,
        )
        host, port = await sandbox.start()
        lookup = Lookup(f"http://{host}:{port}/npl")
        try:
            await scene(lookup, sandbox)
        finally:
            await lookup.close()
            await sandbox.stop()

    asyncio.run(stage())


async def find(lookup: Lookup, number: str, within: float = 5.0) -> Finding:
    return await lookup.find(Msisdn(number), within)


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("crlf", [False, True])
def test_every_sound_subscriber_has_its_network(*, crlf: bool, framing: Framing) -> None:
    async def scene(lookup: Lookup, sandbox: Sandbox) -> None:
        brisk = [number for number, one in SOUND.items() if (one.latency_ms or 0) < 1000]
        findings = await asyncio.gather(*(find(lookup, number) for number in brisk))
        expected = [SOUND[number].mccmnc for number in brisk]
        assert expected == [finding.info.mccmnc for finding in findings]
        assert {"ok"} == {finding.reason for finding in findings}
        assert {Live.LIVE} == {finding.info.live for finding in findings}
        assert sandbox.counters.requests < len(brisk) // 2

    play(scene, crlf=crlf, framing=framing)


def test_the_vendors_unknown_subscriber_is_err1() -> None:
    async def scene(lookup: Lookup, _: Sandbox) -> None:
        dead = NumberInfo(live=Live.DEAD)
        expected = Finding(Source.DEFAULT, "err1", dead, 0.0, RULES["err1"], "npl", "comcetera")
        assert expected == await find(lookup, "447973100100")

    play(scene)


def test_one_request_serves_a_thousand_calls() -> None:
    async def scene(lookup: Lookup, sandbox: Sandbox) -> None:
        findings = await asyncio.gather(*(find(lookup, "447788450450") for _ in range(1000)))
        assert {Mccmnc("23415")} == {finding.info.mccmnc for finding in findings}
        assert 1 == sandbox.counters.requests

    play(scene)


def test_a_truncated_batch_still_gives_the_lines_that_came_whole() -> None:
    async def scene(lookup: Lookup, _: Sandbox) -> None:
        assert Source.LIVE is (await find(lookup, TRUNCATING)).source

    play(scene)


TRUNCATING = "447720123104"
BROKEN = [number for number, one in SHIPPED.items() if one.fault and number != TRUNCATING]


@pytest.mark.parametrize("number", BROKEN)
def test_a_subscriber_that_breaks_gives_a_default_in_time(number: str) -> None:
    async def scene(lookup: Lookup, _: Sandbox) -> None:
        started = time.monotonic()
        finding = await find(lookup, number, 0.5)
        assert time.monotonic() - started < 0.6
        assert Source.DEFAULT is finding.source
        assert finding.reason in ("timeout", "err-other")
        assert None is finding.info.mccmnc

    play(scene)


def test_a_wrong_password_is_a_default() -> None:
    async def scene(lookup: Lookup, sandbox: Sandbox) -> None:
        sandbox.account.password = "another"
        finding = await find(lookup, "447788450450")
        assert Finding(Source.DEFAULT, "err-other") == finding

    play(scene)
