"""Cells of a rule: what they mean, and what a mistake in them is told."""

from __future__ import annotations

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.faults import Faults
from agi.routing.reading.route_rows import Known, RouteRow, Routes, read_routes
from agi.routing.rule import ANY, Cell, Pick, Span, Tier

NAMES = [
    *("rule", "priority", "account", "from", "mccmnc", "prefix", "country", "line", "ported"),
    *("live", "fraud", "when", "action", "trunks", "pick", "max_price", "comment"),
]
HEADER = ",".join(NAMES) + "\n"
KNOWN = Known(
    sets={"uk": ("23415", "235")},
    groups={"pool": (("b", 3), ("c", 1)), "lone": (("d", 1),)},
    calendars={"bank": ("2026-12-25",)},
    zone="Europe/London",
)


def line(**cells: str) -> str:
    """Return a row; the column ``from`` is called ``caller`` here, names and trunks default."""
    cells = {"rule": "r", "trunks": "a", **cells}
    if "caller" in cells:
        cells["from"] = cells.pop("caller")
    assert cells.keys() <= set(NAMES)
    return ",".join(f'"{cells.get(name, "")}"' for name in NAMES) + "\n"


def read(rows: str, header: str = HEADER) -> tuple[Routes, tuple[Fault, ...], tuple[Fault, ...]]:
    """Read a file; return its rows, its faults and its warnings."""
    faults = Faults()
    found = read_routes("f.csv", (header + rows).encode(), KNOWN, faults)
    assert found is not None
    try:
        faults.refuse()
    except TableError as error:
        return found, error.faults, faults.warnings()
    return found, (), faults.warnings()


def route(**cells: str) -> RouteRow:
    """Read one row without a fault."""
    found, faults, _ = read(line(**cells))
    assert () == faults
    (row,) = found.rows
    return row


def test_a_rule_with_only_trunks_matches_any_call() -> None:
    row = route()
    assert row.rule.is_default
    assert ("r", 2, 0, None) == (row.rule.name, row.rule.row, row.rule.priority, row.rule.cause)
    assert (Tier((("a", 1),)),) == row.rule.tiers
    assert ("f.csv", 2) == (row.place.file, row.place.line)


def test_every_match_cell_is_read() -> None:
    rule = route(
        priority="-5",
        account="acme|b",
        caller="!44|anonymous",
        mccmnc="234-10|@uk",
        prefix="447|=1471",
        country="GB|FR",
        line="!voip",
        ported="no",
        live="live|absent",
        fraud="!fraudulent",
        when="Mon-Fri 08:00-18:00; @bank UTC",
    ).rule
    assert -5 == rule.priority
    assert (
        Cell(("acme", "b")),
        Cell(("23410", "23415", "235")),
        Cell(("447", "=1471")),
        Cell(("44", "anonymous"), negative=True),
        Cell(("GB", "FR")),
        Cell(("voip",), negative=True),
        Cell(("no",)),
        Cell(("live", "absent")),
        Cell(("fraudulent",), negative=True),
    ) == rule.cells()
    weekdays = Span((0, 1, 2, 3, 4), (), 480, 1080, "Europe/London")
    assert (weekdays, Span((), ("2026-12-25",), 0, 1440, "UTC")) == rule.when


def test_the_names_that_a_rule_uses_are_kept() -> None:
    row = route(mccmnc="!@uk", trunks="a:3 @pool > @lone!", when="@bank")
    assert ("a",) == row.trunks
    assert [{"uk"}, {"pool", "lone"}, {"bank"}] == [
        set(n) for n in (row.sets, row.groups, row.calendars)
    ]


def test_tiers_have_members_weights_groups_and_a_last_resort() -> None:
    assert (
        Tier((("a", 3), ("x", 1))),
        Tier((("b", 3), ("c", 1), ("y", 1000))),
        Tier((("d", 1),), last_resort=True),
    ) == route(trunks="a:3 x > @pool y:1000 > @lone!").rule.tiers
    assert Tier((("a", 2),), last_resort=True) == route(trunks="a:2 !").rule.tiers[0]
    assert (True, False) == tuple(t.last_resort for t in route(trunks="a!>b").rule.tiers)


