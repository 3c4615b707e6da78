"""Failures remembered: a number that just could not be looked up is not asked again at once.

RFC 9520 (Negative Caching of DNS Resolution Failures), section 3.2, is the model: a failure is
cached for at least a second, longer each time, at most five minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from agi.model import Msisdn, Product

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
        self._kept: LRUCache[tuple[Msisdn, Product], Failure] = LRUCache(entries)
        self._draw = draw

    def get(
        self,
        number: Msisdn,
        now: float,
        generation: Callable[[str], int],
        product: Product = Product.NETWORK,
    ) -> Failure | None:
        """Return the failure that still holds.

        It no longer does when an account that failed has had its breaker closed since:
        ``generation`` is what counts an account's outages.
        """
        failure = self._kept.get((number, product))
        if failure is None:
            return None
        if any(generation(name) != then for name, then in failure.generations):
            del self._kept[number, product]
            return None
        return failure if now < failure.until else None

    def failed(  # noqa: PLR0913 - what failed, and how long that holds
        self,
        number: Msisdn,
        now: float,
        reason: str,
        generations: tuple[tuple[str, int], ...],
        *,
        product: Product = Product.NETWORK,
        at_least_s: float = 0.0,
    ) -> None:
        """Remember that these accounts, in these outages, had no answer.

        ``at_least_s``: what they said instead of one holds for so long.
        """
        before = self._kept.get((number, product))
        times = 1 if before is None or now - before.until > MOST_S else before.times + 1
        lasts = min(MOST_S, FIRST_S * 2 ** min(times - 1, 9))
        lasts *= 1 - _SPREAD + 2 * _SPREAD * self._draw()
        until = now + max(FIRST_S, min(MOST_S, lasts), at_least_s)
        self._kept[number, product] = Failure(reason, times, until, generations)

    def answered(self, number: Msisdn) -> None:
        """The number has its network."""
        self._kept.pop((number, Product.NETWORK), None)

    def forget(self, number: Msisdn) -> None:
        """Forget the failures of a number, whatever was asked of it."""
        for product in Product:
            self._kept.pop((number, product), None)
