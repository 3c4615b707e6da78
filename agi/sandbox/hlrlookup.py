"""What hlrlookup.com (API v2) says: ``/apiv2/hlr``, ``/apiv2/mnp``, ``/apiv2/balance``; no I/O.

Source: HLR Lookup knowledge base, pages "URL structure", "Full API result", "Example request and
responses", "HTTP response codes", "Cache system"; balance and PRIVATE as clients show them. What is
open there is decided here and marked "open":

- open: ``/mnp`` answers with the same keys; its live_status is NOT_APPLICABLE.
- open: throttling counts numbers of one network (MCC and MNC) in one second; one network too busy
  refuses the whole request.
- open: credentials are checked before anything else; a missing credential is a wrong one.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from agi.model import Line, Live
from agi.sandbox.exchange import Api, Asked, Ground, Rate, Reply, document, encode
from agi.sandbox.faults import OTHER_NETWORK, Order, Trouble, spoil
from agi.sandbox.faults import Line as Said
from agi.sandbox.people import country_of, line_of, live_of, network_name
from agi.sandbox.subscribers import Subscriber
from agi.sandbox.wire import Request

MAX_NUMBERS: Final = 80
_OPTIONS: Final = frozenset(
    {
        "telephone_number",
        "cache_days_private",
        "cache_days_global",
        "save_to_cache",
        "input_format",
        "output_format",
        "get_ported_date",
        "get_landline_status",
        "usa_status",
    }
)
_PRICES: Final = {"/apiv2/hlr": 1.0, "/apiv2/mnp": 0.5}
_LIVE: Final = {Live.LIVE: "LIVE", Live.DEAD: "DEAD", Live.ABSENT: "ABSENT_SUBSCRIBER"}
_BY_ERROR: Final = {
    "ERR11": "NO_TELESERVICE_PROVISIONED",
    "ERR13": "INCONCLUSIVE",
    "ERR21": "NO_COVERAGE",
    "ERR36": "INCONCLUSIVE",
}
_FREE: Final = frozenset({"NO_COVERAGE", "NOT_APPLICABLE"})
_TYPES: Final[Mapping[Line, str]] = {
    Line.MOBILE: "MOBILE",
    Line.LANDLINE: "LANDLINE",
    Line.MOBILE_OR_LANDLINE: "MOBILE_OR_LANDLINE",
    Line.VOIP: "VOIP",
}
_UNKNOWN_CREDITS: Final = 1_000_000

Row = dict[str, object]


def _refused(status: int, error: str, message: str) -> Reply:
    reply = document({"error": error, "message": message}, status)
    return Reply(reply.body, status, failed=True)


class HlrLookup:
    """The API behind ``/apiv2``.

    ``per_second`` is how many numbers of one destination network are answered in any second; 0:
    no limit. ``wrapped``: answers stand under a key ``body``, as some of the vendor's pages show.
    """

    api = Api.HLRLOOKUP

    def __init__(self, ground: Ground, *, per_second: float = 0, wrapped: bool = False) -> None:
        self._ground = ground
        self._rate = Rate(per_second, ground.clock)
        self._wrapped = wrapped

    def read(self, request: Request) -> Asked | Reply | None:
        """Read one request: a question, a refusal, or None for a page that is not there."""
        if not request.path.startswith("/apiv2/") or request.method != "POST":
            return None
        if request.path not in {*_PRICES, "/apiv2/balance"}:
            return _refused(404, "NOT_FOUND", "no such endpoint")
        given = request.json()
        if not isinstance(given, dict):
            return _refused(400, "BAD_REQUEST", "the body is not a JSON object")
        account = self._ground.account
        if (given.get("api_key"), given.get("api_secret")) != (account.username, account.password):
            return _refused(401, "UNAUTHORIZED", "wrong api_key or api_secret")
        if request.path == "/apiv2/balance":
            left = account.credits_left
            return document({"Status": "OK", "Credits": _UNKNOWN_CREDITS if left is None else left})
        return self._question(request.path, given)

    def refuse(self, trouble: Trouble) -> Reply | None:
        """Return the vendor's own words for an ordered refusal; None: it has none."""
        if trouble in {Trouble.FAIL_PASSWORD, Trouble.LOCKED}:
            return _refused(401, "UNAUTHORIZED", "wrong api_key or api_secret")
        if trouble is Trouble.ERROR_INSIDE:
            return _refused(200, "INTERNAL_ERROR", "try again")
        return None

    def _question(self, path: str, given: Row) -> Asked | Reply:
        requests = given.get("requests")
        fault = _fault_of(requests)
        if fault or not isinstance(requests, list):
            return _refused(400, "BAD_REQUEST", fault)
        asked = [(one, re.sub(r"[ ()+-]", "", str(one["telephone_number"]))) for one in requests]
        if not self._within(tuple(digits for _, digits in asked)):
            return _refused(429, "TOO_MANY_REQUESTS", "the destination network is busy")
        numbers = tuple(dict.fromkeys(digits for _, digits in asked if digits.isdecimal()))
        paid, spent = self._paid(path, [digits for _, digits in asked])

        def answer(order: Order | None, concerned: frozenset[str]) -> Reply:
            rows = [
                row
                for (one, n), good in zip(asked, paid, strict=True)
                for row in self._rows(path, one, n, order, concerned if good else None)
            ]
            others = [self._row(path, one, Said(n, OTHER_NETWORK), None) for one, n in asked]
            return Reply(encode(self._body(rows, order)), other=encode(self._body(others, None)))

        return Asked(numbers, answer, spent)

    def _paid(self, path: str, numbers: list[str]) -> tuple[list[bool], float]:
        """Say which numbers the purse pays for, in their order, and what they cost together."""
        paid, spent = [], 0.0
        for number in numbers:
            price = self._price(path, number)
            paid.append(self._ground.account.can_pay(spent + price))
            spent += price if paid[-1] else 0
        return paid, spent

    def _body(self, rows: list[Row], order: Order | None) -> Row:
        wrapped = order is not None and order.trouble is Trouble.BODY_WRAPPER
        return {"body": {"results": rows}} if wrapped or self._wrapped else {"results": rows}

    def _within(self, numbers: tuple[str, ...]) -> bool:
        people = (self._ground.people.get(number) for number in numbers)
        return all(self._rate.admits(person.mccmnc) for person in people if person)

    def _rows(
        self,
        path: str,
        one: Row,
        number: str,
        order: Order | None,
        concerned: frozenset[str] | None,
    ) -> list[Row]:
        """Make the results of one number; ``concerned`` None: there was no credit for it."""
        if concerned is None:
            return [_failed(one, "INSUFFICIENT_CREDIT")]
        person = self._ground.people.get(number)
        lines = spoil([Said(number, person.mccmnc if person else "")], order, concerned)
        rows = [self._row(path, one, line, person) for line in lines]
        if order is None or number not in concerned:
            return rows
        if order.trouble is Trouble.PENDING:
            return [self._row(path, one, Said(number, ""), person) | {"live_status": "PENDING"}]
        if order.trouble is Trouble.FAIL_CREDIT:
            return [_failed(one, "INSUFFICIENT_CREDIT")]
        return rows

    def _row(self, path: str, one: Row, line: Said, person: Subscriber | None) -> Row:
        """Make one result; a line that was spoiled speaks for itself, the rest is the person's."""
        if person is not None and person.error == "ERR36" and path.endswith("hlr"):
            return _failed(one, "INTERNAL_ERROR")
        told = str(one["telephone_number"])
        if person is not None and line.number != person.msisdn:
            told = line.number
        bad = re.fullmatch("[1-9][0-9]{6,14}", line.number) is None
        original = (person.ported_from if person else "") or line.code
        ported = "UNKNOWN" if not line.code else "YES" if original != line.code else "NO"
        at = datetime.fromtimestamp(self._ground.wall(), UTC)
        return {
            "error": "NONE",
            "uuid": str(uuid.uuid4()),
            "request_parameters": _echo(one, told),
            "credits_spent": self._price(path, line.number),
            "detected_telephone_number": "" if bad else line.number,
            "formatted_telephone_number": "",
            "live_status": "NOT_APPLICABLE" if bad else self._live(path, person),
            **_network("original", original, area=True),
            **_network("current", line.code),
            "is_ported": ported,
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "telephone_number_type": "BAD_FORMAT"
            if bad
            else _TYPES.get(line_of(person), "UNKNOWN"),
            "sms_email": "",
            "mms_email": "",
        }

    def _live(self, path: str, person: Subscriber | None) -> str:
        if path.endswith("mnp"):
            return "NOT_APPLICABLE"
        live = live_of(person)
        if live is not None:
            return _LIVE[live]
        return _BY_ERROR.get(person.error if person else "", "INCONCLUSIVE")

    def _price(self, path: str, number: str) -> float:
        """Return the credits of one number; nothing known or a bad format is free."""
        if re.fullmatch("[1-9][0-9]{6,14}", number) is None:
            return 0
        live = self._live(path, self._ground.people.get(number))
        return 0 if live in _FREE and path.endswith("hlr") else _PRICES[path]


