"""The life-raft in a real Asterisk: where calls go by the last tables while nobody decides."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from tests.asterisk import fastagi, sip
from tests.asterisk.ami import Ami, Event, stage
from tests.asterisk.fastagi import commits, serving
from tests.asterisk.pbx import Pbx

CONFIGURATION = """
state_directory = "state"
[numbers]
country = "{country}"
emergency = ["112", "999"]
[tables]
directory = "tables"
life_raft = "carrier_raft.conf"
"""
# Weights: who is drawn most often is tried first.
TRUNKS = """trunk,tech,endpoint,number_format,strip,prepend,ring_s,enabled
plus,PJSIP,holder,plus,,,21,yes
home,PJSIP,ported,national:GB,,,22,yes
tech,PJSIP,fallback,00,2,99#,23,yes
off,PJSIP,second,e164,,,24,no
sink,Local,sink,e164,,,25,yes
"""
ROUTES = """rule,account,mccmnc,prefix,country,line,when,action,trunks
sos,,,,,emergency,,,sink > plus
mobile,,,447,,,,,off > home plus:3
vodafone,,23415,447,,,,,tech
late,,,447,,,Mon-Sun 00:00-24:00,,tech
france,,,,FR,,,,tech > sink
norfolk,,,6723,,,,,plus
shut,,,33899,,,,reject:1,
code,,,=1471,,,,,sink
acme,acme,,49,,,,,sink
dear,,,,,premium,,reject:21,
default,,,,,,,,sink
"""
POLICY = """prefix,account,mccmnc,line,action
449,,,,deny
672,,,,deny
6723,,,,allow
353,shop,,,deny
1,,,tollfree,deny
,,23420,,deny
"""
NUMBER = "447700900123"


def answered(event: Event) -> tuple[str, ...]:
    """Return what the dialplan was left with: the first trunk, or the cause."""
    if event["action"] == "reject":
        return event["rule"], event["cause"]
    return event["rule"], f"{event['tech']}/{event['trunk']}", event["number"]


def written(site: Path, country: str = "GB", **tables: str) -> str:
    """Return the raft that the program makes of these tables."""
    (site / "tables").mkdir()
    given = {"trunks": TRUNKS, "routes": ROUTES, "policy": POLICY} | tables
    for name, text in given.items():
        (site / "tables" / f"{name}.csv").write_text(text)
    (site / "dialdip.toml").write_text(CONFIGURATION.format(country=country))
    program = (sys.executable, "-m", "agi", "--config", str(site / "dialdip.toml"))
    subprocess.run(
        [*program, "table", "activate", "--yes", "--why", "test"], check=True, capture_output=True
    )
    return (site / "carrier_raft.conf").read_text()


@pytest.fixture(scope="module")
def raft(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make the raft of the tables above once for all tests."""
    return written(tmp_path_factory.mktemp("site"))


@contextlib.asynccontextmanager
async def afloat(pbx: Pbx, raft: str, **values: str) -> AsyncIterator[Ami]:
    """Put the raft where Asterisk finds it; nobody answers its questions."""
    path = pbx.home / "etc" / "carrier_raft.conf"
    path.write_text(raft)
    path.chmod(0o644)
    try:
        async with stage(pbx, CARRIER_DEFAULT_TRUNKS="Local/sink-full", **values) as ami:
            await ami.action("Command", Command="dialplan reload")
            yield ami
    finally:
        path.unlink()
        async with stage(pbx) as ami:
            await ami.action("Command", Command="dialplan reload")


async def decided(ami: Ami, number: str, account: str = "") -> Event:
    """Have one number decided, and not dialled."""
    tag = await ami.originate(number, variables=("__MODE=account", f"__ACCOUNT={account}"))
    return (await ami.user("AccountDone", tag))[0]


async def decisions(
    pbx: Pbx, raft: str, numbers: Iterable[str], account: str = ""
) -> dict[str, tuple[str, ...]]:
    """Return what is decided for each number while nobody answers."""
    found = {}
    async with afloat(pbx, raft) as ami:
        for number in numbers:
            seen = await decided(ami, number, account)
            assert ("default", "") == (seen["source"], seen["id"]), number
            assert seen["rule"] == seen.get("logged")
            found[number] = answered(seen)
    return found


MOBILE = ("mobile", "PJSIP/holder", "+447700900123")
FRENCH = ("france", "PJSIP/fallback", "99#33123456789")
ROUTED = {
    "07700900123": MOBILE,
    "7700900123": MOBILE,
    "447700900123": MOBILE,
    "+447700900123": MOBILE,
    "00447700900123": MOBILE,
    # A mobile of the Isle of Man has the same beginning, and no rule of its own.
    "07624900123": ("mobile", "PJSIP/holder", "+447624900123"),
    "02079460123": ("default", "Local/sink", "442079460123"),
    "0033123456789": FRENCH,
    "+33123456789": FRENCH,
    "33123456789": FRENCH,
    "112": ("sos", "Local/sink", "112"),
    "1471": ("code", "Local/sink", "1471"),
    "1472": ("default", "Local/sink", "1472"),
    "*21#": ("default", "Local/sink", "*21#"),
    "+6723123456": ("norfolk", "PJSIP/holder", "+6723123456"),
}
SHUT = {
    "09061234567": ("policy-2", "21"),
    "449061234567": ("policy-2", "21"),
    "+449061234567": ("policy-2", "21"),
    "00449061234567": ("policy-2", "21"),
    "9061234567": ("policy-2", "21"),
    "*67#09061234567": ("policy-2", "21"),
    "+4490612345678901": ("policy-2", "21"),
    "00672212345": ("policy-3", "21"),
    "0033899123456": ("shut", "1"),
    # Premium and toll-free by the numbering plans: 0900 in Germany, 800 in North America.
    "+499001234567": ("dear", "21"),
    "+18005551234": ("policy-6", "21"),
}


