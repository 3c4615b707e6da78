"""The routing table that calls are matched on: compiled once, immutable, swapped whole.

Matching is tuple-space search (Srinivasan, Suri, Varghese: "Packet Classification using Tuple
Space Search", SIGCOMM 1999). Rules that fill the same match cells with prefixes of the same length
form a *shape*; inside a shape the call's own values make the one key that could match, so a shape
costs one dictionary lookup however many rules it has. Rules have a rank, the most specific first;
shapes are tried in the order of their best rank until none can be better than what was found.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from agi.model import ErrorRule, NumberInfo, Product
from agi.routing.accounts import Screenings
from agi.routing.ranges import NO_RANGES, Ranges
from agi.routing.sameroute import Bound, SameRoute
from agi.routing.screening import NO_SCREENING, Screening
from agi.routing.trunk import Trunk

_EXACT: Final = -1
"""The prefix length of a shape that wants the dialled digits; more specific than any other."""
_ANY: Final = 0
_NETWORK: Final = 1
_MCC: Final = 2
_REJECT: Final = "reject:"
_RIVALS: Final = 64
"""So many rules are tried before a dip is said to matter: a bound on a call's time."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a call when its rule is sought.

    Args:
        digits: what was dialled, unchanged.
        msisdn: its E.164 digits, None when it has none.
        country: ISO 3166 alpha-2 of the number, or empty.
        mccmnc: its network in canonical form, None while unknown.
        emergency: the digits are an emergency number.
    """

    digits: str = field(repr=False)
    msisdn: str | None = field(repr=False)
    country: str
    mccmnc: str | None
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of ``routes.csv``, compiled: what it matches, and where its calls go.

    Match cells that are empty match anything, also what is unknown. ``file`` and ``line`` are
    where the row stands. ``cause`` is a Q.850 cause when the rule rejects. ``tiers`` hold enabled
    trunks only, each with its weight. ``fixed`` is the order of trunks when no tier leaves a
    choice, else None.
    """

    name: str
    file: str
    line: int
    priority: int
    network: str
    mcc: str
    prefix: str = field(repr=False)
    digits: str = field(repr=False)
    country: str
    emergency: bool
    cause: int | None
    tiers: tuple[tuple[tuple[Trunk, int], ...], ...]
    fixed: tuple[Trunk, ...] | None

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """Every enabled trunk of the rule, tier by tier, as written."""
        return tuple(trunk for tier in self.tiers for trunk, _ in tier)

    @property
    def is_default(self) -> bool:
        """Whether every match cell is empty: the rule matches any call."""
        cells = (self.network, self.mcc, self.prefix, self.digits, self.country)
        return not any(cells) and not self.emergency

    def specificity(self) -> tuple[int, bool, int, bool, bool]:
        """Return what rules are ordered by, greater first: the contract's order of cells."""
        length = 64 if self.digits else len(self.prefix)
        return (self.priority, bool(self.network), length, bool(self.mcc), bool(self.country))

    def shape(self) -> tuple[int, int, bool]:
        """Return which cells are filled: kind of network, length of prefix, country or not."""
        network = _NETWORK if self.network else _MCC if self.mcc else _ANY
        return (network, _EXACT if self.digits else len(self.prefix), bool(self.country))

    def key(self) -> tuple[str, str, str]:
        """Return the values that a call must have, to be found in the rule's shape."""
        return (self.network or self.mcc, self.digits or self.prefix, self.country)

    def outcome(self) -> tuple[object, ...]:
        """Return what the rule does: equal exactly for rules that send every call the same way."""
        return (self.cause, tuple(map(_fair, self.tiers)))

    def mismatch(self, facts: Facts) -> str:
        """Return the first column, by specificity, that refuses the call; empty if none does."""
        mccmnc = facts.mccmnc or ""
        if self.network and self.network != mccmnc:
            return "mccmnc"
        if self.digits and self.digits != facts.digits:
            return "prefix"
        if not (facts.msisdn or "").startswith(self.prefix):
            return "prefix"
        if not mccmnc.startswith(self.mcc):
            return "mccmnc"
        return "country" if self.country not in {"", facts.country} else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was tried; ``failed`` names the column that refused, empty for the winner."""

    rule: Rule
    failed: str


_Shape = tuple[int, int, int, bool, dict[tuple[str, str, str], int]]


class Table:
    """All rules of one version, ready to be matched. It never changes.

    Built by ``agi.routing.build.build``, which promises that there is a default rule and that no
    two rules tie.
    """

    __slots__ = (
        "_emergency",
        "_errors",
        "_everybody",
        "_last",
        "_outcomes",
        "_ranges",
        "_rejects",
        "_same_route",
        "_screenings",
        "_with_network",
        "_without",
        "default",
        "has_ranges",
        "has_screens",
        "rules",
        "version",
    )

    def __init__(
        self,
        version: str,
        rules: Iterable[Rule],
        errors: Mapping[tuple[str, str], ErrorRule],
        ranges: Ranges = NO_RANGES,
        screenings: Screenings | None = None,
    ) -> None:
        self.version: Final = version
        self.rules: Final = ranked(rules)
        last = next(rank for rank, rule in enumerate(self.rules) if rule.is_default)
        self._last: Final = last
        self.default: Final = self.rules[last]
        # What ranks behind the default can never win, and the default needs no shape.
        ordinary = [pair for pair in enumerate(self.rules[:last]) if not pair[1].emergency]
        self._with_network: Final = _shapes(ordinary)
        self._without: Final = tuple(shape for shape in self._with_network if shape[1] == _ANY)
        self._emergency: Final = _shapes(
            (rank, rule) for rank, rule in enumerate(self.rules) if rule.emergency
        )
        self._errors: Final = dict(errors)
        # Two plain flags, so that a call at a site without these files pays nothing for them.
        self.has_ranges: Final = len(ranges) > 0
        self.has_screens: Final = bool(screenings)
        self._ranges: Final = ranges
        self._screenings: Final = dict(screenings or {})
        self._everybody: Final = self._screenings.get("", NO_SCREENING)
        numbers: dict[tuple[object, ...], int] = {}
        self._outcomes: Final = tuple(_number(numbers, rule.outcome()) for rule in self.rules)
        self._rejects: Final = frozenset(
            _number(numbers, (int(rule.route[len(_REJECT) :]), ()))
            for rule in errors.values()
            if rule.route.startswith(_REJECT)
        )
        self._same_route: Final = SameRoute(
            _bound(rank, self._outcomes[rank], rule)
            for rank, rule in ordinary
            if rule.network or rule.mcc
        )

    def find(self, digits: str, msisdn: str | None, country: str, mccmnc: str | None) -> Rule:
        """Return the rule of an ordinary call: ``match`` without a ``Facts``, for the hot path."""
        if mccmnc:
            shapes, networks = self._with_network, ("", mccmnc, mccmnc[:3])
        else:
            shapes, networks = self._without, _UNKNOWN
        return self.rules[_best(shapes, networks, digits, msisdn or "", country, self._last)]

    def find_emergency(self, digits: str, country: str) -> Rule:
        """Return the emergency rule for dialled digits, the default rule when there is none."""
        none = len(self.rules)
        rank = _best(self._emergency, _UNKNOWN, digits, "", country, none)
        return self.default if rank == none else self.rules[rank]

    def dip_matters(self, digits: str, msisdn: str | None, country: str) -> bool:
        """Say whether a lookup could change the way of an ordinary call.

        False means: whatever network is answered that can serve the number (see ``agi.mcc``), or
        none, or any listed error code, the call is rejected with the same cause, or has the same
        trunks in the same order at the same odds. True is certain too, but where more than 64
        rules lead elsewhere and all those tried lose to others.
        """
        number = msisdn or ""
        last = self._last
        rank = _best(self._without, _UNKNOWN, digits, number, country, last)
        outcome = self._outcomes[rank]
        if self._rejects and self._rejects != {outcome}:
            return True
        rivals = self._same_route.rivals(rank, outcome, digits, number, country)
        for rival in islice(rivals, _RIVALS):
            if outcome != self._outcome_on(rival.mccmnc, digits, number, country):
                return True
        if next(rivals, None) is not None:
            return True
        # A range may name a network that no lookup would: its rule carries the call without one.
        given = self._ranges.find(number) if self.has_ranges else None
        if given is None:
            return False
        return outcome != self._outcome_on(given.mccmnc or "", digits, number, country)

    def _outcome_on(self, mccmnc: str, digits: str, msisdn: str, country: str) -> int:
        networks = ("", mccmnc, mccmnc[:3])
        rank = _best(self._with_network, networks, digits, msisdn, country, self._last)
        return self._outcomes[rank]

    def range_of(self, msisdn: str) -> NumberInfo | None:
        """Return who was given the number's range, by ``ranges.csv``; None if it does not say."""
        return self._ranges.find(msisdn)

    def screening(self, account: str) -> Screening:
        """Return what an account does about the screens; ``NO_SCREENING`` when nothing."""
        return self._screenings.get(account, self._everybody)

    @property
    def screens_wanted(self) -> Mapping[Product, tuple[str, ...]]:
        """The screens that ``accounts.csv`` asks for, and for which accounts."""
        wanted: dict[Product, tuple[str, ...]] = {}
        for account, screening in self._screenings.items():
            for product in screening.asked:
                wanted[product] = (*wanted.get(product, ()), account)
        return wanted

    def match(self, facts: Facts) -> Rule:
        """Return the most specific rule that matches the call; there always is one."""
        if facts.emergency:
            return self.find_emergency(facts.digits, facts.country)
        return self.find(facts.digits, facts.msisdn, facts.country, facts.mccmnc)

    def trace(self, facts: Facts) -> tuple[Step, ...]:
        """Return the rules that were tried, best first, up to and including the winner.

        An emergency call tries emergency rules, then the default; any other call the others.
        """
        candidates = [rule for rule in self.rules if rule.emergency == facts.emergency]
        steps: list[Step] = []
        for rule in (*candidates, self.default):
            steps.append(Step(rule, rule.mismatch(facts)))
            if not steps[-1].failed:
                break
        return tuple(steps)

    def error_rule(self, kind: str, code: str) -> ErrorRule | None:
        """Return what ``errors.csv`` says of a provider kind's code (lower case), if it does."""
        return self._errors.get((kind, code))


