"""Which calls go the same way whatever their network: for those no lookup has to be paid.

Without a network a call has one winning rule. Knowing the network can only change its way if a
rule that asks for a network (or for its MCC) ranks before that winner, matches the call's digits
and country, asks for a network that can serve the number (``agi.mcc``: an answer that names another
one is not believed), and leads elsewhere. Such rules are kept by what they ask of a number and by
the calling codes that their network serves, each group with its best rule and the best one that
leads elsewhere than that, so that a call costs one dictionary lookup for each kind of group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from agi.mcc import CALLING_CODES, calling_code, plausible
from agi.model import Mccmnc, Msisdn

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
_NO_COUNTRYS: Final = frozenset({"001", "999"})
"""Test and private networks (ITU-T E.212): a site may use them as it likes in a dump of its own,
which is believed; so they are never left out."""
_UNLISTED: Final = ""
"""Stands for every calling code that is not listed."""
_Key = tuple[str, str, str]
"""The prefix or the digits, the country or nothing, the calling code."""
_Projection = tuple[int, int, bool, dict[_Key, _Group]]


class SameRoute:
    """The rules that ask for a network, grouped. It never changes."""

    __slots__ = ("_projections",)

    def __init__(self, rules: Iterable[Bound]) -> None:
        grouped: dict[tuple[int, bool], dict[_Key, list[Bound]]] = {}
        for rule in sorted(rules):
            projection = grouped.setdefault((rule.length, bool(rule.country)), {})
            for code in _codes(rule):
                projection.setdefault((rule.number, rule.country, code), []).append(rule)
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
                    if by_key
                ),
                key=lambda projection: projection[0],
            )
        )

    def rivals(
        self, rank: int, outcome: Outcome, digits: str, msisdn: str, country: str
    ) -> Iterator[Bound]:
        """Yield the rules that could win on a plausible network and lead elsewhere, by groups.

        They match the number and rank before the winner; none is of a network that cannot serve it.
        Each of them may itself lose, on its own network, to a rule that does not lead elsewhere.

        Args:
            rank: of the rule that wins without a network.
            outcome: that rule's.
            digits: what was dialled.
            msisdn: its E.164 digits, empty when it has none.
            country: ISO 3166 alpha-2 of the number, or empty.
        """
        code = calling_code(msisdn)
        for best, length, wants_country, by_key in self._projections:
            if best >= rank:
                break
            number = msisdn[:length] if length >= 0 else digits
            group = by_key.get((number, country if wants_country else "", code))
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


def _codes(rule: Bound) -> Iterator[str]:
    """Yield the calling codes of the numbers that the rule could match on its network."""
    served = _served(rule.mccmnc[:3])
    known = calling_code(rule.number) if rule.length > 0 else ""
    for code in served:
        # Dialled digits tell nothing of a calling code, a short prefix leaves several.
        if rule.length < 0 or code == known or (not known and code.startswith(rule.number)):
            yield code


@lru_cache(maxsize=1_024)
def _served(mcc: str) -> tuple[str, ...]:
    """Return the calling codes whose numbers a network of this MCC can serve."""
    codes = (_UNLISTED, *CALLING_CODES)
    if mcc in _NO_COUNTRYS:
        return codes
    network = Mccmnc(f"{mcc}00")
    return tuple(code for code in codes if plausible(network, Msisdn(code)))


def _group(rules: list[Bound]) -> _Group:
    first = rules[0]
    others = ((at, rule.rank) for at, rule in enumerate(rules) if rule.outcome != first.outcome)
    at, other = next(others, (len(rules), _NEVER))
    return _Group(first.rank, first.outcome, other, at, tuple(rules))
