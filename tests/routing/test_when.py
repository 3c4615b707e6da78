"""Windows of time, against arithmetic and against a walker that asks zoneinfo for each minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.routing.rule import Span
from agi.routing.when import (
    Windows,
    calendars_of,
    date_of,
    holds,
    parse,
    zones,
)

HOLIDAYS = {"holidays": ("2026-12-25", "2026-12-28"), "empty": ()}
DAY = 86_400


def spans(cell: str, zone: str = "UTC") -> tuple[Span, ...]:
    read = parse(cell, HOLIDAYS, zone)
    assert not isinstance(read, str), read
    return read


def epoch(text: str) -> float:
    """Return the epoch of an ISO 8601 instant with an offset."""
    return datetime.fromisoformat(text).timestamp()


def walks(span: Span, at: float) -> bool:
    """Say what the contract says, word by word, of the clock on the wall."""
    wall = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(span.zone))
    clock = f"{wall:%H:%M}"
    start, end = (f"{m // 60:02}:{m % 60:02}" for m in (span.start, span.end))

    def belongs(day: date) -> bool:
        return day.isoformat() in span.dates or day.weekday() in span.weekdays

    if start < end:
        return belongs(wall.date()) and start <= clock < end
    yesterday = wall.date() - timedelta(days=1)
    return (belongs(wall.date()) and clock >= start) or (belongs(yesterday) and clock < end)


def test_every_part_of_a_span_is_read() -> None:
    expected = (
        Span((0, 1, 2, 3, 4), (), 480, 1080, "Europe/London"),
        Span((0, 5, 6), (), 1320, 360, "UTC"),
        Span((), ("2026-12-25",), 0, 1440, "UTC"),
        Span((), ("2026-12-25", "2026-12-28"), 1, 2, "UTC"),
        Span((2,), (), 0, 1440, "Asia/Kathmandu"),
        Span((6,), (), 1320, 0, "UTC"),
    )
    cell = (
        "Mon-Fri 08:00-18:00 Europe/London; Sat-Mon 22:00-06:00;2026-12-25;"
        " @holidays 00:01-00:02 ; Wed Asia/Kathmandu; Sun 22:00-00:00"
    )
    assert expected == spans(cell)


def test_an_empty_cell_is_any_time() -> None:
    assert () == spans("")
    assert holds((), 0.0)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("Mo", "unknown day 'Mo'; did you mean 'Mon'?"),
        ("Mon-Fr", "unknown day 'Fr'; did you mean 'Fri'?"),
        ("monday", "did you mean 'Mon'?"),
        ("Mon-Mon", "write Mon for the one day"),
        ("Mon 25:00-26:00", "'25:00' is no time of day"),
        ("Mon 08:00-18:60", "'18:60' is no time of day"),
        ("Mon 24:00-01:00", "'24:00' is no time of day"),
        ("Mon 8:00-18:00", "write 08:00-18:00"),
        ("Mon 9-17", "write hours and minutes as 08:00-18:00"),
        ("Mon 08:00", "write hours and minutes as 08:00-18:00"),
        ("Mon 08:00-08:00", "empty window; write 00:00-24:00"),
        ("Mon 08:00\u201318:00", "write the hyphen"),
        ("Mon\u00a008:00-18:00", "not ASCII"),
        ("Mon - Fri", "a blank beside '-'"),
        ("Mon 08:00- 18:00", "a blank beside '-'"),
        ("!Mon", "'!' is not for times"),
        ("Mon|Tue", "joined by ';'"),
        ("Mon,Tue", "joined by ';'"),
        ("08:00-18:00", "'08:00-18:00' stands before the days"),
        ("Mon;;Tue", "an empty span"),
        ("Mon;", "an empty span"),
        ("Mon; Mon", "'Mon' stands twice"),
        ("25/12/2026", "such as 2026-12-25"),
        ("25.12.2026", "such as 2026-12-25"),
        ("1999-01-01", "2000 to 2099"),
        ("2026-02-29", "there is no such day"),
        ("2026-12-24-2026-12-26", "dates have no range"),
        ("@holiday", "unknown calendar '@holiday'; did you mean '@holidays'?"),
        ("@", "unknown calendar '@'"),
        ("Mon Europe/Londn", "did you mean 'Europe/London'?"),
        ("Mon europe/london", "did you mean 'Europe/London'?"),
        ("Mon Berlin", "did you mean 'Europe/Berlin'?"),
        ("Mon Europe", "unknown zone 'Europe'"),
        ("Mon localtime", "unknown zone 'localtime'"),
        ("Mon ../../etc/passwd", "unknown zone"),
        ("Mon 08:00-18:00 UTC x", "'x' is too much"),
        ("Mon 447788450450", "447788..."),
    ],
)
def test_what_is_wrong_with_a_cell_is_said_with_what_would_be_right(cell: str, words: str) -> None:
    what = parse(cell, HOLIDAYS, "UTC")
    assert isinstance(what, str)
    assert words in what
    assert what.isascii()
    assert "447788450450" not in what


def test_a_hint_is_sought_in_many_calendars_too() -> None:
    many = {f"{letter}{number}": () for letter in "abc" for number in range(40)}
    what = parse("@B17", many, "UTC")
    assert isinstance(what, str)
    assert "did you mean '@b17'?" in what


@given(st.text(alphabet="MonTueSat 0123456789:-;@/|!eUCEuropLd.\u2013\u00e9\t\n", max_size=40))
def test_any_cell_is_read_or_refused(cell: str) -> None:
    assert parse(cell, HOLIDAYS, "UTC") is not None


def test_the_calendars_of_a_cell_are_named() -> None:
    assert {"a", "b"} == calendars_of("@a 08:00-18:00; Mon; ;@b UTC")
    assert frozenset() == calendars_of("")


def test_a_calendar_without_dates_never_holds() -> None:
    assert not holds(spans("@empty"), epoch("2026-12-25T12:00+00:00"))


def test_dates_are_those_of_the_gregorian_calendar() -> None:
    assert date(2028, 2, 29) == date_of("2028-02-29")
    assert [None] * 4 == list(map(date_of, ("2027-02-29", "2027-2-9", "1999-12-31", "")))


def test_zones_are_those_of_the_database_but_for_the_hosts_own() -> None:
    assert {"UTC", "Europe/London", "Australia/Lord_Howe"} <= zones()
    assert not {"localtime", "Factory", "posixrules", "Europe", ""} & zones()


@pytest.mark.parametrize(
    ("cell", "instant", "expected"),
    [
        # 20 November 2026 is a Friday.
        ("Fri 08:00-18:00", "2026-11-20T07:59:59.9+00:00", False),
        ("Fri 08:00-18:00", "2026-11-20T08:00+00:00", True),
        ("Fri 08:00-18:00", "2026-11-20T17:59:59+00:00", True),
        ("Fri 08:00-18:00", "2026-11-20T18:00+00:00", False),
        ("Fri", "2026-11-20T23:59:59+00:00", True),
        ("Fri", "2026-11-21T00:00+00:00", False),
        ("Fri 22:00-06:00", "2026-11-21T05:59+00:00", True),
        ("Fri 22:00-06:00", "2026-11-21T06:00+00:00", False),
        ("Fri 22:00-06:00", "2026-11-20T05:59+00:00", False),
        ("Fri 22:00-00:00", "2026-11-21T00:00+00:00", False),
        # The year ends, and so does a leap February.
        ("2026-12-31 22:00-06:00", "2027-01-01T03:00+00:00", True),
        ("2028-02-29 22:00-06:00", "2028-03-01T05:59+00:00", True),
        ("2028-02-28 22:00-06:00", "2028-02-29T05:59+00:00", True),
        ("2028-02-28", "2028-02-29T05:59+00:00", False),
        # Zones with parts of an hour: +05:45 and +13:45 in summer.
        ("Fri 08:00-18:00 Asia/Kathmandu", "2026-11-20T02:14:59+00:00", False),
        ("Fri 08:00-18:00 Asia/Kathmandu", "2026-11-20T02:15+00:00", True),
        ("Fri 08:00-18:00 Pacific/Chatham", "2026-11-19T18:15+00:00", True),
        # Autumn in London, 2026-10-25: 01:30 comes twice, in Berlin 02:30 does.
        ("Sun 01:30-01:31 Europe/London", "2026-10-25T00:30+00:00", True),
        ("Sun 01:30-01:31 Europe/London", "2026-10-25T01:30+00:00", True),
        ("Sun 01:30-01:31 Europe/London", "2026-10-25T01:31+00:00", False),
        ("Sat 22:00-02:30 Europe/Berlin", "2026-10-25T00:15+00:00", True),
        ("Sat 22:00-02:30 Europe/Berlin", "2026-10-25T00:45+00:00", False),
        ("Sat 22:00-02:30 Europe/Berlin", "2026-10-25T01:15+00:00", True),
        # Spring in Berlin, 2026-03-29: 02:00 to 03:00 never comes.
        ("Sun 02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59+00:00", False),
        ("Sun 02:00-03:00 Europe/Berlin", "2026-03-29T01:00+00:00", False),
        ("Sun 02:30-03:30 Europe/Berlin", "2026-03-29T01:00+00:00", True),
        # The south: Sydney's summer begins on 2026-10-04 and ends on 2026-04-05.
        ("Sun 02:00-03:00 Australia/Sydney", "2026-10-03T16:00+00:00", False),
        ("Sun 02:30-03:00 Australia/Sydney", "2026-04-04T15:30+00:00", True),
        ("Sun 02:30-03:00 Australia/Sydney", "2026-04-04T16:30+00:00", True),
        # Before 1970.
        ("Wed", "1969-12-31T23:59:30+00:00", True),
    ],
)
def test_windows_go_by_the_clock_on_the_wall(cell: str, instant: str, *, expected: bool) -> None:
    assert expected is holds(spans(cell), epoch(instant))
    assert expected is any(walks(span, epoch(instant)) for span in spans(cell))


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/London", "2026-03-28"),
        ("Europe/Berlin", "2026-10-24"),
        ("America/New_York", "2026-11-01"),
        ("America/St_Johns", "2026-03-07"),
        ("Australia/Lord_Howe", "2026-04-04"),
        ("Australia/Lord_Howe", "2026-10-03"),
        ("Pacific/Chatham", "2026-09-26"),
        ("Africa/Casablanca", "2027-02-06"),
        ("Asia/Kathmandu", "2026-12-31"),
        ("America/Santiago", "2026-09-05"),
    ],
)
def test_each_minute_of_the_nights_of_a_switch_is_as_a_walker_says(zone: str, first: str) -> None:
    cell = "Sat-Sun 23:30-02:15; Sun 01:45-02:45; 2026-12-31 20:00-04:00; @holidays 02:00-03:00"
    read = spans(cell, zone)
    windows = Windows(read)
    start = int(epoch(f"{first}T00:00+00:00")) - DAY // 2
    for at in range(start, start + 3 * DAY, 60):
        assert any(walks(span, at) for span in read) is windows.hold(at + 59.9), at


def test_answers_are_kept_for_the_minute_and_for_the_tuple() -> None:
    monday, tuesday = spans("Mon"), spans("Tue")
    at = epoch("2026-11-23T23:59:59+00:00")
    for _ in range(2):
        assert (True, False) == (holds(monday, at), holds(tuesday, at))
        assert (False, True) == (holds(monday, at + 1), holds(tuesday, at + 1))


def test_more_tuples_than_are_kept_are_answered_all_the_same() -> None:
    at = epoch("2026-11-23T12:00+00:00")
    for _ in range(20_001):
        holds((), at)
    many = [(Span((day % 7,), (), 0, 1440, "UTC"),) for day in range(20_100)]
    assert [day % 7 == 0 for day in range(20_100)] == [holds(read, at) for read in many]
