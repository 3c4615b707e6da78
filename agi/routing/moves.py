"""What a change of the tables does: which rows differ, and which destinations' first choice moves.

The second is what an admin means. It is found by example: around every rule, policy row and range
that differs, calls are made up that only it can have moved, and both tables are asked for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

import msgspec

from agi.model import Fraud, Line, Live, Mccmnc, Msisdn
from agi.routing.reading.faults import Faults
from agi.routing.reading.sheet import records
from agi.routing.review.overlap import common
from agi.routing.rule import Cell, Facts, Rule
from agi.routing.table import Table

MAX_CALLS: Final = 50_000
"""So many calls are made up at most; ``Moves.partial`` says when there would have been more."""

MAX_ITEMS: Final = 16
"""So many items of a match cell are tried."""

KEYS: Final = {
    "trunks.csv": ("trunk",),
    "groups.csv": ("group",),
    "routes.csv": ("rule",),
    "accounts.csv": ("account",),
    "ranges.csv": ("prefix",),
    "policy.csv": ("prefix", "account", "mccmnc", "line"),
    "limits.csv": ("account", "prefix", "level"),
    "networks.csv": ("set", "mccmnc"),
    "calendars.csv": ("calendar", "date"),
    "rates.csv": ("trunk", "prefix", "mccmnc", "valid_from"),
    "errors.csv": ("provider", "code"),
    "currencies.csv": ("currency", "valid_from"),
}
"""Which columns tell the rows of a file apart."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that differs by value; order, quoting, comment rows and blank columns do not count.

    ``columns`` holds (column, before, after) of the cells that differ; it is empty for a row that
    was added (``before`` is 0) or removed (``after`` is 0). ``before`` and ``after`` are lines.
    ``prefixes`` are what the row says of which numbers, for files other than ``routes.csv``.
    """

    file: str
    key: str = field(repr=False)
    before: int
    after: int
    columns: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    prefixes: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class Move:
    """Calls whose first choice moves: which ones, from where, to where."""

    destination: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Moves:
    """What moves, the most general destinations first. ``compared`` calls were made up for it."""

    moves: tuple[Move, ...]
    compared: int
    partial: bool = False


# ---- rows ----------------------------------------------------------------------------------

_Row = tuple[int, dict[str, str]]
_Word = TypeVar("_Word", Line, Live, Fraud)
_UNKNOWN: Final = (None, "")
_FIELDS: Final = ("country", "line", "account", "caller", "mccmnc", "ported", "live", "fraud")


def rows_changed(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> tuple[RowChange, ...]:
    """Return the rows that differ by value, file by file; the files must have no faults."""
    changes: list[RowChange] = []
    for file in sorted(old.keys() | new.keys()):
        before, after = old.get(file, b""), new.get(file, b"")
        if before != after:
            changes.extend(_file_changes(file, _rows(file, before), _rows(file, after)))
    return tuple(changes)


def _rows(file: str, data: bytes) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    rows = records(file, data, Faults())
    header = next(rows, None)
    for record in rows if header else ():
        cells = zip(header.cells, record.cells, strict=False) if header else ()
        row = {name: cell for name, cell in cells if name and cell}
        key = " ".join(row.get(column, "-") for column in KEYS.get(file, ())) or _whole(row)
        while key in found:  # equal rows stand for themselves
            key += "'"
        found[key] = (record.line, row)
    return found


def _whole(row: Mapping[str, str]) -> str:
    return ",".join(f"{name}={cell}" for name, cell in sorted(row.items()))


def _file_changes(
    file: str, before: Mapping[str, _Row], after: Mapping[str, _Row]
) -> Iterator[RowChange]:
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        prefixes = _prefixes(file, old, new)
        if old is None or new is None:
            lines = (old[0] if old else 0, new[0] if new else 0)
            yield RowChange(file, key, *lines, prefixes=prefixes)
        elif old[1] != new[1]:
            columns = sorted(old[1].keys() | new[1].keys())
            pairs = ((name, old[1].get(name, ""), new[1].get(name, "")) for name in columns)
            differing = tuple(pair for pair in pairs if pair[1] != pair[2])
            yield RowChange(file, key, old[0], new[0], differing, prefixes)


def _prefixes(file: str, *rows: _Row | None) -> frozenset[str]:
    if file == "routes.csv":
        return frozenset()
    cells = [row[1].get("prefix", "") for row in rows if row is not None]
    return frozenset(item for cell in cells for item in cell.removeprefix("!").split("|") if item)


# ---- destinations --------------------------------------------------------------------------


def moves(old: Table, new: Table, at: float, changes: Iterable[RowChange] = ()) -> Moves:
    """Return the destinations whose first choice differs between two tables.

    Args:
        old: the table that runs.
        new: the one that would.
        changes: the rows that differ between their files.
        at: the instant, an epoch in seconds, at which rules without a window are compared.
    """
    prefixes = sorted(set().union(*(change.prefixes for change in changes)))
    found = _Found({})
    seen: set[Facts] = set()
    calls = _calls(old, new, at, prefixes)
    for facts in islice(calls, MAX_CALLS):
        if facts not in seen:
            seen.add(facts)
            found.compare((old, facts), (new, facts))
    partial = next(calls, None) is not None
    unasked = []
    for prefix in prefixes:
        one, two = _by_range(prefix, old, new, at)
        before, after = first_choice(old, one), first_choice(new, two)
        if before != after:
            unasked.append(Move(f"+{prefix}..., without a lookup", before, after))
    return Moves((*found.moves(), *unasked), len(seen), partial)


_Way = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Found:
    """Calls that move, by where from and where to."""

    calls: dict[_Way, list[Facts]]

    def compare(self, old: tuple[Table, Facts], new: tuple[Table, Facts]) -> None:
        """Keep a call that goes another way in the other table."""
        before, after = first_choice(*old), first_choice(*new)
        if before != after:
            self.calls.setdefault((before, after), []).append(old[1])

    def moves(self) -> list[Move]:
        """Return one move for each kind of call; what a more general one says is left out."""
        told: list[tuple[int, str, Move]] = []
        for way, calls in self.calls.items():
            kept: list[Facts] = []
            for facts in sorted(calls, key=_known):
                if not any(_covers(general, facts) for general in kept):
                    kept.append(facts)
            for facts in kept:
                words = _described(facts)
                told.append((_known(facts), words, Move(words, *way)))
        return list(dict.fromkeys(move for _, _, move in sorted(told, key=_first_two)))


def _first_two(told: tuple[int, str, Move]) -> tuple[int, str]:
    return told[:2]


def _covers(general: Facts, facts: Facts) -> bool:
    """Whether the general call says nothing but what the other one says too."""
    if general.emergency != facts.emergency:
        return False
    if not (facts.msisdn or "").startswith(general.msisdn or ""):
        return False
    if general.digits and general.msisdn is None and general.digits != facts.digits:
        return False
    return all(
        getattr(general, name) in _UNKNOWN or getattr(general, name) == getattr(facts, name)
        for name in _FIELDS
    )


def first_choice(table: Table, facts: Facts) -> str:
    """Say where a call goes first: a trunk, the shares of several, or the cause of a rejection."""
    if not facts.emergency:
        line = facts.line
        verdict = table.policy.verdict(
            facts.digits, facts.msisdn, facts.account, facts.mccmnc, line
        )
        if verdict is not None and verdict.action == "deny":
            return "denied by policy"
    way = table.match(facts)
    if way.cause is not None:
        return f"reject {way.cause}"
    if not way.tiers:
        return "reject 34 (no usable trunk)"
    members = way.tiers[0]
    total = sum(weight for _, weight in members)
    shares = sorted(((trunk, weight / total) for trunk, weight in members), key=_by_share)
    if len(shares) == 1:
        trunk = shares[0][0]
        return trunk.name if trunk.name == trunk.endpoint else f"{trunk.name} ({trunk.endpoint})"
    told = ", ".join(f"{trunk.name} {share:.1%}" for trunk, share in shares)
    return f"{told}, by quality" if way.by_quality else told


def _by_share(pair: tuple[object, float]) -> tuple[float, str]:
    return (-pair[1], str(pair[0]))


def _calls(old: Table, new: Table, at: float, prefixes: Iterable[str]) -> Iterator[Facts]:
    """Make up calls around everything that differs."""
    before, after = _meanings(old), _meanings(new)
    changed = [rule for meaning, rule in before.items() if meaning not in after]
    changed += [rule for meaning, rule in after.items() if meaning not in before]
    others = {rule.name: rule for table in (old, new) for rule in table.rules}.values()
    for rule in changed:
        yield from _examples(rule, at)
    for rule in changed:
        for base in islice(_examples(rule, at), MAX_ITEMS):
            yield from _crossings(base, others, at)
    networks = {item for rule in others for item in rule.mccmnc.items[:MAX_ITEMS]}
    for prefix in prefixes:
        yield from _at_prefix(prefix, sorted(networks)[:MAX_ITEMS], at)


def _meanings(table: Table) -> dict[object, Rule]:
    """Return the rules by what they mean: cells, order, and where they lead with which trunks."""
    found: dict[object, Rule] = {}
    for rule in table.rules:
        trunks = tuple(table.trunks.get(name) for tier in rule.tiers for name, _ in tier.members)
        plain = msgspec.structs.replace(rule, row=0, name="")
        found[plain, trunks] = rule
    return found


def _examples(rule: Rule, at: float) -> Iterator[Facts]:
    """Yield calls of which nothing is known but what the rule asks for."""
    instant = at if not rule.when else common(rule.when, rule.when) or at
    for prefix in _items(rule.prefix, ("", "1", "999999999999")):
        exact = prefix.startswith("=")
        for mccmnc in _items(rule.mccmnc, ("", "00101", "99999")):
            yield Facts(
                digits=prefix[1:] if exact else prefix,
                msisdn=Msisdn(prefix) if prefix and not exact else None,
                country=_item(rule.country, ("", "AQ", "BV")),
                line=_word(Line, _item(rule.line, ("", *Line))),
                account=_item(rule.account, ("", "an-account-of-no-rule")),
                caller=_item(rule.caller, ("", "anonymous", "999999999999")),
                mccmnc=Mccmnc(_network(mccmnc)) if mccmnc else None,
                ported=_ported(_item(rule.ported, ("", "yes", "no"))),
                live=_word(Live, _item(rule.live, ("", *Live))),
                fraud=_word(Fraud, _item(rule.fraud, ("", *Fraud))),
                at=instant,
                emergency=rule.emergency,
            )


def _items(cell: Cell, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Return values that the cell takes: items, or what is none of them."""
    if not cell.negative:
        return cell.items[:MAX_ITEMS] or ("",)
    known = [value for value in candidates[1:] if not _listed(cell, value)]
    return (known[0],) if known else ("",)


