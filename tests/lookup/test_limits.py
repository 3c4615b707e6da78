"""How often a provider may be asked: rates, retries, hedges, pauses."""

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agi.lookup.limits import HedgeBudget, Pauses, RetryBudget, Tally, TokenBucket, retry_after

NOON_1994 = 784111777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, section 5.6.7."""


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(30, 5)  # LANCK's 30 requests a second
    assert 5 == sum(bucket.take(100.0) for _ in range(10))
    assert 30 == sum(bucket.take(100.0 + i / 1000) for i in range(1, 1001))


def test_a_bucket_does_not_save_more_than_its_burst() -> None:
    bucket = TokenBucket(10, 2)
    assert [True, True, False] == [bucket.take(0.0) for _ in range(3)]
    assert [True, True, False] == [bucket.take(1000.0) for _ in range(3)]


def test_the_wait_of_a_queue_is_told() -> None:
    bucket = TokenBucket(4, 1)
    assert [0.0, 0.25, 0.5] == [bucket.wait_s(100.0, ahead) for ahead in range(3)]
    bucket.take(100.0)
    assert [0.25, 0.5, 0.75] == [bucket.wait_s(100.0, ahead) for ahead in range(3)]
    assert 0.125 == bucket.wait_s(100.125)


def test_a_rate_of_nothing_is_no_limit() -> None:
    bucket = TokenBucket(0, 1)
    assert all(bucket.take(0.0) for _ in range(1000))
    assert 0.0 == bucket.wait_s(0.0, 1000)


@pytest.mark.parametrize(("rate", "burst"), [(-1, 1), (1, 0.5), (float("nan"), 1)])
def test_a_bucket_that_would_never_give_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="bucket"):
        TokenBucket(rate, burst)


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 2), min_size=1, max_size=100),
)
def test_a_bucket_never_gives_more_than_its_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    bucket, now, given_out = TokenBucket(rate, burst), 0.0, 0
    for gap in gaps:
        now += gap
        given_out += bucket.take(now) + bucket.take(now)
    assert given_out <= burst + rate * now + 1e-6


@given(st.floats(0.1, 1000), st.floats(0, 1e6), st.integers(0, 20))
@example(1000.0, 999_999.3, 0)
def test_who_waits_as_long_as_told_gets_a_token(rate: float, now: float, others: int) -> None:
    bucket = TokenBucket(rate, 1)
    bucket.take(now)
    then = now + bucket.wait_s(now, others)
    assert bucket.take(then)


def test_a_clock_that_stands_still_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(10, 1)
    assert [True, False, False] == [bucket.take(now) for now in (100.0, 100.0, 99.0)]


def test_f21_three_retries_are_always_allowed() -> None:
    budget = RetryBudget()
    assert [True, True, True, False] == [budget.allow(100.0) for _ in range(4)]


def test_f21_retries_are_a_fifth_of_the_requests() -> None:
    budget = RetryBudget()
    for i in range(100):
        budget.request(100.0 + i / 20)
    assert 20 == sum(budget.allow(105.0) for _ in range(100))


def test_f21_retries_of_long_ago_do_not_count() -> None:
    budget = RetryBudget()
    assert 3 == sum(budget.allow(100.0) for _ in range(10))
    assert 3 == sum(budget.allow(110.5) for _ in range(10))


def test_one_trouble_counts_once_however_many_it_struck() -> None:
    """Floor 3: three troubles of sixty numbers each may go on, a fourth one may not."""
    budget = RetryBudget()
    allowed = [sum(budget.allow(0.0, ("npl", request)) for _ in range(60)) for request in range(4)]
    assert [60, 60, 60, 0] == allowed
    assert not budget.allow(0.0)


def test_f23_five_of_a_hundred_lookups_are_hedged() -> None:
    budget = HedgeBudget()
    assert 5 == sum(budget.allow() for _ in range(10))
    hedges = 0
    for _ in range(1000):
        budget.lookup()
        hedges += budget.allow()
    assert 50 == hedges


def test_f23_a_hedge_is_not_saved_for_ever() -> None:
    budget = HedgeBudget(burst=2.0)
    for _ in range(1000):
        budget.lookup()
    assert [True, True, False] == [budget.allow() for _ in range(3)]


def test_f23_ten_lookups_of_a_tenth_earn_a_whole_hedge() -> None:
    budget = HedgeBudget(share=0.1, burst=1.0)
    assert budget.allow()
    earned = []
    for _ in range(10):
        budget.lookup()
        earned.append(budget.allow())
    assert [False] * 9 + [True] == earned


def test_f23_when_half_the_tokens_are_gone_nothing_is_hedged() -> None:
    # gRPC proposal A6: 10 tokens, a failure takes 1, a success gives 0.1, none at half or less.
    budget = HedgeBudget(burst=100.0)
    for _ in range(4):
        budget.failed()
    assert budget.allow()
    budget.failed()
    assert not budget.allow()
    budget.succeeded()
    assert budget.allow()


def test_f23_ten_failures_need_more_than_fifty_answers() -> None:
    budget = HedgeBudget()
    for _ in range(100):
        budget.failed()
    for _ in range(50):
        budget.succeeded()
    assert not budget.allow()
    budget.succeeded()
    assert budget.allow()


def test_answers_do_not_pile_up_against_failures_to_come() -> None:
    budget = HedgeBudget()
    for _ in range(1000):
        budget.succeeded()
    for _ in range(5):
        budget.failed()
    assert not budget.allow()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 1.0),
        ("", 1.0),
        ("0", 1.0),
        ("1", 1.0),
        (" 7\t", 7.0),
        ("007", 7.0),
        ("60", 60.0),
        ("61", 60.0),
        ("315360000", 60.0),  # ten years
        ("9" * 400, 60.0),
        ("0" * 5000 + "9", 9.0),
        ("9" * 100_000, 60.0),
        ("-5", 1.0),
        ("+5", 1.0),
        ("1.5", 1.0),
        ("1e3", 1.0),
        ("NaN", 1.0),
        ("inf", 1.0),
        ("5 s", 1.0),
        ("5\n", 1.0),
        ("\u0665", 1.0),
        ("soon", 1.0),
        ("<html>", 1.0),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 1.0),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 1.0),
        ("Sun, 06 Nov 1904 08:40:00 GMT", 1.0),
        ("Wed, 06 Nov 2004 08:49:37 GMT", 60.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60.0),
        ("Sunday, 06-Nov-04 08:50:07 GMT", 60.0),
        ("Sunday, 06-Nov-45 08:50:07 GMT", 1.0),  # 51 years ahead: 1945
        ("Sun, 06 Nov 1994 08:50:07 CET", 1.0),
        ("Sun, 06 Nov 1994 08:50:07", 1.0),
        ("Sun, 06 Nov 0000 08:50:07 GMT", 1.0),
        ("Sun, 06 Foo 1994 08:50:07 GMT", 1.0),
        ("Sun, 99 Nov 1994 99:99:99 GMT", 1.0),
        ("Sun, 06 Nov 1994 08:50:07 GMT" * 1000, 1.0),
    ],
)
def test_f18_a_wish_to_be_left_alone_is_read_and_clamped(value: str | None, seconds: float) -> None:
    assert seconds == retry_after(value, NOON_1994)


@given(st.text() | st.integers().map(str) | st.floats().map(str), st.floats(0, 4e9))
@example("Sun, 06 Nov 1994 08:50:07 GMT", 0.0)
def test_f18_whatever_a_provider_wishes_is_a_second_to_a_minute(value: str, epoch: float) -> None:
    assert 1.0 <= retry_after(value, epoch) <= 60.0


@given(st.integers(0, 4_000_000_000), st.integers(1, 60))
def test_f18_a_date_is_read_as_the_standard_library_writes_it(epoch: int, seconds: int) -> None:
    assert seconds == retry_after(formatdate(epoch + seconds, usegmt=True), float(epoch))


def test_f18_a_pause_holds_for_its_country_until_it_ends() -> None:
    pauses = Pauses()
    assert not pauses.paused("GB", 100.0)
    pauses.pause("GB", 100.0, 5.0)
    assert (True, False, False) == tuple(pauses.paused(s, 104.9) for s in ("GB", "FR", ""))
    assert not pauses.paused("GB", 105.0)
    assert not pauses.paused("GB", 105.0)


def test_f18_a_pause_of_everything_holds_for_every_country() -> None:
    pauses = Pauses()
    pauses.pause("", 100.0, 5.0)
    assert (True, True) == (pauses.paused("GB", 104.9), pauses.paused("", 104.9))
    assert not pauses.paused("GB", 105.0)


def test_f18_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pauses = Pauses()
    pauses.pause("GB", 100.0, 60.0)
    pauses.pause("GB", 101.0, 1.0)
    assert pauses.paused("GB", 159.9)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_a_pause_of_no_time_is_none(seconds: float) -> None:
    pauses = Pauses()
    pauses.pause("GB", 100.0, seconds)
    assert not pauses.paused("GB", 100.0)


def test_scopes_without_end_do_not_fill_the_memory() -> None:
    pauses = Pauses(limit=3)
    pauses.pause("", 100.0, 60.0)
    pauses.pause("GB", 100.0, 10.0)
    pauses.pause("FR", 100.0, 20.0)
    pauses.pause("DE", 100.0, 30.0)
    assert 3 == len(pauses._until)
    pauses.pause("DE", 100.0, 40.0)
    assert {"": 160.0, "FR": 120.0, "DE": 140.0} == pauses._until


def test_a_tally_forgets_what_is_older_than_its_window() -> None:
    tally = Tally(10.0)
    tally.add(100.0, bad=False)
    tally.add(105.0, bad=True)
    assert (1, 1) == tally.counts(109.9)
    assert (0, 1) == tally.counts(111.0)
    assert (0, 0) == tally.counts(116.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=80))
def test_a_tally_counts_like_a_list_to_a_tenth_of_the_window(
    steps: list[tuple[float, bool]],
) -> None:
    tally, now, events = Tally(10.0), 50.0, []
    for gap, bad in steps:
        now += gap
        tally.add(now, bad=bad)
        events.append((now, bad))
    for wanted in (False, True):
        least = sum(bad is wanted for at, bad in events if at > now - 9.0)
        most = sum(bad is wanted for at, bad in events if at > now - 10.0)
        assert least <= tally.counts(now)[wanted] <= most
