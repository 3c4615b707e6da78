"""Quantiles of the last minute agree with a sorted list, to 5 %."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.latency import Quantiles

MILLISECOND_TO_MINUTE = st.floats(0.001, 60.0)


def filled(samples: list[float], now: float = 1000.0) -> Quantiles:
    made = Quantiles()
    for sample in samples:
        made.observe(sample, now)
    return made


def test_fewer_than_twenty_samples_have_no_quantile() -> None:
    made = filled([0.1] * 19)
    assert None is made.quantile(0.95, 1000.0)
    made.observe(0.1, 1000.0)
    assert pytest.approx(0.1, rel=0.05) == made.quantile(0.95, 1000.0)
    assert 20 == made.count(1000.0)


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99), (1.0, 1.0)])
def test_a_quantile_is_exact_to_five_per_cent(share: float, seconds: float) -> None:
    made = filled([i / 1000 for i in range(1, 1001)])
    assert pytest.approx(seconds, rel=0.05) == made.quantile(share, 1000.0)


@given(st.lists(MILLISECOND_TO_MINUTE, min_size=20, max_size=300), st.floats(0.01, 1.0))
def test_a_quantile_agrees_with_a_sorted_list(samples: list[float], share: float) -> None:
    exact = sorted(samples)[math.ceil(share * len(samples)) - 1]
    assert pytest.approx(exact, rel=0.05) == filled(samples).quantile(share, 1000.0)


@pytest.mark.parametrize(("sample", "read"), [(0.0, 0.001), (-1.0, 0.001), (1e9, 60.0)])
def test_what_is_out_of_bounds_counts_as_the_bound(sample: float, read: float) -> None:
    made = filled([sample] * 20)
    assert pytest.approx(read, rel=0.05) == made.quantile(0.5, 1000.0)


def test_samples_are_forgotten_after_a_minute_at_the_latest() -> None:
    made = Quantiles()
    for second in range(1000, 1200):
        made.observe(0.1, float(second))
        assert made.count(float(second)) <= 60
    assert 60 == made.count(1199.9)
    assert 30 == made.count(1200.0)  # the half from 1140 on is gone
    assert 0 == made.count(1260.0)
    assert None is made.quantile(0.5, 1260.0)


def test_f23_a_step_of_the_latency_is_seen_and_forgotten() -> None:
    made = Quantiles()
    read = []
    for tick in range(3000):
        now = tick / 10
        made.observe(0.4 if 100 <= now < 160 else 0.05, now)
        read.append(made.quantile(0.95, now))
    assert pytest.approx(0.05, rel=0.05) == read[999]
    assert pytest.approx(0.4, rel=0.05) == read[1050]  # after five seconds
    assert pytest.approx(0.05, rel=0.05) == read[2210]  # a minute after its end


def test_a_new_sample_is_seen_at_once_among_few() -> None:
    made = filled([0.01] * 20)
    assert pytest.approx(0.01, rel=0.05) == made.quantile(1.0, 1000.0)
    made.observe(5.0, 1000.0)
    assert pytest.approx(5.0, rel=0.05) == made.quantile(1.0, 1000.0)


def test_a_clock_that_steps_back_loses_nothing() -> None:
    made = filled([0.1] * 20)
    made.observe(0.1, 900.0)
    made.observe(0.1, 800.0)
    assert 22 == made.count(800.0)


def test_a_quiet_hour_leaves_nothing() -> None:
    made = filled([0.1] * 20)
    assert 0 == made.count(4600.0)


def test_a_sample_and_a_quantile_cost_microseconds() -> None:
    made = filled([0.1] * 10_000)
    start = time.process_time()
    for i in range(10_000):
        made.observe(0.1, 1000.0 + i / 1000)
        made.quantile(0.95, 1000.0 + i / 1000)
    assert time.process_time() - start < 1.0
