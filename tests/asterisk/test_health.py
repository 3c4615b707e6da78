"""A trunk that fails stops being chosen, and comes back: real calls through the whole service."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Event
from tests.asterisk.noc_stage import Noc, at, between, fickle, noc, repeating
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
TWO = "trunk,ring_s\nholder,20\nported,20\n"
IN_TURN = "rule,trunks\ndefault,holder > ported\n"

QUICK = "[health]\nretry_s = 2\nlongest_retry_s = 4\ntrial_share = 0.5\n"
"""Waits of a second test of the same kind, on the other Asterisk; the first has the defaults."""

DECIDED_S = 1.0
OUT_S, OUT_ATTEMPTS = 10.0, 20
BACK_S = 30.0


def numbers(count: int, first: int = 0) -> list[str]:
    """Return numbers, no two alike."""
    return [f"4477009{index:05}" for index in range(first, first + count)]


def chosen(events: list[Event]) -> Counter[str]:
    """Return how often each trunk was the first of a decision."""
    return Counter(event["trunk"] for event in events)


class Watched:
    """What routers went by, from look to look: the trunks that are not up, of each of them."""

    def __init__(self, site: Noc) -> None:
        self._site = site
        self.looks: list[tuple[float, list[dict[str, str]]]] = []

    async def look(self) -> None:
        """Ask every router."""
        before = time.time()
        self.looks.append((before, await self._site.standings()))

    def first(self, trunk: str, *states: str, since: float = 0.0) -> float | None:
        """Return when all routers were first seen to hold a trunk for one of these states."""
        return next(
            (
                when
                for when, seen in self.looks
                if when >= since and all(one.get(trunk, "up") in states for one in seen)
            ),
            None,
        )

    async def until(self, trunk: str, *states: str, since: float, within_s: float) -> float:
        """Wait for that."""
        end = time.monotonic() + within_s
        while (found := self.first(trunk, *states, since=since)) is None:
            assert time.monotonic() < end, f"{trunk} not {states} after {within_s} s"
            await asyncio.sleep(0.05)  # the looks are taken beside
        return found


def test_f50_a_trunk_that_answers_503_is_out_within_ten_seconds_and_comes_back_by_a_trial(
    pbx: Pbx,
) -> None:
    extra = "" if pbx.build.required else QUICK

    async def run() -> None:
        async with (
            noc(pbx, trunks=TWO, routes=IN_TURN, extra=extra) as site,
            fickle(pbx, "holder", "ported") as (holder, _),
        ):
            watched = Watched(site)
            calling = asyncio.create_task(sip.calls(pbx, numbers(700), rate=10, within_s=5))
            async with repeating(watched.look):
                await site.ami.user("CarrierAttempt", count=15)
                failing = time.time()
                await holder.does("uas_refuse", 503)
                out = await watched.until("holder", "down", since=failing, within_s=OUT_S)
                again = await watched.until("holder", "trial", since=out, within_s=15)
                await watched.until("holder", "down", since=again, within_s=15)
                mended = await holder.does("uas_answer")
                trial = await watched.until("holder", "trial", since=mended, within_s=BACK_S)
                well = await watched.until("holder", "up", since=trial, within_s=20)
                await asyncio.sleep(1)  # some more calls, to see where they go
            calling.cancel()
            seen = Story(site, watched, (failing, out, again, mended, trial, well))
            seen.check()

    asyncio.run(run())


class Story:
    """What has to be so after the test above."""

    def __init__(self, site: Noc, watched: Watched, times: tuple[float, ...]) -> None:
        self.failing, self.out, self.again, self.mended, self.trial, self.well = times
        self.decisions = site.ami.heard("Decided")
        heard = site.ami.heard("CarrierAttempt")
        self.attempts = [event for event in heard if event["trunk"] == "holder"]
        self.watched = watched

    def check(self) -> None:
        failed = [
            one for one in between(self.attempts, self.failing, self.out)
            if one["dialstatus"] != "ANSWER"
        ]  # fmt: skip
        print(
            f"out after {self.out - self.failing:.2f} s and {len(failed)} attempts, "
            f"{self.out - at(failed[4]):.2f} s after the fifth, "
            f"on trial {self.trial - self.mended:.1f} s after the recovery, "
            f"up {self.well - self.mended:.1f} s after it"
        )
        assert self.out - self.failing <= OUT_S
        assert 5 <= len(failed) <= OUT_ATTEMPTS
        # Five in a row decide: from then on, by Asterisk's clock, to what the routers go by.
        assert self.out - at(failed[4]) < DECIDED_S
        assert {"ported"} == set(chosen(between(self.decisions, self.out, self.again - 0.1)))
        assert self.trial - self.mended <= BACK_S
        assert {"holder"} == set(chosen(between(self.decisions, self.well + 0.1)))
        self._never_all()

    def _never_all(self) -> None:
        """See that no call was without a trunk, and no rule without one that is up."""
        assert {"2"} == {event["count"] for event in self.decisions}
        assert all(
            one.get("ported", "up") == "up" for _, seen in self.watched.looks for one in seen
        )
        on_trial = chosen(between(self.decisions, self.trial + 0.1, self.well - 0.1))
        assert on_trial["ported"] > 0


def test_f50_when_all_trunks_of_a_rule_fail_every_call_still_tries_them(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            noc(pbx, trunks=TWO, routes=IN_TURN) as site,
            fickle(pbx, "holder", "ported") as carriers,
        ):
            for carrier in carriers:
                await carrier.does("uas_refuse", 503)
            done = await sip.calls(pbx, numbers(15), rate=10)
            assert {503} == {final for _, final in done}
            await site.stand({"holder": "down", "ported": "down"})
            done = await sip.calls(pbx, numbers(15, 15), rate=10)
            assert {503} == {final for _, final in done}
            decided = site.ami.heard("Decided")
            assert (30, {"2"}) == (len(decided), {event["count"] for event in decided})
            tried = await site.ami.user("CarrierAttempt", count=60)
            assert {"holder": 30, "ported": 30} == Counter(event["trunk"] for event in tried)
            # One that works again is found by the first call, whatever health thinks of it.
            await carriers[1].does("uas_answer")
            assert 200 == (await sip.call(pbx, NUMBER)).final
            seen = await site.at_rest()
            assert {"holder": 31, "ported": 30} == seen.by(
                "trunk", "trunk_attempts_total", outcome="failed"
            )

    asyncio.run(run())


async def first_choice(site: Noc) -> tuple[str, str]:
    """Place one call; return its first trunk, and how many it had."""
    before = len(site.ami.heard("Decided"))
    await sip.call(site.pbx, NUMBER)
    decided = (await site.ami.user("Decided", count=before + 1))[before]
    return decided["trunk"], decided["count"]


def test_a_persons_word_on_a_trunk_is_heeded_by_the_next_call(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            noc(pbx, trunks=TWO, routes=IN_TURN) as site,
            fickle(pbx, "holder", "ported"),
        ):
            assert ("holder", "2") == await first_choice(site)
            words = ("--for", "30m", "--why", "the carrier's mast")
            status, printed = await site.service.verb("trunk", "down", "holder", *words)
            assert (0, "holder is pinned down for 30m\n") == (status, printed)
            assert ("ported", "1") == await first_choice(site)
            assert 1 == (await site.scrape())("trunk_pinned", trunk="holder")
            await site.service.verb("trunk", "auto", "holder", "--why", "mended")
            assert ("holder", "2") == await first_choice(site)

    asyncio.run(run())


def test_a_trunk_of_two_calls_at_once_gets_the_third_when_one_of_them_is_over(pbx: Pbx) -> None:
    trunks = "trunk,ring_s,max_calls\nholder,20,2\nported,20,\n"

    async def run() -> None:
        async with (
            noc(pbx, trunks=trunks, routes=IN_TURN) as site,
            fickle(pbx, "holder", "ported"),
        ):
            talking = [asyncio.create_task(sip.call(pbx, NUMBER, talk_ms=4_000)) for _ in "ab"]
            await site.until(lambda seen: seen("trunk_calls", trunk="holder") == 2)
            # Beyond the next push the calls are those that Asterisk told of, not our own guesses.
            await asyncio.sleep(1.2)
            assert ("ported", "1") == await first_choice(site)
            assert [200, 200] == [done.final for done in await asyncio.gather(*talking)]
            await site.until(lambda seen: seen("trunk_calls", trunk="holder") == 0)
            await asyncio.sleep(1.2)
            assert ("holder", "2") == await first_choice(site)

    asyncio.run(run())


def test_calls_by_quality_go_to_the_trunk_that_does_better(pbx: Pbx) -> None:
    routes = (
        "rule,prefix,trunks,pick\nonly-a,4477001,holder,\nonly-b,4477002,ported,\n"
        "best,44770090,holder ported,quality\ndrawn,44770091,holder ported,\ndefault,,ported,\n"
    )

    async def run() -> None:
        async with (
            noc(pbx, trunks=TWO, routes=routes) as site,
            fickle(pbx, "holder", "ported") as (holder, _),
        ):
            await sip.calls(pbx, [f"44770010000{n}" for n in range(8)], rate=10)
            await sip.calls(
                pbx, [f"44770020000{n}" for n in range(9)] + ["447700200009"] * 3, rate=10
            )
            await holder.does("uas_refuse", 503)
            await sip.calls(pbx, [f"44770011000{n}" for n in range(4)], rate=10)
            quality = await qualities(site)
            # Laplace's rule over fading samples: (8 + 1) / (12 + 2) and (12 + 1) / (12 + 2).
            assert quality["holder"] == pytest.approx(9 / 14, abs=0.03)
            assert quality["ported"] == pytest.approx(13 / 14, abs=0.01)
            await holder.does("uas_answer")
            await asyncio.sleep(1.2)  # the next push
            before = len(site.ami.heard("Decided"))
            await sip.calls(pbx, numbers(40), rate=20)
            decided = (await site.ami.user("Decided", count=before + 40))[before:]
            # 19 of 20 by quality, the rest by weight: 40 calls with 7 at the worse one, never.
            assert 34 <= chosen(decided)["ported"]
            # The control: the same trunks drawn by weight, of which the worse one has a third.
            await sip.calls(pbx, [f"4477009100{n:02}" for n in range(40)], rate=20)
            decided = (await site.ami.user("Decided", count=before + 80))[before + 40 :]
            assert 5 <= chosen(decided)["holder"]

    asyncio.run(run())


async def qualities(site: Noc) -> dict[str, float]:
    """Return the quality of each trunk, once all calls are counted."""
    await site.at_rest()
    status, printed = await site.service.verb("trunk", "--json")
    assert 0 == status
    return {one["trunk"]: one["quality"] for one in json.loads(printed)["trunks"]}
