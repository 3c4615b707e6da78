"""Take a rule apart into its variants: which calls it can win, and how specific each way is.

A list is as specific as the item of it that matched, so a rule with lists stands in several places
of the order: once for each kind of network, length of prefix and length of caller that it names.
Such a place is a *variant*. What a variant asks of a call is either part of the key under which it
is found (``agi.routing.shapes``), or a *test* of one field that remains to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from math import prod
from typing import Final, NamedTuple

from agi.routing.conditions import (
    ANY,
    EXACT,
    MCC,
    MCC_DIGITS,
    NETWORK,
    Test,
    account_in,
    caller_in,
    country_in,
    every,
    network_in,
    no_caller,
    no_network,
    no_prefix,
    ported,
    prefix_in,
    within,
    word,
)
from agi.routing.rule import Cell, Rule

Specificity = tuple[float, ...]
"""What rules are ordered by, greater first: the contract's order of cells, priority before all."""

_EXACT_WEIGHT: Final = 100
_ANONYMOUS: Final = "anonymous"
_ANONYMOUS_WEIGHT: Final = 32
_NEGATIVE_WEIGHT: Final = 0.5
"""Of a negative prefix or caller: more than an empty cell, less than any item."""
_NOT_KEYED: Final = ("",)


class Choice(NamedTuple):
    """One way in which a cell can match.

    ``weight`` is its part of the specificity. ``how`` says which part of the call's value makes
    the key (a kind of network, or a length; for account and country 1 or 0), ``items`` the values
    of that part. ``test`` is what remains to be tested when the cell is not keyed.
    """

    weight: tuple[float, ...]
    how: int
    items: tuple[str, ...]
    test: Test | None = None


