"""Read single cells of a row: names, numbers, choices, amounts, dates, and lists to match.

Nothing is repaired. A cell that is not exactly what its column allows is a fault, which says what
would be right.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from agi import plmn
from agi.routing.reading.faults import Faults, Nearest, Place, shown
from agi.routing.reading.sheet import Record, Sheet
from agi.routing.reading.spoiled import formula, spoiled
from agi.routing.rule import ANY, Cell

_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# Q.850 causes are 7 bits, 0 is not assigned (ITU-T Q.850, 2.2.5 and table 1).
_REJECT: Final = re.compile(r"reject:([1-9][0-9]{0,2})")
_MAX_CAUSE: Final = 127
_TOLD: Final = 10
"""So many faulty items of one cell are told: a cell may hold 2,000."""


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
        """Read a name of 1 to ``longest`` characters out of ``[A-Za-z0-9_.-]``, no ``-`` first."""
        cell = self.text(column)
        if not is_name(cell, longest):
            right = f"1 to {longest} letters, digits, '_', '.' or '-'"
            why = f"{shown(cell)} is no name: {formula(cell) or spoiled(cell) or right}"
            self.wrong(column, why if cell else f"empty: {right}")
        return cell

    def choice(self, column: str, options: Collection[str], default: str) -> str:
        """Read one of ``options``, exactly; ``default`` when the cell is empty."""
        cell = self.text(column)
        if not cell or cell in options:
            return cell or default
        self.wrong(column, f"{shown(cell)} is none of {words_right(options, cell)}")
        return default

    def yes(self, column: str, *, default: bool) -> bool:
        """Read ``yes`` or ``no``; ``default`` when the cell is empty."""
        return self.choice(column, ("yes", "no"), "yes" if default else "no") == "yes"

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
        """Read a cell by its pattern; empty when it is empty or faulty.

        Args:
            column: the column.
            pattern: what the whole cell must match.
            right: what the message says would be right.
        """
        cell = self.text(column)
        if not cell or pattern.fullmatch(cell):
            return cell
        self.wrong(column, f"{shown(cell)}: {spoiled(cell) or right}")
        return ""

    def amount(self, column: str) -> str:
        """Read an amount: up to nine digits, and up to six behind a decimal point."""
        cell = self.text(column)
        if not cell or _AMOUNT.fullmatch(cell):
            return cell
        right = "write an amount with a decimal point, such as 0.05"
        if re.fullmatch(r"[0-9]+,[0-9]+", cell):
            right = "a decimal comma: write a decimal point"
        elif not re.fullmatch(r"[0-9.]+", cell):
            right = spoiled(cell) or right
        self.wrong(column, f"{shown(cell)}: {right}")
        return ""

    def date(self, column: str) -> str:
        """Read a date as ISO 8601 writes it (2026-12-25); empty when it is empty or faulty."""
        cell = self.text(column)
        if not cell or is_date(cell):
            return cell
        self.wrong(column, f"{shown(cell)}: write a date as YYYY-MM-DD (2026-12-25)")
        return ""

    def must_be_empty(self) -> None:
        """Refuse data in cells beyond the header."""
        named = max(self.place.columns.values(), default=-1) + 1
        for index in range(named, len(self._cells)):
            if self._cells[index]:
                what = (
                    "a cell beyond the header's columns: is a comma or a decimal comma unquoted, or"
                    " did a spreadsheet part a cell at its ';'? Enter the row again"
                )
                self.sound = False
                place = Place(self.place.file, self.place.line, {"": index})
                self._faults.add(place.fault("", what))
                return


@dataclass(frozen=True, slots=True)
class Unused:
    """Columns that are checked for form and do nothing yet: one warning each, at the first use."""

    faults: Faults
    places: dict[str, list[Place]] = field(default_factory=dict)

    def note(self, cells: Cells, *columns: str) -> None:
        """Note the columns that a row fills."""
        for column in columns:
            if cells.text(column):
                self.places.setdefault(column, []).append(cells.place)

    def warn(self, what: str) -> None:
        """Warn of every column that was noted; ``what`` says what does not happen yet."""
        for column, places in self.places.items():
            also = f" ({len(places)} rows fill it)" if len(places) > 1 else ""
            text = f"not used yet: the column {column!r} {what}{also}"
            self.faults.add(places[0].fault(column, text, warning=True))


def match_cell(
    cells: Cells,
    column: str,
    item: Callable[[str], str | tuple[str, ...] | None],
    right: str | Callable[[str], str],
    shorter: Callable[[str], Iterable[str]] = lambda _: (),
) -> Cell:
    """Read a match cell: empty, or items parted by ``|``, all of them negated by one ``!``.

    Args:
        cells: the row.
        column: the column.
        item: returns what an item means, canonically; several values for the name of a set; None
            if it is faulty.
        right: what the message says would be right, or what says so of one item.
        shorter: the values, if they stand in the same cell, that match all that a value matches.

    Returns:
        The cell, with each value once; ``ANY`` when it is empty or nothing in it can be read.
    """
    text = cells.text(column)
    if not text:
        return ANY
    negative = text.startswith("!")
    body = text[1:] if negative else text
    if not body.strip():
        cells.wrong(column, "'!' without items: write what must not match behind it (!a|b)")
        return ANY
    found: dict[str, tuple[str, ...]] = {}  # by the item's one value, or by the name of its set
    first: dict[str, str] = {}
    wrong = 0
    for spelling in map(str.strip, body.split("|")):
        values = item(spelling) if spelling else None
        key = values if isinstance(values, str) else spelling
        if values is None or key in first:
            what = _item_fault(spelling, right) if values is None else _twice(spelling, first[key])
            cells.wrong(column, what)
            wrong += 1
            if wrong >= _TOLD:
                break
            continue
        found[key] = (values,) if isinstance(values, str) else values
        first[key] = spelling
    _warn_of_covered(cells, column, found, first, shorter)
    return Cell(tuple(dict.fromkeys(v for values in found.values() for v in values)), negative)


def _twice(spelling: str, before: str) -> str:
    return f"{shown(spelling)} says the same as {shown(before)} before it: keep one"


def _item_fault(spelling: str, right: str | Callable[[str], str]) -> str:
    if not spelling:
        return "an empty item: write one on both sides of each '|'"
    if spelling.startswith("!"):
        return f"{shown(spelling)}: one '!' stands before the whole list and negates all of it"
    kept = r"[0-9][/-][0-9]|[0-9][eE][+-]?[0-9]"  # dates and exponents have a better explanation
    if re.search(r"[,;/]", spelling) and not re.search(kept, spelling):
        if re.match("=[A-Za-z]", spelling):
            return f"{shown(spelling)}: a spreadsheet's formula: write the value itself"
        return f"{shown(spelling)}: items are parted by '|' (a|b), and a decimal comma has no place"
    advice = right if isinstance(right, str) else right(spelling)
    why = spoiled(spelling)
    return f"{shown(spelling)}: {advice if why in advice else why}"


def _warn_of_covered(
    cells: Cells,
    column: str,
    found: dict[str, tuple[str, ...]],
    first: dict[str, str],
    shorter: Callable[[str], Iterable[str]],
) -> None:
    single = {key for key, values in found.items() if values == (key,)}
    inside = {value: key for key in found.keys() - single for value in found[key]}
    left = _TOLD
    for value in sorted(single):
        covering = inside.get(value) or next((s for s in shorter(value) if s in single), "")
        if covering:
            what = f"{shown(first[value])} is covered by {shown(first[covering])} beside it"
            cells.warn(column, f"{what}: it adds no call; keep one")
            left -= 1
            if not left:
                return


def words_right(options: Collection[str], cell: str) -> str:
    """Say which words a cell may hold, and which one was probably meant."""
    why = spoiled(cell)
    return f"{', '.join(options)}{f'; {why}' if why else Nearest(options).hint(cell)}"


def is_name(text: str, longest: int) -> bool:
    """Say whether a text is a name: ``[A-Za-z0-9_.-]``, and no ``-`` first, which is a formula."""
    return len(text) <= longest and _NAME.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Say whether a text is a day of the calendar, YYYY-MM-DD (ISO 8601)."""
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    year, month, day = (int(part) for part in found.groups())
    return year > 0 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


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
    return spelt(cells, column, cell, known)


def spelt(cells: Cells, column: str, cell: str, known: plmn.Plmn) -> str:
    """Return a network in canonical form; warn when its spelling in the cell is doubtful."""
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
