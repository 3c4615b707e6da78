"""A dip is skipped exactly when no answer could change the way of the call."""

from __future__ import annotations

import itertools
import random

import pytest

from agi.mcc import plausible
from agi.model import Dialled, ErrorRule, Finding, Kind, Mccmnc, Msisdn, NumberInfo, Outcome, Source
from agi.routing.choose import decide
from agi.routing.files import load
from agi.routing.table import Rule, Table
from agi.shipped import TABLES
from tests.routing.making import compiled

GB = ("07788450450", "447788450450", "GB")
US = ("0012025550123", "12025550123", "US")
DEFAULT = "default,,,,,,,a\n"


def table(routes: str) -> Table:
    return compiled(routes + DEFAULT)


@pytest.mark.parametrize(
    ("routes", "matters"),
    [
        ("", False),
        ("net,,23415,,,,,b\n", True),
        ("net,,234,,,,,b\n", True),
        ("net,,23415,,,,,a\n", False),
        ("net,,23415,,GB,,,b\n", True),
        ("net,,23415,,FR,,,b\n", False),
        ("net,,23415,44778,,,,b\n", True),
        ("net,,23415,44779,,,,b\n", False),
        ("net,,23415,=07788450450,,,,b\n", True),
        ("net,,23415,=07788450451,,,,b\n", False),
        ("net,-1,23415,,,,,b\n", False),
        ("net,,23415,,,,reject:21,\n", True),
        ("gb,1,,44,,,,b\nnet,,23415,,,,,c\n", False),
        ("gb,,,44,,,,b\nnet,,23415,,,,,c\n", True),
        ("gb,1,,4477,,,reject:21,\nnet,,23415,,,,,c\n", False),
        ("gb,,,44,,,,b\nmcc,,234,4,,,,c\n", False),
        ("gb,,,44,,,,b\nmcc,,234,447,,,,c\n", True),
        ("sos,,,=112,,emergency,,b\n", False),
    ],
)
def test_a_dip_matters_if_a_network_leads_elsewhere(routes: str, matters: bool) -> None:
    assert matters is table(routes).dip_matters(*GB)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a > b", "a > b", True),
        ("a > b", "b > a", False),
        ("a > b", "a b", False),
        ("a b", "b a", True),
        ("a:3 b:1", "b:1 a:3", True),
        ("a:3 b:1", "a:1 b:3", False),
        ("a:6 b:2", "a:3 b:1", True),
        ("a:9 > b", "a > b:4", True),
        ("a", "a > b", False),
    ],
)
def test_trunks_are_the_same_when_their_order_has_the_same_odds(
    one: str, other: str, same: bool
) -> None:
    routes = f"net,,23415,,,,,{one}\ngb,,,44,,,,{other}\n"
    assert same is not table(routes).dip_matters(*GB)


def test_rejections_are_the_same_when_their_causes_are() -> None:
    assert not table("net,,23415,,,,reject:21,\ngb,,,44,,,reject:21,\n").dip_matters(*GB)
    assert table("net,,23415,,,,reject:21,\ngb,,,44,,,reject:57,\n").dip_matters(*GB)


def test_a_rule_that_loses_on_its_own_network_does_not_make_a_dip_matter() -> None:
    shadowed = "gb,,,44,,,,b\nnet,1,23415,4,,,,c\nover,1,23415,447,,,,b\n"
    assert not table(shadowed).dip_matters(*GB)
    assert table(shadowed).dip_matters("0044208", "44208", "GB")
    by_mcc = "gb,,,44,,,,b\nnet,1,23415,4,,,,c\nover,2,234,447,,,,b\n"
    assert not table(by_mcc).dip_matters(*GB)
    assert table(by_mcc.replace("over,2,234", "over,2,235")).dip_matters(*GB)


