"""What is shut, whatever the routes say: ``policy.csv``, sought by the longest prefix.

A prefix's rows hang on a node; from the innermost node of a number the search goes outwards, at
most fifteen steps, to the root, where the rows without a length are. The rows of most tables need
nothing but their prefix: they are a number in an array. Others stand in ``policy_search``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Final, Self

import msgspec

from agi.model import Line
from agi.routing.policy_search import Call, Others
from agi.routing.policy_tree import (
    BARE,
    BY_NUMBER,
    LINE,
    OTHERS,
    RANK,
    ROOT,
    WEAKEST,
    Tree,
    grown,
    plain,
)
from agi.routing.reading.cells import Cells, words_right
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.reading.match_cells import Sets, account_cell, network_cell, prefix_cell, word_cell
from agi.routing.reading.policy_rows import PolicyRow, Ruling, hidden
from agi.routing.reading.sheet import Columns, Record, Sheet, open_sheet
from agi.routing.rule import Cell

POLICY_COLUMNS: Final = Columns(
    frozenset({"prefix", "account", "mccmnc", "line", "action", "comment"}),
    frozenset({"prefix", "action"}),
)

# ITU-T E.164, 6: country code and number, at most 15 digits; no country code begins with 0.
_PREFIX: Final = re.compile(r"[1-9][0-9]{0,14}")
_WORDS: Final = tuple(Ruling)
_BY_RANK: Final = (Ruling.ALLOW, *Ruling)  # by rank, from 1; a plain word's rank is never 0


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What the policy says of a call, and the line of the file whose row says it."""

    action: Ruling
    row: int


class Policy:
    """The rows, ready to be searched. It never changes."""

    __slots__ = ("_by_prefix", "_dialled", "_others", "_parents", "_tree", "_words")

    def __init__(self, tree: Tree) -> None:
        self._tree: Final = tree
        self._by_prefix: Final = tree.by_prefix
        self._dialled: Final = tree.dialled
        self._words: Final = tree.words
        self._parents: Final = tree.parents
        self._others: Final = Others(tree.placed)

    @classmethod
    def of(cls, rows: Sequence[PolicyRow]) -> Self:
        """Compile rows, in any order."""
        return cls(grown(rows))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self._tree.rows

    def verdict(
        self,
        digits: str,
        msisdn: str | None,
        account: str,
        mccmnc: str | None,
        line: Line | None,
    ) -> Verdict | None:
        """Return what the row with the longest prefix says, the strongest among equals.

        Args:
            digits: what was dialled, unchanged.
            msisdn: its E.164 digits, None if there are none.
            account: who calls, empty if unknown.
            mccmnc: the number's network in canonical form, None if unknown.
            line: its kind of line, None if unknown.
        """
        node = self._dialled.get(digits, BY_NUMBER)
        while True:
            if node == BY_NUMBER:
                node = self._by_prefix.find(msisdn) if msisdn else ROOT
            word = self._words[node]
            if word & OTHERS:
                call = Call(digits, msisdn, account, mccmnc, line)
                best = self._others.best(node, call, plain(word))
                if best < WEAKEST:
                    return Verdict(_BY_RANK[best[0]], best[1])
            elif word:
                return Verdict(_BY_RANK[word & RANK], word >> LINE)
            if node == ROOT:
                return None
            node = self._parents[node]

    def by_network(
        self, digits: str, msisdn: str | None, account: str, line: Line | None = None
    ) -> bool:
        """Say whether a row that names a network or a line may still win once more is known.

        ``line`` is the numbering plan's word: where it is definite, no lookup changes it.
        """
        if not self._tree.placed:
            return False
        definite = None if line == Line.MOBILE_OR_LANDLINE else line
        call = Call(digits, msisdn, account, None, definite)
        node = self._dialled.get(digits, BY_NUMBER)
        while True:
            if node == BY_NUMBER:
                node = self._by_prefix.find(msisdn) if msisdn else ROOT
            best = plain(self._words[node])
            if self._words[node] & OTHERS:
                best = self._others.best(node, call, best)
                if self._others.waits(node, call, best):
                    return True
            if best < WEAKEST or node == ROOT:
                return False
            node = self._parents[node]

    def places(self) -> Iterator[str]:
        """Yield every prefix that a row has, ``=`` before digits dialled, and a few more."""
        yield from self._by_prefix.prefixes()
        yield from (f"={digits}" for digits in self._dialled)
        for placed in self._tree.placed:
            yield from placed.row.prefix.items

    def conditional(self) -> Iterator[PolicyRow]:
        """Yield the rows that need more than their prefix."""
        return (placed.row for placed in self._tree.placed)

    def packed(self) -> Mapping[str, bytes]:
        """Return the policy as bytes, for a snapshot."""
        return self._tree.packed()

    @classmethod
    def unpacked(cls, parts: Mapping[str, bytes | memoryview]) -> Self:
        """Return the policy that was packed. The arrays are used where they lie, not copied.

        Raises:
            KeyError, ValueError: this is no packed policy.
        """
        return cls(Tree.unpacked(parts))


