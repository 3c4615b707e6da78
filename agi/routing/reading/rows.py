"""Turn the bytes of ``trunks.csv`` and ``errors.csv`` into typed rows, each with its place.

The rows know nothing of each other: what takes two rows to see (an unknown trunk, a tie, a missing
default) is found by ``agi.routing.reading.build``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import phonenumbers

from agi.model import ErrorRule, Outcome
from agi.routing.reading.cells import Cells, cause_of, country_hint, rows_of
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.reading.sheet import Columns, open_sheet

TECHNOLOGIES: Final = ("PJSIP", "SIP", "IAX2", "DAHDI", "Local")
"""Channel technologies, spelt as Asterisk's Dial() wants them; the first is the default."""

PROVIDER_KINDS: Final = ("comcetera", "lanck", "datasoap", "experian", "hlrlookup", "file")
"""The kinds that ``errors.csv`` may name."""

DEFAULT_RING_S: Final = 60
MAX_RING_S: Final = 600
MAX_STRIP: Final = 32
MAX_CPS: Final = 100_000
"""Calls per second, of a trunk or of an account, at most."""
MAX_CALLS: Final = 1_000_000
MAX_NEGATIVE_TTL_S: Final = 30 * 86_400

TRUNK_COLUMNS: Final = Columns(
    frozenset(
        {
            "trunk",
            "tech",
            "endpoint",
            "number_format",
            "strip",
            "prepend",
            "ring_s",
            "max_calls",
            "cps",
            "enabled",
            "comment",
        }
    ),
    frozenset({"trunk"}),
    10_000,
)
_ERROR_NAMES: Final = frozenset(
    {"provider", "code", "class", "retry_elsewhere", "negative_ttl_s", "route"}
)
ERROR_COLUMNS: Final = Columns(_ERROR_NAMES | {"comment"}, _ERROR_NAMES, 10_000)

_PREPEND: Final = re.compile(r"[0-9*#+]{0,16}")
_CODE: Final = re.compile(r"[a-z0-9_.-]{1,32}")


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A row of ``trunks.csv``. ``strip`` counts characters; ``ring_s`` is 1 to 600 seconds.

    ``number_format`` is ``e164``, ``plus``, ``00`` or ``national:CC``. ``cps`` is how many calls
    may begin in any second, ``max_calls`` how many there may be at once, 0 without a limit.
    """

    place: Place
    trunk: str
    tech: str
    endpoint: str
    number_format: str
    strip: int
    prepend: str
    ring_s: int
    enabled: bool
    cps: int = 0
    max_calls: int = 0


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A row of ``errors.csv`` and its place."""

    place: Place
    rule: ErrorRule


@dataclass(frozen=True, slots=True)
class Trunks:
    """``trunks.csv``: its good rows, and the names of the faulty ones, which exist all the same."""

    rows: tuple[TrunkRow, ...]
    faulty: frozenset[str]

    def names(self) -> frozenset[str]:
        """Return every trunk that a row is about, faulty or not."""
        return self.faulty.union(row.trunk for row in self.rows)


def read_trunks(file: str, data: bytes, faults: Faults) -> Trunks | None:
    """Read ``trunks.csv``; None if it has no header that can be used."""
    sheet = open_sheet(file, data, TRUNK_COLUMNS, faults)
    if sheet is None:
        return None
    good: list[TrunkRow] = []
    faulty: set[str] = set()
    for cells in rows_of(sheet, faults):
        row = _trunk(cells)
        if cells.sound:
            good.append(row)
        else:
            faulty.add(row.trunk)
    return Trunks(tuple(good), frozenset(faulty))


def _trunk(cells: Cells) -> TrunkRow:
    cells.must_be_empty()
    trunk = cells.name("trunk", 40)
    return TrunkRow(
        place=cells.place,
        trunk=trunk,
        tech=cells.choice("tech", TECHNOLOGIES, TECHNOLOGIES[0]),
        endpoint=cells.name("endpoint", 40) if cells.text("endpoint") else trunk,
        number_format=_number_format(cells),
        strip=cells.integer("strip", 0, MAX_STRIP, 0),
        prepend=_prepend(cells),
        ring_s=cells.integer("ring_s", 1, MAX_RING_S, DEFAULT_RING_S),
        enabled=cells.yes("enabled", default=True),
        cps=cells.integer("cps", 1, MAX_CPS, 0),
        max_calls=cells.integer("max_calls", 1, MAX_CALLS, 0),
    )


def _prepend(cells: Cells) -> str:
    cell = cells.matched("prepend", _PREPEND, "at most 16 of the characters 0-9 * # +")
    if cell.startswith("+") and cell != "+":
        what = "a spreadsheet takes this for a number and drops the '+': number_format plus adds it"
        cells.warn("prepend", f"{shown(cell)}: {what}")
    if re.fullmatch(r"0[0-9]+", cell):
        what = "a spreadsheet drops the 0 in front: format the column as text before you save there"
        cells.warn("prepend", f"{shown(cell)}: {what}")
    return cell


def _number_format(cells: Cells) -> str:
    cell = cells.text("number_format")
    if cell in {"", "e164", "plus", "00"}:
        return cell or "e164"
    kind, _, country = cell.partition(":")
    if kind == "national" and country in phonenumbers.SUPPORTED_REGIONS:
        return cell
    right = f"write e164, plus, 00 or national:CC with a country such as GB{country_hint(country)}"
    if cell == "0":
        right = "a spreadsheet dropped a 0 of 00: format the column as text, enter 00 again"
    cells.wrong("number_format", f"{shown(cell)}: {right}")
    return "e164"


def read_errors(file: str, data: bytes, faults: Faults) -> tuple[ErrorRow, ...]:
    """Read ``errors.csv``."""
    sheet = open_sheet(file, data, ERROR_COLUMNS, faults)
    rows = rows_of(sheet, faults) if sheet else ()
    return tuple(ErrorRow(c.place, rule) for c in rows if (rule := _error(c)) and c.sound)


def _error(cells: Cells) -> ErrorRule:
    cells.must_be_empty()
    for column in ("provider", "code", "class", "retry_elsewhere", "negative_ttl_s", "route"):
        if not cells.text(column):
            cells.wrong(column, "empty: every cell of this file needs a value")
    classes = tuple(outcome for outcome in Outcome if outcome is not Outcome.OK)
    outcome = cells.choice("class", classes, Outcome.TEMPORARY)
    return ErrorRule(
        provider=cells.choice("provider", PROVIDER_KINDS, PROVIDER_KINDS[0]),
        code=cells.matched("code", _CODE, "1 to 32 small letters, digits, '_', '.' or '-' (err1)"),
        outcome=Outcome(outcome),
        retry_elsewhere=cells.yes("retry_elsewhere", default=False),
        negative_ttl_s=cells.integer("negative_ttl_s", 0, MAX_NEGATIVE_TTL_S, 0),
        route=_error_route(cells),
    )


def _error_route(cells: Cells) -> str:
    cell = cells.text("route")
    if cell and cell not in {"default", "range"} and cause_of(cell) is None:
        right = "write default, range or reject:CAUSE with a Q.850 cause from 1 to 127"
        cells.wrong("route", f"{shown(cell)}: {right}")
    return cell
