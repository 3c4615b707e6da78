"""A provider that fails is left alone, and tried again with one request a second at most."""

import time
from collections.abc import Callable, Iterator
from itertools import cycle, pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agi.lookup.breaker import Admit, Breaker, State

CAUSES = ("connect", "tls", "timeout", "reset", "http", "oversize", "malformed", "truncated")
UNCOUNTED = ("throttled", "shed", "bad_request")


def breaker(draw: float = 0.5) -> Breaker:
    """Return a breaker that stays open for 1 s exactly, or for what the draw says."""
    return Breaker(draw=lambda: draw)


def opened(now: float = 100.0, cause: str = "timeout") -> Breaker:
    made = breaker()
    for _ in range(5):
        made.failed(now, cause)
    assert made.state is State.OPEN
    return made


def test_a_new_breaker_lets_everything_pass() -> None:
    made = breaker()
    assert (State.CLOSED, "", 0) == (made.state, made.why, made.generation)
    assert {Admit.YES} == {made.admit(now) for now in range(100)}


@pytest.mark.parametrize("cause", CAUSES)
def test_f21_five_failures_in_a_row_open_it(cause: str) -> None:
    made = breaker()
    assert [False, False, False, False, True] == [made.failed(100.0, cause) for _ in range(5)]
    assert (State.OPEN, cause, 101.0) == (made.state, made.why, made.open_until)
    assert Admit.NO is made.admit(100.9)


def test_f21_a_success_ends_the_row() -> None:
    made = breaker()
    for _ in range(3):
        for _ in range(4):
            assert not made.failed(100.0, "http")
        assert not made.succeeded(100.0)
    assert State.CLOSED is made.state


def test_f21_half_of_twenty_results_open_it() -> None:
    made = breaker()
    changes = []
    for i in range(20):
        now = 100.0 + i / 10
        changes.append(made.failed(now, "http") if i % 2 else made.succeeded(now))
    assert [False] * 19 + [True] == changes


def test_f21_nineteen_results_are_not_enough_for_a_share() -> None:
    made = breaker()
    for i in range(19):
        assert not (made.succeeded(100.0) if i % 2 else made.failed(100.0, "http"))
    assert State.CLOSED is made.state


def test_f21_thirty_per_cent_of_errors_do_not_open_it() -> None:
    made = breaker()
    for i in range(1000):
        now = 100.0 + i / 100
        assert not (made.failed(now, "http") if i % 10 in {0, 3, 6} else made.succeeded(now))
    assert State.CLOSED is made.state


def test_results_older_than_the_window_do_not_count() -> None:
    made = breaker()
    for i in range(19):
        assert not (made.succeeded(100.0) if i % 2 else made.failed(100.0, "http"))
    assert not made.failed(111.0, "http")
    assert State.CLOSED is made.state


@pytest.mark.parametrize("cause", UNCOUNTED)
def test_f18_what_says_nothing_against_the_provider_is_not_counted(cause: str) -> None:
    made = breaker()
    assert not any(made.failed(100.0, cause) for _ in range(100))
    assert State.CLOSED is made.state


@pytest.mark.parametrize("cause", UNCOUNTED)
def test_f18_a_probe_that_says_nothing_gives_its_permit_back(cause: str) -> None:
    made = opened(100.0)
    assert Admit.PROBE is made.admit(101.0)
    assert made.failed(101.1, cause)
    assert State.OPEN is made.state
    assert (Admit.NO, Admit.PROBE) == (made.admit(101.9), made.admit(102.0))


@pytest.mark.parametrize(("draw", "until"), [(0.0, 100.8), (0.5, 101.0), (1.0, 101.2)])
def test_it_stays_open_for_a_second_more_or_less(draw: float, until: float) -> None:
    made = breaker(draw)
    for _ in range(5):
        made.failed(100.0, "reset")
    assert pytest.approx(until) == made.open_until


def test_one_probe_goes_out_when_the_time_is_over() -> None:
    made = opened(100.0)
    assert [Admit.PROBE, Admit.NO, Admit.NO] == [made.admit(101.0) for _ in range(3)]
    assert State.PROBING is made.state


def test_a_probe_that_succeeds_closes_it_and_starts_a_generation() -> None:
    made = opened(100.0)
    made.admit(101.0)
    assert made.succeeded(101.1)
    assert (State.CLOSED, "", 1) == (made.state, made.why, made.generation)
    assert Admit.YES is made.admit(101.1)


def test_a_probe_that_fails_opens_it_for_another_second_without_doubling() -> None:
    made = opened(100.0)
    now = 101.0
    for _ in range(20):
        assert Admit.PROBE is made.admit(now)
        assert made.failed(now + 0.05, "timeout")
        assert Admit.NO is made.admit(now + 1.04)
        now += 1.05
    assert 0 == made.generation


