"""Counts and latencies of one process, cheap enough for every call.

A counter costs one dictionary step, a latency one bisection. Labels are closed sets of ours, never
a number, a name from outside or a unique id.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

SECONDS: Final = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.5, 2.5),
)
"""Upper bounds of the latency buckets, in seconds: 0.5 ms to 2.5 s."""

LAG_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper bounds of the event loops' lag, in seconds."""

_GRAIN: Final = 2**20


class Latency:
    """A histogram over fixed buckets; ``bounds`` are their upper ones, in seconds."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self.buckets)

    def values(self) -> list[float]:
        """Return the buckets and, last, the sum of the durations.

        The sum is a multiple of 2^-20 s: so sums of several processes are exact, whatever the order
        in which they are added, and never go down by a rounding, which Prometheus takes for a
        restart.
        """
        return [*self.buckets, round(self.total * _GRAIN) / _GRAIN]

    def add(self, values: Sequence[float] | None) -> None:
        """Add another process's values; those of another version's buckets are not understood."""
        if values is None or len(values) != len(self.buckets) + 1:
            return
        self.buckets = [a + int(b) for a, b in zip(self.buckets, values, strict=False)]
        self.total += values[-1]

    def quantile(self, share: float) -> float | None:
        """Return the upper bound of the bucket that holds this share; None without data.

        Beyond the last bound it is infinite: "slower than that" is all that is known.
        """
        rank = share * self.count
        seen = 0
        for index, number in enumerate(self.buckets):
            seen += number
            if number and seen >= rank:
                return self.bounds[index] if index < len(self.bounds) else float("inf")
        return None


class Metrics:
    """Everything that one process counts. Each counter is keyed by its labels, in order."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str, str]] = Counter()  # action, source, reason
        self.endings: Counter[str] = Counter()
        self.last: dict[str, float] = {}  # ending that means trouble: when, by the loop's clock
        self.refused: Counter[str] = Counter()  # kind of what was refused: security events
        self.lookups: Counter[tuple[str, str]] = Counter()  # provider, outcome
        self.strangers: Counter[str] = Counter()  # provider: answers that cannot be right
        self.cache: Counter[tuple[str, str]] = Counter()  # tier, result
        self.avoided: Counter[str] = Counter()  # why a question was not put to a provider
        self.oddities: Counter[tuple[str, str]] = Counter()  # what, provider or store
        self.cost: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.saved: defaultdict[str, Decimal] = defaultdict(Decimal)  # currency: not spent
        # provider: failures in a row, the last one's cause and detail
        self.failing: dict[str, tuple[int, str, str]] = {}
        self.reloads: Counter[str] = Counter()  # ok, refused
        self.reload_refused = False  # the last one
        self.decision = Latency()
        # provider, outcome: of one request
        self.lookup: defaultdict[tuple[str, str], Latency] = defaultdict(Latency)
        self.lag: defaultdict[str, Latency] = defaultdict(_lag)  # role: how late its loop was
        self.probes: Counter[tuple[str, str]] = Counter()  # provider; ok, wrong, missing
        self.dropped: Counter[str] = Counter()  # log, journal: lines and records that were lost

    def lookup_of(self, provider: str) -> Latency:
        """Return how long this provider's requests took, whatever came of them."""
        whole = Latency()
        for (name, _), latency in self.lookup.items():
            if name == provider:
                whole.add(latency.values())
        return whole

    def snapshot(self) -> dict[str, object]:
        """Return every count as JSON values, for another process to add up."""
        return {
            "calls": _rows(self.calls),
            "endings": dict(self.endings),
            "refused": dict(self.refused),
            "lookups": _rows(self.lookups),
            "strangers": dict(self.strangers),
            "cache": _rows(self.cache),
            "avoided": dict(self.avoided),
            "oddities": _rows(self.oddities),
            "cost": [[*labels, str(amount)] for labels, amount in self.cost.items()],
            "saved": {currency: str(amount) for currency, amount in self.saved.items()},
            "failing": {name: list(value) for name, value in self.failing.items()},
            "reloads": dict(self.reloads),
            "reload_refused": self.reload_refused,
            "decision": self.decision.values(),
            "lookup_seconds": [[*labels, one.values()] for labels, one in self.lookup.items()],
            "lag": {role: latency.values() for role, latency in self.lag.items()},
            "probes": _rows(self.probes),
            "dropped": dict(self.dropped),
        }

    def absorb(self, told: Mapping[str, Any]) -> None:
        """Add another process's snapshot."""
        for name in ("endings", "refused", "strangers", "avoided", "reloads", "dropped"):
            getattr(self, name).update(told.get(name, {}))
        for name in ("calls", "lookups", "cache", "oddities", "probes"):
            for *labels, count in told.get(name, []):
                getattr(self, name)[tuple(labels)] += count
        for provider, currency, amount in told.get("cost", []):
            self.cost[provider, currency] += Decimal(amount)
        for currency, amount in told.get("saved", {}).items():
            self.saved[currency] += Decimal(amount)
        for provider, (times, cause, detail) in told.get("failing", {}).items():
            self.failing[provider] = (times, cause, detail)
        self.reload_refused |= bool(told.get("reload_refused"))
        self.decision.add(told.get("decision"))
        for provider, outcome, values in told.get("lookup_seconds", []):
            self.lookup[provider, outcome].add(values)
        for role, values in told.get("lag", {}).items():
            self.lag[role].add(values)


def _lag() -> Latency:
    return Latency(LAG_SECONDS)


def _rows(counter: Mapping[Any, int]) -> list[list[object]]:
    return [[*labels, count] for labels, count in counter.items()]
