"""Turn the bytes of ``routes.csv`` into rules; every fault has its file, line and column.

Sets, groups and calendars are spelt out. The rows know nothing of each other: what takes two rows
to see (an unknown trunk, a tie, a missing default) is found by ``agi.routing.reading.build``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.model import Fraud, Line, Live
from agi.routing.reading.cells import Cells, Unused, cause_of, rows_of
from agi.routing.reading.faults import Faults, Nearest, Place, shown
from agi.routing.reading.match_cells import (
    Sets,
    account_cell,
    caller_cell,
    country_cell,
    network_cell,
    prefix_cell,
    word_cell,
)
from agi.routing.reading.set_rows import MAX_MEMBERS, Member, read_members
from agi.routing.reading.sheet import Columns, open_sheet
from agi.routing.rule import ANY, Cell, Pick, Rule, Span, Tier
from agi.routing.when import parse

MAX_PRIORITY: Final = 1_000_000
RULE_LENGTH: Final = 32
MAX_TIERS: Final = 32
MAX_SPELT: Final = 2_000_000
"""Items and trunks of all rules together, sets and groups spelt out, at most."""

_UNUSED: Final = ("pick", "max_price")
_USED_PICKS: Final = ("", Pick.WEIGHT, Pick.QUALITY)
ROUTE_COLUMNS: Final = Columns(
    frozenset({"rule", "priority", "account", "from", "mccmnc", "prefix", "country", "line"})
    | {"ported", "live", "fraud", "when", "action", "trunks", *_UNUSED, "comment"},
    frozenset({"rule", "trunks"}),
    100_000,
)

_NEVER_KNOWN: Final = ("mccmnc", "ported", "live", "fraud")
_USED: Final = re.compile(r"@([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Known:
    """What the cells of a rule may name, and the zone of spans that name none (IANA)."""

    sets: Sets = field(default_factory=dict)
    groups: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    calendars: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A row of ``routes.csv``: where it stands, its rule, and the names that it was made of.

    ``trunks`` are those that the row itself names, ``sets``, ``groups`` and ``calendars`` what it
    names with ``@``.
    """

    place: Place
    rule: Rule
    trunks: tuple[str, ...] = ()
    sets: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    calendars: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Routes:
    """``routes.csv``: its good rows, and the faulty ones with what could be read of them."""

    file: str
    rows: tuple[RouteRow, ...]
    faulty: tuple[RouteRow, ...] = ()

    def trunk_names(self) -> frozenset[str]:
        """Return every trunk that a row names."""
        return frozenset(name for row in self.rows + self.faulty for name in row.trunks)


def read_routes(file: str, data: bytes, known: Known, faults: Faults) -> Routes | None:
    """Read ``routes.csv``; None if it has no header that can be used."""
    sheet = open_sheet(file, data, ROUTE_COLUMNS, faults)
    if sheet is None:
        return None
    good: list[RouteRow] = []
    faulty: list[RouteRow] = []
    unused = Unused(faults)
    size = 0
    for cells in rows_of(sheet, faults):
        if size > MAX_SPELT:
            what = f"the rules before hold more than {MAX_SPELT} items and trunks"
            cells.wrong("rule", f"{what}: write shorter lists, sets and groups")
            break
        row = _Reader(cells, known).row()
        unused.note(cells, *(c for c in _UNUSED if cells.text(c) not in _USED_PICKS))
        # A set without a good row says nothing of the calls that were meant.
        lost = bool(cells.text("mccmnc")) and row.rule.mccmnc.empty
        lost = lost or (bool(cells.text("when")) and not row.rule.when)
        (good if cells.sound and not lost else faulty).append(row)
        size += sum(len(cell.items) for cell in row.rule.cells())
        size += sum(len(tier.members) for tier in row.rule.tiers)
    unused.warn("changes no call so far")
    return Routes(file, tuple(good), tuple(faulty))


