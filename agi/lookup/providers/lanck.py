"""LANCK Telecom (Boomware): HLR lookup and fraud check, one number per request.

Facts are from the vendor's API page (boomware.com/docs/en, "Errors", "HLR Lookup", "Fraud check")
and from the vendor's Go client (boomware-go), which alone lists the statuses of a lookup. What
both leave open is decided here and said where it is decided.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, HttpRequest
from agi.lookup.providers.strict_json import decoded
from agi.model import Fraud, Live, Msisdn, NumberInfo, Outcome, Product
from agi.plmn import canonical

METHODS: Final = ("POST", "GET")
"""The vendor's page shows POST, its Go client uses GET; POST keeps numbers out of URLs."""

CAUSES: Final = {
    "1": ("account", "authentication required"),
    "2": ("account", "inactive account"),
    "4": ("throttled", "more than 30 requests per second"),
    "5": ("account", "inactive token"),
    "6": ("account", "account not in live, or insufficient funds"),
    "10": ("bad_request", "malformed request"),
    "99": ("http", "internal server error"),
}
"""``errorCode`` where it fails the whole request, by the page's list ("Errors"; 99: the client's).

The page has 6 as "Account not in live", the client as "Insufficient funds".
"""

INVALID: Final = "11"
"""The ``errorCode`` of a number that is not E.164: the only one that is about the number."""

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
_CODE: Final = re.compile(r"-?[0-9]{1,4}")
_REFUSED: Final = (401, 402, 403)
_THROTTLED: Final = 429
_FRAUD: Final = {
    "PASSED": Fraud.PASSED,
    "NOT_MOBILE_PREFIX": Fraud.NOT_MOBILE,
    "SUSPICIOUS": Fraud.SUSPICIOUS,
    "FRAUDULENT": Fraud.FRAUDULENT,
    "FRAUDLENT": Fraud.FRAUDULENT,  # so the page's own sample spells it
}


