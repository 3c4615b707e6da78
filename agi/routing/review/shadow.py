"""Warn of rules that never win a call, or win only what would go the same way without them.

A rule is tried by its *least calls*: one for each way to choose an item of its lists, of which
nothing is known but what the rule asks for. Who wins such a call and covers each cell of the rule
wins every call like it: what more is known of a call makes the winner only more specific. So what
is said here is certain; what is not said may still be so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from typing import Final

import phonenumbers

from agi.model import Fraud, Line, Live, Mccmnc, Msisdn
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.review.covering import covers_rule, may_meet
from agi.routing.review.overlap import common
from agi.routing.review.witness import ANONYMOUS, free
from agi.routing.rule import Cell, Facts, Rule, Span
from agi.routing.table import Table
from agi.routing.variants import specificity

_MOST_PARTS: Final = 64
"""A rule with more combinations of its items is not tried."""
_MOST_CALLS: Final = 60_000
"""Least calls tried in one table, at most."""
_MOST_RIVALS: Final = 150_000
"""Pairs of rules compared to find superfluous ones, at most."""
_NAMED: Final = 3
# A Thursday at midnight and a Sunday at night: windows of time are rarely open at both.
_INSTANTS: Final = (0.0, 270_420.0)


def review_shadows(table: Table, places: Mapping[str, Place], faults: Faults) -> None:
    """Add a warning for each rule that is surely never reached, or surely superfluous."""
    shadows = _Shadows(table)
    hidden = set()
    for rule in table.rules:
        what = shadows.over(rule)
        if what:
            hidden.add(rule.name)
            faults.add(places[rule.name].fault("rule", what, warning=True))
    rest = [rule for rule in table.rules if rule.name not in hidden and not rule.emergency]
    for rule, same in _Spares(table, rest).found():
        what = f"superfluous: without it {shown(same.name)} (line {same.row}) sends its calls alike"
        faults.add(places[rule.name].fault("rule", what, warning=True))


@dataclass(slots=True)
class _Shadows:
    """The rules of one table, tried one after the other by their least calls."""

    table: Table
    left: int = _MOST_CALLS
    values: _Values = field(init=False)

    def __post_init__(self) -> None:
        self.values = _Values(self.table.rules)

    def over(self, rule: Rule) -> str:
        """Say what keeps a rule from ever winning a call, or nothing."""
        if rule.is_default:
            return ""
        if rule.when and common(rule.when, rule.when) is None:
            return "never reached: there is no instant within its times"
        winners: dict[str, Rule] = {}
        for part in _parts(rule):
            winner = self._winner(rule, part)
            if winner is None:
                return ""
            winners[winner.name] = winner
        who = [f"{shown(w.name)} (line {w.row})" for w in winners.values()]
        more = f" and {len(who) - _NAMED} more" if len(who) > _NAMED else ""
        verb = "matches" if len(who) == 1 else "match"
        names = ", ".join(who[:_NAMED]) + more
        return f"never reached: {names} {verb} all of its calls" if who else ""

    def _winner(self, rule: Rule, part: Rule) -> Rule | None:
        """Return the rule that wins every call of a part; None if the part may win one."""
        for at in _INSTANTS:
            self.left -= 1
            facts = self.values.least_call(part, at)
            if facts is None or self.left < 0:
                return None
            winner = self.table.match(facts).rule
            if winner.name == rule.name:
                return None
            if covers_rule(winner, part):
                return winner
            if part.when:
                return None
        return None


def _parts(rule: Rule) -> Iterator[Rule]:
    """Yield the rule once for each combination of its items, nothing if these are too many."""
    columns = [_choices(cell) for cell in rule.cells()]
    times: tuple[tuple[Span, ...], ...] = tuple((span,) for span in rule.when) or ((),)
    if prod(map(len, columns)) * len(times) > _MOST_PARTS:
        return
    for cells in product(*columns):
        account, mccmnc, prefix, caller, country, line, ported, live, fraud = cells
        for when in times:
            yield Rule(
                name=rule.name,
                row=rule.row,
                priority=rule.priority,
                account=account,
                mccmnc=mccmnc,
                prefix=prefix,
                caller=caller,
                country=country,
                line=line,
                ported=ported,
                live=live,
                fraud=fraud,
                when=when,
                emergency=rule.emergency,
            )


def _choices(cell: Cell) -> tuple[Cell, ...]:
    return (cell,) if cell.negative or cell.empty else tuple(Cell((item,)) for item in cell.items)


class _Values:
    """Values for negative cells: such as no rule names, so that few rules match them."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        items: dict[str, set[str]] = defaultdict(set)
        for rule in rules:
            items["account"].update(rule.account.items)
            items["mcc"].update(item[:3] for item in rule.mccmnc.items)
            items["prefix"].update(item for item in rule.prefix.items if item[0] != "=")
            items["caller"].update(rule.caller.items)
            items["country"].update(rule.country.items)
        self._account = next(n for k in range(10**6) if (n := f"other{k}") not in items["account"])
        self._mcc = next((f"{n}" for n in range(200, 800) if f"{n}" not in items["mcc"]), None)
        self._msisdn = free(items["prefix"], "")
        self._caller = free(items["caller"] - {ANONYMOUS}, "")
        regions = sorted(phonenumbers.SUPPORTED_REGIONS - items["country"])
        self._country = regions[0] if regions else None

    def least_call(self, part: Rule, at: float) -> Facts | None:
        """Return a call of which nothing is known but what a part asks for; None if unsure."""
        digits, msisdn = self._number(part.prefix)
        mcc, account = self._mcc, self._account
        values = (
            _value(part.account, account),
            _value(part.mccmnc, None if mcc is None else f"{mcc}--"),
            _value(part.caller, self._caller),
            _value(part.country, self._country),
            _value(part.line, _left(part.line, Line)),
            _value(part.ported, _left(part.ported, ("yes", "no"))),
            _value(part.live, _left(part.live, Live)),
            _value(part.fraud, _left(part.fraud, Fraud)),
        )
        when = common(part.when, part.when) if part.when else at
        if None in values or when is None or (part.prefix.negative and not msisdn):
            return None
        account, network, caller, country, line, ported, live, fraud = map(str, values)
        return Facts(
            digits=digits,
            msisdn=Msisdn(msisdn) if msisdn else None,
            country=country,
            line=Line(line) if line else None,
            account=account,
            caller=caller,
            # No network is written so: it stands for those of an MCC that no rule names.
            mccmnc=Mccmnc(network if len(network) != 3 else f"{network}--") if network else None,
            ported=ported == "yes" if ported else None,
            live=Live(live) if live else None,
            fraud=Fraud(fraud) if fraud else None,
            at=when,
            emergency=part.emergency,
        )

    def _number(self, cell: Cell) -> tuple[str, str]:
        if cell.empty:
            return "", ""
        if cell.negative:
            return "", self._msisdn or ""
        item = cell.items[0]
        return (item[1:], "") if item[0] == "=" else ("", item)


