"""carrier-route under a real Asterisk: when a decision counts, and what happens when none does."""

from __future__ import annotations

import asyncio
import base64
import string

import pytest

from tests.asterisk import fastagi
from tests.asterisk.ami import Ami, Event, stage
from tests.asterisk.fastagi import Answer, commits, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
GOOD = commits(("Local", "sink", "4401"), ("Local", "sink", "4402"))


async def decided(
    ami: Ami,
    number: str = NUMBER,
    *variables: str,
    uniqueid: str = "",
    context: str = "site",
) -> Event:
    """Place a call and return what the site saw after carrier-route, when the call is over."""
    tag = await ami.originate(number, context, variables=variables, uniqueid=uniqueid)
    seen = (await ami.user("Decided", tag))[0]
    await ami.ended(tag)
    return seen


async def dialled(ami: Ami, number: str = NUMBER, *variables: str) -> list[str]:
    """Place a call and return the numbers that reached a trunk."""
    seen = await decided(ami, number, *variables)
    return [event["number"] for event in ami.heard("Sink", seen["tag"])]


def test_a_committed_answer_is_dialled_and_named(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            seen = await decided(ami)
            names = ("action", "count", "trunk", "number", "source", "mccmnc", "rule")
            expected = ("route", "2", "sink", "4401", "live", "23415", "r1")
            assert expected == tuple(seen[name] for name in names)
            assert ["4401"] == [e["number"] for e in ami.heard("Sink", seen["tag"])]

    asyncio.run(run())


def test_the_question_is_in_the_url_alone_and_names_number_account_caller_and_guard(
    pbx: Pbx,
) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            await decided(ami)
            asked = server.asked[0]
            expected = {"n": NUMBER, "a": "", "f": "447700900999", "g": "500"}
            assert expected == asked.query
            assert f"{server.url}/route" == asked.lines["agi_request"].partition("?")[0]
            assert not [name for name in asked.lines if name.startswith("agi_arg")]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "environment"),
    [
        pytest.param(fastagi.silent, True, id="silent"),
        pytest.param(fastagi.closes, True, id="closes after the environment"),
        pytest.param(fastagi.closes, False, id="closes at once"),
        pytest.param(fastagi.resets, True, id="resets after one variable"),
        pytest.param(
            fastagi.dies_mid_line(("Local", "sink", "666")), True, id="killed in the middle"
        ),
        pytest.param(
            commits(("Local", "sink", "666"), CARRIER_COMMIT="1.1"), True, id="wrong commit"
        ),
        pytest.param(commits(("Local", "sink", "666"), CARRIER_COMMIT=""), True, id="empty commit"),
    ],
)
def test_without_commit_the_default_trunk_rings_and_nothing_of_the_answer_stays(
    pbx: Pbx, answer: Answer, environment: bool
) -> None:
    async def run() -> None:
        async with (
            serving(answer, environment=environment) as server,
            stage(pbx, CARRIER_AGI=server.url) as ami,
        ):
            seen = await decided(ami)
            names = ("action", "source", "reason", "mccmnc", "rule", "count")
            expected = ("route", "default", "no-commit", "", "", "1")
            assert expected == tuple(seen[name] for name in names)
            assert [NUMBER] == [e["number"] for e in ami.heard("Sink", seen["tag"])]

    asyncio.run(run())


def test_a_silent_service_costs_the_guard_and_a_refusing_one_nearly_nothing(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(fastagi.silent) as server, stage(pbx) as ami:
            assert 0.1 > float((await decided(ami))["elapsed"])
            await ami.globals(CARRIER_AGI=server.url)
            assert 0.5 == pytest.approx(float((await decided(ami))["elapsed"]), abs=0.1)

    asyncio.run(run())


def test_the_second_host_is_asked_when_the_first_does_not_commit(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(GOOD) as good,
            serving(fastagi.closes) as bad,
            serving(fastagi.silent) as dumb,
            stage(pbx) as ami,
        ):
            for first in ("agi://127.0.0.1:9", bad.url, dumb.url):
                await ami.globals(CARRIER_AGI=f"{first}, {good.url}")
                assert ["4401"] == await dialled(ami)
            assert 3 == len(good.asked)

    asyncio.run(run())


def test_the_second_host_is_left_alone_when_the_first_commits(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(GOOD) as first,
            serving(GOOD) as second,
            stage(pbx, CARRIER_AGI=f"{first.url},{second.url}") as ami,
        ):
            await decided(ami)
            assert (1, 0) == (len(first.asked), len(second.asked))

    asyncio.run(run())


@pytest.mark.parametrize("number", ["+447700900123", "*21#", "00447700900123", "12", "*#06#"])
def test_digits_star_hash_and_a_leading_plus_are_asked_for_as_dialled(
    pbx: Pbx, number: str
) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            assert ["4401"] == await dialled(ami, number)
            assert number == server.asked[0].query["n"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("44770090012x", id="a letter"),
        pytest.param("447+700900", id="a plus inside"),
        pytest.param("447&Local", id="a second leg"),
        pytest.param('447"700', id="a quote, which Gosub would eat"),
        pytest.param("447):0:3", id="a bracket that cuts a function's argument"),
        pytest.param("1" * 33, id="33 digits"),
        pytest.param("447\N{ARABIC-INDIC DIGIT ONE}", id="foreign digits"),
        pytest.param("447,evil", id="a comma that would become an account"),
        pytest.param("447${SHELL(id)}", id="an expression"),
    ],
)
def test_what_is_not_a_number_is_rejected_with_28_and_nobody_is_asked(
    pbx: Pbx, number: str
) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            seen = await decided(ami, number, context="site-")
            assert ("reject", "28") == (seen["action"], seen["cause"])
            assert [] == server.asked
            assert [] == ami.heard("Sink", seen["tag"])

    asyncio.run(run())