@pytest.mark.parametrize(
    ("cells", "matters"),
    [
        ("23415,", {"GB"}),
        ("234,", {"GB"}),
        ("310260,", {"US"}),
        ("302,", {"US"}),  # Canada's: the plan +1 does not tell its countries apart
        ("20801,", {"FR"}),
        ("90101,", set()),
        ("00101,", {"GB", "US", "FR"}),  # a test network: a dump of the site's own may name it
        ("99999,", {"GB", "US", "FR"}),
        ("79999,", {"GB", "US", "FR"}),  # an MCC that nobody has: the lists age
        ("79999,44", {"GB"}),
        ("79999,4", {"GB"}),
        ("23415,1", set()),
        ("310260,1", {"US"}),
        ("23415,=0012025550123", set()),
        ("310260,=0012025550123", {"US"}),
        ("79999,=0012025550123", {"US"}),
    ],
)
def test_a_network_that_cannot_serve_the_number_does_not_make_a_dip_matter(
    cells: str, matters: set[str]
) -> None:
    """An answer that names it is not believed, so it cannot win. MCCs: ITU-T E.212."""
    routes = table(f"net,,{cells},,,,b\n")
    calls = (GB, US, ("0033612345678", "33612345678", "FR"))
    assert matters == {call[2] for call in calls if routes.dip_matters(*call)}


def test_the_shipped_tables_look_up_british_numbers_only() -> None:
    routes = load(TABLES, 1).table
    assert routes.dip_matters(*GB)
    assert not routes.dip_matters(*US)
    assert not routes.dip_matters("0033612345678", "33612345678", "FR")
    assert not routes.dip_matters("09098790000", "449098790000", "GB")


def test_a_range_of_another_countrys_network_is_looked_up() -> None:
    """The range's rule would carry the call without a lookup, which would say otherwise."""
    routes = "net,,23415,,,,,b\n" + DEFAULT
    assert compiled(routes, ranges="1202,23415,\n").dip_matters(*US)
    assert not compiled(routes, ranges="1202,310260,\n").dip_matters(*US)
    assert not compiled(routes, ranges="1203,23415,\n").dip_matters(*US)
    assert not compiled(routes, ranges="1202,23410,\n").dip_matters(*US)


def test_a_calling_code_that_is_not_listed_is_served_by_any_countrys_network() -> None:
    unlisted = ("0042212345678", "42212345678", "")
    assert table("net,,23415,,,,,b\n").dip_matters(*unlisted)
    assert table("net,,23415,42,,,,b\n").dip_matters(*unlisted)
    assert table("net,,23415,4221,,,,b\n").dip_matters(*unlisted)
    assert not table("net,,90101,,,,,b\n").dip_matters(*unlisted)


def test_where_too_many_rules_would_have_to_be_tried_the_dip_is_made() -> None:
    """The bound on a call's time: 64 rules that all lose are proven to, 70 are not tried."""

    def shadowed(count: int) -> Table:
        nets = "".join(f"n{i},1,234{i:02d},4,,,,c\n" for i in range(count))
        return table(f"gb,,,44,,,,b\nover,2,234,447,,,,b\n{nets}")

    assert not shadowed(64).dip_matters(*GB)
    assert shadowed(70).dip_matters(*GB)


def with_code(routes: str, route: str) -> Table:
    rules = compiled(routes + DEFAULT).rules
    code = ErrorRule("lanck", "11", Outcome.INVALID_NUMBER, False, 60, route)
    return Table("000001-00000000", rules, {("lanck", "11"): code})


def test_a_listed_code_that_rejects_makes_every_dip_matter_but_for_calls_rejected_alike() -> None:
    routes = "us,,,1,,,reject:28,\nfr,,,33,,,reject:29,\n"
    assert with_code(routes, "reject:28").dip_matters(*GB)
    assert not with_code(routes, "reject:28").dip_matters(*US)
    assert with_code(routes, "reject:28").dip_matters("0033612345678", "33612345678", "FR")
    assert not with_code(routes, "default").dip_matters(*GB)
    assert not with_code(routes, "range").dip_matters(*GB)


def test_a_number_without_international_form_is_judged_by_its_digits() -> None:
    routes = "net,,23415,4,,,,b\npin,,23415,=12,,,,c\n"
    assert table(routes).dip_matters("12", None, "")
    assert not table(routes).dip_matters("13", None, "")