def test_the_failures_of_before_do_not_count_after_a_closing() -> None:
    made = opened(100.0)
    made.admit(101.0)
    made.succeeded(101.1)
    assert [False, False, False, False, True] == [made.failed(101.2, "http") for _ in range(5)]


def test_a_permit_without_an_end_counts_as_failed() -> None:
    made = opened(100.0)
    assert Admit.PROBE is made.admit(101.0)
    assert Admit.NO is made.admit(102.5)
    # 1.6 s after the permit it has failed, and a second after that the next one may try.
    assert Admit.NO is made.admit(103.5)
    assert State.OPEN is made.state
    assert Admit.PROBE is made.admit(103.7)


def test_a_permit_lost_long_ago_does_not_delay_the_next() -> None:
    made = opened(100.0)
    assert [Admit.PROBE, Admit.PROBE] == [made.admit(101.0), made.admit(200.0)]


def test_a_probe_that_was_cancelled_can_be_sent_again() -> None:
    made = opened(100.0)
    made.admit(101.0)
    made.released(101.2)
    assert (State.OPEN, Admit.NO, Admit.PROBE) == (
        made.state,
        made.admit(101.9),
        made.admit(102.0),
    )
    made.released(105.0)
    assert Admit.PROBE is made.admit(105.0)


def test_what_was_not_a_probe_cannot_be_given_back() -> None:
    made = breaker()
    assert not made.released(1.0)
    assert State.CLOSED is made.state
    made = opened(100.0)
    assert not made.released(100.0)
    assert Admit.NO is made.admit(100.5)


def test_a_late_success_closes_an_open_breaker() -> None:
    made = opened(100.0)
    assert made.succeeded(100.3)
    assert (State.CLOSED, 1) == (made.state, made.generation)


def test_late_failures_do_not_prolong_an_opening() -> None:
    made = opened(100.0)
    assert not any(made.failed(100.0 + i / 50, "timeout") for i in range(50))
    assert 101.0 == made.open_until
    assert Admit.PROBE is made.admit(101.0)


def test_f24_the_share_of_before_does_not_count_after_a_closing() -> None:
    made = breaker()
    for i in range(20):
        made.failed(100.0, "http") if i % 2 else made.succeeded(100.0)
    assert made.succeeded(100.5)  # it was open
    assert not made.failed(100.6, "http")
    assert State.CLOSED is made.state


def test_f24_a_late_success_closes_it_to_the_late_failures_too() -> None:
    made = opened(100.0)
    made.succeeded(100.3)
    assert not any(made.failed(100.4, "timeout", sent=99.9) for _ in range(10))


def test_failures_of_requests_sent_before_the_closing_do_not_open_it_again() -> None:
    made = opened(100.0)
    made.admit(101.0)
    made.succeeded(101.1)
    assert not any(made.failed(101.2, "timeout", sent=100.6) for _ in range(10))
    assert State.CLOSED is made.state


def test_a_failure_of_a_request_sent_before_the_probe_is_not_the_probes() -> None:
    made = opened(100.0)
    made.admit(101.0)
    assert not made.failed(101.2, "timeout", sent=99.9)
    assert State.PROBING is made.state
    assert made.failed(101.3, "timeout", sent=101.0)


@pytest.mark.parametrize("status", ["401", "403"])
def test_f19_a_refused_account_opens_it_at_once_and_for_longer_each_time(status: str) -> None:
    del status  # the adapters give both the cause "account"
    made = breaker()
    assert made.failed(100.0, "account")
    now = 100.0
    for length in (5.0, 10.0, 20.0, 30.0, 30.0):
        assert now + length == made.open_until
        now += length
        assert (Admit.NO, Admit.PROBE) == (made.admit(now - 0.01), made.admit(now))
        assert made.failed(now, "account")


def test_f19_a_person_is_called_once_for_each_outage_of_the_account() -> None:
    made = breaker()
    made.failed(100.0, "timeout")
    assert not made.take_page()
    made.failed(100.0, "account")
    assert [True, False] == [made.take_page(), made.take_page()]
    made.admit(105.0)
    made.failed(105.1, "timeout")
    made.admit(106.2)
    made.failed(106.3, "account")
    assert not made.take_page()
    made.admit(made.open_until)
    made.succeeded(200.0)
    made.failed(201.0, "account")
    assert made.take_page()


def test_f19_a_page_that_nobody_took_outlives_the_outage() -> None:
    made = breaker()
    made.failed(100.0, "account")
    made.admit(105.0)
    made.succeeded(105.1)
    assert [True, False] == [made.take_page(), made.take_page()]


