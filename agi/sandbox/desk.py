"""Where faults are ordered: for the next requests, for all, for a number; of one API or of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agi.sandbox.faults import Order, Trouble

_EVERY: Final = ""
"""In place of an API's name: any of them."""


@dataclass(slots=True)
class _Next:
    order: Order
    left: int


@dataclass(slots=True)
class _Standing:
    order: Order
    percent: int
    since: float
    owed: int = 0

    def strikes(self) -> bool:
        """Spread the percentage evenly, without dice."""
        self.owed += self.percent
        if self.owed < 100:
            return False
        self.owed -= 100
        return True

    def takes(self, now: float) -> bool:
        """Say whether this request has it; a flap strikes in its second half only."""
        if self.order.trouble is Trouble.FLAP:
            return int((now - self.since) / (self.order.amount or 1)) % 2 == 1
        return self.percent == 100 or self.strikes()


class Desk:
    """The orders in force.

    An order for the next requests goes before the order for all, that one before the order for
    a number; among the numbers of a request the first asked with an order decides. At each step
    an order for one API goes before the one for any. ``api`` empty: any.
    """

    def __init__(self, numbers: Mapping[str, Order] | None = None) -> None:
        self._own = dict(numbers or {})
        self._numbers: dict[str, dict[str, Order]] = {_EVERY: dict(self._own)}
        self._next: dict[str, _Next] = {}
        self._all: dict[str, _Standing] = {}

    def order_next(self, order: Order, requests: int, api: str = _EVERY) -> None:
        """Spoil the next ``requests`` requests; replaces what was left of such an order."""
        self._next[api] = _Next(order, requests)

    def order_all(
        self, order: Order | None, api: str = _EVERY, *, percent: int = 100, now: float = 0.0
    ) -> None:
        """Spoil every request from now on, or ``percent`` of them (1 to 100), or none (None).

        ``now`` is when a flap begins, on the clock that ``take`` is told.
        """
        self._all.pop(api, None)
        if order is not None:
            self._all[api] = _Standing(order, percent, now)

    def order_number(self, number: str, order: Order | None, api: str = _EVERY) -> None:
        """Spoil the requests that ask ``number``, or no longer (None)."""
        if order is None:
            self._numbers.get(api, {}).pop(number, None)
        else:
            self._numbers.setdefault(api, {})[number] = order

    def clear(self) -> None:
        """Forget every order but those that the numbers had at the beginning."""
        self._next.clear()
        self._all.clear()
        self._numbers = {_EVERY: dict(self._own)}

    def take(
        self, numbers: Sequence[str], api: str = _EVERY, now: float = 0.0
    ) -> tuple[Order | None, frozenset[str]]:
        """Say what happens to one request, and to which of its numbers; counts it."""
        for name in dict.fromkeys((api, _EVERY)):
            coming = self._next.get(name)
            if coming and coming.left:
                coming.left -= 1
                return coming.order, frozenset(numbers)
        for name in dict.fromkeys((api, _EVERY)):
            standing = self._all.get(name)
            if standing and standing.takes(now):
                return standing.order, frozenset(numbers)
        return self._of_numbers(numbers, api)

    def _of_numbers(self, numbers: Sequence[str], api: str) -> tuple[Order | None, frozenset[str]]:
        mine = self._numbers[_EVERY]
        if api in self._numbers:
            mine = mine | self._numbers[api]
        first = next((mine[n] for n in numbers if n in mine), None)
        if first is None:
            return None, frozenset()
        return first, frozenset(n for n in numbers if mine.get(n) == first)

    def standing(self) -> dict[str, object]:
        """Describe the orders in force for a person; numbers are counted, not told."""
        apis = {*self._next, *self._all, *self._numbers} - {_EVERY}
        return self._told(_EVERY) | {"apis": {api: self._told(api) for api in sorted(apis)}}

    def _told(self, api: str) -> dict[str, object]:
        coming, standing = self._next.get(api), self._all.get(api)
        left = coming.left if coming else 0
        return {
            "next": str(coming.order) if coming and left else None,
            "left": left,
            "all": str(standing.order) if standing else None,
            "percent": standing.percent if standing else None,
            "numbers": len(self._numbers.get(api, {})),
        }
