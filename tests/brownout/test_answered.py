"""What the brown-out ladder counts: each number once, by its latest lookup, ten seconds long."""

from __future__ import annotations

from agi.brownout.answered import MOST, Lookups
from tests.lookup.making import numbers

SOME = numbers(MOST + 10)


def told(lookups: Lookups, reasons: str, at: float = 0.0, first: int = 0) -> Lookups:
    """Count a number for each letter: an answer, a time-out, a budget that was spent."""
    words = {"a": "", "t": "timeout", "b": "budget"}
    for index, letter in enumerate(reasons):
        lookups.add(SOME[first + index], "GB", words[letter], at)
    return lookups


def test_four_fifths_of_twenty_over_five_seconds_are_an_outage() -> None:
    assert told(Lookups(), "t" * 16 + "a" * 4).failing(5.0)
    assert not told(Lookups(), "t" * 15 + "a" * 5).failing(5.0)
    assert not told(Lookups(), "t" * 16 + "a" * 3).failing(5.0)
    assert not told(Lookups(), "t" * 16 + "a" * 4).failing(4.9)
    assert not told(Lookups(), "t" * 16 + "a" * 4).failing(10.1)  # long ago


def test_what_nobody_was_asked_is_no_part_of_the_share() -> None:
    lookups = told(Lookups(), "t" * 16 + "a" * 4 + "b" * 100)
    assert lookups.failing(5.0)
    assert "116 of 120 lookups failed: budget" == lookups.why()


def test_a_number_that_was_answered_in_the_end_did_not_fail() -> None:
    lookups = told(Lookups(), "t" * 20)
    told(lookups, "a" * 5, at=1.0)
    assert not lookups.failing(5.5)
    assert "15 of 20 lookups failed: timeout" == lookups.why()


def test_it_is_starved_from_four_fifths_on_and_no_longer_below_half() -> None:
    lookups = told(Lookups(), "b" * 79 + "a" * 21)
    lookups.expire(1.0)
    assert not lookups.starved
    told(lookups, "b" * 10, at=1.0, first=100)
    lookups.expire(1.0)
    assert lookups.starved
    told(lookups, "a" * 50, at=2.0, first=200)
    lookups.expire(2.0)
    assert lookups.starved  # 89 of 160
    told(lookups, "a" * 30, at=2.0, first=300)
    lookups.expire(2.0)
    assert not lookups.starved  # 89 of 190


def test_what_is_kept_is_bounded() -> None:
    lookups = Lookups()
    for number in SOME:
        lookups.add(number, "GB", "timeout", 0.0)
    assert f"{MOST} of {MOST} lookups failed: timeout" == lookups.why()
    lookups.expire(11.0)
    assert "" == lookups.why()


def test_no_number_stands_in_it() -> None:
    lookups = told(Lookups(), "t")
    assert SOME[0] not in repr(vars(lookups))
