"""One rule as the table knows it: what it matches, in which order of specificity, where it leads.

Everything here is a value that a snapshot on disk can hold: trunks stand by name, sets of networks,
groups and calendars are spelt out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from agi.model import Fraud, Line, Live, Mccmnc, Msisdn


class Cell(msgspec.Struct, frozen=True, gc=False):
    """One match cell: any value (no items), one of the items, or (``negative``) none of them.

    What is not known of a call matches an empty cell only, never a negative one.
    """

    items: tuple[str, ...] = ()
    negative: bool = False

    @property
    def empty(self) -> bool:
        """Whether any value matches, an unknown one too."""
        return not self.items


ANY: Final = Cell()


class Span(msgspec.Struct, frozen=True, gc=False):
    """One span of time, by the wall clock of its zone.

    ``weekdays`` (0 is Monday) or ``dates`` (ISO 8601) say on which days it begins; a calendar's
    dates are spelt out. ``start`` and ``end`` are minutes of the day, ``end`` at most 1440; an end
    before the start runs into the next day and belongs to the day on which it began.
    ``zone`` is a name of the IANA time zone database.
    """

    weekdays: tuple[int, ...]
    dates: tuple[str, ...]
    start: int
    end: int
    zone: str


class Tier(msgspec.Struct, frozen=True, gc=False):
    """Trunks between which a call draws, each with its weight, 1 to 1000.

    ``last_resort``: written with ``!`` behind it, exempt from the rule's ``max_price``.
    """

    members: tuple[tuple[str, int], ...]
    last_resort: bool = False


class Pick(StrEnum):
    """How a tier's order is found: by a weighted draw, or by what trunks cost or are worth.

    ``cost`` is not used yet, and draws by weight.
    """

    WEIGHT = "weight"
    COST = "cost"
    QUALITY = "quality"


class Rule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of ``routes.csv``.

    ``mccmnc`` holds networks in canonical form (5 or 6 digits) and MCCs (3 digits); sets are spelt
    out. ``prefix`` holds E.164 digits, and dialled digits with ``=`` before them. ``caller`` (the
    column ``from``) holds digits and ``anonymous``. ``when`` empty: at any time; else within one
    of the spans. ``emergency``: the cell ``line`` says so, and then the rule is for emergency calls
    only. ``cause`` is a Q.850 cause when the rule rejects, and then there are no tiers.
    ``row`` is the line of the file that it begins on.
    """

    name: str
    row: int
    priority: int = 0
    account: Cell = ANY
    mccmnc: Cell = ANY
    prefix: Cell = ANY
    caller: Cell = ANY
    country: Cell = ANY
    line: Cell = ANY
    ported: Cell = ANY
    live: Cell = ANY
    fraud: Cell = ANY
    when: tuple[Span, ...] = ()
    emergency: bool = False
    cause: int | None = None
    tiers: tuple[Tier, ...] = ()
    pick: Pick = Pick.WEIGHT

    @property
    def is_default(self) -> bool:
        """Whether every match cell is empty: the rule matches any call."""
        return not self.emergency and not self.when and all(cell.empty for cell in self.cells())

    def cells(self) -> tuple[Cell, ...]:
        """Return the match cells but ``when``, in the order of specificity."""
        return (
            self.account,
            self.mccmnc,
            self.prefix,
            self.caller,
            self.country,
            self.line,
            self.ported,
            self.live,
            self.fraud,
        )


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is known of a call when its rule is sought; empty or None is what is not known.

    ``digits`` is what was dialled, unchanged; ``msisdn`` its E.164 digits; ``country`` ISO 3166
    alpha-2; ``caller`` digits or ``anonymous``; ``mccmnc`` canonical; ``at`` an epoch in seconds.
    """

    digits: str
    msisdn: Msisdn | None = None
    country: str = ""
    line: Line | None = None
    account: str = ""
    caller: str = ""
    mccmnc: Mccmnc | None = None
    ported: bool | None = None
    live: Live | None = None
    fraud: Fraud | None = None
    at: float = 0.0
    emergency: bool = False
