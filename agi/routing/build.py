"""Join the rows of one directory into a table; find what only shows when rows are seen together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from agi.errors import Fault
from agi.model import ErrorRule
from agi.names import MAX_TRUNKS
from agi.routing.accounts import Screenings
from agi.routing.faults import Faults, Nearest, shown
from agi.routing.ranges import NO_RANGES, Ranges
from agi.routing.route_rows import RouteRow, Routes
from agi.routing.rows import ErrorRow, TrunkRow, Trunks
from agi.routing.table import Facts, Rule, Table
from agi.routing.trunk import Trunk, number_form

ErrorRules = Mapping[tuple[str, str], ErrorRule]

_SHOWN_PREFIX: Final = 6
_MAX_CODE: Final = 3


@dataclass(frozen=True, slots=True)
class Contents:
    """What the files of a directory say, each read alone.

    ``errors`` is what provider kinds' codes mean, ``screenings`` what accounts do about screens.
    """

    trunks: Trunks
    routes: Routes
    errors: ErrorRules
    ranges: Ranges = NO_RANGES
    screenings: Screenings = field(default_factory=dict)


def build(version: str, contents: Contents, faults: Faults) -> Table | None:
    """Compile a table; None if there is no default rule to build it on, which is a fault.

    Args:
        version: the name of the table's version.
        contents: the rows of all files.
        faults: takes faults and warnings; the table counts only if no fault was added.
    """
    trunks, routes = contents.trunks, contents.routes
    by_name = _unique_trunks(trunks, faults)
    _check_names(routes, faults)
    _check_trunks(trunks, routes, faults)
    rules = [_rule(row, by_name, faults) for row in routes.rows]
    _check_ties(rules, routes, faults)
    if not any(rule.is_default for rule in rules):
        if not routes.faulty:
            faults.add(_no_default(routes))
        return None
    table = Table(version, rules, contents.errors, contents.ranges, contents.screenings)
    places = {rule.name: row for rule, row in zip(rules, routes.rows, strict=True)}
    _Review(table, places, faults).run()
    return table


def overlay(shipped: Iterable[ErrorRow], site: Iterable[ErrorRow], faults: Faults) -> ErrorRules:
    """Join the shipped codes with a site's; a row of the site replaces the shipped one."""
    rules: dict[tuple[str, str], ErrorRule] = {}
    for rows in (shipped, site):
        first: dict[tuple[str, str], ErrorRow] = {}
        for row in rows:
            key = (row.rule.provider, row.rule.code)
            if first.setdefault(key, row) is not row:
                what = f"this provider and code stand at {first[key].place} already: keep one"
                faults.add(row.place.fault("code", what))
            rules[key] = row.rule
    return rules


def _unique_trunks(trunks: Trunks, faults: Faults) -> dict[str, Trunk]:
    found: dict[str, Trunk] = {}
    first: dict[str, TrunkRow] = {}
    for row in trunks.rows:
        if first.setdefault(row.trunk, row) is not row:
            what = f"the trunk {row.trunk!r} stands at {first[row.trunk].place} already: rename one"
            faults.add(row.place.fault("trunk", what))
        form = number_form(row.number_format, row.strip, row.prepend)
        found[row.trunk] = Trunk(row.trunk, row.endpoint, row.tech, row.ring_s, row.enabled, form)
    return found


def _check_names(routes: Routes, faults: Faults) -> None:
    first: dict[str, RouteRow] = {}
    for row in sorted(routes.rows + routes.faulty, key=lambda row: row.place.line):
        if row.rule and first.setdefault(row.rule, row) is not row:
            what = f"the rule {row.rule!r} stands at {first[row.rule].place} already: rename one"
            faults.add(row.place.fault("rule", what))


def _check_trunks(trunks: Trunks, routes: Routes, faults: Faults) -> None:
    known = {row.trunk for row in trunks.rows} | trunks.faulty
    nearest = Nearest(known)
    used: set[str] = set()
    for row in routes.rows + routes.faulty:
        names = dict.fromkeys(member.trunk for tier in row.tiers for member in tier)
        used.update(names)
        for name in names:
            if name and name not in known:
                what = f"unknown trunk {shown(name)}{nearest.hint(name)}"
                faults.add(row.place.fault("trunks", f"{what}; trunks stand in trunks.csv"))
    if routes.faulty:
        return
    for trunk in trunks.rows:
        if trunk.trunk not in used:
            what = f"no rule uses the trunk {trunk.trunk!r}"
            faults.add(trunk.place.fault("trunk", what, warning=True))


def _rule(row: RouteRow, trunks: Mapping[str, Trunk], faults: Faults) -> Rule:
    found = [
        [(trunks[m.trunk], m.weight) for m in tier if m.trunk in trunks and trunks[m.trunk].enabled]
        for tier in row.tiers
    ]
    tiers = tuple(tuple(tier) for tier in found if tier)
    _check_rule_trunks(row, tiers, trunks, faults)
    single = all(len(tier) == 1 for tier in tiers)
    return Rule(
        name=row.rule,
        file=row.place.file,
        line=row.place.line,
        priority=row.priority,
        network=row.network,
        mcc=row.mcc,
        prefix=row.prefix,
        digits=row.digits,
        country=row.country,
        emergency=row.emergency,
        cause=row.cause,
        tiers=tiers,
        fixed=tuple(tier[0][0] for tier in tiers) if single else None,
    )


