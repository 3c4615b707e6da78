"""How many calls and lookups of an account a part of the numbers may take: ``limits.csv``.

Fraud that lives on shares of revenue, call-back bait and scanning all repeat themselves within a
few numbers, blocks or countries. A limit counts them there, and lets everything else pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Self

import msgspec
import phonenumbers

from agi.routing.reading.cells import Cells, rows_of, words_right
from agi.routing.reading.faults import Faults, shown
from agi.routing.reading.match_cells import account_cell, prefix_cell
from agi.routing.reading.sheet import Columns, open_sheet
from agi.routing.rule import ANY, Cell

MAX_LIMITS: Final = 256
"""Rows of a file: each call is compared with all of them, if the same was not asked before."""

HALF_LIFE_S: Final = 600
MAX_HALF_LIFE_S: Final = 86_400
MAX_COUNT: Final = 1_000_000

LIMIT_COLUMNS: Final = Columns(
    frozenset({"account", "prefix", "level", "calls", "lookups", "half_life_s", "comment"}),
    frozenset({"prefix", "level"}),
    16 * MAX_LIMITS,  # with comments
)

_REMEMBERED: Final = 4_096
_LONGEST: Final = 20
"""Digits of a number that count: more than the fifteen of ITU-T E.164, and few enough for a key."""

# ITU-T E.164, list of assigned country codes: one, two or three digits, none begins another.
_SHORT_CODES: Final = frozenset(
    str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE if code < 100
)


class Level(StrEnum):
    """Which part of a number is counted together."""

    NUMBER = "number"
    BLOCK = "block"  # without its last three digits: a thousand numbers
    AREA = "area"  # the calling code and the next three digits
    COUNTRY = "country"  # the calling code

    def part(self, msisdn: str) -> str:
        """Return that part of a number."""
        if self is Level.NUMBER:
            return msisdn[:_LONGEST]
        if self is Level.BLOCK:
            return msisdn[:-3][:_LONGEST]
        code = calling_code(msisdn)
        return code if self is Level.COUNTRY else msisdn[: len(code) + 3]


def calling_code(msisdn: str) -> str:
    """Return the country calling code of a number; three digits where none is assigned."""
    if msisdn[:1] in _SHORT_CODES:
        return msisdn[:1]
    return msisdn[:2] if msisdn[:2] in _SHORT_CODES else msisdn[:3]


class Limit(msgspec.Struct, frozen=True, gc=False):
    """One row: how many calls and lookups, each None for any number, at this level.

    Counts halve every ``half_life_s`` seconds. ``row`` is the line of the file that it begins on.
    ``key`` is the row's name among the counts, the same in every version that has the same row:
    its limits may change, its counts stay.
    """

    row: int
    level: Level
    key: str
    account: Cell = ANY
    prefix: Cell = ANY
    calls: int | None = None
    lookups: int | None = None
    half_life_s: int = HALF_LIFE_S

    def concerns(self, account: str, msisdn: str) -> bool:
        """Say whether account and prefix match; an unknown account matches an empty cell only."""
        names, prefixes = self.account, self.prefix
        if names.items and (not account or (account in names.items) is names.negative):
            return False
        return not prefixes.items or msisdn.startswith(prefixes.items) is not prefixes.negative


class Limits:
    """All rows. What it says never changes; it remembers what it said."""

    __slots__ = ("_head", "_said", "rows")

    def __init__(self, rows: Iterable[Limit]) -> None:
        self.rows: Final = tuple(rows)
        lengths = (len(item) for row in self.rows for item in row.prefix.items)
        self._head: Final = max(lengths, default=0)
        self._said: Final[dict[tuple[str, str], tuple[Limit, ...]]] = {}

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    def of(self, account: str, msisdn: str) -> tuple[Limit, ...]:
        """Return the rows that limit an account's calls to a number, in the file's order."""
        key = (account, msisdn[: self._head])
        found = self._said.get(key)
        if found is None:
            found = tuple(row for row in self.rows if row.concerns(account, msisdn))
            if len(self._said) >= _REMEMBERED:
                self._said.clear()
            self._said[key] = found
        return found

    def packed(self) -> Mapping[str, bytes]:
        """Return the limits as bytes, for a snapshot."""
        return {"rows": msgspec.json.encode(self.rows)}

    @classmethod
    def unpacked(cls, parts: Mapping[str, bytes | memoryview]) -> Self:
        """Return the limits that were packed.

        Raises:
            KeyError, ValueError: these are no packed limits.
        """
        return cls(msgspec.json.decode(parts["rows"], type=tuple[Limit, ...]))


NO_LIMITS: Final = Limits(())


def read_limits(file: str, data: bytes, faults: Faults) -> Limits:
    """Read ``limits.csv``: at most 256 rows; two that count the same are a fault."""
    sheet = open_sheet(file, data, LIMIT_COLUMNS, faults)
    found: list[Limit] = []
    first: dict[str, int] = {}
    for cells in rows_of(sheet, faults) if sheet else ():
        limit = _limit(cells)
        if limit is None:
            continue
        if first.setdefault(limit.key, limit.row) != limit.row:
            same = f"{file}:{first[limit.key]}"
            cells.wrong("prefix", f"the same calls are counted at {same} already: keep one")
        if len(found) == MAX_LIMITS:
            what = f"more than {MAX_LIMITS} rows: each call is compared with all of them"
            cells.wrong("prefix", what)
            break
        found.append(limit)
    return Limits(found)


def _limit(cells: Cells) -> Limit | None:
    cells.must_be_empty()
    account, prefix = account_cell(cells), prefix_cell(cells, dialled=False)
    level = _level(cells)
    calls, lookups = _count(cells, "calls"), _count(cells, "lookups")
    if not cells.text("calls") and not cells.text("lookups"):
        cells.wrong("calls", "limits nothing: fill calls, lookups or both")
    half_life_s = cells.integer("half_life_s", 1, MAX_HALF_LIFE_S, HALF_LIFE_S)
    if level is None or not cells.sound:
        return None
    key = _key(account, prefix, level, half_life_s)
    return Limit(cells.place.line, level, key, account, prefix, calls, lookups, half_life_s)


def _level(cells: Cells) -> Level | None:
    cell = cells.text("level")
    if cell in tuple(Level):
        return Level(cell)
    right = words_right(tuple(Level), cell)
    cells.wrong("level", f"{shown(cell)} is none of {right}" if cell else f"empty: write {right}")
    return None


def _count(cells: Cells, column: str) -> int | None:
    return cells.integer(column, 1, MAX_COUNT, 1) if cells.text(column) else None


def _key(account: Cell, prefix: Cell, level: Level, half_life_s: int) -> str:
    same = [(sorted(cell.items), cell.negative) for cell in (account, prefix)]
    digest = blake2b(msgspec.json.encode([same, level]), digest_size=4).hexdigest()
    return f"{half_life_s}.{digest}"
