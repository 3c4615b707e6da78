"""What is asked and what is told: requests by URL, answers by whitelist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agi.errors import LocalProtocolError, RemoteProtocolError
from agi.fastagi import script
from agi.fastagi.protocol import EnvironmentReader
from agi.model import (
    Action,
    CallRequest,
    Decision,
    Fraud,
    Hop,
    Line,
    Live,
    Mccmnc,
    NumberInfo,
    Source,
)
from tests.fastagi.wire import UNIQUEID, environment, variables


def ask(text: str, *, uniqueid: str = UNIQUEID) -> CallRequest | None:
    found = EnvironmentReader().feed(environment(text, uniqueid=uniqueid))
    assert found is not None
    return script.read_request(found)


def refusal(text: str, *, uniqueid: str = UNIQUEID) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        ask(text, uniqueid=uniqueid)
    return caught.value.kind


def test_a_bare_number_is_a_request() -> None:
    assert CallRequest("447788450450", "", "", UNIQUEID) == ask("route?n=447788450450")


def test_every_argument_is_read_in_any_order() -> None:
    expected = CallRequest("+447788450450", "acme.1", "anonymous", UNIQUEID, 1000, 500, 60, True)
    assert expected == ask("route?nodip=1&age=60&d=500&g=1000&f=anonymous&a=acme.1&n=+447788450450")
    assert CallRequest("*31#", "", "+442079460123", UNIQUEID) == ask("route?n=*31#&f=+442079460123")


def test_a40_the_dialplan_says_how_often_it_has_routed_the_call() -> None:
    def hops(text: str) -> int:
        request = ask(text)
        assert request is not None
        return request.hops

    assert 0 == hops("route?n=1")
    assert 0 == hops("route?n=1&hops=0")
    assert 9 == hops("route?n=1&hops=9")


def test_health_is_asked_without_arguments() -> None:
    assert ask("health") is None
    assert "unknown-script" == refusal("health?x=1")


@pytest.mark.parametrize("text", ["", "/", "Route?n=1", "route/?n=1", "../../x", "healthz"])
def test_any_other_script_is_refused(text: str) -> None:
    assert "unknown-script" == refusal(text)


@pytest.mark.parametrize("extension", ["h", "i", "t", "T", "s", "e"])
def test_a_pattern_that_calls_for_special_extensions_is_refused(extension: str) -> None:
    assert "misrouted_pattern" == refusal(f"route?n={extension}")


@pytest.mark.parametrize(
    "number",
    ["", "+", "44 7788", "447&PJSIP/x", "447,1,2", "447)", "${SHELL(id)}", "1" * 33, "44+7", "a"],
)
def test_a3_a_number_outside_its_alphabet_is_refused(number: str) -> None:
    """A3: a dial string, an expression, 300 digits, nothing at all."""
    assert refusal(f"route?n={number}") in {"bad-number", "bad-url"}


@pytest.mark.parametrize(
    "argument",
    ["a=a/b", "a=" + "x" * 33, "f=bob", "f=+", "g=", "g=-1", "g=1.5", "d=1e3", "age=x", "nodip=yes",
     "x=1", "N=2", "d=1234567", "hops=", "hops=10", "hops=x", "hops=-1"],
)  # fmt: skip
def test_an_argument_outside_its_alphabet_is_refused(argument: str) -> None:
    expected = None if argument == "f=+" else "bad-argument"
    if expected is None:
        assert ask(f"route?n=1&{argument}") is not None
    else:
        assert expected == refusal(f"route?n=1&{argument}")


@pytest.mark.parametrize("uniqueid", ["", "x" * 129])
def test_a_uniqueid_that_cannot_come_back_is_refused(uniqueid: str) -> None:
    assert "bad-uniqueid" == refusal("route?n=1", uniqueid=uniqueid)


HOP = Hop("uk-a", "uk-a.gw_1", "PJSIP", "447788450450", 45)
DECISION = Decision(
    id="k3f9a1c2-000001",
    action=Action.ROUTE,
    hops=(HOP, replace(HOP, endpoint="uk-b", number="+447788450450", tech="IAX2", ring_s=30)),
    cause=None,
    source=Source.MEMORY,
    reason="ok",
    rule="uk-voda",
    table="000042-1a2b3c4d",
    info=NumberInfo(Mccmnc("23415"), Live.LIVE, ported=True),
    age_s=61.9,
    country="GB",
    line=Line.MOBILE,
)


def test_a_decision_sets_the_contracts_variables_and_the_commit_last() -> None:
    expected = {
        "CARRIER_ACTION": "route",
        "CARRIER_CAUSE": "",
        "CARRIER_COUNT": "2",
        "CARRIER_MCCMNC": "23415",
        "CARRIER_COUNTRY": "GB",
        "CARRIER_LINE": "mobile",
        "CARRIER_PORTED": "yes",
        "CARRIER_LIVE": "live",
        "CARRIER_FRAUD": "",
        "CARRIER_SOURCE": "memory",
        "CARRIER_REASON": "ok",
        "CARRIER_AGE": "61",
        "CARRIER_RULE": "uk-voda",
        "CARRIER_TABLE": "000042-1a2b3c4d",
        "CARRIER_ID": "k3f9a1c2-000001",
        "CARRIER_TRUNK_1": "uk-a.gw_1",
        "CARRIER_NUMBER_1": "447788450450",
        "CARRIER_RING_1": "45",
        "CARRIER_TECH_1": "PJSIP",
        "CARRIER_TRUNK_2": "uk-b",
        "CARRIER_NUMBER_2": "+447788450450",
        "CARRIER_RING_2": "30",
        "CARRIER_TECH_2": "IAX2",
        "CARRIER_COMMIT": UNIQUEID,
    }
    told = variables(script.answer(DECISION, UNIQUEID))
    assert list(expected.items()) == list(told.items())


def test_a_rejection_has_a_cause_and_no_trunk() -> None:
    rejected = replace(
        DECISION, action=Action.REJECT, hops=(), cause=34, reason="no-trunk", info=NumberInfo(),
        age_s=None, country="", line=None,
    )  # fmt: skip
    told = variables(script.answer(rejected, UNIQUEID))
    assert ("reject", "34", "0", "", "") == tuple(
        told[f"CARRIER_{name}"] for name in ("ACTION", "CAUSE", "COUNT", "MCCMNC", "AGE")
    )
    assert "CARRIER_TRUNK_1" not in told


@pytest.mark.parametrize("verdict", Fraud)
def test_a_fraud_verdict_is_told(verdict: Fraud) -> None:
    told = variables(script.answer(replace(DECISION, fraud=verdict), UNIQUEID))
    assert verdict == told["CARRIER_FRAUD"]


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=128))
def test_the_commit_is_any_printable_uniqueid_escaped_exactly(uniqueid: str) -> None:
    assert uniqueid == variables(script.answer(DECISION, uniqueid))["CARRIER_COMMIT"]


EVIL = [
    "gw&Local/1@ctx", "x,5,U(c)", 'a"b', "a\\b", "${EVAL(1)}", "a\nb", "a\x00b", "\x1b[1m",
    "x" * 41, "\u202egw", "", "gw ", "\u0661", "g\u0430",
]  # fmt: skip


@pytest.mark.parametrize("value", EVIL)
def test_a6_a_value_that_is_a_dial_string_is_refused_not_stripped(value: str) -> None:
    """A6: whatever a table or a provider may have smuggled in, no field lets it out."""
    fields: list[Decision] = [
        replace(DECISION, hops=(replace(HOP, endpoint=value),)),
        replace(DECISION, hops=(replace(HOP, number=value),)),
        replace(DECISION, hops=(replace(HOP, tech=value),)),
        replace(DECISION, reason=value),
        replace(DECISION, table=value),
        replace(DECISION, id=value),
        replace(DECISION, info=NumberInfo(Mccmnc(value or "x"))),
        replace(DECISION, country=value or "x"),
        replace(DECISION, rule=value or "x,"),
    ]
    for decision in fields:
        with pytest.raises(LocalProtocolError, match="off-whitelist"):
            script.answer(decision, UNIQUEID)


def test_more_than_nine_trunks_never_leave() -> None:
    nine = replace(DECISION, hops=(HOP,) * 9)
    assert "9" == variables(script.answer(nine, UNIQUEID))["CARRIER_COUNT"]
    with pytest.raises(LocalProtocolError, match="off-whitelist"):
        script.answer(replace(DECISION, hops=(HOP,) * 10), UNIQUEID)


def test_the_worst_line_of_a_rule_is_computed_not_guessed() -> None:
    """Nine trunks with every value at its cap: as long as the formula says, and it fits."""
    hop = Hop("t", "e" * 40, "PJSIP", "9" * 32, 9999)
    worst = replace(
        DECISION, hops=(hop,) * 9, action=Action.REJECT, cause=127, rule="r" * 32, table="t" * 32,
        id="i" * 32, reason="9" * 24, info=NumberInfo(Mccmnc("999999"), Live.ABSENT, ported=True),
        age_s=9999999999, line=Line.MOBILE_OR_LANDLINE, source=Source.EMERGENCY,
        fraud=Fraud.SUSPICIOUS,
    )  # fmt: skip
    bound = script.longest((hop,) * 9, "r" * 32)
    assert bound == len(script.answer(worst, "u" * 128))
    assert all(bound >= len(script.answer(replace(worst, fraud=f), "u" * 128)) for f in Fraud)
    assert bound <= 2047
    for uniqueid in ("\\" * 128, ',"()[]'):
        said = script.answer(replace(worst, hops=(hop,)), uniqueid)
        assert len(said) == script.longest((hop,), "r" * 32, uniqueid)


def test_the_worst_line_of_a_rule_is_shorter_with_a_shorter_name_or_endpoint() -> None:
    hop = Hop("t", "e" * 40, "PJSIP", "9" * 32, 9999)
    most = script.longest((hop,), "r" * 32)
    assert most - 31 == script.longest((hop,), "r")
    assert most - 10 == script.longest((replace(hop, endpoint="e" * 30),), "r" * 32)
    assert most - 2 == script.longest((replace(hop, tech="SIP"),), "r" * 32)
    # The number and the ring time are those of some call, not of the one at hand.
    assert most == script.longest((replace(hop, number="1", ring_s=1),), "r" * 32)


def test_a_line_that_asterisk_16_would_not_read_is_refused() -> None:
    hop = Hop("t", "e" * 40, "PJSIP", "9" * 32, 9999)
    with pytest.raises(LocalProtocolError, match="too-long"):
        script.answer(replace(DECISION, hops=(hop,) * 9), "\\" * 128)


def test_health_is_one_word() -> None:
    assert b'SET VARIABLE CARRIER_HEALTH "ok"\n' == script.health("ok")
    with pytest.raises(LocalProtocolError, match="off-whitelist"):
        script.health("not ok")
