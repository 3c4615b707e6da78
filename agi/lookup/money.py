"""What an account may spend in a day: held before it is asked, settled or given back after.

Nothing is spent that a file does not say already: money is *secured* on disk in portions first
(see ``agi.lookup.ledger``), and after a crash the whole portion counts as spent. So a limit holds
over crashes too, and a crash costs at most one portion of the day's money. Amounts are exact
decimals in the account's currency; units are what a provider charges for, and may be halves
(half a credit for a portability answer: HLR Lookup's cache-system page).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

NOTHING: Final = Decimal(0)
ONE: Final = Decimal(1)

PORTION_OF_LIMIT: Final = Decimal(100)
"""One portion is a hundredth of the limit, but never less than ``PORTION_UNITS``."""

PORTION_UNITS: Final = 50
"""Units in the smallest portion: a file is written once for so many answers, at most."""

Units = Decimal | float
"""A number of priced units, from 0."""


def exact(units: Units) -> Decimal:
    """Return units as the decimal that they are written as: 0.1 is one tenth.

    Raises:
        ValueError: negative, infinite or not a number.
    """
    amount = units if isinstance(units, Decimal) else Decimal(str(units))
    if not amount.is_finite() or amount < 0:
        raise ValueError("units are a finite number from 0")
    return amount


class Budget:
    """One account's money of one day, in its currency; ``limit`` None: no limit, only a count.

    ``day`` is a key that the caller chooses (the local date); it is empty before the first
    ``turn``. ``spent`` is settled, ``held`` is asked for and not yet answered, ``secured`` is how
    much of the day's money the disk already counts as spent.
    """

    __slots__ = ("_need", "_portion", "day", "held", "limit", "price", "secured", "spent")

    def __init__(self, limit: Decimal | None, price: Decimal) -> None:
        self.limit = limit
        self.price = price
        self.day = ""
        self.spent = NOTHING
        self.held = NOTHING
        self.secured = NOTHING
        self._need = NOTHING
        self._portion = max((limit or NOTHING) / PORTION_OF_LIMIT, PORTION_UNITS * price)

    @property
    def left(self) -> Decimal | None:
        """What may still be spent in the day, in money; None without a limit."""
        return None if self.limit is None else max(NOTHING, self.limit - self._charged)

    @property
    def gone(self) -> bool:
        """Whether the day's money does not pay for one more unit, whatever is given back."""
        return self.limit is not None and self.spent + self.price > self.limit

    def turn(self, day: str, spent: Decimal = NOTHING) -> None:
        """Begin a day of which ``spent`` is known to be gone; what is in flight counts to it."""
        self.day, self.spent, self.secured, self._need = day, spent, spent, NOTHING

    def may(self, day: str, units: Units = ONE) -> bool:
        """Hold ``units`` and say True; or say False, for the money or for what is secured of it.

        Whoever got True must ``settle`` or ``refund`` them. Another ``day`` is False: turn first.
        """
        if day != self.day:
            return False
        cost = exact(units) * self.price
        if self.limit is None or self._charged + cost <= min(self.secured, self.limit):
            self.held += cost
            return True
        if self._charged + cost <= self.limit:
            self._need = max(self._need, cost)
        return False

    def settle(self, units: Units, held: Units | None = None) -> None:
        """Count ``units`` as paid; ``held`` says how many were held for them, if not as many."""
        self.spent += exact(units) * self.price
        self.refund(units if held is None else held)

    def refund(self, units: Units) -> None:
        """Give back held ``units`` that were certainly not billed."""
        self.held = max(NOTHING, self.held - exact(units) * self.price)

    def target(self) -> Decimal | None:
        """Return what ought to be secured now, in money of the day; None: enough is.

        More is wanted when less than half a portion remains, when somebody was refused for want
        of it, and when answers turned out dearer than what was held for them.
        """
        if self.limit is None:
            return None
        room = self.secured - self._charged
        if self._need == NOTHING and room >= min(self._portion / 2, self.limit - self._charged):
            return None
        wanted = self._charged + self._need + self._portion
        target = max(min(wanted, self.limit), self._charged)
        return target if target > self.secured else None

    def secure(self, day: str, total: Decimal) -> None:
        """Take note that ``total`` of ``day`` is on disk; of another day it says nothing."""
        if day == self.day:
            self.secured, self._need = max(self.secured, total), NOTHING

    @property
    def _charged(self) -> Decimal:
        return self.spent + self.held


def shown(amount: Decimal) -> str:
    """Return an amount for people, without needless zeros.

    >>> shown(Decimal("0.0060")), shown(Decimal("50.00"))
    ('0.006', '50')
    """
    return f"{amount.normalize():f}"
