"""The routing table that calls are matched on: made once from checked contents, never changed.

Rules are ordered by how specific they are (``agi.routing.variants``) and found by what they ask for
(``agi.routing.shapes``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.model import CallContext, ErrorRule, NumberInfo, Product
from agi.routing.compiled import Compiled
from agi.routing.mismatch import mismatch
from agi.routing.rule import Facts, Pick, Rule
from agi.routing.sameroute import SameRoute
from agi.routing.screening import NO_SCREENING, Screening
from agi.routing.shapes import Shapes
from agi.routing.trunk import Trunk
from agi.routing.variants import Specificity, Variant, keys_of, variants

_REJECT: Final = "reject:"
_MOST_KEYS: Final = 4_096
"""Of one rule."""
_ALL_KEYS: Final = 1 << 17
"""Of all rules together, if it can be had: what is not keyed is tested."""
_PIECE: Final = 128

Tiers = tuple[tuple[tuple[Trunk, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Way:
    """Where a rule's calls go.

    ``cause`` is a Q.850 cause when the rule rejects. ``tiers`` hold enabled trunks only, each with
    its weight; a tier that has none is left out. ``fixed`` is the order of trunks when no tier
    leaves a choice, else None. ``by_quality``: the order in a tier goes by quality before weight.
    """

    rule: Rule = field(repr=False)
    name: str
    cause: int | None
    tiers: Tiers
    fixed: tuple[Trunk, ...] | None
    by_quality: bool = False

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """Every enabled trunk of the rule, tier by tier, as written."""
        return tuple(trunk for tier in self.tiers for trunk, _ in tier)

    def outcome(self) -> tuple[object, ...]:
        """Return what the rule does: equal exactly for rules that send every call the same way."""
        fair = (self.cause, tuple(map(_fair, self.tiers)))
        return (*fair, Pick.QUALITY) if self.by_quality else fair


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was tried; ``failed`` names the column that refused, empty for the winner."""

    rule: Rule = field(repr=False)
    failed: str


