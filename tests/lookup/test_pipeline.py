"""The pipeline: over a client double for its rules, over a real loopback server for its faults."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agi.lookup.batcher import Batcher
from agi.lookup.events import LateAnswer, LookupDone, LookupEvent
from agi.lookup.pipeline import Finder, Pipeline
from agi.lookup.provider import Answer
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Finding, Live, Mccmnc, NumberInfo, Outcome, Source
from tests.lookup.making import (
    NETWORK,
    ONE,
    RULES,
    TWO,
    Desk,
    Lookup,
    account,
    instant,
    numbers,
    ok,
    rule,
    settle,
)
from tests.lookup.web import HEAD, Script, Talk, Web, answered, faithful, serving, sized

FOUND = Finding(Source.LIVE, "ok", NETWORK, 0.0)


class Stage:
    """A pipeline on a client double; the clock is the loop's plus what the test adds."""

    def __init__(self, **terms: Any) -> None:
        self.desk = Desk()
        self.ahead = 0.0
        self.events: list[LookupEvent] = []
        self.memory = MemoryTier(1000)
        self.batcher = Batcher(
            provider=account(),
            client=self.desk,
            connections=1,
            deadline_s=0.8,
            clock=self.clock,
            observe=self.events.append,
            max_waiting=terms.pop("max_waiting", 1000),
        )
        known: dict[str, Any] = {"asker": self.batcher} | terms
        self.pipeline = Pipeline(
            memory=self.memory,
            clock=self.clock,
            error_rule=rule,
            observe=self.events.append,
            **known,
        )

    def clock(self) -> float:
        return instant() + self.ahead

    async def say(self, answer: Answer) -> Finding:
        """Find ONE while the provider says ``answer``."""
        finding = asyncio.create_task(self.pipeline.find(ONE, instant() + 60, 0))
        await settle()
        self.desk.sent[-1].on_answer(answer)
        self.desk.sent[-1].done()
        return await finding

    def recalled(self, after_s: float = 0.0, max_age_s: float | None = None) -> Finding | None:
        return self.pipeline.recall(ONE, self.clock() + after_s, max_age_s)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_the_pipeline_is_a_finder() -> None:
    async def scene() -> None:
        finder: Finder = Stage().pipeline
        assert Finding(Source.DEFAULT, "timeout") == await finder.find(ONE, instant() - 1)

    play(scene)


def test_an_answer_is_found_live_and_then_in_memory() -> None:
    async def scene() -> None:
        stage = Stage()
        assert FOUND == await stage.say(ok(ONE))
        remembered = await stage.pipeline.find(ONE, instant() + 60)
        assert (Source.MEMORY, "ok", NETWORK) == (
            remembered.source,
            remembered.reason,
            remembered.info,
        )
        assert remembered.age_s is not None
        assert 0.0 <= remembered.age_s < 10.0
        assert 1 == len(stage.desk.sent)

    play(scene)


def test_memory_answers_at_once_or_not_at_all() -> None:
    async def scene() -> None:
        stage = Stage()
        assert None is stage.recalled()
        await stage.say(ok(ONE))
        recalled = stage.recalled(500.0)
        assert recalled is not None
        assert NumberInfo(Mccmnc("23415")) == recalled.info  # the liveness was fresh for 300 s
        assert None is stage.recalled(500.0, max_age_s=499)
        assert None is stage.recalled(604_801.0)

    play(scene)


@pytest.mark.parametrize(
    ("answer", "finding", "ttl_s"),
    [
        (
            Answer(ONE, Outcome.NOT_FOUND, NumberInfo(live=Live.DEAD), "err1"),
            Finding(Source.DEFAULT, "err1", NumberInfo(live=Live.DEAD), None, RULES["err1"]),
            3600,
        ),
        (
            Answer(ONE, Outcome.ABSENT, NumberInfo(live=Live.ABSENT), "err29"),
            Finding(Source.DEFAULT, "err29", NumberInfo(live=Live.ABSENT), None, RULES["err29"]),
            60,
        ),
        (
            Answer(ONE, Outcome.TEMPORARY, None, "err36"),
            Finding(Source.DEFAULT, "err36", rule=RULES["err36"]),
            0,
        ),
        (
            Answer(ONE, Outcome.TEMPORARY, None, "err77"),
            Finding(Source.DEFAULT, "err-other"),
            0,
        ),
        (Answer(ONE, Outcome.MALFORMED), Finding(Source.DEFAULT, "err-other"), 0),
    ],
)
def test_a_refusal_is_a_default_with_its_code_and_is_remembered_as_long_as_its_row_says(
    answer: Answer, finding: Finding, ttl_s: int
) -> None:
    async def scene() -> None:
        stage = Stage()
        assert finding == await stage.say(answer)
        remembered = finding if ttl_s else None
        assert remembered == stage.recalled(max(0, ttl_s - 1))
        assert None is stage.recalled(ttl_s + 1)

    play(scene)