def _fault_of(requests: object) -> str:
    if not isinstance(requests, list) or not requests:
        return "requests is missing or empty"
    if len(requests) > MAX_NUMBERS:
        return f"more than {MAX_NUMBERS} requests"
    for one in requests:
        if not isinstance(one, dict) or not isinstance(one.get("telephone_number"), str):
            return "telephone_number is missing"
        unknown = sorted(one.keys() - _OPTIONS)
        if unknown:
            return f"unknown option {unknown[0]}"
        if one.get("save_to_cache", "YES") not in {"YES", "NO", "PRIVATE"}:
            return "save_to_cache is YES, NO or PRIVATE"
    return ""


def _echo(one: Row, told: str) -> Row:
    defaults: Row = {"save_to_cache": "YES", "cache_days_global": 0, "cache_days_private": 0}
    return defaults | one | {"telephone_number": told}


def _failed(one: Row, error: str) -> Row:
    echo = _echo(one, str(one["telephone_number"]))
    return {"error": error, "request_parameters": echo, "credits_spent": 0}


def _network(which: str, mccmnc: str, *, area: bool = False) -> Row:
    if not mccmnc:
        return {f"{which}_network": "NOT_AVAILABLE"}
    country = country_of(mccmnc)
    details: Row = {
        "name": network_name(mccmnc),
        "mccmnc": mccmnc,
        "country_name": country.name,
        "country_iso3": country.alpha3,
        "country_prefix": country.calling_code,
    }
    if area:
        details["area"] = country.name
    return {f"{which}_network": "AVAILABLE", f"{which}_network_details": details}