def test_a_rejecting_rule_has_a_cause_and_no_trunks() -> None:
    rule = route(action="reject:21", trunks="").rule
    assert (21, ()) == (rule.cause, rule.tiers)
    assert 127 == route(action="reject:127", trunks="").rule.cause
    assert None is route(action="route").rule.cause


def test_an_emergency_rule_may_have_dialled_digits_accounts_callers_times_and_countries() -> None:
    rule = route(
        line="emergency",
        prefix="=112|=999",
        account="!acme",
        caller="44",
        when="Mon",
        country="GB",
        priority="3",
    ).rule
    assert (True, ANY, Cell(("=112", "=999"))) == (rule.emergency, rule.line, rule.prefix)
    assert not route(line="emergency").rule.is_default


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ({"rule": ""}, 1, "empty: 1 to 32"),
        ({"rule": "x" * 33}, 1, "is no name"),
        ({"rule": "-x"}, 1, "formula"),
        ({"priority": "1.5"}, 2, "decimal point"),
        ({"priority": "1000001"}, 2, "whole number from -1000000"),
        ({"priority": "-5+cmd"}, 2, "whole number"),
        ({"account": "a b"}, 3, "1 to 32 letters"),
        ({"caller": "+44"}, 4, "without '+'"),
        ({"mccmnc": "@ku"}, 5, "did you mean 'uk'?"),
        ({"mccmnc": "!"}, 5, "'!' without items"),
        ({"prefix": "0044"}, 6, "without leading zeros"),
        ({"country": "UK"}, 7, "did you mean 'GB'?"),
        ({"line": "emergency|mobile"}, 8, "stands alone"),
        ({"line": "!emergency"}, 8, "stands alone"),
        ({"line": "emergancy"}, 8, "did you mean 'emergency'?"),
        ({"line": "Mobile"}, 8, "did you mean 'mobile'?"),
        ({"ported": "TRUE"}, 9, "truth value"),
        ({"ported": "y"}, 9, "write yes, no"),
        ({"live": "alive"}, 10, "did you mean 'live'?"),
        ({"fraud": "passed|pass"}, 11, "did you mean 'passed'?"),
        ({"when": "Mo"}, 12, "did you mean 'Mon'"),
        ({"when": "@bnk"}, 12, "bank"),
        ({"when": "25/12/2026"}, 12, "2026-12-25"),
        ({"action": "reject", "trunks": ""}, 13, "reject:21"),
        ({"action": "reject:0", "trunks": ""}, 13, "from 1 to 127"),
        ({"action": "reject:128", "trunks": ""}, 13, "from 1 to 127"),
        ({"action": "Route"}, 13, "write 'route'"),
        ({"trunks": ""}, 14, "needs trunks"),
        ({"action": "route", "trunks": ""}, 14, "needs trunks"),
        ({"action": "reject:21"}, 14, "has no trunks"),
        ({"trunks": "a > > b"}, 14, "an empty tier"),
        ({"trunks": "a >"}, 14, "an empty tier"),
        ({"trunks": "!"}, 14, "an empty tier"),
        ({"trunks": "a b a"}, 14, "twice in a tier"),
        ({"trunks": "a @pool b"}, 14, "'b' stands twice in a tier, once by a group"),
        ({"trunks": "@pool @pool"}, 14, "'@pool' stands twice"),
        ({"trunks": ">".join("a" * 33)}, 14, "33 tiers: at most 32"),
        (
            {"trunks": " ".join(f"{n}" for n in range(1001))},
            14,
            "more than 1000 trunks in one place",
        ),
        ({"trunks": "a:0"}, 14, "from 1 to 1000"),
        ({"trunks": "a:1001"}, 14, "from 1 to 1000"),
        ({"trunks": "a:"}, 14, "from 1 to 1000"),
        ({"trunks": "a:\u0661"}, 14, "from 1 to 1000"),
        ({"trunks": "a! b"}, 14, "at the end of its tier"),
        ({"trunks": "a!!"}, 14, "at the end of its tier"),
        ({"trunks": "@pol"}, 14, "unknown group 'pol'; did you mean 'pool'?"),
        ({"trunks": "@pool:3"}, 14, "a group has no weight"),
        ({"trunks": "a|b"}, 14, "parted by blanks"),
        ({"trunks": "a,b"}, 14, "parted by blanks"),
        ({"trunks": "v\u043eda"}, 14, "CYRILLIC"),
        ({"trunks": "@SUM(A1)"}, 14, "parted by '>'"),
        ({"pick": "cheap"}, 15, "none of weight, cost, quality"),
        ({"max_price": "0,05"}, 16, "decimal comma"),
        ({"comment": "=cmd|'/c calc'!A1"}, 17, "run it as a formula"),
        ({"line": "emergency", "mccmnc": "234"}, 5, "not looked up"),
        ({"line": "emergency", "prefix": "44"}, 6, "no international form"),
        ({"line": "emergency", "prefix": "=112|44"}, 6, "no international form"),
        ({"line": "emergency", "ported": "no"}, 9, "not looked up"),
        ({"line": "emergency", "live": "live"}, 10, "not looked up"),
        ({"line": "emergency", "fraud": "passed"}, 11, "not looked up"),
        ({"line": "emergency", "action": "reject:1", "trunks": ""}, 13, "never rejected"),
    ],
)
def test_a_wrong_cell_is_one_fault_at_its_place(
    cells: dict[str, str], column: int, words: str
) -> None:
    _, faults, _ = read(line(**cells))
    assert [(2, column)] == [(f.line, f.column) for f in faults]
    assert words in faults[0].what


