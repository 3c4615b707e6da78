"""Whether a provider's answers are believed: too many that cannot be right, and it is left out.

An answer for a number that was not asked, or with a network of another country, is dropped by
itself. Several within a minute mean that the others cannot be trusted either: the provider is not
asked for a while, and what it wrote lately is purged (as DNS resolvers flush their cache: Unbound,
unwanted-reply-threshold). Pure: ``now`` is the monotonic clock in seconds.
"""

from __future__ import annotations

from collections import deque


class Trust:
    """The trust in one account: ``threshold`` strange answers within ``within_s`` end it.

    The quarantine then lasts ``quarantine_s``; strange answers that still arrive in it neither
    prolong it nor count for the next one.
    """

    def __init__(
        self, threshold: int = 3, within_s: float = 60.0, quarantine_s: float = 600.0
    ) -> None:
        self._within_s = within_s
        self._quarantine_s = quarantine_s
        self._strange: deque[float] = deque(maxlen=threshold)
        self._began = float("-inf")

    def strange(self, now: float, count: int = 1) -> bool:
        """Count strange answers; return True when these make the quarantine begin."""
        if self.quarantined(now):
            return False
        full = self._strange.maxlen or 1
        self._strange.extend([now] * min(count, full))
        if len(self._strange) < full or now - self._strange[0] > self._within_s:
            return False
        self._strange.clear()
        self._began = now
        return True

    def quarantined(self, now: float) -> bool:
        """Say whether the provider is not to be asked, nor its answers believed."""
        return now < self._began + self._quarantine_s

    def suspect_since(self, now: float) -> float:
        """Return the instant since when this account's writes are not to be believed.

        In quarantine that is ``within_s`` before it began: what came just before the first
        strange answer is no better.
        """
        return (self._began if self.quarantined(now) else now) - self._within_s
