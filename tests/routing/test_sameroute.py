"""A dip is skipped exactly when no answer could change the way of the call."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from agi.mcc import plausible
from agi.model import (
    CallContext,
    Dialled,
    ErrorRule,
    Finding,
    Fraud,
    Kind,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Source,
    Verdicts,
)
from agi.routing.choose import decide
from agi.routing.reading.files import load
from agi.routing.rule import Rule, Tier
from agi.routing.table import Table
from agi.shipped import TABLES
from tests.routing.making import DEFAULT, cell, compiled, ruled


def call(
    digits: str, msisdn: str | None, country: str, line: Line | None = Line.MOBILE, **more: Any
) -> CallContext:
    number = None if msisdn is None else Msisdn(msisdn)
    return CallContext(Dialled(digits, Kind.E164, number, country, line), **more)


GB = call("07788450450", "447788450450", "GB")
US = call("0012025550123", "12025550123", "US")
FR = call("0033612345678", "33612345678", "FR")


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
    assert matters is table(routes).dip_matters(GB)


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
    assert same is not table(routes).dip_matters(GB)


def test_rejections_are_the_same_when_their_causes_are() -> None:
    assert not table("net,,23415,,,,reject:21,\ngb,,,44,,,reject:21,\n").dip_matters(GB)
    assert table("net,,23415,,,,reject:21,\ngb,,,44,,,reject:57,\n").dip_matters(GB)


def test_a_rule_that_loses_on_its_own_network_does_not_make_a_dip_matter() -> None:
    shadowed = "gb,,,44,,,,b\nnet,1,23415,4,,,,c\nover,1,23415,447,,,,b\n"
    assert not table(shadowed).dip_matters(GB)
    assert table(shadowed).dip_matters(call("0044208", "44208", "GB"))
    by_mcc = "gb,,,44,,,,b\nnet,1,23415,4,,,,c\nover,2,234,447,,,,b\n"
    assert not table(by_mcc).dip_matters(GB)
    assert table(by_mcc.replace("over,2,234", "over,2,235")).dip_matters(GB)


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
    assert matters == {
        context.dialled.country for context in (GB, US, FR) if routes.dip_matters(context)
    }


def test_the_shipped_tables_look_up_british_numbers_only() -> None:
    routes = load(TABLES, 1).table
    assert routes.dip_matters(GB)
    assert not routes.dip_matters(US)
    assert not routes.dip_matters(FR)
    assert not routes.dip_matters(call("09098790000", "449098790000", "GB"))


def test_a_range_of_another_countrys_network_is_looked_up() -> None:
    """The range's rule would carry the call without a lookup, which would say otherwise."""
    routes = "net,,23415,,,,,b\n" + DEFAULT
    assert compiled(routes, ranges="1202,23415,\n").dip_matters(US)
    assert not compiled(routes, ranges="1202,310260,\n").dip_matters(US)
    assert not compiled(routes, ranges="1203,23415,\n").dip_matters(US)
    assert not compiled(routes, ranges="1202,23410,\n").dip_matters(US)


def test_a_calling_code_that_is_not_listed_is_served_by_any_countrys_network() -> None:
    unlisted = call("0042212345678", "42212345678", "")
    assert table("net,,23415,,,,,b\n").dip_matters(unlisted)
    assert table("net,,23415,42,,,,b\n").dip_matters(unlisted)
    assert table("net,,23415,4221,,,,b\n").dip_matters(unlisted)
    assert not table("net,,90101,,,,,b\n").dip_matters(unlisted)


def test_where_too_many_rules_would_have_to_be_tried_the_dip_is_made() -> None:
    """The bound on a call's time: 64 rules that all lose are proven to, 70 are not tried."""

    def shadowed(count: int) -> Table:
        nets = "".join(f"n{i},1,234{i:02d},4,,,,c\n" for i in range(count))
        return table(f"gb,,,44,,,,b\nover,2,234,447,,,,b\n{nets}")

    assert not shadowed(64).dip_matters(GB)
    assert shadowed(70).dip_matters(GB)


def with_code(routes: str, route: str) -> Table:
    code = ErrorRule("lanck", "11", Outcome.INVALID_NUMBER, False, 60, route)
    return compiled(routes + DEFAULT, errors=[code])


