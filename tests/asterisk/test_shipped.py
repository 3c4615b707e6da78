"""The shipped files themselves under a real Asterisk: the AMI user's rights, the samples."""

from __future__ import annotations

import asyncio
import re
import shutil

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import session, stage
from tests.asterisk.fastagi import commits, serving
from tests.asterisk.pbx import DIALPLAN, Pbx

NUMBER = "447700900123"
CONFS = sorted(path.name for path in DIALPLAN.glob("*.conf"))


def test_the_ami_user_hears_what_it_needs_and_nothing_that_floods_it(pbx: Pbx) -> None:
    async def run() -> set[str]:
        async with (
            serving(commits(("PJSIP", "ported", "4401"))) as server,
            sip.trunk(pbx, "ported"),
            stage(pbx, CARRIER_AGI=server.url),
            session(pbx, "dialdip", "shipped") as ami,
        ):
            await sip.call(pbx, NUMBER)
            await ami.user("CarrierAttempt")
            await ami.wait(lambda e: e.name == "Hangup", count=2)
            return {event.name for event in ami.events}

    heard = asyncio.run(run())
    assert {"FullyBooted", "DialBegin", "DialEnd", "UserEvent", "Hangup"} <= heard
    assert set() == heard & {"VarSet", "Newexten", "AGIExecStart", "AGIExecEnd", "Cdr"}


def test_the_ami_user_may_count_calls_and_change_nothing(pbx: Pbx) -> None:
    async def run() -> None:
        async with session(pbx, "dialdip", "shipped") as ami:
            allowed = await ami.action("CoreShowChannels")
            assert "Success" == allowed["response"]
            refused = (
                ("Originate", {"Channel": "Local/1@nowhere", "Application": "NoOp"}),
                ("Setvar", {"Variable": "PWN", "Value": "1"}),
                ("DBPut", {"Family": "a", "Key": "b", "Val": "c"}),
                ("Command", {"Command": "core show version"}),
                ("GetConfig", {"Filename": "manager.conf"}),
                ("ModuleLoad", {"LoadType": "reload"}),
                ("UserEvent", {"UserEvent": "CarrierAttempt"}),
            )
            for name, headers in refused:
                said = await ami.action(name, **headers)
                assert ("Error", "Permission denied") == (said["response"], said["message"]), name

    asyncio.run(run())


def test_the_ami_user_is_let_in_from_this_host_only() -> None:
    text = (DIALPLAN / "manager_carrier.conf").read_text()
    assert re.search(r"^deny = 0\.0\.0\.0/0\.0\.0\.0$", text, re.MULTILINE)
    assert ["permit = 127.0.0.1/255.255.255.255"] == re.findall(r"^permit.*", text, re.MULTILINE)


@pytest.mark.parametrize("sample", ["extensions_sample.conf", "extensions_custom_freepbx.conf"])
def test_a_sample_loads_and_routes_a_call(pbx: Pbx, sample: str) -> None:
    context = {"extensions_sample.conf": "carrier-outbound"}.get(sample, "carrier-freepbx")
    etc = pbx.home / "etc"

    async def run() -> None:
        site = (etc / "extensions.conf").read_text()
        try:
            shutil.copy(DIALPLAN / sample, etc / "extensions.conf")
            async with (
                serving(commits(("PJSIP", "ported", "4401"))) as server,
                sip.trunk(pbx, "ported", "uas_refuse", 486) as ported,
                stage(pbx) as ami,
            ):
                await ami.action("Command", Command="dialplan reload")
                await ami.globals(CARRIER_AGI=server.url)
                for number in ("447700900123", "+447700900123", "*21#", "*#06#"):
                    await ami.originate(number, context)
                    await ami.user("CarrierAttempt", count=len(server.asked) or 1)
                attempts = await ami.user("CarrierAttempt", count=4)
                assert ["BUSY"] * 4 == [attempt["dialstatus"] for attempt in attempts]
                assert ["4401"] * 4 == ported.invited
        finally:
            (etc / "extensions.conf").write_text(site)
            async with stage(pbx) as ami:
                await ami.action("Command", Command="dialplan reload")

    before = len(pbx.log)
    asyncio.run(run())
    said = pbx.log[before:]
    assert [] == [line for line in said.splitlines() if "pbx" in line and "ERROR" in line]


def test_the_pjsip_sample_gives_two_trunks_known_by_address_and_watched(pbx: Pbx) -> None:
    etc = pbx.home / "etc"

    async def run() -> tuple[str, str, str]:
        original = (etc / "pjsip.conf").read_text()
        sample = (DIALPLAN / "pjsip_carrier.conf").read_text().replace("0.0.0.0:5060", "127.0.0.9")
        try:
            # The transport is left out: one cannot be added to a running Asterisk.
            sample = re.sub(r"\[transport-carrier\](\n[a-z].*)+\n", "", sample)
            (etc / "pjsip.conf").write_text(
                original + sample.replace("transport = transport-carrier\n", "")
            )
            async with stage(pbx) as ami:
                await ami.action("Command", Command="pjsip reload")
                await ami.action("ModuleLoad", LoadType="reload", Module="res_pjsip.so")
                shown = [
                    (await ami.action("Command", Command=f"pjsip show {what}"))["output"]
                    for what in ("endpoint gw1", "identifies", "aor gw2")
                ]
                return shown[0], shown[1], shown[2]
        finally:
            (etc / "pjsip.conf").write_text(original)
            async with stage(pbx) as ami:
                await ami.action("ModuleLoad", LoadType="reload", Module="res_pjsip.so")

    endpoint, identifies, aor = asyncio.run(run())
    assert "from-carrier" in endpoint
    assert "192.0.2.10" in identifies
    assert "198.51.100.20" in identifies
    assert re.search(r"qualify_frequency\s+: 30", aor)


def test_no_shipped_pattern_matches_everything() -> None:
    for name in CONFS:
        lines = (DIALPLAN / name).read_text().splitlines()
        code = [line.partition(";")[0] for line in lines]
        assert [] == [line for line in code if re.match(r"exten\s*=>\s*_[.!]", line)], name


def test_every_module_that_the_dialplan_needs_is_named_in_its_head() -> None:
    text = (DIALPLAN / "extensions_carrier.conf").read_text()
    functions = set(
        re.findall(
            r"\b([A-Z_]{3,})\(",
            "\n".join(line for line in text.splitlines() if not line.startswith(";")),
        )
    )
    homes = {
        "AGI": "res_agi", "ARRAY": "func_strings", "CALLERID": "func_callerid", "CDR": "func_cdr",
        "CHANNEL": "func_channel", "CUT": "func_cut", "DIALPLAN_EXISTS": "func_dialplan",
        "FIELDNUM": "func_strings", "FIELDQTY": "func_strings", "FILTER": "func_strings",
        "LEN": "func_strings", "LOCAL": "app_stack", "REDIRECTING": "func_callerid",
        "PJSIP_HEADER": "res_pjsip_header_funcs", "REPLACE": "func_strings",
        "STACK_PEEK": "app_stack", "STRFTIME": "func_strings", "TIMEOUT": "func_timeout",
    }  # fmt: skip
    assert set() == functions - homes.keys()
    head = text.partition("; Modules:")[2].partition("Without")[0]
    assert set() == {module for module in homes.values() if module not in head}
