"""Failures remembered by number: RFC 9520, section 3.2: a second at least, longer each time."""

import pytest

from agi.lookup.failures import Failure, Failures
from tests.lookup.making import ONE, TWO, numbers

AT = (("npl", 0),)


def still(name: str) -> int:
    """No account's breaker has closed since."""
    del name
    return 0


def failing(times: int, draw: float = 0.5) -> tuple[Failures, float]:
    """Fail ONE so many times, each when the one before is just over; return when it ends."""
    failures = Failures(10, lambda: draw)
    now = 1000.0
    for _ in range(times):
        failures.failed(ONE, now, "timeout", AT)
        failure = failures.get(ONE, now, still)
        assert failure is not None
        began, now = now, failure.until
    return failures, now - began


@pytest.mark.parametrize(
    ("times", "lasts_s"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (8, 128), (9, 256), (10, 300), (11, 300), (30, 300)],
)
def test_each_failure_lasts_twice_as_long_up_to_five_minutes(times: int, lasts_s: float) -> None:
    assert lasts_s == pytest.approx(failing(times)[1])


@pytest.mark.parametrize(
    ("draw", "times", "lasts_s"),
    [(0.0, 1, 1.0), (0.999_999, 1, 1.2), (0.0, 2, 1.6), (0.0, 10, 240), (0.999_999, 10, 300)],
)
def test_it_is_spread_by_a_fifth_but_never_beyond_five_minutes(
    draw: float, times: int, lasts_s: float
) -> None:
    assert lasts_s == pytest.approx(failing(times, draw)[1], rel=1e-3)


def test_a_failure_ends() -> None:
    failures, _ = failing(1)
    known = failures.get(ONE, 1000.99, still)
    assert Failure("timeout", 1, 1001.0, AT) == known
    assert None is failures.get(ONE, 1001.0, still)
    assert None is failures.get(TWO, 1000.5, still)


def test_a_failure_long_ago_is_not_counted_on() -> None:
    failures, _ = failing(5)
    failures.failed(ONE, 9000.0, "timeout", AT)
    assert Failure("timeout", 1, 9001.0, AT) == failures.get(ONE, 9000.0, still)


def test_failures_of_an_outage_are_forgotten_when_the_breaker_closes() -> None:
    failures, _ = failing(4)
    assert None is failures.get(ONE, 1000.5, lambda _: 1)
    assert None is failures.get(ONE, 1000.5, still)  # and they do not come back


def test_one_account_that_works_again_is_enough_to_ask_again() -> None:
    failures = Failures(10, lambda: 0.5)
    failures.failed(ONE, 1000.0, "timeout", (("npl", 0), ("lanck", 7)))
    assert None is not failures.get(ONE, 1000.5, {"npl": 0, "lanck": 7}.__getitem__)
    assert None is failures.get(ONE, 1000.5, {"npl": 0, "lanck": 8}.__getitem__)


def test_an_answer_ends_the_failure() -> None:
    failures, _ = failing(4)
    failures.forget(ONE)
    failures.forget(TWO)
    assert None is failures.get(ONE, 1000.5, still)


def test_the_oldest_gives_way() -> None:
    failures = Failures(10, lambda: 0.5)
    for number in (ONE, *numbers(10)):
        failures.failed(number, 1000.0, "timeout", AT)
    assert None is failures.get(ONE, 1000.5, still)
    assert None is not failures.get(numbers(1)[0], 1000.5, still)
