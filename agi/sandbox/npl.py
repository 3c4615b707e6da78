"""What Comcetera NPL says: its parameters, its refusals, its lines. Written from its page; pure.

Source of every fact: Comcetera, NumberPortabilityLookup API page, v2.4 (and v2.5 for ``economy``).
What that page leaves open is decided here and marked "open":

- open: every refusal comes with HTTP 200, because the page shows refusals as the first body line.
- open: an item of ``msisdn`` that is not 1 to 20 digits gets no line and does not count.
- open: a number given twice is looked up, answered and charged once.
- open: ERRn answers are charged like any other.
- open: a missing IMSI is an empty third field, as "if supported" may be read.
- open: lines leave in the reverse of the order asked; the page promises no order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agi.sandbox.faults import Line, Order, Trouble, spoil
from agi.sandbox.subscribers import Subscriber

MAX_NUMBERS: Final = 1000
"""Numbers in one request (v2.x)."""

UNKNOWN: Final = "ERR1"
"""What is said about a number that nobody has: unknown subscriber."""


class Refusal(StrEnum):
    """First lines that refuse a whole request."""

    PASSWORD = "FAIL Invalid password"  # noqa: S105 - what the vendor writes
    CREDIT = "FAIL Insufficient credit"
    NO_NUMBERS = "FAIL No numbers specified"
    TOO_LONG = "FAIL Request too long"
    LOCKED = "ERR ACCOUNT LOCKED - Please arrange payment"
    BUSY = "FAIL Too many connections"  # open: the page states the limit, not its answer


ORDERED: Final = {
    Trouble.FAIL_PASSWORD: Refusal.PASSWORD,
    Trouble.FAIL_CREDIT: Refusal.CREDIT,
    Trouble.LOCKED: Refusal.LOCKED,
}
"""Refusals that can be ordered."""


@dataclass(frozen=True, slots=True)
class Query:
    """One request's parameters. ``full``: MSC and IMSI were asked for (apiver 2.4 and later)."""

    user: str
    password: str = field(repr=False)
    numbers: tuple[str, ...] = field(repr=False)
    full: bool = False
    economy: bool = False


def read_query(form: Mapping[str, str]) -> Query:
    """Read the parameters ``user``, ``pass``, ``msisdn``, ``apiver``, ``economy``."""
    version = form.get("apiver", "")
    items = (item.strip() for item in form.get("msisdn", "").split(","))
    return Query(
        user=form.get("user", ""),
        password=form.get("pass", ""),
        numbers=tuple(dict.fromkeys(n for n in items if re.fullmatch(r"[0-9]{1,20}", n))),
        full=version in {"2.4", "2.5"},
        economy=version == "2.5" and form.get("economy") == "1",
    )


def first_refusal(
    query: Query, user: str, password: str, *, locked: bool, credits_left: int | None
) -> Refusal | None:
    """Say why a request is refused as a whole, or None; open: in this order of checks."""
    if (query.user, query.password) != (user, password):
        return Refusal.PASSWORD
    if locked:
        return Refusal.LOCKED
    if not query.numbers:
        return Refusal.NO_NUMBERS
    if len(query.numbers) > MAX_NUMBERS:
        return Refusal.TOO_LONG
    if credits_left is not None and len(query.numbers) > credits_left:
        return Refusal.CREDIT
    return None


def code_of(subscriber: Subscriber | None, *, full: bool) -> str:
    """Return what stands after the number: a network, with MSC and IMSI if ``full``, or ERRn."""
    if subscriber is None:
        return UNKNOWN
    if subscriber.error:
        return subscriber.error
    if not full:
        return subscriber.mccmnc
    return f"{subscriber.mccmnc},{subscriber.msc},{subscriber.imsi}"


def lines_of(query: Query, subscribers: Mapping[str, Subscriber]) -> list[Line]:
    """Return one line per number, in the reverse of the order asked."""
    return [Line(n, code_of(subscribers.get(n), full=query.full)) for n in reversed(query.numbers)]


def body(lines: Iterable[Line], eol: str, order: Order | None, concerned: frozenset[str]) -> bytes:
    """Write a whole answer, QUERYOK to ENDBATCH, spoiled as ordered."""
    spoiled = spoil(list(lines), order, concerned)
    trouble = order.trouble if order else None
    words = ["QUERYOK", *(f"{line.number} {line.code}" for line in spoiled)]
    if trouble is not Trouble.TRUNCATE:
        words.append("ENDBATCH")
    text = "".join(word + eol for word in words)
    if trouble is Trouble.LOWER_CASE:
        text = text.lower()
    return text.encode("utf-8", "surrogateescape")


def slowest_ms(numbers: Sequence[str], subscribers: Mapping[str, Subscriber], usual_ms: int) -> int:
    """Return how long the batch takes: as long as its slowest number ("SS7 can take a while")."""
    own = (subscribers[n].latency_ms if n in subscribers else None for n in numbers)
    return max((usual_ms if ms is None else ms for ms in own), default=0)