def _item(cell: Cell, candidates: tuple[str, ...]) -> str:
    return _items(cell, candidates)[0]


def _listed(cell: Cell, value: str) -> bool:
    return any(value.startswith(item) for item in cell.items)


def _network(item: str) -> str:
    # No network is written so: it stands for those of an MCC that no rule names.
    return f"{item}--" if len(item) == 3 else item


def _word(kind: type[_Word], word: str) -> _Word | None:
    return kind(word) if word else None


def _ported(word: str) -> bool | None:
    return None if not word else word == "yes"


def _crossings(base: Facts, others: Iterable[Rule], at: float) -> Iterator[Facts]:
    """Yield the base call with what other rules ask for, where both can be of one call."""
    for rule in others:
        if rule.emergency == base.emergency:
            for other in islice(_examples(rule, at), MAX_ITEMS):
                merged = _merged(base, other)
                if merged is not None:
                    yield merged


def _merged(base: Facts, other: Facts) -> Facts | None:
    one, two = base.msisdn or "", other.msisdn or ""
    longer = one if len(one) >= len(two) else two
    if not (longer.startswith(one) and longer.startswith(two)):
        return None
    if not two and other.digits and base.digits not in {"", other.digits}:
        return None
    values: dict[str, object] = {}
    for name in _FIELDS:
        mine, its = getattr(base, name), getattr(other, name)
        if mine not in _UNKNOWN and its not in _UNKNOWN and mine != its:
            return None
        values[name] = its if mine in _UNKNOWN else mine
    values["digits"] = longer or base.digits or other.digits
    values["msisdn"] = Msisdn(longer) if longer else None
    return msgspec.structs.replace(base, **values)


