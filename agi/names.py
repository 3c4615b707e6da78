"""Channel variables, in the order in which they are written, once.

The names are constants in code: no value from a table, a provider or a caller ever becomes the
name of a variable.
"""

from __future__ import annotations

from typing import Final

MAX_TRUNKS: Final = 9
"""At most so many trunks leave in one answer."""

ACTION: Final = "CARRIER_ACTION"
CAUSE: Final = "CARRIER_CAUSE"
COUNT: Final = "CARRIER_COUNT"
MCCMNC: Final = "CARRIER_MCCMNC"
COUNTRY: Final = "CARRIER_COUNTRY"
LINE: Final = "CARRIER_LINE"
PORTED: Final = "CARRIER_PORTED"
LIVE: Final = "CARRIER_LIVE"
FRAUD: Final = "CARRIER_FRAUD"
SOURCE: Final = "CARRIER_SOURCE"
REASON: Final = "CARRIER_REASON"
AGE: Final = "CARRIER_AGE"
RULE: Final = "CARRIER_RULE"
TABLE: Final = "CARRIER_TABLE"
ID: Final = "CARRIER_ID"
COMMIT: Final = "CARRIER_COMMIT"
HEALTH: Final = "CARRIER_HEALTH"

FIXED: Final = (
    ACTION,
    CAUSE,
    COUNT,
    MCCMNC,
    COUNTRY,
    LINE,
    PORTED,
    LIVE,
    FRAUD,
    SOURCE,
    REASON,
    AGE,
    RULE,
    TABLE,
    ID,
)
"""What every decision sets; the trunks follow, and COMMIT is the last."""


def per_trunk(index: int) -> tuple[str, str, str, str]:
    """Return the names of trunk ``index`` (from 1): endpoint, number, ring time, technology."""
    return (
        f"CARRIER_TRUNK_{index}",
        f"CARRIER_NUMBER_{index}",
        f"CARRIER_RING_{index}",
        f"CARRIER_TECH_{index}",
    )
