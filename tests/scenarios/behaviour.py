"""How a scripted provider behaves: its manners as a scenario words them, and who is treated how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agi.model import Msisdn

SAYS: Final = ("ANSWERS", "REPLY", "WRONG_NUMBER", "SILENT")
"""What is said of one number: the rest of a batch may be told something else."""

DOES: Final = {
    "HANG": "takes the request and never answers",
    "BLACKHOLE": "the connection is never made",
    "REFUSE": "the connection is refused",
    "TLS": "the TLS handshake fails",
    "RESET": "the connection is reset before an answer",
    "CLOSED_KEPT": "a kept connection turns out to be closed, once",
    "STATUS": "an HTTP status instead of an answer",
    "DRIP": "the right answer, one byte every so many milliseconds",
    "TRUNCATE": "the answer ends in its middle",
    "HTML": "a page for people with status 200",
    "BODY": "these very words with status 200",
    "OVERSIZE": "a body of 50 MB",
    "GZIP": "a compressed body",
    "REDIRECT": "a redirect to this machine",
}
"""What is done to a whole request, whatever it asks."""


@dataclass(frozen=True, slots=True)
class Manner:
    """One way to treat a number, or a request. ``after_ms``: when its line, or its body, is sent.

    ``value`` is the network, code, status, words or milliseconds that belong to ``does``.
    """

    does: str = "ANSWERS"
    value: str = "23410"
    after_ms: float = 50.0
    retry_after: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Flap:
    """Up and down by turns, in seconds, beginning with up at ``began``."""

    up_s: float
    down_s: float
    down: Manner
    began: float

    def now(self, at: float) -> Manner | None:
        """Return how it behaves while it is down, None while it is up."""
        return self.down if (at - self.began) % (self.up_s + self.down_s) >= self.up_s else None


@dataclass
class Part:
    """What one provider plays: towards everybody, and towards single numbers."""

    everybody: Manner = field(default_factory=Manner)
    numbers: dict[Msisdn, Manner] = field(default_factory=dict)
    products: dict[str, Manner] = field(default_factory=dict)
    flap: Flap | None = None
    throttle_per_s: int = 0
    throttle_after: str = ""
    postback: str = ""
    postback_ms: float = 300.0

    def manner(self, number: Msisdn, what: str) -> Manner:
        """Return how a number is treated when asked about ``what``."""
        return self.numbers.get(number) or self.products.get(what) or self.everybody

    def whole(self, numbers: Sequence[Msisdn], what: str, at: float) -> Manner | None:
        """Return what is done to the whole request, None: each number has its own answer."""
        down = self.flap.now(at) if self.flap is not None else None
        if down is not None:
            return down
        treated = (self.manner(number, what) for number in numbers)
        return next((one for one in treated if one.does in DOES), None)
