"""Read the bytes of one CSV file into records with their places, and name what spoiled it.

The form is RFC 4180 (comma, quotation marks doubled inside quotation marks) in UTF-8; a byte
order mark and CR LF are accepted, since spreadsheets write both. Blanks and tabs around a cell are
stripped: no cell has a meaning for them. Rows whose first cell begins with ``#`` are comments.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agi.errors import Fault
from agi.routing.faults import Faults, Nearest, shown

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_ROWS: Final = 1_000_000
MAX_CELLS: Final = 64
MAX_CELL: Final = 4_096

_MAX_RECORD_BYTES: Final = 1024 * 1024
"""More than 64 cells of 4,096 characters of four bytes: what is longer cannot be right."""

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BLANKS: Final = " \t"


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the physical line on which it begins, and its stripped cells."""

    line: int
    cells: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file may hold: its columns, those it must have, and those of later versions."""

    known: frozenset[str]
    required: frozenset[str]
    later: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file with its header read: where each column stands, and the records that follow."""

    file: str
    columns: dict[str, int]
    records: Iterator[Record]


class _RecordTooLongError(Exception):
    """A record passed its limit of bytes; never leaves this module."""


class _Lines:
    """The file's physical lines, decoded one by one, with the place of the record being read.

    Bytes that are not UTF-8 become lone surrogates, so that the fault can name their cell.
    """

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data.removeprefix(b"\xef\xbb\xbf"))
        self._taken = 0
        self.number = 0
        self.start = 1
        self.comment = False

    def begin_record(self) -> None:
        self._taken = 0
        self.start = self.number + 1

    def __iter__(self) -> Iterator[str]:
        for raw in self._stream:
            self.number += 1
            if not self._taken:
                self.comment = raw.startswith(b"#")
            self._taken += len(raw)
            if self._taken > _MAX_RECORD_BYTES:
                raise _RecordTooLongError
            yield raw.decode("utf-8", "surrogateescape")


def records(file: str, data: bytes, faults: Faults) -> Iterator[Record]:
    """Yield the rows of a file that are neither empty nor comments, bounded in memory.

    Args:
        file: how messages call the file.
        data: its bytes, at most ``MAX_FILE_BYTES``.
        faults: takes what is wrong with the form; a row with such a fault is not yielded.
    """
    if data.startswith(_UTF16):
        what = "the file is UTF-16, not UTF-8: save it as 'CSV UTF-8'"
        faults.add(Fault(file, 1, 1, what))
        return
    for count, record in enumerate(_parsed(file, _Lines(data), faults)):
        if count >= MAX_ROWS:
            what = f"more than {MAX_ROWS} rows: split the table or drop rows"
            faults.add(Fault(file, record.line, 1, what))
            return
        if _legible(file, record, faults) and not record.cells[0].startswith("#"):
            yield record


def _parsed(file: str, lines: _Lines, faults: Faults) -> Iterator[Record]:
    reader = csv.reader(iter(lines), strict=True)
    while True:
        lines.begin_record()
        try:
            cells = tuple(cell.strip(_BLANKS) for cell in next(reader))
        except StopIteration:
            return
        except _RecordTooLongError:
            what = f"a row of more than {_MAX_RECORD_BYTES} bytes: is a quotation mark left open?"
            faults.add(Fault(file, lines.start, 1, what))
            return
        except csv.Error as error:
            what, fatal = _explained(str(error))
            if fatal or not lines.comment:
                faults.add(Fault(file, lines.start, 1, what))
            if fatal:
                return
            continue
        if any(cells):
            yield Record(lines.start, cells)


def _explained(message: str) -> tuple[str, bool]:
    """Say what the csv module found in the person's words, and whether reading must end."""
    if "expected after" in message:
        return "text after a closing quotation mark: double the marks inside a quoted cell", False
    if "new-line" in message:
        return "a carriage return alone ends the line: save with LF or CR LF line ends", False
    if "field limit" in message:
        return f"a cell longer than {MAX_CELL} characters: is a quotation mark left open?", True
    return "a quotation mark is opened and never closed: close it", True


def _legible(file: str, record: Record, faults: Faults) -> bool:
    if len(record.cells) > MAX_CELLS:
        what = f"{len(record.cells)} cells in the row: at most {MAX_CELLS}"
        faults.add(Fault(file, record.line, MAX_CELLS + 1, what))
        return False
    sound = True
    for number, cell in enumerate(record.cells, 1):
        what = _illegible(cell)
        if what:
            faults.add(Fault(file, record.line, number, what))
            sound = False
    return sound


def _illegible(cell: str) -> str:
    if len(cell) > MAX_CELL:
        return f"a cell of {len(cell)} characters: at most {MAX_CELL}"
    if "\0" in cell:
        return "a NUL byte in the cell: the file is damaged or not CSV, save it again"
    if not cell.isascii() and any("\udc80" <= c <= "\udcff" for c in cell):
        return "not UTF-8: save the file as 'CSV UTF-8'"
    return ""


def open_sheet(file: str, data: bytes, columns: Columns, faults: Faults) -> Sheet | None:
    """Read the header of a file; None if there is none that can be used.

    Unknown columns are faults, so that a mistyped name is never a column that silently matches
    everything. Columns without a name are accepted at the right end, where spreadsheets leave
    them.
    """
    rest = records(file, data, faults)
    before = len(faults)
    header = next(rest, None)
    if header is None:
        if len(faults) == before:
            what = f"no header row: begin with {','.join(sorted(columns.required))}"
            faults.add(Fault(file, 1, 1, what))
        return None
    where = _header(file, header, columns, faults)
    return None if where is None else Sheet(file, where, rest)


def _header(file: str, header: Record, columns: Columns, faults: Faults) -> dict[str, int] | None:
    separator = _foreign_separator(header)
    if separator:
        what = f"the separator is {separator}: save the file with commas"
        faults.add(Fault(file, header.line, 1, what))
        return None
    nearest = Nearest(columns.known | columns.later)
    before = len(faults)
    where: dict[str, int] = {}
    for index, name in enumerate(_without_tail(header.cells)):
        what = _column_fault(name, where, columns, nearest)
        if what:
            faults.add(Fault(file, header.line, index + 1, what))
        where.setdefault(name, index)
    for name in sorted(columns.required - where.keys()):
        what = f"the column {name!r} is missing: add it to the header"
        faults.add(Fault(file, header.line, 1, what))
    return where if len(faults) == before else None


def _foreign_separator(header: Record) -> str:
    for sign, name in ((";", "';'"), ("\t", "a tab"), ("|", "'|'")):
        if any(sign in cell for cell in header.cells):
            return name
    return ""


def _without_tail(cells: tuple[str, ...]) -> tuple[str, ...]:
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _column_fault(name: str, seen: dict[str, int], columns: Columns, nearest: Nearest) -> str:
    if not name:
        return "a column without a name: name it or remove it"
    if name in seen:
        return f"the column {shown(name)} stands here a second time: keep one"
    if name in columns.known or name in columns.later:
        return ""
    return f"unknown column {shown(name)}{nearest.hint(name)}"
