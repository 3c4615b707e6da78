"""A provider whose answers cannot be right is left out, and its last writes are suspect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.trust import Trust


def test_a9_the_third_strange_answer_within_a_minute_begins_the_quarantine() -> None:
    trust = Trust()
    assert [False, False, True] == [trust.strange(now) for now in (100.0, 130.0, 160.0)]
    assert trust.quarantined(160.0)


def test_a8_strange_answers_now_and_then_are_forgiven() -> None:
    trust = Trust()
    assert not any(trust.strange(now * 30.1) for now in range(1000))
    assert not trust.quarantined(30_100.0)


def test_a9_three_in_one_answer_are_enough() -> None:
    assert Trust().strange(100.0, 3)
    assert Trust().strange(100.0, 10**15)
    assert not Trust().strange(100.0, 2)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_of_none_is_none(count: int) -> None:
    trust = Trust(threshold=1)
    assert not trust.strange(100.0, count)
    assert trust.strange(100.0)


def test_a9_a_quarantine_lasts_ten_minutes_and_is_not_prolonged() -> None:
    trust = Trust()
    trust.strange(100.0, 3)
    assert not any(trust.strange(now, 3) for now in (101.0, 400.0, 699.9))
    assert (True, False) == (trust.quarantined(699.9), trust.quarantined(700.0))


def test_a9_after_a_quarantine_the_count_begins_again() -> None:
    trust = Trust()
    trust.strange(100.0, 3)
    trust.strange(699.9, 2)
    assert [False, False, True] == [trust.strange(701.0) for _ in range(3)]


def test_a_short_quarantine_forgives_what_led_to_it() -> None:
    trust = Trust(quarantine_s=10.0)
    trust.strange(100.0, 3)
    assert [False, False, True] == [trust.strange(111.0) for _ in range(3)]


def test_a9_what_was_written_in_the_minute_before_is_suspect() -> None:
    trust = Trust()
    assert 40.0 == trust.suspect_since(100.0)
    trust.strange(100.0)
    trust.strange(130.0, 2)
    assert [70.0, 70.0] == [trust.suspect_since(now) for now in (130.0, 500.0)]
    assert 670.0 == trust.suspect_since(730.0)


@given(st.lists(st.floats(0, 40), max_size=60))
def test_a9_it_begins_exactly_when_a_list_has_three_within_a_minute(gaps: list[float]) -> None:
    trust, now, seen, until = Trust(), 0.0, list[float](), 0.0
    for gap in gaps:
        now += gap
        if now < until:
            assert not trust.strange(now)
            continue
        seen.append(now)
        begins = sum(now - at <= 60.0 for at in seen) >= 3
        assert begins == trust.strange(now)
        if begins:
            seen.clear()
            until = now + 600.0
