"""Price lists are kept and checked for form, and whoever fills them knows that they wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.faults import Faults
from agi.routing.reading.money_rows import read_currencies, read_rates

RATES = "trunk,prefix,mccmnc,price,currency,connect_fee,min_s,step_s,valid_from,valid_to\n"
CURRENCIES = "currency,rate,valid_from\n"
Reader = Callable[[str, bytes, Faults], None]


def rates(file: str, data: bytes, faults: Faults) -> None:
    read_rates(file, data, frozenset({"a", "b"}), faults)


def collect(reader: Reader, text: str) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Return the faults and the warnings of a file."""
    faults = Faults()
    reader("f.csv", text.encode(), faults)
    try:
        faults.refuse()
    except TableError as error:
        return error.faults, faults.warnings()
    return (), faults.warnings()


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (rates, RATES + "a,44,,0.0125,EUR,0.05,30,6,2026-01-01,2026-12-31\nb,,234-15,1,USD,,,,,\n"),
        (rates, "currency,price,trunk\nGBP,0,a\n"),
        (read_currencies, CURRENCIES + "EUR,1,\nUSD,1.0812,2026-01-01\nUSD,1.09,2026-02-01\n"),
    ],
)
def test_a_sound_list_has_one_warning_that_it_is_not_used_yet(reader: Reader, text: str) -> None:
    faults, (warning,) = collect(reader, text)
    assert () == faults
    assert "not used yet" in warning.what


@pytest.mark.parametrize("text", [RATES, RATES + "# a,44\n"])
def test_a_list_without_rows_is_silent(text: str) -> None:
    assert ((), ()) == collect(rates, text)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",44,,1,EUR,,,,,", 1, "empty"),
        ("x,44,,1,EUR,,,,,", 1, "unknown trunk 'x'"),
        ("a,+44,,1,EUR,,,,,", 2, "1 to 15 digits"),
        ("a,4.4E+10,,1,EUR,,,,,", 2, "shortened"),
        ("a,,2341,1,EUR,,,,,", 3, "E.212"),
        ("a,,,,EUR,,,,,", 4, "empty: write a price"),
        ('a,,,"0,1",EUR,,,,,', 4, "decimal comma"),
        ("a,,,-1,EUR,,,,,", 4, "an amount"),
        ("a,,,1,,,,,,", 5, "ISO 4217"),
        ("a,,,1,eur,,,,,", 5, "ISO 4217"),
        ("a,,,1,EUR,x,,,,", 6, "an amount"),
        ("a,,,1,EUR,,1.5,,,", 7, "decimal point"),
        ("a,,,1,EUR,,,0,,", 8, "from 1 to 3600"),
        ("a,,,1,EUR,,,,01/02/2026,", 9, "YYYY-MM-DD"),
        ("a,,,1,EUR,,,,,2026-02-30", 10, "YYYY-MM-DD"),
        ("a,,,1,EUR,,,,2026-02-01,2026-01-31", 10, "before valid_from"),
        ("a,,,1,EUR,,,,,,x", 11, "beyond the header"),
    ],
)
def test_a_wrong_cell_of_a_rate_is_one_fault(row: str, column: int, words: str) -> None:
    (fault,), _ = collect(rates, f"{RATES}{row}\n")
    assert (2, column) == (fault.line, fault.column)
    assert words in fault.what


@pytest.mark.parametrize(
    ("rows", "place", "words"),
    [
        ("EUR,\n", (2, 2), "how much of it"),
        ("EUR,0.00\n", (2, 2), "more than 0"),
        ("EURO,1\n", (2, 1), "ISO 4217"),
        ("EUR,1,soon\n", (2, 3), "YYYY-MM-DD"),
        ("EUR,1\nEUR,2\n", (3, 1), "stands at f.csv:2"),
    ],
)
def test_a_wrong_cell_of_a_currency_is_one_fault(
    rows: str, place: tuple[int, int], words: str
) -> None:
    (fault,), _ = collect(read_currencies, CURRENCIES + rows)
    assert place == (fault.line, fault.column)
    assert words in fault.what


@pytest.mark.parametrize("reader", [rates, read_currencies])
def test_a_header_that_cannot_be_used_is_a_fault(reader: Reader) -> None:
    faults, warnings = collect(reader, "a;b\n")
    assert (1, 0) == (len(faults), len(warnings))