_UNKNOWN: Final = ("", "", "")


def ranked(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules most specific first; those that cannot compete stay in the files' order."""
    in_order = sorted(rules, key=lambda rule: rule.line)
    return tuple(sorted(in_order, key=Rule.specificity, reverse=True))


def _fair(tier: tuple[tuple[Trunk, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return a tier in the one form that tiers of the same odds share."""
    scale = math.gcd(*(weight for _, weight in tier))
    return tuple(sorted((trunk.name, weight // scale) for trunk, weight in tier))


def _number(numbers: dict[tuple[object, ...], int], outcome: tuple[object, ...]) -> int:
    return numbers.setdefault(outcome, len(numbers))


def _bound(rank: int, outcome: int, rule: Rule) -> Bound:
    _, length, _ = rule.shape()
    # No network is written so: it stands for those of an MCC that no rule names.
    mccmnc = rule.network or f"{rule.mcc}--"
    return Bound(rank, outcome, length, rule.digits or rule.prefix, rule.country, mccmnc)


def _shapes(rules: Iterable[tuple[int, Rule]]) -> tuple[_Shape, ...]:
    found: dict[tuple[int, int, bool], dict[tuple[str, str, str], int]] = {}
    for rank, rule in rules:
        # Rules come by rank: one with the same key and a lower priority can never win.
        found.setdefault(rule.shape(), {}).setdefault(rule.key(), rank)
    best = ((min(by_key.values()), *shape, by_key) for shape, by_key in found.items())
    return tuple(sorted(best, key=lambda shape: shape[0]))


def _best(  # noqa: PLR0913, PLR0917  # packing them would cost more than the search
    shapes: tuple[_Shape, ...],
    networks: tuple[str, str, str],
    digits: str,
    msisdn: str,
    country: str,
    limit: int,
) -> int:
    """Return the best rank of a rule that matches, ``limit`` if none ranks before it."""
    for best, network, length, wants_country, by_key in shapes:
        if best > limit:
            break
        number = msisdn[:length] if length >= 0 else digits
        rank = by_key.get((networks[network], number, country if wants_country else ""), limit)
        if rank < limit:  # noqa: PLR1730  # min() costs a call for each shape
            limit = rank
    return limit
