"""How calls end under a real Asterisk: the site's h once, its timer kept, each trunk reported."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk import fastagi, sip
from tests.asterisk.ami import Ami, Event, stage
from tests.asterisk.fastagi import commits, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
TALKS = commits(("Local", "sink", "4401"))
RINGS = commits(("Local", "sink-rings", "4401"))


async def one_call(
    ami: Ami, *variables: str, number: str = NUMBER
) -> tuple[list[Event], list[Event]]:
    """Place a call; return how often h ran, and the attempts reported, when all is over."""
    tag = await ami.originate(number, variables=variables)
    gone = await ami.ended(tag)
    attempts = [e for e in ami.heard("CarrierAttempt") if e["uniqueid"] == gone["uniqueid"]]
    return ami.heard("SiteHangup", tag), attempts


def test_h_runs_once_when_both_subroutines_return(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(TALKS) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            hangups, attempts = await one_call(ami)
            assert 1 == len(hangups)
            assert ["BUSY"] == [attempt["dialstatus"] for attempt in attempts]

    asyncio.run(run())


def test_h_runs_once_after_an_answered_call_and_the_trunk_is_reported(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(TALKS) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            hangups, attempts = await one_call(ami, "__TALK=0.01")
            assert 1 == len(hangups)
            names = ("id", "trunk", "index", "dialstatus", "hangupcause")
            expected = ("d-1", "sink", "1", "ANSWER", "16")
            assert [expected] == [tuple(a[name] for name in names) for a in attempts]

    asyncio.run(run())


def test_h_runs_once_when_the_decision_is_a_rejection(pbx: Pbx) -> None:
    async def run() -> None:
        answer = commits(CARRIER_ACTION="reject", CARRIER_CAUSE="21", CARRIER_COUNT="0")
        async with serving(answer) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            hangups, attempts = await one_call(ami)
            assert ["21"] == [event["cause"] for event in hangups]
            assert [] == attempts

    asyncio.run(run())


def test_h_runs_once_when_the_caller_leaves_during_the_lookup(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(fastagi.silent) as server,
            stage(pbx, CARRIER_AGI=server.url, CARRIER_GUARD="10") as ami,
        ):
            caller = asyncio.create_task(sip.call(pbx, NUMBER, scenario="uac_cancel", talk_ms=50))
            gone = (await ami.user("SiteHangup"))[0]
            assert 487 == (await caller).final
            await ami.wait(lambda e: e.name == "Hangup" and e["uniqueid"] == gone["uniqueid"])
            assert (1, 0) == (len(ami.heard("SiteHangup")), len(ami.heard("CarrierAttempt")))
            # The service may go on with its lookup, but Asterisk no longer holds the session.
            assert "" == gone["exit"]

    asyncio.run(run())


def test_h_runs_once_when_the_caller_leaves_while_it_rings(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(commits(("PJSIP", "ported", "4401"), ("PJSIP", "second", "4401"))) as server,
            sip.trunk(pbx, "ported", "uas_rings") as ported,
            sip.trunk(pbx, "second") as second,
            stage(pbx, CARRIER_AGI=server.url) as ami,
        ):
            called = await sip.call(
                pbx, NUMBER, scenario="uac_cancel", talk_ms=50, after_ringing=True
            )
            assert 487 == called.final
            attempt = (await ami.user("CarrierAttempt"))[0]
            assert ("ported", "CANCEL") == (attempt["trunk"], attempt["dialstatus"])
            assert 1 == len(ami.heard("SiteHangup"))
            assert (["4401"], []) == (ported.invited, second.invited)

    asyncio.run(run())


def test_h_of_the_context_that_the_site_named_is_run(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(TALKS) as server,
            stage(pbx, CARRIER_AGI=server.url, CARRIER_CONTEXT="elsewhere") as ami,
        ):
            tag = await ami.originate(NUMBER, variables=("__TALK=0.01",))
            await ami.user("ElsewhereHangup", tag)
            await ami.user("CarrierAttempt")
            assert [] == ami.heard("SiteHangup", tag)

    asyncio.run(run())


@pytest.mark.parametrize("context", ["carrier-dial", "carrier-route", "no-such-context"])
def test_a_context_that_cannot_be_the_sites_ends_the_call_and_nothing_loops(
    pbx: Pbx, context: str
) -> None:
    async def run() -> None:
        async with (
            serving(TALKS) as server,
            stage(pbx, CARRIER_AGI=server.url, CARRIER_CONTEXT=context) as ami,
        ):
            tag = await ami.originate(NUMBER, variables=("__TALK=0.01",))
            attempt = (await ami.user("CarrierAttempt"))[0]
            await ami.wait(lambda e: e.name == "Hangup" and e["uniqueid"] == attempt["uniqueid"])
            assert [] == ami.heard("SiteHangup", tag)

    asyncio.run(run())


def test_what_is_left_of_the_sites_timer_is_kept_over_the_lookup(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(TALKS) as good,
            serving(fastagi.silent) as dumb,
            stage(pbx, CARRIER_AGI=good.url) as ami,
        ):
            for url, spent_s in ((good.url, 0.0), (dumb.url, 0.5), (f"{dumb.url},{good.url}", 0.5)):
                await ami.globals(CARRIER_AGI=url)
                tag = await ami.originate(NUMBER, variables=("__MODE=timed", "__LIMIT=7"))
                seen = (await ami.user("Decided", tag))[0]
                assert 7 - spent_s == pytest.approx(float(seen["timer"]), abs=0.1)
                # The service's own bookkeeping: timer and clock agree.
                assert 7 == pytest.approx(float(seen["timer"]) + float(seen["elapsed"]), abs=0.05)
                assert "no" == seen["exit"]

    asyncio.run(run())


def test_a_site_without_a_timer_has_none_afterwards(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(fastagi.silent) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            tag = await ami.originate(NUMBER)
            seen = (await ami.user("Decided", tag))[0]
            assert ("0", "") == (seen["timer"], seen["exit"])

    asyncio.run(run())


def test_a_site_timer_that_ends_during_the_lookup_leads_to_the_sites_own_t(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(fastagi.silent) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            tag = await ami.originate(NUMBER, variables=("__MODE=timed", "__LIMIT=0.2"))
            late = (await ami.user("SiteTimeout", tag))[0]
            await ami.ended(tag)
            assert 0.2 == pytest.approx(float(late["elapsed"]), abs=0.1)
            assert [] == ami.heard("Decided", tag)
            assert (1, 1) == (
                len(ami.heard("SiteTimeout", tag)),
                len(ami.heard("SiteHangup", tag)),
            )

    asyncio.run(run())


@pytest.mark.parametrize("talk", ["", "__TALK=5"])
def test_a_site_timer_that_ends_on_a_trunk_leads_to_the_sites_own_t(pbx: Pbx, talk: str) -> None:
    async def run() -> None:
        answer = TALKS if talk else RINGS
        async with serving(answer) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            tag = await ami.originate(NUMBER, variables=("__MODE=timed", "__LIMIT=0.8", talk))
            late = (await ami.user("SiteTimeout", tag))[0]
            await ami.ended(tag)
            assert 0.8 == pytest.approx(float(late["elapsed"]), abs=0.1)
            assert (1, 1) == (len(ami.heard("CarrierAttempt")), len(ami.heard("SiteHangup", tag)))

    asyncio.run(run())


def test_the_cdr_names_decision_rule_network_and_source(pbx: Pbx) -> None:
    async def run() -> str:
        async with serving(TALKS) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            tag = await ami.originate(NUMBER, variables=("__MODE=cdr",))
            return (await ami.user("Cdr", tag))[0]["fields"]

    assert "d-1/r1/23415/live" == asyncio.run(run())


def test_no_channel_is_left_behind(pbx: Pbx) -> None:
    async def run() -> list[str]:
        async with stage(pbx) as ami:
            tags = [await ami.originate(NUMBER) for _ in range(5)]
            for tag in tags:
                await ami.ended(tag)
            for _ in range(100):
                left = await ami.action("CoreStatus")
                if left["corecurrentcalls"] == "0":
                    break
                await asyncio.sleep(0.05)
            return [left["corecurrentcalls"]]

    assert ["0"] == asyncio.run(run())
