"""Counting and timing."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec

from agi.metrics import LAG_SECONDS, SECONDS, Latency, Metrics


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


def test_a_histogram_of_other_bounds_is_counted_by_them() -> None:
    lag = Metrics().lag["router"]
    lag.observe(0.02)
    lag.observe(7.0)
    assert 0.02 == lag.quantile(0.5)
    assert float("inf") == lag.quantile(1.0)
    assert (0.001, 1.0) == (LAG_SECONDS[0], LAG_SECONDS[-1])


def test_a_histogram_of_another_versions_bounds_is_not_understood() -> None:
    latency = Latency()
    latency.add(Latency(LAG_SECONDS).values())
    latency.add(None)
    assert 0 == latency.count


def test_a_providers_requests_are_added_up_whatever_came_of_them() -> None:
    metrics = Metrics()
    metrics.lookup["npl", "ok"].observe(0.1)
    metrics.lookup["npl", "timeout"].observe(0.7)
    metrics.lookup["lanck", "ok"].observe(0.1)
    whole = metrics.lookup_of("npl")
    assert (2, 0.8) == (whole.count, round(whole.total, 5))
    assert 0 == metrics.lookup_of("nobody").count


def filled() -> Metrics:
    metrics = Metrics()
    metrics.calls["route", "memory", "ok"] = 3
    metrics.endings["committed"] = 3
    metrics.refused["shed"] = 1
    metrics.lookups["npl", "ok"] = 2
    metrics.strangers["npl"] = 1
    metrics.cache["memory", "hit"] = 3
    metrics.avoided["same-route"] = 1
    metrics.oddities["hedged", "npl"] = 1
    metrics.cost["npl", "EUR"] = Decimal("0.006")
    metrics.saved["EUR"] = Decimal("0.012")
    metrics.failing["npl"] = (2, "timeout", "no bytes")
    metrics.reloads["refused"] = 1
    metrics.reload_refused = True
    metrics.decision.observe(0.25)
    metrics.lookup["npl", "ok"].observe(0.25)
    metrics.lag["router"].observe(0.25)
    metrics.probes["npl", "wrong"] = 1
    metrics.dropped["log"] = 4
    return metrics


def test_all_that_one_process_counts_reaches_another_as_json() -> None:
    there = Metrics()
    there.absorb(json.loads(msgspec.json.encode(filled().snapshot())))
    assert filled().snapshot() == there.snapshot()
    assert set(vars(filled())) - {"last"} == {name for name, one in vars(there).items() if one}


def test_two_processes_count_twice_as_much() -> None:
    both = Metrics()
    for _ in range(2):
        both.absorb(filled().snapshot())
    assert (6, 2, 2, 8) == (
        both.calls["route", "memory", "ok"],
        both.probes["npl", "wrong"],
        both.lag["router"].count,
        both.dropped["log"],
    )
    assert (Decimal("0.012"), 0.5) == (both.cost["npl", "EUR"], both.decision.total)