def test_an_account_reaches_the_service_only_if_it_is_one(pbx: Pbx) -> None:
    async def run() -> None:
        accounts = {
            "retail-1": "retail-1",
            "A.b_9": "A.b_9",
            "x" * 33: "",
            "a b": "",
            "a&n=1": "",
            "a):0:1": "",
            "": "",
        }
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            for given, expected in accounts.items():
                tag = await ami.originate(
                    NUMBER, variables=("__MODE=account", f"__ACCOUNT={given}")
                )
                await ami.user("AccountDone", tag)
                assert expected == server.asked[-1].query["a"]

    asyncio.run(run())


def test_the_caller_reaches_the_service_as_digits_or_anonymous_or_nothing(pbx: Pbx) -> None:
    async def run() -> None:
        callers = {
            "+447700900999": "+447700900999",
            "anonymous": "anonymous",
            "alice": "",
            "4477:0:1": "",
            "44+77": "",
            "1" * 33: "",
        }
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            for given, expected in callers.items():
                await decided(ami, NUMBER, "__MODE=caller", f"__CALLER={given}")
                assert expected == server.asked[-1].query["f"]
            await decided(ami, NUMBER, "__MODE=withheld")
            assert "anonymous" == server.asked[-1].query["f"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "uniqueid", ["plain-1", "click 2", "a'b", 'a"b', "a\\b", "x" * 100, '"', "a]b[c}d{e"]
)
def test_any_uniqueid_that_a_manager_asked_for_can_be_committed(pbx: Pbx, uniqueid: str) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            seen = await decided(ami, uniqueid=uniqueid + pbx.build.name)
            assert "live" == seen["source"]
            asked = server.asked[0].lines["agi_uniqueid"]
            assert uniqueid + pbx.build.name == asked.removesuffix(";2")

    asyncio.run(run())


def test_a_quote_in_the_uniqueid_does_not_make_every_commit_good(pbx: Pbx) -> None:
    async def run() -> None:
        wrong = commits(("Local", "sink", "666"), CARRIER_COMMIT="x")
        async with serving(wrong) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            seen = await decided(ami, uniqueid=f'q" = "q" | "{pbx.build.name}')
            assert "default" == seen["source"]

    asyncio.run(run())


def test_default_trunks_strip_and_prepend_but_leave_emergency_digits_alone(pbx: Pbx) -> None:
    async def run() -> None:
        async with stage(pbx, CARRIER_DEFAULT_TRUNKS="Local/sink:1:00") as ami:
            assert ["00447700900123"] == await dialled(ami, "+447700900123")
            assert ["112"] == await dialled(ami, "112")
            assert ["0018"] == await dialled(ami, "118")
            await ami.globals(CARRIER_EMERGENCY="118,119")
            assert ["118"] == await dialled(ami, "118")
            assert ["0012"] == await dialled(ami, "112")

    asyncio.run(run())


def test_unusable_default_trunks_are_passed_over_and_none_at_all_is_cause_34(pbx: Pbx) -> None:
    async def run() -> None:
        trunks = "Local/:1, Local/sink:99, Local/s*k, Local/sink-full:0:5, " + ",".join(
            ["Local/sink"] * 9
        )
        async with stage(pbx, CARRIER_DEFAULT_TRUNKS=trunks) as ami:
            seen = await decided(ami)
            assert ("6", "sink-full") == (seen["count"], seen["trunk"])
            await ami.globals(CARRIER_DEFAULT_TRUNKS="")
            seen = await decided(ami)
            assert ("reject", "34") == (seen["action"], seen["cause"])

    asyncio.run(run())