NO_POLICY: Final = Policy(BARE)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the cells of a row say beside its prefix; ``number`` is the same for the same cells."""

    ruling: Ruling
    account: Cell
    mccmnc: Cell
    line: Cell
    number: int


@dataclass(frozen=True, slots=True)
class _Reader:
    """The rows of one file. They are many, and differ mostly in their prefix.

    A row whose other cells were good before is taken as it is; any other is read cell by cell.
    """

    sheet: Sheet
    faults: Faults
    sets: Sets
    rows: list[PolicyRow] = field(default_factory=list)
    places: dict[tuple[object, int], int] = field(default_factory=dict)
    known: dict[tuple[str, ...], _Meaning] = field(default_factory=dict)
    numbers: dict[tuple[object, ...], int] = field(default_factory=dict)

    def read(self) -> None:
        """Take every row, then warn of those that can never win."""
        columns = self.sheet.columns
        width = max(columns.values()) + 1
        prefix_at = columns["prefix"]
        others = [at for name, at in columns.items() if name not in {"prefix", "comment"}]
        rest = itemgetter(*others) if len(others) > 1 else lambda cells: (cells[others[0]],)
        for record in self.sheet.records:
            cells = record.cells
            key = rest(cells) if len(cells) == width else ()
            meaning = self.known.get(key)
            if meaning is None or not _PREFIX.fullmatch(cells[prefix_at]):
                self._carefully(record, key)
            else:
                self._keep(record, Cell((cells[prefix_at],)), meaning)
        self._warn()

    def _carefully(self, record: Record, key: tuple[str, ...]) -> None:
        cells = Cells(self.sheet, record, self.faults)
        cells.must_be_empty()
        prefix = prefix_cell(cells)
        read = (
            account_cell(cells),
            network_cell(cells, self.sets),
            word_cell(cells, "line", tuple(Line)),
        )
        action = _action(cells)
        if action is None or not cells.sound:
            return
        same = tuple((frozenset(cell.items), cell.negative) for cell in read)
        number = self.numbers.setdefault(same, len(self.numbers))
        meaning = _Meaning(action, *read, number)
        if key:
            # The spelling is learnt too: a doubtful one is warned of once, not 100,000 times.
            self.known[key] = meaning
        self._keep(record, prefix, meaning)

    def _keep(self, record: Record, prefix: Cell, meaning: _Meaning) -> None:
        items = prefix.items
        same = items[0] if len(items) == 1 else frozenset(items)
        key = ((same, prefix.negative), meaning.number)
        first = self.places.setdefault(key, record.line)
        if first != record.line:
            what = f"the same cells stand at {self.sheet.file}:{first} already: keep one"
            Cells(self.sheet, record, self.faults).wrong("prefix", what)
            return
        row = PolicyRow(
            record.line, meaning.ruling, prefix, meaning.account, meaning.mccmnc, meaning.line
        )
        self.rows.append(row)

    def _warn(self) -> None:
        place = partial(Place, self.sheet.file, columns=self.sheet.columns)
        for row, other in hidden(self.rows):
            what = f"never decides: line {other.row} ({other.ruling}) takes all its calls"
            self.faults.add(place(row.row).fault("prefix", what, warning=True))
        for row in self.rows:
            if row.line.items == (Line.EMERGENCY,) and not row.line.negative:
                what = "never decides: emergency calls obey no policy"
                self.faults.add(place(row.row).fault("line", what, warning=True))
            if row.is_plain and row.prefix.empty and row.ruling is Ruling.DENY:
                what = "denies every call but emergency calls and those that a row allows"
                self.faults.add(place(row.row).fault("prefix", what, warning=True))


def read_policy(file: str, data: bytes, faults: Faults, sets: Sets) -> Policy:
    """Read ``policy.csv``; ``sets`` are those of ``networks.csv``.

    Two rows with the same cells are a fault; a row that can never win is a warning.
    """
    sheet = open_sheet(file, data, POLICY_COLUMNS, faults)
    if sheet is None:
        return NO_POLICY
    reader = _Reader(sheet, faults, sets)
    reader.read()
    return Policy.of(reader.rows)


def _action(cells: Cells) -> Ruling | None:
    cell = cells.text("action")
    if cell in _WORDS:
        return Ruling(cell)
    right = words_right(_WORDS, cell)
    cells.wrong("action", f"{shown(cell)} is none of {right}" if cell else f"empty: write {right}")
    return None
