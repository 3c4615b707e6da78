"""The time in which events of one PBX may have been missed: from a loss to a complete list."""

from __future__ import annotations


class Gap:
    """Open at first. Times are of one clock, in seconds.

    ``count`` is how often it opened anew; ``losses`` counts every loss, also those in an open gap:
    a list that was asked for before a loss does not make up for it.
    """

    def __init__(self, since: float) -> None:
        self.count = 0
        self.losses = 0
        self._since: float | None = since
        self._closed_s = 0.0
        self._told_s = 0.0

    @property
    def open(self) -> bool:
        """Whether events may be missing."""
        return self._since is not None

    def lose(self, at: float) -> bool:
        """Take note of a loss; return whether the gap opens by it."""
        self.losses += 1
        if self._since is not None:
            return False
        self._since = at
        self.count += 1
        return True

    def close(self, at: float, losses: int) -> bool:
        """Close, if nothing was lost since there were ``losses``; return whether it did."""
        if self._since is None or losses != self.losses:
            return False
        self._closed_s += max(0.0, at - self._since)
        self._closed_s = max(self._closed_s, self._told_s)
        self._since = None
        return True

    def seconds(self, now: float) -> float:
        """Return how long it was open, all in all.

        It never goes down: a list that closes the gap was made a moment before it is heard.
        """
        open_s = max(0.0, now - self._since) if self._since is not None else 0.0
        self._told_s = max(self._told_s, self._closed_s + open_s)
        return self._told_s
