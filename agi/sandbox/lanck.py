"""What LANCK (Boomware) says: HLR lookup and fraud check. Written from its page; no I/O.

Source: Boomware API documentation (sections Authentication, Errors, HLR lookup, Fraud check) and,
for ``imsi``, ``ported``, the statuses and errorCode 99, the vendor's Go SDK. What they leave open
is decided here and marked "open":

- open: the limit of 30 requests a second is the account's, and counts refused tokens too.
- open: UNDELIVERED carries a network when the subscriber is absent and the file knows it, none
  when the number is dead or nobody has it; REJECTED when the network cannot say.
- open: errorCode 99 comes with HTTP 500.
- open: a fraudulent number whose last digit is odd is spelt FRAUDLENT, as in the sample.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import msgspec

from agi.model import Fraud, Line, Live
from agi.sandbox.exchange import Api, Asked, Ground, Rate, Reply, encode
from agi.sandbox.faults import OTHER_NETWORK, Order, Trouble, other_answer, spoil
from agi.sandbox.faults import Line as Said
from agi.sandbox.people import country_of, fraud_of, line_of, live_of, network_name
from agi.sandbox.subscribers import Subscriber
from agi.sandbox.wire import Request

PATHS: Final = ("/v1/insight/hlr", "/v1/insight/fraudcheck")
REQUESTS_PER_SECOND: Final = 30
_PRICE: Final = 1

_UNAUTHORISED: Final = (401, 1, "Authentication required")
_INACTIVE: Final = (400, 2, "Inactive account")
_TOO_MANY: Final = (429, 4, "Too many requests")
_NO_FUNDS: Final = (403, 6, "Insufficient funds")
_MALFORMED: Final = (400, 10, "Malformed request")
_NOT_E164: Final = (400, 11, "Invalid number")
_BROKEN: Final = (500, 99, "Internal server error")
_ORDERED: Final = {
    Trouble.FAIL_PASSWORD: _UNAUTHORISED,
    Trouble.FAIL_CREDIT: _NO_FUNDS,
    Trouble.LOCKED: _INACTIVE,
    Trouble.ERROR_INSIDE: (200, *_BROKEN[1:]),
}


def _error(status: int, code: int, reason: str) -> Reply:
    body = msgspec.json.encode({"errorCode": code, "errorReason": reason})
    return Reply(body, status, failed=True)


def padded(mccmnc: str) -> str:
    """Write a network as this vendor does: the MNC always with three digits (24205: 242005)."""
    return mccmnc[:3] + mccmnc[3:].zfill(3) if len(mccmnc) == 5 else mccmnc


class Lanck:
    """The API behind ``/v1/insight``; ``per_second`` 0: no limit."""

    api = Api.LANCK

    def __init__(self, ground: Ground, per_second: float = REQUESTS_PER_SECOND) -> None:
        self._ground = ground
        self._rate = Rate(per_second, ground.clock)
        self._ids = 0

    def read(self, request: Request) -> Asked | Reply | None:
        """Read one request: a question, a refusal, or None for a page that is not there."""
        if request.path not in PATHS or request.method not in {"GET", "POST"}:
            return None
        refusal = self._refusal(request)
        given = _parameter(request)
        if refusal is None and given is None:
            refusal = _MALFORMED
        elif refusal is None and not re.fullmatch(r"\+[1-9][0-9]{6,14}", given or ""):
            refusal = _NOT_E164
        if refusal is not None or given is None:
            return _error(*(refusal or _MALFORMED))
        return self._question(request.path, given[1:])

    def _question(self, path: str, number: str) -> Asked | Reply:
        if path == PATHS[1]:
            return Asked((number,), lambda *spoiled: self._fraud(number, *spoiled), _PRICE)
        if self._person(number).error == "ERR36":
            return _error(*_BROKEN)
        return Asked((number,), lambda *spoiled: self._hlr(number, *spoiled), _PRICE)

    def refuse(self, trouble: Trouble) -> Reply | None:
        """Return the vendor's own words for an ordered refusal; None: it has none."""
        return _error(*_ORDERED[trouble]) if trouble in _ORDERED else None

    def _refusal(self, request: Request) -> tuple[int, int, str] | None:
        account = self._ground.account
        if not self._rate.admits():
            return _TOO_MANY
        if _token(request.authorization) != f"{account.username}:{account.password}":
            return _UNAUTHORISED
        if account.locked:
            return _INACTIVE
        return None if account.can_pay(_PRICE) else _NO_FUNDS

    def _person(self, number: str) -> Subscriber:
        return self._ground.people.get(number) or Subscriber(number, error="ERR1")

    def _hlr(self, number: str, order: Order | None, concerned: frozenset[str]) -> Reply:
        person = self._person(number)
        true = [Said(number, "" if live_of(person) is Live.DEAD else person.mccmnc)]
        said = spoil(true, order, concerned)
        if order is not None and order.trouble is Trouble.PENDING:
            pending = self._row(Said(number, ""), person) | {"status": "PENDING"}
            return Reply(encode(pending))
        rows = [encode(self._row(line, person)) for line in said]
        other = self._row(other_answer(true)[0], Subscriber(number, OTHER_NETWORK))
        return Reply(b"".join(rows) or b"{}", other=encode(other))

    def _row(self, line: Said, person: Subscriber) -> dict[str, object]:
        self._ids += 1
        row: dict[str, object] = {
            "id": f"A{self._ids:031x}",
            "product": "insight.hlr",
            "number": f"+{line.number}",
        }
        if line.code:
            country = country_of(line.code).alpha2
            row |= {"mccmnc": padded(line.code), "network": network_name(line.code)}
            row |= {"country": country} if country else {}
        if person.ported_from:
            row["ported"] = True
        return row | {
            "status": _status(person),
            "createdAt": int(self._ground.wall() * 1000),
        }

    def _fraud(self, number: str, order: Order | None, _concerned: frozenset[str]) -> Reply:
        person = self._person(number)
        verdict = fraud_of(person)
        status = verdict.upper() if verdict is not Fraud.NOT_MOBILE else "NOT_MOBILE_PREFIX"
        if verdict is Fraud.FRAUDULENT and int(number[-1]) % 2:
            status = "FRAUDLENT"
        if order is not None and order.trouble is Trouble.PENDING:
            status = "PENDING"
        mobile = line_of(person) is Line.MOBILE and verdict is not Fraud.NOT_MOBILE
        other = msgspec.json.encode({"status": "FRAUDULENT", "mobilePrefix": False})
        return Reply(encode({"status": status, "mobilePrefix": mobile}), other=other)


def _status(person: Subscriber) -> str:
    live = live_of(person)
    if live is None:
        return "REJECTED"
    return "DELIVERED" if live is Live.LIVE else "UNDELIVERED"


def _token(authorization: str) -> str:
    scheme, _, word = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _parameter(request: Request) -> str | None:
    """Return the number as it was written, None where there is none: form, JSON or query."""
    if request.method == "POST" and request.content_type.startswith(b"application/json"):
        found = request.json()
        given = found.get("number") if isinstance(found, dict) else None
    else:
        given = request.form().get("number")
    return given if isinstance(given, str) else None
