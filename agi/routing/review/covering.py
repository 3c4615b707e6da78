"""Compare rules by their cells alone: does one match every call of another, may they meet at all.

Both say only what is sure: ``covers_rule`` yes, ``may_meet`` no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agi.model import Fraud, Line, Live
from agi.routing.review.overlap import covers
from agi.routing.review.witness import ANONYMOUS, MCC_DIGITS
from agi.routing.rule import Cell, Rule

_PORTED: Final = frozenset({"yes", "no"})
_LINES: Final = frozenset(Line) - {Line.EMERGENCY}


def covers_rule(wide: Rule, narrow: Rule) -> bool:
    """Say whether the first rule surely matches each call that the second one matches."""
    return (
        wide.emergency == narrow.emergency
        and _words(wide.account, narrow.account)
        and _words(wide.country, narrow.country)
        and _words(wide.line, narrow.line, frozenset(map(str, _LINES)))
        and _words(wide.ported, narrow.ported, _PORTED)
        and _words(wide.live, narrow.live, frozenset(map(str, Live)))
        and _words(wide.fraud, narrow.fraud, frozenset(map(str, Fraud)))
        and _begins(wide.mccmnc, narrow.mccmnc, _network)
        and _begins(wide.prefix, narrow.prefix, _number)
        and _begins(wide.caller, narrow.caller, _caller)
        and covers(wide.when, narrow.when)
    )


def may_meet(a: Rule, b: Rule) -> bool:
    """Say whether one call could match both rules; times are not compared."""
    return (
        a.emergency == b.emergency
        and all(
            _words_meet(one, other)
            for one, other in (
                (a.account, b.account),
                (a.country, b.country),
                (a.line, b.line),
                (a.ported, b.ported),
                (a.live, b.live),
                (a.fraud, b.fraud),
            )
        )
        and _lists_meet(a.mccmnc, b.mccmnc, _network)
        and _lists_meet(a.prefix, b.prefix, _number)
        and _lists_meet(a.caller, b.caller, _caller)
    )


def _words(wide: Cell, narrow: Cell, domain: frozenset[str] = frozenset()) -> bool:
    if wide.empty or narrow.empty:
        return wide.empty
    if narrow.negative and not wide.negative:
        return bool(domain) and domain.difference(narrow.items).issubset(wide.items)
    if narrow.negative:
        return set(wide.items).issubset(narrow.items)
    return all((item in wide.items) != wide.negative for item in narrow.items)


def _words_meet(a: Cell, b: Cell) -> bool:
    if a.empty or b.empty or (a.negative and b.negative):
        return True
    listed, other = (b, a) if a.negative else (a, b)
    return any((item in other.items) != other.negative for item in listed.items)


Within = Callable[[str, str], bool]
"""Says whether what the first item matches is surely matched by the second."""


def _network(item: str, wide: str) -> bool:
    return item == wide or (len(wide) == MCC_DIGITS and item[:MCC_DIGITS] == wide)


def _number(item: str, wide: str) -> bool:
    return item == wide or ("=" not in (item[0], wide[0]) and item.startswith(wide))


def _caller(item: str, wide: str) -> bool:
    return item == wide or (ANONYMOUS not in {item, wide} and item.startswith(wide))


def _begins(wide: Cell, narrow: Cell, within: Within) -> bool:
    if wide.empty or narrow.empty:
        return wide.empty
    if not wide.negative:
        return not narrow.negative and all(
            any(within(item, w) for w in wide.items) for item in narrow.items
        )
    if narrow.negative:
        return all(any(within(w, item) for item in narrow.items) for w in wide.items)
    # Dialled digits and E.164 digits are two fields: neither tells of the other.
    if within is _number and any(
        (w[0] == "=") != (i[0] == "=") for w in wide.items for i in narrow.items
    ):
        return False
    return not any(within(i, w) or within(w, i) for i in narrow.items for w in wide.items)


def _lists_meet(a: Cell, b: Cell, within: Within) -> bool:
    if a.empty or b.empty or (a.negative and b.negative):
        return True
    if not (a.negative or b.negative):
        if within is _number and any(
            (i[0] == "=") != (j[0] == "=") for i in a.items for j in b.items
        ):
            return True
        return any(within(i, j) or within(j, i) for i in a.items for j in b.items)
    listed, other = (b, a) if a.negative else (a, b)
    if within is _number:
        return True
    return not all(any(within(i, j) for j in other.items) for i in listed.items)
