"""Number ranges: the longest prefix tells the network, and every mistake has its place."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import Fault, TableError
from agi.model import Line, Mccmnc, NumberInfo
from agi.routing.ranges import NO_RANGES, Ranges, read_ranges
from agi.routing.reading.faults import Faults

HEADER = "prefix,mccmnc,line\n"


def network(mccmnc: str, line: Line | None = None) -> NumberInfo:
    return NumberInfo(Mccmnc(mccmnc), line=line)


def ranges(rows: str, header: str = HEADER) -> Ranges:
    faults = Faults()
    found = read_ranges("ranges.csv", (header + rows).encode(), faults)
    faults.refuse()
    assert () == faults.warnings()
    return found


def faults_of(rows: str, header: str = HEADER) -> tuple[Fault, ...]:
    faults = Faults()
    read_ranges("ranges.csv", (header + rows).encode(), faults)
    with pytest.raises(TableError) as caught:
        faults.refuse()
    return caught.value.faults


@pytest.mark.parametrize(
    ("msisdn", "mccmnc"),
    [
        ("447700900123", "23415"),
        ("447700800123", "23410"),
        ("447700", "23410"),
        ("44770", "23430"),
        ("4", "23499"),
        ("442079460123", "23499"),
        ("12025550123", None),
        ("", None),
    ],
)
def test_the_longest_prefix_gives_the_network(msisdn: str, mccmnc: str | None) -> None:
    found = ranges("4,23499,\n447700900,23415,\n447700,23410,\n447,23430,\n").find(msisdn)
    assert mccmnc == (found and found.mccmnc)


def test_spellings_of_a_network_are_one_and_an_empty_line_is_not_known() -> None:
    found = ranges("441,234-15,landline\n442,23415,\n443,23415,landline\n")
    assert network("23415", Line.LANDLINE) == found.find("441632960123")
    assert network("23415") == found.find("442079460123")
    assert found.find("441632960123") is found.find("443069990123")


def test_columns_stand_in_any_order_and_the_line_may_be_missing() -> None:
    assert network("23415") == ranges("23415,44\n", "mccmnc,prefix\n").find("447700900123")
    assert network("23415") == ranges("44,23415\n").find("447700900123")
    assert 2 == len(ranges("# note\n44,23415,,,\n45,23801\n"))


@pytest.mark.parametrize("good", ["", "441,23415,mobile\n"])
@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        ("+447,23415,mobile", 1, "without '+'"),
        ("07700,23415,mobile", 1, "country code"),
        ("=1471,23415,mobile", 1, "routes.csv"),
        (",23415,mobile", 1, "empty"),
        ("4477x,23415,mobile", 1, "1 to 15 digits"),
        ("4477009001234567,23415,mobile", 1, "1 to 15 digits"),
        ("4.477E+11,23415,mobile", 1, "spreadsheet"),
        ("\u0664\u0664,23415,mobile", 1, "another script"),
        ("447,,mobile", 2, "empty"),
        ("447,234,mobile", 2, "MCC and MNC"),
        ("447,12315,mobile", 2, "E.212"),
        ("447,@set,mobile", 2, "MCC and MNC"),
        ("447,23415,mobil", 3, "did you mean 'mobile'?"),
        ("447,23415,emergency", 3, "mobile"),
        ("447,23415,mobile,x", 4, "beyond the header"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    good: str, row: str, column: int, what: str
) -> None:
    (fault,) = faults_of(f"{good}{row}\n")
    assert ("ranges.csv", 3 if good else 2, column) == (fault.file, fault.line, fault.column)
    assert what in fault.what


def test_a_prefix_stands_once_and_the_second_row_names_the_first() -> None:
    faults = faults_of("447,23415,\n448,23415,\n447,23410,\n447,23415,mobile\n")
    assert [(4, 1), (5, 1)] == [(fault.line, fault.column) for fault in faults]
    assert "ranges.csv:2" in faults[0].what


def test_no_message_shows_a_whole_number() -> None:
    (fault,) = faults_of("44770090012345678,23415,\n")
    assert "447700900" not in fault.what


@pytest.mark.parametrize("header", ["prefix;mccmnc;line\n", "prefix,line\n", "mccmnc\n", ""])
def test_a_header_that_cannot_be_used_is_one_fault_or_more(header: str) -> None:
    assert faults_of("447,23415,\n", header)


def test_a_doubtful_spelling_is_warned_of_once_not_for_each_row() -> None:
    faults = Faults()
    rows = "".join(f"447{number:03d},234015,mobile\n" for number in range(500))
    found = read_ranges("ranges.csv", (HEADER + rows).encode(), faults)
    (warning,) = faults.warnings()
    assert (2, 2) == (warning.line, warning.column)
    assert "234015 is read as 23415" in warning.what
    assert network("23415", Line.MOBILE) == found.find("447499900123")


def test_without_ranges_nothing_is_known() -> None:
    assert NO_RANGES.find("447700900123") is None
    assert 0 == len(NO_RANGES)


def test_what_was_packed_is_the_same_again() -> None:
    known = ranges("441,234-15,landline\n4477,23410,\n")
    again = Ranges.unpacked({name: memoryview(data) for name, data in known.packed().items()})
    assert 2 == len(again)
    assert network("23415", Line.LANDLINE) == again.find("441632960123")
    assert network("23410") == again.find("447700900123")
    assert again.find("33") is None
    assert known.packed() == again.packed()


def test_parts_of_something_else_are_refused() -> None:
    parts = dict(ranges("441,234-15,landline\n").packed())
    with pytest.raises(KeyError):
        Ranges.unpacked({})
    with pytest.raises(ValueError, match="JSON"):
        Ranges.unpacked(parts | {"head": b"x"})


PREFIXES = st.text("01", min_size=0, max_size=6).map(lambda tail: "4" + tail)


@given(st.dictionaries(PREFIXES, st.sampled_from(("23410", "23415", "23430"))), PREFIXES)
def test_the_fast_search_equals_trying_every_prefix(given: dict[str, str], msisdn: str) -> None:
    fast = Ranges.of({prefix: network(mccmnc) for prefix, mccmnc in given.items()})
    matching = [prefix for prefix in given if msisdn.startswith(prefix)]
    expected = given[max(matching, key=len)] if matching else None
    found = fast.find(msisdn)
    assert expected == (found and found.mccmnc)


def test_two_hundred_thousand_ranges_load_in_seconds() -> None:
    dice = random.Random(5)
    prefixes = {"44" + "".join(dice.choices("0123456789", k=7)) for _ in range(220_000)}
    chosen = sorted(prefixes)[:200_000]
    rows = "".join(f"{prefix},{dice.choice(('234-15', '23410'))},mobile\n" for prefix in chosen)
    before = time.process_time()
    found = ranges(rows)
    # Measured: 0.54 s.
    assert time.process_time() - before < 4
    assert 200_000 == len(found)
    assert found.find(chosen[-1] + "123") is not None
