"""How the health of trunks changes one call: order, odds, and who is passed over."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.model import Action, CallContext, Decision, Dialled, Kind
from agi.routing.choose import decide, left_out
from agi.routing.drawing import drawn
from agi.routing.prospect import Prospect, of_the_past, remembered
from agi.routing.standing import Standing, State
from agi.routing.table import Table
from agi.routing.trunk import Trunk
from tests.routing.making import CONTEXT, NOTHING_FOUND, compiled

UP, DEGRADED, DOWN, TRIAL = State.UP, State.DEGRADED, State.DOWN, State.TRIAL
NAMES = "abcdefghijkl"
HEADER = "rule,trunks,pick\n"
EMERGENCY = CallContext(Dialled("999", Kind.EMERGENCY, None, "GB"))
CALLS = 20_000

Standings = dict[str, Standing]


def table_of(trunks: str, pick: str = "", more: str = "") -> Table:
    rows = "trunk,max_calls,cps,enabled\n" + (more or "".join(f"{name},,,\n" for name in NAMES))
    return compiled(f"default,{trunks},{pick}\n", rows, header=HEADER)


def down(*names: str) -> Standings:
    return {name: Standing(DOWN) for name in names}


def call(
    table: Table,
    standings: Standings,
    roll: float | Random = 0.0,
    context: CallContext = CONTEXT,
    sent: dict[str, int] | None = None,
) -> Decision:
    dice = roll.random if isinstance(roll, Random) else lambda: roll
    prospect = Prospect(standings, sent)
    return decide(table, context, NOTHING_FOUND, dice, "id", prospect=prospect)


def names(decision: Decision) -> str:
    return "".join(hop.trunk for hop in decision.hops)


def first(table: Table, standings: Standings) -> dict[str, float]:
    """Return the share of calls that go to each trunk first."""
    dice = Random(42)
    counts = Counter(names(call(table, standings, dice))[0] for _ in range(CALLS))
    return {name: count / CALLS for name, count in counts.items()}


# Down.


@pytest.mark.parametrize(
    ("trunks", "gone", "expected"),
    [
        ("a > b > c > d", "a", "bcda"),
        ("a > b > c > d", "ab", "cdab"),
        ("a > b", "a", "ba"),
        ("a > b", "b", "ab"),
        ("a", "a", "a"),
        ("a > b > c", "ab", "acb"),  # one of three at most, and of equals the later one
        ("a > b > c", "ac", "bac"),  # c has nobody behind it
        ("a > b > c", "bc", "abc"),
        ("a > b > c > d > e", "abde", "cabde"),
    ],
)
def test_a_trunk_that_is_down_is_tried_last_and_at_most_half_of_a_rules_are(
    trunks: str, gone: str, expected: str
) -> None:
    assert expected == names(call(table_of(trunks), down(*gone)))


def test_of_too_many_trunks_that_are_down_the_worst_go_behind() -> None:
    table = table_of("a > b > c")
    quality = {"a": 0.3, "b": 0.1, "c": 0.2}
    standings = {name: Standing(DOWN, quality=quality[name]) for name in "abc"}
    assert "acb" == names(call(table, standings))
    unknown = {**standings, "a": Standing(DOWN)}  # down so soon that nothing else is known of it
    assert "bca" == names(call(table, unknown))


def test_those_that_stay_share_the_calls_by_their_weights() -> None:
    assert {"a": 0.75, "b": 0.25} == pytest.approx(
        first(table_of("a:3 b:1 c:6"), down("c")), abs=0.01
    )


def test_beyond_nine_trunks_those_that_are_down_do_not_leave() -> None:
    table = table_of(" > ".join(NAMES))
    assert "cdefghijk" == names(call(table, down("a", "b")))


def test_disabled_trunks_are_none_of_the_half() -> None:
    rows = "a,,,\nb,,,\nc,,,no\nd,,,no\n"
    table = table_of("a > b > c > d", more=rows)
    assert "ab" == names(call(table, down("a", "b"), 0.0))
    assert "ba" == names(call(table, {"a": Standing(DOWN)}))


# On trial, and degraded.


def test_a_trunk_on_trial_gets_a_tenth_of_the_first_calls_that_it_would_get() -> None:
    standings = {"a": Standing(TRIAL)}
    assert 0.1 == pytest.approx(first(table_of("a > b"), standings)["a"], abs=0.01)
    assert 0.05 == pytest.approx(first(table_of("a b"), standings)["a"], abs=0.01)
    assert "ba" == names(call(table_of("a > b"), standings, 0.89))
    assert "ab" == names(call(table_of("a > b"), standings, 0.91))


def test_what_is_down_is_tried_behind_what_is_on_trial() -> None:
    standings = {"a": Standing(DOWN), "b": Standing(TRIAL)}
    assert "cdba" == names(call(table_of("a > b > c > d"), standings))


def test_half_of_a_rules_trunks_stay_where_they_are_whoever_is_on_trial() -> None:
    standings = {"a": Standing(DOWN), "b": Standing(TRIAL), "c": Standing(TRIAL)}
    assert "bca" == names(call(table_of("a > b > c"), standings))


def test_a_degraded_trunk_has_half_its_weight_within_its_tier() -> None:
    standings = {"a": Standing(DEGRADED)}
    shares = first(table_of("a:3 b:1 > c"), standings)
    assert {"a": 3 / 5, "b": 2 / 5} == pytest.approx(shares, abs=0.01)
    assert "abc" == names(call(table_of("a > b > c"), standings))


def test_when_every_trunk_is_up_the_odds_are_those_of_the_weights() -> None:
    up = {name: Standing(UP, quality=0.5) for name in "ab"}
    assert {"a": 0.75, "b": 0.25} == pytest.approx(first(table_of("a:3 b:1"), up), abs=0.01)


STANDINGS = st.builds(
    Standing,
    st.sampled_from(State),
    st.booleans(),
    quality=st.none() | st.floats(0, 1),
    calls=st.none() | st.integers(0, 9),
)
TIERS = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True), min_size=1, max_size=5
)


@given(
    TIERS,
    st.dictionaries(st.sampled_from(NAMES), st.builds(Standing, st.sampled_from(State))),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_in_any_state_at_most_half_of_a_rules_trunks_are_overtaken_and_none_is_lost(
    tiers: list[list[str]], standings: Standings, seed: int, emergency: bool
) -> None:
    way = table_of(" > ".join(" ".join(tier) for tier in tiers)).ways["default"]
    # Half a weight would turn the dice: the order without any trouble would be another one.
    standings = {n: s for n, s in standings.items() if s.state is not DEGRADED}
    usual = [trunk.name for trunk in drawn(way.tiers, Random(seed).random)]
    order, spare = Prospect(standings).order(way, Random(seed).random, emergency=emergency)
    found = [trunk.name for trunk in order]
    assert () == tuple(spare)
    assert Counter(usual) == Counter(found)
    if len(set(usual)) < len(usual):
        return  # one that is named twice stands before and behind itself
    at = {name: place for place, name in enumerate(found)}
    overtaken = {
        before
        for place, before in enumerate(usual)
        for behind in usual[place + 1 :]
        if at[behind] < at[before]
    }
    assert len(overtaken) <= len(usual) // 2
    assert all(standings[name].state in {DOWN, TRIAL} for name in overtaken)


@given(TIERS, st.dictionaries(st.sampled_from(NAMES), STANDINGS), st.integers(0, 2**32))
def test_an_emergency_call_loses_no_trunk_in_any_state_even_a_full_or_pinned_one(
    tiers: list[list[str]], standings: Standings, seed: int
) -> None:
    rows = "".join(f"{name},1,,\n" for name in NAMES)
    table = table_of(" > ".join(" ".join(tier) for tier in tiers), "quality", rows)
    sent = dict.fromkeys(NAMES, 5)
    order, spare = Prospect(standings, sent).order(
        table.ways["default"], Random(seed).random, emergency=True
    )
    assert () == tuple(spare)
    assert Counter(name for tier in tiers for name in tier) == Counter(t.name for t in order)


# Pins.


def test_a_trunk_pinned_down_is_left_out_while_there_is_another() -> None:
    pinned = {"a": Standing(DOWN, pinned=True, why="maintenance")}
    table = table_of("a > b")
    assert "b" == names(call(table, pinned))
    way = table.ways["default"]
    expected = (("a", "pinned down: maintenance"),)
    assert expected == left_out(table, way, CONTEXT, prospect=Prospect(pinned))


def test_a_trunk_pinned_down_is_taken_when_nothing_else_is_left() -> None:
    pinned = {name: Standing(DOWN, pinned=True) for name in "ab"}
    table = table_of("a > b")
    assert "ab" == names(call(table, pinned))
    assert () == left_out(table, table.ways["default"], CONTEXT, prospect=Prospect(pinned))

    def closed(trunk: Trunk) -> bool:
        return trunk.name == "b"

    only_a = {"a": pinned["a"]}
    made = decide(table, CONTEXT, NOTHING_FOUND, lambda: 0.0, "i", closed, Prospect(only_a))
    assert "a" == names(made)
    told = left_out(table, table.ways["default"], CONTEXT, closed, Prospect(only_a))
    assert (("b", "over its calls per second"),) == told


def test_a_pin_takes_a_trunk_out_of_the_half_that_may_go_behind() -> None:
    standings = {"a": Standing(DOWN, pinned=True), **down("b", "c")}
    assert "debc" == names(call(table_of("a > b > c > d > e"), standings))
    without = {"a": Standing(UP, pinned=True), **down("b", "c")}
    assert "adebc" == names(call(table_of("a > b > c > d > e"), without))


def test_a_trunk_pinned_up_stays_in_its_place() -> None:
    standings = {"a": Standing(UP, pinned=True)}
    assert "ab" == names(call(table_of("a > b"), standings))


# Emergency calls.


def test_an_emergency_call_sees_only_another_order() -> None:
    standings = {
        "a": Standing(DOWN, pinned=True),
        "b": Standing(DOWN),
        "c": Standing(UP, calls=99),
    }
    rows = "a,,,\nb,,,\nc,1,,\nd,,,\n"
    table = table_of("a > b > c > d", more=rows)
    assert "cdba" == names(call(table, standings, context=EMERGENCY))
    assert "db" == names(call(table, standings))
    told = left_out(table, table.ways["default"], EMERGENCY, prospect=Prospect(standings))
    assert () == told


def test_no_trunk_is_full_for_an_emergency_call() -> None:
    table = table_of("a > b", more="a,1,,\nb,,,\n")
    full = {"a": Standing(UP, calls=1)}
    assert ["ab", "b"] == [names(call(table, full, context=who)) for who in (EMERGENCY, CONTEXT)]


# pick=quality.


def test_the_best_quality_goes_first_and_equals_draw_by_weight() -> None:
    table = table_of("a:3 b:1 c:9 > d", "quality")
    standings = {
        "a": Standing(UP, quality=0.91),
        "b": Standing(UP, quality=0.89),  # both 0.90 in steps of 0.05
        "c": Standing(UP, quality=0.80),
        "d": Standing(UP, quality=1.0),
    }
    shares = first(table, standings)
    spread = 1 / 20  # of calls go by weight alone
    expected = {
        "a": 0.95 * 3 / 4 + spread * 3 / 13,
        "b": 0.95 * 1 / 4 + spread * 1 / 13,
        "c": spread * 9 / 13,
    }
    assert expected == pytest.approx(shares, abs=0.01)
    assert "abcd" == names(call(table, standings, 0.0))


def test_a_trunk_of_unknown_quality_ranks_with_the_best() -> None:
    table = table_of("a b c", "quality")
    standings = {"a": Standing(UP, quality=0.6), "c": Standing(UP, quality=0.9)}
    shares = first(table, standings)
    third = 0.05 / 3
    expected = {"a": third, "b": 0.475 + third, "c": 0.475 + third}
    assert expected == pytest.approx(shares, abs=0.01)


def test_without_news_of_trunks_a_pick_by_quality_goes_by_weight() -> None:
    table = table_of("a:3 b:1", "quality")
    dice = Random(1).random
    made = [decide(table, CONTEXT, NOTHING_FOUND, dice, "i") for _ in range(CALLS)]
    shares = Counter(names(one)[0] for one in made)
    assert 0.75 == pytest.approx(shares["a"] / CALLS, abs=0.01)


def test_quality_counts_within_a_tier_only_where_the_rule_says_so() -> None:
    standings = {"a": Standing(UP, quality=0.1), "b": Standing(UP, quality=0.9)}
    assert "ab" == names(call(table_of("a b"), standings))
    assert "ba" == names(call(table_of("a b", "quality"), standings))
    assert "ab" == names(call(table_of("a > b", "quality"), standings))


def test_a_trunk_that_is_down_is_tried_last_however_good_it_was() -> None:
    table = table_of("a b", "quality")
    standings = {"a": Standing(DOWN, quality=0.9), "b": Standing(UP, quality=0.2)}
    assert "ba" == names(call(table, standings))


# max_calls.


def test_a_trunk_with_all_its_calls_is_passed_over() -> None:
    table = table_of("a > b", more="a,30,,\nb,,,\n")
    assert "ab" == names(call(table, {"a": Standing(UP, calls=29)}))
    assert "b" == names(call(table, {"a": Standing(UP, calls=30)}))
    way, full = table.ways["default"], Prospect({"a": Standing(UP, calls=30)})
    expected = (("a", "it has all the calls that it may have at once"),)
    assert expected == left_out(table, way, CONTEXT, prospect=full)


def test_calls_sent_since_the_count_are_counted_too() -> None:
    table = table_of("a > b", more="a,30,,\nb,,,\n")
    standing = {"a": Standing(UP, calls=20)}
    assert "ab" == names(call(table, standing, sent={"a": 9}))
    assert "b" == names(call(table, standing, sent={"a": 10}))


def test_unknown_calls_limit_nothing() -> None:
    table = table_of("a > b", more="a,1,,\nb,,,\n")
    assert "ab" == names(call(table, {"a": Standing(UP)}, sent={"a": 99}))
    assert "ab" == names(call(table, {}))


def test_when_all_trunks_are_full_the_call_is_rejected_for_want_of_a_circuit() -> None:
    table = table_of("a > b", more="a,1,,\nb,2,,\n")
    made = call(table, {"a": Standing(UP, calls=1), "b": Standing(TRIAL, calls=2)})
    assert (Action.REJECT, 34, "no-trunk") == (made.action, made.cause, made.reason)


# What a record keeps.


def test_what_health_did_to_a_call_is_noted_and_does_the_same_again() -> None:
    standings = {
        "a": Standing(DOWN, quality=0.1),
        "b": Standing(TRIAL),
        "c": Standing(DEGRADED),
        "d": Standing(DOWN, pinned=True),
        "e": Standing(UP, calls=5),
        "f": Standing(DOWN, quality=0.2),
    }
    table = table_of(
        "a > b > c > d > e > f > g > h",
        more="".join(f"{name},{5 if name == 'e' else ''},,\n" for name in "abcdefgh"),
    )
    prospect = Prospect(standings)
    made = decide(table, CONTEXT, NOTHING_FOUND, lambda: 0.0, "i", prospect=prospect)
    assert "cghbaf" == names(made)
    expected = {"a": "down", "b": "trial", "c": "degraded", "d": "pinned", "e": "full", "f": "down"}
    plain, notes = remembered(["x", *prospect.notes])
    assert (("x",), expected) == (plain, notes)
    past = of_the_past(notes)
    assert past is not None
    again = decide(table, CONTEXT, NOTHING_FOUND, lambda: 0.0, "i", prospect=past)
    assert made == again
    assert "it has all" in dict(left_out(table, table.ways["default"], CONTEXT, prospect=past))["e"]


def test_a_call_that_health_did_nothing_to_has_no_notes() -> None:
    prospect = Prospect({"a": Standing(UP, quality=0.9, calls=3), "k": Standing(DOWN)})
    decide(table_of("a b"), CONTEXT, NOTHING_FOUND, lambda: 0.0, "i", prospect=prospect)
    assert [] == prospect.notes
    assert None is of_the_past({})
