"""Turn the bytes of ``networks.csv`` and ``groups.csv`` into sets of networks and groups of trunks.

A set may have many rows; a group has one, and may hold other groups. Groups are spelt out here,
once, so that whoever uses one sees trunks only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.routing.reading.cells import Cells, rows_of
from agi.routing.reading.faults import Faults, Nearest, Place, shown
from agi.routing.reading.match_cells import Sets, network_cell
from agi.routing.reading.sheet import Columns, open_sheet
from agi.routing.reading.spoiled import spoiled

MAX_WEIGHT: Final = 1_000
MAX_DEPTH: Final = 16
"""Groups within groups, at most."""
MAX_MEMBERS: Final = 1_000
"""Trunks of one group, spelt out, at most."""
MAX_NETWORKS: Final = 200_000
"""Networks of all sets together, at most: some 3,000 are in use (ITU-T E.212)."""
NAME_LENGTH: Final = 32

SET_COLUMNS: Final = Columns(
    frozenset({"set", "mccmnc", "comment"}), frozenset({"set", "mccmnc"}), 100_000
)
GROUP_COLUMNS: Final = Columns(
    frozenset({"group", "trunks", "comment"}), frozenset({"group", "trunks"}), 10_000
)

_WEIGHT: Final = re.compile(r"[0-9]{1,4}")
_TRUNK_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,39}")
_GROUP_NAME: Final = re.compile(r"@[A-Za-z0-9_.][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True, slots=True)
class Member:
    """One trunk of a tier or a group and its weight, 1 to 1000, or a group of trunks (``@name``).

    The name is empty in a faulty row.
    """

    name: str
    weight: int = 1

    @property
    def group(self) -> str:
        """The name of the group, empty for a trunk."""
        return self.name[1:] if self.name.startswith("@") else ""


@dataclass(frozen=True, slots=True)
class NetworkSets:
    """The networks and MCCs of each set, and where each set begins."""

    networks: Sets = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)


class Asked(Mapping[str, tuple[str, ...]]):
    """Sets of networks that note which of them was asked for, in ``names``."""

    def __init__(self, sets: Sets) -> None:
        self._sets: Final = sets
        self.names: Final[set[str]] = set()

    def __getitem__(self, name: str) -> tuple[str, ...]:
        """Return the networks of a set.

        Raises:
            KeyError: there is no such set.
        """
        self.names.add(name)
        return self._sets[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names of all sets."""
        return iter(self._sets)

    def __len__(self) -> int:
        """Return how many sets there are."""
        return len(self._sets)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A row of ``groups.csv``, as written."""

    place: Place
    group: str
    members: tuple[Member, ...]

    @property
    def trunks(self) -> tuple[str, ...]:
        """The trunks that the row itself names."""
        return tuple(m.name for m in self.members if m.name and not m.group)


@dataclass(frozen=True, slots=True)
class Groups:
    """Every row of ``groups.csv``, and each group's trunks with their weights, spelt out."""

    rows: tuple[GroupRow, ...] = ()
    members: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    def trunk_names(self) -> frozenset[str]:
        """Return every trunk that a row names."""
        return frozenset(name for row in self.rows for name in row.trunks)

    def within(self, names: Collection[str]) -> frozenset[str]:
        """Return these groups and all groups within them."""
        inner = {row.group: [m.group for m in row.members if m.group] for row in self.rows}
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left.extend(inner.get(name, ()))
        return frozenset(found)


NO_SETS: Final = NetworkSets()
NO_GROUPS: Final = Groups()


def read_sets(file: str, data: bytes, faults: Faults) -> NetworkSets:
    """Read ``networks.csv``; a network that stands twice in a set is a fault."""
    sheet = open_sheet(file, data, SET_COLUMNS, faults)
    found: dict[str, dict[str, Place]] = {}
    places: dict[str, Place] = {}
    count = 0
    for cells in rows_of(sheet, faults) if sheet else ():
        if count > MAX_NETWORKS:
            cells.wrong("set", f"more than {MAX_NETWORKS} networks in all sets: drop rows")
            break
        cells.must_be_empty()
        name = cells.name("set", NAME_LENGTH)
        places.setdefault(name, cells.place)
        networks = found.setdefault(name, {})
        read = _networks(cells)
        count += len(read)
        for network in read:
            if networks.setdefault(network, cells.place) is not cells.place:
                what = f"{network} stands in {shown(name)} at {networks[network]} already: keep one"
                cells.wrong("mccmnc", what)
    return NetworkSets({name: tuple(networks) for name, networks in found.items()}, places)


def _networks(cells: Cells) -> tuple[str, ...]:
    right = "write MCC and MNC (23415 or 234-15), an MCC (234), or some of them parted by '|'"
    text = cells.text("mccmnc")
    if not text:
        cells.wrong("mccmnc", f"empty: {right}")
    elif text.startswith("!") or "@" in text:
        cells.wrong("mccmnc", f"{shown(text)}: a set holds no '!' and no other set; {right}")
    else:
        return network_cell(cells, {}).items
    return ()


