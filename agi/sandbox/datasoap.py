"""What Data Soap says: synchronous at ``/``, asynchronous at ``/v1/async``; no I/O.

Source: Data Soap, developer pages "Asynchronous API" and "Synchronous API" (types, receipt,
error codes); the wrapper ``DataSoapAPIResponse``, the keys of HLR and Landline and the bare ``-99``
are as working clients read them. What is open there is decided here and marked "open":

- open: the token is the account's password; the name is not used.
- open: a number may be written 0044..., 44... or 0...; what is not British is refused with -96.
- open: TPSResult and UnsubscribeResult hold ``Listed``, true or false.
- open: no network is told but its MCC; ``mnc`` tells the MNC too, and whether it was ported.
- open: an absent number is ``On: false``.
- open: no answer echoes its number, but for an answer that was ordered to be about another one.
- open: the postback echoes ``Lookup`` and wraps nothing; its errors stand beside ``Job``.
- open: a PostbackUrl that is not http on this machine is refused: this double calls nobody else.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from agi.model import Live
from agi.sandbox.exchange import (
    TEXT,
    Api,
    Asked,
    Errand,
    Ground,
    Rate,
    Reply,
    encode,
)
from agi.sandbox.faults import Line, Order, Trouble, neighbour, spoil
from agi.sandbox.people import COUNTRIES, live_of, mcc_by_prefix
from agi.sandbox.subscribers import Subscriber
from agi.sandbox.wire import Request

TYPES: Final[Mapping[str, str]] = {
    "hlr": "HLR",
    "landline": "Landline",
    "tps": "TPS",
    "unsubscribe": "Unsubscribe",
}
_CODES: Final[Mapping[str, int]] = {
    "ERR1": -3,
    "ERR11": -4,
    "ERR13": -5,
    "ERR21": -7,
    "ERR36": -12,
}
_WORDS: Final[Mapping[int, str]] = {
    -3: "NotInUse",
    -4: "NoSmsSupport",
    -5: "BlockedSms",
    -7: "NetworkWithoutSms",
    -12: "NetworkNotResponding",
    -96: "InvalidNumber",
    -97: "UnexpectedError",
    -98: "NoCredit",
    -99: "AuthenticationFailed",
}
_PRICE: Final = 1
_ORDERED: Final = {
    Trouble.FAIL_PASSWORD: -99,
    Trouble.FAIL_CREDIT: -98,
    Trouble.LOCKED: -98,
    Trouble.ERROR_INSIDE: -97,
}

Result = dict[str, object]


def digits_of(written: str) -> str:
    """Return a number's digits, country code first: 0044..., 0207 ... and 44... are British."""
    digits = re.sub(r"[ ()+-]", "", written)
    if digits.startswith("00"):
        return digits[2:]
    return "44" + digits[1:] if digits.startswith("0") else digits


