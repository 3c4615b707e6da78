"""Turn the bytes of ``accounts.csv`` into what each account does about the screens.

Prices and caps have their columns already, so that a file made for them can be kept: they are
checked for form, and whoever fills them is told that they are not used yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from agi.routing.cells import Cells, cause_of, rows_of, spoiled
from agi.routing.faults import Faults, Nearest, Place, shown
from agi.routing.screening import IGNORED, Act, Policy, Screening
from agi.routing.sheet import Columns, open_sheet

_UNUSED: Final = ("max_price", "currency", "daily_cap", "cps")
_SCREENS: Final = ("screen_fraud", "screen_tps", "screen_unsubscribe")
ACCOUNT_COLUMNS: Final = Columns(
    frozenset({"account", *_UNUSED, *_SCREENS}), frozenset({"account"})
)
MAX_CPS: Final = 100_000

_ACCOUNT_LENGTH: Final = 32
# ISO 4217: three capital letters.
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_CLOSED: Final = ":closed"

Screenings = Mapping[str, Screening]
"""By account; the empty account is every one without a row of its own."""


def read_accounts(file: str, data: bytes, faults: Faults) -> Screenings:
    """Read ``accounts.csv``; an account that stands twice is a fault."""
    sheet = open_sheet(file, data, ACCOUNT_COLUMNS, faults)
    found: dict[str, Screening] = {}
    first: dict[str, Place] = {}
    for cells in rows_of(sheet, faults) if sheet else ():
        cells.must_be_empty(())
        account = cells.name("account", _ACCOUNT_LENGTH) if cells.text("account") else ""
        if first.setdefault(account, cells.place) is not cells.place:
            who = f"the account {shown(account)}" if account else "the row for every account"
            cells.wrong("account", f"{who} stands at {first[account]} already: keep one")
        _check_unused(cells)
        found[account] = Screening(*(_policy(cells, column) for column in _SCREENS))
    return found


def _policy(cells: Cells, column: str) -> Policy:
    cell = cells.text(column)
    if cell in {"", Act.IGNORE}:
        return IGNORED
    if cell == Act.FLAG:
        return Policy(Act.FLAG)
    cause = cause_of(cell.removesuffix(_CLOSED))
    if cause is None:
        right = "write ignore, flag, reject:CAUSE or reject:CAUSE:closed (Q.850, from 1 to 127)"
        hint = Nearest(("ignore", "flag")).hint(cell)
        cells.wrong(column, f"{shown(cell)}: {right}{hint}")
        return IGNORED
    return Policy(Act.REJECT, cause, cell.endswith(_CLOSED))


def _check_unused(cells: Cells) -> None:
    for column in ("max_price", "daily_cap"):
        cell = cells.text(column)
        if cell and not _AMOUNT.fullmatch(cell):
            right = _decimal_comma(cell) or "write an amount with a decimal point, such as 0.05"
            cells.wrong(column, f"{shown(cell)}: {right}")
    cells.matched("currency", _CURRENCY, "write an ISO 4217 code in capitals, such as EUR")
    cells.integer("cps", 1, MAX_CPS, 1)
    for column in _UNUSED:
        if cells.text(column):
            cells.warn(column, f"not used yet: the column {column!r} limits nothing so far")


def _decimal_comma(cell: str) -> str:
    if re.fullmatch(r"[0-9]+,[0-9]+", cell):
        return "a decimal comma: write a decimal point"
    return "" if re.fullmatch(r"[0-9.]+", cell) else spoiled(cell)