def test_while_nobody_answers_prefix_routes_and_number_forms_are_those_of_the_tables(
    pbx: Pbx, raft: str
) -> None:
    assert ROUTED == asyncio.run(decisions(pbx, raft, ROUTED))


def test_while_nobody_answers_what_is_shut_stays_shut_in_every_form(pbx: Pbx, raft: str) -> None:
    assert SHUT == asyncio.run(decisions(pbx, raft, SHUT))


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("", {"0035312345678": "default", "+4930123456": "default"}),
        ("pub", {"0035312345678": "default", "+4930123456": "default"}),
        ("shop", {"0035312345678": "policy-5", "+4930123456": "default"}),
        ("acme", {"0035312345678": "default", "+4930123456": "acme"}),
    ],
)
def test_what_is_shut_to_one_account_is_open_to_others(
    pbx: Pbx, raft: str, account: str, expected: dict[str, str]
) -> None:
    found = asyncio.run(decisions(pbx, raft, expected, account))
    assert expected == {number: course[0] for number, course in found.items()}


def test_an_american_reads_numbers_by_the_american_plan(pbx: Pbx, tmp_path: Path) -> None:
    routes = (
        "rule,prefix,country,action,trunks\n"
        "jamaica,,JM,reject:21,\nus,,US,,plus\nuk,44,,,sink\ndefault,,,,tech\n"
    )
    expected = {
        "4155550123": ("us", "PJSIP/holder", "+14155550123"),
        "14155550123": ("us", "PJSIP/holder", "+14155550123"),
        "011447700900123": ("uk", "Local/sink", "447700900123"),
        "18765550123": ("jamaica", "21"),
        "8765550123": ("jamaica", "21"),
        "01149301234567": ("default", "PJSIP/fallback", "99#49301234567"),
    }
    raft = written(tmp_path, "US", routes=routes, policy="prefix,action\n")
    assert expected == asyncio.run(decisions(pbx, raft, expected))


def test_a_call_by_the_raft_rings_its_trunks_in_order_and_reports_them(pbx: Pbx, raft: str) -> None:
    async def run() -> None:
        async with (
            sip.trunk(pbx, "holder", "uas_refuse") as first,
            sip.trunk(pbx, "ported") as second,
            afloat(pbx, raft) as ami,
        ):
            assert 200 == (await sip.call(pbx, "07700900123")).final
            attempts = await ami.user("CarrierAttempt", count=2)
            assert [("", "holder", "1"), ("", "ported", "2")] == [
                (one["id"], one["trunk"], one["index"]) for one in attempts
            ]
            assert (["+447700900123"], ["07700900123"]) == (first.invited, second.invited)

    asyncio.run(run())


def test_a_service_that_decides_is_obeyed_whatever_the_raft_says(pbx: Pbx, raft: str) -> None:
    async def run() -> None:
        async with (
            serving(commits(("Local", "sink", "4401"))) as server,
            afloat(pbx, raft, CARRIER_AGI=server.url) as ami,
        ):
            assert "r1" == (await decided(ami, "09061234567"))["rule"]

    asyncio.run(run())


@pytest.mark.parametrize("answer", [fastagi.silent, fastagi.closes, fastagi.resets])
def test_a_service_that_is_half_dead_leads_to_the_raft(
    pbx: Pbx, raft: str, answer: fastagi.Answer
) -> None:
    async def run() -> None:
        async with (
            serving(answer) as server,
            afloat(pbx, raft, CARRIER_AGI=server.url, CARRIER_GUARD="0.3") as ami,
        ):
            seen = await decided(ami, "07700900123")
            assert MOBILE == answered(seen)
            assert "no-commit" == seen["reason"]
            assert seen["table"].startswith("000001-")
            assert "21" == seen["ring"]

    asyncio.run(run())


def test_an_emergency_number_that_only_the_dialplan_knows_takes_the_default_trunks(
    pbx: Pbx, tmp_path: Path
) -> None:
    closed = "rule,action,trunks\ndefault,reject:21,\n"
    raft = written(tmp_path, routes=closed, policy="prefix,action\n")
    found = asyncio.run(decisions(pbx, raft, ["911", "912"]))
    assert {"911": ("", "Local/sink-full", "911"), "912": ("default", "21")} == found


def test_loading_a_raft_logs_nothing_and_neither_does_its_absence(pbx: Pbx, raft: str) -> None:
    before = len(pbx.log)

    async def run() -> None:
        async with afloat(pbx, raft):
            pass

    asyncio.run(run())
    assert [] == [line for line in pbx.log[before:].splitlines() if "raft" in line or "pbx" in line]
