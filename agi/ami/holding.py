"""What was read is kept back for a moment: an injection shows at its end, not at its beginning."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

HOLD_S: Final = 0.05
"""Asterisk writes an event whole, so a forgery and the end that betrays it come together."""

Item = TypeVar("Item")


class Holding(Generic[Item]):
    """Items in the order in which they were read, each for ``hold_s`` seconds after it came."""

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self.hold_s = hold_s
        self._items: deque[tuple[float, float, Item]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def next(self) -> float:
        """When the first of it is due, by the clock of ``came``; infinite without any."""
        return self._items[0][0] + self.hold_s if self._items else math.inf

    def add(self, came: float, heard: float, item: Item) -> None:
        """Keep one back. ``came`` is of the clock that ``due`` reads; ``heard`` is its epoch."""
        self._items.append((came, heard, item))

    def due(self, now: float) -> Iterator[tuple[float, float, Item]]:
        """Give what was held long enough, all if ``now`` is infinite. Given is given."""
        items = self._items
        while items and items[0][0] + self.hold_s <= now:
            yield items.popleft()

    def spoil(self, spoils: Callable[[Item], bool]) -> int:
        """Forget of what is held those items that can be spoilt; return how many."""
        kept = [entry for entry in self._items if not spoils(entry[2])]
        lost = len(self._items) - len(kept)
        self._items = deque(kept)
        return lost
