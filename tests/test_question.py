"""What a person asks of a call: read strictly, with the words that would be right."""

from __future__ import annotations

import pytest

from agi.errors import UsageError
from agi.model import (
    CallRequest,
    Finding,
    Fraud,
    Line,
    Live,
    Mccmnc,
    NumberInfo,
    Source,
    Verdicts,
)
from agi.question import NOBODY_ASKED, Question, question_of
from tests.explained import PLAN, SATURDAY, ZONE

NUMBER = "07788450450"


def asked(**values: object) -> Question:
    return question_of({"number": NUMBER, **values}, ZONE)


def test_a_bare_number_supposes_nothing() -> None:
    question = asked(caller=None, account="", lookup=False, peer=0)
    assert Question(NUMBER) == question
    assert () == question.supposes
    assert CallRequest(NUMBER, "", "", "explain") == question.request


def test_every_option_is_read() -> None:
    question = asked(
        caller="anonymous", account="acme", at="2026-11-21T12:00", mccmnc="234-15", live="dead",
        ported="no", line="mobile", fraud="suspicious",
    )  # fmt: skip
    assert Question(
        NUMBER, "anonymous", "acme", SATURDAY, Mccmnc("23415"), Live.DEAD, False, Line.MOBILE,
        Fraud.SUSPICIOUS,
    ) == question  # fmt: skip
    assert ("mccmnc", "live", "ported", "line", "fraud") == question.supposes


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2026-11-21T12:00", SATURDAY),
        ("2026-11-21 12:00:30", SATURDAY + 30),
        ("2026-11-21T13:00+01:00", SATURDAY),
        ("2026-11-21T12:00Z", SATURDAY),
        ("2026-07-01T12:00", 1_782_903_600.0),  # 11:00 UTC: summer in London
        ("2026-11-21", SATURDAY - 43_200),
    ],
)
def test_a_time_without_a_zone_is_in_that_of_the_tables(text: str, epoch: float) -> None:
    assert epoch == asked(at=text).at


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("number", "bob", "NUMBER: give 1 to 32"),
        ("number", "", "NUMBER: give 1 to 32"),
        ("number", ["1"], "NUMBER: give 1 to 32"),
        ("account", "a b", "--account: give at most 32"),
        ("caller", "bob", "--from: give digits"),
        ("at", "tomorrow", "--at: give a date and a time such as 2026-12-24T18:30, in Europe"),
        ("at", "9999-12-31T23:59:59-23:00", "--at: give a date"),
        ("mccmnc", "vodafone", "--mccmnc: no MCC and MNC: give for example 23415"),
        ("live", "alive", "--live: give live, absent, dead"),
        ("line", "fixed", "--line: give mobile, landline"),
        ("fraud", "yes", "--fraud: give passed, not-mobile, suspicious, fraudulent"),
        ("ported", "maybe", "--ported: give yes or no"),
    ],
)
def test_what_is_none_of_its_kind_is_refused_with_what_would_be_right(
    name: str, value: object, right: str
) -> None:
    with pytest.raises(UsageError) as refused:
        asked(**{name: value})
    assert str(refused.value).startswith(right)
    assert "bob" not in str(refused.value)


def test_a_caller_is_read_by_the_sites_plan() -> None:
    def caller(text: str) -> str:
        return asked(caller=text).context(PLAN, SATURDAY).caller

    assert "442079460123" == caller("02079460123")
    assert "204" == caller("204")
    assert "99" == caller("+99")
    assert "anonymous" == caller("anonymous")
    assert "" == caller("")


def test_the_call_is_now_unless_a_time_is_given() -> None:
    assert 5.0 == asked().context(PLAN, 5.0).at
    assert SATURDAY == asked(at="2026-11-21T12:00Z").context(PLAN, 5.0).at


KNOWN = Finding(
    Source.MEMORY, "ok", NumberInfo(Mccmnc("23410"), Live.LIVE, ported=True), 60.0,
    provider="npl", verdicts=Verdicts(Fraud.PASSED),
)  # fmt: skip


def test_a_supposed_network_is_taken_for_a_fresh_answer() -> None:
    said = asked(mccmnc="23415").supposing(KNOWN)
    assert (Source.LIVE, "ok", None, "") == (said.source, said.reason, said.age_s, said.provider)
    assert NumberInfo(Mccmnc("23415"), Live.LIVE, ported=True) == said.info


def test_what_is_not_supposed_stays_as_it_is_known() -> None:
    assert KNOWN == asked().supposing(KNOWN)
    assert NOBODY_ASKED == asked().supposing(None)
    said = asked(live="dead", ported="no", line="voip", fraud="fraudulent").supposing(KNOWN)
    assert NumberInfo(Mccmnc("23410"), Live.DEAD, ported=False, line=Line.VOIP) == said.info
    assert (Fraud.FRAUDULENT, 60.0) == (said.verdicts.fraud, said.age_s)
    assert Live.ABSENT == asked(live="absent").supposing(None).info.live
