"""Comcetera NumberPortabilityLookup (NPL), text versions 2.3, 2.4 and 2.5: request and parser.

Facts are from the vendor's API page "NumberPortabilityLookup API" (numberportabilitylookup.com,
versions 2.4 and 2.5); what the page leaves open is decided here and said where it is decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, HttpRequest
from agi.model import Live, Msisdn, NumberInfo, Outcome, Product
from agi.plmn import canonical

VERSIONS: Final = ("2.3", "2.4", "2.5")
"""The answer formats understood; 2.3 is what the vendor sends when ``apiver`` is left out."""

MAX_BATCH: Final = 1000
"""Numbers in one request, at most (API page v2.4; its v3 says 100)."""

MAX_LINE: Final = 512
"""Bytes of one line, at most; the longest that the page shows has 48."""

_LINE = re.compile(rb"([0-9]{1,15}) ([\x20-\x7e]*)")
_ERROR = re.compile(r"ERR([0-9]{1,4})")
_HEADERS: Final = (
    ("Accept-Encoding", "identity"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("User-Agent", "dialdip"),
)
_CLOSE: Final = ("Connection", "close")
"""The vendor closes after ENDBATCH anyway; and no answer that a kept connection may hold besides
ours can be taken for the next number's."""
_OUTCOMES: Final = {
    "err1": (Outcome.NOT_FOUND, Live.DEAD),
    "err11": (Outcome.UNSUPPORTED, None),
    "err13": (Outcome.UNSUPPORTED, None),
    "err21": (Outcome.UNSUPPORTED, None),
    "err29": (Outcome.ABSENT, Live.ABSENT),
    "err36": (Outcome.TEMPORARY, None),
}
_FIRST_LINES: Final = (
    ("fail invalid password", "account", "invalid password"),
    ("fail insufficient credit", "account", "insufficient credit"),
    ("err account locked", "account", "account locked"),
    ("fail no numbers specified", "bad_request", "no numbers specified"),
    ("fail request too long", "bad_request", "request too long"),
    ("fail", "bad_request", "an unlisted FAIL line"),
)
_FIRST_FAILED_STATUS: Final = 300
_FIRST_GOOD_STATUS: Final = 200
_REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comcetera:
    """One account at Comcetera NPL.

    ``url`` is the endpoint (the vendor recommends ``https://secure.comcetera.com/npl``),
    ``economy`` asks for cached (True) or live (False) answers and exists from version 2.5 on;
    None leaves it to the account's setting.

    Raises:
        ValueError: an unknown version, a batch size outside 1 to 1000, economy before 2.5, a url
            that is not http or https with a host and a possible port.
    """

    name: str
    url: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    api_version: str = "2.4"
    batch_size: int = MAX_BATCH
    economy: bool | None = None
    keep_alive: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("url must be http://HOST/... or https://HOST/...")
        if self.api_version not in VERSIONS:
            raise ValueError(f"api_version must be one of {', '.join(VERSIONS)}")
        if not 1 <= self.batch_size <= MAX_BATCH:
            raise ValueError(f"batch_size must be 1 to {MAX_BATCH}")
        if self.economy is not None and self.api_version != "2.5":
            raise ValueError('economy needs api_version = "2.5"')

    @property
    def kind(self) -> str:
        """The key of this vendor's rows in ``errors.csv``."""
        return "comcetera"

    @property
    def product(self) -> Product:
        """NPL knows networks."""
        return Product.NETWORK

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build one POST: a GET would put password and numbers into URLs and proxy logs.

        Raises:
            ValueError: no number, or more than ``batch_size``.
        """
        if not 1 <= len(numbers) <= self.batch_size:
            raise ValueError(f"a request holds 1 to {self.batch_size} numbers")
        form = {"user": self.username, "pass": self.password, "msisdn": ",".join(numbers)}
        if self.api_version != "2.3":
            form["apiver"] = self.api_version
        if self.economy is not None:
            form["economy"] = "1" if self.economy else "0"
        headers = _HEADERS if self.keep_alive else (*_HEADERS, _CLOSE)
        return HttpRequest("POST", self.url, headers, urlencode(form, safe=",").encode())

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> NplReading:
        """Start to read an answer; see ``Provider.parse``.

        The vendor does not say which status its FAIL lines have: with a 2xx status the first line
        decides, any other status is a failure by itself.
        """
        if status in _REFUSED:
            raise ProviderFault("account", str(status))
        if not _FIRST_GOOD_STATUS <= status < _FIRST_FAILED_STATUS:
            raise ProviderFault("http", str(status))
        return NplReading(numbers)


class NplReading:
    """One answer being read: ``QUERYOK``, a line per number in any order, ``ENDBATCH``.

    What comes out does not depend on how the bytes were cut. A fault found behind good answers is
    raised by the next call, so that the answers before it are not lost. ``strangers`` counts
    lines for numbers that were not asked: they are dropped. Of two lines for one number the
    first stands. What follows ENDBATCH is not looked at.
    """

    def __init__(self, numbers: Sequence[Msisdn]) -> None:
        self.strangers = 0
        self._asked = frozenset(numbers)
        self._open = dict.fromkeys(numbers)
        self._pending = b""
        self._started = False
        self._ended = False
        self._fault: ProviderFault | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; see ``Reading.feed``."""
        if self._fault is not None:
            raise self._fault
        if self._ended:
            return []
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        answers: list[Answer] = []
        try:
            for line in lines:
                answers += self._line(line)
            self._cap(self._pending)
        except ProviderFault as fault:
            self._fault = fault
            if not answers:
                raise
        return answers

    def close(self) -> list[Answer]:
        """Take the end; numbers that the provider passed over in silence become temporary.

        A last line without its line feed may be cut short, so it never is an answer; only
        ENDBATCH, or a first line that reports a failure, may end the body without one.
        """
        if self._fault is not None:
            raise self._fault
        if not self._ended:
            self._last(self._pending.removesuffix(b"\r"))
        return [Answer(number, Outcome.TEMPORARY) for number in self._open]

    def _last(self, line: bytes) -> None:
        if not self._started:
            if not line:
                raise ProviderFault("malformed", "an empty body")
            self._first(line)
        if line != b"ENDBATCH":
            raise ProviderFault("truncated", "no ENDBATCH")
        self._ended = True

    def _line(self, line: bytes) -> list[Answer]:
        self._cap(line)
        line = line.removesuffix(b"\r")
        if self._ended or (not line and self._started):
            return []
        if not self._started:
            self._first(line)
            return []
        if line == b"ENDBATCH":
            self._ended = True
            return []
        return self._answer(line)

    def _cap(self, line: bytes) -> None:
        if len(line) > MAX_LINE and not self._ended:
            raise ProviderFault("malformed", f"a line of more than {MAX_LINE} bytes")

    def _first(self, line: bytes) -> None:
        text = line.decode("ascii", "replace").lower()
        for prefix, cause, detail in _FIRST_LINES:
            if text == prefix or text.startswith(prefix + " "):
                raise ProviderFault(cause, detail)
        if line != b"QUERYOK":
            raise ProviderFault("malformed", "the first line is not QUERYOK")
        self._started = True

    def _answer(self, line: bytes) -> list[Answer]:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProviderFault("malformed", "a line that is not a number and its answer")
        number = Msisdn(match[1].decode("ascii"))
        if number not in self._asked:
            self.strangers += 1
            return []
        if number not in self._open:
            return []
        del self._open[number]
        return [_understand(number, match[2].decode("ascii").strip())]


def _understand(number: Msisdn, code: str) -> Answer:
    """Read what follows the number: an error code, or ``mccmnc[,msc,imsi]``.

    MSC and IMSI are personal data and end here. Codes are exactly as the page writes them
    (``ERR29``); anything else that begins like one is not understood.
    """
    error = _ERROR.fullmatch(code)
    if error is not None:
        return _refusal(number, f"err{int(error[1])}")
    network = code.partition(",")[0].strip()
    if not network or not (network[0].isdigit() or network[:3].upper() == "ERR"):
        return Answer(number, Outcome.OK, NumberInfo(live=Live.LIVE))
    plmn = canonical(network)
    if plmn is None:
        return Answer(number, Outcome.MALFORMED)
    return Answer(number, Outcome.OK, NumberInfo(plmn.mccmnc, Live.LIVE))


def _refusal(number: Msisdn, code: str) -> Answer:
    outcome, live = _OUTCOMES.get(code, (Outcome.TEMPORARY, None))
    return Answer(number, outcome, None if live is None else NumberInfo(live=live), code)
