"""Read the bytes of one CSV file into records with their places, and name what spoiled it.

The form is RFC 4180 (comma, quotation marks doubled inside quotation marks) in UTF-8; a byte
order mark and CR LF are accepted, since spreadsheets write both. Blanks around a cell and tabs
behind it are stripped: no cell has a meaning for them. Rows whose first cell begins with ``#`` are
comments. A row may go on over several lines inside quotation marks, but a comment ends with its
line, and no row takes a whole other one with it.

A table is opened in spreadsheets, so no text in it may be run there (OWASP, "CSV Injection"): free
text that begins with ``= + - @``, a tab or a line end is a fault, in comments too. The other
columns allow such a sign only where their own grammar makes it harmless (``=1471``, ``@set``).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from agi.errors import Fault
from agi.routing.reading.faults import Faults, Nearest, shown
from agi.routing.reading.spoiled import formula, is_error_value

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_ROWS: Final = 1_000_000
MAX_CELLS: Final = 64
MAX_CELL: Final = 4_096

_MAX_RECORD_BYTES: Final = 1024 * 1024
"""More than 64 cells of 4,096 characters of four bytes: what is longer cannot be right."""

_LEFT_OPEN: Final = "is a quotation mark left open?"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# PKWARE APPNOTE, 4.3.7; RFC 1952, 2.3.1; MS-CFB, 2.2.
_PACKED: Final = (
    (b"PK\x03\x04", "ZIP, as .xlsx and .ods are"),
    (b"\x1f\x8b", "gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of an old Excel"),
)
_COMMENT: Final = "comment"
# Most rows are so plain that they need no parser: no marks, no blanks around cells, ASCII.
_PLAIN_CELL: Final = rb"(?:[0-9A-Za-z][!#-+\--~]*(?: [!#-+\--~]+)*)?"
_PLAIN: Final = re.compile(rb"%b(?:,%b)*+(?=\r?\n?\Z)" % (_PLAIN_CELL, _PLAIN_CELL))


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row: the physical line on which it begins, and its stripped cells."""

    line: int
    cells: tuple[str, ...]

    def __repr__(self) -> str:
        """Name the row by its line: the cells may be numbers of people."""
        return f"Record(line={self.line})"


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file may hold: its columns, those it must have, and how many rows."""

    known: frozenset[str]
    required: frozenset[str]
    rows: int = MAX_ROWS


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file with its header read: where each column stands, and the records that follow."""

    file: str
    columns: dict[str, int]
    records: Iterator[Record]


class _RecordTooLongError(Exception):
    """A record passed its limit of bytes; never leaves this module."""


class _Lines:
    """The file's physical lines, one by one, with the place of the record being read.

    ``begin_record`` hands out the first line of a record; the iterator gives it to the parser once
    more, and then those behind it. Bytes that are not UTF-8 become lone surrogates, so that the
    fault can name their cell.
    """

    def __init__(self, data: bytes) -> None:
        self._readline = io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")).readline
        self._taken = 0
        self._first = b""
        self.number = 0
        self.start = 1
        self.comment = False

    def begin_record(self) -> bytes:
        self._taken = 0
        self._first = raw = self._readline()
        self.number += 1
        return raw

    def __iter__(self) -> Iterator[str]:
        while raw := self._first or self._readline():
            if self._first:
                self._first = b""
                self.comment = raw.startswith(b"#")
            else:
                self.number += 1
            self._taken += len(raw)
            if self._taken > _MAX_RECORD_BYTES:
                raise _RecordTooLongError
            yield raw.decode("utf-8", "surrogateescape")


def records(file: str, data: bytes, faults: Faults, most: int = MAX_ROWS) -> Iterator[Record]:
    """Yield the rows of a file that are neither empty nor comments, bounded in memory.

    Args:
        file: how messages call the file.
        data: its bytes, at most ``MAX_FILE_BYTES``.
        faults: takes what is wrong with the form; a row with such a fault is not yielded.
        most: so many rows, comments too, are read.
    """
    if data.startswith(_UTF16):
        what = "the file is UTF-16, not UTF-8: save it as 'CSV UTF-8'"
        faults.add(Fault(file, 1, 1, what))
        return
    for begin, kind in _PACKED:
        if data.startswith(begin):
            what = f"a packed file ({kind}), not CSV: open it and save it as 'CSV UTF-8'"
            faults.add(Fault(file, 1, 1, what))
            return
    for count, (record, plain) in enumerate(_parsed(file, _Lines(data), faults)):
        if count >= most:
            what = f"more than {most} rows: split the table or drop rows"
            faults.add(Fault(file, record.line, 1, what))
            return
        if plain:
            yield record
        elif _legible(file, record, faults):
            if record.cells[0].startswith("#"):
                _check_comment(file, record.line, record.cells, faults)
            else:
                yield record


