"""An explanation says what decides a call, in the order in which it was looked at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from agi import explaining
from agi.explaining import explain
from agi.explaining_cells import cell_of, value_of
from agi.model import ErrorRule, Finding, Mccmnc, Outcome, Source
from agi.question import question_of
from agi.routing.limits import Limit
from agi.routing.rule import Cell, Facts, Rule, Span
from agi.routing.table import Table
from agi.routing.trunk import Trunk
from tests.explained import PLAN, SATURDAY, SITE, ZONE, table

TABLE = table()


def explained(number: str, known: Finding | None = None, /, **asked: str) -> dict[str, Any]:
    return by(TABLE, number, known, **asked)


def by(one: Table, number: str, known: Finding | None = None, /, **asked: str) -> dict[str, Any]:
    question = question_of({"number": number, **asked}, ZONE)
    answer = explain(one, question.context(PLAN, SATURDAY), question.supposing(known))
    assert answer == msgspec.json.decode(
        msgspec.json.encode(answer)
    )  # plain values, and nothing else
    return answer


def tried(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["rule"], step["failed"]) for step in answer["steps"]]


def test_the_rules_are_told_in_order_each_with_the_cell_that_refused() -> None:
    answer = explained("07788450450")
    expected = [
        ("acme", "account"),
        ("voda", "mccmnc"),
        ("site", "prefix"),
        ("dead", "live"),
        ("night", "when"),
        ("default", ""),
    ]
    assert expected == tried(answer)
    assert [3, 5, 4, 7, 6, 8] == [step["line"] for step in answer["steps"]]
    cells = {step["rule"]: (step["cell"], step["value"]) for step in answer["steps"]}
    assert ("acme|zeta", "") == cells["acme"]
    assert ("23415", "") == cells["voda"]
    assert ("4479", "447788450450") == cells["site"]
    assert ("dead", "") == cells["dead"]
    assert ("Mon-Fri 20:00-08:00; Sun", f"Sat 2026-11-21 12:00 {ZONE}") == cells["night"]
    assert "routes.csv" == answer["decided_by"]


def test_the_call_is_told_as_it_was_understood() -> None:
    answer = explained("07900123456", caller="02079460123", account="beta")
    assert ("07900123456", "e164", "447900123456") == (
        answer["dialled"], answer["kind"], answer["number"],
    )  # fmt: skip
    assert ("GB", "mobile", "442079460123", "beta") == (
        answer["country"], answer["line"], answer["caller"], answer["account"],
    )  # fmt: skip
    assert ("2026-11-21T12:00:00+00:00", ZONE) == (answer["at"], answer["timezone"])
    assert "site" == answer["decision"]["rule"]


def test_trunks_stand_by_tiers_with_their_odds_and_what_is_sent() -> None:
    answer = explained("07788450450", mccmnc="23415")
    tiers = answer["tiers"]
    assert [["uk-a", "uk-b"], ["long"]] == [[one["trunk"] for one in t["trunks"]] for t in tiers]
    assert [0.7, 0.3] == [one["odds"] for one in tiers[0]["trunks"]]
    assert [False, True] == [tier["last_resort"] for tier in tiers]
    first = tiers[0]["trunks"][0]
    assert ("PJSIP", "+447788450450", "gw-a", 45) == (
        first["tech"], first["number"], first["endpoint"], first["ring_s"],
    )  # fmt: skip
    assert "00447788450450" == tiers[1]["trunks"][0]["number"]
    assert [{"trunk": "uk-c", "why": "disabled"}] == answer["left_out"]


def test_a_trunk_over_its_calls_per_second_is_left_out_and_said_so() -> None:
    def is_b(trunk: Trunk) -> bool:
        return trunk.name == "uk-b"

    question = question_of({"number": "07788450450", "account": "acme"}, ZONE)
    context = question.context(PLAN, SATURDAY)
    answer: dict[str, Any] = explain(TABLE, context, question.supposing(None), is_b)
    assert ("reject", 34, "no-trunk") == (
        answer["decision"]["action"], answer["decision"]["cause"], answer["decision"]["reason"],
    )  # fmt: skip
    assert [{"trunk": "uk-b", "why": "over its calls per second"}] == answer["left_out"]
    assert [] == answer["tiers"]


def test_a_window_of_time_is_that_of_the_time_asked_for() -> None:
    assert "night" == explained("07788450450", at="2026-11-20T23:00")["decision"]["rule"]
    assert "night" == explained("07788450450", at="2026-11-22T12:00")["decision"]["rule"]
    assert "default" == explained("07788450450", at="2026-11-23T12:00")["decision"]["rule"]


def test_what_is_supposed_decides() -> None:
    answer = explained("07788450450", live="dead")
    assert ("dead", "reject", 1) == (
        answer["decision"]["rule"], answer["decision"]["action"], answer["decision"]["cause"],
    )  # fmt: skip
    assert [] == answer["tiers"]


def test_an_emergency_call_sees_emergency_rules_only() -> None:
    answer = explained("999", account="acme")
    assert [("emergency", "")] == tried(answer)
    assert [] == answer["limits"]
    assert answer["dip_could_change_it"] is None
    assert {"before": None, "after": None} == answer["policy"]


def test_a_denied_destination_names_the_policys_line() -> None:
    answer = explained("00881612345678")
    assert "policy.csv" == answer["decided_by"]
    assert [{"rule": "policy-2", "line": 2, "failed": ""}] == answer["steps"]
    denied = {"action": "deny", "line": 2}
    assert {"before": denied, "after": denied} == answer["policy"]
    assert ("reject", 21) == (answer["decision"]["action"], answer["decision"]["cause"])


def test_the_policy_is_told_before_the_lookup_and_when_the_network_is_known() -> None:
    answer = explained("07788450450", mccmnc="23410")
    assert {"before": None, "after": {"action": "deny", "line": 3}} == answer["policy"]
    assert "policy.csv" == answer["decided_by"]
    nodip = {"action": "nodip", "line": 4}
    answer = explained("07812345678", account="nodip")
    assert {"before": nodip, "after": nodip} == answer["policy"]
    assert "routes.csv" == answer["decided_by"]


def test_limits_are_told_with_how_full_they_are() -> None:
    (limit,) = explained("07788450450")["limits"]
    assert (3, "number", "447788450450", 30, 10, None) == (
        limit["line"], limit["level"], limit["part"], limit["calls"], limit["lookups"],
        limit["full"],
    )  # fmt: skip

    def half(limit: Limit, account: str, number: str) -> float:
        assert ("acme", "33612345678") == (account, number)
        return 7.5 / (limit.calls or 1)

    question = question_of({"number": "0033612345678", "account": "acme"}, ZONE)
    context = question.context(PLAN, SATURDAY)
    answer: dict[str, Any] = explain(TABLE, context, question.supposing(None), fullness=half)
    assert [("33612345", 0.5)] == [(one["part"], one["full"]) for one in answer["limits"]]


def test_whether_a_dip_could_change_it_is_told() -> None:
    assert explained("07788450450")["dip_could_change_it"] is True
    assert explained("07788450450", account="acme")["dip_could_change_it"] is True  # a policy row
    assert explained("020")["dip_could_change_it"] is None


def test_a_listed_code_that_rejects_names_its_file() -> None:
    error = ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, False, 300, "reject:1")
    finding = Finding(Source.LIVE, "err1", rule=error, provider="npl", kind="comcetera")
    answer = explained("07788450450", finding)
    assert "errors.csv" == answer["decided_by"]
    assert [{"rule": "errors.csv comcetera err1", "line": 0, "failed": ""}] == answer["steps"]
    assert ("err1", "npl") == (answer["reason"], answer["provider"])


def test_a_screen_that_rejects_names_its_file() -> None:
    accounts = b"account,screen_fraud\ntele,reject:21\n"
    one = table({**SITE, "accounts.csv": accounts})
    answer = by(one, "07788450450", account="tele", fraud="fraudulent")
    assert ("accounts.csv", "fraud") == (answer["decided_by"], answer["decision"]["reason"])


def test_a_range_gives_the_network_that_nobody_told() -> None:
    one = table({**SITE, "ranges.csv": b"prefix,mccmnc,line\n447788,23415,mobile\n"})
    answer = by(one, "07788450450", Finding(Source.DEFAULT, "timeout"))
    assert ("23415", "range", "timeout") == (answer["mccmnc"], answer["source"], answer["reason"])
    assert "voda" == answer["decision"]["rule"]


def test_more_than_nine_trunks_are_told_of() -> None:
    names = [f"t{n}" for n in range(11)]
    trunks = "trunk\n" + "\n".join(names) + "\n"
    routes = f"rule,trunks\ndefault,{' '.join(names[:4])} > {' '.join(names[4:])}\n"
    one = table({"trunks.csv": trunks.encode(), "routes.csv": routes.encode()})
    answer = by(one, "07788450450")
    assert 9 == len(answer["decision"]["trunks"])
    told = [one for tier in answer["tiers"] for one in tier["trunks"]]
    assert 11 == len(told) + len(answer["left_out"])


def test_an_explanation_throws_no_dice() -> None:
    assert 0.0 == explaining.as_written()
    one = explained("07788450450", mccmnc="23415")
    assert all(one == explained("07788450450", mccmnc="23415") for _ in range(20))


# ---- cells -----------------------------------------------------------------------------------

RULE = Rule(name="r", row=2)


@pytest.mark.parametrize(
    ("rule", "column", "text"),
    [
        (replace(RULE, account=Cell(("a", "b"), negative=True)), "account", "!a|b"),
        (replace(RULE, caller=Cell(("anonymous",))), "from", "anonymous"),
        (RULE, "line", ""),
        (RULE, "", ""),
        (
            replace(RULE, mccmnc=Cell(tuple(f"2341{n}" for n in range(9)))),
            "mccmnc",
            "23410|23411|23412|23413|23414|23415|... (9 in all)",
        ),
        (replace(RULE, when=(Span((5, 6, 0), (), 0, 1440, ZONE),)), "when", "Sat-Mon"),
        (replace(RULE, when=(Span((2,), (), 60, 1440, "Asia/Tokyo"),)), "when",
         "Wed 01:00-24:00 Asia/Tokyo"),
        (replace(RULE, when=(Span(tuple(range(7)), (), 0, 60, ZONE),)), "when",
         "Mon-Sun 00:00-01:00"),
        (replace(RULE, when=(Span((0, 2), (), 0, 1440, ZONE),)), "when", "Mon,Wed"),
        (replace(RULE, when=(Span((), ("2026-12-25", "2026-12-26"), 540, 600, ZONE),)), "when",
         "2026-12-25, 2026-12-26 09:00-10:00"),
    ],
)  # fmt: skip
def test_a_cell_reads_as_a_person_would_write_it(rule: Rule, column: str, text: str) -> None:
    assert text == cell_of(rule, column, ZONE)


def test_a_value_reads_as_the_tables_write_it() -> None:
    facts = Facts("0778", None, "GB", None, "acme", "anonymous", Mccmnc("23415"), True, at=SATURDAY)
    told = {name: value_of(facts, name, ZONE) for name in ("prefix", "line", "ported", "from")}
    assert {"prefix": "0778", "line": "", "ported": "yes", "from": "anonymous"} == told
    assert "no" == value_of(replace(facts, ported=False), "ported", ZONE)
    assert "Sat 2026-11-21 21:00 Asia/Tokyo" == value_of(facts, "when", "Asia/Tokyo")
