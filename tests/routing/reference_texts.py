"""Read the texts of a table for the slow reference router; nothing of the package is used."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Dict = dict[str, Any]
WORDS = ("line", "ported", "live", "fraud")
FILES = ("trunks", "routes", "groups", "networks", "calendars", "ranges", "policy")
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Cell(NamedTuple):
    items: list[str]
    negative: bool


class Span(NamedTuple):
    days: set[Any]
    start: int
    end: int
    zone: ZoneInfo

    def holds(self, at: float) -> bool:
        now = dt.datetime.fromtimestamp(at, self.zone)
        minute, day = now.hour * 60 + now.minute, now.date()
        if self.start < self.end:
            return self.start <= minute < self.end and self.on(day)
        before = day - dt.timedelta(days=1)
        return (minute >= self.start and self.on(day)) or (minute < self.end and self.on(before))

    def on(self, day: dt.date) -> bool:
        return day in self.days or day.weekday() in self.days


class Texts:
    """One table, as its texts say. ``files`` are the CSV texts by name, such as ``routes``."""

    def __init__(self, files: dict[str, str], timezone: str) -> None:
        rows = {name: self.rows(files.get(name, "x\n")) for name in FILES}
        self.zone, self.trunks = timezone, {row["trunk"]: row for row in rows["trunks"]}
        self.groups = {row["group"]: row["trunks"] for row in rows["groups"]}
        self.sets: dict[str, list[str]] = {}
        for row in rows["networks"]:
            self.sets.setdefault("@" + row["set"], []).extend(row["mccmnc"].split("|"))
        self.calendars: dict[str, set[Any]] = {}
        for row in rows["calendars"]:
            dates = self.calendars.setdefault("@" + row["calendar"], set())
            dates.add(dt.date.fromisoformat(row["date"]))
        self.ranges = {row["prefix"]: row for row in rows["ranges"]}
        self.policy = [self.rule(row) for row in rows["policy"]]
        self.rules = [self.rule(row) for row in rows["routes"]]

    @staticmethod
    def rows(text: str) -> list[Dict]:
        reader = csv.DictReader(io.StringIO(text))
        found: list[Dict] = [{**row, "row": reader.line_num} for row in reader]
        return [row for row in found if not next(iter(row.values())).startswith("#")]

    def rule(self, row: Dict) -> Dict:
        columns = ("account", "mccmnc", "prefix", "from", "country", *WORDS)
        cells: Dict = {column: self.cell(row.get(column, "")) for column in columns}
        emergency = row["line"] == "emergency"
        if emergency:
            cells["line"] = Cell([], False)
        when = [self.span(text.split()) for text in row.get("when", "").split(";") if text]
        default = not (emergency or when or any(cell.items for cell in cells.values()))
        return {**row, **cells, "when": when, "emergency": emergency, "default": default}

    def cell(self, text: str) -> Cell:
        names = text.removeprefix("!").split("|") if text else []
        items = [item for name in names for item in self.sets.get(name, [name])]
        return Cell([i.replace("-", "") if i[0].isdigit() else i for i in items], text[:1] == "!")

    def span(self, words: list[str]) -> Span:
        days: set[Any] = self.calendars.get(words[0], set())
        if words[0][0].isdigit():
            days = {dt.date.fromisoformat(words[0])}
        elif words[0][0] != "@":
            first, last = (DAYS.index(day) for day in (words[0][:3], words[0][-3:]))
            days = {(first + n) % 7 for n in range((last - first) % 7 + 1)}
        times = words[1] if len(words) > 1 and words[1][0].isdigit() else "00:00-24:00"
        start, end = (int(t[:2]) * 60 + int(t[3:]) for t in times.split("-"))
        zone = words[-1] if words[-1][0].isalpha() and len(words) > 1 else self.zone
        return Span(days, start, end, ZoneInfo(zone))

    def members(self, text: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for item in text.removesuffix("!").split():
            name, _, weight = item.partition(":")
            inner = self.members(self.groups[name[1:]]) if name[0] == "@" else {}
            found |= inner or {name: int(weight or 1)}
        return found
