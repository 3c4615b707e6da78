"""Windows of time: read the cell ``when``, and say whether an instant lies within.

A window goes by the wall clock of its zone, as the clock on that country's wall shows it: an hour
that is repeated in autumn is inside both times, one that is skipped in spring never comes. Zones
and their switches are those of the IANA time zone database, read by ``zoneinfo``.

An instant is an epoch in seconds. A *day number* is the proleptic Gregorian ordinal of
``datetime.date``, 1 being the first of January of the year 1. Days end at minute 1440.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from agi.routing.reading.faults import shown
from agi.routing.rule import Span

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES: Final = 1440

_NO_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Names in some copies of the database that mean another zone on every host."""
_DASHES: Final = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_DATE: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_TIMES: Final = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_SPREAD_DATE: Final = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1[0-9]{1,4}")
_RIGHT: Final = "write days, then times and a zone if wanted: Mon-Fri 08:00-18:00 Europe/London"
_HINTED: Final = 50
"""At most so many names are compared with a mistyped one: a file may be wrong in every row."""
_KNOWN: Final = 20_000


def parse(cell: str, calendars: Mapping[str, tuple[str, ...]], zone: str) -> tuple[Span, ...] | str:
    """Read a cell: spans joined by ``;``, each of days, then times, then a zone.

    Args:
        cell: the cell; empty is any time, and gives no spans.
        calendars: the dates of each calendar, by its name without ``@``.
        zone: the IANA zone of spans that name none.

    Returns:
        The spans as written, or what is wrong with the first faulty one and what would be right.
    """
    spans: list[Span] = []
    for text in cell.split(";") if cell else ():
        span = _span(text.strip(), calendars, zone)
        if isinstance(span, str):
            return span
        if span in spans:
            return f"{shown(text.strip())} stands twice: keep one"
        spans.append(span)
    return tuple(spans)


def calendars_of(cell: str) -> frozenset[str]:
    """Return the names of the calendars that a cell mentions, known or not."""
    words = (text.split()[0] for text in cell.split(";") if text.strip())
    return frozenset(word[1:] for word in words if word.startswith("@"))


@cache
def zones() -> frozenset[str]:
    """Return the names of all zones that a window may be in."""
    return frozenset(available_timezones()) - _NO_PLACES


def _span(text: str, calendars: Mapping[str, tuple[str, ...]], zone: str) -> Span | str:
    words = text.split()
    what = _unlike_a_span(text, words)
    if what:
        return what
    days = _days(words[0], calendars)
    if isinstance(days, str):
        return days
    timed = len(words) > 1 and (words[1][0].isdigit() or ":" in words[1])
    times = _times(words[1]) if timed else (0, MINUTES)
    if isinstance(times, str):
        return times
    rest = words[2 if timed else 1 :]
    if len(rest) > 1:
        return f"{shown(' '.join(rest[1:]))} is too much: {_RIGHT}"
    if rest and rest[0] not in zones():
        return f"unknown zone {shown(rest[0])}: {_zone_advice(rest[0])}"
    return Span(*days, *times, rest[0] if rest else zone)


def _unlike_a_span(text: str, words: list[str]) -> str:
    """Say what is wrong with the form of a whole span, or return nothing."""
    if not words:
        return f"an empty span: {_RIGHT}; spans are joined by ';'"
    if not text.isprintable() or not text.isascii():
        return f"{shown(text)} holds {_strange(text)}"
    if "-" in words or any(word[0] == "-" or word[-1] == "-" for word in words):
        return f"{shown(text)} holds a blank beside '-': write Mon-Fri and 08:00-18:00 in one"
    if text[0] == "!":
        return "'!' is not for times: name the times that are meant"
    if "|" in text or "," in text:
        return f"{shown(text)}: spans are joined by ';' (Mon-Wed 08:00-18:00; Fri)"
    return ""


def _strange(text: str) -> str:
    if _DASHES.search(text):
        return "a long dash: write the hyphen '-'"
    return "a sign that is not ASCII, or a line break: write plain letters and blanks"


