"""The index of rules: what is not in a key is tested, whatever is left out of the key."""

from __future__ import annotations

import random
import timeit
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.model import Line, Mccmnc, Msisdn
from agi.routing.mismatch import mismatch
from agi.routing.rule import Cell, Facts, Rule, Tier
from agi.routing.shapes import Shapes
from agi.routing.table import Table
from agi.routing.variants import keys_of, specificity, variants
from tests.routing.making import cell, compiled

CELLS: dict[str, Any] = {
    "account": cell("acme|beta"),
    "mccmnc": cell("23415|23410|234"),
    "prefix": cell("44|447|33|=12"),
    "caller": cell("44|33|anonymous"),
    "country": cell("GB|FR"),
}
EVERY = Rule(name="r", row=2, **CELLS)


def test_the_keys_of_a_rule_are_the_product_of_its_lists() -> None:
    assert 2 * 3 * 4 * 3 * 2 == keys_of(EVERY)
    assert 1 == keys_of(Rule(name="r", row=2, mccmnc=cell("!23415|23410|20801")))


@pytest.mark.parametrize(
    ("most", "tested"),
    [
        (144, ()),
        (143, ("caller",)),
        (95, ("caller", "country")),
        (47, ("caller", "country", "account")),
        (23, ("caller", "country", "account", "prefix")),
        (17, ("caller", "country", "account", "prefix", "network")),
    ],
)
def test_what_tells_calls_apart_least_leaves_the_key_first(
    most: int, tested: tuple[str, ...]
) -> None:
    """Of 144 keys; callers are of two kinds, prefixes of three, networks of two."""
    for variant in variants(EVERY, most):
        for column in ("account", "network", "prefix", "caller", "country"):
            assert (column in tested) == (getattr(variant, column).test is not None)
            assert (column in tested) == (0 == getattr(variant, column).how)


def test_a_rule_has_a_variant_for_each_kind_and_length_that_it_names() -> None:
    found = specificity(EVERY)
    # Two kinds of network; prefixes of 2 and 3 digits and the dialled ones; callers of 2, 32.
    assert 2 * 3 * 2 == len(set(found)) == len(found)
    assert (0, 1, 1, 100, 0, 32, 1, 0, 0, 0, 0, 0) == max(found)
    assert (0, 1, 0, 2, 1, 2, 1, 0, 0, 0, 0, 0) == min(found)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, (0,) * 12),
        ({"mccmnc": cell("!23415")}, (0, 0, 1, *(0,) * 9)),
        ({"mccmnc": cell("!234|23510")}, (0, 0, 1, *(0,) * 9)),
        ({"mccmnc": cell("!234")}, (0, 0, 0, 0, 1, *(0,) * 7)),
        ({"prefix": cell("!44|=12")}, (0, 0, 0, 0.5, *(0,) * 8)),
        ({"caller": cell("!anonymous")}, (*(0,) * 5, 0.5, *(0,) * 6)),
        ({"account": cell("!acme"), "country": cell("!GB")}, (0, 1, *(0,) * 4, 1, *(0,) * 5)),
        ({"line": cell("!voip"), "fraud": cell("passed")}, (*(0,) * 7, 1, 0, 0, 1, 0)),
        ({"ported": cell("no"), "live": cell("!dead")}, (*(0,) * 8, 1, 1, 0, 0)),
    ],
)
def test_a_negative_cell_is_as_specific_as_the_document_says(
    cells: dict[str, Any], expected: tuple[float, ...]
) -> None:
    assert (expected,) == specificity(Rule(name="r", row=2, **cells))


def calls(dice: random.Random, count: int) -> list[Facts]:
    found = []
    for _ in range(count):
        number = dice.choice(("44", "447", "33", "3", "1", "20801"))
        found.append(
            Facts(
                dice.choice(("12", "0" + number)),
                dice.choice((Msisdn(number), Msisdn(number), None)),
                dice.choice(("GB", "FR", "US", "")),
                dice.choice((Line.MOBILE, None)),
                dice.choice(("acme", "beta", "other", "")),
                dice.choice(("441", "33", "5", "anonymous", "")),
                dice.choice((Mccmnc("23415"), Mccmnc("23499"), Mccmnc("20801"), None)),
            )
        )
    return found


@pytest.mark.parametrize("most", [144, 143, 95, 47, 23, 17])
def test_what_is_tested_matches_as_what_is_keyed(most: int) -> None:
    dice = random.Random(most)
    negative = {column: negative_only(column) for column in CELLS}
    for rule in (EVERY, *negative.values()):
        order = sorted(variants(rule, most), key=lambda variant: variant.specificity, reverse=True)
        shapes = Shapes(enumerate(order))
        matched = 0
        for facts in calls(dice, 1_500):
            expected = not mismatch(rule, facts)
            assert expected == (shapes.best(facts, len(order)) < len(order)), facts
            matched += expected
        assert 0 < matched


