"""HLR Lookup (hlrlookup.com), synchronous API v2: ``/mnp`` and ``/hlr``, up to 80 numbers.

Facts are from the vendor's pages (hlrlookup.com/knowledge: "url-structure", "full-api-result",
"example-request-and-responses", "http-response-codes", "cache-system") and, for an answer's outer
form and which network counts, from Signal-Server, which reads the same API. What they leave open
is decided here and said where it is decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

import msgspec

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, HttpRequest
from agi.lookup.providers.strict_json import decoded
from agi.model import Line, Live, Msisdn, NumberInfo, Outcome, Product
from agi.plmn import Plmn, canonical

UNITS: Final = {"mnp": 0.5, "hlr": 1.0}
"""The types of lookup, and the credits of one where the answer does not say ("cache-system")."""

MAX_BATCH: Final = 80
"""Numbers in one request, at most ("url-structure")."""

MAX_CREDITS: Final = 100
"""Credits of one answer, at most; the dearest that the pages name costs 2."""

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
_CREDITS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")
_CODE: Final = re.compile(r"[a-z0-9_.-]{1,24}")
_HEADERS: Final = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
    ("Content-Type", "application/json"),
    ("User-Agent", "dialdip"),
)
_STATUSES: Final = {
    400: "bad_request",
    401: "account",
    402: "account",
    403: "account",
    404: "bad_request",
    429: "throttled",
}
_ERRORS: Final = {
    "BAD_REQUEST": "bad_request",
    "UNAUTHORIZED": "account",
    "INSUFFICIENT_CREDIT": "account",
    "TOO_MANY_REQUESTS": "throttled",
}
_LIVES: Final = {"LIVE": Live.LIVE, "DEAD": Live.DEAD, "ABSENT_SUBSCRIBER": Live.ABSENT}
_WITHOUT_NETWORK: Final = {
    "DEAD": (Outcome.NOT_FOUND, "dead"),
    "ABSENT_SUBSCRIBER": (Outcome.ABSENT, "absent_subscriber"),
    "NO_COVERAGE": (Outcome.UNSUPPORTED, "no_coverage"),
    "NOT_AVAILABLE_NETWORK_ONLY": (Outcome.UNSUPPORTED, "network_only"),
    "NOT_AVAIALBLE_NETWORK_ONLY": (Outcome.UNSUPPORTED, "network_only"),  # the page's misspelling
    "NO_TELESERVICE_PROVISIONED": (Outcome.UNSUPPORTED, "no_teleservice"),
    "INCONCLUSIVE": (Outcome.UNSUPPORTED, "inconclusive"),
    "NOT_APPLICABLE": (Outcome.UNSUPPORTED, "not_applicable"),
}
"""``live_status`` of an answer without a network; codes longer than 24 letters are shortened."""

_LINES: Final = {
    "MOBILE": Line.MOBILE,
    "LANDLINE": Line.LANDLINE,
    "MOBILE_OR_LANDLINE": Line.MOBILE_OR_LANDLINE,
    "VOIP": Line.VOIP,
    "TOLL_FREE": Line.TOLLFREE,
    "PREMIUM": Line.PREMIUM,
}


class _Network(msgspec.Struct, frozen=True, gc=False):
    mccmnc: str | int | None = None


class _Asked(msgspec.Struct, frozen=True, gc=False):
    telephone_number: str | int | None = None


class _Result(msgspec.Struct, frozen=True, gc=False):
    error: str | None = None
    request_parameters: _Asked | None = None
    credits_spent: float | int | str | None = None
    live_status: str | None = None
    original_network: str | None = None
    original_network_details: _Network | None = None
    current_network: str | None = None
    current_network_details: _Network | None = None
    is_ported: str | None = None
    telephone_number_type: str | None = None


class _Results(msgspec.Struct, frozen=True, gc=False):
    results: list[_Result] | None = None
    error: str | None = None


class _Body(msgspec.Struct, frozen=True, gc=False):
    results: list[_Result] | None = None
    body: _Results | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HlrLookup:
    """One account at hlrlookup.com, asked for networks.

    ``lookup`` is ``mnp`` (portability only, half a credit) or ``hlr`` (with liveness, a credit).
    ``url`` is the base with its version, such as ``https://api.hlrlookup.com/apiv2``.
    ``username`` is the vendor's api_key, ``password`` its api_secret. ``batch_size`` 0 is 80.

    Raises:
        ValueError: another lookup, a batch size above 80, a url that is not http or https with a
            host and a possible port.
    """

    name: str
    url: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    lookup: str = "mnp"
    batch_size: int = 0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("url must be http://HOST/... or https://HOST/...")
        if self.lookup not in UNITS:
            raise ValueError(f"lookup must be one of {', '.join(UNITS)}")
        if not 0 <= self.batch_size <= MAX_BATCH:
            raise ValueError(f"batch_size must be 1 to {MAX_BATCH}")
        object.__setattr__(self, "batch_size", self.batch_size or MAX_BATCH)

    @property
    def kind(self) -> str:
        """The key of this vendor's rows in ``errors.csv``."""
        return "hlrlookup"

    @property
    def product(self) -> Product:
        """Both lookups know networks."""
        return Product.NETWORK

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build one POST; the credentials stand in its body, as the vendor wants them.

        ``save_to_cache`` is ``NO``: by default the vendor lets its other customers find the
        numbers asked ("cache-system").

        Raises:
            ValueError: no number, or more than ``batch_size``.
        """
        if not 1 <= len(numbers) <= self.batch_size:
            raise ValueError(f"a request holds 1 to {self.batch_size} numbers")
        asked = [{"telephone_number": number, "save_to_cache": "NO"} for number in numbers]
        body = {"api_key": self.username, "api_secret": self.password, "requests": asked}
        url = f"{self.url.rstrip('/')}/{self.lookup}"
        return HttpRequest("POST", url, _HEADERS, msgspec.json.encode(body))

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> HlrLookupReading:
        """Start to read an answer; see ``Provider.parse``.

        429 is about the destination's network, not about the account, and is not charged
        (the vendor's page "testing").
        """
        if not 200 <= status < 300:
            raise ProviderFault(_STATUSES.get(status, "http"), str(status))
        return HlrLookupReading(numbers, UNITS[self.lookup])


class HlrLookupReading:
    """One answer being read; it is understood when it is complete.

    Results are told apart by the number that they repeat from the request, never by position. Of
    two for one number the first stands. A number without a result becomes temporary.
    """

    def __init__(self, numbers: Sequence[Msisdn], units: float) -> None:
        self.strangers = 0
        self._numbers = numbers
        self._units = units
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; see ``Reading.feed``."""
        self._body += data
        return []

    def close(self) -> list[Answer]:
        """Take the end; see ``Reading.close``."""
        waiting = dict.fromkeys(self._numbers)
        answers: list[Answer] = []
        for result in _results(decoded(bytes(self._body), _Body)):
            number = _named(result)
            if number is None and len(self._numbers) == 1:
                raise ProviderFault("malformed", "an answer that names no number")
            if number is None or number not in self._numbers:
                self.strangers += 1
            elif number in waiting:
                del waiting[number]
                answers.append(_understand(number, result, self._units))
        return answers + [Answer(n, Outcome.TEMPORARY, units=self._units) for n in waiting]


def _results(body: _Body) -> list[_Result]:
    """Return the results, which some answers wrap once more; an error stands in their place."""
    inner = body.body or _Results()
    results = body.results if body.results is not None else inner.results
    errors = [error for error in (body.error, inner.error) if error not in {None, "", "NONE"}]
    errors += [result.error for result in results or () if result.error == "INSUFFICIENT_CREDIT"]
    if errors:
        raise ProviderFault(_ERRORS.get(errors[0] or "", "http"), "an error in the body")
    if results is None:
        raise ProviderFault("malformed", "neither results nor an error")
    return results


def _named(result: _Result) -> Msisdn | None:
    said = result.request_parameters
    match = _NUMBER.fullmatch(str(said.telephone_number)) if said else None
    return Msisdn(match[1]) if match else None


def _understand(number: Msisdn, said: _Result, default: float) -> Answer:
    """Read one result; an error of its own, but for the account's, is temporary."""
    units = _units(said, default)
    if units is None:
        return Answer(number, Outcome.MALFORMED, units=default)
    error = said.error or "NONE"
    if error != "NONE":
        code = _CODE.fullmatch(error.lower())
        return Answer(number, Outcome.TEMPORARY, code=code[0] if code else "", units=units)
    text = _current(said)
    plmn = canonical(text)
    if text and plmn is None:
        return Answer(number, Outcome.MALFORMED, units=units)
    if plmn is None:
        return _without_network(number, said, units)
    return Answer(number, Outcome.OK, _info(said, plmn), units=units)


def _units(said: _Result, default: float) -> float | None:
    """Return the credits spent; None when that is no amount of credits."""
    if said.credits_spent is None:
        return default
    text = str(said.credits_spent)
    if not _CREDITS.fullmatch(text) or Decimal(text) > MAX_CREDITS:
        return None
    return float(text)


def _current(said: _Result) -> str:
    """Return the code of the network that serves the number now, empty if it is not known.

    The original network is who was given the range. It serves the number still only where the
    vendor says that it was not ported.
    """
    if said.current_network == "AVAILABLE":
        details = said.current_network_details
    elif said.is_ported == "NO" and said.original_network == "AVAILABLE":
        details = said.original_network_details
    else:
        return ""
    return "" if details is None or details.mccmnc is None else str(details.mccmnc)


def _info(said: _Result, plmn: Plmn | None) -> NumberInfo:
    return NumberInfo(
        None if plmn is None else plmn.mccmnc,
        _LIVES.get(said.live_status or ""),
        {"YES": True, "NO": False}.get(said.is_ported or ""),
        _LINES.get(said.telephone_number_type or ""),
    )


def _without_network(number: Msisdn, said: _Result, units: float) -> Answer:
    """Read a result that names no network: what it says of the number, or nothing yet.

    Portability alone has no liveness: there ``current_network`` says that nothing is known.
    """
    if said.telephone_number_type == "BAD_FORMAT":
        return Answer(number, Outcome.INVALID_NUMBER, code="bad_format", units=units)
    status = said.live_status or ""
    info = _info(said, None)
    if status == "LIVE":
        return Answer(number, Outcome.OK, info, units=units)
    if status in _WITHOUT_NETWORK:
        outcome, code = _WITHOUT_NETWORK[status]
        kept = info if info.live else None
        return Answer(number, outcome, kept, code, units=units)
    if not status and said.current_network == "NOT_AVAILABLE":
        return Answer(number, Outcome.UNSUPPORTED, code="not_available", units=units)
    return Answer(number, Outcome.TEMPORARY, units=units)
