"""Warnings about whole directories: each with its place, none where nothing is doubtful."""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

from agi.errors import Fault
from agi.model import Product
from agi.routing.compiled import Compiled
from agi.routing.reading.faults import Faults, Place
from agi.routing.review.doubts import Reviewed, review
from agi.routing.review.numbers import review_numbers
from agi.routing.rule import Cell, Rule, Tier
from agi.routing.screening import Act, Policy, Screening
from agi.routing.table import Table
from agi.routing.trunk import Trunk

ROUTES = {"rule": 0, "mccmnc": 1, "prefix": 2, "country": 3, "line": 4, "fraud": 5, "trunks": 6}


def rule(row: int, *tiers: tuple[tuple[str, int], ...], **cells: str) -> Rule:
    emergency = cells.pop("line", "") == "emergency"
    cause = int(cells.pop("reject", "0")) or None
    filled: dict[str, Any] = {
        name: Cell(tuple(text.removeprefix("!").split("|")), negative=text[0] == "!")
        for name, text in cells.items()
    }
    return Rule(
        name=f"r{row}",
        row=row,
        emergency=emergency,
        cause=cause,
        tiers=tuple(map(Tier, tiers or ((("a", 1),),))) if cause is None else (),
        **filled,
    )


SOS = rule(90, line="emergency")
DEFAULT = rule(91)


def warnings_of(
    *rules: Rule,
    more: tuple[Rule, ...] = (SOS, DEFAULT),
    disabled: str = "",
    asked: bool = True,
    **rows: object,
) -> list[Fault]:
    names = {name for r in rules for tier in r.tiers for name, _ in tier.members} | {"a"}
    names |= set(disabled)
    trunks = tuple(Trunk(n, n, "PJSIP", 30, n not in disabled) for n in sorted(names))
    everyone = {"": Screening(fraud=Policy(Act.FLAG))} if asked else {}
    compiled = Compiled(
        version="000001-0",
        timezone="UTC",
        trunks=trunks,
        rules=(*rules, *more),
        screenings=everyone,
    )
    table = Table(compiled)
    assert asked is (Product.FRAUD in table.screens_wanted)
    places = {r.name: Place("routes.csv", r.row, ROUTES) for r in (*rules, *more)}
    reviewed = Reviewed(
        rules=places,
        trunks={name: Place("trunks.csv", 2, {"trunk": 0}) for name in names},
        **rows,  # type: ignore[arg-type]  # each test fills some of the fields
    )
    faults = Faults()
    review(table, reviewed, faults)
    faults.refuse()
    return list(faults.warnings())


def test_a_rule_called_as_decisions_name_rows_of_other_files_is_warned_of() -> None:
    named = [
        replace(rule(n + 2, prefix=f"44{n}"), name=name)
        for n, name in enumerate(("policy-4", "limits-12", "policy-uk", "my-policy-4"))
    ]
    found = warnings_of(*named)
    assert [2, 3] == [fault.line for fault in found]
    assert all("CARRIER_RULE" in fault.what for fault in found)


def test_a_plain_table_has_no_warning() -> None:
    members = (("a", 1), ("b", 999))
    assert [] == warnings_of(rule(2, members, (("c", 1),), prefix="447", mccmnc="23415"))


@pytest.mark.parametrize(
    ("tiers", "disabled", "words"),
    [
        (((("b", 1),), (("b", 1),)), "", "'b' stands in several tiers"),
        ((tuple((n, 1) for n in "bcdefghijk"),), "", "10 trunks: only the first 9"),
        (((("b", 1),), (("c", 1),)), "bc", "are disabled: its calls are rejected with cause 34"),
        (((("b", 1), ("c", 1000), ("d", 1000)),), "", "'b' comes first in 0.05 % of the calls"),
        (((("b", 7), ("c", 3)),), "c", "'b' is the only choice: its weight draws nothing"),
        (((("b", 70),), (("c", 1),)), "", "'b' is the only choice: its weight draws nothing"),
    ],
)
def test_trunks_that_are_probably_not_meant_so(
    tiers: tuple[tuple[tuple[str, int], ...], ...], disabled: str, words: str
) -> None:
    (warning,) = warnings_of(rule(2, *tiers, prefix="447"), disabled=disabled)
    assert ("routes.csv", 2, 7, True) == (
        warning.file,
        warning.line,
        warning.column,
        warning.warning,
    )
    assert words in warning.what


def test_ten_trunks_of_which_one_is_disabled_are_nine() -> None:
    members = tuple((n, 1) for n in "bcdefghijk")
    assert [] == warnings_of(rule(2, members, prefix="447"), disabled="k")


def test_fraud_is_known_only_where_an_account_asks() -> None:
    assert [] == warnings_of(rule(2, prefix="447", fraud="suspicious"))
    (warning,) = warnings_of(rule(2, prefix="447", fraud="suspicious"), asked=False)
    assert (2, 6) == (warning.line, warning.column)
    assert "no account asks for a fraud check" in warning.what


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((DEFAULT,), "emergency calls take the default route, its trunks may not carry them"),
        ((rule(91, reject="21"),), "which REJECTS them"),
        ((rule(90, line="emergency", prefix="=112"), DEFAULT), "other emergency calls take"),
    ],
)
def test_emergency_calls_need_a_rule_of_their_own(more: tuple[Rule, ...], words: str) -> None:
    (warning,) = (w for w in warnings_of(more=more) if w.file == "routes.csv")
    assert (91, 5) == (warning.line, warning.column)
    assert words in warning.what


