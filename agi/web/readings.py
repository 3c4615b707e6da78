"""What a scene says of each metric of the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from agi.ami.figures import EFFECTIVE, PDD_BOUNDS, Outcome, Totals
from agi.metrics import LAG_SECONDS, Latency, Metrics
from agi.routing.standing import State
from agi.scene import Scene
from agi.web import catalogue as of
from agi.web.catalogue import Entry

IN_A_ROW: Final = 3
"""So many requests fail in a row before a provider counts as one that does not answer."""

Reading = float | Latency
Rows = Iterable[tuple[tuple[str, ...], Reading]]

_PER_NUMBER: Final = "number-"
_BREAKER: Final = {"closed": 0, "probing": 1}
_RESULTS: Final = ("ok", "wrong", "missing")
_SECURITY: Final = ("ami-injection", "ami-attempt")
_BOUNDS: Final = PDD_BOUNDS


def readings(scene: Scene) -> Iterator[tuple[Entry, Rows]]:
    """Yield every metric with its values; counters that nothing was counted of begin at 0.

    A counter that is first seen at 1 hides its first step from ``increase()``.
    """
    yield from _of_calls(scene.counts)
    yield from _of_lookups(scene.counts)
    yield from _of_providers(scene)
    yield from _of_trunks(scene)
    yield from _of_asterisks(scene)
    yield from _of_service(scene)


def _of_calls(counts: Metrics) -> Iterator[tuple[Entry, Rows]]:
    yield of.CALLS, counts.calls.items()
    yield of.DECISION, [((), counts.decision)]
    yield of.ENDINGS, _single(counts.endings)


def _of_lookups(counts: Metrics) -> Iterator[tuple[Entry, Rows]]:
    whole = {labels: n for labels, n in counts.lookups.items() if not _is_of_number(labels[1])}
    numbers = {
        (provider, outcome.removeprefix(_PER_NUMBER)): n
        for (provider, outcome), n in counts.lookups.items()
        if _is_of_number(outcome)
    }
    yield of.LOOKUPS, whole.items()
    yield of.LOOKUP, counts.lookup.items()
    yield of.NUMBERS, numbers.items()
    yield of.STRANGERS, _single(counts.strangers)
    yield of.CACHE, counts.cache.items()
    yield of.AVOIDED, _single(counts.avoided)


def _is_of_number(outcome: str) -> bool:
    return outcome.startswith(_PER_NUMBER)


def _of_providers(scene: Scene) -> Iterator[tuple[Entry, Rows]]:
    counts = scene.counts
    states = [
        state for one in scene.told if one.get("role") == "dipper" for state in one["providers"]
    ]
    spent = _zeros((one["provider"], money[1]) for one in states if (money := _spent(one)))
    cost = {labels: float(amount) for labels, amount in counts.cost.items()}
    saved = {(currency,): float(amount) for currency, amount in counts.saved.items()}
    yield of.COST, (spent | cost).items()
    yield of.SAVED, (_zeros((currency,) for _, currency in spent) | saved).items()
    yield of.BUDGET, [((str(one["provider"]), m[1]), m[0]) for one in states if (m := _left(one))]
    yield of.PROVIDER_UP, _each(states, lambda one: _is_up(one, counts))
    yield of.BREAKER, _each(states, lambda one: _BREAKER.get(str(one["breaker"]).split()[0], 2))
    probed = [one for one in states if one.get("probe") in _RESULTS]
    none = _zeros((str(one["provider"]), result) for one in probed for result in _RESULTS)
    yield of.PROBES, (none | counts.probes).items()
    yield of.PROBE_OK, _each(probed, lambda one: one["probe"] == "ok")


def _is_up(state: Mapping[str, Any], counts: Metrics) -> bool:
    times, cause, _ = counts.failing.get(state["provider"], (0, "", ""))
    fails = cause == "account" or times >= IN_A_ROW
    return state["breaker"] == "closed" and not state.get("trouble") and not fails


def _spent(state: Mapping[str, Any]) -> tuple[float, str] | None:
    return _money(state.get("spent_today"))


def _left(state: Mapping[str, Any]) -> tuple[float, str] | None:
    return _money(state.get("budget_left"))


def _money(text: str | None) -> tuple[float, str] | None:
    """Read ``12.3 EUR``, as a dipper's report has it."""
    if not text:
        return None
    amount, _, currency = text.partition(" ")
    return float(amount), currency


