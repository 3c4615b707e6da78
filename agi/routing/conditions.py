"""Tests of one field of a call: what a match cell asks for, where it is not part of a key.

Each is made once, when a table is, and holds what it compares with ready. An unknown field passes
none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agi.model import Mccmnc
from agi.routing import when
from agi.routing.rule import Cell, Facts, Span

Test = Callable[[Facts], bool]
"""Says whether one call has what a cell asks for."""

ANY: Final = 0
NETWORK: Final = 1
MCC: Final = 2
EXACT: Final = -1
"""The prefix length of what is compared with the dialled digits."""

MCC_DIGITS: Final = 3


def every(tests: list[Test]) -> Test | None:
    """Return the test of all tests in their order; None for none."""
    if len(tests) < 2:
        return tests[0] if tests else None
    first, *others = tests

    def test(facts: Facts) -> bool:
        if not first(facts):
            return False
        for other in others:  # noqa: SIM110 - all() over a generator costs a microsecond
            if not other(facts):
                return False
        return True

    return test


def account_in(how: int, items: frozenset[str]) -> Test:
    """Return the test of an account; ``how`` plays no part."""
    del how
    return lambda facts: facts.account in items


def country_in(how: int, items: frozenset[str]) -> Test:
    """Return the test of a country; ``how`` plays no part."""
    del how
    return lambda facts: facts.country in items


def caller_in(how: int, items: frozenset[str]) -> Test:
    """Return the test of a caller's first ``how`` characters."""
    return lambda facts: facts.caller[:how] in items


def prefix_in(how: int, items: frozenset[str]) -> Test:
    """Return the test of a number's first ``how`` digits, or of the digits dialled (``EXACT``)."""
    if how == EXACT:
        return lambda facts: facts.digits in items
    return lambda facts: (facts.msisdn or "")[:how] in items


def network_in(how: int, items: frozenset[str]) -> Test:
    """Return the test of a network, or of its ``MCC``."""
    if how == MCC:
        return lambda facts: (facts.mccmnc or "")[:MCC_DIGITS] in items
    return lambda facts: facts.mccmnc in items


def no_network(items: frozenset[str]) -> Test:
    """Return the test of a network that is none of the items, and in none of their MCCs."""

    def test(facts: Facts) -> bool:
        mccmnc = facts.mccmnc
        return bool(mccmnc) and mccmnc not in items and _mcc(mccmnc) not in items

    return test


def _mcc(mccmnc: Mccmnc | None) -> str:
    return (mccmnc or "")[:MCC_DIGITS]


def no_prefix(exact: tuple[str, ...], by_length: Mapping[int, tuple[str, ...]]) -> Test:
    """Return the test of a number that is not dialled so, and begins with none of the items."""
    digits = frozenset(exact)
    sets = [(length, frozenset(items)) for length, items in by_length.items()]

    def test(facts: Facts) -> bool:
        if facts.digits in digits:
            return False
        msisdn = facts.msisdn
        if not msisdn:
            return not sets
        return not any(msisdn[:length] in items for length, items in sets)

    return test


def no_caller(by_length: Mapping[int, tuple[str, ...]]) -> Test:
    """Return the test of a known caller that begins with none of the items."""
    sets = [(length, frozenset(items)) for length, items in by_length.items()]

    def test(facts: Facts) -> bool:
        caller = facts.caller
        return bool(caller) and not any(caller[:length] in items for length, items in sets)

    return test


def word(column: str, cell: Cell) -> Test | None:
    """Return the test of a cell whose values are words, None for an empty cell."""
    if not cell.items:
        return None
    items = frozenset(cell.items)
    field = _FIELDS[column]
    if cell.negative:
        return lambda facts: bool(field(facts)) and field(facts) not in items
    return lambda facts: field(facts) in items


_FIELDS: Final[Mapping[str, Callable[[Facts], str | None]]] = {
    "account": lambda facts: facts.account,
    "country": lambda facts: facts.country,
    "line": lambda facts: facts.line,
    "live": lambda facts: facts.live,
    "fraud": lambda facts: facts.fraud,
}


def ported(cell: Cell) -> Test | None:
    """Return the test of the cell ``ported``, None for an empty one."""
    if not cell.items:
        return None
    wanted = frozenset(
        value
        for value, word in ((True, "yes"), (False, "no"))
        if (word in cell.items) != cell.negative
    )
    return lambda facts: facts.ported in wanted


def within(spans: tuple[Span, ...]) -> Test | None:
    """Return the test of the time of a call; None for no spans, which is any time."""
    if not spans:
        return None
    holds = when.holds
    return lambda facts: holds(spans, facts.at)
