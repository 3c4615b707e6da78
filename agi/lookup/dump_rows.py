"""Read the rows of a national portability dump, as they stream, and name what spoils it.

The form is ours, since every country has its own: UTF-8 or ASCII, one row a line, cells separated
by ``,`` or ``;`` (whichever the first row has), blank lines and lines that begin with ``#`` left
out. A header row names the columns: ``mccmnc`` (or ``carrier``), and ``number``, ``prefix`` or
``from`` with ``to``; ``ported`` (yes, no) and ``line`` are optional. Each row fills exactly one of
number, prefix and range. Without a header, a row is ``number;mccmnc``.

Numbers are international (ITU-T E.164: 15 digits at most, country code first).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from operator import itemgetter
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

from agi.errors import Fault
from agi.model import Line, NumberInfo
from agi.plmn import Note, canonical
from agi.routing.reading.faults import Faults, shown

INFO_BITS: Final = 14
"""A row's meaning (network, ported, line) is an index of so many bits; a country needs a few
hundred."""

MAX_LINE: Final = 1_024
"""Bytes of one line, at most."""

_CHUNK: Final = 1 << 18
_SHORTEST, _LONGEST = 5, 15
_COLUMNS: Final = ("number", "prefix", "from", "to", "mccmnc", "ported", "line")
_KEYS: Final = _COLUMNS[:4]
_MEANING: Final = _COLUMNS[4:]
_PORTED: Final[Mapping[str, bool | None]] = MappingProxyType({"": None, "yes": True, "no": False})
_LINES: Final[Mapping[str, Line | None]] = MappingProxyType(
    {"": None, **{line.value: line for line in Line}}
)
_NUMBER: Final = re.compile(rb"\+?([1-9][0-9]{4,14})")
_PREFIX: Final = re.compile(rb"\+?([1-9][0-9]{0,14})")
_POWER: Final = re.compile(rb"[0-9]+[.,]?[0-9]*[eE]\+?[0-9]+")


class Key(IntEnum):
    """What a row is about."""

    NUMBER = 0
    PREFIX = 1
    RANGE = 2


class Row(NamedTuple):
    """One row: ``low`` is the number, the prefix or where the range begins; ``high`` its end.

    ``info`` is an index into the reader's ``infos``.
    """

    line: int
    key: Key
    low: int
    high: int
    info: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the rows of a file are written; a column that is missing is the empty cell behind."""

    separator: bytes
    width: int
    columns: Mapping[str, int]

    def at(self, name: str) -> int:
        return self.columns.get(name, self.width)

    @property
    def simple(self) -> bool:
        """Say whether numbers are the only keys."""
        return "number" in self.columns and not {"prefix", "from", "to"} & self.columns.keys()