class _Body(msgspec.Struct, frozen=True, gc=False):
    number: str | int | None = None
    status: str | None = None
    mccmnc: str | int | None = None
    ported: bool | None = None
    error_code: str | int | None = msgspec.field(default=None, name="errorCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lanck:
    name: str
    url: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    method: str = "POST"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("url must be http://HOST/... or https://HOST/...")
        if self.method not in METHODS:
            raise ValueError("method must be POST or GET")
        if ":" in self.username:
            raise ValueError("username must be without a colon")

    @property
    def kind(self) -> str:
        """The key of this vendor's rows in ``errors.csv``."""
        return "lanck"

    @property
    def batch_size(self) -> int:
        """The vendor takes one number per request."""
        return 1

    def _ask(self, path: str, numbers: Sequence[Msisdn], *more: tuple[str, str]) -> HttpRequest:
        (number,) = numbers
        token = b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")
        headers = (
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Authorization", f"Basic {token}"),
            ("User-Agent", "dialdip"),
            *more,
        )
        url = f"{self.url.rstrip('/')}/insight/{path}"
        form = urlencode({"number": f"+{number}"})
        if self.method == "GET":
            return HttpRequest("GET", f"{url}?{form}", headers)
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        return HttpRequest("POST", url, (*headers, kind), form.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class LanckHlr(_Lanck):
    """One account at LANCK, asked for networks (``POST /insight/hlr``).

    ``url`` is the base with its version, such as ``https://api.boomware.com/v1``: the page leaves
    the host to the reseller. ``username`` and ``password`` are the two halves of the access token.

    Raises:
        ValueError: a url that is not http or https with a host and a possible port, another
            method, a colon in the username.
    """

    @property
    def product(self) -> Product:
        """An HLR lookup knows networks."""
        return Product.NETWORK

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build the request for exactly one number.

        Raises:
            ValueError: no number, or more than one.
        """
        return self._ask("hlr", numbers)

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> LanckReading:
        """Start to read an answer; see ``Provider.parse``."""
        return LanckReading(_checked(status), numbers, _lookup, named=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanckFraud(_Lanck):
    """The same account, asked whether a number is known for fraud (``POST /insight/fraudcheck``).

    The answer on the vendor's page names no number. It is taken for the number asked because the
    request holds one number and its connection is used for nothing else: it asks for
    ``Connection: close``, so no answer to another request can come on it. A number that is there
    all the same has to be the one that was asked.

    Raises:
        ValueError: as for ``LanckHlr``.
    """

    @property
    def product(self) -> Product:
        """A screen."""
        return Product.FRAUD

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build the request for exactly one number.

        Raises:
            ValueError: no number, or more than one.
        """
        return self._ask("fraudcheck", numbers, ("Connection", "close"))

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> LanckReading:
        """Start to read an answer; see ``Provider.parse``."""
        return LanckReading(_checked(status), numbers, _verdict, named=False)


class LanckReading:
    """One answer being read; it is understood when it is complete.

    A body with an ``errorCode`` is a failure whatever the HTTP status; the page's list says which
    ones fail the request. Only 11 is about the number, and such a body names no number at all:
    so its row in ``errors.csv`` is short-lived. An answer for another number is dropped.
    """

    def __init__(
        self,
        status: int,
        numbers: Sequence[Msisdn],
        understand: Callable[[Msisdn, _Body], Answer],
        *,
        named: bool,
    ) -> None:
        self.strangers = 0
        (self._number,) = numbers
        self._status = status
        self._understand = understand
        self._named = named
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; see ``Reading.feed``."""
        self._body += data
        return []

    def close(self) -> list[Answer]:
        """Take the end; see ``Reading.close``."""
        said = self._decoded()
        code = "" if said.error_code is None else str(said.error_code)
        if code in {"", "0"} and self._status >= 300:
            raise ProviderFault("http", str(self._status))
        if code not in {"", "0", INVALID}:
            raise _failure(code)
        named = _named(said)
        if said.number is None and self._named and code != INVALID:
            raise ProviderFault("malformed", "an answer that names no number")
        if said.number is not None and named != self._number:
            self.strangers += 1
            return [Answer(self._number, Outcome.TEMPORARY)]
        if code == INVALID:
            return [Answer(self._number, Outcome.INVALID_NUMBER, code=INVALID)]
        return [self._understand(self._number, said)]

    def _decoded(self) -> _Body:
        """Read the body; an error page of a server in between is the status's failure."""
        try:
            return decoded(bytes(self._body), _Body)
        except ProviderFault:
            if self._status >= 300:
                raise ProviderFault("http", str(self._status)) from None
            raise


def _checked(status: int) -> int:
    """Return a status whose body has to be read: success, or an error that the body explains."""
    if status in _REFUSED:
        raise ProviderFault("account", str(status))
    if status == _THROTTLED:
        raise ProviderFault("throttled", str(status))
    if not 200 <= status < 300 and not 400 <= status < 500:
        raise ProviderFault("http", str(status))
    return status


def _failure(code: str) -> ProviderFault:
    cause, detail = CAUSES.get(code, ("http", ""))
    if not detail:
        detail = f"error {code}" if _CODE.fullmatch(code) else "an unlisted error"
    return ProviderFault(cause, detail)


def _named(said: _Body) -> str:
    match = _NUMBER.fullmatch(str(said.number))
    return match[1] if match else ""


def _lookup(number: Msisdn, said: _Body) -> Answer:
    """Read a lookup.

    DELIVERED: the subscriber's network answered. UNDELIVERED: unknown, absent or unsupported; a
    network that is named all the same is good for routing. REJECTED: no lookup was made and
    nothing is billed, so a network in it would be the number range's and is not taken. Any other
    status, such as one of an answer still to come, is not an answer.
    """
    if said.status == "REJECTED":
        return Answer(number, Outcome.UNSUPPORTED, code="rejected", units=0.0)
    if said.status not in {"DELIVERED", "UNDELIVERED"}:
        return Answer(number, Outcome.TEMPORARY)
    text = "" if said.mccmnc is None else str(said.mccmnc)
    plmn = canonical(text)
    if text and plmn is None:
        return Answer(number, Outcome.MALFORMED)
    live = Live.LIVE if said.status == "DELIVERED" else Live.ABSENT
    if plmn is not None:
        return Answer(number, Outcome.OK, NumberInfo(plmn.mccmnc, live, said.ported))
    if live is Live.LIVE:
        return Answer(number, Outcome.OK, NumberInfo(None, live, said.ported))
    return Answer(number, Outcome.NOT_FOUND, code="undelivered")


def _verdict(number: Msisdn, said: _Body) -> Answer:
    """Read a fraud check; a status that is none of the page's is not a verdict."""
    fraud = _FRAUD.get(said.status or "")
    if fraud is None:
        return Answer(number, Outcome.TEMPORARY)
    return Answer(number, Outcome.OK, verdict=fraud)