LONG = "x" * 41
EVIL = {
    "CARRIER_TRUNK_1": ["sink&Local/1@sink", "sink,5,U(x)", 'a"b', "a\\b", "${EVAL(x)}", "x)",
                        "sink:0:4", "sink):0:4", LONG, "", "sink/n", "sínk", "a b", "a;b"],
    "CARRIER_NUMBER_1": ["1&Local/9@sink", "1,5", '1"', "1" * 33, "", "1\uff12", "1@x", "12a",
                         "1/2"],
    "CARRIER_RING_1": ["5,U(x)", "", "99999", "-1", "5&", "1.5"],
    "CARRIER_TECH_1": ["Foo", "", 'PJSIP" = "PJSIP', "Local/1@sink&PJSIP", "local", "System"],
    "CARRIER_COUNT": ["0", "10", "", "a", "1&2", "1)", "-1", "1.5", "01"],
    "CARRIER_ACTION": ["", "ROUTE", 'route" = "x', "rou)te", "hangup", "route,reject"],
}  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_a_value_that_would_be_more_than_its_part_makes_the_default_trunk_ring_alone(
    pbx: Pbx, name: str
) -> None:
    async def run() -> None:
        default = "00" + NUMBER
        async with stage(pbx, CARRIER_DEFAULT_TRUNKS="Local/sink::00") as ami:
            for value in EVIL[name]:
                answer = commits(("Local", "sink", "666"), **{name: value})
                async with serving(answer) as server:
                    await ami.globals(CARRIER_AGI=server.url)
                    assert [default] == await dialled(ami), f"{name}={value!r}"
            assert [] == ami.heard("Foreign")

    asyncio.run(run())


@pytest.mark.parametrize("cause", ["0", "128", "x", "", "21,1", "2&1"])
def test_a_rejection_without_a_proper_cause_is_no_decision(pbx: Pbx, cause: str) -> None:
    async def run() -> None:
        answer = commits(CARRIER_ACTION="reject", CARRIER_CAUSE=cause, CARRIER_COUNT="0")
        async with serving(answer) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            assert [NUMBER] == await dialled(ami)

    asyncio.run(run())


@pytest.mark.parametrize(
    "name", ["CARRIER_TRUNK_1", "CARRIER_NUMBER_1", "CARRIER_TECH_1", "CARRIER_COUNT"]
)
def test_carrier_dial_checks_again_what_the_site_changed_in_between(pbx: Pbx, name: str) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            change = ("__MODE=change", f"__NAME={name}", "__VALUE=sink&Local/9@sink")
            tag = await ami.originate(NUMBER, variables=change)
            await ami.ended(tag)
            reached = [event["number"] for event in ami.heard("Sink", tag)]
            assert reached in ([], ["4402"])

    asyncio.run(run())


async def named(pbx: Pbx, name: str) -> tuple[fastagi.Asked, str | None]:
    """Place a call whose caller has this name; return what was asked, and the name after it."""
    answer, found = fastagi.reads("${CALLERID(name)}")
    coded = base64.b64encode(name.encode()).decode()
    async with (
        serving(GOOD) as server,
        serving(answer) as reader,
        stage(pbx, CARRIER_AGI=server.url, CARRIER_READ=reader.url) as ami,
    ):
        tag = await ami.originate(NUMBER, variables=("__MODE=named", f"__VALUE64={coded}"))
        await ami.user("Named", tag)
    return server.asked[0], found[0][0]


@pytest.mark.parametrize("value", ["9\nagi_arg_1: evil", "9\n\n200 result=1 evil", "9\revil"])
def test_hostile_caller_values_are_hidden_from_the_service_and_given_back_to_the_call(
    pbx: Pbx, value: str
) -> None:
    async def run() -> None:
        coded = base64.b64encode(value.encode()).decode()
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            tag = await ami.originate(NUMBER, variables=("__MODE=hostile", f"__VALUE64={coded}"))
            after = (await ami.user("Hostile", tag))[0]
            assert b"evil" not in server.asked[0].raw
            assert "" == server.asked[0].query["f"]
            kept = [after[field] for field in ("num", "name", "ani", "dnid", "rdnis")]
            assert [coded] * 5 == kept
            assert "0" == after["tovalid"]

    asyncio.run(run())


def test_a_harmless_caller_name_is_not_touched(pbx: Pbx) -> None:
    asked, remained = asyncio.run(named(pbx, "Smith & Sons"))
    assert "Smith & Sons" == asked.lines["agi_calleridname"]
    assert "Smith & Sons" == remained


def test_any_name_survives_the_agi_step_unchanged(pbx: Pbx) -> None:
    name = "x" + string.punctuation + "é€"
    asked, remained = asyncio.run(named(pbx, name))
    assert "unknown" == asked.lines["agi_calleridname"]
    assert name == remained


@pytest.mark.parametrize("module", ["func_callerid", "func_timeout"])
def test_without_the_module_that_cleans_or_guards_nobody_is_asked(pbx: Pbx, module: str) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            await ami.module("unload", module)
            try:
                assert [NUMBER] == await dialled(ami)
                assert [] == server.asked
            finally:
                await ami.module("load", module)
            assert ["4401"] == await dialled(ami)

    asyncio.run(run())


def test_without_func_strings_no_unchecked_number_is_dialled(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(GOOD) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            await ami.module("unload", "func_strings")
            try:
                seen = await decided(ami)
            finally:
                await ami.module("load", "func_strings")
            assert ("reject", "38") == (seen["action"], seen["cause"])
            assert [] == server.asked

    asyncio.run(run())
