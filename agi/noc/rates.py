"""How many calls a second there were lately, by the times at which they were decided."""

from __future__ import annotations

from typing import Final

SECONDS: Final = 5
"""The mean is taken over so many whole seconds, the current one left out."""


class Rate:
    """Counts by whole seconds. Times are epochs; what is told late, after seconds, still counts."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def count(self, at: float, now: float) -> None:
        """Count one call of a time ``at``; one too long ago, told anew, counts for nothing."""
        second = int(at)
        if int(now) - SECONDS <= second <= int(now):
            self._counts[second] = self._counts.get(second, 0) + 1
            if len(self._counts) > 2 * SECONDS:
                self._let_go(int(now))

    def per_second(self, now: float) -> float:
        """Return the mean of the last whole seconds."""
        self._let_go(int(now))
        current = int(now)
        return sum(self._counts.get(current - ago, 0) for ago in range(1, SECONDS + 1)) / SECONDS

    def _let_go(self, current: int) -> None:
        oldest = current - SECONDS
        self._counts = {at: count for at, count in self._counts.items() if at >= oldest}
