"""Whether windows meet and cover each other, against a walker that asks zoneinfo directly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.routing.review.overlap import common, covers
from agi.routing.rule import Span
from agi.routing.when import WEEKDAYS, parse

HOLIDAYS = {"holidays": ("2026-12-25", "2026-12-28"), "empty": ()}


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


days = st.one_of(
    st.sampled_from(WEEKDAYS),
    st.tuples(st.sampled_from(WEEKDAYS), st.sampled_from(WEEKDAYS))
    .filter(lambda pair: pair[0] != pair[1])
    .map("-".join),
    # Days about London's and Berlin's switches, and about a year's end.
    st.sampled_from(("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2026-12-31")),
)
minutes = st.sampled_from((0, 30, 90, 120, 150, 180, 360, 480, 1080, 1410))
places = st.sampled_from(("Europe/London", "Europe/Berlin", "Pacific/Auckland", "America/New_York"))
cells = st.tuples(days, minutes, minutes, places).filter(lambda span: span[1] != span[2])


def written(span: tuple[str, int, int, str]) -> str:
    word, start, end, zone = span
    return f"{word} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {zone}"


def sample() -> list[float]:
    """Return each half hour of the nights of a switch, of a year's end, and of ordinary weeks."""
    found: list[float] = []
    for first, count in (
        ("2026-03-26", 6),
        ("2026-10-22", 6),
        ("2026-12-29", 6),
        ("2027-03-10", 9),
        ("2027-07-05", 9),
    ):
        start = epoch(f"{first}T00:00+00:00")
        found += [start + 1800 * step for step in range(48 * count)]
    return found


SAMPLE = sample()


@settings(max_examples=150, deadline=None)
@given(st.lists(cells, min_size=1, max_size=2), st.lists(cells, min_size=1, max_size=2))
def test_an_instant_in_common_is_in_both_and_where_there_is_none_there_is_none(
    one: list[tuple[str, int, int, str]], two: list[tuple[str, int, int, str]]
) -> None:
    a = tuple(dict.fromkeys(spans(written(span))[0] for span in one))
    b = tuple(dict.fromkeys(spans(written(span))[0] for span in two))
    at = common(a, b)
    if at is not None:
        assert any(walks(span, at) for span in a)
        assert any(walks(span, at) for span in b)
        return
    for first, second in product(a, b):
        assert not any(walks(first, at) and walks(second, at) for at in SAMPLE)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("", "", True),
        ("", "Mon", True),
        ("2026-12-25", "", True),
        ("Mon-Fri 08:00-18:00", "Fri 17:59-20:00", True),
        ("Mon-Fri 08:00-18:00", "Fri 18:00-20:00", False),
        ("Mon 22:00-06:00", "Tue 05:00-07:00", True),
        ("Mon 22:00-06:00", "Tue 06:00-07:00", False),
        ("2026-12-25", "Fri", True),
        ("2026-12-25", "Mon-Thu", False),
        ("2026-12-25", "2026-12-26", False),
        ("2026-12-25 22:00-06:00", "2026-12-26 00:00-01:00", True),
        # 02:30 is skipped in Berlin on 29 March 2026, not on 22 March.
        ("2026-03-29 02:00-03:00 Europe/Berlin", "Sun 02:00-03:00 Europe/Berlin", False),
        ("2026-03-22 02:00-03:00 Europe/Berlin", "Sun 02:00-03:00 Europe/Berlin", True),
        # Both begin in the hour that is skipped, and hold when it is over.
        ("2026-03-29 02:30-03:10 Europe/Berlin", "Sun 02:15-03:15 Europe/Berlin", True),
        ("Sun 22:00-06:00", "Mon 05:00-07:00", True),
        # The night of Saturday ends at 00:30 UTC, and is there again from 01:00 to 01:30 UTC.
        ("2026-10-24 22:00-01:30 Europe/London", "2026-10-25 00:45-01:30 UTC", True),
        ("2026-10-24 22:00-01:30 Europe/London", "2026-10-25 00:30-01:00 UTC", False),
        ("Sat 22:00-01:30 Europe/London", "2026-10-25 00:45-01:30 UTC", True),
        # New York is four hours behind London only in the weeks between their switches.
        ("Wed 08:00-08:30 America/New_York", "Wed 12:00-12:30 Europe/London", True),
        ("Wed 08:00-08:30 America/New_York", "Wed 13:00-13:30 Europe/London", True),
        ("Wed 08:00-08:30 America/New_York", "Wed 11:00-11:30 Europe/London", False),
        # 08:00 to 09:00 in London is 17:00 to 18:00 in Tokyo in winter, 16:00 to 17:00 in summer.
        ("Mon 08:00-09:00 Europe/London", "Mon 17:00-18:00 Asia/Tokyo", True),
        ("Mon 08:00-09:00 Europe/London", "Mon 16:00-17:00 Asia/Tokyo", True),
        ("Mon 08:00-09:00 Europe/London", "Mon 18:00-19:00 Asia/Tokyo", False),
        ("@empty", "Mon", False),
        ("@empty", "", False),
    ],
)
def test_windows_meet_or_they_do_not(a: str, b: str, *, expected: bool) -> None:
    one, two = spans(a), spans(b)
    assert expected is (common(one, two) is not None)
    assert expected is (common(two, one) is not None)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("", "Mon", True),
        ("Mon", "", False),
        ("Mon-Fri 08:00-18:00", "Tue-Wed 09:00-18:00", True),
        ("Mon-Fri 08:00-18:00", "Tue-Sat 09:00-18:00", False),
        ("Mon-Fri 08:00-18:00", "Tue 07:59-09:00", False),
        ("Mon-Fri 08:00-18:00", "Tue 17:00-18:01", False),
        ("Mon-Fri 22:00-06:00", "Tue 23:00-05:00", True),
        ("Mon-Fri 22:00-06:00", "Tue 23:00-07:00", False),
        ("Mon-Fri 22:00-06:00", "Tue 23:00-24:00", True),
        ("Mon-Fri 22:00-06:00", "Tue 01:00-02:00", False),
        ("Mon-Fri 08:00-18:00", "Mon 22:00-06:00", False),
        ("Mon-Sun", "2026-12-25 Asia/Tokyo", True),
        ("Mon-Fri", "2026-12-25", True),
        ("Mon-Thu", "2026-12-25", False),
        ("2026-12-25", "Fri", False),
        ("@holidays", "2026-12-28 08:00-09:00", True),
        ("Mon", "Mon Asia/Tokyo", False),
        ("Mon", "@empty", False),
    ],
)
def test_one_cell_covers_another(wide: str, narrow: str, *, expected: bool) -> None:
    assert expected is covers(spans(wide), spans(narrow))
