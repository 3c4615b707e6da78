"""The life-raft: what the tables say of a call as long as nobody can be asked, in few prefixes.

A dialplan knows the digits and the account, and nothing else. So the rules that need more are left
out, and for each beginning of a number the table itself is asked where such a call goes: the raft
says what the service would say without a network. What rejects is kept before what routes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from agi.e164 import NumberingPlan
from agi.model import Action, CallContext, Dialled, Finding, Kind, Line, Msisdn, Source
from agi.routing import raft_plan
from agi.routing.choose import DENIED, decide
from agi.routing.compiled import Compiled
from agi.routing.ranges import NO_RANGES
from agi.routing.reading.policy_rows import PolicyRow
from agi.routing.rule import Cell, Rule, Tier
from agi.routing.table import Table
from agi.routing.trunk import Trunk

MOST_ROUTES: Final = 200
"""Prefixes with a route of their own that are kept, the shortest first."""
MOST_SHUT: Final = 2_000
"""Prefixes that are shut which are kept: Asterisk tries the prefixes of a context one by one."""
MOST_ACCOUNTS: Final = 8
"""Accounts that are told apart."""
MOST_DIALLED: Final = 200
"""Digits dialled exactly that are kept."""

OTHER: Final = "?"
"""An account that no row names: no account is called so."""
UNKNOWN: Final = ""
NO_COMMIT: Final = "no-commit"

_ROOT: Final = "0"
"""Where numbers begin that no prefix begins: no calling code begins with it (ITU-T E.164, 6)."""
_ODD: Final = "*#*#*#*#"
MOST_ASKED: Final = 100_000
"""Questions to the table, a second's work or two: prefixes, for each account and line."""
_NOTHING_FOUND: Final = Finding(Source.DEFAULT, NO_COMMIT)


@dataclass(frozen=True, slots=True)
class Item:
    """One trunk: the number loses ``strip`` characters, then ``prepend`` goes before it."""

    tech: str
    endpoint: str
    strip: int
    prepend: str
    ring_s: int


@dataclass(frozen=True, slots=True)
class Course:
    """What is done with a call: trunks to try, or a Q.850 ``cause`` to reject it with."""

    rule: str
    reason: str
    cause: int | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Exact:
    """The course of digits dialled exactly, and the number that trunks' forms are of."""

    number: str
    course: Course


@dataclass(frozen=True, slots=True)
class Tree:
    """The courses of one kind of call, by the longest beginning of its E.164 number.

    ``other`` is for numbers that none of them begins, ``short`` for the country's short codes and
    ``odd`` for digits that are no number; these two go out as they were dialled.
    """

    prefixes: Mapping[str, Course]
    other: Course
    short: Course
    odd: Course


@dataclass(frozen=True, slots=True)
class Raft:
    """All of it.

    ``trees`` go by account and line (None: any that is not in ``LINES``); without ``uses_lines``
    there are only those of None.
    ``accounts`` are those told apart, beside ``UNKNOWN`` and ``OTHER``. ``dialled`` holds courses
    of digits dialled exactly, emergency numbers among them. ``left_out`` says what is not kept.
    """

    version: str
    country: str
    emergency: tuple[str, ...]
    accounts: tuple[str, ...]
    uses_lines: bool
    trees: Mapping[tuple[str, Line | None], Tree]
    dialled: Mapping[str, Exact]
    left_out: Mapping[str, int]


def raft(
    table: Table,
    country: str,
    emergency: Collection[str],
    most: int = MOST_ROUTES,
    asked: int = MOST_ASKED,
) -> Raft:
    """Make the raft of a version.

    Args:
        table: the version's table.
        country: how a number without country code is read, ISO 3166 alpha-2.
        emergency: the emergency numbers, as they are dialled.
        most: how many prefixes with a route of their own are kept.
        asked: how often the table is asked.
    """
    return _Builder(table, country, emergency, most, asked).build()