def test_what_no_rule_uses_is_named() -> None:
    def place(file: str, column: str) -> Place:
        return Place(file, 7, {column: 0})

    warnings = warnings_of(
        disabled="z",
        groups={"g": place("groups.csv", "group"), "h": place("groups.csv", "group")},
        used_groups={"h"},
        sets={"s": place("networks.csv", "set")},
        calendars={"c": place("calendars.csv", "calendar")},
    )
    assert [
        ("calendars.csv", "no rule uses the calendar 'c'"),
        ("groups.csv", "no rule uses the group 'g'"),
        ("networks.csv", "no rule and no policy uses the set 's'"),
        ("trunks.csv", "no rule uses the trunk 'z'"),
    ] == [(warning.file, warning.what) for warning in warnings]


@pytest.mark.parametrize(("today", "count"), [("2026-12-26", 1), ("2026-12-25", 0), ("", 0)])
def test_a_calendar_whose_dates_are_past_is_told(today: str, count: int) -> None:
    warnings = warnings_of(
        calendars={"c": Place("calendars.csv", 2, {"calendar": 0, "date": 1})},
        used_calendars={"c"},
        dates={"c": ("2025-12-25", "2026-12-25")},
        today=today,
    )
    assert [("calendars.csv", 2, 2)] * count == [(w.file, w.line, w.column) for w in warnings]
    assert all("the last date of 'c' is 2026-12-25, which is past" in w.what for w in warnings)


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ({"prefix": "999"}, 3, "no country calling code begins so"),
        ({"prefix": "447788450450123"}, 3, "longer than any number behind +44"),
        ({"prefix": "800123456789"}, 3, "longer than any number behind +800, which have 11"),
        ({"prefix": "=112"}, 3, "=112 is an emergency number"),
        ({"prefix": "44|999"}, 3, "'999'"),
        ({"prefix": "7788", "country": "GB"}, 4, "numbers of GB begin with 44; was '447788' meant"),
        ({"prefix": "44", "country": "FR"}, 4, "numbers of FR begin with 33"),
        ({"mccmnc": "20801", "country": "GB"}, 2, "networks of 208 do not serve numbers of GB"),
        ({"mccmnc": "23415|208", "prefix": "44"}, 2, "208 do not serve numbers of +44"),
        ({"mccmnc": "23599"}, 0, ""),
        ({"mccmnc": "29999"}, 2, "no country has the MCC 299"),
        ({"mccmnc": "299"}, 2, "no country has the MCC 299"),
        ({"mccmnc": "99999"}, 2, "no country has the MCC 999"),
        ({"mccmnc": "00101"}, 2, "no country has the MCC 001"),
        ({"mccmnc": "90103"}, 0, ""),
        ({"mccmnc": "234156"}, 2, "MNCs of 234 have two digits"),
    ],
)
def test_cells_that_no_number_fits(cells: dict[str, str], column: int, words: str) -> None:
    faults = Faults()
    places = {"r2": Place("routes.csv", 2, ROUTES)}
    review_numbers([rule(2, **cells)], places, faults)
    found = [(w.column, w.what) for w in faults.warnings()]
    if not words:
        assert [] == found
        return
    ((where, what),) = found
    assert column == where
    assert words in what


@pytest.mark.parametrize(
    "cells",
    [
        {"prefix": "447788450450"},  # twelve digits, as British mobile numbers have
        {"prefix": "4"},
        {"prefix": "1", "country": "JM"},
        {"prefix": "1876", "country": "US"},  # one plan for both
        {"prefix": "8816", "mccmnc": "90103"},
        {"prefix": "=1471", "country": "GB"},
        {"mccmnc": "!20801", "country": "GB"},
        {"mccmnc": "23415", "country": "!FR"},
        {"mccmnc": "310260", "prefix": "1212"},
        {"mccmnc": "23415", "prefix": "44|=1471"},
        {"mccmnc": "34001", "country": "GP"},
    ],
)
def test_cells_that_some_number_fits_are_left_alone(cells: dict[str, str]) -> None:
    faults = Faults()
    review_numbers([rule(2, **cells)], {"r2": Place("routes.csv", 2, ROUTES)}, faults)
    assert () == faults.warnings()


def test_a_strange_network_is_told_of_once() -> None:
    faults = Faults()
    places = {f"r{n}": Place("routes.csv", n, ROUTES) for n in (2, 3)}
    review_numbers([rule(n, mccmnc="29999", prefix=f"4{n}") for n in (2, 3)], places, faults)
    assert [2] == [warning.line for warning in faults.warnings()]


def test_five_thousand_rules_are_reviewed_in_a_moment() -> None:
    rules = [
        rule(
            n + 100,
            (("abcdefgh"[n % 8], 1), ("i", 5)),
            mccmnc=f"{200 + n % 500}{n % 90:02}",
            prefix=f"{(n % 300) + 100}{n}",
        )
        for n in range(5000)
    ]
    began = time.process_time()
    warnings_of(*rules)
    assert time.process_time() - began < 8
