"""The answers of the double against the vendor's own examples (NPL API page, v2.4)."""

import pytest

from agi.sandbox import npl
from agi.sandbox.exchange import Account
from agi.sandbox.people import slowest_ms
from agi.sandbox.subscribers import Subscriber

VENDOR = {
    "447788450450": Subscriber("447788450450", "23415", "447785014185", "234158341040126"),
    "447810701702": Subscriber("447810701702", "23415", "447785014185", "234159002945116"),
    "447973100100": Subscriber("447973100100", error="ERR1"),
}


def asked(**parameters: str) -> npl.Query:
    given = {"user": "bob", "pass": "secret", "msisdn": "447788450450"} | parameters
    given["pass"] = given.pop("password", given["pass"])
    return npl.read_query(given)


def answered(query: npl.Query) -> list[str]:
    text = npl.body(npl.lines_of(query, VENDOR), "\n", None, frozenset()).decode()
    assert text.startswith("QUERYOK\n")
    assert text.endswith("\nENDBATCH\n")
    return text.splitlines()[1:-1]


def test_version_2_4_says_what_the_vendors_example_says() -> None:
    query = asked(msisdn="447973100100,447810701702,447788450450", apiver="2.4")
    assert [
        "447788450450 23415,447785014185,234158341040126",
        "447810701702 23415,447785014185,234159002945116",
        "447973100100 ERR1",
    ] == answered(query)


@pytest.mark.parametrize("version", ["", "2.3", "2"])
def test_without_a_newer_version_only_the_network_is_told(version: str) -> None:
    assert ["447788450450 23415"] == answered(asked(apiver=version))


def test_the_order_is_not_the_order_asked() -> None:
    query = asked(msisdn="447788450450,447973100100")
    assert ["447973100100 ERR1", "447788450450 23415"] == answered(query)


def test_a_number_that_nobody_has_is_an_unknown_subscriber() -> None:
    assert ["447555000000 ERR1"] == answered(asked(msisdn="447555000000", apiver="2.4"))


def test_what_is_no_number_gets_no_line_and_a_double_only_one() -> None:
    query = asked(msisdn="+447788450450, 447788450450,447788450450,\n,x,\u0661\u0662\u0663\u0664")
    assert ("447788450450",) == query.numbers


def test_economy_belongs_to_version_2_5() -> None:
    assert asked(apiver="2.5", economy="1").economy
    assert not asked(apiver="2.4", economy="1").economy
    assert not asked(apiver="2.5", economy="0").economy


@pytest.mark.parametrize(
    ("query", "locked", "credits_left", "line"),
    [
        (asked(), False, None, None),
        (asked(), False, 1, None),
        (asked(user="eve"), False, None, "FAIL Invalid password"),
        (asked(password="guess"), True, 0, "FAIL Invalid password"),
        (asked(), True, 0, "ERR ACCOUNT LOCKED - Please arrange payment"),
        (asked(msisdn=""), False, None, "FAIL No numbers specified"),
        (asked(msisdn="447788450450,447973100100"), False, 1, "FAIL Insufficient credit"),
        (asked(msisdn=",".join(map(str, range(10**9, 10**9 + 1000)))), False, None, None),
        (
            asked(msisdn=",".join(map(str, range(10**9, 10**9 + 1001)))),
            False,
            0,
            "FAIL Request too long",
        ),
    ],
)
def test_a_request_is_refused_by_its_first_line(
    query: npl.Query, locked: bool, credits_left: int | None, line: str | None
) -> None:
    account = Account("bob", "secret", locked, credits_left)
    assert line == npl.first_refusal(query, account)


def test_a_batch_is_as_slow_as_its_slowest_number() -> None:
    known = {"1": Subscriber("1", latency_ms=400), "2": Subscriber("2")}
    assert 400 == slowest_ms(["1", "2", "3"], known, 50)
    assert 50 == slowest_ms(["2", "3"], known, 50)
    assert 500 == slowest_ms(["1", "2"], known, 500)


def test_a_query_shows_no_password_and_no_number() -> None:
    shown = repr(asked())
    assert "secret" not in shown
    assert "4477" not in shown
