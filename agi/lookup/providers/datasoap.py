"""Data Soap (Liquid11): HLR, Landline, TPS and Unsubscribe, asked at once or by postback.

Facts are from the vendor's pages "Asynchronous API" and "Synchronous API" (datasoap.co.uk,
developer section) and "API document" (account section). They show no field of an answer: the
names inside an answer are in ``agi.lookup.providers.datasoap_answer``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, HttpRequest
from agi.lookup.providers.datasoap_answer import (
    ACCOUNT,
    TYPES,
    Fields,
    NotUnderstoodError,
    StrangerError,
    check_echo,
    document,
    error_code,
    refused,
    told,
)
from agi.model import Msisdn, Outcome, Product

_JOB: Final = re.compile(r"[0-9a-z-]{8,64}")
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")
_JSON: Final = ("Content-Type", "application/json")
_HEADERS: Final = (
    ("Accept-Encoding", "identity"),
    # No answer is documented to name its number, so none may come from a kept connection.
    ("Connection", "close"),
    ("User-Agent", "dialdip"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """One account: ``url`` without a path, ``type`` a key of ``TYPES``.

    Raises:
        ValueError: an unknown type, a url that is not http or https with a host, a token that is
            not printable ASCII.
    """

    name: str
    url: str
    token: str = field(repr=False)
    type: str = "hlr"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("url must be http://HOST or https://HOST")
        if self.type not in TYPES:
            raise ValueError(f"type must be one of {', '.join(TYPES)}")
        if not re.fullmatch("[\x21-\x7e]+", self.token):
            raise ValueError("token must be printable ASCII without blanks")

    @property
    def kind(self) -> str:
        """The key of this vendor's rows in ``errors.csv``."""
        return "datasoap"

    @property
    def product(self) -> Product:
        """What its type tells of a number."""
        return TYPES[self.type][1]

    @property
    def batch_size(self) -> int:
        """One: no page names a form for several numbers."""
        return 1

    def _headers(self, content: tuple[str, str] | None) -> tuple[tuple[str, str], ...]:
        own = (("Authorization", f"Token {self.token}"),)
        return (*_HEADERS, *own, content) if content else (*_HEADERS, *own)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasoapSync(_Account):
    """The synchronous API: the answer comes while the caller waits.

    "API document" allows GET and POST. ``method`` POST, the default, sends the parameters as a
    form, so that no number stands in a URL; GET, what published clients do, sends the same
    string as the query.
    """

    method: str = "POST"

    def __post_init__(self) -> None:
        _Account.__post_init__(self)
        if self.method not in ("POST", "GET"):
            raise ValueError("method must be POST or GET")

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build the request for one number, written as 0044...

        Raises:
            ValueError: not exactly one number.
        """
        asked = {"output": "json", "number": _written(numbers), "type": TYPES[self.type][0]}
        url, query = f"{self.url.rstrip('/')}/", urlencode(asked)
        if self.method == "GET":
            return HttpRequest("GET", f"{url}?{query}", self._headers(None))
        return HttpRequest("POST", url, self._headers(_FORM), query.encode())

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> SoapReading:
        """Start to read an answer; see ``Provider.parse``."""
        return SoapReading(status, _only(numbers), self._understand)

    def _understand(self, body: bytes, number: Msisdn) -> Answer:
        said = document(body)
        if isinstance(said, dict):
            said = said.get("datasoapapiresponse", said)
        if not isinstance(said, dict):
            # A refused token is answered by a bare -99, whatever output was asked for.
            said = {"errorcode": said}
        result = said.get(f"{self.type}result")
        answer = _on_request(number, said, result)
        return answer or told(number, self.type, result)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasoapAsync(_Account):
    """The asynchronous API: a receipt now, the answer later by POST to ``postback_url``.

    The vendor signs nothing, so that URL holds a secret of its own. Every submission is billed,
    repeated ones too.
    """

    postback_url: str = field(repr=False)

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build the submission of one number.

        Raises:
            ValueError: not exactly one number.
        """
        asked = {
            "Lookup": _written(numbers),
            "Type": TYPES[self.type][0],
            "PostbackUrl": self.postback_url,
        }
        url = f"{self.url.rstrip('/')}/v1/async"
        return HttpRequest("POST", url, self._headers(_JSON), json.dumps(asked).encode())

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> SoapReading:
        """Start to read a receipt: its answer has a ``job``, or is what the vendor refused."""
        return SoapReading(status, _only(numbers), _receipt)

    def settle(self, posted: Postback, number: Msisdn) -> Answer | None:
        """Return what a postback says of ``number``, which is ours, from the register of jobs.

        None: it names another number or another type, so it is not the answer. An error code of
        the account is an answer here (ACCOUNT), since no request of ours is there to fail.
        """
        if posted.type not in ("", self.type):
            return None
        result = posted.said.get("result")
        try:
            check_echo(number, posted.said, result)
            code = error_code(posted.said, result)
        except StrangerError:
            return None
        except NotUnderstoodError:
            return Answer(number, Outcome.MALFORMED)
        if code in ACCOUNT:
            return Answer(number, Outcome.ACCOUNT, code=str(code))
        return refused(number, code) if code else told(number, self.type, result)


