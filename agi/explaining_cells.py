"""A rule's cells and a call's values as people read them, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from agi.routing.rule import Cell, Facts, Rule, Span
from agi.routing.when import WEEKDAYS

SHOWN: Final = 6
"""So many items of a cell, and dates of a span, are shown; of the others their number."""

_DAY: Final = 1440
_COLUMNS: Final = (
    *("account", "mccmnc", "prefix", "from", "country", "line", "ported", "live", "fraud"),
)


def cell_of(rule: Rule, column: str, timezone: str) -> str:
    """Return what a rule asks for in a column, as a person would write it; empty for no column.

    Sets, groups and calendars are spelt out; a zone is left out where it is ``timezone``.
    """
    if column == "when":
        return "; ".join(_span(span, timezone) for span in rule.when)
    if column not in _COLUMNS:
        return ""
    return _cell(rule.cells()[_COLUMNS.index(column)])


def value_of(facts: Facts, column: str, timezone: str) -> str:
    """Return what a call has in a column; empty if that is not known."""
    if column == "when":
        at = datetime.fromtimestamp(facts.at, ZoneInfo(timezone))
        return f"{WEEKDAYS[at.weekday()]} {at:%Y-%m-%d %H:%M} {timezone}"
    values = {
        "account": facts.account,
        "mccmnc": facts.mccmnc,
        "prefix": facts.msisdn or facts.digits,
        "from": facts.caller,
        "country": facts.country,
        "line": facts.line,
        "ported": None if facts.ported is None else "yes" if facts.ported else "no",
        "live": facts.live,
        "fraud": facts.fraud,
    }
    return str(values.get(column) or "")


def _cell(cell: Cell) -> str:
    return ("!" if cell.negative else "") + _some(cell.items, "|")


def _some(items: Sequence[str], joint: str) -> str:
    if len(items) <= SHOWN:
        return joint.join(items)
    return f"{joint.join(items[:SHOWN])}{joint}... ({len(items)} in all)"


def _span(span: Span, timezone: str) -> str:
    days = _some(span.dates, ", ") if span.dates else _weekdays(span.weekdays)
    whole = (span.start, span.end) == (0, _DAY)
    times = "" if whole else f" {_time(span.start)}-{_time(span.end)}"
    return f"{days}{times}{'' if span.zone == timezone else f' {span.zone}'}"


def _weekdays(days: Sequence[int]) -> str:
    """Return weekdays as one range if they follow each other, over the weekend too."""
    first = next((day for day in days if (day - 1) % 7 not in days), 0)
    last = (first + len(days) - 1) % 7
    if len(days) == 1:
        return WEEKDAYS[first]
    if all((first + step) % 7 in days for step in range(len(days))):
        return f"{WEEKDAYS[first]}-{WEEKDAYS[last]}"
    return ",".join(WEEKDAYS[day] for day in days)


def _time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
