"""What the account was asked since the start or the last reset: in all, and at each API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agi.sandbox.exchange import Api

_MAX_NUMBERS: Final = 100_000


@dataclass(slots=True)
class Counters:
    """One set of counters.

    ``requests`` counts well-formed calls, refused ones included; ``refused`` those above the
    account's connections, ``failed`` those that were refused as a whole, ``abandoned`` those whose
    client went before the answer; ``high_water`` is the most at once, refused ones included;
    ``charged`` counts credits; ``posted`` and ``lost`` count postbacks that were taken and that
    were not; ``numbers`` how often each number was asked (of the first 100,000 numbers).
    ``busy`` is no counter: how many are being answered now.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    abandoned: int = 0
    high_water: int = 0
    charged: float = 0
    posted: int = 0
    lost: int = 0
    busy: int = 0
    numbers: Counter[str] = field(default_factory=Counter, repr=False)

    def asked(self, numbers: tuple[str, ...]) -> None:
        """Count one request's numbers."""
        for number in numbers:
            if number in self.numbers or len(self.numbers) < _MAX_NUMBERS:
                self.numbers[number] += 1

    def arrived(self) -> None:
        """Count a request that came."""
        self.requests += 1
        self.high_water = max(self.high_water, self.busy + 1)

    def told(self) -> dict[str, object]:
        """Return everything but the numbers."""
        return {
            "requests": self.requests,
            "refused": self.refused,
            "failed": self.failed,
            "abandoned": self.abandoned,
            "high_water": self.high_water,
            "charged": self.charged,
            "posted": self.posted,
            "lost": self.lost,
            "busy": self.busy,
            "distinct_numbers": len(self.numbers),
        }


class Books:
    """The counters of the account in all, and of each API."""

    def __init__(self) -> None:
        self.total = Counters()
        self.apis = {api: Counters() for api in Api}

    def of(self, api: Api) -> Iterator[Counters]:
        """Yield the counters that a request at ``api`` moves."""
        yield self.total
        yield self.apis[api]

    def reset(self) -> None:
        """Put all to zero, but what is being answered now."""
        self.total = Counters(busy=self.total.busy)
        self.apis = {api: Counters(busy=one.busy) for api, one in self.apis.items()}
