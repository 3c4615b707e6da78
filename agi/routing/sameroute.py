"""Which calls go the same way whatever their network: for those no lookup has to be paid.

Without a network a call has one winning rule. Knowing the network can only change its way if a
rule that asks for a network (or for its MCC) ranks before that winner, matches the call's digits
and country, and leads elsewhere. Such rules are kept by what they ask of a number, each group with
its best rule and the best one that leads elsewhere than that, so that a call costs a dictionary
lookup or two for each kind of group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

Outcome = int
"""Two rules have the same number exactly if they send every call the same way."""


class Bound(NamedTuple):
    """A rule that asks for a network.

    ``length`` is that of its prefix, negative when it wants the dialled digits; ``number`` holds
    the prefix or the digits. ``country`` is empty when any will do. ``mccmnc`` is a network that
    the rule matches; of an MCC it is one that no other rule names.
    """

    rank: int
    outcome: Outcome
    length: int
    number: str
    country: str
    mccmnc: str


class _Group(NamedTuple):
    """The rules that want the same of a number, best rank first.

    ``other`` is the rank of the best rule whose outcome is not ``outcome``, that of the best one;
    ``at`` is where it stands among the ``rules``.
    """

    rank: int
    outcome: Outcome
    other: int
    at: int
    rules: tuple[Bound, ...]


_NEVER: Final = 1 << 30
_Projection = tuple[int, int, bool, dict[tuple[str, str], _Group]]


class SameRoute:
    """The rules that ask for a network, grouped. It never changes."""

    __slots__ = ("_projections",)

    def __init__(self, rules: Iterable[Bound]) -> None:
        grouped: dict[tuple[int, bool], dict[tuple[str, str], list[Bound]]] = {}
        for rule in sorted(rules):
            projection = grouped.setdefault((rule.length, bool(rule.country)), {})
            projection.setdefault((rule.number, rule.country), []).append(rule)
        self._projections: Final[tuple[_Projection, ...]] = tuple(
            sorted(
                (
                    (
                        min(found[0].rank for found in by_key.values()),
                        length,
                        wants_country,
                        {key: _group(found) for key, found in by_key.items()},
                    )
                    for (length, wants_country), by_key in grouped.items()
                ),
                key=lambda projection: projection[0],
            )
        )

    def rivals(
        self, rank: int, outcome: Outcome, digits: str, msisdn: str, country: str
    ) -> Iterator[Bound]:
        """Yield the rules that match, rank before the winner and lead elsewhere, group by group.

        Each of them may itself lose, on its own network, to a rule that does not lead elsewhere.

        Args:
            rank: of the rule that wins without a network.
            outcome: that rule's.
            digits: what was dialled.
            msisdn: its E.164 digits, empty when it has none.
            country: ISO 3166 alpha-2 of the number, or empty.
        """
        for best, length, wants_country, by_key in self._projections:
            if best >= rank:
                break
            number = msisdn[:length] if length >= 0 else digits
            group = by_key.get((number, country if wants_country else ""))
            if group is None:
                continue
            if group.outcome != outcome:
                first, start = group.rank, 0
            else:
                first, start = group.other, group.at
            if first < rank:
                for rule in islice(group.rules, start, None):
                    if rule.rank >= rank:
                        break
                    if rule.outcome != outcome:
                        yield rule


def _group(rules: list[Bound]) -> _Group:
    first = rules[0]
    others = ((at, rule.rank) for at, rule in enumerate(rules) if rule.outcome != first.outcome)
    at, other = next(others, (len(rules), _NEVER))
    return _Group(first.rank, first.outcome, other, at, tuple(rules))
