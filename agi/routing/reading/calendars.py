"""Turn the bytes of ``calendars.csv`` into the dates of each calendar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from agi.routing.reading.cells import Cells, rows_of
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.reading.sheet import Columns, open_sheet
from agi.routing.when import date_of

CALENDAR_COLUMNS: Final = Columns(
    frozenset({"calendar", "date", "comment"}), frozenset({"calendar", "date"})
)

_NAME_LENGTH: Final = 32
_RIGHT: Final = "write a date as year-month-day, 2000 to 2099, such as 2026-12-25"


class Calendars(Mapping[str, tuple[str, ...]]):
    """The dates of each calendar in their order, by name; ``places`` is where each begins."""

    def __init__(self, dates: Mapping[str, tuple[str, ...]], places: Mapping[str, Place]) -> None:
        self._dates: Final = dict(dates)
        self.places: Final = dict(places)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        """Return the dates of a calendar (ISO 8601).

        Raises:
            KeyError: there is no such calendar.
        """
        return self._dates[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names, in the order of the file."""
        return iter(self._dates)

    def __hash__(self) -> int:
        """Return the hash of a value: a calendar never changes."""
        return hash(tuple(self._dates.items()))

    def __len__(self) -> int:
        """Return how many calendars there are."""
        return len(self._dates)


NO_CALENDARS: Final = Calendars({}, {})


def read_calendars(file: str, data: bytes, faults: Faults) -> Calendars:
    """Read ``calendars.csv``: one date of one calendar in each row.

    A date that stands twice in a calendar is a fault. A calendar whose dates are all faulty is
    known all the same, so that nothing is said against the rules that use it.
    """
    sheet = open_sheet(file, data, CALENDAR_COLUMNS, faults)
    found: dict[str, dict[str, Place]] = {}
    places: dict[str, Place] = {}
    for cells in rows_of(sheet, faults) if sheet else ():
        cells.must_be_empty()
        name = cells.name("calendar", _NAME_LENGTH)
        date = _date(cells)
        places.setdefault(name, cells.place)
        dates = found.setdefault(name, {})
        if date and dates.setdefault(date, cells.place) is not cells.place:
            what = f"{date} stands in {shown(name)} at {dates[date]} already: keep one"
            cells.wrong("date", what)
    return Calendars({name: tuple(sorted(dates)) for name, dates in found.items()}, places)


def _date(cells: Cells) -> str:
    cell = cells.text("date")
    if date_of(cell):
        return cell
    if not cell:
        cells.wrong("date", f"empty: {_RIGHT}")
    elif len(cell) == 10 and cell[4] == cell[7] == "-" and cell[:2] == "20":
        cells.wrong("date", f"{shown(cell)}: there is no such day; {_RIGHT}")
    else:
        cells.wrong("date", f"{shown(cell)}: {_RIGHT}")
    return ""