@dataclass(slots=True)
class _Builder:
    table: Table
    country: str
    emergency: Collection[str]
    most: int
    asked: int
    left_out: Counter[str] = field(default_factory=Counter)
    known: Table = field(init=False)
    accounts: tuple[str, ...] = field(init=False)

    def build(self) -> Raft:
        compiled = self.table.compiled
        self.accounts = self._accounts(compiled)
        rules = tuple(self._usable(compiled.rules))
        self._count_policy(compiled.policy.conditional())
        self._count_others(compiled)
        trunks = tuple(replace(trunk, form=None) for trunk in compiled.trunks)
        self.known = Table(
            replace(compiled, rules=rules, trunks=trunks, ranges=NO_RANGES, errors=())
        )
        by_line = self._uses_lines(rules)
        lines = (None, *raft_plan.LINES) if by_line else (None,)
        accounts = (UNKNOWN, OTHER, *self.accounts) if self.accounts else (UNKNOWN,)
        prefixes, dialled = self._places(rules, len(lines) * len(accounts))
        trees = {
            (account, line): self._tree(account, line, prefixes)
            for account in accounts
            for line in lines
        }
        trees |= {(OTHER, line): trees[UNKNOWN, line] for line in lines if not self.accounts}
        exact = self._dialled(dialled)
        left_out = dict(self.left_out)
        names = (compiled.version, self.country, tuple(sorted(self.emergency)), self.accounts)
        return Raft(*names, by_line, trees, exact, left_out)

    # ---- what is kept --------------------------------------------------------------------

    def _accounts(self, compiled: Compiled) -> tuple[str, ...]:
        """Return the accounts to tell apart: those first that something is shut to."""
        shut = [rule.account for rule in compiled.rules if rule.cause is not None]
        cells = [row.account for row in compiled.policy.conditional()] + shut
        cells += [rule.account for rule in compiled.rules]
        named = dict.fromkeys(name for cell in cells for name in cell.items)
        named |= dict.fromkeys(name for name in compiled.screenings if name)
        self.left_out["accounts, which are treated as any other"] += max(
            0, len(named) - MOST_ACCOUNTS
        )
        return tuple(named)[:MOST_ACCOUNTS]

    def _usable(self, rules: Iterable[Rule]) -> Iterator[Rule]:
        for rule in rules:
            why = _needs(rule, self.accounts)
            if not why:
                yield msgspec.structs.replace(rule, tiers=tuple(map(_heaviest_first, rule.tiers)))
            else:
                kind = "routes" if rule.cause is None else "routes that reject"
                self.left_out[f"{kind} that ask for {why}"] += 1

    def _count_policy(self, rows: Iterable[PolicyRow]) -> None:
        for row in rows:
            if not row.mccmnc.empty:
                self.left_out[f"rows of policy.csv ({row.ruling}) that ask for a network"] += 1
            elif not _tells(row.line):
                self.left_out[f"rows of policy.csv ({row.ruling}) that ask for a line"] += 1

    def _count_others(self, compiled: Compiled) -> None:
        self.left_out["rows of limits.csv"] += len(compiled.limits)
        self.left_out["ranges, and with them every network"] += len(compiled.ranges)

    def _uses_lines(self, rules: Iterable[Rule]) -> bool:
        policy = self.table.compiled.policy.conditional()
        cells = [row.line for row in policy] + [rule.line for rule in rules if not rule.emergency]
        return any(not cell.empty for cell in cells)

    def _places(self, rules: Sequence[Rule], kinds: int) -> tuple[list[str], list[str]]:
        """Return the beginnings of numbers at which the course may change; digits dialled.

        ``kinds`` is how many trees there will be.
        """
        found = set(self.table.compiled.policy.places())
        found.update(item for rule in rules for item in rule.prefix.items)
        forms = (trunk.form for trunk in self.table.compiled.trunks)
        found.update(form.calling_code for form in forms if form is not None)
        if any(not rule.country.empty for rule in rules):
            found.update(raft_plan.country_heads())
        numbers = _shortest(place for place in found if place.isdigit())
        most = self.asked // kinds
        self.left_out["prefixes, the longest, not looked at: WHAT IS SHUT AMONG THEM GOES OUT"] += (
            max(0, len(numbers) - most)
        )
        dialled = sorted(place[1:] for place in found if place[:1] == "=")
        return sorted(numbers[:most]), dialled

    # ---- where calls go ------------------------------------------------------------------

    def _course(self, account: str, dialled: Dialled) -> Course:
        """Ask the table where a call goes that is known by these digits alone."""
        context = CallContext(dialled, account)
        said = decide(self.known, context, _NOTHING_FOUND, lambda: 0.0, "raft")
        reason = DENIED if said.reason == DENIED else NO_COMMIT
        if said.action is Action.REJECT:
            return Course(said.rule, reason, said.cause, ())
        number = _written(dialled)
        items = tuple(_item(self.table.trunks[hop.trunk], number) for hop in said.hops)
        return Course(said.rule, reason, None, items)

    def _tree(self, account: str, line: Line | None, prefixes: Sequence[str]) -> Tree:
        def course(prefix: str) -> Course:
            country = raft_plan.country_of(prefix)
            number = Dialled("", Kind.E164, Msisdn(prefix), country, line)
            return self._course(account, number)

        other = course(_ROOT)
        kept = _told_apart(prefixes, course, other)
        return Tree(
            self._bounded(kept, other),
            other,
            self._course(account, Dialled(_ODD, Kind.SHORT, None, self.country)),
            self._course(account, Dialled(_ODD, Kind.INVALID)),
        )

    def _bounded(self, kept: Mapping[str, Course], other: Course) -> Mapping[str, Course]:
        routes = _shortest(p for p, course in kept.items() if course.cause is None)
        shut = _shortest(p for p, course in kept.items() if course.cause is not None)
        few = {*routes[: self.most], *shut[:MOST_SHUT]}
        gone = len(kept) - len(few)
        if not gone:
            return kept
        over = {
            "prefixes with a route, the longest": len(routes) - self.most,
            "prefixes that are shut, the longest: CALLS TO THESE GO OUT": len(shut) - MOST_SHUT,
        }
        for what, count in over.items():
            self.left_out[what] = max(self.left_out[what], count)
        return _told_apart(sorted(few), kept.__getitem__, other)

    def _dialled(self, exact: Sequence[str]) -> Mapping[str, Exact]:
        plan = NumberingPlan(self.country, self.emergency)
        self.left_out["digits dialled exactly"] += max(0, len(exact) - MOST_DIALLED)
        places = (*sorted(self.emergency), *exact[:MOST_DIALLED])
        return {digits: self._exact(plan.understand(digits)) for digits in places}

    def _exact(self, dialled: Dialled) -> Exact:
        courses = [self._course(who, dialled) for who in (UNKNOWN, OTHER, *self.accounts)]
        if any(course != courses[0] for course in courses):
            self.left_out["digits dialled exactly that some accounts have otherwise"] += 1
        return Exact(_written(dialled) or dialled.digits, courses[0])