def _at_prefix(prefix: str, networks: Iterable[str], at: float) -> Iterator[Facts]:
    exact = prefix.startswith("=")
    base = Facts(prefix.removeprefix("="), None if exact else Msisdn(prefix), at=at)
    yield base
    for item in networks:
        yield msgspec.structs.replace(base, mccmnc=Mccmnc(_network(item)))


def _by_range(prefix: str, old: Table, new: Table, at: float) -> Iterator[Facts]:
    """Yield what each table makes of a number of this prefix when nobody else says anything."""
    number = None if prefix.startswith("=") else Msisdn(prefix)
    for table in (old, new):
        info = table.range_of(number) if number else None
        line, mccmnc = (info.line, info.mccmnc) if info else (None, None)
        yield Facts(prefix.removeprefix("="), number, line=line, mccmnc=mccmnc, at=at)


# ---- words ---------------------------------------------------------------------------------


def _known(facts: Facts) -> int:
    return sum(1 for name in facts.__struct_fields__ if getattr(facts, name) not in _UNKNOWN)


def _described(facts: Facts) -> str:
    """Say which calls these are, the way a table would."""
    if facts.emergency:
        words = ["emergency " + facts.digits if facts.digits else "emergency calls"]
    elif facts.msisdn:
        words = [f"+{facts.msisdn}..."]
    else:
        words = [f"dialled {facts.digits}"] if facts.digits else ["any number"]
    if facts.country:
        words.append(f"in {facts.country}")
    if facts.mccmnc:
        words.append(f"on {facts.mccmnc.removesuffix('--')}")
    for what, value in (
        ("account", facts.account),
        ("from", facts.caller),
        ("line", facts.line),
        ("live", facts.live),
        ("fraud", facts.fraud),
    ):
        if value:
            words.append(f"{what} {value}")
    if facts.ported is not None:
        words.append("ported" if facts.ported else "not ported")
    return ", ".join(words)