# The reference: every answer that would be believed is given, and the decisions are compared.

NETWORKS = ("20801", "20810", "31026", "310260", "23415", "23410", "79901")
MCCS = ("208", "310", "234", "799")
UNLISTED = ("20899", "310999", "90199", "23499", "79999")
PREFIXES = ("", "", "", "4", "44", "441", "33", "=44", "=0441")
TIERS = ("a", "a", "a", "b", "a > b", "a:2 b:1", "b:1 a:2", "a:4 b:2", "")
ROUTES = ("default", "default", "default", "range", "reject:1", "reject:28")


def random_table(dice: random.Random) -> Table:
    seen = {("0", "", "", "")}
    rows = [f"default,0,,,,,,{dice.choice('ab')}"]
    for number in range(dice.randint(0, 8)):
        network = dice.choice(("", "", *NETWORKS, *MCCS))
        cells = (
            dice.choice("0001"),
            network,
            dice.choice(PREFIXES),
            dice.choice(("", "", "GB", "FR")),
        )
        if cells in seen:
            continue
        seen.add(cells)
        trunks = dice.choice(TIERS)
        action = "" if trunks else dice.choice(("reject:1", "reject:28"))
        rows.append(f"r{number},{','.join(cells)},,{action},{trunks}")
    rules = compiled("\n".join(rows) + "\n").rules
    codes = [dice.choice(ROUTES) for _ in range(dice.choice((0, 0, 1, 2)))]
    return Table("000001-00000000", rules, dict(map(_code, range(9), codes)))


def _code(number: int, route: str) -> tuple[tuple[str, str], ErrorRule]:
    rule = ErrorRule("lanck", str(number), Outcome.TEMPORARY, False, 0, route)
    return ("lanck", str(number)), rule


def odds(rule: Rule | None) -> object:
    """Return every order of the first trunk of each tier with its share of a common scale."""
    if rule is None:
        return None
    tiers = []
    for tier in rule.tiers:
        total = sum(weight for _, weight in tier)
        tiers.append(frozenset((trunk.name, weight * 60 // total) for trunk, weight in tier))
    return tuple(tiers)


def way(table: Table, call: tuple[str, str, str], finding: Finding) -> tuple[object, ...]:
    """Return what a decision does: action, cause, and its rule's trunks with their odds."""
    digits, msisdn, country = call
    dialled = Dialled(digits, Kind.E164, Msisdn(msisdn), country)
    decision = decide(table, dialled, finding, lambda: 0.0, "id")
    rule = next((rule for rule in table.rules if rule.name == decision.rule), None)
    return decision.action, decision.cause, odds(rule) if decision.cause is None else None


def slow_dip_matters(table: Table, call: tuple[str, str, str]) -> bool:
    alone = way(table, call, Finding(Source.DEFAULT, "timeout"))
    believed = (
        Mccmnc(mccmnc)
        for mccmnc in (*NETWORKS, *UNLISTED)
        if plausible(Mccmnc(mccmnc), Msisdn(call[1]))
    )
    networks = (Finding(Source.LIVE, "ok", NumberInfo(mccmnc)) for mccmnc in believed)
    codes = (
        Finding(Source.LIVE, rule.code, rule=rule)
        for number in range(9)
        if (rule := table.error_rule("lanck", str(number)))
    )
    return any(way(table, call, finding) != alone for finding in itertools.chain(networks, codes))


def test_the_fast_answer_equals_giving_every_answer_on_twenty_thousand_calls() -> None:
    dice = random.Random(3_006)
    counted = {True: 0, False: 0}
    for _ in range(2_500):
        table = random_table(dice)
        for _ in range(8):
            msisdn = dice.choice(("44", "441", "4411", "33", "331", "1"))
            digits = dice.choice(("", "0")) + msisdn
            call = (digits, msisdn, dice.choice(("GB", "FR", "")))
            expected = slow_dip_matters(table, call)
            assert expected is table.dip_matters(*call), (table.rules, call)
            counted[expected] += 1
    assert 5_000 < min(counted.values()), counted
