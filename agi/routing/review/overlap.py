"""Whether two windows of time meet, and whether one lies within another.

Compared by the wall clocks of their zones, as ``agi.routing.when`` reads them.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from agi.routing.rule import Span
from agi.routing.when import MINUTES, Clock, Window, ordinals, window_of

_WEEK: Final = 7 * MINUTES
_NEAR: Final = range(-3, 4)
# Two weeks half a year apart: a zone that is switched in one of them is not in the other.
_JANUARY: Final = dt.date(2027, 1, 11).toordinal()
_JULY: Final = dt.date(2027, 7, 12).toordinal()
_TWO_WEEKS: Final = (*range(_JANUARY, _JANUARY + 8), *range(_JULY, _JULY + 8))
_TWO_YEARS: Final = 731


@lru_cache(maxsize=20_000)
def common(a: tuple[Span, ...], b: tuple[Span, ...]) -> float | None:
    """Return an instant at which two cells hold, or None if there is none.

    Certain, but that weekdays in two different zones are compared in two years only.
    """
    if not (a and b):
        return common(a or b, a or b) if a or b else 0.0
    for one, other in itertools.product(map(window_of, a), map(window_of, b)):
        if one.clock is other.clock and _apart(one, other):
            continue
        # A time in which both hold begins where one of them begins, or at a switch of a clock.
        for at in (*_starts(one, other), *_starts(other, one)):
            if all(w.hold(*w.clock.read(at // 60)) for w in (one, other)):
                return float(at)
    return None


def _apart(one: Window, other: Window) -> bool:
    """Say whether the weekdays of two windows of one clock never meet."""
    return not (one.dates or other.dates or _week_of(one) & _week_of(other))


@lru_cache(maxsize=4096)
def _week_of(window: Window) -> int:
    """Return the minutes of a week, Monday's first in the lowest bit, at which weekdays hold."""
    length = (window.end - window.start) % MINUTES or MINUTES
    total = 0
    for day in window.weekdays:
        total |= ((1 << length) - 1) << (day * MINUTES + window.start)
    return (total | total >> _WEEK) & ((1 << _WEEK) - 1)


def _starts(one: Window, other: Window) -> Iterator[int]:
    """Yield the epochs at which a window may begin to hold, near those days that matter."""
    # What begins in the evening may be cut in two by a switch of the night that follows.
    length = 2 if one.end < one.start else 1
    for day in _matter(one, other):
        yield from one.clock.instants(day, one.start)
        # No clock but by a multiple of 15 minutes, at a multiple of 15 minutes, is ever switched.
        midnight, last = (one.clock.instants(day + n, 0)[0] for n in (0, length))
        if last - midnight != 86_400 * length:
            yield from range(midnight - 3600, last + 3600, 900)


def _matter(one: Window, other: Window) -> Iterable[int]:
    """Return the days on which one window begins while the other may hold."""
    if one.dates and other.dates:
        # Two clocks are at most 26 hours apart, and a window ends less than a day after its day.
        near = {day + shift for day in other.dates for shift in _NEAR}
        return sorted(one.dates & near)
    if one.dates:
        return sorted(one.dates)
    if other.dates:
        days: Iterable[int] = sorted({day + shift for day in other.dates for shift in _NEAR})
    else:
        days = _TWO_WEEKS if one.clock is other.clock else _regimes(one.clock, other.clock)
    return filter(one.begins, days)


@lru_cache(maxsize=1024)
def _regimes(one: Clock, other: Clock) -> tuple[int, ...]:
    """Return the first nine days after each switch of one of two clocks, and the day before."""
    days: set[int] = set(_TWO_WEEKS)
    before = None
    for day in range(_JANUARY, _JANUARY + _TWO_YEARS):
        apart = tuple(clock.instants(day, 0)[0] % 86_400 for clock in (one, other))
        if before not in {None, apart}:
            days.update(range(day - 2, day + 9))
        before = apart
    return tuple(sorted(days))


def covers(wide: tuple[Span, ...], narrow: tuple[Span, ...]) -> bool:
    """Say whether the first cell surely holds whenever the second does, span by span."""
    return not wide or (bool(narrow) and all(any(_within(n, w) for w in wide) for n in narrow))


def _within(narrow: Span, wide: Span) -> bool:
    if len(wide.weekdays) == 7 and wide.end - wide.start == MINUTES:
        return True
    if narrow.zone != wide.zone or narrow.start < wide.start:
        return False
    overnight = wide.end < wide.start
    # Of an overnight window the evening may hold one that ends before midnight.
    alike = overnight == (narrow.end < narrow.start)
    inside = narrow.end <= wide.end if alike else overnight
    window = window_of(wide)
    days = (*ordinals(narrow.dates), *(day + 1 for day in narrow.weekdays))
    comparable = not (narrow.weekdays and wide.dates)
    return inside and comparable and bool(days) and all(map(window.begins, days))
