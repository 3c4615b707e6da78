"""Which lookups of the last seconds were answered: what the brown-out ladder goes by.

Each number counts once, by its latest lookup: one that is dialled over and over is no outage.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from itertools import islice
from typing import Final

from agi.model import Finding, Msisdn, Source

WINDOW_S: Final = 10.0
"""So far back lookups are looked at."""

ENOUGH: Final = 20
"""Fewer numbers than these tell nothing."""

SHARE: Final = 0.8
"""From this share without an answer on, it is an outage."""

SPAN_S: Final = 5.0
"""The lookups have to span so long: a hiccup is no outage, however many calls it meets."""

BACK: Final = 0.5
"""Below this share of lookups that could not be asked, they can again."""

MOST: Final = 10_000
LATEST: Final = 2_000
"""So many numbers are kept, the latest ones; and so many of them tell how a country does."""

FAILED: Final = frozenset({"timeout", "breaker", "err-other"})
"""Reasons of lookups that were asked, or would have been, and had no answer."""

UNASKED: Final = frozenset({"budget", "shed", "no-dipper"})
"""Reasons of lookups that nobody was asked: no word against a provider, and no wait for a call."""

_KEPT: Final = frozenset({Source.MEMORY, Source.STORE, Source.SKIPPED})


def heard(finding: Finding) -> str | None:
    """Return why nobody answered, empty if a provider did; None when nothing was asked of one."""
    reason, source = finding.reason, finding.source
    if reason in FAILED or reason in UNASKED:
        return reason
    if source in _KEPT or reason == "no-provider":
        return None
    if source is Source.LIVE:
        return None if finding.kind == "file" else ""
    if source is Source.DEFAULT:
        return "" if finding.age_s == 0.0 else None  # else it was remembered
    return ""  # a listed code, and an older network in place of the one that it does not give


class Lookups:
    """The lookups of the last ten seconds. ``now`` is the monotonic clock in seconds everywhere.

    ``starved``: most of them could not be asked, for want of money, room or a dipper.
    """

    def __init__(self) -> None:
        self.starved = False
        # A number's hash means nothing outside this process. In the order of ``at``.
        self._kept: OrderedDict[int, tuple[float, str, str]] = OrderedDict()
        self._reasons: Counter[str] = Counter()

    def add(self, number: Msisdn, country: str, reason: str, now: float) -> None:
        """Count one lookup; ``reason`` as of ``heard``."""
        key = hash(number)
        before = self._kept.pop(key, None)
        if before is not None:
            self._reasons[before[2]] -= 1
        self._kept[key] = (now, country, reason)
        self._reasons[reason] += 1
        if len(self._kept) > MOST:
            self._drop_oldest()

    def failing(self, now: float) -> bool:
        """Say whether this is an outage."""
        self.expire(now)
        failed = sum(self._reasons[reason] for reason in FAILED)
        asked = failed + self._reasons[""]
        if asked < ENOUGH or failed < SHARE * asked:
            return False
        return now - next(iter(self._kept.values()))[0] >= SPAN_S

    def working(self) -> frozenset[str]:
        """Return the countries whose numbers' lookups do not fail, by the latest ones."""
        asked: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for _, country, reason in islice(reversed(self._kept.values()), LATEST):
            asked[country] += reason not in UNASKED
            failed[country] += reason in FAILED
        return frozenset(one for one, n in asked.items() if n and failed[one] < SHARE * n)

    def expire(self, now: float) -> None:
        """Let go what is too old."""
        while self._kept and now - next(iter(self._kept.values()))[0] > WINDOW_S:
            self._drop_oldest()
        unasked = sum(self._reasons[reason] for reason in UNASKED)
        total = len(self._kept)
        share = unasked / total if total >= ENOUGH else 0.0
        self.starved = share >= (BACK if self.starved else SHARE)

    def why(self) -> str:
        """Return what is wrong, for people: ``37 of 40 lookups failed: timeout``."""
        lost = {reason: count for reason, count in self._reasons.items() if reason and count}
        if not lost:
            return ""
        commonest = max(lost, key=lambda reason: (lost[reason], reason))
        return f"{sum(lost.values())} of {len(self._kept)} lookups failed: {commonest}"

    def clear(self) -> None:
        """Forget everything."""
        self.starved = False
        self._kept.clear()
        self._reasons.clear()

    def _drop_oldest(self) -> None:
        _, (_, _, reason) = self._kept.popitem(last=False)
        self._reasons[reason] -= 1
