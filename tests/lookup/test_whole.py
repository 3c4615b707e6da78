"""The whole lookup over a real loopback server and its faults, on the real clock."""

import asyncio
import time

import pytest

from agi.lookup.events import LookupDone, LookupEvent
from agi.model import Finding, NumberInfo, Source
from tests.lookup.making import NETWORK, ONE, numbers
from tests.lookup.web import HEAD, Script, Talk, Web, answered, faithful, serving, sized
from tests.lookup.whole import Lookup, live

FOUND = Finding(Source.LIVE, "ok", NETWORK, 0.0, None, "npl", "comcetera")


def against(
    script: Script, *, calls: int = 1, within: float = 0.5, then: int = 0
) -> tuple[list[Finding], Web, float, list[LookupEvent]]:
    """Find ONE for so many calls at once, then again for ``then`` more."""

    async def scene() -> tuple[list[Finding], Web, float, list[LookupEvent]]:
        async with serving(script) as web:
            lookup = Lookup(web.url)
            started = time.monotonic()
            findings = list(await asyncio.gather(*(lookup.find(ONE, within) for _ in range(calls))))
            took = time.monotonic() - started
            findings += [await lookup.find(ONE, within) for _ in range(then)]
            await lookup.close()
            return findings, web, took, lookup.events

    return live(scene)


def test_a_real_answer_is_found() -> None:
    findings, web, _, events = against(faithful, calls=100, within=5.0)
    assert [FOUND] * 100 == findings
    assert 1 == len(web.requests)
    assert ["ok"] == [event.outcome for event in events if isinstance(event, LookupDone)]


def after(data: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(data)

    return script


async def hang(talk: Talk) -> None:
    await talk.request()
    await talk.gone()


async def drip(talk: Talk) -> None:
    form = await talk.request()
    await talk.send(HEAD + b"\r\n")
    for byte in answered(form):
        await talk.send(bytes([byte]))
        await asyncio.sleep(0.1)


async def reset(talk: Talk) -> None:
    await talk.request()
    talk.reset()


async def huge(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEAD + b"Content-Length: 50000000\r\n\r\nQUERYOK\n")
    while True:
        await talk.send(b"447810701702 23415\n" * 500)


TRUNCATED = b"QUERYOK\n447810701702 23415\n"
FAULTS = {
    "f14-hang": (hang, "timeout"),
    "f15-drip": (drip, "timeout"),
    "f13-reset": (reset, "err-other"),
    "f16-truncated": (after(sized(TRUNCATED)), "err-other"),
    "f16-cut": (after(HEAD + b"Content-Length: 999\r\n\r\n" + TRUNCATED), "err-other"),
    "f16-html": (after(sized(b"<!DOCTYPE html><title>Busy</title>\n")), "err-other"),
    "f16-empty": (after(sized(b"")), "err-other"),
    "f16-another-number": (
        after(sized(b"QUERYOK\n447810701702 23410\nENDBATCH\n")),
        "err-other",
    ),
    "f17-50-mb": (huge, "err-other"),
    "http-500": (after(sized(b"", b"HTTP/1.1 500 Oops\r\n")), "err-other"),
    "http-429": (after(sized(b"", b"HTTP/1.1 429 Slow\r\n")), "err-other"),
    "fail-password": (after(sized(b"FAIL Invalid password\n")), "err-other"),
    "fail-credit": (after(sized(b"FAIL Insufficient credit\n")), "err-other"),
    "locked": (after(sized(b"ERR ACCOUNT LOCKED - Please arrange payment\n")), "err-other"),
}


@pytest.mark.parametrize(("script", "reason"), FAULTS.values(), ids=list(FAULTS))
def test_whatever_the_provider_does_the_call_has_its_finding_in_time(
    script: Script, reason: str
) -> None:
    findings, _, took, _ = against(script, calls=20, within=0.5)
    shown = {(finding.source, finding.reason, finding.info) for finding in findings}
    assert {(Source.DEFAULT, reason, NumberInfo())} == shown
    assert took < 0.6


def test_f13_a_dead_provider_costs_no_time() -> None:
    async def scene() -> None:
        async with serving(faithful) as web:
            url = web.url
        lookup = Lookup(url)
        started = time.monotonic()
        finding = await lookup.find()
        assert Finding(Source.DEFAULT, "err-other") == finding
        assert time.monotonic() - started < 0.5
        await lookup.close()

    live(scene)


def test_the_provider_is_asked_again_after_a_failure() -> None:
    async def script(talk: Talk) -> None:
        form = await talk.request()
        if talk.nth > 1:
            await talk.send(sized(answered(form)))

    async def scene() -> None:
        async with serving(script) as web:
            lookup = Lookup(web.url)
            assert "err-other" == (await lookup.find()).reason
            assert "err-other" == (await lookup.find()).reason  # remembered for a second
            assert 1 == len(web.requests)
            assert "ok" == (await lookup.find(max_age_s=0.0)).reason
            assert 2 == len(web.requests)
            await lookup.close()

    live(scene)


def test_a_late_answer_of_a_slow_provider_serves_the_next_call() -> None:
    async def scene() -> None:
        go = asyncio.Event()

        async def script(talk: Talk) -> None:
            form = await talk.request()
            await go.wait()
            await talk.send(sized(answered(form)))

        async with serving(script) as web:
            lookup = Lookup(web.url)
            assert "timeout" == (await lookup.find(ONE, 0.2)).reason
            go.set()
            second = await lookup.find()
            assert NETWORK == second.info
            assert 1 == len(web.requests)
            await lookup.close()

    live(scene)


def test_one_slow_connection_serves_many_cold_numbers_by_batches() -> None:
    """One connection, 100 ms a request: one by one 60 numbers would take 6 s."""

    async def scene() -> None:
        async def script(talk: Talk) -> None:
            form = await talk.request()
            await asyncio.sleep(0.1)
            await talk.send(sized(answered(form)))

        async with serving(script) as web:
            lookup = Lookup(web.url)
            calls = []
            for number in numbers(60):
                calls.append(asyncio.create_task(lookup.find(number, 0.8)))
                await asyncio.sleep(0.002)
            findings = await asyncio.gather(*calls)
            await lookup.close()
        assert [FOUND] * 60 == findings
        assert len(web.requests) < 8

    live(scene)
