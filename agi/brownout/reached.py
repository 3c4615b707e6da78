"""What calls that needed a network got of late: the level of a brown-out as calls feel it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

from agi.model import Source

OVER_S: Final = 10.0
"""The calls of so many seconds are looked at."""

ENOUGH: Final = 20
"""Fewer calls than these tell nothing."""

SHARE: Final = 0.8
BACK: Final = 0.6
"""From the first share of calls on a level is shown, and below the second no longer."""

RANGE: Final = 2
DEFAULT: Final = 3

_KEPT: Final = frozenset({Source.MEMORY, Source.STORE, Source.LIVE, Source.STALE})
NONE_NEEDED: Final = frozenset({"invalid-number", "nodip"})
"""Reasons of calls that have no network and miss none."""


class Outcomes:
    """The sources of the last ten seconds' calls. ``now`` is the monotonic clock in seconds.

    ``without`` is 2 while most calls got no more than their range's network, 3 while most got
    none, else 0.
    """

    def __init__(self) -> None:
        self.without = 0
        self._seen: deque[tuple[float, int, int, int]] = deque()

    def take(self, calls: Mapping[tuple[str, str, str], int], now: float) -> None:
        """Take the counts of all calls so far, by action, source and reason."""
        by_source: Counter[str] = Counter()
        for (_, source, reason), count in calls.items():
            if reason not in NONE_NEEDED:
                by_source[source] += count
        kept = sum(by_source[source] for source in _KEPT)
        self._seen.append((now, kept, by_source[Source.RANGE], by_source[Source.DEFAULT]))
        while len(self._seen) > 1 and now - self._seen[1][0] >= OVER_S:
            self._seen.popleft()
        self.without = self._judged(now)

    def _judged(self, now: float) -> int:
        of_range, default, total = self._got()
        if now - self._seen[0][0] < OVER_S or total < ENOUGH:
            return 0
        if default >= total * (BACK if self.without == DEFAULT else SHARE):
            return DEFAULT
        least = BACK if self.without >= RANGE else SHARE
        return RANGE if of_range + default >= total * least else 0

    def _got(self) -> tuple[int, int, int]:
        """Return how many got their range's network, how many none, and how many there were."""
        if not self._seen:
            return 0, 0, 0
        (_, *before), (_, *after) = self._seen[0], self._seen[-1]
        kept, of_range, default = (b - a for a, b in zip(before, after, strict=True))
        return of_range, default, kept + of_range + default

    def why(self) -> str:
        """Return what calls got, for people; empty when most have a network."""
        of_range, default, total = self._got()
        if not self.without:
            return ""
        return f"{of_range + default} of {total} calls had no network of their own"

    def clear(self) -> None:
        """Forget everything: another level is in force."""
        self.without = 0
        self._seen.clear()
