"""The site's globals, right and wrong: what is asked, where calls go, what the log says."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk import fastagi
from tests.asterisk.ami import Ami, Event, stage
from tests.asterisk.fastagi import commits, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
GOOD = commits(("Local", "sink", "4401"))
EXTRAS = ("COUNTRY", "LINE", "PORTED", "LIVE", "FRAUD", "AGE", "TABLE")


async def decided(ami: Ami, *variables: str) -> Event:
    """Place a call and return what the site saw after carrier-route, when the call is over."""
    tag = await ami.originate(NUMBER, variables=variables)
    seen = (await ami.user("Decided", tag))[0]
    await ami.ended(tag)
    return seen


async def logged(pbx: Pbx, ami: Ami, *variables: str) -> tuple[Event, list[str]]:
    """Place a call; return what was decided and what carrier-route logged meanwhile."""
    before = len(pbx.log)
    seen = await decided(ami, *variables)
    return seen, [line for line in pbx.log[before:].splitlines() if "carrier-route: " in line]


def test_a_technology_that_is_not_known_is_logged_and_passed_over(pbx: Pbx) -> None:
    async def run() -> None:
        trunks = "pjsip/x,local/sink,Motif/x,sink,Local/sink"
        async with serving(fastagi.closes) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            await ami.globals(CARRIER_DEFAULT_TRUNKS=trunks)
            seen, lines = await logged(pbx, ami)
            assert ("1", "Local", "sink") == (seen["count"], seen["tech"], seen["trunk"])
            errors = [line for line in lines if "ERROR" in line]
            assert 4 == len(errors)
            for item, line in enumerate(errors, 1):
                assert f"item {item} of CARRIER_DEFAULT_TRUNKS" in line
            assert [NUMBER] == [event["number"] for event in ami.heard("Sink", seen["tag"])]

    asyncio.run(run())


@pytest.mark.parametrize("tech", ["PJSIP", "SIP", "IAX2", "DAHDI", "Local"])
def test_each_of_the_five_technologies_may_be_a_default_trunk(pbx: Pbx, tech: str) -> None:
    async def run() -> None:
        async with stage(pbx, CARRIER_DEFAULT_TRUNKS=f"{tech}/x") as ami:
            seen, lines = await logged(pbx, ami)
            assert ("1", tech, "x") == (seen["count"], seen["tech"], seen["trunk"])
            assert [] == [line for line in lines if "ERROR" in line]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("trunks", "count"),
    [
        (",Local/sink", "1"),
        ("Local/sink-full,,Local/sink,", "2"),
        (", ," + ",".join(["Local/sink"] * 9), "7"),
    ],
)
def test_an_empty_default_trunk_does_not_end_the_list(pbx: Pbx, trunks: str, count: str) -> None:
    async def run() -> None:
        async with stage(pbx, CARRIER_DEFAULT_TRUNKS=trunks) as ami:
            seen, lines = await logged(pbx, ami)
            assert count == seen["count"]
            assert [NUMBER] == [e["number"] for e in ami.heard("Sink", seen["tag"])][-1:]
            assert [] == [line for line in lines if "ERROR" in line]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("guard", "asked_ms", "warnings"),
    [
        ("0.3", "300", 0),
        (".25", "250", 0),
        ("0.7", "700", 0),
        ("5", "5000", 0),
        ("", "1000", 0),
        ("0,3", "1000", 1),
        ("5.1", "1000", 1),
        ("0", "1000", 1),
        ("0.0004", "1000", 1),
        ("-1", "1000", 1),
        ("500ms", "1000", 1),
        ("1.2.3", "1000", 1),
        ("1)", "1000", 1),
    ],
)
def test_a_guard_that_is_no_number_of_seconds_is_one_second_and_logged(
    pbx: Pbx, guard: str, asked_ms: str, warnings: int
) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            await ami.globals(CARRIER_GUARD=guard)
            seen, lines = await logged(pbx, ami)
            assert ("live", asked_ms) == (seen["source"], server.asked[0].query["g"])
            assert warnings == len([line for line in lines if "CARRIER_GUARD" in line])

    asyncio.run(run())


def test_the_service_hears_the_sites_guard_also_when_less_time_remains(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(GOOD) as server,
            stage(pbx, CARRIER_AGI=server.url, CARRIER_GUARD="4") as ami,
        ):
            await decided(ami, "__MODE=timed", "__LIMIT=2")
            assert "4000" == server.asked[0].query["g"]

    asyncio.run(run())


@pytest.mark.parametrize("ending", ["", "/", "/route", "/route/"])
def test_a_base_url_may_end_in_what_is_added_to_it(pbx: Pbx, ending: str) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx) as ami:
            await ami.globals(CARRIER_AGI=f"agi://127.0.0.1:9{ending},{server.url}{ending}")
            assert "live" == (await decided(ami))["source"]
            asked = server.asked[0].lines["agi_request"].partition("?")[0]
            assert f"{server.url}/route" == asked
            assert "route" == server.asked[0].lines["agi_network_script"].partition("?")[0]

    asyncio.run(run())


@pytest.mark.parametrize("second", [NUMBER, "447x"])
def test_a_second_decision_on_a_channel_has_nothing_of_the_first(pbx: Pbx, second: str) -> None:
    async def run() -> None:
        extras = {f"CARRIER_{name}": "old" for name in EXTRAS}
        first = commits(("Local", "sink", "4401"), **extras)
        async with serving(first) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            variables = ("__MODE=twice", f"__SECOND={second}")
            tag = await ami.originate(NUMBER, variables=variables)
            seen = (await ami.user("Twice", tag))[0]
            source = {NUMBER: "default"}.get(second, "policy")
            assert (source, f"///{source}") == (seen["source"], seen["fields"])
            assert "" == seen.get("rest")
            assert 1 == len(server.asked)

    asyncio.run(run())


def test_nothing_of_an_answer_without_commit_stays(pbx: Pbx) -> None:
    async def run() -> None:
        extras = {f"CARRIER_{name}": "bad" for name in EXTRAS}
        answer = commits(("Local", "sink", "666"), CARRIER_COMMIT="1.1", **extras)
        async with serving(answer) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            variables = ("__MODE=twice", f"__SECOND={NUMBER}")
            tag = await ami.originate(NUMBER, variables=variables)
            assert "" == (await ami.user("Twice", tag))[0].get("rest")

    asyncio.run(run())


@pytest.mark.parametrize("hosts", ["down", "silent", "unset"])
def test_nobody_deciding_is_one_warning_without_the_number(pbx: Pbx, hosts: str) -> None:
    async def run() -> None:
        async with serving(fastagi.silent) as server, stage(pbx) as ami:
            url = {"down": "agi://127.0.0.1:9", "silent": server.url, "unset": ""}[hosts]
            await ami.globals(CARRIER_AGI=url)
            seen, lines = await logged(pbx, ami)
            assert "no-commit" == seen["reason"]
            assert 1 == len(lines)
            assert "WARNING" in lines[0]
            assert "nobody decided" in lines[0]
            assert NUMBER not in lines[0]
            await ami.globals(CARRIER_AGI=server.url)

    asyncio.run(run())


def test_a_decision_logs_nothing(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            assert [] == (await logged(pbx, ami))[1]

    asyncio.run(run())