def read_groups(file: str, data: bytes, faults: Faults) -> Groups:
    """Read ``groups.csv`` and spell every group out; a loop is a fault that names its chain."""
    sheet = open_sheet(file, data, GROUP_COLUMNS, faults)
    rows: list[GroupRow] = []
    first: dict[str, GroupRow] = {}
    for cells in rows_of(sheet, faults) if sheet else ():
        cells.must_be_empty()
        row = GroupRow(cells.place, cells.name("group", NAME_LENGTH), _members(cells))
        rows.append(row)
        if first.setdefault(row.group, row) is not row:
            what = f"the group {shown(row.group)} stands at {first[row.group].place} already"
            cells.wrong("group", f"{what}: put its trunks into one row")
    return Groups(tuple(rows), _Spelling(first, faults).all())


def _members(cells: Cells) -> tuple[Member, ...]:
    text = cells.text("trunks")
    if not text:
        cells.wrong("trunks", "empty: name the group's trunks, parted by blanks (a:3 b @other)")
    elif re.search(r"[>!]", text):
        cells.wrong("trunks", f"{shown(text)}: tiers ('>', '!') stand in routes.csv, not in groups")
        return ()
    return read_members(cells, "trunks", text)


def read_members(cells: Cells, column: str, text: str) -> tuple[Member, ...]:
    """Read members parted by blanks, each ``name``, ``name:weight`` or ``@group``."""
    items = text.split()
    if len(items) > MAX_MEMBERS:
        cells.wrong(column, f"more than {MAX_MEMBERS} trunks in one place: nine leave, name fewer")
        del items[MAX_MEMBERS:]
    spellings = Counter(items)
    members = tuple(_member(cells, column, item) for item in spellings)
    counts: Counter[str] = Counter()
    for member, count in zip(members, spellings.values(), strict=True):
        counts[member.name] += count if member.name else 0
    for name in sorted(name for name, count in counts.items() if count > 1):
        cells.wrong(column, f"{shown(name)} stands twice in a tier or group: keep one")
    return tuple({member.name: member for member in members}.values())


def _member(cells: Cells, column: str, item: str) -> Member:
    name, colon, weight = item.partition(":")
    if _GROUP_NAME.fullmatch(name):
        if colon:
            what = "a group has no weight: weights stand at the trunks in groups.csv"
            cells.wrong(column, f"{shown(item)}: {what}")
        return Member(name)
    if not _TRUNK_NAME.fullmatch(name):
        cells.wrong(column, f"{shown(item)}: {_advice(item)}")
        return Member("")
    good = bool(_WEIGHT.fullmatch(weight)) and 1 <= int(weight) <= MAX_WEIGHT
    if colon and not good:
        right = f"a weight is a whole number from 1 to {MAX_WEIGHT}"
        cells.wrong(column, f"{shown(item)}: {right}")
    return Member(name, int(weight) if good else 1)


def _advice(item: str) -> str:
    if "!" in item:
        return "'!' stands once, at the end of its tier (a:3 b > c!)"
    if "|" in item or "," in item or ";" in item:
        return "trunks are parted by blanks, tiers by '>' (a:3 b:1 > c)"
    why = spoiled(item)
    return why or "tiers are parted by '>', trunks by blanks, a weight follows ':' (a:3 b:1 > c)"


class _Spelling:
    """Spell groups out, each once, whatever they hold: at most 16 deep, at most 1,000 trunks."""

    def __init__(self, rows: Mapping[str, GroupRow], faults: Faults) -> None:
        self._rows = rows
        self._faults = faults
        self._nearest = Nearest(rows)
        self._done: dict[str, tuple[tuple[str, int], ...]] = {}

    def all(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        for name in self._rows:
            self._spell(name, ())
        return self._done

    def _spell(self, name: str, chain: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
        if name in self._done:
            return self._done[name]
        row = self._rows[name]
        chain = (*chain, name)
        found: dict[str, int] = {}
        grouped: set[str] = set()
        for member in row.members:
            inner = self._inner(row, member, chain)
            grouped |= {trunk for trunk, _ in inner} if member.group else set()
            twice = found.keys() & dict(inner).keys() & grouped
            found.update(inner)
            if twice:
                what = f"{shown(min(twice))} stands twice in the group, once by another one"
                self._wrong(row, what)
                break
            if len(found) > MAX_MEMBERS:
                self._wrong(row, f"{len(found)} trunks in a group: at most {MAX_MEMBERS}")
                break
        return self._done.setdefault(name, tuple(found.items())[:MAX_MEMBERS])

    def _inner(
        self, row: GroupRow, member: Member, chain: tuple[str, ...]
    ) -> Iterable[tuple[str, int]]:
        group = member.group
        if not group:
            return ((member.name, member.weight),) if member.name else ()
        if group not in self._rows:
            self._wrong(row, f"unknown group {shown(group)}{self._nearest.hint(group)}")
        elif group in chain:
            loop = " > ".join((*chain[chain.index(group) :], group))
            self._wrong(row, f"a loop of groups: {loop}; take one of them out")
        elif len(chain) >= MAX_DEPTH:
            self._wrong(row, f"groups within groups, more than {MAX_DEPTH} deep: name the trunks")
        else:
            return self._spell(group, chain)
        return ()

    def _wrong(self, row: GroupRow, what: str) -> None:
        self._faults.add(row.place.fault("trunks", what))
