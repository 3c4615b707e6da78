"""Say what is legal in a directory of tables and probably not meant: every warning, with its place.

Nothing here refuses a table. Each warning names the row and the column, and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.model import Product
from agi.names import MAX_TRUNKS
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.review.numbers import review_numbers
from agi.routing.review.shadow import review_shadows
from agi.routing.rule import Rule
from agi.routing.table import Table

_LIKE_A_ROW: Final = re.compile(r"(policy|limits)-[0-9]+")

_LEAST_SHARE: Final = 0.001
"""A smaller share of a tier's first choices is as good as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What the rows said beside what the table keeps.

    ``rules`` and ``trunks`` are the places of all rows, by name; ``groups``, ``sets`` and
    ``calendars`` the first places of these. ``used_groups`` are those that a rule names, itself or
    through another group; ``used_sets`` those that a rule or a row of ``policy.csv`` names;
    ``used_calendars`` those that a rule names. ``dates`` are those of each calendar, ``today`` the
    day in ISO 8601, empty if nobody can say.
    """

    rules: Mapping[str, Place]
    trunks: Mapping[str, Place]
    groups: Mapping[str, Place] = field(default_factory=dict)
    sets: Mapping[str, Place] = field(default_factory=dict)
    calendars: Mapping[str, Place] = field(default_factory=dict)
    used_groups: Collection[str] = ()
    used_sets: Collection[str] = ()
    used_calendars: Collection[str] = ()
    dates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    today: str = ""


def review(table: Table, rows: Reviewed, faults: Faults) -> None:
    """Add every warning about the tables of one directory, which have no fault."""
    for rule in table.rules:
        _trunks_of(rule, table, rows, faults)
        if _LIKE_A_ROW.fullmatch(rule.name):
            what = "CARRIER_RULE says this of a row of that file, too: give the rule another name"
            faults.add(rows.rules[rule.name].fault("rule", what, warning=True))
    _fraud(table, rows, faults)
    _emergency(table, rows, faults)
    _unused(table, rows, faults)
    _past(rows, faults)
    review_numbers(table.rules, rows.rules, faults)
    review_shadows(table, rows.rules, faults)


def _trunks_of(rule: Rule, table: Table, rows: Reviewed, faults: Faults) -> None:
    if rule.cause is not None:
        return
    for what in _trunk_doubts(rule, table):
        faults.add(rows.rules[rule.name].fault("trunks", what, warning=True))


def _trunk_doubts(rule: Rule, table: Table) -> list[str]:
    named = [name for tier in rule.tiers for name, _ in tier.members]
    enabled = [name for name in named if table.trunks[name].enabled]
    found = []
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        found.append(f"{shown(twice[0])} stands in several tiers: it would be tried again")
    if len(enabled) > MAX_TRUNKS:
        count = len(enabled)
        found.append(f"{count} trunks: only the first {MAX_TRUNKS} of a call's order leave")
    if not enabled:
        found.append("all trunks of this rule are disabled: its calls are rejected with cause 34")
    return found + [what for tier in rule.tiers for what in _weights(tier.members, table)]


def _weights(members: tuple[tuple[str, int], ...], table: Table) -> list[str]:
    drawn = [(name, weight) for name, weight in members if table.trunks[name].enabled]
    if len(drawn) == 1 and drawn[0][1] != 1:
        what = "its weight draws nothing, all others of its tier are disabled"
        if len(members) == 1:
            what = "its weight draws nothing: trunks that share calls are parted by blanks, not >"
        return [f"{shown(drawn[0][0])} is the only choice: {what}"]
    total = sum(weight for _, weight in drawn)
    least = min(drawn, key=lambda member: member[1], default=("", 1))
    if drawn and least[1] < _LEAST_SHARE * total:
        what = f"comes first in {100 * least[1] / total:.2g} % of the calls"
        return [f"{shown(least[0])} {what}: make it a later tier, or raise its weight"]
    return []


def _fraud(table: Table, rows: Reviewed, faults: Faults) -> None:
    if Product.FRAUD in table.screens_wanted:
        return
    for rule in table.rules:
        if not rule.fraud.empty:
            what = "never matches: no account asks for a fraud check (screen_fraud in accounts.csv)"
            faults.add(rows.rules[rule.name].fault("fraud", what, warning=True))


def _emergency(table: Table, rows: Reviewed, faults: Faults) -> None:
    rules = [rule for rule in table.rules if rule.emergency]
    if any(all(cell.empty for cell in rule.cells()) and not rule.when for rule in rules):
        return
    which = "other emergency calls take" if rules else "emergency calls take"
    rejects = table.default.cause is not None
    fate = "which REJECTS them" if rejects else "its trunks may not carry them"
    what = f"no rule with only line=emergency: {which} the default route, {fate}"
    faults.add(rows.rules[table.default.name].fault("line", what, warning=True))


def _unused(table: Table, rows: Reviewed, faults: Faults) -> None:
    used = {name for rule in table.rules for tier in rule.tiers for name, _ in tier.members}
    for column, places, named, users in (
        ("trunk", rows.trunks, used, "no rule uses"),
        ("group", rows.groups, rows.used_groups, "no rule uses"),
        ("set", rows.sets, rows.used_sets, "no rule and no policy uses"),
        ("calendar", rows.calendars, rows.used_calendars, "no rule uses"),
    ):
        for name, place in places.items():
            if name not in named:
                what = f"{users} the {column} {shown(name)}"
                faults.add(place.fault(column, what, warning=True))


def _past(rows: Reviewed, faults: Faults) -> None:
    for name in rows.used_calendars:
        dates = rows.dates.get(name)
        if rows.today and dates and max(dates) < rows.today:
            what = f"the last date of {shown(name)} is {max(dates)}, which is past: add new dates"
            faults.add(rows.calendars[name].fault("date", what, warning=True))
