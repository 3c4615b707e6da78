"""What the lookup reports to its observer: frozen values, never with a number in them.

``provider`` is an account's name in the configuration, so every field is fit for a metric label
or a log line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agi.model import Outcome


@dataclass(frozen=True, slots=True)
class LookupDone:
    """One request is over, after ``seconds``; it held ``numbers``, of which ``answered``.

    ``outcome`` is ``ok`` or a cause of ``ProviderFault``; ``detail`` its detail, without numbers.
    """

    provider: str
    outcome: str
    seconds: float
    numbers: int
    answered: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NumberAnswered:
    """A provider answered for one number, ``seconds`` after the request was sent."""

    provider: str
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Strangers:
    """A provider answered for ``count`` numbers that were not asked; they were dropped."""

    provider: str
    count: int


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer came when nobody waited for it any more; it was kept."""

    provider: str


@dataclass(frozen=True, slots=True)
class Retried:
    """A kept connection turned out to be closed; the request was sent again on a fresh one."""

    provider: str


LookupEvent = LookupDone | NumberAnswered | Strangers | LateAnswer | Retried
Observer = Callable[[LookupEvent], None]


def ignore(event: LookupEvent) -> None:
    """Observe nothing."""
    del event
