"""Find the policy's row among those that need more than a prefix: by account and network first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from agi.model import Line
from agi.routing.reading.policy_rows import PolicyRow

Strength = tuple[int, int]
"""The order of the rows of one prefix: rank of the ruling, line of the file. The smallest wins."""

_MCC: Final = 3
_MANY: Final = 16
"""Rows of a node that a call has no time to prepare."""

_MOST_KEYS: Final = 4_096
"""A row with more pairs of an account and a network is not sought by account, then by neither."""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A row, and the nodes that it hangs on: one for each of its prefixes."""

    row: PolicyRow
    nodes: tuple[int, ...]


class Call(msgspec.Struct, frozen=True, gc=False):
    """What is known of a call; None or empty is what is not."""

    digits: str
    msisdn: str | None
    account: str
    mccmnc: str | None
    line: Line | None


class Candidate:
    """A row, ready to be tested against a call that one of its prefixes begins."""

    __slots__ = ("_accounts", "_dialled", "_lines", "_networks", "_not", "_starts", "strength")

    def __init__(self, row: PolicyRow) -> None:
        self.strength: Final = row.strength
        negative = row.prefix.items if row.prefix.negative else ()
        self._starts: Final = tuple(item for item in negative if item[0] != "=")
        self._dialled: Final = frozenset(item[1:] for item in negative if item[0] == "=")
        self._accounts: Final = frozenset(row.account.items)
        self._networks: Final = frozenset(row.mccmnc.items)
        self._lines: Final = frozenset(row.line.items)
        self._not: Final = (row.account.negative, row.mccmnc.negative, row.line.negative)

    def matches(self, call: Call) -> bool:
        """Say whether all cells match."""
        return self._fits(call) and self._fits_network(call) and self._fits_line(call)

    def waits(self, call: Call) -> bool:
        """Say whether all cells match but those that a lookup may tell, and there are such.

        A line that is known here is one that no lookup changes.
        """
        if not self._fits(call):
            return False
        if call.line is None:
            return bool(self._networks or self._lines)
        return bool(self._networks) and self._fits_line(call)

    def _fits(self, call: Call) -> bool:
        account, msisdn = call.account, call.msisdn
        if self._accounts and (not account or (account in self._accounts) is self._not[0]):
            return False
        if self._starts and (msisdn is None or msisdn.startswith(self._starts)):
            return False
        return call.digits not in self._dialled

    def _fits_network(self, call: Call) -> bool:
        mccmnc = call.mccmnc
        if not self._networks:
            return True
        if not mccmnc:
            return False
        listed = mccmnc in self._networks or mccmnc[:_MCC] in self._networks
        return listed is not self._not[1]

    def _fits_line(self, call: Call) -> bool:
        if not self._lines:
            return True
        return call.line is not None and (call.line in self._lines) is not self._not[2]


class _Node:
    """The rows of one node, the strongest first, by what they ask for."""

    __slots__ = ("_found", "_waiting")

    def __init__(self, rows: Iterable[PolicyRow]) -> None:
        found: dict[tuple[str, str], list[Candidate]] = {}
        waiting: dict[str, dict[tuple[object, ...], Candidate]] = {}
        for row in sorted(rows, key=lambda row: row.strength):
            candidate, keys = Candidate(row), tuple(_keys(row))
            for key in keys:
                found.setdefault(key, []).append(candidate)
            for account in {account for account, _ in keys}:
                alike = _but_for_network(row, account)
                if alike:
                    waiting.setdefault(account, {}).setdefault(alike, candidate)
        self._found: Final[Mapping[tuple[str, str], list[Candidate]]] = found
        self._waiting: Final = {key: tuple(some.values()) for key, some in waiting.items()}

    def best(self, call: Call, best: Strength) -> Strength:
        for key in _sought(call):
            for candidate in self._found.get(key, ()):
                if candidate.strength >= best:
                    break
                if candidate.matches(call):
                    best = candidate.strength
                    break
        return best

    def waits(self, call: Call, best: Strength) -> bool:
        for account in ("", call.account) if call.account else ("",):
            for candidate in self._waiting.get(account, ()):
                if candidate.strength >= best:
                    break
                if candidate.waits(call):
                    return True
        return False


class Others:
    """The rows that need more than a prefix. What it says never changes.

    A node of many rows is prepared at once, any other when it is first asked.
    """

    def __init__(self, placed: Iterable[Placed]) -> None:
        rows: dict[int, list[PolicyRow]] = {}
        for one in placed:
            for node in one.nodes:
                rows.setdefault(node, []).append(one.row)
        self._rows: Final = rows
        self._nodes: Final = {node: _Node(some) for node, some in rows.items() if len(some) > _MANY}

    def best(self, node: int, call: Call, best: Strength) -> Strength:
        """Return the strength of a node's strongest row that matches, if stronger than ``best``."""
        return self._node(node).best(call, best)

    def waits(self, node: int, call: Call, best: Strength) -> bool:
        """Say whether a row of a node, stronger than ``best``, may match after a lookup."""
        return self._node(node).waits(call, best)

    def _node(self, node: int) -> _Node:
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = _Node(self._rows[node])
        return found


def _keys(row: PolicyRow) -> Iterator[tuple[str, str]]:
    accounts = ("",) if row.account.negative else row.account.items or ("",)
    networks = ("",) if row.mccmnc.negative else row.mccmnc.items or ("",)
    if len(accounts) * len(networks) > _MOST_KEYS:
        accounts = ("",)
    if len(networks) > _MOST_KEYS:
        networks = ("",)
    return ((account, network) for account in accounts for network in networks)


def _sought(call: Call) -> Iterator[tuple[str, str]]:
    for account in ("", call.account) if call.account else ("",):
        yield account, ""
        if call.mccmnc:
            yield account, call.mccmnc
            yield account, call.mccmnc[:_MCC]


def _but_for_network(row: PolicyRow, account: str) -> tuple[object, ...]:
    """Return what is equal in rows that differ in their networks only; empty if it names none."""
    if row.mccmnc.empty and row.line.empty:
        return ()
    negative = row.prefix if row.prefix.negative else None
    return (None if account else row.account, negative, row.line, row.mccmnc.empty)
