"""Limits: which rows concern a call, which part of a number they count, what the file may say."""

from __future__ import annotations

import pytest

from agi.errors import Fault, TableError
from agi.routing.limits import (
    MAX_LIMITS,
    NO_LIMITS,
    Level,
    Limit,
    Limits,
    calling_code,
    read_limits,
)
from agi.routing.reading.faults import Faults

HEADER = "account,prefix,level,calls,lookups,half_life_s,comment\n"
NUMBER = "447700900123"


def limits(rows: str, header: str = HEADER) -> Limits:
    faults = Faults()
    found = read_limits("limits.csv", (header + rows).encode(), faults)
    faults.refuse()
    assert () == faults.warnings()
    return found


def faults_of(rows: str, header: str = HEADER) -> tuple[Fault, ...]:
    faults = Faults()
    read_limits("limits.csv", (header + rows).encode(), faults)
    with pytest.raises(TableError) as caught:
        faults.refuse()
    return caught.value.faults


@pytest.mark.parametrize(
    ("level", "msisdn", "part"),
    [
        (Level.NUMBER, NUMBER, NUMBER),
        (Level.BLOCK, NUMBER, "447700900"),
        (Level.AREA, NUMBER, "44770"),
        (Level.COUNTRY, NUMBER, "44"),
        (Level.AREA, "12025550123", "1202"),
        (Level.COUNTRY, "12025550123", "1"),
        (Level.AREA, "37190012345", "371900"),
        (Level.COUNTRY, "37190012345", "371"),
        (Level.COUNTRY, "79161234567", "7"),
        (Level.COUNTRY, "8835100012345", "883"),
        (Level.COUNTRY, "2105550123", "210"),
        (Level.BLOCK, "44", ""),
        (Level.NUMBER, "9" * 32, "9" * 20),
    ],
)
def test_each_level_counts_a_part_of_the_number(level: Level, msisdn: str, part: str) -> None:
    assert part == level.part(msisdn)


def test_calling_codes_have_one_two_or_three_digits() -> None:
    # ITU-T E.164, list of assigned country codes.
    for code in ("1", "7", "20", "44", "65", "98", "211", "290", "371", "423", "682", "998"):
        assert code == calling_code(code + "1234567")


def test_rows_are_chosen_by_account_and_prefix_in_the_order_of_the_file() -> None:
    rows = ",44,block,15,,,\nacme,,number,3,,,\n!acme,!44|33,country,,9,60,\n"
    found = limits(rows)
    assert [2, 3] == [limit.row for limit in found.of("acme", NUMBER)]
    assert [2] == [limit.row for limit in found.of("", NUMBER)]
    assert [3] == [limit.row for limit in found.of("acme", "49301234567")]
    assert [4] == [limit.row for limit in found.of("other", "49301234567")]
    assert [] == [limit.row for limit in found.of("other", "33123456789")]
    assert [] == [limit.row for limit in found.of("", "49301234567")]
    assert [2, 3] == [limit.row for limit in found.of("acme", NUMBER)]
    assert 3 == len(found)


def test_what_a_row_says_is_kept() -> None:
    first, second = limits(",44,block,15,,,\n,,area,,7,60,why\n").rows
    assert (Level.BLOCK, 15, None, 600) == (
        first.level,
        first.calls,
        first.lookups,
        first.half_life_s,
    )
    assert (Level.AREA, None, 7, 60) == (
        second.level,
        second.calls,
        second.lookups,
        second.half_life_s,
    )


def test_a_count_keeps_its_name_when_its_limit_or_its_place_changes() -> None:
    before = limits("a|b,44,block,15,,,\n").rows[0]
    after = limits(",,number,9,,,\nb|a,44,block,30,5,,another\n").rows[1]
    assert before.key == after.key
    others = ["a,44,block,15,,,", "a|b,45,block,15,,,", "a|b,44,area,15,,,", "a|b,44,block,15,,60,"]
    others += ["!a|b,44,block,15,,,", "44,a|b,block,15,,,"][:1]
    keys = {limits(f"{row}\n").rows[0].key for row in others}
    assert len(others) == len(keys - {before.key})


def test_a_lot_of_accounts_is_remembered_for_a_while_only() -> None:
    found = limits("!b,44,block,15,,,\n")
    for number in range(10_000):
        assert 1 == len(found.of(f"a{number}", NUMBER))
    assert len(found._said) <= 4_096


@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        (",44,,15,,,", 3, "empty: write number, block, area, country"),
        (",44,blok,15,,,", 3, "did you mean 'block'?"),
        (",44,block,,,,", 4, "limits nothing"),
        (",44,block,0,,,", 4, "from 1 to 1000000"),
        (",44,block,1.5,,,", 4, "decimal point"),
        (",44,block,,-1,,", 5, "from 1"),
        (",44,block,15,,0,", 6, "from 1 to 86400"),
        (",44,block,15,,86401,", 6, "from 1 to 86400"),
        (",+44,block,15,,,", 2, "without '+'"),
        (",=1471,block,15,,,", 2, "no place here"),
        ("a b,44,block,15,,,", 1, "letters, digits"),
        (",44,block,15,,,why,x", 8, "beyond the header"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    row: str, column: int, what: str
) -> None:
    (fault,) = faults_of(f"{row}\n")
    assert ("limits.csv", 2, column) == (fault.file, fault.line, fault.column)
    assert what in fault.what


def test_two_rows_that_count_the_same_are_a_fault_that_names_the_first() -> None:
    (fault,) = faults_of("a|b,44,block,15,,,\nb|a,44,block,,3,600,\n")
    assert (3, 2) == (fault.line, fault.column)
    assert "limits.csv:2" in fault.what


def test_a27_more_rows_than_a_call_has_time_for_are_refused() -> None:
    rows = [f"a{number},44,block,15,,,\n" for number in range(MAX_LIMITS + 1)]
    assert MAX_LIMITS == len(limits("".join(rows[:-1])))
    (fault,) = faults_of("".join(rows))
    assert "more than 256 rows" in fault.what


@pytest.mark.parametrize("header", ["prefix;level\n", "prefix\n", "level\n", ""])
def test_a_header_that_cannot_be_used_is_one_fault_or_more(header: str) -> None:
    assert faults_of(",44,block,15,,,\n", header)


def test_columns_may_be_missing() -> None:
    (limit,) = limits("44,number,5\n", "prefix,level,calls\n").rows
    assert (None, 5, 600) == (limit.lookups, limit.calls, limit.half_life_s)


def test_what_was_packed_is_the_same_again() -> None:
    found = limits("a|b,!44,block,15,,60,\n,,country,,7,,\n")
    again = Limits.unpacked({name: memoryview(data) for name, data in found.packed().items()})
    assert found.rows == again.rows
    assert () == Limits.unpacked(NO_LIMITS.packed()).rows
    with pytest.raises(KeyError):
        Limits.unpacked({})
    with pytest.raises(ValueError, match="JSON"):
        Limits.unpacked({"rows": b"x"})


def test_without_rows_nothing_is_limited() -> None:
    assert 0 == len(NO_LIMITS)
    assert () == NO_LIMITS.of("acme", NUMBER)
    assert isinstance(Limit(2, Level.AREA, "600.x").key, str)
