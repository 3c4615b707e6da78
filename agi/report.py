"""What ``dialdip status`` says: what is wrong, then what runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from agi.config import Loaded
from agi.metrics import Latency, Metrics
from agi.model import Source

FULL: Final = 0.9
"""From this share of the connections on, the port is said to be nearly full."""

SLOW_SHARE: Final = 0.1
"""From this share of calls without a network on, lookups are said to fail."""

IN_A_ROW: Final = 3
"""So many requests fail in a row before a provider is said to; an account's refusal at once."""

RECENT_S: Final = 300.0
"""What happened longer ago is counted on, but is no trouble of now."""

ENOUGH: Final = 20
"""So many calls are needed before a share means anything."""


def report(  # noqa: PLR0913 - one for each thing that is shown
    metrics: Metrics,
    *,
    loaded: Loaded,
    fastagi: str,
    country: str,
    table: str,
    connections: tuple[int, int],
    remembered: int,
    log_dropped: int,
    uptime_s: float,
    now: float,
) -> dict[str, object]:
    """Return the report as JSON values; ``troubles`` is empty when all is well."""
    return {
        "troubles": _troubles(metrics, loaded, connections, log_dropped, now),
        "service": {
            "uptime_s": round(uptime_s),
            "fastagi": fastagi,
            "table": table,
            "country": country,
            "calls": sum(metrics.calls.values()),
            "committed": metrics.endings["committed"],
            "decision_p50_ms": _ms(metrics.decision, 0.5),
            "decision_p99_ms": _ms(metrics.decision, 0.99),
            "connections": f"{connections[0]} of {connections[1]}",
            "numbers_remembered": remembered,
            "reloads": metrics.reloads["ok"],
        },
        "calls": [
            {"labels": labels, "count": count} for labels, count in metrics.calls.most_common()
        ],
        "providers": [_provider(metrics, name) for name in metrics.lookup],
        "refused": dict(metrics.refused.most_common()),
    }


def _provider(metrics: Metrics, name: str) -> dict[str, object]:
    latency = metrics.lookup[name]
    return {
        "provider": name,
        "asked": latency.count,
        "p50_ms": _ms(latency, 0.5),
        "p99_ms": _ms(latency, 0.99),
        "answers": _outcomes(metrics, name),
        "strangers": metrics.strangers[name],
    }


def _ms(latency: Latency, share: float) -> float | str | None:
    value = latency.quantile(share)
    if value is None:
        return None
    return "over 2500" if value == float("inf") else round(value * 1000, 2)


def _outcomes(metrics: Metrics, provider: str) -> str:
    return " ".join(
        f"{outcome}={count}"
        for (name, outcome), count in metrics.lookups.most_common()
        if name == provider
    )


def _troubles(
    metrics: Metrics, loaded: Loaded, connections: tuple[int, int], log_dropped: int, now: float
) -> list[str]:
    found = [*_of_lookups(metrics, loaded), *_of_endings(metrics, now)]
    if metrics.reload_refused:
        found.append("a reload was refused: the tables or the configuration on disk have faults")
    if connections[0] > connections[1] * FULL:
        found.append(f"{connections[0]} of {connections[1]} connections are in use")
    if log_dropped:
        found.append(f"{log_dropped} log lines were dropped: the log's reader is too slow")
    return found


def _of_lookups(metrics: Metrics, loaded: Loaded) -> Iterator[str]:
    if not any(one.enabled for one in loaded.config.providers):
        yield "no provider is configured: every call goes by prefix or default"
    for provider, (times, cause, detail) in metrics.failing.items():
        if cause == "account" or times >= IN_A_ROW:
            yield f"provider {provider} fails, {times} in a row, lastly: {cause} {detail}".rstrip()
    calls = sum(metrics.calls.values())
    blind = sum(n for (_, source, _), n in metrics.calls.items() if source == Source.DEFAULT)
    if calls >= ENOUGH and blind > calls * SLOW_SHARE:
        why = _commonest_reason(metrics)
        yield f"{blind} of {calls} calls went out without a network, mostly: {why}"


def _of_endings(metrics: Metrics, now: float) -> Iterator[str]:
    for ending, what in (
        ("failed", "calls failed by a fault of dialdip itself, see the log"),
        ("no-reply", "answers were not confirmed by Asterisk"),
        ("shed", "connections were shed for want of descriptors"),
    ):
        ago_s = now - metrics.last.get(ending, -math.inf)
        if ago_s < RECENT_S:
            yield f"{metrics.endings[ending]} {what}, the last {ago_s:.0f} s ago"


def _commonest_reason(metrics: Metrics) -> str:
    reasons: dict[str, int] = {}
    for (_, source, reason), count in metrics.calls.items():
        if source == Source.DEFAULT:
            reasons[reason] = reasons.get(reason, 0) + count
    return max(reasons, key=lambda reason: reasons[reason])