def _days(
    word: str, calendars: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[int, ...], tuple[str, ...]] | str:
    """Return weekdays and dates, one of them empty, or what is wrong."""
    if word[0] == "@":
        dates = calendars.get(word[1:])
        if dates is None:
            hint = _hint(word[1:], calendars, "@")
            return f"unknown calendar {shown(word)}{hint}; calendars stand in calendars.csv"
        return (), dates
    if _DATE.fullmatch(word):
        return ((), (word,)) if date_of(word) else f"{shown(word)}: there is no such day"
    first, dash, last = word.partition("-")
    if first in WEEKDAYS and (last in WEEKDAYS if dash else not last):
        return _week(WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first), dash)
    return _no_day(word, first, last)


def _week(first: int, last: int, dash: str) -> tuple[tuple[int, ...], tuple[str, ...]] | str:
    if dash and first == last:
        name = WEEKDAYS[first]
        return f"'{name}-{name}': write {name} for the one day, Mon-Sun for the whole week"
    count = (last - first) % 7 + 1
    return tuple(sorted((first + day) % 7 for day in range(count))), ()


def _no_day(word: str, first: str, last: str) -> str:
    if _SPREAD_DATE.fullmatch(word):
        return f"{shown(word)}: write a date as year-month-day, 2000 to 2099, such as 2026-12-25"
    if _DATE.fullmatch(word[:10]):
        return f"{shown(word)}: dates have no range: list them in calendars.csv, or write each"
    if word[0].isdigit():
        return f"{shown(word)} stands before the days: {_RIGHT}, Mon-Sun for every day"
    bad = first if first not in WEEKDAYS else last
    right = f"days are {' '.join(WEEKDAYS)}, Mon-Fri, 2026-12-25 or @calendar"
    return f"unknown day {shown(bad)}{_hint(bad, WEEKDAYS)}; {right}"


