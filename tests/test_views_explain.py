"""How an explanation reads: what an admin looks for stands there, in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agi import views_explain
from agi.explaining import explain
from agi.model import Finding, Fraud, Live, Mccmnc, NumberInfo, Source, Verdicts
from agi.question import question_of
from agi.routing.limits import Limit
from tests.explained import PLAN, SATURDAY, ZONE, table

TABLE = table()
Capture = pytest.CaptureFixture[str]


def answered(number: str, finding: Finding | None = None, **asked: str) -> dict[str, Any]:
    question = question_of({"number": number, **asked}, ZONE)
    context = question.context(PLAN, SATURDAY)

    def fullness(limit: Limit, account: str, number: str) -> float:
        del limit, account, number
        return 1.2

    answer = explain(TABLE, context, question.supposing(finding), fullness=fullness)
    by = {"since": "2026-11-20T18:02:00.000Z", "by": "the running service"}
    return {**answer, **by, "supposed": list(question.supposes)}


def shown(capsys: Capture, answer: dict[str, Any]) -> str:
    views_explain.now(answer, as_json=False)
    return capsys.readouterr().out


def test_the_call_and_the_table_come_first(capsys: Capture) -> None:
    text = shown(capsys, answered("07788450450", caller="02079460123", account="beta"))
    lines = text.splitlines()
    assert lines[0].split() == ["dialled", "07788450450", "(e164)"]
    assert "447788450450 GB mobile" in lines[1]
    assert "from 442079460123, account beta, at 2026-11-21 12:00:00 Europe/London" in lines[2]
    assert "not known (nobody was asked, nothing is remembered)" in lines[3]
    assert f"{TABLE.version}, in force since 2026-11-20 18:02:00 UTC; by the running" in lines[4]


@pytest.mark.parametrize("offset", ["+01:00", "+00:00"])
def test_in_the_hour_that_comes_twice_the_time_says_which_one(capsys: Capture, offset: str) -> None:
    text = shown(capsys, answered("07788450450", at=f"2026-10-25T01:30{offset}"))
    assert f"at 2026-10-25 01:30:00 ({offset}) Europe/London" in text


def test_each_rule_says_what_it_asks_for_and_what_the_call_has(capsys: Capture) -> None:
    text = shown(capsys, answered("07788450450", account="beta"))
    assert "asks for account acme|zeta; the call has beta" in text
    assert "asks for mccmnc 23415; that is not known" in text
    assert "asks for when Mon-Fri 20:00-08:00; Sun; the call has Sat 2026-11-21 12:00" in text
    assert "default: routed" in text
    over = "limits.csv line 3 (number 447788450450): 120% of 30 calls: the next one is rejected"
    assert over in text
    assert "a lookup could change this" in text


def test_trunks_stand_in_order_with_odds_and_what_is_left_out(capsys: Capture) -> None:
    text = shown(capsys, answered("07788450450", mccmnc="23415"))
    assert "23415 (supposed: network)" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["uk-a", "1", "70.0%", "PJSIP/+447788450450@gw-a", "45", "s"] in rows
    assert ["uk-b", "1", "30.0%", "SIP/447788450450@gw-b", "30", "s"] in rows
    assert ["long", "2", "PJSIP/00447788450450@gw-long", "60", "s"] in rows
    assert "left out: uk-c, disabled" in text


def test_a_denied_call_names_the_policys_line_and_its_comment(capsys: Capture) -> None:
    answer = answered("00881612345678")
    answer["policy"]["before"]["comment"] = "satellite"
    text = shown(capsys, answer)
    assert "policy.csv line 2, before the lookup: deny (satellite)" in text
    assert "policy-2: rejected with cause 21 (denied)" in text
    text = shown(capsys, answered("07788450450", mccmnc="23410"))
    assert "policy.csv line 3, once the network is known: deny" in text


def test_what_is_known_of_the_number_stands_in_one_line(capsys: Capture) -> None:
    info = NumberInfo(Mccmnc("23433"), Live.ABSENT, ported=True)
    finding = Finding(
        Source.STALE, "timeout", info, 61.25, provider="npl", verdicts=Verdicts(Fraud.PASSED)
    )
    text = shown(capsys, answered("07788450450", finding))
    expected = "23433, ported, absent, fraud check: passed (stale, timeout, npl, 61.2 s old)"
    assert expected in text
    assert "(never looked up)" in shown(capsys, answered("999"))


def test_a_rule_that_rejects_and_one_without_a_trunk(capsys: Capture) -> None:
    assert "dead: rejected with cause 1\n" in shown(capsys, answered("07788450450", live="dead"))


def test_of_very_many_rules_the_nearest_are_shown(capsys: Capture) -> None:
    routes = "rule,prefix,country,trunks\n"
    routes += "".join(f"r{n},33{n:03d},,a\n" for n in range(100))
    routes += "near,,FR,a\ndefault,,,a\n"
    one = table({"trunks.csv": b"trunk\na\n", "routes.csv": routes.encode()})
    question = question_of({"number": "07788450450"}, ZONE)
    context = question.context(PLAN, SATURDAY)
    answer: dict[str, Any] = explain(one, context, question.supposing(None))
    views_explain.now({**answer, "since": "", "by": "us", "supposed": []}, as_json=False)
    text = capsys.readouterr().out
    assert "asks for country FR; the call has GB" in text
    assert views_explain.SHOWN - 1 == text.count("asks for prefix")
    assert "77 rules more did not match, farther off; --json lists all" in text
    assert 102 == len(answer["steps"])


def test_json_is_the_whole_answer(capsys: Capture) -> None:
    answer = answered("07788450450")
    views_explain.now(answer, as_json=True)
    assert answer == json.loads(capsys.readouterr().out)
    views_explain.missing("nothing", as_json=True)
    assert {"found": False, "why": "nothing"} == json.loads(capsys.readouterr().out)


# ---- the past --------------------------------------------------------------------------------


def past(then: dict[str, Any], now: dict[str, Any], **more: object) -> dict[str, Any]:
    record = {
        "id": "9f3a1c2e-000001", "uniqueid": "1795262400.17",
        "at": "2026-11-21T12:00:00.250+00:00", "table": TABLE.version, "action": "route",
        "cause": None, "rule": "voda", "source": "live", "reason": "ok", "mccmnc": "23415",
        "trunks": [{"trunk": "uk-a", "number": "+447788450450"}], "closed": ["uk-b"],
        "refused": False, "nodip": False,
    }  # fmt: skip
    return {"record": record, "then": then, "agrees": True, "now": now, "same_way": True, **more}


def retold(capsys: Capture, answer: dict[str, Any]) -> str:
    views_explain.then(answer, as_json=False)
    return capsys.readouterr().out


def test_the_record_comes_first_then_the_table_of_then(capsys: Capture) -> None:
    same = answered("07788450450", mccmnc="23415")
    text = retold(capsys, past(same, same, earlier=["9f3a1c2e-000000"]))
    lines = text.splitlines()
    assert "9f3a1c2e-000001, channel 1795262400.17, 2026-11-21 12:00:00 UTC" == lines[0]
    assert "routed to uk-a (+447788450450) by voda (live, ok)" == lines[1]
    assert "over their calls per second then: uk-b" == lines[2]
    assert "an earlier decision of this channel: dialdip explain --id 9f3a1c2e-000000" in text
    assert "this table is still in force" in text
    assert 1 == text.count("voda: routed")


def test_the_table_of_now_stands_beside_it_where_it_is_another(capsys: Capture) -> None:
    then = answered("07788450450", mccmnc="23415")
    now = answered("07788450450")
    now["decision"] = {**now["decision"], "table": "000099-ffffffff"}
    text = retold(capsys, past(then, now, same_way=False, agrees=False))
    assert "by the table of now, 000099-ffffffff" in text
    assert "default: routed" in text
    assert "the call would go another way now" in text
    assert "the table of then decides otherwise than the record says" in text
    assert "both lead the same way" in retold(capsys, past(then, now))


def test_a_refusal_and_a_table_that_is_gone_are_said(capsys: Capture) -> None:
    gone = {"why": "table 000001-00000000: no such version is stored"}
    answer = past(gone, answered("07788450450"), agrees=None, same_way=None)
    answer["record"] |= {
        "action": "reject", "cause": 21, "trunks": [], "rule": "limits-2", "refused": True,
        "source": "policy", "reason": "velocity", "table": "000001-00000000",
    }  # fmt: skip
    text = retold(capsys, answer)
    expected = "rejected with cause 21 by limits-2 (policy, velocity), before any rule was looked"
    assert expected in text
    assert "not known: table 000001-00000000: no such version is stored" in text


def test_a_refused_call_was_sent_no_way_and_nobody_was_asked_for_its_network(
    capsys: Capture,
) -> None:
    answer = answered("07788450450", Finding(Source.POLICY, "nodip"))
    answer = past(answer, answer, agrees=None)
    answer["record"] |= {
        "action": "reject", "cause": 25, "trunks": [], "rule": "", "refused": True,
        "source": "policy", "reason": "loop",
    }  # fmt: skip
    text = retold(capsys, answer)
    assert "rejected with cause 25 (policy, loop), before any rule was looked at" in text
    assert "not known (nobody was asked: the call was refused before)" in text
    assert "otherwise, had nobody been asked, it would have gone this way:" in text
    assert "asks for" not in text
    assert "wins" not in text
    assert "default: routed" in text


def test_the_past_as_json_is_the_whole_answer(capsys: Capture) -> None:
    answer = past({"why": "x"}, {"why": "y"})
    views_explain.then(answer, as_json=True)
    assert answer == json.loads(capsys.readouterr().out)


def test_what_is_missing_is_one_line(capsys: Capture) -> None:
    views_explain.missing("no decision with this id: why", as_json=False)
    assert "no decision with this id: why\n" == capsys.readouterr().out
