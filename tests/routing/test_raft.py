"""The life-raft says what the table says of a call of which only the digits are known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import phonenumbers
import pytest

from agi.e164 import NumberingPlan
from agi.errors import TableError
from agi.model import CallContext, Dialled, Finding, Kind, Line, Msisdn, Source
from agi.routing import raft_plan
from agi.routing.choose import decide
from agi.routing.raft import (
    MOST_SHUT,
    NO_COMMIT,
    OTHER,
    UNKNOWN,
    Course,
    Item,
    Raft,
    raft,
)
from agi.routing.raft_text import MARK, stamp, text
from agi.routing.ranges import NO_RANGES
from agi.routing.screening import Act, Policy, Screening
from agi.routing.table import Table
from tests.routing.making import TRUNKS, compiled, contents
from tests.routing.random_tables import random_table

NOBODY = Finding(Source.DEFAULT, NO_COMMIT)
SEED = 5
HEADER = "rule,account,mccmnc,prefix,country,line,when,action,trunks\n"


def made(routes: str, *, most: int = 200, **more: str) -> Raft:
    """Make the raft of rows (after ``HEADER``) and a default to trunk d."""
    files = {"trunks": TRUNKS, "routes": f"{HEADER}{routes}default,,,,,,,,d\n"} | more
    return raft(Table(contents(**files)), "GB", ["112"], most)


def along(tree_of: Raft, number: str, account: str = UNKNOWN, line: Line | None = None) -> Course:
    """Follow the raft as the dialplan does: by the longest prefix."""
    tree = tree_of.trees[account, line if tree_of.uses_lines else None]
    heads = (number[:length] for length in range(len(number), 0, -1))
    return next((tree.prefixes[head] for head in heads if head in tree.prefixes), tree.other)


def sent(items: Sequence[Item], number: str) -> list[tuple[str, str]]:
    """Return endpoint and number of each trunk, as the dialplan makes them."""
    usable = [item for item in items if len(number) > item.strip]
    return [(item.endpoint, item.prepend + number[item.strip :]) for item in usable]


# ---- against the table ---------------------------------------------------------------------


@pytest.mark.parametrize("batch", range(8))
def test_no_number_differs_from_what_the_table_decides_without_a_network(batch: int) -> None:
    dice = Random(f"{SEED}-{batch}")
    for _ in range(6):
        try:
            whole = contents(**random_table(dice))
        except TableError:
            continue
        timeless = replace(
            whole, ranges=NO_RANGES, rules=tuple(rule for rule in whole.rules if not rule.when)
        )
        _compare(dice, raft(Table(whole), "GB", ["112"], 10_000), Table(timeless))


def _compare(dice: Random, small: Raft, table: Table) -> None:
    heads = [place for rule in table.rules for place in rule.prefix.items if place[0] != "="]
    accounts = (UNKNOWN, OTHER, *small.accounts)
    for _ in range(150):
        head = dice.choice([*heads, "", "44", "33", "1"])
        number = (head + "".join(dice.choices("0123456789", k=9)))[: dice.randint(9, 15)]
        account, line = dice.choice(accounts), dice.choice((None, *raft_plan.LINES))
        country = raft_plan.country_of(number)
        context = CallContext(Dialled("", Kind.E164, Msisdn(number), country, line), account)
        expected = decide(table, context, NOBODY, lambda: 0.0, "x")
        found = along(small, number, account, line if small.uses_lines else None)
        assert (expected.rule, expected.cause) == (found.rule, found.cause), number
        hops = {(hop.endpoint, hop.number) for hop in expected.hops}
        assert hops == set(sent(found.items, number)) or len(expected.hops) == 9


def test_the_number_forms_of_a_trunk_are_kept_at_home_and_abroad() -> None:
    trunks = (
        "trunk,number_format,strip,prepend\n"
        "a,plus,,\nb,00,,9\nc,national:GB,,\nd,national:US,1,77\ne,e164,3,\nf,plus,2,*\n"
    )
    small = made("all,,,4,,,,,a > b > c > d > e > f\n", trunks=trunks)
    expected = {
        "447700900123": [
            ("a", "+447700900123"),
            ("b", "900447700900123"),
            ("c", "07700900123"),
            ("d", "770447700900123"),
            ("e", "700900123"),
            ("f", "*47700900123"),
        ],
        "4930123456": [
            ("a", "+4930123456"),
            ("b", "9004930123456"),
            ("c", "004930123456"),
            ("d", "7704930123456"),
            ("e", "0123456"),
            ("f", "*930123456"),
        ],
    }
    assert expected == {number: sent(along(small, number).items, number) for number in expected}


def test_who_is_drawn_most_often_is_tried_first_and_a_disabled_trunk_never() -> None:
    small = made(
        "all,,,44,,,,,a b:3 c:2 > d\n",
        trunks="trunk,enabled\na,\nb,\nc,\nd,\n".replace("c,", "c,no"),
    )
    assert ["b", "a", "d"] == [item.endpoint for item in along(small, "4412").items]


# ---- what is kept --------------------------------------------------------------------------


def test_rows_that_need_more_than_digits_and_an_account_are_left_out_and_counted() -> None:
    routes = (
        "network,,23415,44,,,,,a\n"
        "shut-network,,23410,44,,,,reject:21,\n"
        "hours,,,44,,,Mon 08:00-09:00,,b\n"
        "mobile,,,44,,mobile,,,c\n"
        "plain,,,4420,,,,,c\n"
    )
    policy = "prefix,mccmnc,line,action\n44,23420,,deny\n45,,mobile,deny\n46,,,deny\n"
    limits = "account,prefix,level,calls,lookups,half_life_s\n,44,number,9,,60\n"
    small = made(routes, policy=policy, limits=limits)
    assert {
        "routes that ask for a network": 1,
        "routes that reject that ask for a network": 1,
        "routes that ask for a time": 1,
        "routes that ask for a line": 1,
        "rows of policy.csv (deny) that ask for a network": 1,
        "rows of policy.csv (deny) that ask for a line": 1,
        "rows of limits.csv": 1,
    } == {what: count for what, count in small.left_out.items() if count}
    head = text(small).split("\n\n")[0]
    assert "1 routes that reject that ask for a network" in head
    assert "plain" == along(small, "442079460123").rule
    assert "default" == along(small, "447700900123").rule
    assert ("policy-4", 21) == (along(small, "46123").rule, along(small, "46123").cause)


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("from", "44", "a caller"),
        ("from", "anonymous", "a caller"),
        ("ported", "yes", "porting"),
        ("live", "!dead", "liveness"),
        ("fraud", "passed", "a fraud check"),
    ],
)
def test_what_only_a_call_or_a_lookup_tells_leaves_a_rule_out(
    column: str, cell: str, what: str
) -> None:
    routes = f"rule,{column},trunks\nasks,{cell},a\ndefault,,d\n"
    small = raft(Table(contents(trunks=TRUNKS, routes=routes)), "GB", [])
    assert {f"routes that ask for {what}": 1} == {
        key: count for key, count in small.left_out.items() if count
    }


def test_a_prefix_that_says_what_a_much_shorter_one_says_stays_where_another_is_between() -> None:
    small = made("wide,,,4|447,,,,,a\nwithin,,,44,,,,,b\n")
    assert ["a", "b", "a"] == [
        along(small, number).items[0].endpoint for number in ("4312", "4412", "4471")
    ]


def test_of_too_many_routes_the_shortest_prefixes_stay_and_what_is_shut_stays_with_them() -> None:
    routes = "".join(f"r{n},,,44{n},,,,,a\n" for n in range(100, 140))
    routes += "short,,,33,,,,,b\nshut,,,44105999,,,,reject:21,\n"
    small = made(routes, most=5)
    tree = small.trees[UNKNOWN, None]
    assert ["33", "44100", "44101", "44102", "44103", "44105999"] == sorted(tree.prefixes)
    assert 36 == small.left_out["prefixes with a route, the longest"]
    assert "default" == along(small, "44105888").rule
    assert "shut" == along(small, "441059991").rule


def test_of_too_many_shut_prefixes_the_shortest_stay_and_the_file_says_what_goes_out() -> None:
    numbers = "".join(f"4477009{n:05},deny\n" for n in range(MOST_SHUT + 10))
    small = made("", policy=f"prefix,action\n449,deny\n{numbers}")
    assert MOST_SHUT == len(small.trees[UNKNOWN, None].prefixes)
    assert 21 == along(small, "449123").cause
    assert "11 prefixes that are shut, the longest: CALLS TO THESE GO OUT" in text(small)


def test_prefixes_that_nobody_had_the_time_to_look_at_are_counted() -> None:
    rows = "".join(f"44{n},deny\n" for n in range(1_000, 2_000))
    table = contents(
        trunks=TRUNKS,
        routes=f"{HEADER}default,,,,,,,,d\n",
        policy="prefix,action\n449,deny\n" + rows,
    )
    small = raft(Table(table), "GB", [], asked=500)
    (what,) = (what for what in small.left_out if "not looked at" in what)
    assert 501 <= small.left_out[what] <= 620  # tens and hundreds that are full count too
    assert (21, 21) == (along(small, "4491").cause, along(small, "441000").cause)
    assert None is along(small, "441999").cause


def test_accounts_are_told_apart_and_those_behind_the_eighth_are_not() -> None:
    policy = "prefix,account,action\n" + "".join(f"4{n},shop{n},deny\n" for n in range(10))
    small = made("", policy=policy)
    assert 8 == len(small.accounts)
    assert 21 == along(small, "4312", "shop3").cause
    assert None is along(small, "4312", "shop4").cause
    assert None is along(small, "4312").cause
    assert 2 == small.left_out["accounts, which are treated as any other"]


def test_a_screen_that_fails_closed_rejects_while_nobody_can_be_asked() -> None:
    closed = Screening(tps=Policy(Act.REJECT, 21, closed=True))
    table = compiled("default,,,,,,,,a\n", header=HEADER, accounts={"sales": closed})
    small = raft(table, "GB", ["112"])
    assert (21, None) == (along(small, "4420", "sales").cause, along(small, "4420").cause)


def test_digits_dialled_exactly_and_emergency_numbers_go_out_as_they_are() -> None:
    trunks = "trunk,number_format\na,plus\nb,00\nd,\n"
    routes = "sos,,,,,emergency,,,b > a\ncode,,,=1471|=07700900123,,,,,b\n"
    small = made(routes, trunks=trunks, policy="prefix,action\n=1472,deny\n")
    found = {
        digits: (exact.course.rule, exact.course.cause, sent(exact.course.items, exact.number))
        for digits, exact in small.dialled.items()
    }
    assert {
        "112": ("sos", None, [("b", "112"), ("a", "112")]),
        "1471": ("code", None, [("b", "1471")]),
        "1472": ("policy-2", 21, []),
        # A number that is pinned is a number all the same.
        "07700900123": ("code", None, [("b", "00447700900123")]),
    } == found


def test_a_short_code_is_the_countrys_own_and_other_digits_are_nobodys() -> None:
    small = made("gb,,,,GB,,,,a\n")
    tree = small.trees[UNKNOWN, None]
    assert ("gb", "default") == (tree.short.rule, tree.odd.rule)
    assert [Item("PJSIP", "a", 0, "", 60)] == list(tree.short.items)


# ---- the numbering plan --------------------------------------------------------------------


def test_the_country_is_the_numbering_plans_but_where_leading_digits_do_not_tell() -> None:
    plan = NumberingPlan("GB", [])
    differing = set()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number(region)
        assert example is not None
        digits = f"{example.country_code}{phonenumbers.national_significant_number(example)}"
        if raft_plan.country_of(digits) != plan.understand(f"+{digits}").country:
            differing.add(region)
    # Countries that share a calling code with a larger one and have no leading digits of their own,
    # by libphonenumber's metadata; VA's are five.
    alike = {"BL", "CC", "CX", "EH", "GG", "GP", "JE", "MF", "MA", "RE", "YT", "CA", "VA", "XK"}
    assert differing <= alike
    assert {"GG", "JE", "CA"} <= differing


@pytest.mark.parametrize("country", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_countrys_plan_can_be_written_for_asterisk(country: str) -> None:
    home = raft_plan.home(country)
    for pattern in (home.abroad, home.national, home.short):
        assert re.fullmatch(r"[0-9\[\](){}|,?*+-]*", pattern)
        re.compile(pattern)


def test_a_pattern_that_posix_has_no_word_for_is_refused() -> None:
    assert "(4[0-9])[0-9]{2}" == raft_plan.posix(r"(?:4[0-9])\d{2}")
    with pytest.raises(ValueError, match="cannot be written"):
        raft_plan.posix(r"4(?!5)")


def test_a_line_is_told_by_the_first_pattern_that_fits() -> None:
    def line(code: int, national: str) -> str:
        patterns = raft_plan.line_patterns(code)
        return next((kind for kind, text in patterns if re.fullmatch(text, national)), "")

    # Ofcom's National Telephone Numbering Plan: 09 premium, 0800 free, 070 personal, 056 VoIP.
    numbers = ("9061234567", "8001234567", "7012345678", "5612345678", "7700900123")
    assert ["premium", "tollfree", "other", "voip", ""] == [line(44, one) for one in numbers]


# ---- the text ------------------------------------------------------------------------------


def test_the_file_is_ascii_of_short_lines_and_begins_with_what_it_was_made_from() -> None:
    small = made("dear,,,,,premium,,reject:21,\nfr,,,,FR,,,,a\n")
    written = text(small)
    assert written.isascii()
    assert max(map(len, written.splitlines())) < 2_000  # Asterisk reads lines of 8,191
    assert written.startswith(f"{MARK}000001-00000000 ")
    assert stamp("000001-00000000", "GB", ["112"]) == written.partition("\n")[0]
    assert stamp("000001-00000000", "GB", ["999"]) != written.partition("\n")[0]


def test_every_place_that_the_text_goes_to_is_in_it_or_in_the_shipped_dialplan() -> None:
    small = made(
        "dear,,,,,premium,,reject:21,\nfr,acme,,,FR,,,,a\n", policy="prefix,action\n449,deny\n"
    )
    written = text(small)
    contexts = set(re.findall(r"^\[(.*)\]$", written, re.MULTILINE))
    goals = set(re.findall(r"Goto\((carrier-raft[a-z0-9-]*),", written))
    trees = re.search(r"LOCAL\(trees\)=([0-9,]+)", written)
    assert trees is not None
    goals |= {f"carrier-raft-t{number}" for number in trees[1].split(",")}
    assert goals <= contexts
    assert 5 * (2 + len(small.accounts)) == len(trees[1].split(","))
    for context in written.split("\n[")[1:]:
        assert "exten => h,1,Goto(carrier-route,h,1)" in context
        assert "exten => T,1,Goto(carrier-route,T,1)" in context


def test_equal_trees_stand_once() -> None:
    written = text(made("acme,acme,,4420,,,,,a\n"))
    assert 2 == len(re.findall(r"^\[carrier-raft-t", written, re.MULTILINE))
