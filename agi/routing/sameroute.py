"""Which calls go the same way whatever a lookup says: for those none has to be paid.

A lookup tells the network, whether the number was ported, whether it is live, and its line where
the numbering plan does not say. Without all that a call has one winner, the *certain* one: what it
asks for is known beforehand, so it matches on every answer. An answer can only change the way if a
rule that asks for something of it ranks before the certain winner, could match the call by what is
known, asks for a network that can serve the number (``agi.mcc``: an answer that names another one
is not believed), and leads elsewhere. Such rules are kept by what they ask of a call and by the
calling codes that their network serves, each group with its best rule and the best one that leads
elsewhere than that, so that a call costs one dictionary lookup for each kind of group.

What a fraud check says comes from elsewhere, so all this has to hold for each of its verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from msgspec.structs import replace

from agi.mcc import CALLING_CODES, calling_code, plausible
from agi.model import CallContext, Fraud, Line, Mccmnc, Msisdn
from agi.routing.compiled import Compiled
from agi.routing.conditions import MCC, MCC_DIGITS, Test
from agi.routing.rule import Cell, Facts
from agi.routing.shapes import Shapes
from agi.routing.variants import Variant

Outcome = int
"""Two rules have the same number exactly if they send every call the same way."""

_RIVALS: Final = 64
"""So many rules are tried before a dip is said to matter: a bound on a call's time."""
_TRIED: Final = 16
"""A rule of more networks is not tried on each of them."""
_NEVER: Final = 1 << 30
_NO_COUNTRYS: Final = frozenset({"001", "999"})
"""Test and private networks (ITU-T E.212): a site may use them as it likes in a dump of its own,
which is believed; so they are never left out."""
_UNLISTED: Final = ""
"""Stands for every calling code that is not listed."""
_EVERY: Final = "*"
"""Stands for all calling codes."""

_Key = tuple[str, str, str, str, str]
"""The prefix or the digits, the country or nothing, the calling code, the account, the caller."""
_Kind = tuple[int, int, bool, int, int]
"""The length of the prefix, country or not, by calling code or not, account or not, caller."""


class _Rival(NamedTuple):
    """A variant that asks for something which a lookup tells.

    ``could`` tests what is known beforehand, ``line`` the line. ``networks`` are those that it
    matches, of an MCC one that no other rule names; empty where trying them would prove nothing,
    because the rule asks for more than a network, or names too many.
    """

    rank: int
    outcome: Outcome
    networks: tuple[str, ...]
    could: Test | None
    line: Test | None


class _Group(NamedTuple):
    """The rivals that want the same of a number, best rank first.

    ``other`` is the rank of the best rule whose outcome is not ``outcome``, that of the best one;
    ``at`` is where it stands among the ``rules``.
    """

    rank: int
    outcome: Outcome
    other: int
    at: int
    rules: tuple[_Rival, ...]


_Projection = tuple[int, int, int, bool, int, int, dict[_Key, _Group]]