def negative_only(column: str) -> Rule:
    cells: dict[str, Any] = {column: Cell(CELLS[column].items, negative=True)}
    return Rule(name="r", row=2, **cells)


DIGITS = st.text("0123", min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(DIGITS, min_size=1, max_size=30, unique=True), st.lists(DIGITS, min_size=20))
def test_the_longest_prefix_wins(prefixes: list[str], numbers: list[str]) -> None:
    rules = [Rule(name=p, row=at, prefix=cell(p)) for at, p in enumerate(prefixes, 2)]
    order = sorted(
        (variant for rule in rules for variant in variants(rule, 9)),
        key=lambda variant: variant.specificity,
        reverse=True,
    )
    shapes = Shapes(enumerate(order))
    for number in numbers:
        matching = [prefix for prefix in prefixes if number.startswith(prefix)]
        rank = shapes.best(Facts("", Msisdn(number)), len(order))
        won = order[rank].rule.name if rank < len(order) else ""
        assert max(matching, key=len, default="") == won


def crowded(count: int) -> Table:
    """Return a table of rules that all stand under one key and differ in what is tested."""
    base = compiled("default,,,,,,,a\n")
    tiers = (Tier((("a", 1),)),)
    more = (
        Rule(
            name=f"r{at}",
            row=at,
            priority=at,
            country=cell("GB"),
            prefix=cell(f"!{at}"),
            tiers=tiers,
        )
        for at in range(2, count + 2)
    )
    never = (
        Rule(
            name=f"n{at}",
            row=at,
            priority=count + at,
            country=cell("GB"),
            line=cell("voip"),
            tiers=tiers,
        )
        for at in range(count)
    )
    rules = (*base.compiled.rules, *more, *never)
    return Table(replace(base.compiled, rules=rules))


def test_a27_thousands_of_candidates_under_one_key_cost_no_more_than_their_number() -> None:
    facts = Facts("x", Msisdn("77"), "GB", Line.MOBILE)
    costs = []
    for count in (500, 1_000, 2_000, 4_000):
        table = crowded(count)
        assert f"r{count + 1}" == table.find(facts).name
        costs.append(min(timeit.repeat(lambda t=table: t.find(facts), number=3, repeat=5)))  # type: ignore[misc]
    # Eight times as many: never the 64 times of a quadratic search, whatever the machine does.
    assert costs[-1] < 24 * costs[0]
    assert all(later < 8 * earlier for earlier, later in pairwise(costs))


def test_a27_lists_without_bound_are_not_multiplied_out() -> None:
    networks = "|".join(f"234{at:02}" for at in range(100))
    prefixes = "|".join(str(at) for at in range(100, 1_000))
    callers = "|".join(str(at) for at in range(1_000, 2_000))
    rule = Rule(
        name="r",
        row=2,
        mccmnc=cell(networks),
        prefix=cell(prefixes),
        caller=cell(callers),
        tiers=(Tier((("a", 1),)),),
    )
    assert 90_000_000 == keys_of(rule)
    (variant,) = variants(rule, 4_096)
    assert 100 == len(list(variant.keys()))
    base = compiled("default,,,,,,,a\n")
    table = Table(replace(base.compiled, rules=(*base.compiled.rules, rule)))
    call = Facts("", Msisdn("4477"), caller="1234", mccmnc=Mccmnc("23415"))
    assert "r" == table.find(call).name
    assert (
        "default"
        == table.find(Facts("", Msisdn("4477"), caller="2234", mccmnc=Mccmnc("23415"))).name
    )


def test_a27_many_rules_with_long_lists_stay_within_one_bound_of_keys() -> None:
    base = compiled("default,,,,,,,a\n")
    networks = [f"{mcc}{mnc:02}" for mcc in range(202, 302) for mnc in range(10)]
    rules = tuple(
        Rule(
            name=f"r{at}",
            row=at,
            priority=at,
            mccmnc=cell("|".join(networks)),
            prefix=cell(str(at)),
            tiers=(Tier((("a", 1),)),),
        )
        for at in range(100, 1_000)
    )
    table = Table(replace(base.compiled, rules=(*base.compiled.rules, *rules)))
    call = Facts("", Msisdn("4477"), mccmnc=Mccmnc("20405"))
    assert "r447" == table.find(call).name
    assert "default" == table.find(Facts("", Msisdn("4477"), mccmnc=Mccmnc("31005"))).name
