"""Rules that never win, and rules that could go: what is said must be true of every call."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.model import Fraud, Line, Live, Mccmnc, Msisdn
from agi.routing.compiled import Compiled
from agi.routing.mismatch import mismatch
from agi.routing.reading.faults import Faults, Place
from agi.routing.review.covering import covers_rule, may_meet
from agi.routing.review.shadow import review_shadows
from agi.routing.review.ties import check
from agi.routing.rule import Cell, Facts, Rule, Tier
from agi.routing.table import Table
from agi.routing.trunk import Trunk
from agi.routing.when import parse

TRUNKS = tuple(Trunk(name, name, "PJSIP", 30, True) for name in "abcd")


def rule(row: int, trunk: str = "a", **cells: str | int) -> Rule:
    """Return a rule whose cells are written as in the file; ``from`` is called ``caller``."""
    when = parse(str(cells.pop("when", "")), {"none": ()}, "UTC")
    assert not isinstance(when, str)
    priority = int(cells.pop("priority", 0))
    emergency = cells.get("line") == "emergency"
    if emergency:
        cells.pop("line")
    bodies = {name: str(text).removeprefix("!").split("|") for name, text in cells.items()}
    filled: dict[str, Any] = {
        name: Cell(tuple(body) if body != [""] else (), negative=str(cells[name])[:1] == "!")
        for name, body in bodies.items()
    }
    return Rule(
        name=f"r{row}",
        row=row,
        priority=priority,
        when=when,
        emergency=emergency,
        tiers=(Tier(((trunk, 1),)),),
        **filled,
    )


DEFAULT = rule(100, "d")


def table_of(*rules: Rule) -> Table:
    return Table(Compiled(version="000001-0", timezone="UTC", trunks=TRUNKS, rules=rules))


def warned(*rules: Rule) -> list[tuple[int, str]]:
    faults = Faults()
    places = {r.name: Place("routes.csv", r.row, {"rule": 0}) for r in rules}
    review_shadows(table_of(*rules), places, faults)
    return [(fault.line, fault.what) for fault in faults.warnings()]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"prefix": "447"}, {"prefix": "44"}),
        ({"prefix": "447|448"}, {"prefix": "44"}),
        ({"prefix": "=1471"}, {"prefix": "=1471|=1472"}),
        ({"prefix": "!44|33"}, {"prefix": "!447"}),
        ({"mccmnc": "23415"}, {"mccmnc": "234"}),
        ({"mccmnc": "23415|234"}, {"mccmnc": "234|208"}),
        ({"mccmnc": "23415"}, {"mccmnc": "!23410"}),
        ({"mccmnc": "!234"}, {"mccmnc": "!23410"}),
        ({"account": "a"}, {"account": "!b"}),
        ({"account": "!a|b"}, {"account": "!b"}),
        ({"country": "GB", "caller": "44"}, {"caller": "44|anonymous"}),
        ({"caller": "anonymous"}, {"caller": "!44"}),
        ({"caller": "!4|anonymous"}, {"caller": "!44"}),
        ({"ported": "!yes"}, {"ported": "no"}),
        ({"live": "!dead"}, {"live": "live|absent"}),
        ({"fraud": "suspicious"}, {"fraud": "!passed"}),
        ({"line": "mobile", "when": "Mon 09:00-10:00"}, {"when": "Mon-Fri"}),
        ({"when": "Mon; Tue"}, {"when": "Mon-Fri"}),
        ({"country": "GB"}, {}),
    ],
)
def test_a_rule_whose_calls_all_go_elsewhere_is_never_reached(
    low: dict[str, str], high: dict[str, str]
) -> None:
    default = rule(100, "d", priority=1) if not high else DEFAULT
    rules = [rule(2, "a", **low), default]
    if high:
        rules.append(rule(3, "b", priority=5, **high))
    ((line, what),) = warned(*rules)
    assert 2 == line
    name = "r3" if high else "r100"
    assert f"never reached: '{name}' (line " in what
    assert "matches all of its calls" in what


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"prefix": "44"}, {"prefix": "447"}),
        ({"prefix": "447|33"}, {"prefix": "44"}),
        ({"prefix": "!44"}, {"prefix": "!33"}),
        ({"prefix": "44"}, {"prefix": "!=441"}),
        ({"mccmnc": "234"}, {"mccmnc": "23415"}),
        ({"mccmnc": "!23410"}, {"mccmnc": "23415"}),
        ({"mccmnc": "234"}, {"mccmnc": "!23410"}),
        ({"account": "!a"}, {"account": "b"}),
        ({"prefix": "447"}, {"prefix": "44", "country": "GB"}),
        ({"caller": "anonymous"}, {"caller": "44"}),
        ({"ported": "!yes"}, {"ported": "yes"}),
        ({"when": "Mon-Sat"}, {"when": "Mon-Fri"}),
        ({"country": "GB"}, {"when": "Mon-Fri"}),
        ({"line": "emergency"}, {"country": "GB"}),
        ({"prefix": "|".join(map(str, range(100, 200)))}, {"prefix": "1"}),
    ],
)
def test_a_rule_that_wins_a_call_or_might_is_not_warned_of(
    low: dict[str, str], high: dict[str, str]
) -> None:
    assert [] == warned(rule(2, "a", **low), rule(3, "b", priority=5, **high), DEFAULT)


def test_several_rules_may_hide_one_together() -> None:
    rules = [rule(n + 3, "b", priority=1, prefix=f"{n + 1}") for n in range(5)]
    ((line, what),) = warned(rule(2, "a", prefix="11|22|33|44|55"), *rules, DEFAULT)
    assert 2 == line
    assert "'r3' (line 3), 'r4' (line 4), 'r5' (line 5) and 2 more match all" in what


def test_a_window_that_never_comes_is_never_reached() -> None:
    expected = [(2, "never reached: there is no instant within its times")]
    assert expected == warned(rule(2, when="2026-03-29 02:00-03:00 Europe/Berlin"), DEFAULT)
    assert expected == warned(rule(2, when="@none"), DEFAULT)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # The wider rule sends its calls alike.
        ((rule(2, "a", prefix="447"), rule(3, "a", prefix="44")), "'r3' (line 3)"),
        ((rule(2, "a", prefix="447", mccmnc="23415"), rule(3, "a", prefix="447")), "'r3'"),
        # One between leads elsewhere.
        (
            (rule(2, "a", prefix="4477"), rule(3, "b", prefix="447"), rule(4, "a", prefix="44")),
            "",
        ),
        # One between leads elsewhere, but with other calls.
        (
            (rule(2, "a", prefix="4477"), rule(3, "b", prefix="448"), rule(4, "a", prefix="44")),
            "'r4'",
        ),
        # One that always wins leads elsewhere.
        (
            (
                rule(2, "a", prefix="4477"),
                rule(3, "b", prefix="44779"),
                rule(4, "a", prefix="44"),
            ),
            "'r4'",
        ),
        # Only a part of its calls would go alike.
        ((rule(2, "a", prefix="447|33"), rule(3, "a", prefix="44")), ""),
        # As the default does: this may be meant.
        ((rule(2, "d", prefix="447"),), ""),
    ],
)
def test_a_rule_is_superfluous_if_another_sends_its_calls_alike(
    rules: tuple[Rule, ...], expected: str
) -> None:
    found = warned(*rules, DEFAULT)
    if not expected:
        assert [] == found
        return
    ((line, what),) = found
    assert 2 == line
    assert f"superfluous: without it {expected}" in what


def items(*values: str) -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)
    return st.tuples(st.sampled_from(("", "", "!")), some).map(lambda c: c[0] + "|".join(c[1]))


CELLS = {
    "account": items("a", "b"),
    "mccmnc": items("23410", "23415", "20801", "234"),
    "prefix": items("4", "44", "447", "448", "=1471"),
    "caller": items("1", "12", "anonymous"),
    "country": items("GB", "FR"),
    "ported": items("yes", "no"),
    "live": items("live", "dead"),
    "line": items("mobile", "landline"),
    "fraud": items("passed", "suspicious"),
    "when": st.sampled_from(("Mon", "Mon-Fri 08:00-18:00", "Sun", "Sat-Sun; Mon 00:00-12:00")),
}


@st.composite
def tables(draw: st.DrawFn) -> list[Rule]:
    columns = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=3, unique=True))
    rules = []
    for row in range(2, 2 + draw(st.integers(1, 7))):
        filled = [column for column in columns if draw(st.booleans())] or columns[:1]
        cells: dict[str, str | int] = {column: draw(CELLS[column]) for column in filled}
        cells["priority"] = draw(st.integers(0, 2))
        rules.append(rule(row, draw(st.sampled_from("abd")), **cells))
    return [*rules, DEFAULT]


def calls(dice: random.Random, count: int) -> list[Facts]:
    """Return calls whose values the rules name, or nearly."""
    return [
        Facts(
            digits=dice.choice(("1471", "0")),
            msisdn=Msisdn(n) if (n := dice.choice(("", "4", "44", "4471", "4481", "41"))) else None,
            country=dice.choice(("", "GB", "FR", "DE")),
            line=dice.choice((None, Line.MOBILE, Line.LANDLINE, Line.VOIP)),
            account=dice.choice(("", "a", "b", "c")),
            caller=dice.choice(("", "1", "12", "123", "3", "anonymous")),
            mccmnc=Mccmnc(m)
            if (m := dice.choice(("", "23410", "23415", "23420", "20801")))
            else None,
            ported=dice.choice((None, True, False)),
            live=dice.choice((None, *Live)),
            fraud=dice.choice((None, *Fraud)),
            at=1_795_392_000.0 + 3600 * dice.randrange(168),
        )
        for _ in range(count)
    ]


def test_what_is_said_is_true_of_every_call() -> None:
    said = {"never": 0, "superfluous": 0}
    sample = calls(random.Random(4), 1500)

    # The same tables in each run: a few of them must have something to say.
    @settings(max_examples=250, deadline=None, derandomize=True)
    @given(tables())
    def judge(rules: list[Rule]) -> None:
        faults = Faults()
        check(rules, lambda rule: Place("routes.csv", rule.row, {}), faults)
        if len(faults):
            return
        table = table_of(*rules)
        ways = [table.match(call) for call in sample]
        for line, what in warned(*rules):
            said[what.partition(" ")[0].strip(":")] += 1
            name = f"r{line}"
            if what.startswith("never"):
                assert all(way.name != name for way in ways)
                continue
            without = table_of(*(r for r in rules if r.name != name))
            for call, way in zip(sample, ways, strict=True):
                assert way.outcome() == without.match(call).outcome()

    judge()
    assert min(said.values()) > 5


@settings(max_examples=60, deadline=None)
@given(tables())
def test_one_rule_covers_or_misses_another_only_where_no_call_says_otherwise(
    rules: list[Rule],
) -> None:
    sample = calls(random.Random(5), 300)
    for one in rules[:3]:
        for two in rules[:3]:
            mine = [not mismatch(one, call) for call in sample]
            theirs = [not mismatch(two, call) for call in sample]
            if covers_rule(one, two):
                assert all(a or not b for a, b in zip(mine, theirs, strict=True))
            if not may_meet(one, two):
                assert not any(a and b for a, b in zip(mine, theirs, strict=True))


def test_a_large_table_is_tried_in_bounded_time() -> None:
    rules = [
        rule(
            n + 2,
            "ab"[n % 2],
            mccmnc=f"{200 + n % 500}{n % 90:02}|{200 + n % 499}{n % 91:02}",
            prefix=f"{(n % 300) + 100}{n}" if n % 3 else "",
        )
        for n in range(5000)
    ]
    table = table_of(*rules, rule(9999, "d"))
    places = {r.name: Place("routes.csv", r.row, {}) for r in table.rules}
    began = time.process_time()
    review_shadows(table, places, Faults())
    assert time.process_time() - began < 6
