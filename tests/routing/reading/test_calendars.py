"""``calendars.csv``: dates by name, and what is wrong with them."""

from __future__ import annotations

import pytest

from agi.errors import TableError
from agi.routing.reading.calendars import NO_CALENDARS, Calendars, read_calendars
from agi.routing.reading.faults import Faults


def read(text: str) -> tuple[Calendars, Faults]:
    faults = Faults()
    return read_calendars("calendars.csv", text.encode(), faults), faults


def test_dates_go_by_calendar_and_in_their_order() -> None:
    calendars, faults = read(
        "calendar,date,comment\nuk,2026-12-28,Boxing Day\nde,2026-10-03,\nuk,2026-12-25,\n"
    )
    faults.refuse()
    assert {"uk": ("2026-12-25", "2026-12-28"), "de": ("2026-10-03",)} == dict(calendars)
    assert [2, 3] == [calendars.places[name].line for name in ("uk", "de")]
    assert 2 == len(calendars)
    assert 0 == len(NO_CALENDARS)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("uk,25/12/2026", 2, "such as 2026-12-25"),
        ("uk,2026-02-30", 2, "there is no such day"),
        ("uk,1926-12-25", 2, "2000 to 2099"),
        ("uk,46381", 2, "such as 2026-12-25"),
        ("uk,", 2, "empty: write a date"),
        (",2026-12-25", 1, "empty"),
        ("bank holidays,2026-12-25", 1, "is no name"),
        ("uk,2026-12-24", 2, "stands in 'uk' at calendars.csv:2 already"),
    ],
)
def test_a_faulty_row_has_its_place(row: str, column: int, words: str) -> None:
    calendars, faults = read(f"calendar,date\nuk,2026-12-24\n{row}\n")
    with pytest.raises(TableError) as caught:
        faults.refuse()
    (fault,) = caught.value.faults
    assert (3, column) == (fault.line, fault.column)
    assert words in fault.what
    assert "uk" in calendars


def test_a_file_without_a_header_is_no_calendar() -> None:
    calendars, faults = read("")
    assert 0 == len(calendars)
    assert 1 == len(faults)
