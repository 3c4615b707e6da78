"""The sandbox's control endpoint: counters to read, faults to order, all under ``/_sandbox``; pure.

::

    GET  /_sandbox               counters, orders in force, the names of all faults
    GET  /_sandbox/numbers       how often each number was asked; /numbers/lanck: at one API
    POST /_sandbox/fault         {"fault": "hang"}                       every request from now on
                                 {"fault": "hang", "api": "lanck"}       those of one API
                                 {"fault": "http-500", "percent": 30}    three of ten
                                 {"fault": "slow:800", "next": 3}        the next 3 requests
                                 {"fault": "reset", "number": "44..."}   requests with this number
                                 {"fault": "down:5"}                     the port itself, for 5 s
                                 {"fault": "flap:5", "api": "lanck"}     resets for 5 s of every 10
                                 {"fault": null}                         none (or: not this number)
    POST /_sandbox/latency       {"ms": 400} or {"ms": 400, "api": "npl"}; null: as at the start
    POST /_sandbox/reset         counters to zero, credits as at start, only the file's own faults
"""

from __future__ import annotations

from typing import Annotated, Final, Protocol

import msgspec

from agi.errors import UsageError
from agi.sandbox.counters import Books
from agi.sandbox.desk import Desk
from agi.sandbox.door import Door
from agi.sandbox.exchange import Api
from agi.sandbox.faults import OF_THE_PORT, Order, Trouble, parse_order

PREFIX: Final = "/_sandbox"


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /_sandbox/fault``."""

    fault: str | None
    next: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    number: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,20}$")] | None = None
    api: Api | None = None
    percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None


class LatencyOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /_sandbox/latency``."""

    ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] | None
    api: Api | None = None


class Controlled(Protocol):
    """What can be controlled."""

    desk: Desk
    door: Door
    books: Books

    def report(self) -> dict[str, object]:
        """Return what ``GET /_sandbox`` shows."""

    def reset(self) -> None:
        """Put everything back to what it was at the start."""

    def set_latency(self, ms: int | None, api: Api | None = None) -> None:
        """Change how long a number takes that has no latency of its own; None: as at start."""

    def now(self) -> float:
        """Return the clock that orders are timed by."""


def place(sandbox: Controlled, body: bytes) -> None:
    """Carry one order to the desk, or to the door if it concerns the port.

    Raises:
        UsageError: the body is not such an order; says what would be right.
    """
    try:
        asked = msgspec.json.decode(body, type=FaultOrder)
    except msgspec.MsgspecError as error:
        raise UsageError(str(error)) from error
    order = None if asked.fault is None else parse_order(asked.fault)
    if sum(given is not None for given in (asked.next, asked.number, asked.percent)) > 1:
        raise UsageError("give one of next and number and percent")
    if order is not None and _is_for_the_port(order, asked):
        sandbox.door.obey(order)
    else:
        _to_desk(sandbox, order, asked)


def _is_for_the_port(order: Order, asked: FaultOrder) -> bool:
    if order.trouble not in OF_THE_PORT:
        return False
    if not any((asked.next, asked.number, asked.percent)):
        if asked.api is None:
            return True
        if order.trouble is Trouble.FLAP:
            return False
    raise UsageError(f"{order.trouble} concerns the whole port: give nothing beside it")


def _to_desk(sandbox: Controlled, order: Order | None, asked: FaultOrder) -> None:
    desk, api = sandbox.desk, asked.api or ""
    if asked.number is not None:
        desk.order_number(asked.number, order, api)
    elif order is not None and asked.next is not None:
        desk.order_next(order, asked.next, api)
    elif asked.next is not None or (order is None and asked.percent is not None):
        raise UsageError("next needs a fault" if asked.next else "percent needs a fault")
    elif order is not None or api:
        desk.order_all(order, api, percent=asked.percent or 100, now=sandbox.now())
    else:
        desk.clear()
        sandbox.door.soothe()


def control(sandbox: Controlled, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Answer one request below the prefix: an HTTP status and a JSON document."""
    match (method, *path.removeprefix(PREFIX).strip("/").split("/")):
        case ("GET", ""):
            return 200, msgspec.json.encode(sandbox.report())
        case ("GET", "numbers"):
            return 200, msgspec.json.encode(dict(sandbox.books.total.numbers))
        case ("GET", "numbers", api) if api in list(Api):
            return 200, msgspec.json.encode(dict(sandbox.books.apis[Api(api)].numbers))
        case ("POST", "reset"):
            sandbox.reset()
            return 200, msgspec.json.encode(sandbox.report())
        case ("POST", "fault" | "latency" as what):
            return _change(sandbox, what, body)
        case _:
            return 404, msgspec.json.encode({"detail": "no such control; GET /_sandbox"})


def _change(sandbox: Controlled, what: str, body: bytes) -> tuple[int, bytes]:
    try:
        if what == "fault":
            place(sandbox, body)
        else:
            asked = msgspec.json.decode(body, type=LatencyOrder)
            sandbox.set_latency(asked.ms, asked.api)
    except (UsageError, msgspec.MsgspecError) as error:
        return 400, msgspec.json.encode({"detail": str(error)})
    return 200, msgspec.json.encode(sandbox.report())