def test_a_listed_code_that_rejects_makes_every_dip_matter_but_for_calls_rejected_alike() -> None:
    routes = "us,,,1,,,reject:28,\nfr,,,33,,,reject:29,\n"
    assert with_code(routes, "reject:28").dip_matters(GB)
    assert not with_code(routes, "reject:28").dip_matters(US)
    assert with_code(routes, "reject:28").dip_matters(FR)
    assert not with_code(routes, "default").dip_matters(GB)
    assert not with_code(routes, "range").dip_matters(GB)


def test_a_number_without_international_form_is_judged_by_its_digits() -> None:
    routes = "net,,23415,4,,,,b\npin,,23415,=12,,,,c\n"
    assert table(routes).dip_matters(call("12", None, ""))
    assert not table(routes).dip_matters(call("13", None, ""))


# ---- the other cells ---------------------------------------------------------------------

Cells = dict[str, str]


def matters(context: CallContext, **cells: Cells) -> bool:
    return ruled({name: {"trunks": "b", **row} for name, row in cells.items()}).dip_matters(context)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"live": "dead"}, True),
        ({"live": "!live"}, True),
        ({"live": "dead", "country": "FR"}, False),
        ({"live": "dead", "priority": "-1"}, False),
        ({"live": "dead", "trunks": "a"}, False),
        ({"ported": "yes"}, True),
        ({"ported": "!yes", "prefix": "33"}, False),
        ({"mccmnc": "!23415"}, True),
        ({"mccmnc": "!23415", "country": "!GB"}, False),
        ({"mccmnc": "!23415", "prefix": "!447"}, False),
        ({"mccmnc": "!23415", "prefix": "!33"}, True),
        ({"mccmnc": "23415", "prefix": "!447|33"}, False),
        ({"mccmnc": "20801|23415"}, True),
        ({"mccmnc": "20801|310"}, False),
        ({"mccmnc": "23415", "line": "mobile"}, True),
        ({"mccmnc": "23415", "line": "landline"}, False),
        ({"mccmnc": "23415", "line": "!mobile"}, False),
        ({"mccmnc": "23415", "account": "acme"}, True),
        ({"mccmnc": "23415", "account": "other|third"}, False),
        ({"mccmnc": "23415", "account": "!acme"}, False),
        ({"mccmnc": "23415", "from": "4420|33"}, True),
        ({"mccmnc": "23415", "from": "33|anonymous"}, False),
        ({"mccmnc": "23415", "from": "!44"}, False),
        ({"mccmnc": "23415", "when": "Thu"}, True),
        ({"mccmnc": "23415", "when": "Fri"}, False),
        ({"line": "mobile"}, False),
        ({"account": "acme"}, False),
        ({"from": "anonymous"}, False),
        ({"when": "Thu"}, False),
        ({"fraud": "suspicious"}, False),
    ],
)
def test_what_is_known_beforehand_selects_the_rules_and_what_a_lookup_tells_is_free(
    cells: Cells, expected: bool
) -> None:
    """2026-01-01 was a Thursday."""
    known = replace_call(GB, account="acme", caller="442079460000", at=1_767_225_600.0)
    assert expected is matters(known, r=cells)


def replace_call(context: CallContext, **changes: Any) -> CallContext:
    return CallContext(
        changes.get("dialled", context.dialled),
        changes.get("account", ""),
        changes.get("caller", ""),
        changes.get("at", 0.0),
    )


@pytest.mark.parametrize("line", [None, Line.MOBILE_OR_LANDLINE])
def test_a_line_that_the_plan_does_not_quite_know_is_free(line: Line | None) -> None:
    doubtful = call("0012025550123", "12025550123", "US", line)
    assert matters(doubtful, r={"line": "landline"})
    assert matters(doubtful, r={"line": "!voip"})
    assert not matters(doubtful, r={"line": "landline", "country": "GB"})
    assert not matters(US, r={"line": "landline"})


def test_a_rule_for_what_the_plan_calls_the_line_may_stop_matching() -> None:
    doubtful = call("0012025550123", "12025550123", "US", Line.MOBILE_OR_LANDLINE)
    assert matters(doubtful, r={"line": "mobile-or-landline"})
    assert not matters(doubtful, r={"line": "mobile-or-landline", "trunks": "a"})


def test_what_differs_under_one_verdict_of_the_fraud_check_only_matters_too() -> None:
    assert matters(GB, r={"fraud": "suspicious", "mccmnc": "23415"})
    assert not matters(GB, r={"fraud": "suspicious"}, n={"fraud": "suspicious", "mccmnc": "23415"})
    assert not matters(US, r={"fraud": "suspicious", "mccmnc": "23415"})


