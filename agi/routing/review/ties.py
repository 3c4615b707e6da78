"""Find rules that tie: equally specific, and both matching one call.

Which of them won would be chance, so a tie is a fault. Rules are parted by what keeps them from
meeting (priority, filled cells, then items cell by cell), and only what is left is compared pair
by pair (``agi.routing.review.witness``), within a bound.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.review.witness import ANONYMOUS, witness
from agi.routing.rule import Cell, Facts, Rule

_SHOWN_DIGITS: Final = 6
_FEW: Final = 8
"""Groups of so many rules are not parted further."""
_SPREAD: Final = 20_000
"""Parting stops where rules with negative cells would have to stand in so many groups."""
_EFFORT: Final = 300_000
"""Bound on the comparisons of one table, in units of about 5 microseconds."""
_DATES_COST: Final = 20
_ZONES_COST: Final = 250

PlaceOf = Callable[[Rule], Place]


def check(rules: Iterable[Rule], place_of: PlaceOf, faults: Faults) -> None:
    """Add a fault for each rule that ties with an earlier one, with both places and such a call.

    A table whose rules are too many and too alike to be compared in about two seconds is refused:
    what is not compared may tie.
    """
    buckets: dict[tuple[object, ...], list[Rule]] = defaultdict(list)
    for rule in sorted(rules, key=lambda rule: rule.row):
        buckets[_filled(rule)].append(rule)
    search = _Search(place_of, faults)
    for bucket in buckets.values():
        for group in _parted(bucket, _COLUMNS):
            if not search.compare(group):
                return


def _filled(rule: Rule) -> tuple[object, ...]:
    """Return what rules must have in common to be equally specific at all."""
    # The weight of a negative prefix or caller is that of no item.
    cells = tuple((not cell.empty) for cell in rule.cells())
    signs = (rule.prefix.negative, rule.caller.negative)
    return (rule.priority, rule.emergency, cells, signs, bool(rule.when))


_COLUMNS: Final[tuple[Callable[[Rule], Cell], ...]] = (
    lambda rule: rule.prefix,
    lambda rule: rule.mccmnc,
    lambda rule: rule.account,
    lambda rule: rule.caller,
    lambda rule: rule.country,
    lambda rule: rule.line,
    lambda rule: rule.fraud,
    lambda rule: rule.live,
    lambda rule: rule.ported,
)


def _parted(
    group: list[Rule], columns: Sequence[Callable[[Rule], Cell]]
) -> Iterator[Sequence[Rule]]:
    """Yield groups such that any two rules that tie stand together in one of them."""
    if len(group) < 2:
        return
    if len(group) <= _FEW or not columns:
        yield group
        return
    for part in _by_item(group, columns[0]):
        yield from _parted(part, columns[1:])


def _by_item(group: list[Rule], column: Callable[[Rule], Cell]) -> Iterable[list[Rule]]:
    by_item: dict[str, list[Rule]] = defaultdict(list)
    wild = []
    for rule in group:
        cell = column(rule)
        if cell.negative:
            wild.append(rule)
        else:
            for item in cell.items or ("",):
                by_item[item].append(rule)
    if not wild:
        return by_item.values()
    if len(wild) * len(by_item) > _SPREAD:
        return [group]
    mixed = (sorted((*part, *wild), key=lambda rule: rule.row) for part in by_item.values())
    return [*mixed, wild]


@dataclass(slots=True)
class _Search:
    """Pairs compared so far: a rule is told to tie once, with the first that it ties with."""

    place_of: PlaceOf
    faults: Faults
    left: int = _EFFORT
    tied: set[int] = field(default_factory=set)
    seen: set[tuple[int, int]] = field(default_factory=set)
    items: dict[int, int] = field(default_factory=dict)

    def compare(self, group: Sequence[Rule]) -> bool:
        """Compare the rules of a group; False when that is more than the bound allows."""
        for at, later in enumerate(group):
            for earlier in group[:at]:
                pair = (earlier.row, later.row)
                if later.row in self.tied:
                    break
                if pair in self.seen:
                    continue
                self.seen.add(pair)
                self.left -= self._effort(earlier, later)
                if self.left < 0:
                    self._give_up(later)
                    return False
                self._tell(earlier, later)
        return True

    def _effort(self, a: Rule, b: Rule) -> int:
        items = (self._items(a) + self._items(b)) // 8
        if not (a.when and b.when):
            return 1 + items
        spans = (*a.when, *b.when)
        dates = sum(len(span.dates) for span in spans)
        zones = len({span.zone for span in spans})
        each = _ZONES_COST if zones > 1 else _DATES_COST if dates else 1
        return 1 + items + each * len(a.when) * len(b.when) + dates

    def _items(self, rule: Rule) -> int:
        found = self.items.get(rule.row)
        if found is None:
            found = self.items[rule.row] = sum(len(cell.items) for cell in rule.cells())
        return found

    def _tell(self, earlier: Rule, later: Rule) -> None:
        facts = witness(earlier, later)
        if facts is None:
            return
        self.tied.add(later.row)
        places = (self.place_of(earlier), self.place_of(later))
        what = (
            f"the rules {earlier.name!r} ({places[0]}) and {later.name!r} ({places[1]}) tie:"
            f" both match {in_words(facts)}; change a cell or give one a priority"
        )
        self.faults.add(places[1].fault("rule", what))

    def _give_up(self, rule: Rule) -> None:
        what = (
            "too many rules fill the same cells with lists, '!' or times to see whether they tie:"
            " give some of them other priorities"
        )
        self.faults.add(self.place_of(rule).fault("rule", what))


def in_words(facts: Facts) -> str:
    """Describe a call by what is known of it, without ever writing a whole number."""
    words = [_called(facts)]
    words += [f"on network {facts.mccmnc}"] if facts.mccmnc else []
    words += [f"in {facts.country}"] if facts.country else []
    words += [f"of account {facts.account!r}"] if facts.account else []
    words += [_calling(facts.caller)] if facts.caller else []
    words += [f"to a {facts.line} line"] if facts.line and not facts.emergency else []
    words += [] if facts.ported is None else ["that is ported" if facts.ported else "not ported"]
    words += [f"with a subscriber that is {facts.live}"] if facts.live else []
    words += [f"whose fraud check says {facts.fraud}"] if facts.fraud else []
    words += [_then(facts.at)] if facts.at else []
    return "any call" if words == ["a call"] else " ".join(words)


def _called(facts: Facts) -> str:
    if facts.msisdn:
        return f"a call to +{facts.msisdn[:_SHOWN_DIGITS]}..."
    call = "an emergency call" if facts.emergency else "a call"
    return f"{call} to the dialled digits {shown(facts.digits)}" if facts.digits else call


def _calling(caller: str) -> str:
    if caller == ANONYMOUS:
        return "from an anonymous caller"
    return f"from a caller {caller[:_SHOWN_DIGITS]}..."


def _then(at: float) -> str:
    return f"on {dt.datetime.fromtimestamp(at, dt.UTC):%a %Y-%m-%d at %H:%M} UTC"
