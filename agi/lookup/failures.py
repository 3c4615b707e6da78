"""Failures remembered: a number that just could not be looked up is not asked again at once.

RFC 9520 (Negative Caching of DNS Resolution Failures), section 3.2, is the model: a failure is
cached for at least a second, longer each time, at most five minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from agi.model import Msisdn

FIRST_S: Final = 1.0
MOST_S: Final = 300.0
_SPREAD: Final = 0.2


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a number has no answer: ``reason`` is a value of CARRIER_REASON."""

    reason: str
    times: int
    until: float
    generations: tuple[tuple[str, int], ...]


class Failures:
    """At most ``entries`` failures, least recently used first out.

    ``draw`` is uniform in [0, 1): it spreads the times by 20 %, so that numbers that failed
    together are not asked again together.
    """

    def __init__(self, entries: int, draw: Callable[[], float]) -> None:
        self._kept: LRUCache[Msisdn, Failure] = LRUCache(entries)
        self._draw = draw

    def get(self, number: Msisdn, now: float, generation: Callable[[str], int]) -> Failure | None:
        """Return the failure that still holds.

        It no longer does when an account that failed has had its breaker closed since:
        ``generation`` is what counts an account's outages.
        """
        failure = self._kept.get(number)
        if failure is None:
            return None
        if any(generation(name) != then for name, then in failure.generations):
            del self._kept[number]
            return None
        return failure if now < failure.until else None

    def failed(
        self,
        number: Msisdn,
        now: float,
        reason: str,
        generations: tuple[tuple[str, int], ...],
    ) -> None:
        """Remember that these accounts, in these outages, had no answer."""
        before = self._kept.get(number)
        times = 1 if before is None or now - before.until > MOST_S else before.times + 1
        lasts = min(MOST_S, FIRST_S * 2 ** min(times - 1, 9))
        lasts *= 1 - _SPREAD + 2 * _SPREAD * self._draw()
        until = now + min(MOST_S, lasts)
        self._kept[number] = Failure(reason, times, until, generations)

    def forget(self, number: Msisdn) -> None:
        """The number was answered, or is to be forgotten."""
        self._kept.pop(number, None)
