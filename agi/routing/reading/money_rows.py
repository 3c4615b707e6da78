"""Check the form of ``rates.csv`` and ``currencies.csv``, which are kept and not used yet.

A site may keep its price lists beside its routes already: every cell is checked, so that a list
that is accepted today is not refused on the day when it counts.
"""

from __future__ import annotations

import re
from typing import Final

from agi.routing.reading.accounts import CURRENCY, CURRENCY_RIGHT
from agi.routing.reading.cells import Cells, rows_of
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.reading.match_cells import NETWORK_RIGHT, network
from agi.routing.reading.sheet import Columns, Sheet, open_sheet

MAX_SECONDS: Final = 3_600

RATE_COLUMNS: Final = Columns(
    frozenset({"trunk", "prefix", "mccmnc", "price", "currency", "connect_fee", "min_s"})
    | {"step_s", "valid_from", "valid_to", "comment"},
    frozenset({"trunk", "price", "currency"}),
)
CURRENCY_COLUMNS: Final = Columns(
    frozenset({"currency", "rate", "valid_from", "comment"}),
    frozenset({"currency", "rate"}),
    10_000,
)

_PREFIX: Final = re.compile(r"[1-9][0-9]{0,14}")


def read_rates(file: str, data: bytes, trunks: frozenset[str], faults: Faults) -> None:
    """Check every row of ``rates.csv``.

    Args:
        file: how messages call the file.
        data: its bytes.
        trunks: the trunks that a row may name.
        faults: takes the faults, and one warning that the file is not used yet.
    """
    sheet = open_sheet(file, data, RATE_COLUMNS, faults)
    if sheet is None:
        return
    count = 0
    for cells in rows_of(sheet, faults):
        count += 1
        _rate(cells, trunks)
    _not_used(sheet, count, "prices nothing so far", faults)


def _rate(cells: Cells, trunks: frozenset[str]) -> None:
    cells.must_be_empty()
    trunk = cells.name("trunk", 40)
    if cells.sound and trunk not in trunks:
        cells.wrong("trunk", f"unknown trunk {shown(trunk)}; trunks stand in trunks.csv")
    cells.matched("prefix", _PREFIX, "write 1 to 15 digits with the country code")
    _check_network(cells)
    _filled(cells, "price", "a price a minute, such as 0.0125")
    cells.amount("price")
    _currency(cells)
    cells.amount("connect_fee")
    for column in ("min_s", "step_s"):
        cells.integer(column, 0 if column == "min_s" else 1, MAX_SECONDS, 1)
    begin, end = cells.date("valid_from"), cells.date("valid_to")
    if begin and end and end < begin:
        cells.wrong("valid_to", f"{end} is before valid_from {begin}: such a row is never valid")


def _check_network(cells: Cells) -> None:
    text = cells.text("mccmnc")
    if text and network(cells, "mccmnc", text) is None:
        cells.wrong("mccmnc", f"{shown(text)}: {NETWORK_RIGHT}")


def _filled(cells: Cells, column: str, right: str) -> None:
    if not cells.text(column):
        cells.wrong(column, f"empty: write {right}")


def _currency(cells: Cells) -> str:
    if not cells.text("currency"):
        cells.wrong("currency", f"empty: {CURRENCY_RIGHT}")
    return cells.matched("currency", CURRENCY, CURRENCY_RIGHT)


def read_currencies(file: str, data: bytes, faults: Faults) -> None:
    """Check every row of ``currencies.csv``; a currency stands once for each day it begins on."""
    sheet = open_sheet(file, data, CURRENCY_COLUMNS, faults)
    if sheet is None:
        return
    first: dict[tuple[str, str], Place] = {}
    count = 0
    for cells in rows_of(sheet, faults):
        count += 1
        cells.must_be_empty()
        currency = _currency(cells)
        _filled(cells, "rate", "how much of it one unit of the base currency is, such as 1.08")
        if re.fullmatch(r"[0.]+", cells.amount("rate")):
            cells.wrong("rate", "a rate of nothing: write more than 0")
        key = (currency, cells.date("valid_from"))
        if cells.sound and first.setdefault(key, cells.place) is not cells.place:
            what = f"{currency} of this day stands at {first[key]} already: keep one"
            cells.wrong("currency", what)
    _not_used(sheet, count, "converts nothing so far", faults)


def _not_used(sheet: Sheet, rows: int, what: str, faults: Faults) -> None:
    if rows:
        text = f"not used yet: the file is checked and kept, and {what}"
        faults.add(Place(sheet.file, 1, {}).fault("", text, warning=True))
