"""Why a rule does not match a call: the plain reading of its cells, for people.

Calls are matched by ``agi.routing.shapes``, which has to agree with this.
"""

from __future__ import annotations

from collections.abc import Callable

from agi.routing import when
from agi.routing.rule import Cell, Facts, Rule

_MCC_DIGITS = 3
_PORTED = {True: "yes", False: "no"}


def mismatch(rule: Rule, facts: Facts) -> str:
    """Return the first column, by specificity, that refuses the call; empty if none does.

    Of an emergency rule the cell ``line`` is not looked at: it says whose rule it is.
    """
    line = Cell() if rule.emergency else rule.line
    ported = "" if facts.ported is None else _PORTED[facts.ported]
    checks = (
        ("account", _word(rule.account, facts.account)),
        ("mccmnc", _matches(rule.mccmnc, facts.mccmnc or "", _is_network)),
        ("prefix", _prefix(rule.prefix, facts)),
        ("from", _matches(rule.caller, facts.caller, str.startswith)),
        ("country", _word(rule.country, facts.country)),
        ("line", _word(line, facts.line or "")),
        ("ported", _word(rule.ported, ported)),
        ("live", _word(rule.live, facts.live or "")),
        ("fraud", _word(rule.fraud, facts.fraud or "")),
        ("when", not rule.when or when.holds(rule.when, facts.at)),
    )
    return next((column for column, matched in checks if not matched), "")


def _word(cell: Cell, value: str) -> bool:
    return _matches(cell, value, str.__eq__)


def _matches(cell: Cell, value: str, fits: Callable[[str, str], bool]) -> bool:
    """Say whether a cell matches a value; an empty value is one that is not known."""
    if cell.empty:
        return True
    return bool(value) and cell.negative is not any(fits(value, item) for item in cell.items)


def _is_network(mccmnc: str, item: str) -> bool:
    return mccmnc.startswith(item) if len(item) == _MCC_DIGITS else mccmnc == item


def _prefix(cell: Cell, facts: Facts) -> bool:
    digits = [item[1:] for item in cell.items if item.startswith("=")]
    e164 = tuple(item for item in cell.items if not item.startswith("="))
    fits = facts.digits in digits or (facts.msisdn or "").startswith(e164)
    if not cell.negative:
        return cell.empty or fits
    return not fits and (facts.msisdn is not None or not e164)
