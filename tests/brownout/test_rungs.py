"""A router's lookups over the real pipeline: a provider dies and comes back, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from agi.brownout.ladder import Ladder, Level
from agi.brownout.rungs import TICK_S, Climb, Rungs
from agi.lookup import events
from agi.metrics import Metrics
from agi.model import Finding, Live, Msisdn, NumberInfo, Product, Source
from tests.lookup.making import (
    BARE,
    EPOCH,
    NETWORK,
    ONE,
    Firm,
    Script,
    Shelf,
    Stage,
    ask_for,
    fails,
    instant,
    numbers,
    ok,
    play,
    said,
    says,
    verdict,
)

STALE_S = 604_800.0 + 3_600.0
DEAD = fails("timeout", after=1.6)  # a provider that is silent: requests are read to twice D


class Site:
    """One router's ladder over one dipper's pipeline."""

    def __init__(self, *firms: Firm, store: Shelf | None = None) -> None:
        self.firms = firms
        self.stage = Stage(*firms, store=store)
        self.ladder = Ladder(instant, lambda: 0.5, wall=lambda: EPOCH + instant())
        self.rungs = Rungs(self.stage.pipeline, self.ladder)
        self.found: list[tuple[float, float, Finding]] = []

    async def call(self, number: Msisdn) -> None:
        began = instant()
        finding = await self.rungs.find(ask_for(number))
        self.found.append((began, instant() - began, finding))

    async def calls(self, some: list[Msisdn], per_s: int) -> None:
        """Place calls at an even pace, whether or not those before have ended."""
        tasks = []
        for number in some:
            tasks.append(asyncio.create_task(self.call(number)))
            await asyncio.sleep(1 / per_s)
        await asyncio.gather(*tasks)

    def say(self, script: Script) -> None:
        for firm in self.firms:
            firm.queue.script = script

    def asked_between(self, start: float, end: float) -> int:
        return sum(start <= at < end for firm in self.firms for at in firm.queue.times)


def test_a_dead_provider_costs_few_lookups_few_waits_and_is_back_within_seconds() -> None:
    async def scene() -> None:
        site = Site(Firm(script=says()))
        some = numbers(4_000)
        await site.calls(some[:600], 20)
        died = instant()
        site.say(DEAD)
        await site.calls(some[600:2_400], 20)  # 90 s
        assert Level.CACHE is site.ladder.level
        # One trial a second at most, once it was noticed (8 s of failures, the last for D).
        assert site.asked_between(died + 10, died + 90) <= 82
        back = instant()
        site.say(says())
        while site.ladder.level:
            await site.calls([some.pop()], 20)
        assert instant() - back <= 6.0
        # While nobody is asked a call waits for nothing; only a trial waits.
        waited = [took for at, took, _ in site.found if died + 10 <= at < died + 90 and took > 0.05]
        assert len(waited) <= 82
        await site.calls(some[-200:], 20)
        assert {Source.LIVE} == {finding.source for *_, finding in site.found[-200:]}

    play(scene)


def test_one_account_that_fails_beside_one_that_answers_is_no_brownout() -> None:
    async def scene() -> None:
        site = Site(Firm("npl", fails("http", after=0.01)), Firm("other", says()))
        await site.calls(numbers(1_200), 20)
        assert Level.LIVE is site.ladder.level

    play(scene)


def test_nobody_is_asked_and_what_is_kept_serves() -> None:
    async def scene() -> None:
        store = Shelf()
        site = Site(Firm(script=says()), store=store)
        site.ladder.pin(Level.CACHE, EPOCH + instant() + 60, "the vendor migrates")
        fresh, stale, stored, unknown = numbers(4)
        site.stage.remembers(60.0, number=fresh)
        site.stage.remembers(STALE_S, number=stale)
        store.holds(said(BARE), 60.0)
        store.kept[stored, Product.NETWORK] = store.kept[ONE, Product.NETWORK]
        found = [await site.rungs.find(ask_for(one)) for one in (fresh, stale, stored, unknown)]
        assert [
            (Source.MEMORY, "ok", "23415"),
            (Source.STALE, "shed", "23415"),
            (Source.STORE, "ok", "23415"),
            (Source.DEFAULT, "shed", None),
        ] == [(one.source, one.reason, one.info.mccmnc) for one in found]
        assert [] == site.firms[0].queue.asked
        avoided = [event.why for event in site.stage.seen(events.Avoided)]
        assert ["brownout", "brownout"] == avoided

    play(scene)


def test_a_file_asks_nobody_and_is_looked_at_all_the_same() -> None:
    class Dump:
        name = "dump"

        def answer(self, number: Msisdn) -> object:
            return ok(number, "23430", units=0.0)

        def serves(self, inquiry: object) -> bool:
            del inquiry
            return True

    async def scene() -> None:
        stage = Stage(Firm(script=says()), dumps=[Dump()])
        found = await stage.find(unasked="breaker")
        assert (Source.LIVE, "23430", "file") == (found.source, found.info.mccmnc, found.kind)
        behind = Stage(Firm(script=says()), fallbacks=[Dump()])
        found = await behind.find(unasked="breaker")
        assert (Source.RANGE, "breaker", "23430") == (
            found.source,
            found.reason,
            found.info.mccmnc,
        )

    play(scene)


def test_screens_that_may_not_be_asked_say_what_is_remembered_and_else_nothing() -> None:
    async def scene() -> None:
        store = Shelf()
        guard = Firm("guard", says(), product=Product.FRAUD, kind="lanck")
        stage = Stage(Firm(script=says()), guard, store=store)
        asked: dict[str, Any] = {"screens": (Product.FRAUD,), "unasked": "shed"}
        assert (await stage.find(**asked)).verdicts.fraud is None
        store.holds(verdict("suspicious"), 60.0, Product.FRAUD)
        assert "suspicious" == (await stage.find(**asked)).verdicts.fraud
        store.kept.clear()
        assert "suspicious" == (await stage.find(**asked)).verdicts.fraud  # from memory by now
        assert [] == guard.queue.asked

    play(scene)


def test_an_old_verdict_is_none() -> None:
    async def scene() -> None:
        store = Shelf()
        stage = Stage(Firm(script=says()), store=store)
        store.holds(verdict("suspicious"), 3_601.0, Product.FRAUD)
        found = await stage.find(screens=(Product.FRAUD,), unasked="shed")
        assert found.verdicts.fraud is None

    play(scene)


def test_a_question_that_may_not_be_asked_does_not_wait_for_one_that_is_out() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says(after=0.5)))
        first = asyncio.create_task(stage.find())
        await asyncio.sleep(0.1)
        began = instant()
        assert "breaker" == (await stage.find(unasked="breaker")).reason
        assert began == instant()
        assert Source.LIVE is (await first).source

    play(scene)


def test_no_answer_that_is_young_enough_is_none_whoever_may_be_asked() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says()))
        stage.remembers(60.0, said(NETWORK))
        assert Source.MEMORY is (await stage.find(unasked="shed")).source
        found = await stage.find(unasked="shed", max_age_s=30.0)
        assert (Source.DEFAULT, "shed") == (found.source, found.reason)
        stage.remembers(60.0, said(NumberInfo(live=Live.LIVE)))
        assert "ok" == (await stage.find(unasked="shed")).reason

    play(scene)


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **values: object) -> None:
        self.lines.append((level, event, values))

    def later(self, level: str, event: str, values: object) -> None: ...


def test_a_climb_is_told_the_time_and_tells_the_log() -> None:
    async def scene() -> None:
        log = Lines()
        climb = Climb(asyncio.get_running_loop(), Metrics(), log)
        climb.start()
        climb.ladder.pin(Level.RANGE, 4e9, "answers are wrong")
        await asyncio.sleep(3 * TICK_S)
        climb.ladder.unpin()
        climb.stop()
        told = {"before": "live", "after": "range", "why": "answers are wrong", "pinned": True}
        assert ("warning", "brownout", told) == log.lines[0]
        assert ("info", "brownout") == log.lines[1][:2]
        assert 2 == len(log.lines)

    play(scene)


def test_a_climb_lets_its_ladder_know_that_time_passes() -> None:
    async def scene() -> None:
        climb = Climb(asyncio.get_running_loop(), Metrics(), Lines())
        climb.start()
        for number in numbers(30):
            inquiry = ask_for(number)
            silent = Finding(Source.DEFAULT, "timeout")
            climb.ladder.told(climb.ladder.permit(inquiry), inquiry, silent)
            await asyncio.sleep(0.2)
        assert Level.CACHE is climb.ladder.level
        await asyncio.sleep(62)
        assert not int(climb.ladder.level)
        climb.stop()

    play(scene)
