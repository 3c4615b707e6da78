"""AMI cut while calls run: only what a gap touched differs from SIPp's truth, and it is marked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.asterisk import sip, six
from tests.asterisk.noc_stage import Noc, Scrape, fickle, noc
from tests.asterisk.pbx import Pbx
from tests.asterisk.relay import Relay, relaying
from tests.asterisk.test_kpis import EVERYONE, counted, truth_of

CALLS = 60
RATE = 20
SEEN = ("uk-a", "uk-b", "uk-c", "uk-d", "uk-e")
"""The trunks that SIPp tells of."""

SECOND = ("uk-a",)
"""Those that also take what another trunk failed."""

MARGIN_S = 0.3
"""What lies between SIPp's times of a leg and the events of its whole call."""


@dataclass(frozen=True)
class Gap:
    """When AMI was surely away, and when it may have been; what the counter says of it."""

    since: float
    until: float
    over: float
    counted_s: float

    def surely(self, leg: six.Leg) -> bool:
        """Say whether a leg was up or ended while AMI was away."""
        return leg.invited < self.until and (leg.ended or self.over) > self.since

    def maybe(self, leg: six.Leg) -> bool:
        """Say whether an event of a leg's call may have fallen into it."""
        ended = leg.ended or self.over
        return leg.invited - MARGIN_S < self.over and ended + MARGIN_S > self.since


class Rounds:
    """Rounds of calls; each is compared with what SIPp saw of it alone."""

    def __init__(self, site: Noc, trunks: six.Six) -> None:
        self._site = site
        self._trunks = trunks
        self._before: Scrape | None = None

    async def undisturbed(self) -> None:
        """Place calls and see that every figure is exact and nothing is marked."""
        before, since = await self._site.at_rest(), time.time()
        placed = await self._trunks.place(CALLS, rate=RATE)
        after = await self._site.at_rest()
        expected, _ = truth_of(self._legs(since), placed)
        assert expected == less(after, before)
        assert 0 == after("trunk_marked_total") - before("trunk_marked_total")

    async def disturbed(self, relay: Relay, away_s: float) -> None:
        """Place calls, cut AMI among them, and see that nothing else than what it met differs."""
        before, since = await self._site.at_rest(), time.time()
        calling = asyncio.create_task(self._trunks.place(CALLS, rate=RATE))
        await asyncio.sleep(1.5)  # into the midst of the calls
        gap = await away(self._site, relay, away_s)
        await calling
        after = await self._complete(before, self._legs(since))
        for name, truth in self._legs(since).items():
            if name not in SEEN:
                continue
            attempts = of_trunk(after, name) - of_trunk(before, name)
            marked = after("trunk_marked_total", trunk=name)
            marked -= before("trunk_marked_total", trunk=name)
            sure = sum(gap.surely(leg) for leg in truth.legs)
            maybe = sum(gap.maybe(leg) for leg in truth.legs)
            missing = truth.attempts - attempts
            print(
                f"{name}: {truth.attempts} legs, {sure} to {maybe} of them in the gap, "
                f"{marked:.0f} marked, {missing:.0f} missing"
            )
            # What is not marked is all that the gap has not met, and nothing that it has.
            assert truth.attempts - maybe <= attempts - marked <= truth.attempts - sure, name
            # A call that nothing was heard of is known by its decision: on its first trunk.
            fewest = truth.attempts - maybe if name in SECOND else truth.attempts
            assert fewest <= attempts <= truth.attempts, name
        assert 0 == after("security_events_total")

    async def _complete(self, before: Scrape, legs: Mapping[str, six.Truth]) -> Scrape:
        """Wait until every call is over, and told by its decision if nothing was heard of it."""
        await self._site.at_rest()

        def told(seen: Scrape) -> bool:
            return all(
                of_trunk(seen, name) - of_trunk(before, name) >= legs[name].attempts
                for name in SEEN
                if name not in SECOND
            )

        return await self._site.until(told)

    def _legs(self, since: float) -> dict[str, six.Truth]:
        return {
            name: six.Truth(tuple(leg for leg in one.legs if leg.invited >= since))
            for name, one in self._trunks.truth().items()
        }


def of_trunk(seen: Scrape, name: str) -> float:
    """Return the attempts on a trunk."""
    return seen("trunk_attempts_total", trunk=name)


