"""Who answers, and what is true of them before any vendor puts it into words; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from agi.model import Fraud, Line, Live
from agi.sandbox.subscribers import Subscriber

_NUMBER: Final = re.compile("[1-9][0-9]{6,14}")


class Directory(Protocol):
    """Finds subscribers by their digits, country code first."""

    def get(self, number: str, /) -> Subscriber | None:
        """Return the subscriber, None for a number that nobody has."""


class People:
    """The subscribers of a file; with ``others``, any other number is on that network too."""

    def __init__(self, subscribers: Mapping[str, Subscriber], others: str = "") -> None:
        self._subscribers = subscribers
        self._others = others

    def get(self, number: str, /) -> Subscriber | None:
        """Return the subscriber, None for a number that nobody has."""
        found = self._subscribers.get(number)
        if found is None and self._others and _NUMBER.fullmatch(number):
            return Subscriber(number, self._others)
        return found


def slowest_ms(numbers: Iterable[str], people: Directory, usual_ms: int) -> int:
    """Return how long a batch takes: as long as its slowest number ("SS7 can take a while")."""
    slowest = None
    for number in numbers:
        ms = time_ms(people.get(number), usual_ms)
        slowest = ms if slowest is None else max(slowest, ms)
    return slowest or 0


def time_ms(person: Subscriber | None, usual_ms: int) -> int:
    """Return how long one number takes."""
    if person is None or person.latency_ms is None:
        return usual_ms
    return person.latency_ms


_BY_ERROR: Final = {"ERR1": Live.DEAD, "ERR29": Live.ABSENT}


def live_of(person: Subscriber | None) -> Live | None:
    """Return whether a subscriber is there; None: an error of the network hides it."""
    if person is None:
        return Live.DEAD
    if person.error:
        return _BY_ERROR.get(person.error)
    return person.live or Live.LIVE


def line_of(person: Subscriber | None) -> Line:
    """Return the kind of line; mobile unless the file says otherwise."""
    return (person.line if person else None) or Line.MOBILE


def fraud_of(person: Subscriber | None) -> Fraud:
    """Return the verdict; without one in the file, the kind of line decides."""
    if person is not None and person.fraud is not None:
        return person.fraud
    return Fraud.PASSED if line_of(person) is Line.MOBILE else Fraud.NOT_MOBILE


class Country(NamedTuple):
    """A country in the three forms that vendors write, with its calling code."""

    name: str
    alpha2: str
    alpha3: str
    calling_code: str


_BRITAIN: Final = Country("United Kingdom", "GB", "GBR", "44")
_STATES: Final = Country("United States", "US", "USA", "1")
COUNTRIES: Final[Mapping[str, Country]] = {
    "208": Country("France", "FR", "FRA", "33"),
    "214": Country("Spain", "ES", "ESP", "34"),
    "222": Country("Italy", "IT", "ITA", "39"),
    "234": _BRITAIN,
    "235": _BRITAIN,
    "242": Country("Norway", "NO", "NOR", "47"),
    "262": Country("Germany", "DE", "DEU", "49"),
    **{str(mcc): _STATES for mcc in range(310, 317)},
}
"""Countries by MCC (ITU-T E.212), as far as the samples go; others have no name here."""

NETWORKS: Final[Mapping[str, str]] = {
    "22201": "TIM",
    "22210": "Vodafone Italy",
    "23410": "Telefonica UK",
    "23415": "Vodafone UK",
    "23420": "Hutchison 3G UK",
    "23430": "EE Limited",
    "23433": "EE Limited (Orange)",
    "23438": "Virgin Mobile",
    "24205": "Mobile Norway",
    "26201": "Telekom Deutschland",
    "26202": "Vodafone Germany",
    "26203": "Telefonica Germany",
}
"""Names of the samples' networks; vendors spell them as they like, so they are no keys."""


def country_of(mccmnc: str) -> Country:
    """Return the country of a network; empty strings where it has no name here."""
    return COUNTRIES.get(mccmnc[:3], Country("", "", "", ""))


def network_name(mccmnc: str) -> str:
    """Return a network's name, invented where the samples have none."""
    return NETWORKS.get(mccmnc, f"Network {mccmnc}")


_MCC_BY_CODE: Final = {"44": "234", "39": "222", "49": "262", "47": "242", "1": "310"}


def mcc_by_prefix(number: str) -> str:
    """Return the MCC that a number's calling code suggests, empty if no sample has it."""
    return next((mcc for code, mcc in _MCC_BY_CODE.items() if number.startswith(code)), "")