def _value(cell: Cell, other: str | None) -> str | None:
    return "" if cell.empty else other if cell.negative else cell.items[0]


def _left(cell: Cell, words: Iterable[str]) -> str | None:
    return next((str(word) for word in words if word not in cell.items), None)


class _Spares:
    """Rules whose calls would go the same way without them.

    So it is when a rule of the same outcome covers all calls, and each rule of another outcome that
    may match one of them wins it anyway, or never wins it. The default does not count: a rule that
    leads where the default does says that this is meant.
    """

    def __init__(self, table: Table, rules: list[Rule]) -> None:
        self._rules = rules
        self._outcomes = {rule.name: table.ways[rule.name].outcome() for rule in rules}
        self._places = {rule.name: specificity(rule) for rule in rules}
        self._index = _Index(rules)
        self._left = _MOST_RIVALS

    def found(self) -> Iterator[tuple[Rule, Rule]]:
        """Yield each superfluous rule with the one that would win in its place."""
        gone: set[str] = set()
        for rule in self._rules:
            same = None if rule.is_default else self._same(rule, gone)
            if same is not None:
                gone.add(rule.name)
                yield rule, same

    def _same(self, rule: Rule, gone: set[str]) -> Rule | None:
        outcome = self._outcomes[rule.name]
        rivals = list(islice(self._index.near(rule), max(0, self._left)))
        self._left -= len(rivals)
        heirs = [
            other
            for other in rivals
            if self._outcomes[other.name] == outcome
            and not other.is_default
            and other.name not in gone
            and other.name != rule.name
            and covers_rule(other, rule)
        ]
        if not heirs or self._left <= 0:
            return None
        heir = max(heirs, key=lambda other: min(self._places[other.name]))
        for other in rivals:
            if self._outcomes[other.name] != outcome and self._between(rule, heir, other):
                return None
        return heir

    def _between(self, rule: Rule, heir: Rule, other: Rule) -> bool:
        """Say whether another rule might win a call of a rule that is gone, before its heir."""
        mine, theirs = self._places[rule.name], self._places[other.name]
        above = min(theirs) > max(mine)
        below = max(theirs) < min(self._places[heir.name])
        return not (above or below) and may_meet(rule, other)


class _Index:
    """Rules by the beginning of the number, and by network: those that might meet another."""

    def __init__(self, rules: list[Rule]) -> None:
        self._prefixes = _Items(rules, [rule.prefix for rule in rules])
        self._networks = _Items(rules, [rule.mccmnc for rule in rules])

    def near(self, rule: Rule) -> list[Rule]:
        """Return every rule that might match a call of a rule, itself too, and some others."""
        both = (self._prefixes.near(rule.prefix), self._networks.near(rule.mccmnc))
        return min(both, key=len)


class _Items:
    """Rules by the items of one cell, in the order of these."""

    def __init__(self, rules: list[Rule], cells: list[Cell]) -> None:
        listed: list[tuple[str, int]] = []
        self._rules = rules
        self._loose: list[Rule] = []
        for at, cell in enumerate(cells):
            if cell.empty or cell.negative or any(item[0] == "=" for item in cell.items):
                self._loose.append(rules[at])
            else:
                listed += [(item, at) for item in cell.items]
        self._listed = sorted(listed)
        self._keys = [item for item, _ in self._listed]

    def near(self, cell: Cell) -> list[Rule]:
        """Return the rules with an item that begins one of a cell's, or begins with it."""
        if cell.empty or cell.negative or any(item[0] == "=" for item in cell.items):
            return self._rules
        found: dict[int, None] = {}
        for item in cell.items:
            for length in range(1, len(item)):
                found.update(dict.fromkeys(self._equal(item[:length])))
            found.update(dict.fromkeys(self._beginning(item)))
        return [*self._loose, *(self._rules[at] for at in found)]

    def _equal(self, item: str) -> Iterator[int]:
        at = bisect_left(self._keys, item)
        while at < len(self._keys) and self._keys[at] == item:
            yield self._listed[at][1]
            at += 1

    def _beginning(self, item: str) -> Iterator[int]:
        at = bisect_left(self._keys, item)
        while at < len(self._keys) and self._keys[at].startswith(item):
            yield self._listed[at][1]
            at += 1
