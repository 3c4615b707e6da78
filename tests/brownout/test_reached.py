"""What calls got in a brown-out: shown from four fifths on, and below three fifths no longer."""

from __future__ import annotations

from collections import Counter

from agi.brownout.reached import DEFAULT, RANGE, Outcomes


class Calls:
    """Calls of one router, counted as it counts them, looked at each second."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.now = 0.0
        self.outcomes = Outcomes()
        self.outcomes.take(self.counts, self.now)

    def seconds(self, count: int, **sources: int) -> int:
        for _ in range(count):
            for source, calls in sources.items():
                self.counts["route", source, "breaker"] += calls
            self.now += 1.0
            self.outcomes.take(self.counts, self.now)
        return self.outcomes.without


def test_ten_seconds_are_needed_and_twenty_calls() -> None:
    calls = Calls()
    assert (0, DEFAULT) == (calls.seconds(9, default=10), calls.seconds(1, default=10))
    assert "100 of 100 calls had no network of their own" == calls.outcomes.why()
    assert 0 == Calls().seconds(19, default=1)


def test_the_network_of_a_range_is_better_than_none() -> None:
    assert RANGE == Calls().seconds(10, range=8, memory=2)
    assert RANGE == Calls().seconds(10, range=5, default=3, store=2)
    assert DEFAULT == Calls().seconds(10, range=2, default=8)
    assert 0 == Calls().seconds(10, range=3, default=4, stale=3)


def test_what_is_shown_stays_until_three_fifths() -> None:
    calls = Calls()
    assert RANGE == calls.seconds(10, range=8, live=2)
    assert RANGE == calls.seconds(20, range=6, live=4)
    assert 0 == calls.seconds(20, range=5, live=5)
    assert "" == calls.outcomes.why()


def test_another_level_begins_anew() -> None:
    calls = Calls()
    calls.seconds(10, default=10)
    calls.outcomes.clear()
    assert 0 == calls.outcomes.without
    assert "" == calls.outcomes.why()
    assert (0, DEFAULT) == (calls.seconds(10, default=10), calls.seconds(1, default=10))