class Reader:
    """The rows of one file; ``infos`` grows while they are read.

    Faults go to ``faults`` and their rows are left out. Memory does not grow with the file.
    """

    def __init__(self, stream: BinaryIO, file: str, faults: Faults) -> None:
        self.infos: list[NumberInfo] = []
        self._stream = stream
        self._file = file
        self._faults = faults
        self._known: dict[tuple[bytes, ...], int] = {}
        self._layout = _Layout(b";", 2, {"number": 0, "mccmnc": 1})

    def rows(self) -> Iterator[Row]:
        """Yield the sound rows in the order of the file."""
        lines = self._begin()
        layout = self._layout
        keyed = self._simple() if layout.simple else self._any()
        meaning = itemgetter(*map(layout.at, _MEANING))
        known, separator, width = self._known, layout.separator, layout.width
        for number, line in lines:
            cells = line.split(separator) if b'"' not in line else self._quoted(line)
            if len(cells) != width:
                self._fault(number, "", f"{len(cells)} cells where {width} are right")
                continue
            cells.append(b"")
            told = meaning(cells)
            info = known.get(told)
            if info is None:
                info = self._learn(number, told)
            key = keyed(number, cells)
            if key is not None and info is not None:
                yield Row(number, *key, info)

    def _begin(self) -> Iterator[tuple[int, bytes]]:
        """Return the lines that are rows, with their numbers; take the layout from the first."""
        lines = self._lines()
        first = next(lines, None)
        if first is None:
            self._fault(0, "", "the file has no rows: a header row and rows are right")
            return lines
        separator = b";" if b";" in first[1] else b","
        names = [cell.strip(b' \t"').lower() for cell in first[1].split(separator)]
        names = [b"mccmnc" if name == b"carrier" else name for name in names]
        if any(re.search(b"[0-9]", name) for name in names):
            self._layout = _Layout(separator, 2, {"number": 0, "mccmnc": 1})
            return _chain(first, lines)
        before = len(self._faults)
        self._header(first[0], separator, [name.decode("utf-8", "replace") for name in names])
        # Under a header that is wrong every row would be, and would say no more.
        return lines if len(self._faults) == before else iter(())

    def _header(self, line: int, separator: bytes, names: list[str]) -> None:
        columns = {name: index for index, name in enumerate(names) if name in _COLUMNS}
        self._layout = _Layout(separator, len(names), columns)
        for index, name in enumerate(names):
            if name not in _COLUMNS:
                right = "no column is called so: " + ", ".join(_COLUMNS) + " are right"
                self._faults.add(Fault(self._file, line, index + 1, f"{shown(name)}: {right}"))
        if len(columns) < len([name for name in names if name in _COLUMNS]):
            self._fault(line, "", "a column is there twice: once is right")
        if "mccmnc" not in columns:
            self._fault(line, "", "the column mccmnc is missing")
        if not set(_KEYS) & columns.keys() or ("from" in columns) != ("to" in columns):
            self._fault(line, "", "columns number, prefix, or both from and to are right")

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        number, rest = 0, self._stream.read(3)
        rest = b"" if rest == b"\xef\xbb\xbf" else rest
        while chunk := self._stream.read(_CHUNK):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                number += 1
                if len(line) > MAX_LINE:
                    self._fault(number, "", f"a line of more than {MAX_LINE} bytes")
                elif (sound := line.strip()) and sound[0] != 35:
                    yield number, sound
            if len(rest) > MAX_LINE:
                self._fault(number + 1, "", f"a line of more than {MAX_LINE} bytes")
                return
        if rest.strip() and rest.strip()[0] != 35:
            yield number + 1, rest.strip()

    def _quoted(self, line: bytes) -> list[bytes]:
        text = line.decode("utf-8", "replace")
        row = next(csv.reader([text], delimiter=self._layout.separator.decode()))
        return [cell.encode() for cell in row]

    def _simple(self) -> Callable[[int, list[bytes]], tuple[Key, int, int] | None]:
        """Return what reads the key of a row of numbers only: millions of them, so in a hurry."""
        at, kind = self._layout.at("number"), Key.NUMBER

        def read(line: int, cells: list[bytes]) -> tuple[Key, int, int] | None:
            cell = cells[at]
            if cell.isdigit() and _SHORTEST <= len(cell) <= _LONGEST and cell[0] != 48:
                return kind, int(cell), 0
            number = self._digits(line, "number", cell, _NUMBER)
            return None if number is None else (kind, number, 0)

        return read

    def _any(self) -> Callable[[int, list[bytes]], tuple[Key, int, int] | None]:
        places = [self._layout.at(name) for name in _KEYS]

        def read(line: int, cells: list[bytes]) -> tuple[Key, int, int] | None:
            number, prefix, low, high = (cells[place].strip() for place in places)
            if bool(number) + bool(prefix) + bool(low or high) != 1:
                self._fault(line, "", "a row has one of number, prefix, and from with to")
                return None
            if number:
                return self._one(line, "number", number, Key.NUMBER)
            if prefix:
                return self._one(line, "prefix", prefix, Key.PREFIX)
            return self._range(line, low, high)

        return read

    def _one(self, line: int, name: str, cell: bytes, key: Key) -> tuple[Key, int, int] | None:
        form = _NUMBER if key is Key.NUMBER else _PREFIX
        digits = self._digits(line, name, cell, form)
        return None if digits is None else (key, digits, 0)

    def _range(self, line: int, low: bytes, high: bytes) -> tuple[Key, int, int] | None:
        first = self._digits(line, "from", low, _NUMBER)
        last = self._digits(line, "to", high, _NUMBER)
        if first is None or last is None:
            return None
        if len(str(first)) != len(str(last)) or first > last:
            what = "the end of a range has as many digits as its beginning, and is not below it"
            self._fault(line, "to", what)
            return None
        return Key.RANGE, first, last

    def _digits(self, line: int, name: str, cell: bytes, form: re.Pattern[bytes]) -> int | None:
        match = form.fullmatch(cell.strip())
        if match is not None:
            return int(match[1])
        what = "digits in international form are right, country code first, 15 at most"
        if _POWER.fullmatch(cell.strip()):
            what = f"a spreadsheet has shortened the number; {what}"
        self._fault(line, name, f"{_shown(cell)}: {what}")
        return None

    def _learn(self, line: int, told: tuple[bytes, ...]) -> int | None:
        """Return the index of a meaning that was not seen before; None if it is faulty."""
        network, ported, kind = (cell.decode("utf-8", "replace").strip() for cell in told)
        ported, kind, plmn = ported.lower(), kind.lower(), canonical(network)
        if plmn is None or plmn.note is Note.PADDED:
            what = "an MCC and an MNC are right, 5 or 6 digits, such as 23415"
            self._fault(line, "mccmnc", f"{shown(network)}: {what}")
        elif ported not in _PORTED:
            self._fault(line, "ported", f"{shown(ported)}: yes, no or nothing is right")
        elif kind not in _LINES:
            right = ", ".join(filter(None, _LINES))
            self._fault(line, "line", f"{shown(kind)}: nothing or one of {right} is right")
        elif len(self.infos) >= 1 << INFO_BITS:
            self._fault(line, "mccmnc", f"more than {1 << INFO_BITS} kinds of rows")
        else:
            self._known[told] = len(self.infos)
            self.infos.append(NumberInfo(plmn.mccmnc, None, _PORTED[ported], _LINES[kind]))
            return self._known[told]
        return None

    def _fault(self, line: int, name: str, what: str) -> None:
        column = self._layout.columns.get(name, 0) + 1 if line else 0
        self._faults.add(Fault(self._file, line, column, what))


def _chain(
    first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _shown(cell: bytes) -> str:
    return shown(cell.decode("utf-8", "replace"))