def test_f19_an_account_that_works_again_starts_with_five_seconds() -> None:
    made = breaker()
    made.failed(100.0, "account")
    made.admit(105.0)
    made.failed(105.0, "account")
    made.admit(115.0)
    made.succeeded(115.0)
    made.failed(120.0, "account")
    assert 125.0 == made.open_until


def test_f20_a_late_success_does_not_contradict_the_refusal_of_an_account() -> None:
    made = breaker()
    made.failed(100.0, "account")
    assert not made.succeeded(100.2)
    assert (State.OPEN, Admit.NO) == (made.state, made.admit(104.9))


def test_f20_an_account_without_credit_is_tried_twice_a_minute_at_most() -> None:
    made = breaker()
    probes = 0
    made.failed(0.0, "account")
    for tick in range(36_000):
        if made.admit(tick / 10) is Admit.PROBE:
            probes += 1
            made.failed(tick / 10, "account")
    # 5, 10 and 20 s, then every 30 s of an hour: 3 + 118.
    assert 121 == probes


def test_f21_a_dead_provider_gets_one_request_a_second() -> None:
    draws = cycle((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    made = Breaker(draw=lambda: next(draws))
    sent = list(storm(made, alive=lambda _: False, seconds=60))
    opening = made_at(sent, 0.0, 1.0)
    assert opening <= 5 + 1
    assert all(later - sooner >= 0.999 for sooner, later in pairwise(sent[5:]))
    assert 45 <= len(sent) <= 65


def test_f24_a_flapping_provider_changes_the_route_twice_in_ten_seconds() -> None:
    made = Breaker(draw=lambda: 0.5)
    list(storm(made, alive=lambda now: now % 10 < 5, seconds=100))
    # Down at 5, 15, ... 95; up again at 10, ... 90: nine closings, no more.
    assert 9 == made.generation


def storm(made: Breaker, alive: Callable[[float], bool], seconds: int) -> Iterator[float]:
    """Ask 200 times a second; failures are told at once, as of a refused connection."""
    for tick in range(seconds * 200):
        now = tick / 200
        if made.admit(now) is Admit.NO:
            continue
        yield now
        if alive(now):
            made.succeeded(now)
        else:
            made.failed(now, "connect")


def made_at(sent: list[float], first: float, last: float) -> int:
    return sum(first <= at < last for at in sent)


class Clockwork(RuleBasedStateMachine):
    """Whatever happens in whatever order, a permit does not leak and probes stay apart."""

    @initialize(draws=st.lists(st.floats(0, 1), min_size=1))
    def start(self, draws: list[float]) -> None:
        endless = cycle(draws)
        self.now = 1000.0
        self.breaker = Breaker(draw=lambda: next(endless))
        self.probes: list[float] = []
        self.generations = [0]

    @rule(seconds=st.floats(0, 3) | st.floats(0, 60))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        before = self.breaker.state
        answer = self.breaker.admit(self.now)
        assert (answer is Admit.YES) == (before is State.CLOSED)
        if answer is Admit.PROBE:
            assert State.PROBING is self.breaker.state
            self.probes.append(self.now)

    @rule()
    def succeed(self) -> None:
        was = self.breaker.state
        assert self.breaker.succeeded(self.now) == (was is not self.breaker.state)

    @rule(cause=st.sampled_from((*CAUSES, *UNCOUNTED, "account")), times=st.integers(1, 6))
    def fail(self, cause: str, times: int) -> None:
        for _ in range(times):
            was, until = self.breaker.state, self.breaker.open_until
            changed = self.breaker.failed(self.now, cause)
            assert changed == (was is not self.breaker.state)
            assert was is not State.OPEN or until == self.breaker.open_until

    @rule()
    def release(self) -> None:
        self.breaker.released(self.now)

    @precondition(lambda self: self.breaker.state is not State.CLOSED)
    @rule()
    def wait_for_a_permit(self) -> None:
        # 1.6 s until a lost permit has failed, then 30 s at most until the next one.
        self.now += 31.7
        self.ask()
        assert self.now == self.probes[-1]

    @invariant()
    def probes_are_a_second_apart(self) -> None:
        assert all(b - a >= 1 - 1e-9 for a, b in pairwise(self.probes))

    @invariant()
    def generations_only_grow(self) -> None:
        assert self.generations[-1] <= self.breaker.generation <= self.generations[-1] + 1
        self.generations.append(self.breaker.generation)

    @invariant()
    def closed_means_no_reason(self) -> None:
        assert (self.breaker.state is State.CLOSED) == (not self.breaker.why)


TestClockwork = Clockwork.TestCase
TestClockwork.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_question_to_the_breaker_costs_a_microsecond_or_so() -> None:
    made = breaker()
    start = time.process_time()
    for i in range(10_000):
        made.admit(i / 1000)
        made.succeeded(i / 1000)
    assert time.process_time() - start < 0.5
