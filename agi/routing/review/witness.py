"""A call that two rules of equal specificity both match, if there is one.

The cells of a rule say nothing of each other, so each field of the call is sought by itself: a
value that both cells take, at the same part of the specificity. Values of closed sets and listed
items are tried, what negative cells leave is found by going round their items.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import phonenumbers

from agi import plmn
from agi.model import Fraud, Line, Live, Mccmnc, Msisdn
from agi.routing.review.overlap import common
from agi.routing.rule import Cell, Facts, Rule

ANONYMOUS: Final = "anonymous"
MCC_DIGITS: Final = 3

_COUNTRIES: Final = tuple(sorted(phonenumbers.SUPPORTED_REGIONS))
_LINES: Final = tuple(line.value for line in Line if line is not Line.EMERGENCY)
_MCCS: Final = tuple(f"{mcc}" for mcc in range(200, 800))
_NUMBER: Final = "1234567890"
_PORTED: Final = {"yes": True, "no": False}

Choose = Callable[[frozenset[str]], str | None]
"""Returns a value out of those that are not taken, None if all are."""


def witness(a: Rule, b: Rule) -> Facts | None:
    """Return a call that both rules match at equal specificity; None if there is none.

    What neither rule asks for is not known of the call. Certain, but for what
    ``agi.routing.review.overlap.common`` says of two zones.
    """
    if (a.priority, a.emergency) != (b.priority, b.emergency):
        return None
    words = _words(a, b)
    mccmnc = None if words is None else _network(a.mccmnc, b.mccmnc)
    number = None if mccmnc is None else _number(a.prefix, b.prefix)
    caller = None if number is None else _caller(a.caller, b.caller)
    if words is None or mccmnc is None or number is None or caller is None:
        return None
    at = common(a.when, b.when) if bool(a.when) == bool(b.when) else None
    if at is None:
        return None
    account, country, line, ported, live, fraud = words
    return Facts(
        digits=number[0],
        msisdn=Msisdn(number[1]) if number[1] else None,
        country=country,
        line=Line.EMERGENCY if a.emergency else Line(line) if line else None,
        account=account,
        caller=caller,
        mccmnc=Mccmnc(mccmnc) if mccmnc else None,
        ported=_PORTED.get(ported),
        live=Live(live) if live else None,
        fraud=Fraud(fraud) if fraud else None,
        at=at,
        emergency=a.emergency,
    )


def _words(a: Rule, b: Rule) -> list[str] | None:
    found = []
    for one, other, choose in (
        (a.account, b.account, _fresh),
        (a.country, b.country, _first_of(_COUNTRIES)),
        (a.line, b.line, _first_of(_LINES)),
        (a.ported, b.ported, _first_of(_PORTED)),
        (a.live, b.live, _first_of(Live)),
        (a.fraud, b.fraud, _first_of(Fraud)),
    ):
        word = _word(one, other, choose)
        if word is None:
            return None
        found.append(word)
    return found


def _word(a: Cell, b: Cell, choose: Choose) -> str | None:
    """Return a word that both cells take, empty if both are; None if there is none."""
    if a.empty or b.empty:
        return "" if a.empty and b.empty else None
    if a.negative and b.negative:
        return choose(frozenset(a.items) | frozenset(b.items))
    listed, other = (b, a) if a.negative else (a, b)
    return next((item for item in listed.items if (item in other.items) != other.negative), None)


def _fresh(taken: frozenset[str]) -> str:
    """Return the name of an account that is not taken."""
    return next(name for n in range(len(taken) + 1) if (name := f"other{n or ''}") not in taken)


def _first_of(words: Iterable[str]) -> Choose:
    return lambda taken: next((str(word) for word in words if word not in taken), None)


# ---- networks ----------------------------------------------------------------------------


def _network(a: Cell, b: Cell) -> str | None:
    """Return a network that both cells take at equal weight: by network, else by MCC."""
    if a.empty or b.empty:
        return "" if a.empty and b.empty else None
    return _by_network(a, b) or _by_mcc(a, b)


def _by_network(a: Cell, b: Cell) -> str | None:
    if not (names_network(a) and names_network(b)):
        return None
    if a.negative and b.negative:
        taken = frozenset((*a.items, *b.items))
        return next((n for mcc in _MCCS if mcc not in taken if (n := _other(mcc, taken))), None)
    listed, other = (b, a) if a.negative else (a, b)
    networks = (item for item in listed.items if len(item) != MCC_DIGITS)
    return next((item for item in networks if _takes(other, item)), None)


def _takes(cell: Cell, network: str) -> bool:
    if not cell.negative:
        return network in cell.items
    return network not in cell.items and network[:MCC_DIGITS] not in cell.items


def _by_mcc(a: Cell, b: Cell) -> str | None:
    # A negative cell that names a network weighs as much as a network.
    if any(cell.negative and names_network(cell) for cell in (a, b)):
        return None
    listed = next((cell.items for cell in (a, b) if not cell.negative), _MCCS)
    taken = frozenset(item for cell in (a, b) if not cell.negative for item in cell.items)
    for mcc in listed:
        if len(mcc) == MCC_DIGITS and all((mcc in c.items) != c.negative for c in (a, b)):
            network = _other(mcc, taken)
            if network:
                return network
    return None


def names_network(cell: Cell) -> bool:
    """Say whether a cell holds a whole network, not only MCCs."""
    return any(len(item) != MCC_DIGITS for item in cell.items)


def _other(mcc: str, taken: frozenset[str]) -> str | None:
    """Return a network of an MCC that is not taken, in canonical form."""
    for mnc in (*(f"{n:02}" for n in range(100)), *(f"{n:03}" for n in range(1000))):
        network = plmn.canonical(mcc + mnc)
        if network and network.mccmnc == mcc + mnc not in taken:
            return network.mccmnc
    return None


# ---- numbers -----------------------------------------------------------------------------


def _number(a: Cell, b: Cell) -> tuple[str, str] | None:
    """Return dialled digits and E.164 digits, empty where neither cell asks for them."""
    if a.empty or b.empty or a.negative != b.negative:
        return ("", "") if a.empty and b.empty else None
    exact = {item[1:] for item in (*a.items, *b.items) if item[0] == "="}
    if a.negative:
        taken = {item for item in (*a.items, *b.items) if item[0] != "="}
        msisdn = free(taken, "") if taken else ""
        return None if msisdn is None else (_unlike(exact, msisdn or "0"), msisdn)
    for item in sorted(set(a.items) & set(b.items), key=len, reverse=True):
        if item[0] == "=":
            return item[1:], ""
        longer = {i for i in (*a.items, *b.items) if i != item and i.startswith(item)}
        msisdn = free(longer, item) or item
        return _unlike(exact, msisdn), msisdn
    return None


def _unlike(exact: set[str], digits: str) -> str:
    while digits in exact:
        digits = f"0{digits}"
    return digits


def _caller(a: Cell, b: Cell) -> str | None:
    if a.empty or b.empty or a.negative != b.negative:
        return "" if a.empty and b.empty else None
    items = {*a.items, *b.items}
    if a.negative:
        digits = free(items - {ANONYMOUS}, "", _NUMBER)
        return ANONYMOUS if digits is None and ANONYMOUS not in items else digits
    for item in sorted(set(a.items) & set(b.items), key=len, reverse=True):
        if item == ANONYMOUS:
            return item
        return free({i for i in items if i != item and i.startswith(item)}, item) or item
    return None


def free(taken: set[str], root: str, first: str = _NUMBER[:9]) -> str | None:
    """Return digits that begin with ``root`` and with none of ``taken``, None if there are none.

    ``first`` are the digits that may stand first: of E.164 numbers all but 0.
    Where it can be had, no longer digits that begin with them would be taken either.
    """
    ordered = sorted(taken)
    short = None
    waiting = deque([root])
    while waiting:
        digits = waiting.popleft()
        at = bisect_left(ordered, digits)
        if at == len(ordered) or not ordered[at].startswith(digits):
            if digits:
                return digits
        elif ordered[at] == digits:
            continue
        elif digits:
            short = short or digits
        waiting.extend(digits + digit for digit in (_NUMBER if digits else first))
    return short
