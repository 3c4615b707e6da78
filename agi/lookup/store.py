"""The seam to a store behind memory: a file of this host, or a cache that hosts share.

A store never raises and never keeps a call waiting: what it cannot say in time, it does not know.
It reports its troubles to the observer. Times are epochs in milliseconds of the wall clock passed
in, because entries outlive the process; how old an entry may be is the pipeline's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agi.lookup.record import Said
from agi.model import Msisdn, Product


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry of a store: what was said, and when, as an epoch in seconds."""

    said: Said
    obtained: float


class Store(Protocol):
    """Where answers outlive the process."""

    @property
    def kind(self) -> str:
        """What it is, for metrics and people: ``sqlite`` or ``redis``."""

    async def open(self) -> None:
        """Begin; a store that cannot be opened says so and stays empty until it can."""

    async def get(self, number: Msisdn, product: Product = Product.NETWORK) -> Stored | None:
        """Return the entry, or None: nothing is known, or not in time."""

    def put(
        self, number: Msisdn, stored: Stored, keep_s: float, product: Product = Product.NETWORK
    ) -> None:
        """Keep an entry for about ``keep_s`` seconds, some time soon; never waits."""

    async def drop(self, number: Msisdn) -> bool:
        """Forget a number, all products of it, durably; say whether it was there."""

    async def purge(self, provider: str, since: float) -> None:
        """Forget what this account wrote since an epoch: it is not to be trusted."""

    async def stats(self) -> dict[str, object]:
        """Return for people: entries, bytes, what was dropped, whether it works."""

    async def close(self) -> None:
        """Write what waits, within a second, and end."""
