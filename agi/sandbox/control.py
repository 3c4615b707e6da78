"""The sandbox's control endpoint: counters to read, faults to order, all under ``/_sandbox``; pure.

::

    GET  /_sandbox            counters, orders in force, the names of all faults
    GET  /_sandbox/numbers    how often each number was asked
    POST /_sandbox/fault      {"fault": "hang"}                        every request from now on
                              {"fault": "slow:800", "next": 3}         the next 3 requests
                              {"fault": "reset", "number": "44..."}    requests with this number
                              {"fault": null}                          none (or: not this number)
    POST /_sandbox/reset      counters to zero, credits as at start, only the file's own faults
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol

import msgspec

from agi.errors import UsageError
from agi.sandbox.faults import Desk, Trouble, parse_order

PREFIX: Final = "/_sandbox"
_MAX_NUMBERS: Final = 100_000


@dataclass(slots=True)
class Counters:
    """What the account was asked since the start or the last reset.

    ``requests`` counts well-formed calls of ``/npl``, refused ones included; ``refused`` those
    above the account's connections, ``failed`` those that a first line refused, ``abandoned``
    those whose client went before the answer; ``high_water`` is the most at once, refused ones
    included; ``charged`` counts credits; ``numbers`` how often each number was asked (of the
    first 100,000 numbers). ``busy`` is no counter: how many are being answered now.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    abandoned: int = 0
    high_water: int = 0
    charged: int = 0
    busy: int = 0
    numbers: Counter[str] = field(default_factory=Counter, repr=False)

    def asked(self, numbers: tuple[str, ...]) -> None:
        """Count one request's numbers."""
        for number in numbers:
            if number in self.numbers or len(self.numbers) < _MAX_NUMBERS:
                self.numbers[number] += 1


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /_sandbox/fault``."""

    fault: str | None
    next: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    number: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,20}$")] | None = None


def place(desk: Desk, body: bytes) -> None:
    """Carry one order to the desk.

    Raises:
        UsageError: the body is not such an order; says what would be right.
    """
    try:
        asked = msgspec.json.decode(body, type=FaultOrder)
    except msgspec.MsgspecError as error:
        raise UsageError(str(error)) from error
    order = None if asked.fault is None else parse_order(asked.fault)
    if asked.next is not None and asked.number is not None:
        raise UsageError("give one of next and number")
    if asked.number is not None:
        desk.order_number(asked.number, order)
    elif asked.next is not None:
        if order is None:
            raise UsageError("next needs a fault")
        desk.order_next(order, asked.next)
    elif order is None:
        desk.clear()
    else:
        desk.order_all(order)


def report(counters: Counters, desk: Desk, credits_left: int | None) -> dict[str, object]:
    """Return what ``GET /_sandbox`` shows; no number in it."""
    return {
        "requests": counters.requests,
        "refused": counters.refused,
        "failed": counters.failed,
        "abandoned": counters.abandoned,
        "high_water": counters.high_water,
        "charged": counters.charged,
        "busy": counters.busy,
        "credits": credits_left,
        "distinct_numbers": len(counters.numbers),
        "orders": desk.standing(),
        "faults": list(Trouble),
    }


class Account(Protocol):
    """What can be controlled."""

    desk: Desk
    counters: Counters

    def report(self) -> dict[str, object]:
        """Return what ``GET /_sandbox`` shows."""

    def reset(self) -> None:
        """Put everything back to what it was at the start."""


def control(account: Account, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Answer one request below the prefix: an HTTP status and a JSON document."""
    match (method, path.removeprefix(PREFIX).strip("/")):
        case ("GET", ""):
            return 200, msgspec.json.encode(account.report())
        case ("GET", "numbers"):
            return 200, msgspec.json.encode(dict(account.counters.numbers))
        case ("POST", "reset"):
            account.reset()
            return 200, msgspec.json.encode(account.report())
        case ("POST", "fault"):
            return _fault(account, body)
        case _:
            return 404, msgspec.json.encode({"detail": "no such control; GET /_sandbox"})


def _fault(account: Account, body: bytes) -> tuple[int, bytes]:
    try:
        place(account.desk, body)
    except UsageError as error:
        return 400, msgspec.json.encode({"detail": str(error)})
    return 200, msgspec.json.encode(account.report())