def test_a_policy_that_names_networks_makes_a_dip_matter() -> None:
    policy = "prefix,account,mccmnc,line,action,comment\n"
    assert compiled(DEFAULT, policy=policy + "44,,23410,,deny,\n").dip_matters(GB)
    assert not compiled(DEFAULT, policy=policy + "33,,23410,,deny,\n").dip_matters(GB)
    assert not compiled(DEFAULT, policy=policy + "44,,,,deny,\n").dip_matters(GB)


def test_a_range_of_a_network_that_cannot_be_is_doubted_where_rules_ask_for_more() -> None:
    rows = "default,,,,,,,a\n"
    deep = compiled(rows, ranges="1202,23415,\n")
    assert not deep.dip_matters(US)
    rule = Rule(
        name="r",
        row=9,
        mccmnc=cell("23415"),
        live=cell("dead"),
        tiers=(Tier((("b", 1),)),),
    )
    rules = (*deep.compiled.rules, rule)
    assert Table(replace(deep.compiled, rules=rules)).dip_matters(US)


def test_the_networks_of_a_long_list_are_not_tried_one_by_one() -> None:
    """A list of 16 that all lose is proven to, one of 17 is not tried."""

    def shadowed(count: int) -> Table:
        nets = "|".join(f"234{number:02}" for number in range(count))
        return table(f"gb,,,44,,,,b\nover,2,234,447,,,,b\nnets,1,{nets},4,,,,c\n")

    assert not shadowed(16).dip_matters(GB)
    assert shadowed(17).dip_matters(GB)


# ---- the reference: every answer that would be believed is given, decisions are compared --

NETWORKS = ("20801", "20810", "31026", "310260", "23415", "23410", "79901")
MCCS = ("208", "310", "234", "799")
UNLISTED = ("20899", "310999", "90199", "23499", "79999")
TIERS = ("a", "a", "a", "b", "a > b", "a:2 b:1", "b:1 a:2", "a:4 b:2", "")
ROUTES = ("default", "default", "default", "range", "reject:1", "reject:28")
WORDS = {
    "account": ("acme", "beta"),
    "caller": ("44", "441", "anonymous"),
    "country": ("GB", "FR"),
    "line": ("mobile", "landline", "mobile-or-landline"),
    "ported": ("yes", "no"),
    "live": ("dead", "absent"),
    "fraud": ("suspicious", "passed"),
}
PREFIXES = ("4", "44", "441", "33", "=44", "=0441")


def random_cells(dice: random.Random, *, plain: bool) -> Cells:
    cells = {}
    if dice.random() < (0.7 if plain else 0.5):
        cells["mccmnc"] = dice.choice((*NETWORKS, *MCCS))
    if dice.random() < 0.6:
        cells["prefix"] = dice.choice(PREFIXES)
    if dice.random() < 0.4:
        cells["country"] = dice.choice(("GB", "FR"))
    if plain:
        return cells
    for column, words in WORDS.items():
        if dice.random() < 0.12:
            cells[column] = "!" * (dice.random() < 0.3) + dice.choice(words)
    if dice.random() < 0.3:
        items = "|".join(dice.sample((*NETWORKS, *MCCS), 3))
        cells["mccmnc"] = "!" * (dice.random() < 0.5) + items
    return cells


@cache
def ranged(ranges: str) -> Table:
    return compiled(DEFAULT, ranges=ranges)


def random_table(dice: random.Random, *, plain: bool) -> Table:
    rules = [rule_of(0, dice.choice("ab"), dice)]
    for row in range(1, dice.randint(1, 9)):
        cells = random_cells(dice, plain=plain)
        if cells:
            rules.append(rule_of(row, dice.choice(TIERS), dice, **cells))
    codes = [dice.choice(ROUTES) for _ in range(dice.choice((0, 0, 0, 1, 2)))]
    ranges = "".join(
        f"{prefix},{dice.choice(NETWORKS)},{dice.choice(('', 'landline'))}\n"
        for prefix in ("44", "331")
        if dice.random() < 0.15
    )
    errors = tuple(
        ErrorRule("lanck", str(at), Outcome.TEMPORARY, False, 0, route)
        for at, route in enumerate(codes)
    )
    base = ranged(ranges)
    return Table(replace(base.compiled, rules=tuple(rules), errors=errors))


