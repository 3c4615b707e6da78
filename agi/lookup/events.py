"""What the lookup reports to its observer: frozen values, never with a number in them.

``provider`` is an account's name in the configuration, so every field is fit for a metric label
or a log line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

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
class Overdue:
    """A request has taken longer than any call waits; it is read on, but it counts as failed."""

    provider: str
    seconds: float


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


@dataclass(frozen=True, slots=True)
class Breaker:
    """An account's breaker changed: ``state`` is ``closed``, ``open`` or ``probing``.

    ``why`` is the ``ProviderFault`` cause that opened it. ``page`` says that a person is needed
    (an account's refusal); it is set once for each outage.
    """

    provider: str
    state: str
    why: str
    page: bool = False


@dataclass(frozen=True, slots=True)
class Paused:
    """A provider asked to be left alone for ``seconds``; ``scope`` is a country, or empty: all."""

    provider: str
    seconds: float
    scope: str


@dataclass(frozen=True, slots=True)
class Avoided:
    """A question was not put to a provider, and ``why``: one of a closed set of words.

    ``breaker``, ``budget``, ``paused``, ``shed``, ``quarantine``, ``negative``, ``failure``,
    ``coalesced``, ``same-route``, ``brownout``.
    """

    provider: str
    why: str


@dataclass(frozen=True, slots=True)
class Hedged:
    """A second provider was asked because the first one was slow."""

    provider: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Answers were paid for: ``amount`` in ``currency``."""

    provider: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class BudgetGone:
    """The account's money of the day is spent; it is asked again tomorrow."""

    provider: str


@dataclass(frozen=True, slots=True)
class Implausible:
    """An answer named a network of another country than the number's; it was dropped."""

    provider: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Too many answers could not be right: not asked for ``seconds``, its last writes purged."""

    provider: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two providers named different networks for one number; the first in order was believed."""

    provider: str
    other: str


@dataclass(frozen=True, slots=True)
class TierAsked:
    """A tier was asked: ``tier`` is ``memory``, ``sqlite`` or ``redis``.

    ``result`` is ``hit``, ``stale``, ``miss``, ``error`` or ``skipped`` (its breaker is open).
    """

    tier: str
    result: str


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """A store failed, dropped writes or held what is no record; ``what`` is of a closed set."""

    store: str
    what: str
    count: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PostbackRefused:
    """A postback was not taken: ``why`` is ``unknown``, ``repeated`` or ``malformed``."""

    provider: str
    why: str


@dataclass(frozen=True, slots=True)
class NameTrouble:
    """A provider's name does not resolve: ``what`` is ``unresolved``, ``slow`` or ``refused``."""

    provider: str
    what: str


@dataclass(frozen=True, slots=True)
class Probed:
    """An account was asked for a number whose network is known.

    ``result`` is ``ok``, ``wrong`` or ``missing``; ``before`` what the last one was, ``none`` if
    this is the first.
    """

    provider: str
    result: str
    before: str


LookupEvent = (
    LookupDone
    | Overdue
    | NumberAnswered
    | Strangers
    | LateAnswer
    | Retried
    | Breaker
    | Paused
    | Avoided
    | Hedged
    | Spent
    | BudgetGone
    | Implausible
    | Quarantined
    | Conflict
    | TierAsked
    | StoreTrouble
    | PostbackRefused
    | NameTrouble
    | Probed
)
Observer = Callable[[LookupEvent], None]


def ignore(event: LookupEvent) -> None:
    """Observe nothing."""
    del event
