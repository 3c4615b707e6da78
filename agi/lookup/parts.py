"""The seam of the lookup, and what a pipeline is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agi.lookup import events
from agi.lookup.account import Account
from agi.lookup.chain import Budgets
from agi.lookup.failures import Failures
from agi.lookup.flight import Flights
from agi.lookup.freshness import ErrorRules, Freshness
from agi.lookup.provider import Answer
from agi.lookup.screening import Screens
from agi.lookup.store import Store
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Finding, Inquiry, Msisdn


class Finder(Protocol):
    """Whoever knows networks: the pipeline of this process, or one at the end of a socket."""

    async def find(self, inquiry: Inquiry) -> Finding:
        """Return what is known by the inquiry's deadline; never raises, never later."""


class Dumps(Protocol):
    """A provider that answers at once from a file: ``agi.lookup.providers.file``."""

    @property
    def name(self) -> str:
        """The account's name in the configuration."""

    def answer(self, number: Msisdn) -> Answer:
        """Return what the file says."""

    def serves(self, inquiry: Inquiry) -> bool:
        """Say whether the file is one to ask about such a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a pipeline is made of.

    ``clock`` is the loop's own, monotonic; ``wall`` turns its values into epochs. ``accounts`` are
    asked in this order; ``dumps`` before them, ``fallbacks`` when none of them knew. ``flights``
    are shared with the pipeline before this one: what it has asked is not asked again.
    """

    accounts: Sequence[Account] = ()
    dumps: Sequence[Dumps] = ()
    fallbacks: Sequence[Dumps] = ()
    memory: MemoryTier
    screens: Screens
    failures: Failures
    store: Store | None = None
    clock: Callable[[], float]
    wall: Callable[[float], float]
    error_rule: ErrorRules
    freshness: Freshness = field(default_factory=Freshness)
    budgets: Budgets = field(default_factory=Budgets)
    flights: Flights[Finding] = field(default_factory=Flights)
    observe: events.Observer = events.ignore