class SameRoute:
    """The rules that ask for what a lookup tells, grouped. It never changes.

    Args:
        compiled: the tables.
        ranked: the variants of ordinary rules that rank before the default, best first.
        shapes: the same, to be searched.
        outcomes: the outcome of each rank, the default's as the last.
        rejects: the outcomes of listed error codes that reject.
    """

    __slots__ = (
        "_deep",
        "_frauds",
        "_last",
        "_outcomes",
        "_policy",
        "_projections",
        "_ranges",
        "_rejects",
        "_shapes",
        "_uses_line",
    )

    def __init__(
        self,
        compiled: Compiled,
        ranked: Sequence[Variant],
        shapes: Shapes,
        outcomes: Sequence[Outcome],
        rejects: frozenset[Outcome],
    ) -> None:
        rules = [rule for rule in compiled.rules if not rule.emergency]
        self._shapes: Final = shapes
        self._outcomes: Final = tuple(outcomes)
        self._last: Final = len(outcomes) - 1
        self._rejects: Final = rejects
        self._policy: Final = compiled.policy if len(compiled.policy) else None
        self._ranges: Final = compiled.ranges if len(compiled.ranges) else None
        self._frauds: Final = _told_apart(rule.fraud for rule in rules)
        self._uses_line: Final = any(rule.line.items for rule in rules)
        self._deep: Final = any(
            rule.mccmnc.items and (rule.line.items or rule.live.items) for rule in rules
        )
        blurred = any(rule.mccmnc.negative for rule in rules)
        self._projections: Final = _projections(ranked, self._outcomes, blurred=blurred)

    def dip_matters(self, context: CallContext) -> bool:
        """Say whether a lookup could change the way of an ordinary call; see ``Table``."""
        dialled = context.dialled
        if self._policy is not None and self._policy.by_network(
            dialled.digits, dialled.msisdn, context.account
        ):
            return True
        line = dialled.line
        free = line is None or line is Line.MOBILE_OR_LANDLINE
        facts = Facts(
            dialled.digits,
            dialled.msisdn,
            dialled.country,
            None if free else line,
            context.account,
            context.caller,
            at=context.at,
        )
        for fraud in self._frauds:
            supposed = facts if fraud is None else replace(facts, fraud=fraud)
            if self._differs(supposed, line, free=free):
                return True
        return False

    def _differs(self, facts: Facts, line: Line | None, *, free: bool) -> bool:
        rank = self._shapes.best(facts, self._last)
        outcome = self._outcomes[rank]
        if self._rejects and self._rejects != {outcome}:
            return True
        # Rules for what the plan calls the line match only until a lookup calls it otherwise.
        told = free and line is not None and self._uses_line
        if told and outcome != self._outcome(replace(facts, line=line)):
            return True
        rivals = self._rivals(rank, outcome, facts)
        for rival in islice(rivals, _RIVALS):
            if self._leads_elsewhere(rival, facts, outcome, free=free):
                return True
        return next(rivals, None) is not None or self._range_differs(facts, outcome)

    def _outcome(self, facts: Facts) -> Outcome:
        return self._outcomes[self._shapes.best(facts, self._last)]

    def _leads_elsewhere(
        self, rival: _Rival, facts: Facts, outcome: Outcome, *, free: bool
    ) -> bool:
        if rival.could is not None and not rival.could(facts):
            return False
        if rival.line is not None:
            if free:
                return True
            if not rival.line(facts):
                return False
        if not rival.networks:
            return True
        # It may itself lose, on its own networks, to rules that do not lead elsewhere.
        return any(
            outcome != self._outcome(_on(facts, Mccmnc(network))) for network in rival.networks
        )

    def _range_differs(self, facts: Facts, outcome: Outcome) -> bool:
        """A range may name a network that no lookup would: its rule carries the call without."""
        if self._ranges is None or facts.msisdn is None:
            return False
        given = self._ranges.find(facts.msisdn)
        if given is None or given.mccmnc is None:
            return False
        if outcome != self._outcome(_on(facts, given.mccmnc)):
            return True
        return self._deep and not plausible(given.mccmnc, facts.msisdn)

    def _rivals(self, rank: int, outcome: Outcome, facts: Facts) -> Iterator[_Rival]:
        """Yield the rivals that rank before the certain winner and lead elsewhere, by groups.

        They match the number's prefix and country, and none is of a network that cannot serve it.
        """
        msisdn = facts.msisdn or ""
        code = calling_code(msisdn)
        for best, length, wants_country, coded, wants_account, caller, groups in self._projections:
            if best >= rank:
                break
            group = groups.get(
                (
                    msisdn[:length] if length >= 0 else facts.digits,
                    facts.country if wants_country else "",
                    code if coded else _EVERY,
                    facts.account if wants_account else "",
                    facts.caller[:caller],
                )
            )
            if group is not None:
                yield from _elsewhere(group, rank, outcome)


def _on(facts: Facts, mccmnc: Mccmnc) -> Facts:
    """Return the facts with a network; ``replace`` costs ten times as much."""
    return Facts(
        facts.digits,
        facts.msisdn,
        facts.country,
        facts.line,
        facts.account,
        facts.caller,
        mccmnc,
        fraud=facts.fraud,
        at=facts.at,
    )