def is_local(url: str) -> bool:
    """Say whether a URL is plain HTTP to this machine itself, by address or as localhost."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


class DataSoap:
    """The API behind ``/`` and ``/v1/async``; ``per_second`` 0: no limit."""

    api = Api.DATASOAP

    def __init__(self, ground: Ground, *, mnc: bool = False, per_second: float = 0) -> None:
        self._ground = ground
        self._mnc = mnc
        self._rate = Rate(per_second, ground.clock)

    def read(self, request: Request) -> Asked | Reply | None:
        """Read one request: a question, a refusal, or None for a page that is not there."""
        if request.path == "/" and request.method in {"GET", "POST"}:
            return self._read_sync(request)
        if request.path == "/v1/async" and request.method == "POST":
            return self._read_async(request)
        return None

    def refuse(self, trouble: Trouble) -> Reply | None:
        """Return the vendor's own words for an ordered refusal; None: it has none."""
        code = _ORDERED.get(trouble)
        return None if code is None else _refused(code)

    def _authorised(self, request: Request) -> bool:
        return request.authorization == f"Token {self._ground.account.password}"

    def _refusal(self) -> int | None:
        account = self._ground.account
        if not self._rate.admits():
            return -97
        return None if account.can_pay(_PRICE) and not account.locked else -98

    def _read_sync(self, request: Request) -> Asked | Reply:
        if not self._authorised(request):
            return _refused(-99)
        form = request.form() | dict(parse_qsl(request.query))
        type_ = TYPES.get(form.get("type", "").lower())
        refusal = self._refusal() or (None if type_ else -97)
        if refusal or type_ is None:
            return _refused(refusal or -97)
        number = digits_of(form.get("number", ""))
        if not re.fullmatch("44[0-9]{9,10}", number):
            return Reply(encode({"DataSoapAPIResponse": {"ErrorCode": "-96"}}))

        def answer(order: Order | None, concerned: frozenset[str]) -> Reply:
            result = self._said(number, type_, order, concerned)
            other = self._true(neighbour(number), type_)
            return Reply(_wrapped(type_, result), other=_wrapped(type_, other))

        return Asked((number,), answer, _PRICE)

    def _read_async(self, request: Request) -> Asked | Reply:
        if not self._authorised(request):
            return _refused(-99)
        given = request.json()
        asked = given if isinstance(given, dict) else {}
        type_ = TYPES.get(str(asked.get("Type", "")).lower())
        url, lookup = str(asked.get("PostbackUrl", "")), str(asked.get("Lookup", ""))
        refusal = self._refusal() or (None if type_ and is_local(url) else -97)
        if refusal or type_ is None:
            return _receipt_error(refusal or -97)
        number = digits_of(lookup)
        if not re.fullmatch("44[0-9]{9,10}", number):
            return _receipt_error(-96)
        return self._submission(number, lookup, type_, url)

    def _submission(self, number: str, lookup: str, type_: str, url: str) -> Asked:
        """Take a job: the receipt names it, the postback brings what ``spoiled`` says by then."""
        job = str(uuid.uuid4())
        spoiled: list[tuple[Order | None, frozenset[str]]] = []

        def answer(order: Order | None, concerned: frozenset[str]) -> Reply:
            spoiled.append((order, concerned))
            return Reply(encode({"Job": job}), other=encode({"Job": str(uuid.uuid4())}))

        def postback(name: str) -> bytes:
            order, concerned = spoiled[0] if spoiled else (None, frozenset[str]())
            result = self._said(number, type_, order, concerned)
            outer: Result = {"Type": type_, "Lookup": lookup, "Job": name}
            if "ErrorCode" in result:
                code = int(str(result["ErrorCode"]))
                return encode(outer | {"ErrorCode": code, "ErrorMessage": _WORDS.get(code, "")})
            return encode(outer | {"Result": result})

        return Asked((number,), answer, _PRICE, errand=Errand(url, job, postback))

    def _said(
        self, number: str, type_: str, order: Order | None, concerned: frozenset[str]
    ) -> Result:
        if order is not None and order.trouble is Trouble.PENDING:
            return {"status": "pending"}
        result = self._true(number, type_)
        if order is not None and order.trouble is Trouble.WRONG_NUMBER:
            return result | {"Lookup": f"00{neighbour(number)}"}
        lines = spoil([Line(number, str(result.get("MCC", "")))], order, concerned)
        if "MCC" in result and lines:
            result["MCC"] = lines[0].code[:3] if _is_network(lines[0].code) else lines[0].code
        return result

    def _true(self, number: str, type_: str) -> Result:
        person = self._ground.people.get(number)
        if type_ == "TPS":
            return {"Listed": person is not None and person.tps}
        if type_ == "Unsubscribe":
            return {"Listed": person is not None and person.unsubscribed}
        live = live_of(person)
        if live is None or live is Live.DEAD:
            return {"ErrorCode": str(_CODES.get(person.error if person else "ERR1", -3))}
        if type_ == "Landline":
            return {"IsActive": live is Live.LIVE, "CountryName": "United Kingdom"}
        return self._hlr(number, person or Subscriber(number), live)

    def _hlr(self, number: str, person: Subscriber, live: Live) -> Result:
        mcc = person.mccmnc[:3] or mcc_by_prefix(number)
        result: Result = {"MCC": mcc, "On": live is Live.LIVE}
        if mcc in COUNTRIES:
            result["CountryName"] = COUNTRIES[mcc].name
        if self._mnc and person.mccmnc:
            result |= {"MNC": person.mccmnc[3:], "Ported": bool(person.ported_from)}
        return result


def _is_network(code: str) -> bool:
    return re.fullmatch("[0-9]{5,6}", code) is not None


def _refused(code: int) -> Reply:
    if code == -99:
        return Reply(b"-99", kind=TEXT, failed=True)
    return Reply(encode({"DataSoapAPIResponse": {"ErrorCode": str(code)}}), failed=True)


def _receipt_error(code: int) -> Reply:
    body = encode({"ErrorCode": code, "ErrorMessage": _WORDS.get(code, "")})
    return Reply(body, failed=True)


def _wrapped(type_: str, result: Result) -> bytes:
    inner = result if result.keys() & {"ErrorCode", "status"} else {f"{type_}Result": result}
    return encode({"DataSoapAPIResponse": inner})
