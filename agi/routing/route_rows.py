"""Turn the bytes of ``routes.csv`` into typed rows; every fault has its file, line and column.

The rows know nothing of each other: what takes two rows to see (an unknown trunk, a tie, a missing
default) is found by ``agi.routing.build``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from agi import plmn
from agi.model import Line
from agi.routing.cells import Cells, cause_of, country_hint, not_yet, plmn_of, rows_of
from agi.routing.faults import Faults, Nearest, Place, shown
from agi.routing.sheet import Columns, open_sheet

MAX_PRIORITY: Final = 1_000_000
MAX_WEIGHT: Final = 1_000

ROUTE_COLUMNS: Final = Columns(
    frozenset(
        {"rule", "priority", "mccmnc", "prefix", "country", "line", "action", "trunks", "comment"}
    ),
    frozenset({"rule", "trunks"}),
    frozenset({"account", "from", "ported", "live", "fraud", "when", "pick", "max_price"}),
)

# ITU-T E.164, 6: country code and number, at most 15 digits; no country code begins with 0.
_PREFIX: Final = re.compile(r"[1-9][0-9]{0,14}|=\+?[0-9*#]{1,32}")
# ITU-T E.212, 5: MCC of three digits, MNC of two or three.
_NETWORK: Final = re.compile(r"[0-9]{5,6}|[0-9]{3}-[0-9]{2,3}|[0-9]{3}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_WEIGHT: Final = re.compile(r"[0-9]{1,4}")
_TRUNK_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")


@dataclass(frozen=True, slots=True)
class Member:
    """One trunk of a tier and its weight, 1 to 1000; the name is empty in a faulty row."""

    trunk: str
    weight: int


Tiers = tuple[tuple[Member, ...], ...]


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A row of ``routes.csv``. An empty match cell is an empty string, and matches anything.

    Of ``network`` (canonical MCC and MNC) and ``mcc`` at most one is set; so of ``prefix`` (E.164
    digits) and ``digits`` (as dialled, exactly). ``cause`` is a Q.850 cause when rejecting.
    """

    place: Place
    rule: str
    priority: int = 0
    network: str = ""
    mcc: str = ""
    prefix: str = field(default="", repr=False)
    digits: str = field(default="", repr=False)
    country: str = ""
    emergency: bool = False
    cause: int | None = None
    tiers: Tiers = ()


@dataclass(frozen=True, slots=True)
class Routes:
    """``routes.csv``: its good rows, and the faulty ones with what could be read of them."""

    file: str
    rows: tuple[RouteRow, ...]
    faulty: tuple[RouteRow, ...] = ()

    def trunk_names(self) -> frozenset[str]:
        """Return every trunk that a row names."""
        rows = self.rows + self.faulty
        return frozenset(m.trunk for row in rows for tier in row.tiers for m in tier)


def read_routes(file: str, data: bytes, faults: Faults) -> Routes | None:
    """Read ``routes.csv``; None if it has no header that can be used."""
    sheet = open_sheet(file, data, ROUTE_COLUMNS, faults)
    if sheet is None:
        return None
    good: list[RouteRow] = []
    faulty: list[RouteRow] = []
    for cells in rows_of(sheet, faults):
        row = _route(cells)
        (good if cells.sound else faulty).append(row)
    return Routes(file, tuple(good), tuple(faulty))


def _route(cells: Cells) -> RouteRow:
    cells.must_be_empty(ROUTE_COLUMNS.later)
    network, mcc = _network(cells)
    prefix = cells.matched("prefix", _PREFIX, _prefix_advice(cells.text("prefix")))
    exact = prefix.startswith("=")
    cause = _action(cells)
    row = RouteRow(
        place=cells.place,
        rule=cells.name("rule", 32),
        priority=cells.integer("priority", -MAX_PRIORITY, MAX_PRIORITY, 0),
        network=network,
        mcc=mcc,
        prefix="" if exact else prefix,
        digits=prefix[1:] if exact else "",
        country=_country(cells),
        emergency=_emergency(cells),
        cause=cause,
        tiers=_tiers(cells, rejects=cause is not None),
    )
    if row.emergency:
        _check_emergency(cells, row)
    return row


