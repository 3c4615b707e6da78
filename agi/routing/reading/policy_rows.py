"""One row of the policy: what it matches, how it ranks, and which row leaves another no call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from agi.routing.rule import ANY, Cell

_COMPARED: Final = 64
"""Rows of one prefix that a weaker row is compared with: the strongest ones."""


class Ruling(StrEnum):
    """What the policy says of a call, the strongest first."""

    DENY = "deny"  # rejected
    NODIP = "nodip"  # routed, but nobody is paid to find its network
    ALLOW = "allow"  # nothing: it shields a range from a row with a shorter prefix


RULINGS: Final = tuple(Ruling)
_RANKS: Final = {ruling: rank for rank, ruling in enumerate(RULINGS, 1)}


class PolicyRow(msgspec.Struct, frozen=True, gc=False):
    """One row of ``policy.csv``; ``row`` is the line of the file that it begins on.

    ``mccmnc`` holds networks in canonical form and MCCs, sets are spelt out. ``prefix`` holds
    E.164 digits, and dialled digits with ``=`` before them.
    """

    row: int
    ruling: Ruling
    prefix: Cell = ANY
    account: Cell = ANY
    mccmnc: Cell = ANY
    line: Cell = ANY

    @property
    def strength(self) -> tuple[int, int]:
        """Return what orders the rows of one prefix: the smallest wins."""
        return _RANKS[self.ruling], self.row

    @property
    def is_plain(self) -> bool:
        """Whether it needs only a prefix, or not even that."""
        return self.account.empty and self.mccmnc.empty and self.line.empty and self.anywhere

    @property
    def anywhere(self) -> bool:
        """Whether nothing has to be tested of a number that one of its prefixes begins."""
        return not self.prefix.negative

    def places(self) -> tuple[str, ...]:
        """Return the prefixes that it counts with; only an empty text if it has no length."""
        return self.prefix.items if self.prefix.items and not self.prefix.negative else ("",)


def hidden(rows: Sequence[PolicyRow]) -> Iterator[tuple[PolicyRow, PolicyRow]]:
    """Yield rows that can never win, each with a stronger row that takes its calls.

    Not every such row is found: only the 64 strongest rows of a prefix are compared, and longer
    prefixes that together cover a shorter one are not noticed.
    """
    crowds = _crowds(rows)
    for row in rows:
        places = row.places()
        if all(place in crowds for place in places):
            taking = [_taking(row, crowds[place]) for place in places]
            first = taking[0]
            if first is not None and None not in taking:
                yield row, first


def _crowds(rows: Sequence[PolicyRow]) -> Mapping[str, list[PolicyRow]]:
    """Return the strongest rows of each prefix that has more than one."""
    first: dict[str, PolicyRow] = {}
    crowds: dict[str, list[PolicyRow]] = {}
    for row in rows:
        for place in row.places():
            if first.setdefault(place, row) is not row:
                crowds.setdefault(place, [first[place]]).append(row)
    for place, crowd in crowds.items():
        crowds[place] = sorted(crowd, key=lambda row: row.strength)[:_COMPARED]
    return crowds


def _taking(row: PolicyRow, crowd: Sequence[PolicyRow]) -> PolicyRow | None:
    for other in crowd:
        if other.strength >= row.strength:
            return None
        if _covers(other, row):
            return other
    return None


def _covers(wide: PolicyRow, narrow: PolicyRow) -> bool:
    """Say whether a row surely matches all that another one of the same prefix does."""
    pairs = [(wide.account, narrow.account), (wide.line, narrow.line)]
    pairs.append((wide.mccmnc, narrow.mccmnc))
    if wide.prefix.negative:
        pairs.append((wide.prefix, narrow.prefix))
    return all(_contains(*pair) for pair in pairs)


def _contains(wide: Cell, narrow: Cell) -> bool:
    if wide.empty:
        return True
    if narrow.empty or wide.negative is not narrow.negative:
        return False
    items, others = set(wide.items), set(narrow.items)
    return items <= others if wide.negative else others <= items