class Variant(NamedTuple):
    """A rule at one of its places.

    ``test`` remains for a call whose key fits; ``could`` is the part of it that does not speak of
    what a lookup tells (network, ported, live, line). ``line`` is the test of the cell ``line``.
    """

    rule: Rule
    specificity: Specificity
    account: Choice
    network: Choice
    prefix: Choice
    caller: Choice
    country: Choice
    test: Test | None
    could: Test | None
    line: Test | None

    def keys(self, *, with_network: bool = True) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield every key: network (or nothing in its place), prefix, country, account, caller."""
        return product(
            self.network.items if with_network else _NOT_KEYED,
            self.prefix.items,
            self.country.items,
            self.account.items,
            self.caller.items,
        )


_EMPTY: Final = (Choice((0,), 0, _NOT_KEYED),)
_EMPTY_NETWORK: Final = (Choice((0, 0), ANY, _NOT_KEYED),)


def variants(rule: Rule, most: int) -> list[Variant]:
    """Return the variants of a rule.

    ``most`` bounds the keys of all of them together: where the lists of a rule have more
    combinations, callers, countries, accounts, prefixes and at last networks are not keyed but
    tested.
    """
    columns = _columns(rule)
    if keys_of(rule) > most:
        columns = _narrowed(columns, most)
    accounts, networks, prefixes, callers, countries = columns
    line = None if rule.emergency else word("line", rule.line)
    known = [test for test in (word("fraud", rule.fraud), within(rule.when)) if test]
    asked = [
        test for test in (line, ported(rule.ported), word("live", rule.live)) if test is not None
    ]
    (account,), (country,) = accounts, countries
    rest = _rest(rule)
    return [
        _variant(rule, rest, (account, network, prefix, caller, country), asked, known, line)
        for network in networks
        for prefix in prefixes
        for caller in callers
    ]


def keys_of(rule: Rule) -> int:
    """Return how many keys a rule has that is keyed by all that can be."""
    cells = (rule.account, rule.mccmnc, rule.prefix, rule.caller, rule.country)
    return prod(len(cell.items) for cell in cells if cell.items and not cell.negative)


def specificity(rule: Rule) -> tuple[Specificity, ...]:
    """Return how specific each variant of a rule is."""
    return tuple(variant.specificity for variant in variants(rule, 1))


_Columns = tuple[
    tuple[Choice, ...],
    tuple[Choice, ...],
    tuple[Choice, ...],
    tuple[Choice, ...],
    tuple[Choice, ...],
]


def _columns(rule: Rule) -> _Columns:
    return (
        _words("account", rule.account),
        _networks(rule.mccmnc),
        _prefixes(rule.prefix),
        _callers(rule.caller),
        _words("country", rule.country),
    )


def _width(choices: tuple[Choice, ...]) -> int:
    return sum(len(choice.items) for choice in choices)


def _narrowed(columns: _Columns, most: int) -> _Columns:
    """Take columns out of the key, those first that tell calls apart least."""
    account, network, prefix, caller, country = columns
    if _keys(account, network, prefix, caller, country) > most:
        caller = _tested(caller, caller_in)
    if _keys(account, network, prefix, caller, country) > most:
        country = _tested(country, country_in)
    if _keys(account, network, prefix, caller, country) > most:
        account = _tested(account, account_in)
    if _keys(account, network, prefix, caller, country) > most:
        prefix = _tested(prefix, prefix_in)
    if _keys(account, network, prefix, caller, country) > most:
        network = _tested(network, network_in)
    return account, network, prefix, caller, country


def _keys(*columns: tuple[Choice, ...]) -> int:
    return prod(map(_width, columns))


def _tested(
    column: tuple[Choice, ...], test: Callable[[int, frozenset[str]], Test]
) -> tuple[Choice, ...]:
    if _width(column) == len(column):
        return column  # there would be as many keys as before
    return tuple(
        choice._replace(how=0, items=_NOT_KEYED, test=test(choice.how, frozenset(choice.items)))
        for choice in column
    )


def _rest(rule: Rule) -> tuple[float, ...]:
    cells = (rule.line, rule.ported, rule.live, rule.fraud)
    return (*(not cell.empty for cell in cells), bool(rule.when))


def _variant(  # noqa: PLR0913, PLR0917 - made thousands of times, each time at once
    rule: Rule,
    rest: tuple[float, ...],
    chosen: tuple[Choice, Choice, Choice, Choice, Choice],
    asked: list[Test],
    known: list[Test],
    line: Test | None,
) -> Variant:
    account, network, prefix, caller, country = chosen
    by_network, by_mcc = network.weight
    order = (
        *(rule.priority, *account.weight, by_network, *prefix.weight, by_mcc),
        *(*caller.weight, *country.weight, *rest),
    )
    tests = [choice.test for choice in (account, prefix, caller, country) if choice.test]
    could = tests + known
    asks = [network.test] if network.test else []
    return Variant(
        rule,
        order,
        *chosen,
        every(asks + tests + asked + known),
        every(could),
        line,
    )


# ---- the cells that can be keyed ---------------------------------------------------------


def _words(column: str, cell: Cell) -> tuple[Choice, ...]:
    if not cell.items:
        return _EMPTY
    if not cell.negative:
        return (Choice((1,), 1, cell.items),)
    return (Choice((1,), 0, _NOT_KEYED, word(column, cell)),)


def _networks(cell: Cell) -> tuple[Choice, ...]:
    if not cell.items:
        return _EMPTY_NETWORK
    mccs = tuple(item for item in cell.items if len(item) == MCC_DIGITS)
    networks = tuple(item for item in cell.items if len(item) != MCC_DIGITS)
    if cell.negative:
        weight = (1, 0) if networks else (0, 1)
        return (Choice(weight, ANY, _NOT_KEYED, no_network(frozenset(cell.items))),)
    found = []
    if networks:
        found.append(Choice((1, 0), NETWORK, networks))
    if mccs:
        found.append(Choice((0, 1), MCC, mccs))
    return tuple(found)


def _prefixes(cell: Cell) -> tuple[Choice, ...]:
    if not cell.items:
        return _EMPTY
    exact = tuple(item[1:] for item in cell.items if item[0] == "=")
    by_length = _by_length(item for item in cell.items if item[0] != "=")
    if cell.negative:
        return (Choice((_NEGATIVE_WEIGHT,), 0, _NOT_KEYED, no_prefix(exact, by_length)),)
    found = [Choice((_EXACT_WEIGHT,), EXACT, exact)] if exact else []
    found += [Choice((length,), length, items) for length, items in by_length.items()]
    return tuple(found)


def _callers(cell: Cell) -> tuple[Choice, ...]:
    if not cell.items:
        return _EMPTY
    digits = tuple(item for item in cell.items if item != _ANONYMOUS)
    if cell.negative:
        return (Choice((_NEGATIVE_WEIGHT,), 0, _NOT_KEYED, no_caller(_by_length(cell.items))),)
    found = [Choice((length,), length, items) for length, items in _by_length(digits).items()]
    if len(digits) < len(cell.items):
        found.append(Choice((_ANONYMOUS_WEIGHT,), len(_ANONYMOUS), (_ANONYMOUS,)))
    return tuple(found)


def _by_length(items: Iterable[str]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for item in items:
        found.setdefault(len(item), []).append(item)
    return {length: tuple(same) for length, same in found.items()}