def test_a_passing_failure_does_not_wipe_out_a_fresh_network() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.say(ok(ONE))
        absent = Answer(ONE, Outcome.ABSENT, NumberInfo(live=Live.ABSENT), "err29")
        assert "err29" == (await stage.say(absent)).reason
        recalled = stage.recalled()
        assert recalled is not None
        assert Source.MEMORY is recalled.source

    play(scene)


def test_without_a_provider_the_reason_says_so() -> None:
    async def scene() -> None:
        stage = Stage(asker=None)
        finding = await stage.pipeline.find(ONE, instant() + 60)
        assert Finding(Source.DEFAULT, "no-provider") == finding

    play(scene)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("timeout", "timeout"),
        ("shed", "shed"),
        ("reset", "err-other"),
        ("connect", "err-other"),
        ("account", "err-other"),
        ("malformed", "err-other"),
    ],
)
def test_a_provider_that_fails_gives_a_default_and_nothing_is_remembered(
    cause: str, reason: str
) -> None:
    async def scene() -> None:
        stage = Stage()
        finding = asyncio.create_task(stage.pipeline.find(ONE, instant() + 60))
        await settle()
        stage.desk.sent[0].fail(cause)
        assert Finding(Source.DEFAULT, reason) == await finding
        assert 0 == len(stage.memory)

    play(scene)


def test_a_full_queue_is_shed_at_once() -> None:
    async def scene() -> None:
        stage = Stage(max_waiting=1)
        busy = [
            asyncio.create_task(stage.pipeline.find(number, instant() + 60))
            for number in numbers(1)
        ]
        await settle()
        busy.append(asyncio.create_task(stage.pipeline.find(TWO, instant() + 60)))
        await settle()
        finding = await stage.pipeline.find(ONE, instant() + 60)
        assert Finding(Source.DEFAULT, "shed") == finding
        await stage.batcher.close()
        assert ["shed", "shed"] == [one.reason for one in await asyncio.gather(*busy)]

    play(scene)


def test_one_flight_too_many_is_shed_at_once() -> None:
    async def scene() -> None:
        stage = Stage(max_flights=1)
        first = asyncio.create_task(stage.pipeline.find(TWO, instant() + 60))
        await settle()
        assert "shed" == (await stage.pipeline.find(ONE, instant() + 60)).reason
        await stage.pipeline.close()
        assert "shed" == (await first).reason

    play(scene)


def test_a_thousand_calls_to_one_number_cost_one_question() -> None:
    async def scene() -> None:
        stage = Stage()
        calls = [asyncio.create_task(stage.pipeline.find(ONE, instant() + 60)) for _ in range(1000)]
        await settle()
        stage.desk.sent[0].answer()
        stage.desk.sent[0].done()
        assert [FOUND] * 1000 == await asyncio.gather(*calls)
        assert [(ONE,)] == [sent.numbers for sent in stage.desk.sent]

    play(scene)


def test_a_call_that_is_cancelled_leaves_the_question_to_the_others() -> None:
    async def scene() -> None:
        stage = Stage()
        leader = asyncio.create_task(stage.pipeline.find(ONE, instant() + 60))
        other = asyncio.create_task(stage.pipeline.find(ONE, instant() + 60))
        await settle()
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        stage.desk.sent[0].answer()
        assert FOUND == await other

    play(scene)


