"""Turn the bytes of ``accounts.csv`` into what each account may do, and does about the screens.

Prices and caps have their columns already, so that a file made for them can be kept: they are
checked for form, and whoever fills them is told that they are not used yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.routing.reading.cells import Cells, Unused, cause_of, rows_of
from agi.routing.reading.faults import Faults, Nearest, Place, shown
from agi.routing.reading.match_cells import ACCOUNT_LENGTH
from agi.routing.reading.rows import MAX_CPS
from agi.routing.reading.sheet import Columns, open_sheet
from agi.routing.screening import IGNORED, Act, Policy, Screening

_UNUSED: Final = ("max_price", "currency", "daily_cap")
_SCREENS: Final = ("screen_fraud", "screen_tps", "screen_unsubscribe")
ACCOUNT_COLUMNS: Final = Columns(
    frozenset({"account", "cps", *_UNUSED, *_SCREENS, "comment"}), frozenset({"account"}), 100_000
)

# ISO 4217: three capital letters.
CURRENCY: Final = re.compile(r"[A-Z]{3}")
CURRENCY_RIGHT: Final = "write an ISO 4217 code in capitals, such as EUR"
_CLOSED: Final = ":closed"

Screenings = Mapping[str, Screening]
"""By account; the empty account is every one without a row of its own."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What ``accounts.csv`` says of each account; the empty one is every one without a row.

    ``cps`` is how many calls may begin in any second, of the accounts whose cell is filled.
    """

    screenings: Screenings = field(default_factory=dict)
    cps: Mapping[str, int] = field(default_factory=dict)


NO_ACCOUNTS: Final = Accounts()


def read_accounts(file: str, data: bytes, faults: Faults) -> Accounts:
    """Read ``accounts.csv``; an account that stands twice is a fault."""
    sheet = open_sheet(file, data, ACCOUNT_COLUMNS, faults)
    screenings: dict[str, Screening] = {}
    cps: dict[str, int] = {}
    first: dict[str, Place] = {}
    unused = Unused(faults)
    for cells in rows_of(sheet, faults) if sheet else ():
        cells.must_be_empty()
        account = cells.name("account", ACCOUNT_LENGTH) if cells.text("account") else ""
        if first.setdefault(account, cells.place) is not cells.place:
            who = f"the account {shown(account)}" if account else "the row for every account"
            cells.wrong("account", f"{who} stands at {first[account]} already: keep one")
        _check_money(cells)
        unused.note(cells, *_UNUSED)
        screenings[account] = Screening(*(_policy(cells, column) for column in _SCREENS))
        if cells.text("cps"):
            cps[account] = cells.integer("cps", 1, MAX_CPS, 1)
    unused.warn("limits nothing so far")
    return Accounts(screenings, cps)


def _check_money(cells: Cells) -> None:
    for column in ("max_price", "daily_cap"):
        cells.amount(column)
    cells.matched("currency", CURRENCY, CURRENCY_RIGHT)


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
