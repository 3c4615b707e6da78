"""Find the most specific rule that matches a call, in time that the number of rules hardly changes.

This is tuple-space search (Srinivasan, Suri, Varghese: "Packet Classification using Tuple Space
Search", SIGCOMM 1999). Variants that ask for the same kind of key (a kind of network, a prefix and
a caller of the same lengths, account and country or not) form a *shape*; inside a shape the call's
own values make the one key that could match, so a shape costs one dictionary lookup however many
rules it has. Under a key stand the candidates in the order of their ranks, the most specific
first, each with the test of what is not in the key. Shapes are tried in the order of their best
rank until none can be better than what was found; only those are tried that have a prefix which
begins like the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final

from agi.routing.conditions import Test
from agi.routing.rule import Facts
from agi.routing.variants import Variant

_HEAD: Final = 3
_UNKNOWN: Final = ("", "", "")

_Wide = tuple[int, int]
"""Whether the account is in the key, and how much of the caller."""
_Kind = tuple[int, int, int, _Wide | None, bool]
"""Kind of network, length of prefix, country or not, account and caller; tested or not."""
_Key = tuple[str, ...]
_Ranks = dict[_Key, int]
_Candidates = dict[_Key, list[tuple[int, Test]]]
_Group = tuple[_Ranks | None, _Candidates]
"""What stands under each key: the best rank where nothing is tested, else candidates by rank."""
_Shape = tuple[int, int, int, int, _Wide | None, _Ranks | None, _Candidates]
"""The best rank, the kind of key, the group."""
_Lists = Mapping[str, tuple[_Shape, ...]]


class Shapes:
    """The variants of a table's rules, ready to be searched. It never changes."""

    __slots__ = ("_known", "_unknown", "_with_network", "_without")

    def __init__(self, ranked: Iterable[tuple[int, Variant]]) -> None:
        """Take variants by ascending rank; the lower one wins."""
        kinds: dict[_Kind, _Group] = {}
        heads: dict[_Kind, dict[str, int]] = {}
        for rank, variant in ranked:
            kind = _kind(variant)
            group = kinds.setdefault(kind, (None if kind[4] else {}, {}))
            _enter(group, rank, variant)
            bests = heads.setdefault(kind, {})
            length = variant.prefix.how
            for prefix in variant.prefix.items if length > 0 else _UNKNOWN[:1]:
                bests.setdefault(prefix[:_HEAD], rank)
        self._with_network: Final = _lists(kinds, heads)
        self._known: Final = self._with_network[""]
        without = {kind: group for kind, group in kinds.items() if not kind[0]}
        self._without: Final = _lists(without, heads)
        self._unknown: Final = self._without[""]

    def best(self, facts: Facts, limit: int) -> int:  # noqa: C901 - parts would cost more than they do
        """Return the best rank of a variant that matches, ``limit`` if none ranks before it."""
        msisdn = facts.msisdn or ""
        mccmnc = facts.mccmnc
        networks: tuple[str, str, str] = _UNKNOWN
        if mccmnc:
            shapes = self._with_network.get(msisdn[:3], self._known)
            networks = ("", mccmnc, mccmnc[:3])
        else:
            shapes = self._without.get(msisdn[:3], self._unknown)
        country = facts.country
        for best, network, length, wants_country, wide, ranks, candidates in shapes:
            if best >= limit:
                break
            number = msisdn[:length] if length >= 0 else facts.digits
            key: _Key = (networks[network], number, country if wants_country else "")
            if wide is not None:
                wants_account, caller = wide
                if (wants_account and not facts.account) or (caller and not facts.caller):
                    continue
                key = (*key, facts.account if wants_account else "", facts.caller[:caller])
            if ranks is not None:
                rank = ranks.get(key, limit)
                if rank < limit:  # noqa: PLR1730  # min() costs a call for each shape
                    limit = rank
                continue
            for rank, test in candidates.get(key, ()):
                if rank >= limit:
                    break
                if test(facts):
                    limit = rank
                    break
        return limit


def _kind(variant: Variant) -> _Kind:
    account, caller = variant.account.how, variant.caller.how
    wide = (account, caller) if account or caller else None
    tested = variant.test is not None
    return (variant.network.how, variant.prefix.how, variant.country.how, wide, tested)


def _enter(group: _Group, rank: int, variant: Variant) -> None:
    ranks, candidates = group
    keys: Iterable[_Key]
    if variant.account.how or variant.caller.how:
        keys = variant.keys()
    else:
        keys = product(variant.network.items, variant.prefix.items, variant.country.items)
    test = variant.test
    if ranks is not None:
        for key in keys:
            # Variants come by rank: one with the same key and nothing to test can never win.
            ranks.setdefault(key, rank)
    elif test is not None:
        for key in keys:
            candidates.setdefault(key, []).append((rank, test))


def _lists(
    kinds: Mapping[_Kind, _Group], heads: Mapping[_Kind, Mapping[str, int]]
) -> dict[str, tuple[_Shape, ...]]:
    """Return the shapes to try for the first three digits of a number, for each beginning.

    Under the empty beginning stand the shapes for a number that begins like no prefix.
    """
    starts = {head for kind in kinds for head in heads[kind]}
    starts |= {head[:length] for head in starts for length in range(_HEAD)} | {""}
    below: dict[str, list[str]] = {}
    for start in starts:
        for length in range(len(start) + 1):
            below.setdefault(start[:length], []).append(start)
    found: dict[str, list[_Shape]] = {start: [] for start in starts}
    for kind, group in kinds.items():
        for head, best in heads[kind].items():
            # A short prefix is one of every longer beginning too.
            for start in below[head] if len(head) < _HEAD else (head,):
                found[start].append((best, *kind[:4], *group))
    lists = {
        start: tuple(sorted(shapes, key=lambda shape: shape[0])) for start, shapes in found.items()
    }
    return _filled(lists)


def _filled(lists: dict[str, tuple[_Shape, ...]]) -> dict[str, tuple[_Shape, ...]]:
    """Give every three digits the shapes of the longest beginning that has any."""
    if len(lists) == 1:
        return lists
    for number in range(1_000):
        head = f"{number:03}"
        starts = (head[:length] for length in (3, 2, 1, 0))
        lists.setdefault(head, next(lists[start] for start in starts if start in lists))
    for number in range(100):
        head = f"{number:02}"
        lists.setdefault(head, lists.get(head[:1], lists[""]))
    return lists