def _network(cells: Cells) -> tuple[str, str]:
    right = "write MCC and MNC (23415 or 234-15), or an MCC alone (234)"
    cell = cells.matched("mccmnc", _NETWORK, right)
    if not cell or (len(cell) == 3 and plmn.is_mcc(cell)):
        return "", cell
    return plmn_of(cells, "mccmnc", cell, right), ""


def _prefix_advice(cell: str) -> str:
    if cell.startswith("+"):
        return "write the number without '+'"
    if cell.startswith("0"):
        return "write the number with its country code, without leading zeros"
    return "write 1 to 15 digits with the country code, or '=' and the dialled digits"


def _country(cells: Cells) -> str:
    cell = cells.text("country")
    right = f"write an ISO 3166 alpha-2 code such as GB{country_hint(cell)}"
    cell = cells.matched("country", _COUNTRY, right)
    if cell and cell not in phonenumbers.SUPPORTED_REGIONS:
        cells.wrong("country", f"{shown(cell)}: {right}")
    return cell


def _emergency(cells: Cells) -> bool:
    cell = cells.text("line")
    if cell in {"", Line.EMERGENCY}:
        return bool(cell)
    if cell in set(Line):
        cells.wrong("line", f"not yet: line {cell!r}; only 'emergency' or an empty cell")
    else:
        what = not_yet(cell) or f"write 'emergency' or nothing{Nearest(tuple(Line)).hint(cell)}"
        cells.wrong("line", f"{shown(cell)}: {what}")
    return False


def _check_emergency(cells: Cells, row: RouteRow) -> None:
    if row.network or row.mcc:
        cells.wrong("mccmnc", "an emergency call is not looked up: leave the network empty")
    if row.prefix:
        what = "an emergency call has no international form: leave this empty or write =112"
        cells.wrong("prefix", what)
    if row.cause is not None:
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


def _tiers(cells: Cells, *, rejects: bool) -> Tiers:
    cell = cells.text("trunks")
    if rejects:
        if cell:
            cells.wrong("trunks", "a rule that rejects has no trunks: leave this empty")
        return ()
    # After a faulty action nobody knows whether trunks belong here.
    if not cell and cells.text("action") in {"", "route"}:
        cells.wrong("trunks", "a rule that routes needs trunks: name at least one")
    return tuple(_tier(cells, tier) for tier in cell.split(">")) if cell else ()


def _tier(cells: Cells, tier: str) -> tuple[Member, ...]:
    members = tuple(_member(cells, item) for item in tier.split())
    if not members:
        cells.wrong("trunks", "an empty tier: name a trunk on both sides of each '>'")
    names = [member.trunk for member in members if member.trunk]
    for name in sorted({name for name in names if names.count(name) > 1}):
        cells.wrong("trunks", f"the trunk {shown(name)} stands twice in a tier: keep one")
    return members


def _member(cells: Cells, item: str) -> Member:
    trunk, colon, weight = item.partition(":")
    if not _TRUNK_NAME.fullmatch(trunk):
        right = "tiers are parted by '>', trunks by blanks, a weight follows ':' (a:3 b:1 > c)"
        cells.wrong("trunks", f"{shown(item)}: {not_yet(item) or right}")
        return Member("", 1)
    good = bool(_WEIGHT.fullmatch(weight)) and 1 <= int(weight) <= MAX_WEIGHT
    if colon and not good:
        right = not_yet(weight) or f"a weight is a whole number from 1 to {MAX_WEIGHT}"
        cells.wrong("trunks", f"{shown(item)}: {right}")
    return Member(trunk, int(weight) if good else 1)
