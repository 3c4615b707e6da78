"""How fast a provider answers: quantiles of the last minute, pure, in a few kilobytes.

Samples fall into buckets whose bounds grow by a tenth, so a quantile is within 5 % of the true
one, whatever the distribution (the idea of DDSketch: relative error by logarithmic buckets).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from operator import add
from typing import Final

LOWEST_S: Final = 0.001
HIGHEST_S: Final = 60.0

ENOUGH: Final = 20
"""So few samples are needed for a quantile: of fewer, the p95 is only the slowest one."""

_LOG_GROWTH: Final = math.log(1.1)
_LOG_LOWEST: Final = math.log(LOWEST_S)
_BUCKETS: Final = math.ceil((math.log(HIGHEST_S) - _LOG_LOWEST) / _LOG_GROWTH)
_STALE_SHARE: Final = 32


class Quantiles:
    """The latencies of the last half to whole ``window_s``, in two halves that take turns.

    What lies outside 1 ms to 60 s counts as the nearer of the two.
    """

    def __init__(self, window_s: float = 60.0) -> None:
        self._half_s = window_s / 2
        self._turn = 0
        self._now = [0] * _BUCKETS
        self._before = [0] * _BUCKETS
        self._count_now = 0
        self._count_before = 0
        self._known: dict[float, tuple[int, float]] = {}

    def observe(self, seconds: float, now: float) -> None:
        """Take one sample; ``now`` is the monotonic clock in seconds."""
        self._rotate(now)
        bounded = min(max(seconds, LOWEST_S), HIGHEST_S)
        bucket = int((math.log(bounded) - _LOG_LOWEST) / _LOG_GROWTH)
        self._now[min(bucket, _BUCKETS - 1)] += 1
        self._count_now += 1

    def count(self, now: float) -> int:
        """Return how many samples there are."""
        self._rotate(now)
        return self._count_now + self._count_before

    def quantile(self, share: float, now: float) -> float | None:
        """Return the latency in seconds that ``share`` (0 to 1) of the samples do not exceed.

        None: fewer than 20 samples. It is worked out anew when a thirty-second part of the
        samples is newer, because it is asked for at every lookup.
        """
        count = self.count(now)
        if count < ENOUGH:
            return None
        known = self._known.get(share)
        if known is None or count - known[0] > count // _STALE_SHARE:
            known = self._known[share] = count, self._read(math.ceil(share * count))
        return known[1]

    def _read(self, rank: int) -> float:
        """Return the middle of the bucket that holds the sample of this rank, from 1."""
        upto = list(accumulate(map(add, self._now, self._before)))
        middle = bisect_left(upto, min(max(rank, 1), upto[-1])) + 0.5
        return min(math.exp(_LOG_LOWEST + _LOG_GROWTH * middle), HIGHEST_S)

    def _rotate(self, now: float) -> None:
        turn = int(now // self._half_s)
        if turn <= self._turn:
            return
        gone = turn > self._turn + 1
        self._before = [0] * _BUCKETS if gone else self._now
        self._count_before = 0 if gone else self._count_now
        self._now = [0] * _BUCKETS
        self._count_now = 0
        self._turn = turn
        self._known.clear()
