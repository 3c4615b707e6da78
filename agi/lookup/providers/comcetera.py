"""Comcetera NumberPortabilityLookup (NPL), text versions 2.3 to 2.5 and JSON version 3.

Facts are from the vendor's API page "NumberPortabilityLookup API" (numberportabilitylookup.com,
versions 2.4, 2.5 and 3.32); what the page leaves open is decided here and said where it is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from agi.errors import ProviderFault
from agi.lookup.provider import HttpRequest, Reading
from agi.lookup.providers.npl_json import Npl3Reading
from agi.lookup.providers.npl_text import NplReading
from agi.model import Msisdn, Product

VERSIONS: Final = ("2.3", "2.4", "2.5", "3")
"""The answer formats understood; 2.3 is what the vendor sends when ``apiver`` is left out."""

MAX_BATCH: Final = 1000
"""Numbers in one request of version 2, at most (API page v2.4)."""

MAX_BATCH_3: Final = 100
"""Numbers in one request of version 3, at most (API page v3.3)."""

_HEADERS: Final = (
    ("Accept-Encoding", "identity"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("User-Agent", "dialdip"),
)
_CLOSE: Final = ("Connection", "close")
"""The vendor closes after ENDBATCH anyway; and no answer that a kept connection may hold besides
ours can be taken for the next number's."""
_REFUSED: Final = (401, 402, 403)
_THROTTLED: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Comcetera:
    """One account at Comcetera NPL.

    ``url`` is the endpoint: the vendor recommends ``https://secure.comcetera.com/npl`` for
    version 2 and ``https://api.numberportabilitylookup.com/npl`` for version 3. ``batch_size`` 0
    is as many as the version allows: 1000, from version 3 on 100. ``economy`` asks for cached
    (True) or live (False) answers and exists in version 2.5; None leaves it to the account's
    setting.

    Raises:
        ValueError: an unknown version, a batch size outside of what the version allows, economy
            in another version, a url that is not http or https with a host and a possible port.
    """

    name: str
    url: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    api_version: str = "2.4"
    batch_size: int = 0
    economy: bool | None = None
    keep_alive: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("url must be http://HOST/... or https://HOST/...")
        if self.api_version not in VERSIONS:
            raise ValueError(f"api_version must be one of {', '.join(VERSIONS)}")
        most = MAX_BATCH_3 if self.api_version == "3" else MAX_BATCH
        if not 0 <= self.batch_size <= most:
            raise ValueError(f"batch_size must be 1 to {most} in version {self.api_version}")
        if self.economy is not None and self.api_version != "2.5":
            raise ValueError('economy needs api_version = "2.5"')
        object.__setattr__(self, "batch_size", self.batch_size or most)

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
        if self.api_version == "3":
            form["format"] = "json"
        elif self.api_version != "2.3":
            form["apiver"] = self.api_version
        if self.economy is not None:
            form["economy"] = "1" if self.economy else "0"
        headers = _HEADERS if self.keep_alive else (*_HEADERS, _CLOSE)
        return HttpRequest("POST", self.url, headers, urlencode(form, safe=",").encode())

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> Reading:
        """Start to read an answer; see ``Provider.parse``.

        The vendor does not say which status its FAIL lines have: with a 2xx status the first line
        decides, any other status is a failure by itself.
        """
        if status in _REFUSED:
            raise ProviderFault("account", str(status))
        if status == _THROTTLED:
            raise ProviderFault("throttled", str(status))
        if not 200 <= status < 300:
            raise ProviderFault("http", str(status))
        return Npl3Reading(numbers) if self.api_version == "3" else NplReading(numbers)
