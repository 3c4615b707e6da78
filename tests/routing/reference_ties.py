"""Which rules of a table tie, by trying values of each field: nothing of the package is used.

Two rules tie if one call is matched by both with the same specificity. The fields of a call know
nothing of each other, so each is tried by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from tests.routing.reference import Reference, caller, network, prefix, word
from tests.routing.reference_texts import Dict, Span

VALUES = {
    "account": ["nobody-else"],
    "country": ["NZ", "IS", "JP", "BR", "KE"],
    "line": ["mobile", "landline", "mobile-or-landline", "voip", "tollfree", "premium", "other"],
    "ported": ["yes", "no"],
    "live": ["live", "absent", "dead"],
    "fraud": ["passed", "not-mobile", "suspicious", "fraudulent"],
}
# Quiet weeks, and those in which Europe and North America switch their clocks.
WEEKS = [dt.date(2027, m, d) for m, d in ((1, 11), (3, 9), (3, 23), (7, 12), (10, 26), (11, 2))]


def tied(table: Reference) -> set[str]:
    """Return the rules that tie with one before them, and all defaults but the first."""
    found = {rule["rule"] for rule in [r for r in table.rules if r["default"]][1:]}
    rules = [rule for rule in table.rules if rule["rule"] not in found]
    for at, later in enumerate(rules):
        if any(tie(earlier, later) for earlier in rules[:at]):
            found.add(later["rule"])
    return found


def tie(a: Dict, b: Dict) -> bool:
    if int(a["priority"] or 0) != int(b["priority"] or 0) or a["emergency"] != b["emergency"]:
        return False
    for name, more in VALUES.items():
        values = [None, *a[name].items, *b[name].items, *more]
        if not same((word(a[name], v), word(b[name], v)) for v in values):
            return False
    networks = [*a["mccmnc"].items, *b["mccmnc"].items, "26298", "27298"]
    networks = [n for i in networks for n in (i, i[:3] + "97", i[:3] + "96") if len(n) > 3]
    if not same((network(a["mccmnc"], n), network(b["mccmnc"], n)) for n in [None, *networks]):
        return False
    items = [*a["prefix"].items, *b["prefix"].items]
    numbers: list[tuple[str, str | None]] = [(i[1:], None) for i in items if i[0] == "="]
    numbers += [("*#*#", n) for n in beyond(i for i in items if i[0] != "=") if n[0] != "0"]
    numbers += [("*#*#", None)]
    if not same((prefix(a["prefix"], *n), prefix(b["prefix"], *n)) for n in numbers):
        return False
    items = [*a["from"].items, *b["from"].items]
    callers = [None, *items, "anonymous", *beyond(i for i in items if i != "anonymous")]
    if not same((caller(a["from"], c), caller(b["from"], c)) for c in callers):
        return False
    return bool(a["when"]) == bool(b["when"]) and meet(tuple(a["when"]), tuple(b["when"]))


def same(pairs: Iterable[tuple[object, object]]) -> bool:
    return any(one is not None and one == other for one, other in pairs)


def beyond(items: Iterable[str]) -> list[str]:
    """Return each item, and what leaves it at each of its places."""
    given = list(items)
    return [
        *given,
        *(i[:n] + d for i in ["0", *given] for n in range(len(i)) for d in "1234567890"),
    ]


_known: dict[str, bool] = {}


def meet(a: tuple[Span, ...], b: tuple[Span, ...]) -> bool:
    """Say whether two cells of times hold at one instant."""
    if not a:
        return True
    key = repr((a, b))
    if key not in _known:
        _known[key] = any(
            any(s.holds(at) for s in a) and any(s.holds(at) for s in b)
            for one in a
            for other in b
            for at in instants(one, other)
        )
    return _known[key]


def instants(a: Span, b: Span) -> Iterator[float]:
    """Yield the instants at which something may begin, on the days that matter to two spans."""
    dates = {day for span in (a, b) for day in span.days if isinstance(day, dt.date)}
    near = {day + dt.timedelta(days=n) for day in dates for n in (-2, -1, 0, 1, 2)}
    weeks = WEEKS if a.zone is not b.zone else WEEKS[:1]
    days = near or {week + dt.timedelta(days=n) for week in weeks for n in range(9)}
    for day in sorted(days):
        for minute in sorted({0, 60, 90, 120, 180, a.start, b.start, a.end % 1440, b.end % 1440}):
            for zone in (a.zone, b.zone):
                for fold in (0, 1):
                    clock = dt.time(*divmod(minute, 60), fold=fold)
                    yield dt.datetime.combine(day, clock, zone).timestamp()