def rule_of(row: int, tiers: str, dice: random.Random, **cells: str) -> Rule:
    """Return a rule; those of equal cells are told apart by their rows."""
    made = tuple(
        Tier(
            tuple(
                (name, int(weight or 1))
                for name, _, weight in (member.partition(":") for member in tier.split())
            )
        )
        for tier in tiers.split(">")
        if tier
    )
    return Rule(
        name=f"r{row}",
        row=row,
        priority=dice.choice((0, 0, 0, 1)) if cells else 0,
        cause=None if made else dice.choice((1, 28)),
        tiers=made,
        **made_of(cells),
    )


def made_of(cells: Cells) -> dict[str, Any]:
    return {column: cell(text) for column, text in cells.items()}


def odds(table: Table, name: str) -> object:
    """Return every order of the first trunk of each tier with its share of a common scale."""
    tiers = []
    for tier in table.ways[name].tiers:
        total = sum(weight for _, weight in tier)
        tiers.append(frozenset((trunk.name, weight * 60 // total) for trunk, weight in tier))
    return tuple(tiers)


def way(table: Table, context: CallContext, finding: Finding) -> tuple[object, ...]:
    """Return what a decision does: action, cause, and its rule's trunks with their odds."""
    made = decide(table, context, finding, lambda: 0.0, "id")
    return made.action, made.cause, odds(table, made.rule) if made.cause is None else None


def answers(context: CallContext, *, plain: bool) -> Iterator[NumberInfo]:
    """Yield every answer that would be believed."""
    number = context.dialled.msisdn
    assert number is not None
    networks = [n for n in map(Mccmnc, (*NETWORKS, *UNLISTED)) if plausible(n, number)]
    if plain:
        yield from map(NumberInfo, networks)
        return
    lines = (None, Line.MOBILE, Line.LANDLINE, Line.VOIP)
    for network, live, line in itertools.product((*networks, None), (*Live, None), lines):
        for ported in (True, False, None) if network else (None,):
            yield NumberInfo(network, live, ported, line)


def slow_dip_matters(table: Table, context: CallContext, *, plain: bool) -> bool:
    for fraud in (None,) if plain else (None, *Fraud):
        said = Verdicts(fraud)
        alone = way(table, context, Finding(Source.DEFAULT, "timeout", verdicts=said))
        findings = [
            Finding(Source.LIVE, "ok", info, verdicts=said)
            for info in answers(context, plain=plain)
        ]
        findings += [
            Finding(Source.LIVE, rule.code, rule=rule, verdicts=said)
            for rule in table.compiled.errors
        ]
        if any(way(table, context, finding) != alone for finding in findings):
            return True
    return False


def random_call(dice: random.Random) -> CallContext:
    msisdn = dice.choice(("44", "441", "4411", "33", "331", "1"))
    return call(
        dice.choice(("", "0")) + msisdn,
        msisdn,
        dice.choice(("GB", "FR", "")),
        dice.choice((Line.MOBILE, Line.MOBILE_OR_LANDLINE, None)),
        account=dice.choice(("acme", "", "other")),
        caller=dice.choice(("441", "33", "anonymous", "")),
    )


def test_the_fast_answer_equals_giving_every_answer_on_twenty_thousand_calls() -> None:
    dice = random.Random(3_006)
    counted = {True: 0, False: 0}
    for _ in range(2_500):
        table = random_table(dice, plain=True)
        for _ in range(8):
            context = random_call(dice)
            expected = slow_dip_matters(table, context, plain=True)
            fast = table.dip_matters(context)
            # Only where a range names a network may the dip be made in vain.
            assert expected is fast or (fast and table.has_ranges), (table.rules, context)
            counted[fast] += 1
    assert 4_000 < min(counted.values()), counted


def test_a_dip_that_could_matter_by_any_cell_is_never_skipped() -> None:
    dice = random.Random(31_415)
    counted: dict[tuple[bool, bool], int] = {}
    for _ in range(400):
        table = random_table(dice, plain=False)
        for _ in range(4):
            context = random_call(dice)
            pair = (slow_dip_matters(table, context, plain=False), table.dip_matters(context))
            assert (True, False) != pair, (table.rules, context)
            counted[pair] = counted.get(pair, 0) + 1
    # It may be too careful, but seldom.
    assert 170 < counted[False, False]
    assert counted.get((False, True), 0) < 0.1 * counted[False, False], counted