def _of_trunks(scene: Scene) -> Iterator[tuple[Entry, Rows]]:
    none = Totals()
    totals = dict.fromkeys(scene.standing, none) | dict(scene.totals)
    yield (
        of.ATTEMPTS,
        [
            ((trunk, outcome), one.outcomes.get(outcome, 0))
            for trunk, one in totals.items()
            for outcome in Outcome
        ],
    )
    yield of.SEIZURES, _by_trunk(totals, lambda one: one.seizures)
    yield of.ANSWERED, _by_trunk(totals, lambda one: one.answered)
    yield of.EFFECTIVE, _by_trunk(totals, _effective)
    yield (
        of.CAUSES,
        [
            ((trunk, str(cause)), n)
            for trunk, one in totals.items()
            for cause, n in one.causes.items()
        ],
    )
    yield of.MARKED, _by_trunk(totals, lambda one: one.marked)
    yield of.TALK, _by_trunk(totals, lambda one: one.talk_s)
    yield of.PDD, _by_trunk(totals, _pdd)
    yield of.OPEN, _single(dict.fromkeys(totals, 0) | dict(scene.open_calls))
    yield (
        of.STATE,
        [
            ((trunk, state), float(one.state is state))
            for trunk, one in scene.standing.items()
            for state in State
        ],
    )
    yield of.PINNED, [((trunk,), float(one.pinned)) for trunk, one in scene.standing.items()]


def _by_trunk(totals: Mapping[str, Totals], read: Callable[[Totals], Reading]) -> Rows:
    return [((trunk,), read(one)) for trunk, one in totals.items()]


def _effective(totals: Totals) -> float:
    return sum(totals.outcomes.get(outcome, 0) for outcome in EFFECTIVE)


def _pdd(totals: Totals) -> Latency:
    latency = Latency(_BOUNDS)
    latency.add([*totals.pdd, totals.pdd_sum_s])
    return latency


def _of_asterisks(scene: Scene) -> Iterator[tuple[Entry, Rows]]:
    seen = scene.asterisks.items()
    yield of.CONNECTED, [((name,), float(one.connected)) for name, one in seen]
    yield of.GAP, [((name,), one.gap_s) for name, one in seen]
    yield of.GAPS, [((name,), one.gaps) for name, one in seen]
    yield of.EVENTS, [((name,), one.events) for name, one in seen]
    yield of.DROPPED, [((name,), one.dropped) for name, one in seen]
    yield of.AMI_LAG, [((name,), one.lag_s) for name, one in seen]
    yield of.UNVERIFIED, [((), scene.unverified)]
    yield of.AGI, [((), scene.theirs)]
    yield of.OURS, [((), scene.ours)]


def _of_service(scene: Scene) -> Iterator[tuple[Entry, Rows]]:
    counts = scene.counts
    yield of.SECURITY, _single(dict.fromkeys(_SECURITY, 0) | dict(scene.security))
    yield of.LEVEL, [((), scene.level)]
    yield of.LEVEL_PINNED, [((), scene.pinned)]
    yield of.LAG, [((role,), one) for role, one in _lags(scene).items()]
    roles = Counter(str(one["role"]) for one in _all(scene))
    yield of.PROCESSES, _single({"router": 0, "dipper": 0, "noc": 0} | dict(roles))
    yield of.CONNECTIONS, _single(_connections(scene))
    yield of.TABLE, [((str(one["table"]),), 1.0) for one in _by_table(scene)]
    yield of.BUILD, [((scene.version,), 1.0)]
    yield of.RELOADS, _single({"ok": 0, "refused": 0} | dict(counts.reloads))
    yield of.LOG_DROPPED, [((), counts.dropped["log"])]
    yield of.JOURNAL_DROPPED, [((), counts.dropped["journal"])]
    yield of.ODDITIES, counts.oddities.items()


def _lags(scene: Scene) -> Mapping[str, Latency]:
    roles = {str(one["role"]): Latency(LAG_SECONDS) for one in _all(scene)}
    return roles | dict(scene.counts.lag)


def _connections(scene: Scene) -> Mapping[str, float]:
    held: Counter[str] = Counter()
    for one in _all(scene):
        if one["role"] == "router":
            held["router"] += int(one["connections"][0])
        else:  # a dipper's routers, or noc's
            held[str(one["role"])] += int(one["routers"])
    return held


def _by_table(scene: Scene) -> Iterable[Mapping[str, Any]]:
    """Return one process for each version; equal ones would be added up."""
    return {str(one["table"]): one for one in _all(scene) if one.get("table")}.values()


def _all(scene: Scene) -> Iterator[Mapping[str, Any]]:
    """Yield what every process says of itself, noc too."""
    yield from scene.told
    if scene.noc:
        yield scene.noc


# ---- small readings ------------------------------------------------------------------------


def _single(counts: Mapping[str, float]) -> Rows:
    return [((label,), n) for label, n in counts.items()]


def _zeros(labels: Iterable[tuple[str, ...]]) -> dict[Any, float]:
    return dict.fromkeys(labels, 0.0)


def _each(states: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], float]) -> Rows:
    return [((str(one["provider"]),), float(read(one))) for one in states]
