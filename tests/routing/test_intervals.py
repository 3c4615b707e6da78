"""Prefixes as intervals: always the longest prefix, whatever nests in what."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.routing.intervals import NO_INTERVALS, NOTHING, flattened, unpacked

DIGITS = "0123456789"
FEW_DIGITS = st.text("019", min_size=1, max_size=15)


def longest(prefixes: dict[str, int], digits: str) -> int:
    """Try every prefix."""
    matching = [prefix for prefix in prefixes if digits[:15].startswith(prefix)]
    return prefixes[max(matching, key=len)] if matching else NOTHING


@given(st.dictionaries(FEW_DIGITS, st.integers(1, 2**32 - 1)), st.lists(FEW_DIGITS | st.just("")))
def test_the_search_equals_trying_every_prefix(prefixes: dict[str, int], asked: list[str]) -> None:
    found = flattened(prefixes)
    for digits in (*asked, *prefixes, *(prefix[:-1] for prefix in prefixes)):
        for whole in (digits, digits.ljust(15, "9"), digits.ljust(15, "0"), digits + "012345"):
            assert longest(prefixes, whole) == found.find(whole)


@given(st.sets(FEW_DIGITS))
def test_the_prefixes_of_values_of_their_own_can_be_told_again(prefixes: set[str]) -> None:
    numbered = {prefix: number for number, prefix in enumerate(sorted(prefixes), 1)}
    assert prefixes <= set(flattened(numbered).prefixes())


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        ("447700900123", 3),
        ("44770090", 3),
        ("4477009", 2),
        ("447700", 2),
        ("44770", 1),
        ("4", NOTHING),
        ("", NOTHING),
        ("45", NOTHING),
        ("999999999999999", NOTHING),
        ("44770090012345678901", 3),
    ],
)
def test_a_short_number_lies_in_no_prefix_longer_than_itself(digits: str, value: int) -> None:
    assert value == flattened({"44": 1, "447700": 2, "44770090": 3}).find(digits)


def test_a_prefix_of_fifteen_digits_is_found_and_its_neighbours_are_not() -> None:
    found = flattened({"447700900123456": 1})
    assert 1 == found.find("447700900123456")
    assert 1 == found.find("4477009001234567")
    assert NOTHING == found.find("447700900123455")
    assert NOTHING == found.find("447700900123457")
    assert NOTHING == found.find("44770090012345")


def test_neighbours_of_the_same_value_are_one_interval() -> None:
    tens = {f"44{digit}": 7 for digit in DIGITS}
    # Before them, all of them together, "44" and a missing digit, and the rest.
    assert 3 == len(flattened(tens))
    assert NOTHING == flattened(tens).find("44")


def test_what_lies_in_another_prefix_is_told_with_the_innermost_one() -> None:
    told: list[tuple[str, str]] = []
    nested = {"44": 1, "447": 2, "44770": 3, "45": 4, "4": 5}
    flattened(nested, lambda inner, outer: told.append((inner, outer)))
    assert [("44", "4"), ("447", "44"), ("44770", "447"), ("45", "4")] == told


def test_what_was_packed_is_used_where_it_lies() -> None:
    packed = flattened({"44": 1, "447": 2}).packed()
    buffers = {name: bytearray(data) for name, data in packed.items()}
    found = unpacked({name: memoryview(data) for name, data in buffers.items()})
    assert 2 == found.find("447700900123")
    buffers["values"][:] = bytes(len(buffers["values"]))
    assert NOTHING == found.find("447700900123")
    assert packed == flattened({"447": 2, "44": 1}).packed()


def test_bytes_that_are_no_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        unpacked({"starts": b"1234567", "values": b"1234"})


def test_without_prefixes_nothing_is_found() -> None:
    assert NOTHING == NO_INTERVALS.find("447700900123")
    assert 1 == len(NO_INTERVALS)


def test_a27_overlapping_prefixes_by_the_hundred_thousand_are_one_bisection() -> None:
    dice = random.Random(27)
    prefixes = {
        "44" + "".join(dice.choices(DIGITS, k=dice.randint(0, 13))): value
        for value in range(1, 250_000)
    }
    before = time.process_time()
    found = flattened(prefixes)
    # Measured: 0.3 s; a million takes 1 s.
    assert time.process_time() - before < 5
    by_length = {length: [p for p in prefixes if len(p) == length] for length in range(16)}
    asked = [dice.choice(by_length[length]) for length in range(3, 16) for _ in range(20)]
    for digits in asked:
        expected = next(prefixes[digits[:n]] for n in range(15, 0, -1) if digits[:n] in prefixes)
        assert expected == found.find(digits)
    before = time.process_time()
    for _ in range(40):
        for digits in asked:
            found.find(digits)
    # Measured: 0.8 us each.
    assert time.process_time() - before < 40 * len(asked) * 20e-6


def test_a27_a_thousand_prefixes_on_one_path_nest_fifteen_deep_at_most() -> None:
    path = {"1" * length: length for length in range(1, 16)}
    found = flattened(path)
    assert [*range(1, 16), 15, 15] == [found.find("1" * length) for length in range(1, 18)]
