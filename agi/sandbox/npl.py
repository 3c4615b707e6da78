"""What Comcetera NPL says: its parameters, its refusals, its lines. Written from its page; pure.

Source of every fact: Comcetera, NumberPortabilityLookup API page, v2.4 (v2.5 for ``economy``, v3.32
for ``format=json`` and its cap). What that page leaves open is decided here and marked "open":

- open: every refusal comes with HTTP 200, because the page shows refusals as the first body line.
- open: an item of ``msisdn`` that is not 1 to 20 digits gets no line and does not count.
- open: a number given twice is looked up, answered and charged once.
- open: ERRn answers are charged like any other.
- open: a missing IMSI is an empty third field, as "if supported" may be read.
- open: lines leave in the reverse of the order asked; the page promises no order.
- open: version 3 refuses with the same first lines, as text.
- open: the keys of a version 3 object. Clients show ``operatorname``, ``numbertype``, ``mobile``,
  ``validnumber``, ``reachable``, ``errorcode``, all with string values; ``msisdn``, ``mccmnc``,
  ``mcc`` and ``mnc`` are this double's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agi.model import Live
from agi.sandbox.exchange import Account, encode
from agi.sandbox.faults import Line, Order, Trouble, spoil
from agi.sandbox.people import Directory, line_of, live_of, network_name
from agi.sandbox.subscribers import Subscriber

MAX_NUMBERS: Final = 1000
"""Numbers in one request (v2.x)."""

MAX_NUMBERS_JSON: Final = 100
"""Numbers in one request (v3.x)."""

UNKNOWN: Final = "ERR1"
"""What is said about a number that nobody has: unknown subscriber."""

ABSENT: Final = "ERR29"
"""What is said about a number whose telephone is not there."""


class Refusal(StrEnum):
    """First lines that refuse a whole request."""

    PASSWORD = "FAIL Invalid password"  # noqa: S105 - what the vendor writes
    CREDIT = "FAIL Insufficient credit"
    NO_NUMBERS = "FAIL No numbers specified"
    TOO_LONG = "FAIL Request too long"
    LOCKED = "ERR ACCOUNT LOCKED - Please arrange payment"
    BUSY = "FAIL Too many connections"  # open: the page states the limit, not its answer
    BROKEN = "FAIL Internal error"  # open: only ever ordered


ORDERED: Final = {
    Trouble.FAIL_PASSWORD: Refusal.PASSWORD,
    Trouble.FAIL_CREDIT: Refusal.CREDIT,
    Trouble.LOCKED: Refusal.LOCKED,
    Trouble.ERROR_INSIDE: Refusal.BROKEN,
}
"""Refusals that can be ordered."""


@dataclass(frozen=True, slots=True)
class Query:
    """One request's parameters.

    ``full``: MSC and IMSI were asked for (apiver 2.4 and later). ``json``: version 3's own form.
    """

    user: str
    password: str = field(repr=False)
    numbers: tuple[str, ...] = field(repr=False)
    full: bool = False
    economy: bool = False
    json: bool = False


def read_query(form: Mapping[str, str]) -> Query:
    """Read the parameters ``user``, ``pass``, ``msisdn``, ``apiver``, ``economy``, ``format``."""
    version = form.get("apiver", "")
    items = (item.strip() for item in form.get("msisdn", "").split(","))
    return Query(
        user=form.get("user", ""),
        password=form.get("pass", ""),
        numbers=tuple(dict.fromkeys(n for n in items if re.fullmatch(r"[0-9]{1,20}", n))),
        full=version in {"2.4", "2.5"},
        economy=version == "2.5" and form.get("economy") == "1",
        json=form.get("format") == "json",
    )


def first_refusal(query: Query, account: Account) -> Refusal | None:
    """Say why a request is refused as a whole, or None; open: in this order of checks."""
    if (query.user, query.password) != (account.username, account.password):
        return Refusal.PASSWORD
    if account.locked:
        return Refusal.LOCKED
    if not query.numbers:
        return Refusal.NO_NUMBERS
    if len(query.numbers) > (MAX_NUMBERS_JSON if query.json else MAX_NUMBERS):
        return Refusal.TOO_LONG
    return None if account.can_pay(len(query.numbers)) else Refusal.CREDIT


def code_of(subscriber: Subscriber | None, *, full: bool) -> str:
    """Return what stands after the number: a network, with MSC and IMSI if ``full``, or ERRn."""
    error = error_of(subscriber)
    if error or subscriber is None:
        return error
    if not full:
        return subscriber.mccmnc
    return f"{subscriber.mccmnc},{subscriber.msc},{subscriber.imsi}"


def error_of(subscriber: Subscriber | None) -> str:
    """Return the ERRn of a number, or nothing: with any ERRn no network is told."""
    if subscriber is None:
        return UNKNOWN
    if subscriber.error:
        return subscriber.error
    return {Live.ABSENT: ABSENT, Live.DEAD: UNKNOWN}.get(subscriber.live or Live.LIVE, "")


def lines_of(query: Query, people: Directory) -> list[Line]:
    """Return one line per number, in the reverse of the order asked."""
    return [Line(n, code_of(people.get(n), full=query.full)) for n in reversed(query.numbers)]


def body(lines: Iterable[Line], eol: str, order: Order | None, concerned: frozenset[str]) -> bytes:
    """Write a whole answer, QUERYOK to ENDBATCH, spoiled as ordered."""
    trouble = order.trouble if order else None
    if trouble is Trouble.PENDING:
        lines = [Line(one.number, "PENDING") if one.number in concerned else one for one in lines]
    spoiled = spoil(list(lines), order, concerned)
    words = ["QUERYOK", *(f"{line.number} {line.code}" for line in spoiled)]
    if trouble is not Trouble.TRUNCATE:
        words.append("ENDBATCH")
    text = "".join(word + eol for word in words)
    if trouble is Trouble.LOWER_CASE:
        text = text.lower()
    return text.encode("utf-8", "surrogateescape")


def objects(
    numbers: Iterable[str], people: Directory, order: Order | None, concerned: frozenset[str]
) -> list[bytes]:
    """Return the objects of version 3 about some numbers, each encoded, spoiled as ordered."""
    pending = order is not None and order.trouble is Trouble.PENDING
    return [
        encode(
            {"msisdn": line.number, "status": "pending"}
            if pending and number in concerned
            else _object(line, people.get(number))
        )
        for number in numbers
        for line in spoil([Line(number, code_of(people.get(number), full=False))], order, concerned)
    ]


def _object(line: Line, person: Subscriber | None) -> dict[str, str]:
    """Make one object; its values are strings, as every client of version 3 reads them."""
    error = error_of(person)
    told = {
        "msisdn": line.number,
        "errorcode": error.removeprefix("ERR") or "0",
        "validnumber": "false" if error == UNKNOWN else "true",
        "reachable": "true" if live_of(person) is Live.LIVE else "undetermined",
        "numbertype": line_of(person).upper(),
        "mobile": "true" if line_of(person) == "mobile" else "false",
    }
    if error:
        return told
    network = {"mccmnc": line.code, "mcc": line.code[:3], "mnc": line.code[3:]}
    return told | network | {"operatorname": network_name(line.code)}
