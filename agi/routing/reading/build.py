"""Join the rows of one directory into tables; find what only shows when rows are seen together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agi.errors import Fault
from agi.model import ErrorRule
from agi.routing.compiled import Compiled
from agi.routing.limits import Limits
from agi.routing.policy import Policy
from agi.routing.ranges import Ranges
from agi.routing.reading.accounts import Accounts
from agi.routing.reading.calendars import Calendars
from agi.routing.reading.faults import Faults, Nearest, Place, shown
from agi.routing.reading.route_rows import RouteRow, Routes
from agi.routing.reading.rows import ErrorRow, TrunkRow, Trunks
from agi.routing.reading.set_rows import GroupRow, Groups, NetworkSets
from agi.routing.review.doubts import Reviewed, review
from agi.routing.review.ties import check
from agi.routing.table import Table
from agi.routing.trunk import Trunk, number_form

ErrorRules = Mapping[tuple[str, str], ErrorRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the files of a directory say, each read alone.

    ``routes`` is None when its file is missing or has no usable header, which is a fault.
    ``errors`` is what provider kinds' codes mean. ``policy_sets`` are the sets of networks that
    ``policy.csv`` names. ``today`` is the day in ISO 8601, empty if nobody can say.
    """

    trunks: Trunks
    routes: Routes | None
    errors: ErrorRules
    sets: NetworkSets
    groups: Groups
    calendars: Calendars
    accounts: Accounts
    ranges: Ranges
    policy: Policy
    limits: Limits
    policy_sets: frozenset[str] = frozenset()
    today: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a directory without a fault: its contents, and the table over them."""

    compiled: Compiled
    table: Table


def build(version: str, timezone: str, contents: Contents, faults: Faults) -> Built | None:
    """Compile the tables; None if there is a fault, old or new.

    Args:
        version: the name of the version.
        timezone: the IANA zone in which spans without a zone were read.
        contents: the rows of all files.
        faults: takes faults, and warnings when there are no faults.
    """
    trunks = _unique_trunks(contents.trunks, faults)
    _check_groups(contents, faults)
    if contents.routes is not None:
        _check_routes(contents.routes, contents.trunks, trunks, faults)
    if contents.routes is None or len(faults):
        return None
    compiled = Compiled(
        version=version,
        timezone=timezone,
        trunks=tuple(trunks.values()),
        rules=tuple(row.rule for row in contents.routes.rows),
        errors=tuple(contents.errors.values()),
        ranges=contents.ranges,
        policy=contents.policy,
        limits=contents.limits,
        screenings=contents.accounts.screenings,
        account_cps=contents.accounts.cps,
    )
    table = Table(compiled)
    review(table, _reviewed(contents, contents.routes), faults)
    return Built(compiled, table)


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
        found[row.trunk] = Trunk(
            *(row.trunk, row.endpoint, row.tech, row.ring_s, row.enabled, form),
            cps=row.cps,
            max_calls=row.max_calls,
        )
    return found


def _check_groups(contents: Contents, faults: Faults) -> None:
    known = contents.trunks.names()
    _check_trunk_names(contents.groups.rows, known, faults)


def _check_trunk_names(
    rows: Iterable[RouteRow | GroupRow], known: frozenset[str], faults: Faults
) -> None:
    nearest = Nearest(known)
    for row in rows:
        for name in row.trunks:
            if name not in known:
                what = f"unknown trunk {shown(name)}{nearest.hint(name)}"
                faults.add(row.place.fault("trunks", f"{what}; trunks stand in trunks.csv"))


def _check_routes(
    routes: Routes, trunks: Trunks, by_name: Mapping[str, Trunk], faults: Faults
) -> None:
    _check_names(routes, faults)
    _check_trunk_names(routes.rows + routes.faulty, trunks.names(), faults)
    for row in routes.rows:
        _check_emergency(row, by_name, faults)
    defaults = [row for row in routes.rows if row.rule.is_default]
    if not defaults and not routes.faulty:
        what = "no default route: add a rule with every match cell empty"
        faults.add(Fault(routes.file, 0, 0, what))
    for row in defaults[1:]:
        what = (
            f"a second default route: {defaults[0].rule.name!r} ({defaults[0].place}) has every"
            " match cell empty too, and both match any call; keep one"
        )
        faults.add(row.place.fault("rule", what))
    spare = {row.place.line for row in defaults[1:]}
    _check_ties([row for row in routes.rows if row.place.line not in spare], faults)


def _reviewed(contents: Contents, routes: Routes) -> Reviewed:
    rows, groups = routes.rows, contents.groups
    named = frozenset(name for row in rows for name in row.groups)
    return Reviewed(
        rules={row.rule.name: row.place for row in rows},
        trunks={row.trunk: row.place for row in contents.trunks.rows},
        groups={row.group: row.place for row in groups.rows},
        sets=contents.sets.places,
        calendars=contents.calendars.places,
        used_groups=groups.within(named),
        used_sets=contents.policy_sets.union(*(row.sets for row in rows)),
        used_calendars=frozenset(name for row in rows for name in row.calendars),
        dates=contents.calendars,
        today=contents.today,
    )


def _check_names(routes: Routes, faults: Faults) -> None:
    first: dict[str, RouteRow] = {}
    for row in sorted(routes.rows + routes.faulty, key=lambda row: row.place.line):
        name = row.rule.name
        if name and first.setdefault(name, row) is not row:
            what = f"the rule {shown(name)} stands at {first[name].place} already: rename one"
            faults.add(row.place.fault("rule", what))


def _check_emergency(row: RouteRow, trunks: Mapping[str, Trunk], faults: Faults) -> None:
    if not row.rule.emergency:
        return
    names = [name for tier in row.rule.tiers for name, _ in tier.members]
    if all(name in trunks and not trunks[name].enabled for name in names):
        what = "all trunks of this emergency rule are disabled: enable one or name another"
        faults.add(row.place.fault("trunks", what))


def _check_ties(rows: list[RouteRow], faults: Faults) -> None:
    places: dict[int, Place] = {row.rule.row: row.place for row in rows}
    check([row.rule for row in rows], lambda rule: places[rule.row], faults)
