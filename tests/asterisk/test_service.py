"""The whole way: SIPp dials, Asterisk asks the real service, the right SIPp rings."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Ami, stage
from tests.asterisk.pbx import Pbx
from tests.asterisk.service import Dialdip, dialdip, sandbox
from tests.asterisk.test_injection import FORGED

# Sample numbers of the sandbox's own subscribers.csv.
PORTED = "447703100200"
HELD = "447860555010"
UNKNOWN = "447973100100"
HANGING = "447720123102"
DEAD_PROVIDER = "http://127.0.0.1:9/npl"


@contextlib.asynccontextmanager
async def whole(
    pbx: Pbx, provider: str = ""
) -> AsyncIterator[tuple[Ami, Dialdip, dict[str, sip.Trunk]]]:
    """Start provider, service and three trunks; the site's own default is the fallback too."""
    async with contextlib.AsyncExitStack() as stack:
        url = provider or await stack.enter_async_context(sandbox())
        service = await stack.enter_async_context(dialdip(url))
        trunks = {
            name: await stack.enter_async_context(sip.trunk(pbx, name))
            for name in ("holder", "ported", "fallback")
        }
        ami = await stack.enter_async_context(
            stage(
                pbx,
                CARRIER_AGI=service.url,
                CARRIER_GUARD="1.0",
                CARRIER_DEFAULT_TRUNKS="PJSIP/fallback:0:99",
            )
        )
        yield ami, service, trunks


def rang(trunks: dict[str, sip.Trunk]) -> dict[str, list[str]]:
    """Return the numbers that each trunk was asked for, of those that rang."""
    return {name: trunk.invited for name, trunk in trunks.items() if trunk.invited}


def test_a_ported_number_rings_at_the_network_that_serves_it_and_not_at_the_range_holder(
    pbx: Pbx,
) -> None:
    async def run() -> None:
        async with whole(pbx) as (ami, _, trunks):
            assert 200 == (await sip.call(pbx, PORTED)).final
            assert {"ported": [PORTED]} == rang(trunks)
            attempt = (await ami.user("CarrierAttempt"))[0]
            assert ("ported", "ANSWER") == (attempt["trunk"], attempt["dialstatus"])
            assert 1 == len(ami.heard("SiteHangup"))
            assert "23415" == ami.heard("Decided")[0]["mccmnc"]
            # The same number from the cache, in another form; and one that was never ported.
            assert 200 == (await sip.call(pbx, "+" + PORTED)).final
            assert 200 == (await sip.call(pbx, HELD)).final
            assert {"ported": [PORTED, PORTED], "holder": [HELD]} == rang(trunks)
            assert ["live", "memory", "live"] == [e["source"] for e in ami.heard("Decided")]

    asyncio.run(run())


@pytest.mark.parametrize("number", [UNKNOWN, HANGING])
def test_a_provider_that_knows_nothing_or_hangs_leaves_the_default_route(
    pbx: Pbx, number: str
) -> None:
    async def run() -> None:
        async with whole(pbx) as (ami, _, trunks):
            assert 200 == (await sip.call(pbx, number)).final
            assert {"fallback": [number]} == rang(trunks)
            seen = ami.heard("Decided")[0]
            assert ("default", "default") == (seen["source"], seen["rule"])
            assert {UNKNOWN: "err1", HANGING: "timeout"}[number] == seen["reason"]

    asyncio.run(run())


def test_a_dead_provider_leaves_the_default_route(pbx: Pbx) -> None:
    async def run() -> None:
        async with whole(pbx, DEAD_PROVIDER) as (ami, _, trunks):
            assert 200 == (await sip.call(pbx, PORTED)).final
            assert {"fallback": [PORTED]} == rang(trunks)
            assert "default" == ami.heard("Decided")[0]["rule"]

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_frozen_service_leaves_the_sites_own_default(
    pbx: Pbx, how: signal.Signals
) -> None:
    async def run() -> None:
        async with whole(pbx, DEAD_PROVIDER) as (ami, service, trunks):
            service.signal(how)
            if how is signal.SIGKILL:
                await service.process.wait()
            assert 200 == (await sip.call(pbx, PORTED)).final
            assert {"fallback": ["99" + PORTED]} == rang(trunks)
            seen = ami.heard("Decided")[0]
            assert ("default", "no-commit") == (seen["source"], seen["reason"])
            waited = 1.0 if how is signal.SIGSTOP else 0.0
            assert waited == pytest.approx(float(seen["elapsed"]), abs=0.2)

    asyncio.run(run())


def test_the_sites_timer_holds_over_a_real_lookup(pbx: Pbx) -> None:
    async def run() -> None:
        async with whole(pbx) as (ami, _, _):
            tag = await ami.originate(HANGING, variables=("__MODE=timed", "__LIMIT=1.5"))
            seen = (await ami.user("Decided", tag))[0]
            assert 1.5 == pytest.approx(float(seen["timer"]) + float(seen["elapsed"]), abs=0.05)
            late = (await ami.user("SiteTimeout", tag))[0]
            assert 1.5 == pytest.approx(float(late["elapsed"]), abs=0.2)
            await ami.ended(tag)
            assert 1 == len(ami.heard("SiteHangup", tag))

    asyncio.run(run())


@pytest.mark.parametrize("attack", FORGED)
def test_behind_a_naive_dialplan_the_service_refuses_what_a_caller_forged(
    pbx: Pbx, attack: str
) -> None:
    number, caller, extra, _ = FORGED[attack]

    async def run() -> None:
        async with whole(pbx, DEAD_PROVIDER) as (ami, service, trunks):
            await sip.call(pbx, number, address=sip.NAIVE, caller=caller, extra=extra)
            assert "no" == (await ami.user("Naive"))[0]["committed"]
            # And an honest call goes on as before.
            assert 200 == (await sip.call(pbx, PORTED)).final
            assert {"fallback": [PORTED]} == rang(trunks)
            assert [] == [line for line in service.said if "Traceback" in line]

    asyncio.run(run())


def test_the_classic_script_decides_by_the_real_service(pbx: Pbx) -> None:
    if not pbx.has_python:
        pytest.skip(f"no python3 in the chroot of Asterisk {pbx.version}")

    async def run() -> None:
        async with whole(pbx) as (ami, service, trunks):
            await ami.globals(
                CARRIER_AGI="carrier-route.agi", CARRIER_RELAY=service.url, CARRIER_GUARD="5"
            )
            assert 200 == (await sip.call(pbx, PORTED)).final
            assert {"ported": [PORTED]} == rang(trunks)

    asyncio.run(run())


def test_fifty_calls_at_once_are_all_decided(pbx: Pbx) -> None:
    async def run() -> None:
        async with whole(pbx) as (ami, _, _):
            numbers = [f"4479005{index:05}" for index in range(50)]
            tags = [await ami.originate(number, "site-only") for number in numbers]
            seen = [(await ami.user("Only", tag))[0] for tag in tags]
            assert {"yes"} == {event["committed"] for event in seen}

    asyncio.run(run())
