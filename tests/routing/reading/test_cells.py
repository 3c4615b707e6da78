"""Single cells: lists with '!', what covers what, dates, amounts, and words that look alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.cells import Cells, Unused, is_date, is_name, plmn_of
from agi.routing.reading.faults import Faults
from agi.routing.reading.match_cells import (
    account_cell,
    caller_cell,
    country_cell,
    network_cell,
    prefix_cell,
    word_cell,
)
from agi.routing.reading.sheet import Record, Sheet
from agi.routing.reading.spoiled import formula, spoiled
from agi.routing.rule import ANY, Cell

SETS = {"uk": ("23415", "23410", "235"), "fr": ("208",), "one": ("26201",)}
READERS: dict[str, Callable[[Cells], Cell]] = {
    "account": account_cell,
    "mccmnc": lambda cells: network_cell(cells, SETS),
    "prefix": prefix_cell,
    "from": caller_cell,
    "country": country_cell,
    "live": lambda cells: word_cell(cells, "live", ("live", "absent", "dead")),
}


def read(column: str, text: str) -> tuple[Cell, tuple[Fault, ...], tuple[Fault, ...]]:
    """Read one match cell; return it, its faults and its warnings."""
    faults = Faults()
    cells = Cells(Sheet("f.csv", {column: 0}, iter(())), Record(2, (text,)), faults)
    cell = READERS[column](cells)
    assert cells.sound == (not len(faults))
    try:
        faults.refuse()
    except TableError as error:
        return cell, error.faults, faults.warnings()
    return cell, (), faults.warnings()


@pytest.mark.parametrize(
    ("column", "text", "cell"),
    [
        ("account", "", ANY),
        ("account", "acme", Cell(("acme",))),
        ("account", "!acme|b.c", Cell(("acme", "b.c"), negative=True)),
        ("mccmnc", "234-15|235|310-260", Cell(("23415", "235", "310260"))),
        ("mccmnc", "@uk|208-01", Cell(("23415", "23410", "235", "20801"))),
        ("mccmnc", "!@uk|@fr", Cell(("23415", "23410", "235", "208"), negative=True)),
        ("mccmnc", "!262", Cell(("262",), negative=True)),
        ("prefix", "44|33", Cell(("44", "33"))),
        ("prefix", "=1471|=+*#06|44", Cell(("=1471", "=+*#06", "44"))),
        ("prefix", "!44", Cell(("44",), negative=True)),
        ("from", "0044|7|anonymous", Cell(("0044", "7", "anonymous"))),
        ("from", "!anonymous", Cell(("anonymous",), negative=True)),
        ("country", "GB | FR", Cell(("GB", "FR"))),
        ("live", "!dead|absent", Cell(("dead", "absent"), negative=True)),
    ],
)
def test_a_match_cell_is_empty_or_a_list_or_none_of_a_list(
    column: str, text: str, cell: Cell
) -> None:
    assert (cell, (), ()) == read(column, text)


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("account", "!", "'!' without items"),
        ("account", "! ", "'!' without items"),
        ("account", "a|!b", "one '!' stands before the whole list"),
        ("account", "!!a", "one '!' stands before the whole list"),
        ("account", "a||b", "an empty item"),
        ("account", "a|", "an empty item"),
        ("account", "a|b|a", "'a' says the same as 'a' before it"),
        ("account", "a,b", "items are parted by '|'"),
        ("account", "a;b", "items are parted by '|'"),
        ("account", "a b", "1 to 32 letters"),
        ("account", "-a", "1 to 32 letters"),
        ("account", "\u0430cme", "U+0430 (CYRILLIC SMALL LETTER A) is not ASCII"),
        ("mccmnc", "23415|234-15", "'234-15' says the same as '23415' before it"),
        ("mccmnc", "@uk|@uk", "'@uk' says the same as '@uk'"),
        ("mccmnc", "@ku", "unknown set; did you mean 'uk'?; sets stand in networks.csv"),
        ("mccmnc", "@", "unknown set"),
        ("mccmnc", "2341", "write MCC and MNC of ITU-T E.212"),
        ("mccmnc", "199", "ITU-T E.212"),
        ("mccmnc", "234-5", "ITU-T E.212"),
        ("mccmnc", "234/15", "ITU-T E.212"),
        ("mccmnc", "\u0662\u0663\u0664", "ASCII digits"),
        ("prefix", "44|+33", "without '+'"),
        ("prefix", "033", "without leading zeros"),
        ("prefix", "4.47E+11", "shortened a long number"),
        ("prefix", "4,4", "items are parted by '|'"),
        ("prefix", "4,47E+11", "a spreadsheet shortened a long number"),
        ("prefix", "4477 88", "blanks between"),
        ("prefix", "=", "'=' and the dialled digits"),
        ("prefix", "=" + "1" * 33, "'=' and the dialled digits"),
        ("prefix", "1" * 16, "1 to 15 digits"),
        ("prefix", "=SUM(A1)", "'=' and the dialled digits"),
        ("from", "+44", "without '+'"),
        ("from", "anonymus", "did you mean 'anonymous'?"),
        ("from", "1" * 33, "1 to 32 digits"),
        ("country", "UK", "did you mean 'GB'?"),
        ("country", "GB|gb", "did you mean 'GB'?"),
        ("country", "GB|GB", "says the same"),
        ("country", "XX", "ISO 3166"),
        ("live", "Live", "did you mean 'live'?"),
        ("live", "TRUE", "write live, absent, dead; a spreadsheet made a truth value of it"),
        ("live", "live/dead", "items are parted by '|'"),
    ],
)
def test_a_faulty_item_is_one_fault_that_says_what_would_be_right(
    column: str, text: str, words: str
) -> None:
    _, faults, _ = read(column, text)
    assert [(2, 1)] == [(fault.line, fault.column) for fault in faults]
    assert words in faults[0].what


def test_every_faulty_item_of_a_cell_is_told() -> None:
    cell, faults, _ = read("country", "GB|uk|fr|DE")
    assert Cell(("GB", "DE")) == cell
    assert 2 == len(faults)


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("mccmnc", "234|234-15", "'234-15' is covered by '234'"),
        ("mccmnc", "@uk|234-15", "'234-15' is covered by '@uk'"),
        ("mccmnc", "262-01|@one", "'262-01' is covered by '@one'"),
        ("prefix", "!447|44", "'447' is covered by '44'"),
        ("prefix", "44|4477001|33", "'447700...' is covered by '44'"),
        ("from", "4|44", "'44' is covered by '4'"),
    ],
)
def test_an_item_that_another_one_covers_is_a_warning(column: str, text: str, words: str) -> None:
    _, faults, warnings = read(column, text)
    assert () == faults
    assert [words] == [words for warning in warnings if words in warning.what]


@pytest.mark.parametrize(
    ("column", "text"),
    [("mccmnc", "31026|310260"), ("prefix", "=14|=147"), ("prefix", "4|=44"), ("from", "1|2")],
)
def test_what_only_looks_covered_is_not_warned_of(column: str, text: str) -> None:
    _, faults, warnings = read(column, text)
    assert () == faults
    assert not any("covered" in warning.what for warning in warnings)


def test_a_doubtful_network_is_read_with_a_warning() -> None:
    cell, _, (warning,) = read("mccmnc", "242005")
    assert Cell(("24205",)) == cell
    assert "write 242-05" in warning.what
    cell, _, (warning,) = read("mccmnc", "31026")
    assert Cell(("31026",)) == cell
    assert "three digits" in warning.what


@pytest.mark.parametrize(
    ("text", "network", "faults", "warnings"),
    [("234-15", "23415", 0, 0), ("199-15", "", 1, 0), ("242005", "24205", 0, 1)],
)
def test_a_network_alone_is_canonical_or_a_fault(
    text: str, network: str, faults: int, warnings: int
) -> None:
    found = Faults()
    cells = Cells(Sheet("f.csv", {"mccmnc": 0}, iter(())), Record(2, (text,)), found)
    assert network == plmn_of(cells, "mccmnc", text, "write MCC and MNC")
    assert (faults, warnings) == (len(found), len(found.warnings()))


def test_digits_as_dialled_may_be_out_of_place() -> None:
    found = Faults()
    cells = Cells(Sheet("f.csv", {"prefix": 0}, iter(())), Record(2, ("=1471",)), found)
    assert ANY == prefix_cell(cells, dialled=False)
    with pytest.raises(TableError) as caught:
        found.refuse()
    assert "digits as dialled have no place here" in str(caught.value)


def test_a_whole_number_never_reaches_a_message() -> None:
    _, faults, _ = read("prefix", "4477884504501234|44778845045|44778845045")
    assert 2 == len(faults)
    assert not any("447788450" in fault.what for fault in faults)


def test_a27_a_cell_full_of_faults_tells_ten_of_them() -> None:
    assert 10 == len(read("account", "|".join("x" * 1_800))[1])
    assert 10 == len(read("prefix", "|".join("+" * 1_800))[1])
    assert 10 == len(read("prefix", "1|" + "|".join(str(n) for n in range(100, 200)))[2])


def test_a_long_list_is_read_in_linear_time() -> None:
    cell, faults, warnings = read("prefix", "|".join(str(number) for number in range(1000, 1800)))
    assert (800, (), ()) == (len(cell.items), faults, warnings)


@pytest.mark.parametrize("text", ["a", "A-1", "0.5_x", "_"])
def test_names_are_ascii(text: str) -> None:
    assert is_name(text, 3 if text != "0.5_x" else 5)


@pytest.mark.parametrize("text", ["", "-a", "a b", "\u0430", "a\n", "a" * 33, "a/b", "\u0661"])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text, 32)


@pytest.mark.parametrize("text", ["2026-12-25", "2024-02-29", "2000-02-29", "0001-01-01"])
def test_a_date_is_a_day_of_the_calendar(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize(
    "text", ["2023-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "0000-01-01",
             "25/12/2026", "2026-1-1", "20261225", "2026-12-25 "],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert not is_date(text)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("4.47788E+11", "shortened"),
        ("4,47E+11", "shortened"),
        ("01.02.2026", "date"),
        ("Mar-26", "date"),
        ("05.Mrz", "date"),
        ("1,5", "comma"),
        ("1.0", "point"),
        ("'44", "apostrophe"),
        ("44 77", "blanks"),
        ("44\u00a077", "blanks"),
        ("WAHR", "truth value"),
        ("#NAME?", "spreadsheet's error"),
        ("#REF!", "spreadsheet's error"),
        ("###", "spreadsheet's error"),
        ("\u0664\u0664", "another script"),
        ("\uff14\uff14", "another script"),
        ("a\u2013b", "U+2013 (EN DASH)"),
        ("v\u043edafone", "U+043E (CYRILLIC SMALL LETTER O)"),
        ("a\U0010fffeb", "without a name"),
        ("vodafone", ""),
        ("447", ""),
    ],
)
def test_what_a_spreadsheet_or_a_keyboard_did_is_named(cell: str, words: str) -> None:
    assert words in spoiled(cell)
    assert bool(words) == bool(spoiled(cell))


def test_a19_a_homoglyph_in_a_name_is_named_by_its_code_point() -> None:
    faults = Faults()
    sheet = Sheet("f.csv", {"trunk": 0}, iter(()))
    Cells(sheet, Record(2, ("v\u043edafone",)), faults).name("trunk", 40)
    with pytest.raises(TableError) as caught:
        faults.refuse()
    assert "U+043E (CYRILLIC SMALL LETTER O) is not ASCII" in str(caught.value)


def test_a_name_does_not_begin_like_a_formula() -> None:
    faults = Faults()
    Cells(Sheet("f.csv", {"trunk": 0}, iter(())), Record(2, ("-2+3",)), faults).name("trunk", 40)
    with pytest.raises(TableError) as caught:
        faults.refuse()
    assert "run it as a formula" in str(caught.value)
    assert "" == formula("a=1")
    assert "" == formula("")


def test_a_column_that_is_not_used_yet_is_warned_of_once() -> None:
    faults = Faults()
    unused = Unused(faults)
    sheet = Sheet("f.csv", {"a": 0, "b": 1}, iter(()))
    for line in (2, 3, 4):
        unused.note(Cells(sheet, Record(line, ("", "x")), faults), "a", "b")
    unused.warn("does nothing")
    (warning,) = faults.warnings()
    assert (2, 2, True) == (warning.line, warning.column, warning.warning)
    assert "not used yet: the column 'b' does nothing (3 rows fill it)" == warning.what
