"""carrier-dial with SIPp as caller and as trunks: what is final, what goes on to the next trunk."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Event, stage
from tests.asterisk.fastagi import commits, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
TWO = commits(("PJSIP", "ported", "447700900123"), ("PJSIP", "second", "00447700900123"))


async def through(
    pbx: Pbx, scenario: str, status: int = 503, number: str = NUMBER
) -> tuple[sip.Called, list[str], list[str], list[Event]]:
    """Call while the first trunk does what its scenario says and the second would answer."""
    async with (
        serving(TWO) as server,
        sip.trunk(pbx, "ported", scenario, status) as first,
        sip.trunk(pbx, "second") as second,
        stage(pbx, CARRIER_AGI=server.url) as ami,
    ):
        called = await sip.call(pbx, number)
        await ami.user("SiteHangup")
        expected = len(first.invited) + len(second.invited)
        return (
            called,
            first.invited,
            second.invited,
            await ami.user("CarrierAttempt", count=expected),
        )


def test_the_first_trunk_gets_the_number_that_was_chosen_for_it(pbx: Pbx) -> None:
    called, first, second, attempts = asyncio.run(through(pbx, "uas_answer"))
    assert (200, ["447700900123"], []) == (called.final, first, second)
    assert [("ported", "1", "ANSWER")] == [
        (a["trunk"], a["index"], a["dialstatus"]) for a in attempts
    ]


@pytest.mark.parametrize(
    ("status", "dialstatus", "cause"),
    # 408 is also what Asterisk makes of a trunk that is silent for 32 s (RFC 3261, timer B).
    [
        (503, "CONGESTION", "34"),
        (500, "CHANUNAVAIL", "38"),
        (502, "CHANUNAVAIL", "27"),
        (408, "CHANUNAVAIL", "18"),
    ],
)
def test_a_trunk_that_cannot_take_the_call_gives_way_to_the_next(
    pbx: Pbx, status: int, dialstatus: str, cause: str
) -> None:
    called, first, second, attempts = asyncio.run(through(pbx, "uas_refuse", status))
    assert (200, ["447700900123"], ["00447700900123"]) == (called.final, first, second)
    assert [("ported", "1", dialstatus, cause), ("second", "2", "ANSWER", "16")] == [
        (a["trunk"], a["index"], a["dialstatus"], a["hangupcause"]) for a in attempts
    ]


@pytest.mark.parametrize(
    ("status", "cause"),
    # RFC 3261 section 21 status, Q.850 cause by RFC 4497; the caller gets the status back.
    [(486, "17"), (404, "1"), (480, "19"), (484, "28"), (403, "21"), (410, "22")],
)
def test_a_refusal_by_the_network_or_the_called_is_final(pbx: Pbx, status: int, cause: str) -> None:
    called, first, second, attempts = asyncio.run(through(pbx, "uas_refuse", status))
    assert (status, ["447700900123"], []) == (called.final, first, second)
    assert [cause] == [attempt["hangupcause"] for attempt in attempts]


def test_a_phone_that_nobody_picks_up_is_final(pbx: Pbx) -> None:
    async def run() -> None:
        one = commits(("PJSIP", "ported", "4401"), ("PJSIP", "second", "4401"), CARRIER_RING_1="1")
        async with (
            serving(one) as server,
            sip.trunk(pbx, "ported", "uas_rings") as first,
            sip.trunk(pbx, "second") as second,
            stage(pbx, CARRIER_AGI=server.url) as ami,
        ):
            await sip.call(pbx, NUMBER)
            attempt = (await ami.user("CarrierAttempt"))[0]
            assert "NOANSWER" == attempt["dialstatus"]
            assert (["4401"], []) == (first.invited, second.invited)

    asyncio.run(run())


def test_an_endpoint_that_asterisk_does_not_have_gives_way_and_is_reported(pbx: Pbx) -> None:
    async def run() -> None:
        answer = commits(("PJSIP", "no-such", "4401"), ("PJSIP", "second", "4402"))
        async with (
            serving(answer) as server,
            sip.trunk(pbx, "second") as second,
            stage(pbx, CARRIER_AGI=server.url) as ami,
        ):
            assert 200 == (await sip.call(pbx, NUMBER)).final
            attempts = await ami.user("CarrierAttempt", count=2)
            assert [("no-such", "CHANUNAVAIL"), ("second", "ANSWER")] == [
                (a["trunk"], a["dialstatus"]) for a in attempts
            ]
            assert ["4402"] == second.invited

    asyncio.run(run())


# Q.850 cause to SIP status as Asterisk's PJSIP channel maps it (chan_pjsip.c, hangup_cause2sip).
@pytest.mark.parametrize(("cause", "status"), [("21", 403), ("1", 404), ("17", 486), ("34", 503)])
def test_a_rejection_reaches_the_caller_and_no_trunk(pbx: Pbx, cause: str, status: int) -> None:
    async def run() -> None:
        answer = commits(("PJSIP", "ported", "4401"), CARRIER_ACTION="reject", CARRIER_CAUSE=cause)
        async with (
            serving(answer) as server,
            sip.trunk(pbx, "ported") as ported,
            sip.trunk(pbx, "fallback") as fallback,
            stage(pbx, CARRIER_AGI=server.url, CARRIER_DEFAULT_TRUNKS="PJSIP/fallback") as ami,
        ):
            assert status == (await sip.call(pbx, NUMBER)).final
            await ami.user("SiteHangup")
            assert ([], []) == (ported.invited, fallback.invited)

    asyncio.run(run())


def test_with_the_service_down_the_default_trunks_ring_in_their_order(pbx: Pbx) -> None:
    async def run() -> None:
        trunks = "PJSIP/ported,PJSIP/fallback:2:00"
        async with (
            sip.trunk(pbx, "ported", "uas_refuse") as first,
            sip.trunk(pbx, "fallback") as fallback,
            stage(pbx, CARRIER_DEFAULT_TRUNKS=trunks),
        ):
            assert 200 == (await sip.call(pbx, NUMBER)).final
            assert (["447700900123"], ["007700900123"]) == (first.invited, fallback.invited)

    asyncio.run(run())


@pytest.mark.parametrize("number", ["+447700900123", "*21"])
def test_a_plus_and_a_star_reach_the_trunk_as_dialled(pbx: Pbx, number: str) -> None:
    async def run() -> None:
        async with (
            sip.trunk(pbx, "fallback") as fallback,
            stage(pbx, CARRIER_DEFAULT_TRUNKS="PJSIP/fallback"),
        ):
            assert 200 == (await sip.call(pbx, number)).final
            assert [number] == fallback.invited

    asyncio.run(run())


def test_two_callers_at_once_get_their_own_decisions(pbx: Pbx) -> None:
    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(serving(TWO))
            first = await stack.enter_async_context(sip.trunk(pbx, "ported"))
            await stack.enter_async_context(stage(pbx, CARRIER_AGI=server.url))
            called = await asyncio.gather(*(sip.call(pbx, NUMBER) for _ in range(2)))
            assert [200, 200] == [one.final for one in called]
            assert 2 == len(first.invited)

    asyncio.run(run())
