"""What went wrong in a store, said at most once in a while and counted always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from agi.lookup.events import Observer, StoreTrouble


class Troubles:
    """Reports each kind of trouble at once, then at most every ``every_s`` with how many came.

    Clock values are monotonic seconds. Not for several threads.
    """

    def __init__(
        self, store: str, observe: Observer, clock: Callable[[], float], every_s: float
    ) -> None:
        self._store = store
        self._observe = observe
        self._clock = clock
        self._every_s = every_s
        self._last: dict[str, float] = {}
        self._unsaid: dict[str, tuple[int, str]] = {}
        self.totals: Counter[str] = Counter()

    def add(self, what: str, count: int = 1, detail: str = "") -> None:
        """Count a trouble of a closed set of words; ``detail`` holds no number and no secret."""
        self.totals[what] += count
        before = self._unsaid.get(what, (0, ""))[0]
        self._unsaid[what] = (before + count, detail)
        self.flush()

    def flush(self) -> None:
        """Report what is due."""
        now = self._clock()
        for what, (count, detail) in list(self._unsaid.items()):
            if now - self._last.get(what, float("-inf")) >= self._every_s:
                self._last[what] = now
                del self._unsaid[what]
                self._observe(StoreTrouble(self._store, what, count, detail))