def _parsed(file: str, lines: _Lines, faults: Faults) -> Iterator[tuple[Record, bool]]:
    """Yield the rows that are not blank, and whether one is plain: legible, and no comment."""
    reader = csv.reader(iter(lines), strict=True)
    plain = _PLAIN.match
    while raw := lines.begin_record():
        found = plain(raw) if len(raw) <= MAX_CELL else None
        if found is not None and raw.count(b",") < MAX_CELLS:
            cells = tuple(found[0].decode("ascii").split(","))
            if cells[0] or any(cells):
                yield Record(lines.number, cells), True
            continue
        lines.start = lines.number
        try:
            # A tab in front stays: whoever hides a formula behind it shall be told.
            cells = tuple(cell.lstrip(" ").rstrip(" \t") for cell in next(reader))
        except _RecordTooLongError:
            what = f"a row of more than {_MAX_RECORD_BYTES} bytes: is a quotation mark left open?"
            faults.add(Fault(file, lines.start, 1, what))
            return
        except csv.Error as error:
            what, fatal = _explained(str(error))
            # A comment need be no CSV, but it must not take a row with it.
            if fatal or not lines.comment or lines.number > lines.start or b"\r" in raw[:-2]:
                faults.add(Fault(file, lines.start, 1, what))
            else:
                _check_comment(file, lines.start, _roughly(raw), faults)
            if fatal:
                return
            continue
        if lines.number > lines.start and _hides_rows(cells, lines):
            what = f"this row ends in line {lines.number} and hides the rows between: {_LEFT_OPEN}"
            faults.add(Fault(file, lines.start, 1, what))
        elif any(cells):
            yield Record(lines.start, cells), False


def _hides_rows(cells: tuple[str, ...], lines: _Lines) -> bool:
    """Say whether a row of many lines, which a person sees as many rows, holds a whole one."""
    inner = (line for cell in cells for line in cell.split("\n")[1:])
    return lines.comment or any(line.count(",") >= len(cells) - 1 > 0 for line in inner)


def _roughly(raw: bytes) -> tuple[str, ...]:
    """Part a comment that is no CSV, the way that a lenient spreadsheet does."""
    text = raw.decode("utf-8", "surrogateescape")
    return tuple(cell.strip(' "') for cell in text.split(","))


def _check_comment(file: str, line: int, cells: tuple[str, ...], faults: Faults) -> None:
    if is_error_value(cells[0]):
        what = f"{shown(cells[0])} is a spreadsheet's error and hides this row: enter it again"
        faults.add(Fault(file, line, 1, what))
    for index, cell in enumerate(cells[1:], 2):
        what = formula(cell)
        if what:
            faults.add(Fault(file, line, index, f"in a comment: {what}"))


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
    rest = records(file, data, faults, columns.rows)
    before = len(faults)
    header = next(rest, None)
    if header is None:
        if len(faults) == before:
            what = f"no header row: begin with {','.join(sorted(columns.required))}"
            faults.add(Fault(file, 1, 1, what))
        return None
    where = _header(file, header, columns, faults)
    return None if where is None else Sheet(file, where, _harmless(file, where, rest, faults))


def _harmless(
    file: str, where: dict[str, int], rows: Iterator[Record], faults: Faults
) -> Iterator[Record]:
    """Pass the rows on, and name free text that a spreadsheet would run."""
    at = where.get(_COMMENT)
    if at is None:
        return rows
    return _checked(file, at, rows, faults)


def _checked(file: str, at: int, rows: Iterator[Record], faults: Faults) -> Iterator[Record]:
    for record in rows:
        if len(record.cells) > at:
            what = formula(record.cells[at])
            if what:
                faults.add(Fault(file, record.line, at + 1, what))
        yield record


def _header(file: str, header: Record, columns: Columns, faults: Faults) -> dict[str, int] | None:
    separator = _foreign_separator(header)
    if separator:
        what = f"the separator is {separator}: save the file with commas"
        faults.add(Fault(file, header.line, 1, what))
        return None
    nearest = Nearest(columns.known)
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
    if name in columns.known:
        return ""
    return f"unknown column {shown(name)}{nearest.hint(name)}"