def _elsewhere(group: _Group, rank: int, outcome: Outcome) -> Iterator[_Rival]:
    if group.outcome != outcome:
        first, start = group.rank, 0
    else:
        first, start = group.other, group.at
    if first >= rank:
        return
    for rule in islice(group.rules, start, None):
        if rule.rank >= rank:
            return
        if rule.outcome != outcome:
            yield rule


# ---- building ----------------------------------------------------------------------------


def _projections(
    ranked: Sequence[Variant], outcomes: Sequence[Outcome], *, blurred: bool
) -> tuple[_Projection, ...]:
    grouped: dict[_Kind, dict[_Key, list[_Rival]]] = {}
    for rank, variant in enumerate(ranked):
        rule = variant.rule
        if rule.mccmnc.items or rule.ported.items or rule.live.items or rule.line.items:
            for code, networks in _by_code(variant, blurred=blurred).items():
                rival = _Rival(rank, outcomes[rank], networks, variant.could, variant.line)
                _enter(grouped, variant, code, rival)
    found = (
        (min(rules[0].rank for rules in by_key.values()), kind, by_key)
        for kind, by_key in grouped.items()
        if by_key
    )
    return tuple(
        (best, *kind, {key: _group(rules) for key, rules in by_key.items()})
        for best, kind, by_key in sorted(found, key=lambda projection: projection[0])
    )


def _by_code(variant: Variant, *, blurred: bool) -> dict[str, tuple[str, ...]]:
    """Return the networks to try for the numbers of each calling code; none: not to be tried.

    ``blurred``: some rule asks for none of several networks, so that those of an MCC differ.
    """
    rule, kind = variant.rule, variant.network.how
    if not kind:
        return {_EVERY: ()}
    found: dict[str, list[str]] = {}
    for item in variant.network.items:
        for code in _served(item[:MCC_DIGITS]):
            # No network is written with '--': it stands for those that no rule names.
            found.setdefault(code, []).append(f"{item}--" if kind == MCC else item)
    more = rule.ported.items or rule.live.items or (kind == MCC and blurred)
    return {
        code: () if more or len(networks) > _TRIED else tuple(networks)
        for code, networks in found.items()
    }


def _enter(
    grouped: dict[_Kind, dict[_Key, list[_Rival]]], variant: Variant, code: str, rival: _Rival
) -> None:
    length, coded = variant.prefix.how, code != _EVERY
    kind = (length, variant.country.how, coded, variant.account.how, variant.caller.how)
    by_key = grouped.setdefault(kind, {})
    for _, number, country, account, caller in variant.keys(with_network=False):
        if length <= 0 or not coded or _begins(number, code):
            by_key.setdefault((number, country, code, account, caller), []).append(rival)


def _begins(prefix: str, code: str) -> bool:
    """Say whether a number that begins with the prefix can have the calling code."""
    known = calling_code(prefix)
    return code == known or (not known and code.startswith(prefix))


def _told_apart(cells: Iterable[Cell]) -> tuple[Fraud | None, ...]:
    """Return one verdict of each kind that the cells tell apart, and None for no verdict."""
    used = {cell for cell in cells if cell.items}
    kinds = {tuple(verdict in cell.items for cell in used): verdict for verdict in Fraud}
    return (None, *kinds.values()) if used else (None,)


@lru_cache(maxsize=1_024)
def _served(mcc: str) -> tuple[str, ...]:
    """Return the calling codes whose numbers a network of this MCC can serve."""
    if mcc in _NO_COUNTRYS:
        return (_EVERY,)
    codes = (_UNLISTED, *CALLING_CODES)
    network = Mccmnc(f"{mcc}00")
    served = tuple(code for code in codes if plausible(network, Msisdn(code)))
    return (_EVERY,) if served == codes else served


def _group(rules: list[_Rival]) -> _Group:
    first = rules[0]
    others = ((at, rule.rank) for at, rule in enumerate(rules) if rule.outcome != first.outcome)
    at, other = next(others, (len(rules), _NEVER))
    return _Group(first.rank, first.outcome, other, at, tuple(rules))