@dataclass(frozen=True, slots=True)
class Postback:
    """What the vendor posted: the job it belongs to, its type in lower case, else empty."""

    job: str = field(repr=False)
    type: str
    said: Fields = field(repr=False)


def read_postback(body: bytes) -> Postback | None:
    """Return the postback in a request's body, None if it is none: no JSON object, no job id."""
    try:
        said = document(body)
    except ProviderFault:
        return None
    if not isinstance(said, dict):
        return None
    job, kind = _job(said), said.get("type") or ""
    if not job or not isinstance(kind, str):
        return None
    return Postback(job, kind.lower(), said)


class SoapReading:
    """One answer being read: it is understood when its end is there, and not before."""

    def __init__(
        self, status: int, number: Msisdn, understand: Callable[[bytes, Msisdn], Answer]
    ) -> None:
        """Start to read.

        Raises:
            ProviderFault: the status alone says that the request failed.
        """
        if status in (401, 402, 403):
            raise ProviderFault("account", str(status))
        if status == 429:
            raise ProviderFault("throttled", str(status))
        if not 200 <= status < 300:
            raise ProviderFault("http", str(status))
        self.strangers = 0
        self._number = number
        self._understand = understand
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; the client caps their number."""
        self._body += data
        return []

    def close(self) -> list[Answer]:
        """Take the end; an answer for another number is dropped, ours is temporary then.

        See ``Reading.close``.
        """
        try:
            return [self._understand(bytes(self._body), self._number)]
        except StrangerError:
            self.strangers += 1
            return [Answer(self._number, Outcome.TEMPORARY)]
        except NotUnderstoodError:
            raise ProviderFault("malformed", "an error code that is none") from None


def _only(numbers: Sequence[Msisdn]) -> Msisdn:
    if len(numbers) != 1:
        raise ValueError("a request holds exactly one number")
    return numbers[0]


def _written(numbers: Sequence[Msisdn]) -> str:
    return f"00{_only(numbers)}"


def _job(said: Fields) -> str:
    job = said.get("job")
    return job.lower() if isinstance(job, str) and _JOB.fullmatch(job.lower()) else ""


def _receipt(body: bytes, number: Msisdn) -> Answer:
    said = document(body)
    fields = said if isinstance(said, dict) else {"errorcode": said}
    answer, job = _on_request(number, fields), _job(fields)
    if answer is None and not job:
        raise ProviderFault("malformed", "neither a receipt nor an error code")
    return answer or Answer(number, Outcome.TEMPORARY, job=job)


def _on_request(number: Msisdn, said: Fields, result: object = None) -> Answer | None:
    """Return the answer that is an error code, if there is one.

    Raises:
        ProviderFault: it is one of the account's.
    """
    check_echo(number, said, result)
    code = error_code(said, result)
    if code in ACCOUNT:
        raise ProviderFault("account", str(code))
    return refused(number, code) if code else None