def test_all_faults_of_a_row_are_found_at_once_and_its_trunks_are_known() -> None:
    row = line(
        rule="x y", account="!", mccmnc="1", country="uk", when="x", trunks="a:0 b", pick="z"
    )
    found, faults, _ = read(row)
    assert [1, 3, 5, 7, 12, 14, 15] == [fault.column for fault in faults]
    assert () == found.rows
    assert {"a", "b"} == found.trunk_names()


def test_what_is_not_used_yet_is_warned_of_once() -> None:
    rows = line(pick="weight") + line(pick="cost", max_price="0.05") + line(pick="quality")
    found, faults, warnings = read(rows)
    assert () == faults
    assert [Pick.WEIGHT, Pick.COST, Pick.QUALITY] == [row.rule.pick for row in found.rows]
    assert [(3, 15), (3, 16)] == [(w.line, w.column) for w in warnings]
    assert all("not used yet" in warning.what for warning in warnings)


def test_columns_may_be_left_out_and_stand_in_any_order() -> None:
    found, faults, _ = read("a,GB,r\n", "trunks,country,rule\n")
    assert () == faults
    assert Cell(("GB",)) == found.rows[0].rule.country


def test_an_emergency_word_in_a_shorter_row_is_no_fault_of_form() -> None:
    found, faults, _ = read("r,a\ns\n", "rule,trunks,line\n")
    assert [(3, 2)] == [(f.line, f.column) for f in faults]
    assert 1 == len(found.rows)


def test_a_file_without_a_usable_header_gives_no_rows() -> None:
    assert read_routes("f", b"", KNOWN, Faults()) is None
    assert read_routes("f", b"rule,trunk\n", KNOWN, Faults()) is None


def test_a27_rules_that_spell_out_too_much_are_refused_before_they_fill_the_memory() -> None:
    known = Known(
        sets={"world": tuple(str(number) for number in range(20000, 70000))},
        groups={"all": tuple((f"t{number}", 1) for number in range(1000))},
    )
    rows = "".join(f"r{number},@world,@all\n" for number in range(1000))
    faults = Faults()
    found = read_routes("f.csv", b"rule,mccmnc,trunks\n" + rows.encode(), known, faults)
    assert found is not None
    assert 40 == len(found.rows)
    with pytest.raises(TableError) as caught:
        faults.refuse()
    (fault,) = caught.value.faults
    assert (42, 1) == (fault.line, fault.column)
    assert "more than 2000000 items and trunks" in fault.what
