"""Counting and timing."""

from __future__ import annotations

from agi.metrics import SECONDS, Latency


def test_nothing_observed_has_no_quantile() -> None:
    assert Latency().quantile(0.5) is None


def test_a_quantile_is_the_bound_of_its_bucket() -> None:
    latency = Latency()
    for _ in range(98):
        latency.observe(0.0004)
    latency.observe(0.09)
    latency.observe(0.7)
    assert 100 == latency.count
    assert 0.0005 == latency.quantile(0.5)
    assert 0.1 == latency.quantile(0.99)
    assert 0.8 == latency.quantile(1.0)


def test_a_bound_belongs_to_its_own_bucket() -> None:
    latency = Latency()
    latency.observe(0.001)
    assert 0.001 == latency.quantile(0.5)


def test_slower_than_every_bucket_is_infinite() -> None:
    latency = Latency()
    latency.observe(3.0)
    assert float("inf") == latency.quantile(0.5)
    assert (0.0005, 2.5) == (SECONDS[0], SECONDS[-1])
