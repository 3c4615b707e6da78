"""The routing table that calls are matched on: compiled once, immutable, swapped whole.

Matching is tuple-space search (Srinivasan, Suri, Varghese: "Packet Classification using Tuple
Space Search", SIGCOMM 1999). Rules that fill the same match cells with prefixes of the same length
form a *shape*; inside a shape the call's own values make the one key that could match, so a shape
costs one dictionary lookup however many rules it has. Rules have a rank, the most specific first;
shapes are tried in the order of their best rank until none can be better than what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.model import ErrorRule
from agi.routing.trunk import Trunk

_EXACT: Final = -1
"""The prefix length of a shape that wants the dialled digits; more specific than any other."""
_ANY: Final = 0
_NETWORK: Final = 1
_MCC: Final = 2


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


_Ranked = tuple[int, Rule]
_Shape = tuple[int, int, int, bool, dict[tuple[str, str, str], _Ranked]]


class Table:
    """All rules of one version, ready to be matched. It never changes.

    Built by ``agi.routing.build.build``, which promises that there is a default rule and that no
    two rules tie.
    """

    __slots__ = (
        "_emergency",
        "_errors",
        "_with_network",
        "_without",
        "default",
        "rules",
        "version",
    )

    def __init__(
        self,
        version: str,
        rules: Iterable[Rule],
        errors: Mapping[tuple[str, str], ErrorRule],
    ) -> None:
        self.version: Final = version
        self.rules: Final = ranked(rules)
        last = next(rank for rank, rule in enumerate(self.rules) if rule.is_default)
        self.default: Final = self.rules[last]
        # What ranks behind the default can never win, and the default needs no shape.
        self._with_network: Final = _shapes(
            (rank, rule) for rank, rule in enumerate(self.rules[:last]) if not rule.emergency
        )
        self._without: Final = tuple(shape for shape in self._with_network if shape[1] == _ANY)
        self._emergency: Final = _shapes(
            (rank, rule) for rank, rule in enumerate(self.rules) if rule.emergency
        )
        self._errors: Final = dict(errors)

    def find(self, digits: str, msisdn: str | None, country: str, mccmnc: str | None) -> Rule:
        """Return the rule of an ordinary call: ``match`` without a ``Facts``, for the hot path."""
        if mccmnc:
            networks = ("", mccmnc, mccmnc[:3])
            return (
                _best(self._with_network, networks, digits, msisdn or "", country) or self.default
            )
        return _best(self._without, _UNKNOWN, digits, msisdn or "", country) or self.default

    def find_emergency(self, digits: str, country: str) -> Rule:
        """Return the emergency rule for dialled digits, the default rule when there is none."""
        return _best(self._emergency, _UNKNOWN, digits, "", country) or self.default

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


def _shapes(rules: Iterable[_Ranked]) -> tuple[_Shape, ...]:
    found: dict[tuple[int, int, bool], dict[tuple[str, str, str], _Ranked]] = {}
    for rank, rule in rules:
        # Rules come by rank: one with the same key and a lower priority can never win.
        found.setdefault(rule.shape(), {}).setdefault(rule.key(), (rank, rule))
    best = (
        (min(rank for rank, _ in by_key.values()), *shape, by_key)
        for shape, by_key in found.items()
    )
    return tuple(sorted(best, key=lambda shape: shape[0]))


def _best(
    shapes: tuple[_Shape, ...],
    networks: tuple[str, str, str],
    digits: str,
    msisdn: str,
    country: str,
) -> Rule | None:
    limit = 1 << 30
    winner: Rule | None = None
    for best, network, length, wants_country, by_key in shapes:
        if best > limit:
            break
        number = msisdn[:length] if length >= 0 else digits
        hit = by_key.get((networks[network], number, country if wants_country else ""))
        if hit is not None and hit[0] < limit:
            limit, winner = hit
    return winner
