"""Read single cells of a row: names, numbers, choices, and the marks that spreadsheets leave.

Nothing is repaired. A cell that is not exactly what its column allows is a fault, which says what
would be right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

import phonenumbers

from agi import plmn
from agi.routing.faults import Faults, Nearest, Place, shown
from agi.routing.sheet import Record, Sheet

_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
# Q.850 causes are 7 bits, 0 is not assigned (ITU-T Q.850, 2.2.5 and table 1).
_REJECT: Final = re.compile(r"reject:([1-9][0-9]{0,2})")
_MAX_CAUSE: Final = 127
_LIST_SIGNS: Final = (
    ("!", "not yet: '!' (none of these)"),
    ("|", "not yet: lists with '|'; write one row for each item"),
    ("@", "not yet: sets and groups with '@'; name each item"),
)

# What spreadsheets make of numbers, most telling first.
_MONTH: Final = r"[A-Za-z\u00c0-\u017f]{3,4}\.?"
_SPOILED: Final = (
    (
        re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+"),
        "a spreadsheet shortened a long number: format the column as text, enter all digits again",
    ),
    (
        re.compile(
            r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|[0-9]{1,2}/[0-9]{1,4}"
            rf"|[0-9]{{1,2}}[-. ]{_MONTH}(?:[-. ][0-9]{{2,4}})?|{_MONTH}[-. ][0-9]{{1,4}}"
        ),
        "a spreadsheet made a date of a number: format the column as text and enter it again",
    ),
    (re.compile(r"-?[0-9]+,[0-9]+"), "a decimal comma: write a whole number"),
    (re.compile(r"-?[0-9]+\.[0-9]+"), "a decimal point: write a whole number"),
    (re.compile(r"'.*"), "a spreadsheet's apostrophe stands before the value: remove it"),
    (re.compile(r"[0-9]+(?:[ \u00a0\u202f]+[0-9]+)+"), "blanks between the digits: remove them"),
)


def spoiled(cell: str) -> str:
    """Say what a spreadsheet did to a number, or return nothing."""
    for pattern, what in _SPOILED:
        if pattern.fullmatch(cell):
            return what
    # str.isdigit accepts the digits of every script; dialplans and providers do not.
    if any(c.isdigit() and not c.isascii() for c in cell):
        return "digits of another script: write the ASCII digits 0 to 9"
    return ""


class Cells:
    """One row under its header, read cell by cell; each fault goes to ``faults`` with its place.

    ``sound`` turns false with the first fault. A reader returns a value of its type even then, so
    that one pass finds all faults of a row.
    """

    def __init__(self, sheet: Sheet, record: Record, faults: Faults) -> None:
        self.place = Place(sheet.file, record.line, sheet.columns)
        self.sound = True
        self._cells = record.cells
        self._faults = faults

    def text(self, column: str) -> str:
        """Return a cell as it stands; empty when the row or the file lacks it."""
        index = self.place.columns.get(column)
        return self._cells[index] if index is not None and index < len(self._cells) else ""

    def wrong(self, column: str, what: str) -> None:
        """Note a fault in a column."""
        self.sound = False
        self._faults.add(self.place.fault(column, what))

    def warn(self, column: str, what: str) -> None:
        """Note what is suspicious in a column but does not refuse the row."""
        self._faults.add(self.place.fault(column, what, warning=True))

    def name(self, column: str, longest: int) -> str:
        """Read a name of 1 to ``longest`` characters out of ``[A-Za-z0-9_.-]``."""
        cell = self.text(column)
        if not re.fullmatch(rf"[A-Za-z0-9_.-]{{1,{longest}}}", cell):
            allowed = f"1 to {longest} letters, digits, '_', '.' or '-'"
            self.wrong(
                column, f"{shown(cell)} is no name: {allowed}" if cell else f"empty: {allowed}"
            )
        return cell

    def choice(self, column: str, options: Collection[str], default: str) -> str:
        """Read one of ``options``, exactly; ``default`` when the cell is empty."""
        cell = self.text(column)
        if not cell or cell in options:
            return cell or default
        hint = Nearest(options).hint(cell)
        self.wrong(column, f"{shown(cell)} is none of {', '.join(options)}{hint}")
        return default

    def integer(self, column: str, low: int, high: int, default: int) -> int:
        """Read a whole number from ``low`` to ``high``; ``default`` when the cell is empty."""
        cell = self.text(column)
        if not cell:
            return default
        if _INTEGER.fullmatch(cell) and low <= int(cell) <= high:
            return int(cell)
        why = spoiled(cell) or f"write a whole number from {low} to {high}"
        self.wrong(column, f"{shown(cell)}: {why}")
        return default

    def matched(self, column: str, pattern: re.Pattern[str], right: str) -> str:
        """Read a match cell by its pattern; empty when it is empty or faulty.

        Args:
            column: the column.
            pattern: what the whole cell must match.
            right: what the message says would be right.
        """
        cell = self.text(column)
        if not cell or pattern.fullmatch(cell):
            return cell
        self.wrong(column, f"{shown(cell)}: {not_yet(cell) or spoiled(cell) or right}")
        return ""

    def must_be_empty(self, columns: Collection[str]) -> None:
        """Refuse data in the columns of later versions, and in cells beyond the header."""
        for column in sorted(self.place.columns.keys() & columns):
            if self.text(column):
                self.wrong(column, f"not yet: the column {column!r} is not in use; leave it empty")
        named = max(self.place.columns.values(), default=-1) + 1
        for index in range(named, len(self._cells)):
            if self._cells[index]:
                what = "a cell beyond the header's columns: is a comma or a decimal comma unquoted?"
                self.sound = False
                place = Place(self.place.file, self.place.line, {"": index})
                self._faults.add(place.fault("", what))
                return


def not_yet(cell: str) -> str:
    """Say which sign of the match cells is not in use yet, or return nothing."""
    return next((what for sign, what in _LIST_SIGNS if sign in cell), "")


def rows_of(sheet: Sheet, faults: Faults) -> Iterator[Cells]:
    """Yield the rows of a sheet, ready to be read."""
    return (Cells(sheet, record, faults) for record in sheet.records)


def plmn_of(cells: Cells, column: str, cell: str, right: str) -> str:
    """Return the canonical form of a network's digits; empty, and a fault, if it is none.

    Args:
        cells: the row; it takes a warning when the spelling is doubtful.
        column: the column that the network stands in.
        cell: MCC and MNC, with or without ``-`` between them.
        right: what the message says would be right.
    """
    known = plmn.canonical(cell)
    if known is None:
        cells.wrong(column, f"{shown(cell)} is no network of ITU-T E.212: {right}")
        return ""
    if known.mccmnc != cell.replace("-", ""):
        cells.warn(column, f"{cell} is read as {known.mccmnc}: write {known.mcc}-{known.mnc}")
    elif known.note is plmn.Note.AMBIGUOUS:
        cells.warn(column, f"MNCs of {known.mcc} have three digits: write all six of {cell}")
    return known.mccmnc


def cause_of(action: str) -> int | None:
    """Return the Q.850 cause of ``reject:CAUSE``, or None if it is not that."""
    found = _REJECT.fullmatch(action)
    return int(found[1]) if found and int(found[1]) <= _MAX_CAUSE else None


def country_hint(country: str) -> str:
    """Return a text that names the country code probably meant, or nothing."""
    # ISO 3166 reserves UK, and assigns GB.
    meant = "GB" if country.upper() == "UK" else country.upper()
    known = meant in phonenumbers.SUPPORTED_REGIONS and meant != country
    return f"; did you mean {meant!r}?" if known else ""