def _check_rule_trunks(
    row: RouteRow,
    tiers: tuple[tuple[tuple[Trunk, int], ...], ...],
    trunks: Mapping[str, Trunk],
    faults: Faults,
) -> None:
    named = [member.trunk for tier in row.tiers for member in tier]
    if len(set(named)) < len(named):
        what = "a trunk stands in several tiers: it would be tried again"
        faults.add(row.place.fault("trunks", what, warning=True))
    count = sum(len(tier) for tier in tiers)
    if count > MAX_TRUNKS:
        what = f"{count} trunks: only the first {MAX_TRUNKS} of a call's order leave"
        faults.add(row.place.fault("trunks", what, warning=True))
    if named and not count and all(name in trunks for name in named):
        what = "all trunks of this rule are disabled: its calls are rejected with cause 34"
        faults.add(row.place.fault("trunks", what, warning=not row.emergency))


def _check_ties(rules: list[Rule], routes: Routes, faults: Faults) -> None:
    """Refuse rules of equal cells; any other two differ in specificity, or cannot both match."""
    first: dict[tuple[object, ...], RouteRow] = {}
    for rule, row in zip(rules, routes.rows, strict=True):
        key = (rule.priority, rule.emergency, rule.shape(), rule.key())
        other = first.setdefault(key, row)
        if other is not row:
            what = (
                f"the rules {other.rule!r} ({other.place}) and {row.rule!r} ({row.place}) tie:"
                f" both match {_example(row)}; change a cell or give one a priority"
            )
            faults.add(row.place.fault("rule", what))


def _example(row: RouteRow) -> str:
    """Describe a call that the row matches, without ever writing a whole number."""
    if row.emergency:
        call = "an emergency call"
    elif row.digits:
        call = f"a call to the dialled digits {shown(row.digits)}"
    elif row.prefix:
        call = f"a call to +{row.prefix[:_SHOWN_PREFIX]}..."
    else:
        call = "any call" if not (row.network or row.mcc or row.country) else "a call"
    network = f" on network {row.network or row.mcc}" if row.network or row.mcc else ""
    return call + network + (f" in {row.country}" if row.country else "")


def _no_default(routes: Routes) -> Fault:
    what = "no default route: add a rule with every match cell empty"
    return Fault(routes.file, 0, 0, what)


@dataclass(frozen=True, slots=True)
class _Review:
    """What is legal and probably not meant."""

    table: Table
    rows: Mapping[str, RouteRow]
    faults: Faults

    def run(self) -> None:
        """Add the warnings."""
        for rule in self.table.rules:
            self._unreachable(rule)
            self._numbering(rule)
        self._emergency()

    def _warn(self, rule: Rule, column: str, what: str) -> None:
        self.faults.add(self.rows[rule.name].place.fault(column, what, warning=True))

    def _unreachable(self, rule: Rule) -> None:
        # A rule that wins the least call of this one covers each of its cells, hence all its calls.
        winner = self.table.match(least_call(rule))
        if winner is not rule:
            what = f"never reached: {winner.name!r} (line {winner.line}) matches all of its calls"
            self._warn(rule, "rule", what)

    def _numbering(self, rule: Rule) -> None:
        codes = {rule.prefix[:length] for length in range(1, _MAX_CODE + 1)}
        known = {
            int(code) for code in codes if code
        } & phonenumbers.COUNTRY_CODE_TO_REGION_CODE.keys()
        if len(rule.prefix) >= _MAX_CODE and not known:
            what = (
                "no country calling code begins so (ITU-T E.164): was '=' meant, digits as dialled?"
            )
            self._warn(rule, "prefix", what)
        elif rule.country and rule.prefix:
            code = str(phonenumbers.country_code_for_region(rule.country))
            if not (code.startswith(rule.prefix) or rule.prefix.startswith(code)):
                what = f"never matches: numbers of {rule.country} begin with {code}"
                self._warn(rule, "country", what)

    def _emergency(self) -> None:
        rules = [rule for rule in self.table.rules if rule.emergency]
        if any(not any(rule.key()) for rule in rules):
            return
        default = self.table.default
        which = "other emergency calls take" if rules else "emergency calls take"
        fate = (
            "which REJECTS them" if default.cause is not None else "its trunks may not carry them"
        )
        what = f"no rule with only line=emergency: {which} the default route, {fate}"
        self._warn(default, "line", what)


def least_call(rule: Rule) -> Facts:
    """Return a call of which nothing is known but what the rule asks for."""
    network = rule.network or (f"{rule.mcc}--" if rule.mcc else None)
    return Facts(rule.digits, rule.prefix or None, rule.country, network, rule.emergency)