@dataclass(frozen=True, slots=True)
class _Reader:
    """One row, and what its cells may name."""

    cells: Cells
    known: Known

    def row(self) -> RouteRow:
        """Read every cell, so that one pass finds all faults."""
        cells = self.cells
        cells.must_be_empty()
        self._check_parted()
        cells.amount("max_price")
        cause = _action(cells)
        emergency, line = _line(cells)
        rule = Rule(
            name=cells.name("rule", RULE_LENGTH),
            row=cells.place.line,
            priority=cells.integer("priority", -MAX_PRIORITY, MAX_PRIORITY, 0),
            account=account_cell(cells),
            mccmnc=network_cell(cells, self.known.sets),
            prefix=prefix_cell(cells),
            caller=caller_cell(cells),
            country=country_cell(cells),
            line=line,
            ported=word_cell(cells, "ported", ("yes", "no")),
            live=word_cell(cells, "live", tuple(Live)),
            fraud=word_cell(cells, "fraud", tuple(Fraud)),
            when=self._when(),
            emergency=emergency,
            cause=cause,
            tiers=self._tiers(rejects=cause is not None),
            pick=Pick(cells.choice("pick", tuple(Pick), Pick.WEIGHT)),
        )
        if emergency:
            _check_emergency(cells, rule)
        return self._row(rule)

    def _row(self, rule: Rule) -> RouteRow:
        cells = self.cells
        trunks = re.split(r"[\s>!]+", cells.text("trunks"))
        names = (item.partition(":")[0] for item in trunks if item and "@" not in item)
        return RouteRow(
            cells.place,
            rule,
            tuple(dict.fromkeys(name for name in names if name)),
            *(_named(cells, column) for column in ("mccmnc", "trunks", "when")),
        )

    def _when(self) -> tuple[Span, ...]:
        found = parse(self.cells.text("when"), self.known.calendars, self.known.zone)
        if isinstance(found, str):
            self.cells.wrong("when", found)
            return ()
        return found

    def _check_parted(self) -> None:
        """Refuse a window in the cell behind ``when``: LibreOffice parts cells at ``;`` as well."""
        cells, columns = self.cells, self.cells.place.columns
        behind = next((c for c in columns if columns[c] == columns.get("when", -2) + 1), "")
        text = cells.text(behind) if behind and cells.text("when") else ""
        if text and isinstance(parse(text, self.known.calendars, self.known.zone), tuple):
            what = f"{shown(text)} is a window and stands behind the column 'when'"
            cells.wrong(behind, f"{what}: a spreadsheet parted it at its ';', enter it again")

    def _tiers(self, *, rejects: bool) -> tuple[Tier, ...]:
        cells = self.cells
        cell = cells.text("trunks")
        if rejects:
            if cell:
                cells.wrong("trunks", "a rule that rejects has no trunks: leave this empty")
            return ()
        # After a faulty action nobody knows whether trunks belong here.
        if not cell and cells.text("action") in {"", "route"}:
            cells.wrong("trunks", "a rule that routes needs trunks: name at least one")
        tiers = cell.split(">") if cell else []
        if len(tiers) > MAX_TIERS:
            cells.wrong("trunks", f"{len(tiers)} tiers: at most {MAX_TIERS}, and nine trunks leave")
            return ()
        return tuple(map(self._tier, tiers))

    def _tier(self, text: str) -> Tier:
        text = text.strip()
        last_resort = text.endswith("!")
        members = read_members(self.cells, "trunks", text[:-1] if last_resort else text)
        if not members:
            self.cells.wrong("trunks", "an empty tier: name a trunk on both sides of each '>'")
        found: dict[str, int] = {}
        grouped: set[str] = set()
        for member in members:
            inner = dict(self._spelt(member))
            grouped |= inner.keys() if member.group else set()
            twice = found.keys() & inner.keys() & grouped
            found.update(inner)
            if twice:
                what = f"{shown(min(twice))} stands twice in a tier, once by a group: keep one"
                self.cells.wrong("trunks", what)
                break
            if len(found) > MAX_MEMBERS:
                what = f"more than {MAX_MEMBERS} trunks in a tier: nine leave, name fewer"
                self.cells.wrong("trunks", what)
                break
        return Tier(tuple(found.items()), last_resort)

    def _spelt(self, member: Member) -> Iterable[tuple[str, int]]:
        if member.group:
            return self._group(member.group)
        return ((member.name, member.weight),) if member.name else ()

    def _group(self, group: str) -> tuple[tuple[str, int], ...]:
        found = self.known.groups.get(group)
        if found is None:
            hint = Nearest(self.known.groups).hint(group)
            what = f"unknown group {shown(group)}{hint}; groups stand in groups.csv"
            self.cells.wrong("trunks", what)
        return found or ()


def _named(cells: Cells, column: str) -> frozenset[str]:
    return frozenset(_USED.findall(cells.text(column)))


def _line(cells: Cells) -> tuple[bool, Cell]:
    """Read the cell ``line``: is it the one word that makes an emergency rule, or what lines."""
    text = cells.text("line")
    if text == Line.EMERGENCY:
        return True, ANY
    if Line.EMERGENCY in re.split(r"[!|\s]+", text):
        what = "'emergency' stands alone in its cell: only emergency calls see such a rule"
        cells.wrong("line", f"{shown(text)}: {what}")
        return False, ANY
    return False, word_cell(cells, "line", tuple(Line))


def _check_emergency(cells: Cells, rule: Rule) -> None:
    for column in _NEVER_KNOWN:
        if cells.text(column):
            cells.wrong(column, "an emergency call is not looked up: leave this empty")
    if any(not item.startswith("=") for item in rule.prefix.items):
        what = "an emergency call has no international form: leave this empty or write =112"
        cells.wrong("prefix", what)
    if rule.cause is not None:
        cells.wrong("action", "an emergency call is never rejected: name trunks")


def _action(cells: Cells) -> int | None:
    cell = cells.text("action")
    if cell in {"", "route"}:
        return None
    cause = cause_of(cell)
    if cause is None:
        right = "write 'route' or 'reject:CAUSE' with a Q.850 cause from 1 to 127 (reject:21)"
        cells.wrong("action", f"{shown(cell)}: {right}")
    return cause
