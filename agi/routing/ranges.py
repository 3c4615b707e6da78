"""Who was given a number range: ``ranges.csv``, used for a number when nobody answers.

The network of a range is where its numbers began, not where a ported one is today: it is better
than no network, and its source says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import msgspec

from agi.model import Line, Mccmnc, NumberInfo
from agi.routing import intervals
from agi.routing.intervals import NO_INTERVALS, Intervals
from agi.routing.reading.cells import Cells, plmn_of
from agi.routing.reading.faults import Faults
from agi.routing.reading.sheet import Columns, Record, Sheet, open_sheet

_NAMES: Final = frozenset({"prefix", "mccmnc", "line"})
RANGE_COLUMNS: Final = Columns(_NAMES, frozenset({"prefix", "mccmnc"}))

# ITU-T E.164, 6: country code and number, at most 15 digits; no country code begins with 0.
_PREFIX: Final = re.compile(r"[1-9][0-9]{0,14}")
# ITU-T E.212, 5: MCC of three digits, MNC of two or three.
_NETWORK: Final = re.compile(r"[0-9]{5,6}|[0-9]{3}-[0-9]{2,3}")
# What an emergency number is, [numbers] emergency says, and no range.
_LINES: Final = tuple(line for line in Line if line is not Line.EMERGENCY)


class _Head(msgspec.Struct, frozen=True):
    """What is not in the arrays: how many prefixes there were, and what their values mean."""

    prefixes: int
    infos: tuple[NumberInfo, ...]


class Ranges:
    """Number ranges, ready to be searched: the longest prefix wins. It never changes."""

    __slots__ = ("_infos", "_intervals", "_prefixes")

    def __init__(self, prefixes: int, infos: tuple[NumberInfo, ...], by_prefix: Intervals) -> None:
        self._prefixes: Final = prefixes
        self._intervals: Final = by_prefix
        self._infos: Final[tuple[NumberInfo | None, ...]] = (None, *infos)

    @classmethod
    def of(cls, by_prefix: Mapping[str, NumberInfo]) -> Self:
        """Compile ranges; a prefix is 1 to 15 ASCII digits."""
        infos = dict.fromkeys(by_prefix.values())
        value_of = {info: value for value, info in enumerate(infos, 1)}
        values = {prefix: value_of[info] for prefix, info in by_prefix.items()}
        return cls(len(by_prefix), tuple(infos), intervals.flattened(values))

    def __len__(self) -> int:
        """Return how many prefixes there are."""
        return self._prefixes

    def find(self, msisdn: str) -> NumberInfo | None:
        """Return network and line of the range that a number belongs to; None if none is known."""
        return self._infos[self._intervals.find(msisdn)]

    def packed(self) -> Mapping[str, bytes]:
        """Return the ranges as bytes, for a snapshot."""
        infos = tuple(info for info in self._infos if info is not None)
        return {"head": msgspec.json.encode(_Head(self._prefixes, infos))} | dict(
            self._intervals.packed()
        )

    @classmethod
    def unpacked(cls, parts: Mapping[str, bytes | memoryview]) -> Self:
        """Return the ranges that were packed. The arrays are used where they lie, not copied.

        Raises:
            KeyError, ValueError: these are no packed ranges.
        """
        head = msgspec.json.decode(parts["head"], type=_Head)
        return cls(head.prefixes, head.infos, intervals.unpacked(parts))


NO_RANGES: Final = Ranges(0, (), NO_INTERVALS)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The rows of one file. Ranges are many, and their networks few: each is understood once.

    A row whose cells are all known to be good is taken as it is; any other is read cell by cell.
    """

    sheet: Sheet
    faults: Faults
    places: dict[str, int]
    found: dict[str, NumberInfo]
    known: dict[tuple[str, str], NumberInfo]

    def read(self) -> None:
        """Take every row."""
        columns = self.sheet.columns
        width = max(columns.values()) + 1
        prefix_at, network_at = columns["prefix"], columns["mccmnc"]
        line_at = columns.get("line")
        for record in self.sheet.records:
            cells = record.cells
            info = None
            if len(cells) == width:
                line = "" if line_at is None else cells[line_at]
                info = self.known.get((cells[network_at], line))
            if info is None or not _PREFIX.fullmatch(cells[prefix_at]):
                self._carefully(record)
            else:
                self._keep(record, cells[prefix_at], info)

    def _carefully(self, record: Record) -> None:
        cells = Cells(self.sheet, record, self.faults)
        cells.must_be_empty()
        prefix = cells.matched("prefix", _PREFIX, _prefix_advice(cells.text("prefix")))
        if not cells.text("prefix"):
            cells.wrong("prefix", "empty: write the digits that the range's numbers begin with")
        network = _network(cells)
        line = cells.choice("line", _LINES, "")
        if not cells.sound:
            return
        info = NumberInfo(Mccmnc(network), line=Line(line) if line else None)
        info = self.known.setdefault((network, line), info)
        # The spelling is learnt too: a doubtful one is warned of once, not 100,000 times.
        self.known[cells.text("mccmnc"), line] = info
        self._keep(record, prefix, info)

    def _keep(self, record: Record, prefix: str, info: NumberInfo) -> None:
        first = self.places.setdefault(prefix, record.line)
        if first != record.line:
            what = f"this prefix stands at {self.sheet.file}:{first} already: keep one"
            Cells(self.sheet, record, self.faults).wrong("prefix", what)
        self.found[prefix] = info


def read_ranges(file: str, data: bytes, faults: Faults) -> Ranges:
    """Read ``ranges.csv``: a prefix of E.164 digits, a network, and a kind of line or nothing.

    The network of each row is kept in canonical form, its line None when the cell is empty.
    """
    sheet = open_sheet(file, data, RANGE_COLUMNS, faults)
    if sheet is None:
        return NO_RANGES
    reader = _Reader(sheet, faults, {}, {}, {})
    reader.read()
    return Ranges.of(reader.found)


def _network(cells: Cells) -> str:
    right = "write MCC and MNC (23415 or 234-15)"
    if not cells.text("mccmnc"):
        cells.wrong("mccmnc", f"empty: {right}")
    cell = cells.matched("mccmnc", _NETWORK, right)
    return plmn_of(cells, "mccmnc", cell, right) if cell else ""


def _prefix_advice(cell: str) -> str:
    if cell.startswith("="):
        return "'=' is for routes.csv: write digits with the country code"
    if cell.startswith("+"):
        return "write the digits without '+'"
    if cell.startswith("0"):
        return "write the digits with their country code, without leading zeros"
    return "write 1 to 15 digits with the country code"
