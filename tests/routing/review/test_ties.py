"""Ties, against a plain reading of the rules: what both match, and how specific each then is."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.errors import Fault, TableError
from agi.model import Fraud, Line, Live, Mccmnc, Msisdn
from agi.routing.reading.faults import Faults, Place
from agi.routing.review.ties import check, in_words
from agi.routing.review.witness import free, witness
from agi.routing.rule import ANY, Cell, Facts, Rule
from agi.routing.when import holds, parse

COLUMNS = ("rule", "priority", "account", "mccmnc")


def cell(text: str) -> Cell:
    body = text.removeprefix("!")
    return Cell(tuple(body.split("|")) if body else (), negative=text.startswith("!"))


def rule(row: int = 2, **cells: str | int) -> Rule:
    """Return a rule whose cells are written as in the file; ``from`` is called ``caller``."""
    when = parse(str(cells.pop("when", "")), {"xmas": ("2026-12-25",)}, "UTC")
    assert not isinstance(when, str)
    priority = int(cells.pop("priority", 0))
    emergency = cells.get("line") == "emergency"
    if emergency:
        cells.pop("line")
    filled: dict[str, Any] = {name: cell(str(text)) for name, text in cells.items()}
    return Rule(
        name=f"r{row}",
        row=row,
        priority=priority,
        when=when,
        emergency=emergency,
        **filled,
    )


def faults_of(*rules: Rule) -> tuple[Fault, ...]:
    faults = Faults()
    where = {name: index for index, name in enumerate(COLUMNS)}
    check(rules, lambda rule: Place("routes.csv", rule.row, where), faults)
    try:
        faults.refuse()
    except TableError as error:
        return error.faults
    return ()


# ---- a plain reading of the contract -----------------------------------------------------


def weight(rule: Rule, facts: Facts) -> tuple[float, ...] | None:
    """Return how specific a rule is for a call, None if it does not match."""
    ported = {None: "", True: "yes", False: "no"}[facts.ported]
    network, mcc = 0.0, 0.0
    if not rule.mccmnc.empty:
        value = facts.mccmnc or ""
        hits = [i for i in rule.mccmnc.items if i == value or (len(i) == 3 and value[:3] == i)]
        if not value or bool(hits) == rule.mccmnc.negative:
            return None
        judged = rule.mccmnc.items if rule.mccmnc.negative else hits
        network = float(any(len(i) > 3 for i in judged))
        mcc = 1.0 - network
    number = prefix_weight(rule.prefix, facts)
    caller = caller_weight(rule.caller, facts.caller)
    words = [
        word(rule.account, facts.account),
        word(rule.country, facts.country),
        word(ANY if rule.emergency else rule.line, facts.line or ""),
        word(rule.ported, ported),
        word(rule.live, facts.live or ""),
        word(rule.fraud, facts.fraud or ""),
    ]
    if rule.emergency != facts.emergency or number is None or caller is None or None in words:
        return None
    if rule.when and not holds(rule.when, facts.at):
        return None
    account, *rest = (float(w or 0) for w in words)
    order = (rule.priority, account, network, number, mcc, caller, *rest, float(bool(rule.when)))
    return tuple(map(float, order))


def word(cell: Cell, value: str) -> float | None:
    if cell.empty:
        return 0.0
    return 1.0 if value and (value in cell.items) != cell.negative else None


def prefix_weight(cell: Cell, facts: Facts) -> float | None:
    if cell.empty:
        return 0.0
    number = facts.msisdn or ""
    hits = [100.0 for i in cell.items if i[0] == "=" and i[1:] == facts.digits]
    hits += [float(len(i)) for i in cell.items if i[0] != "=" and number.startswith(i)]
    if not cell.negative:
        return max(hits, default=None)
    unknown = not number and any(i[0] != "=" for i in cell.items)
    return None if hits or unknown else 0.5


def caller_weight(cell: Cell, caller: str) -> float | None:
    if cell.empty:
        return 0.0
    hits = [
        32.0 if i == "anonymous" else float(len(i))
        for i in cell.items
        if caller == i or (i != "anonymous" and caller.startswith(i))
    ]
    if not cell.negative:
        return max(hits, default=None)
    return 0.5 if caller and not hits else None


def items(*values: str) -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)
    return st.tuples(st.sampled_from(("", "", "!")), some).map(lambda c: c[0] + "|".join(c[1]))


CELLS = {
    "account": items("a", "b", "other"),
    "mccmnc": items("23410", "23415", "20801", "234", "208", "310"),
    "prefix": items("4", "44", "447", "448", "33", "=1471", "=447"),
    "caller": items("1", "12", "123", "9", "anonymous"),
    "country": items("GB", "FR", "DE"),
    "line": items("mobile", "landline"),
    "ported": items("yes", "no"),
    "live": items("live", "absent", "dead"),
    "fraud": items("passed", "suspicious"),
    "when": st.sampled_from(("Mon", "Mon-Fri 08:00-18:00", "Fri 17:00-02:00", "@xmas", "Sun")),
}
MONDAY = 1_795_392_000  # 2026-11-23T00:00Z
VALUES: dict[str, list[dict[str, Any]]] = {
    "account": [{"account": a} for a in ("", "a", "b", "other", "c")],
    "mccmnc": [
        {"mccmnc": n and Mccmnc(n)}
        for n in (None, "23410", "23415", "23420", "20801", "20810", "310260", "26201")
    ],
    "prefix": [
        {"digits": d, "msisdn": n and Msisdn(n)}
        for d in ("1471", "447", "0")
        for n in (None, "4", "44", "447", "4471", "448", "4481", "441", "41", "33", "34", "9")
    ],
    "caller": [
        {"caller": c} for c in ("", "1", "11", "12", "123", "1234", "2", "9", "0", "anonymous")
    ],
    "country": [{"country": c} for c in ("", "GB", "FR", "DE", "US")],
    "line": [{"line": v} for v in (None, Line.MOBILE, Line.LANDLINE, Line.VOIP)],
    "ported": [{"ported": v} for v in (None, True, False)],
    "live": [{"live": v} for v in (None, *Live)],
    "fraud": [{"fraud": v} for v in (None, *Fraud)],
    "when": [{"at": float(MONDAY + h * 3600)} for h in range(24 * 7)]
    + [{"at": 1_798_156_800.0 + h * 7200} for h in range(24)],  # 2026-12-25T00:00Z
}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Rule, Rule, tuple[str, ...]]:
    columns = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=3, unique=True))
    one, two = (rule(n, **{c: draw(CELLS[c]) for c in columns}) for n in (2, 3))
    return one, two, tuple(columns)


@settings(max_examples=250, deadline=None)
@given(pairs())
def test_rules_tie_exactly_if_a_call_matches_both_at_equal_specificity(
    pair: tuple[Rule, Rule, tuple[str, ...]],
) -> None:
    one, two, columns = pair
    facts = witness(one, two)
    assert (facts is not None) is bool(faults_of(one, two))
    if facts is not None:
        assert weight(one, facts) is not None
        assert weight(one, facts) == weight(two, facts)
        return
    for values in product(*(VALUES[column] for column in columns)):
        merged: dict[str, Any] = {"digits": ""}
        for value in values:
            merged |= value
        call = Facts(**merged)
        theirs = weight(one, call)
        assert theirs is None or theirs != weight(two, call), call


@pytest.mark.parametrize(
    ("one", "two", "call"),
    [
        ({"mccmnc": "23415"}, {"mccmnc": "23410|23415"}, "a call on network 23415;"),
        ({"mccmnc": "23415"}, {"mccmnc": "!23410"}, "a call on network 23415;"),
        ({"mccmnc": "234"}, {"mccmnc": "!310"}, "a call on network 234"),
        ({"prefix": "447788450450", "country": "GB"},) * 2 + ("a call to +447788... in GB;",),
        ({"prefix": "=1471"}, {"prefix": "44|=1471"}, "the dialled digits '1471';"),
        ({"prefix": "=07788450450"},) * 2 + ("the dialled digits '077884...';",),
        ({"prefix": "!44"}, {"prefix": "!33"}, "a call to +1..."),
        ({"account": "!a"}, {"account": "b|c"}, "of account 'b';"),
        ({"caller": "447788450450"},) * 2 + ("from a caller 447788...;",),
        ({"caller": "anonymous"}, {"caller": "anonymous|1"}, "from an anonymous caller;"),
        ({"country": "!GB"}, {"country": "!FR"}, "in AC;"),
        ({"line": "mobile|voip"}, {"line": "voip"}, "to a voip line;"),
        ({"ported": "yes"}, {"ported": "!no"}, "that is ported;"),
        ({"ported": "no"}, {"ported": "!yes"}, "not ported;"),
        ({"live": "dead"}, {"live": "dead|absent"}, "with a subscriber that is dead;"),
        ({"fraud": "suspicious"}, {"fraud": "!passed"}, "whose fraud check says suspicious;"),
        (
            {"when": "Fri 08:00-18:00"},
            {"when": "2026-12-25 17:00-23:00"},
            "on Fri 2026-12-25 at 17:00 UTC;",
        ),
        ({"line": "emergency"}, {"line": "emergency"}, "an emergency call;"),
        (
            {"line": "emergency", "prefix": "=112"},
            {"line": "emergency", "prefix": "=112|=999"},
            "an emergency call to the dialled digits '112';",
        ),
        ({}, {}, "any call;"),
    ],
)
def test_a_tie_names_both_rules_with_their_places_and_a_call(
    one: dict[str, str], two: dict[str, str], call: str
) -> None:
    (fault,) = faults_of(rule(7, **one), rule(5, **two))
    assert ("routes.csv", 7, 1) == (fault.file, fault.line, fault.column)
    assert "'r5' (routes.csv:5) and 'r7' (routes.csv:7) tie: both match" in fault.what
    assert call in fault.what
    assert "change a cell or give one a priority" in fault.what
    assert "450450" not in fault.what


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"prefix": "44"}, {"prefix": "44", "priority": 1}),
        ({"prefix": "44"}, {"prefix": "447"}),
        ({"prefix": "44|447"}, {"prefix": "441"}),
        ({"prefix": "44"}, {"prefix": "!33"}),
        ({"prefix": "!1|2|3|4|5|6|7|8|9"}, {"prefix": "!44"}),
        ({"caller": "!0|1|2|3|4|5|6|7|8|9|anonymous"}, {"caller": "!44"}),
        ({"mccmnc": "23415"}, {"mccmnc": "234"}),
        ({"mccmnc": "234"}, {"mccmnc": "!23410"}),
        ({"mccmnc": "234"}, {"mccmnc": "!234"}),
        ({"mccmnc": "234"}, {"country": "GB"}),
        ({"ported": "!yes"}, {"ported": "!no"}),
        ({"line": "emergency"}, {}),
        ({"line": "emergency"}, {"line": "emergency", "prefix": "=112"}),
        ({"when": "Mon 08:00-09:00"}, {"when": "Mon 09:00-10:00"}),
        ({"when": "Mon"}, {}),
    ],
)
def test_rules_that_no_call_matches_alike_do_not_tie(
    one: dict[str, str], two: dict[str, str]
) -> None:
    assert () == faults_of(rule(2, **one), rule(3, **two))


def test_a_network_may_be_the_last_one_that_is_left_of_an_mcc() -> None:
    mncs = [f"234{n:02}" for n in range(100)] + [f"234{n:03}" for n in range(1000)]
    assert () == faults_of(rule(2, mccmnc="|".join([*mncs, "234"])), rule(3, mccmnc="234"))
    mncs.remove("23407")
    facts = witness(rule(2, mccmnc="|".join([*mncs, "234"])), rule(3, mccmnc="234"))
    assert facts is not None
    assert "23407" == facts.mccmnc


def test_a_number_that_ties_is_longer_than_the_item_where_it_can_be() -> None:
    facts = witness(rule(2, prefix="44|441|442"), rule(3, prefix="44|443"))
    assert facts is not None
    assert "444" == facts.msisdn


def test_a_negative_cell_is_compared_with_each_of_many_items() -> None:
    rules = [rule(n + 2, prefix="44", mccmnc=f"234{n:02}") for n in range(20)]
    (fault,) = faults_of(*rules, rule(50, prefix="44", mccmnc="!23400|23401"))
    assert 50 == fault.line
    assert "'r4'" in fault.what


def test_each_rule_is_told_of_once_with_the_first_that_it_ties_with() -> None:
    faults = faults_of(*(rule(row, prefix="44|33") for row in (2, 3, 4)))
    assert [3, 4] == [fault.line for fault in faults]
    assert all("'r2'" in fault.what for fault in faults)


def test_free_digits_begin_with_nothing_that_is_taken() -> None:
    assert "1" == free(set(), "")
    assert "0" == free(set("123456789"), "", "1234567890")
    assert "44" == free(set(), "44")
    assert "441" == free({"442", "443"}, "44")
    assert "4420" == free({f"44{d}" for d in "134567890"} | {f"442{d}" for d in "123456789"}, "44")
    assert free({str(d) for d in range(1, 10)}, "") is None
    # Every longer number is taken, the short one is not.
    assert "44" == free({f"44{d}" for d in range(10)}, "44")


def everyday(count: int) -> list[Rule]:
    """Return rules such as tables have: networks, prefixes, lists, accounts, negatives, times."""
    rules = []
    for n in range(count):
        network = f"{200 + n % 500}{n % 97:02}"
        prefix = str(100_000 + n * 7)
        kinds: tuple[dict[str, str], ...] = (
            {"mccmnc": network, "prefix": prefix},
            {"prefix": f"{prefix}|{prefix[::-1].lstrip('0') or '1'}9{n}", "country": "!GB"},
            {"account": f"a{n}", "mccmnc": network},
            {"prefix": f"={n}", "when": "Mon-Fri 08:00-18:00 Europe/London"},
            {"prefix": prefix, "mccmnc": f"!{network}", "line": "mobile|voip"},
        )
        rules.append(rule(n + 2, **kinds[n % 5]))
    return rules


def test_thousands_of_everyday_rules_are_compared_in_a_moment() -> None:
    rules = everyday(5000)
    began = time.process_time()
    assert () == faults_of(*rules)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "cells",
    [
        {"account": "!a{n}", "country": "GB"},
        {"mccmnc": "!234{n:03}|!2"},
        {"when": "2026-12-25; 2027-01-01; Mon 0{h}:00-0{h}:01; Tue 0{h}:00-0{h}:02 Asia/Tokyo"},
        {"account": "!x{n}", "when": "2027-{m:02}-{d:02} Europe/London"},
    ],
)
def test_rules_that_are_many_and_alike_are_refused_in_bounded_time(cells: dict[str, str]) -> None:
    rules = [
        rule(
            n + 2,
            **{k: v.format(n=n, h=n % 10, m=n % 12 + 1, d=n % 28 + 1) for k, v in cells.items()},
        )
        for n in range(3000)
    ]
    began = time.process_time()
    assert faults_of(*rules)
    assert time.process_time() - began < 10


def test_what_is_not_compared_is_refused() -> None:
    # 900 rules of disjoint minutes in two zones by turns: each pair would be walked.
    rules = [
        rule(
            n + 2,
            account=f"!x{n}",
            when=f"Mon {n // 60:02}:{n % 60:02}-{(n + 1) // 60:02}:{(n + 1) % 60:02}"
            f" {'UTC' if n % 2 else 'Africa/Abidjan'}",
        )
        for n in range(900)
    ]
    (fault,) = faults_of(*rules)
    assert "too many rules" in fault.what


def test_a_call_is_described_without_a_whole_number() -> None:
    facts = Facts(digits="07788450450", msisdn=Msisdn("447788450450"), caller="447788450451")
    assert "a call to +447788... from a caller 447788..." == in_words(facts)
