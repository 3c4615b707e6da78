"""The wall clock, steadied: what is kept beyond a process is dated by it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Wall:
    """Epochs that do not jump: the wall clock as it was at the start, and monotonic time since.

    An NTP step or somebody's ``date`` must not make every entry old, or young, at once.
    """

    def __init__(self, clock: Callable[[], float], epoch: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._anchor = epoch() - clock()

    def at(self, instant: float) -> float:
        """Return the epoch of an instant of the monotonic clock."""
        return self._anchor + instant

    def now(self) -> float:
        """Return the epoch of now."""
        return self._anchor + self._clock()