def less(after: Scrape, before: Scrape) -> dict[str, dict[str, float]]:
    """Return the attempts between two scrapes, by trunk and outcome."""
    name, earlier = "trunk_attempts_total", counted(before, "trunk_attempts_total", "outcome")
    found: dict[str, dict[str, float]] = {}
    for trunk, counts in counted(after, name, "outcome").items():
        for outcome, count in counts.items():
            more = count - earlier.get(trunk, {}).get(outcome, 0.0)
            if more:
                found.setdefault(trunk, {})[outcome] = more
    return found


async def away(site: Noc, relay: Relay, away_s: float) -> Gap:
    """Cut AMI, keep it away for so long, and wait until noc has listed the channels again."""
    before = await site.scrape()
    since = time.time()
    if away_s:
        relay.refuse()
        await asyncio.sleep(away_s)
        relay.accept()
    else:
        relay.cut()
    until = time.time()
    over = await back(site, before("ami_gaps_total") + 1)
    after = await site.scrape()
    counted_s = after("ami_gap_seconds_total") - before("ami_gap_seconds_total")
    print(f"away {until - since:.2f} to {over - since:.2f} s, counted {counted_s:.2f} s")
    assert until - since - 0.05 <= counted_s <= over - since + 0.05
    return Gap(since, until, over, counted_s)


async def back(site: Noc, gaps: float) -> float:
    """Wait until so many gaps are over: their time no longer grows. Return when that was seen."""
    last = -1.0
    while True:
        seen = await site.until(lambda seen: seen("ami_gaps_total") == gaps)
        now = time.time()
        if seen("ami_connected") and seen("ami_gap_seconds_total") == last:
            return now
        last = seen("ami_gap_seconds_total")
        await asyncio.sleep(0.05)  # two looks that agree


def test_g19_only_calls_that_met_a_gap_differ_and_each_of_them_is_marked(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            relaying(pbx.ami_port) as relay,
            noc(pbx, trunks=six.TRUNKS_CSV, routes=six.ROUTES_CSV, ami_port=relay.port,
                extra=EVERYONE) as site,
            six.six(pbx, site.ami) as trunks,
        ):  # fmt: skip
            rounds = Rounds(site, trunks)
            await rounds.disturbed(relay, away_s=0.0)
            await rounds.undisturbed()
            await rounds.disturbed(relay, away_s=1.5)
            await rounds.undisturbed()
            assert 2 == (await site.scrape())("ami_gaps_total")

    asyncio.run(run())


async def talk(pbx: Pbx, *lengths_ms: int) -> list[asyncio.Task[sip.Called]]:
    """Begin calls that talk for so long."""
    calls = [
        asyncio.create_task(sip.call(pbx, f"44770090012{index}", talk_ms=length))
        for index, length in enumerate(lengths_ms)
    ]
    await asyncio.sleep(0)
    return calls


async def over(calls: Sequence[asyncio.Task[sip.Called]]) -> None:
    """Wait for their ends; nobody was hurt."""
    assert {200} == {done.final for done in await asyncio.gather(*calls)}


def test_g19_calls_under_way_are_counted_right_as_soon_as_the_gap_is_over(pbx: Pbx) -> None:
    """Three go on through the gap, two end in it, two begin in it."""
    trunks, routes = "trunk,ring_s\nholder,20\n", "rule,trunks\ndefault,holder\n"

    async def run() -> None:
        async with (
            relaying(pbx.ami_port) as relay,
            noc(pbx, trunks=trunks, routes=routes, ami_port=relay.port) as site,
            fickle(pbx, "holder"),
        ):
            through = await talk(pbx, 9_000, 9_000, 9_000)
            ending = await talk(pbx, 1_500, 1_500)
            await site.until(lambda seen: seen("trunk_calls", trunk="holder") == 5)
            before = (await site.scrape())("ami_gaps_total")
            relay.refuse()
            beginning = await talk(pbx, 7_000, 7_000)
            await over(ending)
            relay.accept()
            at = await back(site, before + 1)
            seen = await site.scrape()
            assert 5 == seen("trunk_calls", trunk="holder")
            assert not any(call.done() for call in (*through, *beginning))
            print(f"right {time.time() - at:.2f} s after the gap")
            await over([*through, *beginning])
            done = await site.at_rest()
            assert 7 == done("trunk_marked_total", trunk="holder")
            attempts = done.by("outcome", "trunk_attempts_total", trunk="holder")
            # How the two ended that nobody saw is not known; their dialling was seen.
            assert 7 == sum(attempts.values())
            assert {"answered", "unknown"} >= set(attempts)
            # 9 s thrice; the other two of seven at least from the list on, if it has their talk.
            talked = done("trunk_talk_seconds_total", trunk="holder")
            assert 27 == pytest.approx(min(talked, 27), abs=1.5)

    asyncio.run(run())
