"""Cells of trunks and of error codes: what they mean, and what a mistake in them is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agi.errors import Fault, TableError
from agi.model import ErrorRule, Outcome
from agi.routing.reading.faults import Faults
from agi.routing.reading.rows import TrunkRow, read_errors, read_trunks

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
        ("-a", 1, "run it as a formula"),
        ("=1+1", 1, "run it as a formula"),
        ("x" * 41, 1, "is no name"),
        ("vod\u0430fone", 1, "U+0430 (CYRILLIC SMALL LETTER A) is not ASCII"),
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
        ("a,,,,,,,TRUE", 8, "yes, no; a spreadsheet made a truth value"),
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


def test_calls_per_second_and_calls_at_once_are_in_force() -> None:
    faults = Faults()
    header = b"trunk,cps,max_calls\n"
    found = read_trunks("f.csv", header + b"a,,\nb,5,30\nc,100000,2\n", faults)
    assert found is not None
    assert [0, 5, 100_000] == [row.cps for row in found.rows]
    assert [0, 30, 2] == [row.max_calls for row in found.rows]
    assert () == faults.warnings()


@pytest.mark.parametrize(
    ("row", "column"), [("a,0,", 2), ("a,100001,", 2), ("a,1.5,", 2), ("a,,0", 3), ("a,,many", 3)]
)
def test_a_wrong_limit_of_a_trunk_is_a_fault(row: str, column: int) -> None:
    (fault,) = collect(read_trunks, f"trunk,cps,max_calls\n{row}\n")
    assert (2, column) == (fault.line, fault.column)


def test_a20_a_plus_to_prepend_is_kept_and_a_spreadsheet_warned_of() -> None:
    assert "+" == trunk("a,,,,,+").prepend
    assert "+44" == trunk("a,,,,,+44").prepend
    (warning,) = collect(read_trunks, TRUNKS + "a,,,,,+44\nb,,,,,+\nc,,,,,*9\n")
    assert (True, 2, 6) == (warning.warning, warning.line, warning.column)
    assert "drops the '+'" in warning.what


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


def test_a_file_without_a_usable_header_gives_no_rows() -> None:
    assert read_trunks("f", b"nmae\n", Faults()) is None
    assert () == read_errors("f", b"\xff\xfe", Faults())