def date_of(text: str) -> dt.date | None:
    """Return the day of an ISO 8601 date from 2000 to 2099; None if it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None  # the library's word for "there is no such day"


def _times(word: str) -> tuple[int, int] | str:
    match = _TIMES.fullmatch(word)
    if match is None:
        return f"{shown(word)}: {_time_advice(word)}"
    start, end = _minute(match[1], match[2]), _minute(match[3], match[4])
    if start < 0 or end < 0 or start == MINUTES:
        bad = word[:5] if start < 0 or start == MINUTES else word[6:]
        return f"{shown(bad)} is no time of day: from 00:00 to 23:59, and 24:00 as an end"
    if start == end:
        return f"{shown(word)} is an empty window; write 00:00-24:00 for the whole day"
    return start, end


def _minute(hour: str, minute: str) -> int:
    """Return the minute of the day, -1 if there is none such."""
    total = int(hour) * 60 + int(minute)
    return total if int(minute) < 60 and total <= MINUTES else -1


def _time_advice(word: str) -> str:
    if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}", word):
        padded = "-".join(part.zfill(5) for part in word.split("-"))
        return f"an hour has two digits: write {padded}"
    return "write hours and minutes as 08:00-18:00, of 24 hours"


def _zone_advice(word: str) -> str:
    last = word.rpartition("/")[2].casefold()
    near = [name for name in zones() if name.rpartition("/")[2].casefold() == last]
    if near:
        return f"did you mean {min(near)!r}?"
    alike = [name for name in sorted(zones()) if name.rpartition("/")[2].casefold()[:2] == last[:2]]
    right = "write a name of the IANA time zone database, such as Europe/London"
    return right + _hint(word, alike)


def _hint(name: str, known: Iterable[str], sign: str = "") -> str:
    """Return a text such as ``; did you mean 'Mon'?``, or nothing."""
    folded = name.casefold()
    names = sorted(known)
    if len(names) > _HINTED:
        names = [other for other in names if other.casefold()[:1] == folded[:1]][:_HINTED]
    by_folded = {other.casefold(): other for other in names}
    near = difflib.get_close_matches(folded[:_HINTED], by_folded, n=1, cutoff=0.5)
    return f"; did you mean {sign + by_folded[near[0]]!r}?" if near else ""


class Clock:
    """The wall clock of one zone: the day number and the minute of the day, minute by minute."""

    __slots__ = ("_last", "_zone")

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._last: tuple[float, int, int] = (math.nan, 0, 0)

    def read(self, minute: float) -> tuple[int, int]:
        """Return what the clock shows at a minute of UTC, counted from 1970."""
        last = self._last
        if last[0] != minute:
            local = dt.datetime.fromtimestamp(minute * 60, self._zone)
            last = (minute, local.toordinal(), local.hour * 60 + local.minute)
            self._last = last
        return last[1], last[2]

    def instants(self, day: int, minute: int) -> tuple[int, int]:
        """Return the epochs at which the clock shows that: one twice, or two where it repeats."""
        local = dt.datetime.fromordinal(day).replace(tzinfo=self._zone)
        local += dt.timedelta(minutes=minute)
        return int(local.timestamp()), int(local.replace(fold=1).timestamp())


@lru_cache(maxsize=1024)
def _clock(zone: str) -> Clock:
    return Clock(zone)


class Window:
    """One span, ready to be compared with a clock.

    ``weekdays`` go from 0 (Monday), ``dates`` are day numbers.
    """

    __slots__ = ("clock", "dates", "end", "start", "weekdays")

    def __init__(self, span: Span) -> None:
        self.clock = _clock(span.zone)
        self.weekdays = frozenset(span.weekdays)
        self.dates = frozenset(ordinals(span.dates))
        self.start = span.start
        self.end = span.end

    def begins(self, day: int) -> bool:
        """Say whether the window opens on a day."""
        return day in self.dates if self.dates else (day - 1) % 7 in self.weekdays

    def hold(self, day: int, minute: int) -> bool:
        """Say whether the window is open when the clock shows that."""
        if self.start < self.end:
            return self.start <= minute < self.end and self.begins(day)
        return (minute >= self.start and self.begins(day)) or (
            minute < self.end and self.begins(day - 1)
        )


@lru_cache(maxsize=20_000)
def window_of(span: Span) -> Window:
    """Return the span, ready; equal spans share one window."""
    return Window(span)


class Windows:
    """The spans of one rule, ready to be asked; the answer for a minute of UTC is kept.

    Zones differ from UTC by whole minutes, in each of their switches since 1972 (Monrovia's was
    the last), so an answer holds for the whole minute.
    """

    __slots__ = ("_last", "_windows", "spans")

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self.spans: Final = spans
        self._windows: Final = tuple(map(window_of, spans))
        self._last: tuple[float, bool] = (math.nan, False)

    def hold(self, at: float) -> bool:
        """Say whether one of the spans holds at an instant; no span is any time."""
        minute = at // 60
        last = self._last
        if last[0] == minute:
            return last[1]
        windows = self._windows
        found = not windows or any(w.hold(*w.clock.read(minute)) for w in windows)
        self._last = (minute, found)
        return found


_windows_of: Final[dict[int, Windows]] = {}


def holds(spans: tuple[Span, ...], at: float) -> bool:
    """Say whether one of the spans holds at an instant; no span is any time.

    What was compiled and found is kept by the identity of ``spans``: pass the tuple of the rule,
    not a copy.
    """
    windows = _windows_of.get(id(spans))
    if windows is None or windows.spans is not spans:
        if len(_windows_of) >= _KNOWN:
            _windows_of.clear()
        windows = _windows_of[id(spans)] = Windows(spans)
    return windows.hold(at)


def ordinals(dates: Collection[str]) -> Iterator[int]:
    """Return the day numbers of ISO 8601 dates."""
    return (dt.date.fromisoformat(date).toordinal() for date in dates)
