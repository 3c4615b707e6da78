"""The seam to a lookup provider: two pure functions, ``request`` and ``parse``, and no client.

A provider builds the bytes of one request for several numbers, and reads the bytes of the answer
as they arrive. It opens no connection, keeps no clock and logs nothing, so that the same code
serves the call path, the shell and the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agi.model import Msisdn, NumberInfo, Outcome, Product


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request. Url, headers and body may hold secrets and numbers: they have no repr."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said about one number that was asked.

    ``info`` is set when ``outcome`` is OK and the product is the network. ``code`` is the
    provider's own code in lower case, the one that ``errors.csv`` lists (``err1``), else empty.
    ``verdict`` is what a screen said: a value of ``Fraud``, or ``listed`` or ``clear`` for TPS and
    Unsubscribe. ``units`` is how many priced units the answer cost (a provider that reports its
    credits). ``job`` is not empty when this is only a receipt: the answer comes by postback under
    this job id, and nothing else of the value counts.
    """

    number: Msisdn = field(repr=False)
    outcome: Outcome
    info: NumberInfo | None = None
    code: str = ""
    verdict: str = ""
    units: float = 1.0
    job: str = ""


class Reading(Protocol):
    """One answer body being read; ``strangers`` counts answers for numbers that were not asked."""

    strangers: int

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; return the answers that became complete, in no promised order.

        Raises:
            ProviderFault: the body says that the whole request failed. Answers returned by
                earlier calls stay good.
        """

    def close(self) -> list[Answer]:
        """Take the end of the body; return what it completes.

        Raises:
            ProviderFault: the body ended too early or was not understood.
        """


class Provider(Protocol):
    """One account at one provider system."""

    @property
    def name(self) -> str:
        """The account's name in the configuration."""

    @property
    def kind(self) -> str:
        """The provider system: the key of its rows in ``errors.csv``."""

    @property
    def product(self) -> Product:
        """What this object asks for; one account may have several objects."""

    @property
    def batch_size(self) -> int:
        """How many numbers one request may hold."""

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        """Build the request for 1 to ``batch_size`` numbers."""

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> Reading:
        """Start to read the answer to that request, whose HTTP status is ``status``.

        Raises:
            ProviderFault: the status alone says that the request failed (429: ``throttled``; the
                client adds what Retry-After says).
        """