class Table:
    """All tables of one version, ready for calls. It never changes, and making it never fails.

    ``rules`` stand most specific first, each at the most specific of its variants; ``default`` is
    the rule that matches any call. ``trunks`` are all of them by name, disabled ones too.
    ``uses_caller`` and ``uses_time`` say whether any rule asks for the caller or the time,
    ``has_cps`` and ``has_max_calls`` whether any trunk has such a limit, ``has_quality`` whether
    any rule picks by quality.
    """

    __slots__ = (
        "_best",
        "_emergency",
        "_emergency_ways",
        "_errors",
        "_everybody",
        "_last",
        "_same_route",
        "_ways",
        "compiled",
        "default",
        "has_cps",
        "has_limits",
        "has_max_calls",
        "has_policy",
        "has_quality",
        "has_ranges",
        "has_screens",
        "limits",
        "policy",
        "ranges",
        "rules",
        "screenings",
        "trunks",
        "uses_caller",
        "uses_time",
        "version",
        "ways",
    )

    def __init__(self, compiled: Compiled) -> None:
        self.compiled: Final = compiled
        self.version: Final = compiled.version
        self.trunks: Final[Mapping[str, Trunk]] = {t.name: t for t in compiled.trunks}
        self.ways: Final[Mapping[str, Way]] = {
            rule.name: _way(rule, self.trunks) for rule in compiled.rules
        }
        places = _ranked(compiled.rules)
        self.rules: Final = tuple({place.rule.name: place.rule for place in places}.values())
        self.default: Final = next(rule for rule in self.rules if rule.is_default)
        last = next(at for at, place in enumerate(places) if place.rule.is_default)
        # What ranks behind the default can never win, and the default needs no key.
        ordinary = [place for place in places[:last] if not place.rule.emergency]
        emergency = [place for place in places if place.rule.emergency]
        shapes = Shapes(enumerate(ordinary))
        self._best: Final = shapes.best
        self._last: Final = len(ordinary)
        self._ways: Final = self._ways_of(ordinary)
        self._emergency: Final = Shapes(enumerate(emergency))
        self._emergency_ways: Final = self._ways_of(emergency)
        self._errors: Final = {(error.provider, error.code): error for error in compiled.errors}
        self._everybody: Final = compiled.screenings.get("", NO_SCREENING)
        outcomes, rejects = self._outcomes()
        self._same_route: Final = SameRoute(compiled, ordinary, shapes, outcomes, rejects)
        self._flag(compiled)

    def _ways_of(self, places: Iterable[Variant]) -> tuple[Way, ...]:
        """Return the way of each place, and the default's behind them."""
        names = (*(place.rule.name for place in places), self.default.name)
        return tuple(self.ways[name] for name in names)

    def _outcomes(self) -> tuple[list[int], frozenset[int]]:
        """Number what rules do; return it for each ordinary place, and for codes that reject."""
        numbers: dict[tuple[object, ...], int] = {}
        by_name = {
            name: numbers.setdefault(way.outcome(), len(numbers)) for name, way in self.ways.items()
        }
        rejects = frozenset(
            numbers.setdefault((int(error.route[len(_REJECT) :]), ()), len(numbers))
            for error in self.compiled.errors
            if error.route.startswith(_REJECT)
        )
        return [by_name[way.name] for way in self._ways], rejects

    def _flag(self, compiled: Compiled) -> None:
        """Note what there is, so that a call at a site without it pays nothing for it."""
        self.policy = compiled.policy
        self.limits = compiled.limits
        self.ranges = compiled.ranges
        self.screenings = compiled.screenings
        self.has_ranges = len(compiled.ranges) > 0
        self.has_policy = len(compiled.policy) > 0
        self.has_limits = len(compiled.limits) > 0
        self.has_screens = bool(compiled.screenings)
        self.has_cps = any(trunk.cps for trunk in compiled.trunks)
        self.has_max_calls = any(trunk.max_calls for trunk in compiled.trunks)
        self.has_quality = any(way.by_quality for way in self.ways.values())
        self.uses_caller = any(not rule.caller.empty for rule in compiled.rules)
        self.uses_time = any(rule.when for rule in compiled.rules)

    def pieces(self) -> list[object]:
        """Return what the table is made of, in parts that are dropped within a few milliseconds.

        Who holds these can drop the table in no time, and then one piece after the other, the last
        one first.
        """
        small = [*self.compiled.rules, *self.ways.values()]
        return [
            *(self.policy, self.ranges, self._emergency, self._same_route, self._best),
            *(small[at : at + _PIECE] for at in range(0, len(small), _PIECE)),
        ]

    # ---- matching ------------------------------------------------------------------------

    def find(self, facts: Facts) -> Way:
        """Return the way of an ordinary call: that of the most specific rule that matches it."""
        return self._ways[self._best(facts, self._last)]

    def find_emergency(self, facts: Facts) -> Way:
        """Return the way of an emergency call: an emergency rule's, else the default's."""
        none = len(self._emergency_ways) - 1
        return self._emergency_ways[self._emergency.best(facts, none)]

    def match(self, facts: Facts) -> Way:
        """Return the way of any call; there always is one."""
        return self.find_emergency(facts) if facts.emergency else self.find(facts)

    def dip_matters(self, context: CallContext) -> bool:
        """Say whether a lookup could change the way of an ordinary call.

        False means: whatever network is answered that can serve the number (see ``agi.mcc``), or
        none, whatever of porting, liveness and a line that the plan does not tell, or any listed
        error code, the call is rejected with the same cause, or has the same trunks in the same
        order at the same odds. True may be too careful: it costs a lookup, not a call.
        """
        return self._same_route.dip_matters(context)

    def trace(self, facts: Facts) -> tuple[Step, ...]:
        """Return the rules that were tried, best first, up to and including the winner.

        An emergency call tries emergency rules, then the default; any other call the others. Each
        rule stands there once: where it matches, else at its most specific place.
        """
        ways, best = (
            (self._emergency_ways, self._emergency.best)
            if facts.emergency
            else (self._ways, self._best)
        )
        rank = best(facts, len(ways) - 1)
        winner = ways[rank]
        tried = {way.name: way.rule for way in ways[:rank] if way is not winner}
        # One that matches at a place behind the winner was not refused.
        failed = ((rule, mismatch(rule, facts)) for rule in tried.values())
        return (*(Step(rule, column) for rule, column in failed if column), Step(winner.rule, ""))

    # ---- what else the tables say --------------------------------------------------------

    def range_of(self, msisdn: str) -> NumberInfo | None:
        """Return who was given the number's range, by ``ranges.csv``; None if it does not say."""
        return self.ranges.find(msisdn)

    def screening(self, account: str) -> Screening:
        """Return what an account does about the screens; ``NO_SCREENING`` when nothing."""
        return self.screenings.get(account, self._everybody)

    @property
    def screens_wanted(self) -> Mapping[Product, tuple[str, ...]]:
        """The screens that ``accounts.csv`` asks for, and for which accounts."""
        wanted: dict[Product, tuple[str, ...]] = {}
        for account, screening in self.screenings.items():
            for product in screening.asked:
                wanted[product] = (*wanted.get(product, ()), account)
        return wanted

    def error_rule(self, kind: str, code: str) -> ErrorRule | None:
        """Return what ``errors.csv`` says of a provider kind's code (lower case), if it does."""
        return self._errors.get((kind, code))

    def account_cps(self, account: str) -> int:
        """Return how many calls a second an account may make; 0 when there is no limit."""
        cps = self.compiled.account_cps
        return cps.get(account, cps.get("", 0)) if cps else 0


def _ranked(rules: Iterable[Rule]) -> list[Variant]:
    """Return the variants of all rules, most specific first, equals in the order of the file."""
    in_order = sorted(rules, key=lambda rule: rule.row)
    counts = [keys_of(rule) for rule in in_order]
    most = _MOST_KEYS
    while most > 1 and sum(min(count, most) for count in counts) > _ALL_KEYS:
        most //= 2
    # To sort all places at once would be one step of many milliseconds, which nothing interrupts.
    equals: dict[Specificity, list[Variant]] = {}
    for rule in in_order:
        for variant in variants(rule, most):
            equals.setdefault(variant.specificity, []).append(variant)
    return [variant for one in sorted(equals, reverse=True) for variant in equals[one]]


def _way(rule: Rule, trunks: Mapping[str, Trunk]) -> Way:
    named = [[(trunks[name], weight) for name, weight in tier.members] for tier in rule.tiers]
    enabled = [tuple(member for member in tier if member[0].enabled) for tier in named]
    tiers = tuple(tier for tier in enabled if tier)
    single = all(len(tier) == 1 for tier in tiers)
    fixed = tuple(tier[0][0] for tier in tiers) if single else None
    by_quality = rule.pick is Pick.QUALITY and fixed is None
    return Way(rule, rule.name, rule.cause, tiers, fixed, by_quality)


def _fair(tier: tuple[tuple[Trunk, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return a tier in the one form that tiers of the same odds share."""
    scale = math.gcd(*(weight for _, weight in tier))
    return tuple(sorted((trunk.name, weight // scale) for trunk, weight in tier))