def test_an_answer_for_which_nobody_waits_any_more_is_kept_and_reported() -> None:
    async def scene() -> None:
        stage = Stage()
        late = await stage.pipeline.find(ONE, instant() + 0.05)
        assert Finding(Source.DEFAULT, "timeout") == late
        stage.desk.sent[0].answer()
        await settle()
        assert LateAnswer("npl") in stage.events
        remembered = await stage.pipeline.find(ONE, instant() + 60)
        assert Source.MEMORY is remembered.source

    play(scene)


def test_an_answer_in_time_is_not_reported_as_late() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.say(ok(ONE))
        assert LateAnswer("npl") not in stage.events

    play(scene)


@pytest.mark.parametrize(
    ("deadline_s", "terms"),
    [(0.15, {"reserve_s": 0.05}), (60.0, {"timeout_s": 0.1})],
)
def test_it_returns_before_the_deadline_and_within_the_providers_own_limit(
    deadline_s: float, terms: dict[str, Any]
) -> None:
    async def scene() -> None:
        stage = Stage(**terms)
        started = instant()
        assert "timeout" == (await stage.pipeline.find(ONE, started + deadline_s)).reason
        assert 0.095 < instant() - started < 0.145

    play(scene)


def test_no_question_is_begun_when_no_time_is_left() -> None:
    async def scene() -> None:
        stage = Stage(reserve_s=0.03)
        assert "timeout" == (await stage.pipeline.find(ONE, instant() + 0.029)).reason
        await settle()
        assert [] == stage.desk.sent

    play(scene)


# ---- against a real server ------------------------------------------------------------------


def against(
    script: Script, *, calls: int = 1, within: float = 0.5, then: int = 0
) -> tuple[list[Finding], Web, float, list[LookupEvent]]:
    """Find ONE for so many calls at once, then again for ``then`` more."""

    async def scene() -> tuple[list[Finding], Web, float, list[LookupEvent]]:
        async with serving(script) as web:
            lookup = Lookup(web.url)
            started = time.monotonic()
            until = instant() + within
            findings = list(
                await asyncio.gather(*(lookup.pipeline.find(ONE, until) for _ in range(calls)))
            )
            took = time.monotonic() - started
            findings += [await lookup.pipeline.find(ONE, instant() + within) for _ in range(then)]
            await lookup.close()
            return findings, web, took, lookup.events

    return asyncio.run(scene())


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
    assert {Finding(Source.DEFAULT, reason)} == set(findings)
    assert took < 0.6


def test_f13_a_dead_provider_costs_no_time() -> None:
    async def scene() -> None:
        async with serving(faithful) as web:
            url = web.url
        lookup = Lookup(url)
        started = time.monotonic()
        finding = await lookup.pipeline.find(ONE, instant() + 5)
        assert Finding(Source.DEFAULT, "err-other") == finding
        assert time.monotonic() - started < 0.5
        await lookup.close()

    play(scene)


def test_the_provider_is_asked_again_after_a_failure() -> None:
    async def script(talk: Talk) -> None:
        form = await talk.request()
        if talk.nth > 1:
            await talk.send(sized(answered(form)))

    findings, web, _, _ = against(script, then=1, within=5.0)
    assert ["err-other", "ok"] == [finding.reason for finding in findings]
    assert 2 == len(web.requests)


def test_a_late_answer_of_a_slow_provider_serves_the_next_call() -> None:
    async def scene() -> None:
        go = asyncio.Event()

        async def script(talk: Talk) -> None:
            form = await talk.request()
            await go.wait()
            await talk.send(sized(answered(form)))

        async with serving(script) as web:
            lookup = Lookup(web.url)
            assert "timeout" == (await lookup.pipeline.find(ONE, instant() + 0.2)).reason
            go.set()
            second = await lookup.pipeline.find(ONE, instant() + 5)
            assert NETWORK == second.info
            assert 1 == len(web.requests)
            await lookup.close()

    play(scene)


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
                calls.append(asyncio.create_task(lookup.pipeline.find(number, instant() + 0.8)))
                await asyncio.sleep(0.002)
            findings = await asyncio.gather(*calls)
            await lookup.close()
        assert [FOUND] * 60 == findings
        assert len(web.requests) < 8

    play(scene)
