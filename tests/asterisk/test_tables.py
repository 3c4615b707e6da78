"""The tables at work: windows, trunks off or too fast, policy, loops, and why afterwards."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Event, stage
from tests.asterisk.pbx import Pbx
from tests.asterisk.service import dialdip, sandbox
from tests.asterisk.tables_stage import DEAD_PROVIDER, ONLY_22, Whole, until, whole
from tests.asterisk.test_loop import HEADER, carrier

NUMBER = "447720456789"
CONTROL = "447720456000"
# Sample numbers of the sandbox: an O2 range served by Vodafone today; O2's own.
PORTED = "447703100200"
HELD = "447860555010"
SATELLITE = "881631512345"

ZONE = "Asia/Kathmandu"
"""UTC+5:45 all the year, so that a window in the host's zone would be seen."""


def outcome(event: Event) -> tuple[str, str, str, str]:
    """Return action, cause, source and reason of a decision, as the dialplan had them."""
    return event["action"], event["cause"], event["source"], event["reason"]


def window(begin: datetime, end: datetime) -> str:
    """Return a window of every day; an end at midnight belongs to the day before."""
    return f"Mon-Sun {begin:%H:%M}-{end:%H:%M} {ZONE}".replace("-00:00 ", "-24:00 ")


def in_order(rang: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return who rang where, by number: calls 100 ms apart may overtake on a busy machine."""
    return {name: sorted(numbers) for name, numbers in rang.items()}


async def explained(site: Whole, *arguments: str) -> dict[str, Any]:
    """Return what ``dialdip explain`` says to a program."""
    status, printed = await site.service.verb("explain", *arguments, "--json")
    assert 0 == status, printed
    said: dict[str, Any] = json.loads(printed)
    return said


# ---- a window that ends --------------------------------------------------------------------------


@ONLY_22
def test_a_window_ends_with_its_minute_for_the_call_a_second_later(pbx: Pbx) -> None:
    """The control: at the same two instants, a number whose window goes on for ten minutes."""
    full_minute = (int(time.time()) + 10) // 60 * 60 + 60
    end = datetime.fromtimestamp(full_minute, ZoneInfo(ZONE))
    spans = [window(end - timedelta(minutes=10), one) for one in (end, end + timedelta(minutes=10))]
    routes = (
        "rule,prefix,when,trunks\n"
        f"open,{NUMBER},{spans[0]},holder\n"
        f"longer,{CONTROL},{spans[1]},ported\n"
        "default,,,fallback\n"
    )

    async def both(site: Whole, at: float) -> tuple[dict[str, str], float]:
        """Dial both numbers at an instant; return each one's rule, and when both were decided."""
        await until(at, at_most_s=75)
        before = len(site.ami.heard("Decided"))
        calling = asyncio.gather(sip.call(pbx, NUMBER), sip.call(pbx, CONTROL))
        heard = (await site.ami.user("Decided", count=before + 2))[before:]
        decided = time.time()
        assert [200, 200] == [one.final for one in await calling]
        return {event["number"]: event["rule"] for event in heard}, decided

    async def run() -> None:
        async with whole(pbx, routes) as site:
            before, decided = await both(site, full_minute - 1)
            assert decided < full_minute, "too slow a machine to tell"
            assert {NUMBER: "open", CONTROL: "longer"} == before
            after, _ = await both(site, full_minute + 1)
            assert {NUMBER: "default", CONTROL: "longer"} == after
            expected = {"holder": [NUMBER], "fallback": [NUMBER], "ported": [CONTROL, CONTROL]}
            assert expected == site.rang

    asyncio.run(run())


# ---- a trunk that may not be used ----------------------------------------------------------------


def test_while_the_first_trunk_is_disabled_the_second_takes_every_call(pbx: Pbx) -> None:
    numbers = [f"4477204567{index:02}" for index in range(5)]
    routes = "rule,prefix,trunks\nhome,44,ported > fallback\ndefault,,holder\n"
    trunks = "trunk,enabled\nholder,\nported,no\nfallback,yes\n"

    async def run() -> None:
        async with whole(pbx, routes, trunks=trunks) as site:
            done = await sip.calls(pbx, numbers, rate=10)
            assert dict.fromkeys(numbers, 200) == dict(done)
            assert {"fallback": sorted(numbers)} == in_order(site.rang)
            # Not even tried: no attempt is reported of the trunk that is off.
            attempts = await site.ami.user("CarrierAttempt", count=5)
            assert {("fallback", "1", "ANSWER")} == {
                (one["trunk"], one["index"], one["dialstatus"]) for one in attempts
            }

    asyncio.run(run())


def test_five_calls_in_a_second_are_two_for_a_trunk_of_two_a_second_and_three_for_the_next(
    pbx: Pbx,
) -> None:
    numbers = [f"4477204567{index:02}" for index in range(5)]
    routes = "rule,prefix,trunks\nhome,44,ported > fallback\ndefault,,holder\n"
    trunks = "trunk,cps\nholder,\nported,2\nfallback,\n"

    async def run() -> None:
        async with whole(pbx, routes, trunks=trunks) as site:
            done = await sip.calls(pbx, numbers, rate=6)
            last = time.time()
            assert dict.fromkeys(numbers, 200) == dict(done)
            rang = site.rang
            assert {"ported": 2, "fallback": 3} == {name: len(on) for name, on in rang.items()}
            assert sorted(numbers) == sorted(rang["ported"] + rang["fallback"])
            # A second later the first trunk has room again.
            await until(last + 1.1, at_most_s=2)
            assert 200 == (await sip.call(pbx, NUMBER)).final
            assert [*rang["ported"], NUMBER] == site.rang["ported"]

    asyncio.run(run())


# ---- policy --------------------------------------------------------------------------------------

ROUTES = "rule,mccmnc,trunks\nported,23415,ported\nholder,23410,holder\ndefault,,fallback\n"
POLICY = """prefix,account,mccmnc,line,action,comment
881,,,,deny,satellites
,,23415,,deny,a network that we may not call
"""


async def is_denied(site: Whole, dialled: str, row: int) -> None:
    """Dial; the caller has to hear cause 21, by the policy's row on this line of the file."""
    before = len(site.ami.heard("Decided"))
    called = await sip.call(site.pbx, dialled)
    # 21 is 403 in SIP (RFC 4497, section 8.4.4); the Reason header says 21 itself (RFC 3326).
    assert 403 == called.final
    assert "Q.850;cause=21" in called.messages
    seen = (await site.ami.user("Decided", count=before + 1))[before]
    assert ("reject", "21", "policy", "denied") == outcome(seen)
    assert f"policy-{row}" == seen["rule"]


@pytest.mark.parametrize("alive", [True, False], ids=["provider-alive", "provider-dead"])
def test_a28_a_denied_range_hears_cause_21_and_no_trunk_rings_however_it_is_dialled(
    pbx: Pbx, alive: bool
) -> None:
    async def dial(provider: str) -> None:
        async with whole(pbx, ROUTES, files={"policy.csv": POLICY}, provider=provider) as site:
            for dialled in (SATELLITE, "+" + SATELLITE, "00" + SATELLITE):
                await is_denied(site, dialled, 2)
            assert {} == site.rang
            # And the next honest call goes out.
            assert 200 == (await sip.call(pbx, HELD)).final
            assert {("holder" if alive else "fallback"): [HELD]} == site.rang

    async def run() -> None:
        if not alive:
            await dial(DEAD_PROVIDER)
            return
        async with sandbox() as provider:
            await dial(provider)

    asyncio.run(run())


def test_a_network_that_only_the_lookup_can_name_is_denied_by_it(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            sandbox() as provider,
            whole(pbx, ROUTES, files={"policy.csv": POLICY}, provider=provider) as site,
        ):
            await is_denied(site, PORTED, 3)  # asked
            await is_denied(site, PORTED, 3)  # remembered
            assert {} == site.rang
            assert 200 == (await sip.call(pbx, HELD)).final
            assert {"holder": [HELD]} == site.rang

    asyncio.run(run())


def test_without_a_lookup_a_network_that_nobody_knows_is_not_denied(pbx: Pbx) -> None:
    async def run() -> None:
        async with whole(pbx, ROUTES, files={"policy.csv": POLICY}) as site:
            assert 200 == (await sip.call(pbx, PORTED)).final
            assert {"fallback": [PORTED]} == site.rang

    asyncio.run(run())


# ---- loops ---------------------------------------------------------------------------------------


def test_a40_the_service_itself_refuses_a_call_that_its_own_trunk_hands_back(pbx: Pbx) -> None:
    async def run() -> None:
        routes = "rule,trunks\ndefault,back\n"
        values = {"CARRIER_DEFAULT_TRUNKS": "PJSIP/second", "CARRIER_SITE": ""}
        async with (
            carrier(pbx) as made,
            sip.trunk(pbx, "second") as second,
            dialdip(DEAD_PROVIDER, trunks="trunk\nback\n", routes=routes) as service,
            stage(pbx, CARRIER_AGI=service.url, CARRIER_GUARD="1.0", **values) as ami,
        ):
            called = await sip.call(pbx, NUMBER)
            first, again = await ami.user("Decided", count=2)
            assert ("route", "back") == (first["action"], first["trunk"])
            assert ("reject", "25", "policy", "loop") == outcome(again)
            # It was the service that said so: the dialplan's own refusal has neither of these.
            assert "" != first["table"] == again["table"]
            assert "" != again["id"] != first["id"]
            assert 400 <= called.final
            assert 1 == len(made.invited) == len(HEADER.findall(made.invited[0]))
            assert [] == second.invited
            status, printed = await service.verb("explain", "--id", again["id"], "--json")
            assert 0 == status
            record = json.loads(printed)["record"]
            assert (25, "loop", again["uniqueid"]) == (
                *(record[name] for name in ("cause", "reason", "uniqueid")),
            )

    before = len(pbx.log)
    asyncio.run(run())
    assert "a call came back to us" not in pbx.log[before:]


# ---- why, afterwards -----------------------------------------------------------------------------


def test_explain_tells_by_the_channel_why_a_call_went_where_it_went(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            sandbox() as provider,
            whole(pbx, ROUTES, files={"policy.csv": POLICY}, provider=provider) as site,
        ):
            await sip.call(pbx, HELD)
            await sip.call(pbx, SATELLITE)
            went, denied = await site.ami.user("Decided", count=2)
            told = await explained(site, "--call", went["uniqueid"])
            record = told["record"]
            assert (went["id"], went["table"]) == (record["id"], record["table"])
            assert ("holder", "23410") == (record["rule"], record["mccmnc"])
            assert [{"trunk": "holder", "number": HELD}] == record["trunks"]
            assert (True, True) == (told["agrees"], told["same_way"])
            assert "holder" == told["then"]["decision"]["rule"]
            told = await explained(site, "--call", denied["uniqueid"])
            record = told["record"]
            assert (denied["id"], 21, "policy-2") == (
                *(record[name] for name in ("id", "cause", "rule")),
            )
            assert [] == record["trunks"]
            assert "satellites" in json.dumps(told["then"]["policy"])

    asyncio.run(run())
