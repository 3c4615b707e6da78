"""Cells of the three files: what they mean, and what a mistake in them is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agi.errors import Fault, TableError
from agi.model import ErrorRule, Outcome
from agi.routing.faults import Faults
from agi.routing.route_rows import Member, RouteRow, read_routes
from agi.routing.rows import TrunkRow, read_errors, read_later, read_trunks
from tests.routing.making import ROUTES

Reader = Callable[[str, bytes, Faults], Any]
TRUNKS = "trunk,tech,endpoint,number_format,strip,prepend,ring_s,enabled,comment\n"
ERRORS = "provider,code,class,retry_elsewhere,negative_ttl_s,route\n"


def collect(reader: Reader, text: str) -> tuple[Fault, ...]:
    """Return the faults of a file, warnings too."""
    faults = Faults()
    reader("f.csv", text.encode(), faults)
    try:
        faults.refuse()
    except TableError as error:
        return error.faults
    return faults.warnings()


def trunk(row: str) -> TrunkRow:
    found = read_trunks("f.csv", (TRUNKS + row).encode(), Faults())
    assert found is not None
    return found.rows[0]


def route(row: str) -> RouteRow:
    found = read_routes("f.csv", (ROUTES + row).encode(), Faults())
    assert found is not None
    return found.rows[0]


def test_a_trunk_with_only_a_name_has_the_defaults_of_the_contract() -> None:
    row = trunk("voda")
    assert ("voda", "PJSIP", "voda", "e164") == (
        row.trunk,
        row.tech,
        row.endpoint,
        row.number_format,
    )
    assert (0, "", 60, True) == (row.strip, row.prepend, row.ring_s, row.enabled)


def test_every_cell_of_a_trunk_is_read() -> None:
    row = trunk('v.1,IAX2,peer-1,national:GB,2,*9#+,25,no,"why, that"')
    assert ("v.1", "IAX2", "peer-1", "national:GB") == (
        row.trunk,
        row.tech,
        row.endpoint,
        row.number_format,
    )
    assert (2, "*9#+", 25, False) == (row.strip, row.prepend, row.ring_s, row.enabled)
    assert ("f.csv", 2) == (row.place.file, row.place.line)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",PJSIP", 1, "empty: 1 to 40 letters"),
        ("a b", 1, "is no name"),
        ("x" * 41, 1, "is no name"),
        ("vod\u0430fone", 1, "is no name"),
        ("a,pjsip", 2, "did you mean 'PJSIP'?"),
        ("a,,b/c", 3, "is no name"),
        ("a,,,E164", 4, "write e164, plus, 00 or national:CC"),
        ("a,,,national:UK", 4, "did you mean 'GB'?"),
        ("a,,,national:gb", 4, "did you mean 'GB'?"),
        ("a,,,,33", 5, "from 0 to 32"),
        ("a,,,,-1", 5, "from 0 to 32"),
        ('a,,,,"1,5"', 5, "decimal comma"),
        ("a,,,,1.0", 5, "decimal point"),
        ("a,,,,\u0661", 5, "ASCII digits"),
        ("a,,,,,4.47E+11", 6, "shortened a long number"),
        ("a,,,,,(0)", 6, "at most 16"),
        ("a,,,,," + "1" * 17, 6, "at most 16"),
        ("a,,,,,,0", 7, "from 1 to 600"),
        ("a,,,,,,01/02/2026", 7, "made a date"),
        ("a,,,,,,2026-02-01", 7, "made a date"),
        ("a,,,,,,1-Feb", 7, "made a date"),
        ("a,,,,,,Feb-26", 7, "made a date"),
        ("a,,,,,,05.Mrz", 7, "made a date"),
        ("a,,,,,,'30", 7, "apostrophe"),
        ("a,,,,,,3 0", 7, "blanks between"),
        ("a,,,,,,thirty", 7, "whole number from 1 to 600"),
        ("a,,,,,,,true", 8, "none of yes, no"),
        ("a,,,,,,,,ok,more", 10, "beyond the header"),
    ],
)
def test_a_wrong_trunk_cell_is_one_fault_at_its_place(row: str, column: int, words: str) -> None:
    faults = collect(read_trunks, TRUNKS + row)
    assert [("f.csv", 2, column)] == [(f.file, f.line, f.column) for f in faults]
    assert words in faults[0].what


def test_all_faults_of_a_row_are_found_at_once() -> None:
    faults = collect(read_trunks, TRUNKS + "a b,X,,?,z,-,0,maybe\n")
    assert [1, 2, 4, 5, 6, 7, 8] == [f.column for f in faults]


def test_columns_of_later_versions_may_stand_empty_and_are_named_when_they_do_not() -> None:
    assert () == collect(read_trunks, "trunk,cps,max_calls\na,,\n")
    faults = collect(read_trunks, "trunk,cps,max_calls\na,5,\n")
    assert [(2, 2)] == [(f.line, f.column) for f in faults]
    assert faults[0].what.startswith("not yet: the column 'cps'")


def test_columns_of_routes_that_come_later_are_named_too() -> None:
    for column in ["account", "from", "ported", "live", "fraud", "when", "pick", "max_price"]:
        faults = collect(read_routes, f"rule,{column},trunks\nr,,a\ns,x,a\n")
        assert [(3, 2)] == [(f.line, f.column) for f in faults]
        assert f"not yet: the column '{column}'" in faults[0].what


def test_a_route_is_read_with_tiers_members_and_weights() -> None:
    row = route("r,-5,234-15,447,GB,,route,a:3 b > c:1000,note")
    assert ("r", -5, "23415", "", "447", "", "GB", False, None) == (
        row.rule,
        row.priority,
        row.network,
        row.mcc,
        row.prefix,
        row.digits,
        row.country,
        row.emergency,
        row.cause,
    )
    assert ((Member("a", 3), Member("b", 1)), (Member("c", 1000),)) == row.tiers


@pytest.mark.parametrize(
    ("cell", "network", "mcc"),
    [
        ("23415", "23415", ""),
        ("234-15", "23415", ""),
        ("310-260", "310260", ""),
        ("234", "", "234"),
    ],
)
def test_a_network_is_written_with_or_without_a_hyphen_or_as_its_mcc(
    cell: str, network: str, mcc: str
) -> None:
    row = route(f"r,,{cell},,,,,a")
    assert (network, mcc) == (row.network, row.mcc)


def test_a_padded_network_is_read_canonically_with_a_warning() -> None:
    assert "24205" == route("r,,242005,,,,,a").network
    (warning,) = collect(read_routes, ROUTES + "r,,242005,,,,,a\n")
    assert (True, 2, 3) == (warning.warning, warning.line, warning.column)
    assert "242-05" in warning.what


def test_a_network_cut_short_is_kept_as_it_is_with_a_warning() -> None:
    assert "31026" == route("r,,31026,,,,,a").network
    (warning,) = collect(read_routes, ROUTES + "r,,31026,,,,,a\n")
    assert (True, 2, 3) == (warning.warning, warning.line, warning.column)
    assert "three digits" in warning.what


def test_an_equals_sign_wants_the_dialled_digits() -> None:
    assert ("", "1471") == (route("r,,,=1471,,,,a").prefix, route("r,,,=1471,,,,a").digits)
    assert "+*#06" == route("r,,,=+*#06,,,,a").digits


def test_a_rejecting_rule_has_a_cause_and_no_trunks() -> None:
    assert (21, ()) == (route("r,,,,,,reject:21,").cause, route("r,,,,,,reject:21,").tiers)
    assert 127 == route("r,,,,,,reject:127").cause


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",,,,,,,a", 1, "empty: 1 to 32"),
        ("x" * 33 + ",,,,,,,a", 1, "is no name"),
        ("r,1.5,,,,,,a", 2, "decimal point"),
        ("r,1000001,,,,,,a", 2, "whole number from -1000000"),
        ("r,,2341,,,,,a", 3, "write MCC and MNC"),
        ("r,,199,,,,,a", 3, "no network of ITU-T E.212"),
        ("r,,19915,,,,,a", 3, "no network of ITU-T E.212"),
        ("r,,\u0662\u0663\u0664,,,,,a", 3, "ASCII digits"),
        ("r,,23415|23410,,,,,a", 3, "not yet: lists"),
        ("r,,!23415,,,,,a", 3, "not yet: '!'"),
        ("r,,@uk,,,,,a", 3, "not yet: sets"),
        ("r,,,+44,,,,a", 4, "without '+'"),
        ("r,,,0044,,,,a", 4, "without leading zeros"),
        ("r,,,4.47E+11,,,,a", 4, "shortened a long number"),
        ("r,,,44|33,,,,a", 4, "not yet: lists"),
        ("r,,,4477 88,,,,a", 4, "blanks between"),
        ("r,,,=,,,,a", 4, "'=' and the dialled digits"),
        ("r,,," + "4" * 16 + ",,,,a", 4, "1 to 15 digits"),
        ("r,,,,UK,,,a", 5, "did you mean 'GB'?"),
        ("r,,,,gb,,,a", 5, "did you mean 'GB'?"),
        ("r,,,,GBR,,,a", 5, "alpha-2"),
        ("r,,,,!GB,,,a", 5, "not yet: '!'"),
        ("r,,,,,mobile,,a", 6, "not yet: line 'mobile'"),
        ("r,,,,,emergancy,,a", 6, "write 'emergency' or nothing"),
        ("r,,,,,mobile|voip,,a", 6, "not yet: lists"),
        ("r,,,,,,reject,", 7, "reject:21"),
        ("r,,,,,,reject:0,", 7, "from 1 to 127"),
        ("r,,,,,,reject:128,", 7, "from 1 to 127"),
        ("r,,,,,,Route,a", 7, "write 'route'"),
        ("r,,,,,,,", 8, "needs trunks"),
        ("r,,,,,,route,", 8, "needs trunks"),
        ("r,,,,,,reject:21,a", 8, "has no trunks"),
        ("r,,,,,,,a > > b", 8, "an empty tier"),
        ("r,,,,,,,a >", 8, "an empty tier"),
        ("r,,,,,,,a b a", 8, "twice in a tier"),
        ("r,,,,,,,a:0", 8, "from 1 to 1000"),
        ("r,,,,,,,a:1001", 8, "from 1 to 1000"),
        ("r,,,,,,,a:", 8, "from 1 to 1000"),
        ("r,,,,,,,a:1!", 8, "not yet: '!'"),
        ("r,,,,,,,a:\u0661", 8, "from 1 to 1000"),
        ("r,,,,,,,@all", 8, "not yet: sets and groups"),
        ("r,,,,,,,a!", 8, "not yet: '!'"),
        ('r,,,,,,,"a,b"', 8, "trunks by blanks"),
        ("r,,234,,,emergency,,a", 3, "not looked up"),
        ("r,,,44,,emergency,,a", 4, "no international form"),
        ("r,,,,,emergency,reject:1,", 7, "never rejected"),
    ],
)
def test_a_wrong_route_cell_is_one_fault_at_its_place(row: str, column: int, words: str) -> None:
    faults = collect(read_routes, ROUTES + row)
    assert [(2, column)] == [(f.line, f.column) for f in faults]
    assert words in faults[0].what


def test_a_whole_number_never_reaches_a_message() -> None:
    (fault,) = collect(read_routes, ROUTES + "r,,,4477884504501234,,,,a")
    assert "447788450" not in fault.what


def test_an_error_row_says_how_long_and_where_to() -> None:
    faults = Faults()
    rows = read_errors(
        "f", (ERRORS + "lanck,11,invalid_number,no,86400,reject:28\n").encode(), faults
    )
    expected = ErrorRule("lanck", "11", Outcome.INVALID_NUMBER, False, 86400, "reject:28")
    assert [expected] == [row.rule for row in rows]


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("comcetra,err1,absent,yes,1,default", 1, "did you mean 'comcetera'?"),
        ("comcetera,ERR1,absent,yes,1,default", 2, "small letters"),
        ("comcetera,err1,ok,yes,1,default", 3, "none of not_found"),
        ("comcetera,err1,absent,1,1,default", 4, "none of yes, no"),
        ("comcetera,err1,absent,yes,2592001,default", 5, "from 0 to 2592000"),
        ("comcetera,err1,absent,yes,1,reject", 6, "reject:CAUSE"),
        ("comcetera,err1,absent,yes,,default", 5, "needs a value"),
    ],
)
def test_a_wrong_error_cell_is_one_fault_at_its_place(row: str, column: int, words: str) -> None:
    faults = collect(read_errors, ERRORS + row)
    assert [(2, column)] == [(f.line, f.column) for f in faults]
    assert words in faults[0].what


def test_a_file_of_a_later_version_may_have_a_header_and_comments_but_no_rows() -> None:
    assert () == collect(read_later, "group,trunks\n# all,a b\n")
    (fault,) = collect(read_later, "group,trunks\n\nall,a b\n")
    assert (3, 1) == (fault.line, fault.column)
    assert fault.what.startswith("not yet")


def test_a_file_without_a_usable_header_gives_no_rows() -> None:
    assert read_trunks("f", b"nmae\n", Faults()) is None
    assert read_routes("f", b"", Faults()) is None
    assert () == read_errors("f", b"\xff\xfe", Faults())