def _written(dialled: Dialled) -> str | None:
    """Return the number that trunks' forms are of; None if the digits go out as dialled."""
    return None if dialled.kind in {Kind.EMERGENCY, Kind.SHORT} else dialled.msisdn


def _needs(rule: Rule, accounts: Collection[str]) -> str:
    """Return what a rule asks for that no dialplan knows; empty if it can be kept."""
    asked = (
        ("a network", rule.mccmnc),
        ("porting", rule.ported),
        ("liveness", rule.live),
        ("a fraud check", rule.fraud),
        ("a caller", rule.caller),
    )
    for what, cell in asked:
        if not cell.empty:
            return what
    if rule.when:
        return "a time"
    if (
        rule.account.items
        and not rule.account.negative
        and not set(rule.account.items) & set(accounts)
    ):
        return "an account that is not told apart"
    return "" if rule.emergency or _tells(rule.line) else "a line"


def _tells(cell: Cell) -> bool:
    """Say whether a cell may match a line that the raft knows."""
    return cell.empty or cell.negative or bool({*cell.items} & {*raft_plan.LINES})


def _heaviest_first(tier: Tier) -> Tier:
    return Tier(tuple(sorted(tier.members, key=lambda member: -member[1])), tier.last_resort)


def _item(trunk: Trunk, number: str | None) -> Item:
    """Return a trunk for numbers that begin so; None: digits go out as they were dialled."""
    form = trunk.form
    if form is None or number is None:
        return Item(trunk.tech, trunk.endpoint, 0, "", trunk.ring_s)
    home = bool(form.calling_code) and number.startswith(form.calling_code)
    before = form.home if home else form.abroad
    strip = len(form.calling_code) if home else 0
    over = max(0, form.strip - len(before))
    prepend = form.prepend + before[form.strip :]
    return Item(trunk.tech, trunk.endpoint, strip + over, prepend, trunk.ring_s)


def _told_apart(
    prefixes: Iterable[str], course: Callable[[str], Course], other: Course
) -> dict[str, Course]:
    """Return the prefixes whose course is not that of the next shorter one; sorted ones come in."""
    kept: dict[str, Course] = {}
    for prefix in prefixes:
        above = next(
            (kept[prefix[:n]] for n in range(len(prefix) - 1, 0, -1) if prefix[:n] in kept), other
        )
        own = course(prefix)
        if own != above:
            kept[prefix] = own
    return kept


def _shortest(prefixes: Iterable[str]) -> list[str]:
    return sorted(prefixes, key=lambda prefix: (len(prefix), prefix))
