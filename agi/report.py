"""What ``dialdip status`` says: what is wrong, then what runs; all processes added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from agi.brownout.ladder import Level
from agi.brownout.reached import NONE_NEEDED
from agi.lookup.money import shown
from agi.metrics import Latency, Metrics
from agi.model import Source

FULL: Final = 0.9
"""From this share of the connections on, the port is said to be nearly full."""

SLOW_SHARE: Final = 0.1
"""From this share of calls without a network on, lookups are said to fail."""

IN_A_ROW: Final = 3
"""So many requests fail in a row before a provider is said to; an account's refusal at once."""

RECENT_S: Final = 300.0
"""What happened longer ago is counted on, but is no trouble of now."""

TRIPPED_S: Final = 60.0
"""A limit that stopped a call within so many seconds is a trouble of now."""

STORE_TROUBLES: Final = frozenset(
    f"store-{what}" for what in ("corrupt", "failed", "write", "dropped", "not-erased")
)

PROBED: Final = {
    "wrong": "answers wrongly: its probe is known to be in another network",
    "missing": "has no answer for its probe",
}
"""What is said of an account whose last probe did not bring the network that is known."""

ENOUGH: Final = 20
"""So many calls are needed before a share means anything."""

Told = Mapping[str, Any]
"""What one process says of itself; see ``report`` of the processes."""

_MISSING: Final[Told] = {"providers": (), "store": "", "routers": 0, "remembered": 0}


def combine(told: Sequence[Told], silent: Mapping[str, bool]) -> dict[str, object]:
    """Return the report as JSON values; ``troubles`` is empty when all is well.

    ``told`` is what the processes said, ``silent`` the names of those that did not answer, and
    whether there is such a process at all.
    """
    routers = [one for one in told if one["role"] == "router"]
    dipper = next((one for one in told if one["role"] == "dipper"), None)
    metrics = Metrics()
    for one in told:
        metrics.absorb(one["counts"])
    return {
        "troubles": [
            *(_silent(name, there=there) for name, there in silent.items()),
            *_of_processes(routers, dipper, silent),
            *_of_ladders(routers),
            *_of_tables(told, dipper),
            *_of_limits(routers),
            *_of_lookups(metrics, dipper),
            *_of_endings(metrics, routers),
            *_of_odds(metrics, told),
            *(trouble for one in told for trouble in one.get("troubles", ())),
        ],
        "hints": [
            *_hints(dipper),
            *_pinned_live(routers),
            *(hint for one in told for hint in one.get("hints", ())),
        ],
        "service": _service(metrics, routers, dipper or _MISSING) | _web(told),
        "calls": [
            {"labels": labels, "count": count} for labels, count in metrics.calls.most_common()
        ],
        "providers": [_provider(metrics, one) for one in (dipper or _MISSING)["providers"]],
        "cache": {f"{tier} {result}": count for (tier, result), count in metrics.cache.items()},
        "avoided": dict(metrics.avoided.most_common()),
        "money": _money(metrics),
        "oddities": {f"{what} {who}": n for (what, who), n in metrics.oddities.most_common()},
        "refused": dict(metrics.refused.most_common()),
        "processes": [_process(one) for one in told],
    }


def _service(metrics: Metrics, routers: Sequence[Told], dipper: Told) -> dict[str, object]:
    tables = sorted({str(one["table"]) for one in routers})
    used = sum(one["connections"][0] for one in routers)
    room = sum(one["connections"][1] for one in routers)
    return {
        "uptime_s": round(max((one["uptime_s"] for one in routers), default=0)),
        "fastagi": next((one["fastagi"] for one in routers), None),
        "table": " and ".join(tables),
        "country": next((one["country"] for one in routers), None),
        "calls": sum(metrics.calls.values()),
        "committed": metrics.endings["committed"],
        "decision_p50_ms": _ms(metrics.decision, 0.5),
        "decision_p99_ms": _ms(metrics.decision, 0.99),
        "connections": f"{used} of {room}",
        "numbers_remembered": max((one["remembered"] for one in (*routers, dipper)), default=0),
        "store": dipper["store"],
        "reloads": max((one["counts"]["reloads"].get("ok", 0) for one in routers), default=0),
    }


def _web(told: Sequence[Told]) -> dict[str, object]:
    noc = next((one for one in told if one["role"] == "noc"), None)
    return {} if noc is None else {"web": noc["web"]}


def _process(one: Told) -> dict[str, object]:
    return {
        "process": f"{one['role']}-{one['index']}",
        "pid": one["pid"],
        "uptime_s": round(one["uptime_s"]),
        "table": one["table"],
        "calls": sum(row[-1] for row in one["counts"]["calls"]),
    }


def _provider(metrics: Metrics, state: Told) -> dict[str, object]:
    name = state["provider"]
    return {
        "provider": name,
        "breaker": state["breaker"],
        "asked": metrics.lookup_of(name).count,
        "p50_ms": state.get("p50_ms"),
        "p95_ms": state.get("p95_ms"),
        "answers": _outcomes(metrics, name),
        "strangers": metrics.strangers[name],
        "budget_left": state.get("budget_left"),
    }


def _money(metrics: Metrics) -> dict[str, str]:
    spent = {f"spent at {name}": f"{shown(sum_)} {of}" for (name, of), sum_ in metrics.cost.items()}
    saved = {f"not spent (same route), {of}": shown(sum_) for of, sum_ in metrics.saved.items()}
    return spent | saved


def _ms(latency: Latency, share: float) -> float | str | None:
    value = latency.quantile(share)
    if value is None:
        return None
    return "over 2500" if value == float("inf") else round(value * 1000, 2)


def _outcomes(metrics: Metrics, provider: str) -> str:
    return " ".join(
        f"{outcome}={count}"
        for (name, outcome), count in metrics.lookups.most_common()
        if name == provider and not outcome.startswith("number-")
    )


# ---- what is wrong -----------------------------------------------------------------------


def _silent(name: str, *, there: bool) -> str:
    if there:
        return f"{name} does not answer: it is frozen"
    if name == "noc-0":
        return "no noc runs: nobody hears Asterisk, trunks count as up, and there are no metrics"
    return f"{name} is gone: it was killed, and is being replaced unless its log says why not"


def _of_processes(
    routers: Sequence[Told], dipper: Told | None, silent: Mapping[str, bool]
) -> Iterator[str]:
    if not routers:
        yield "no router answers: calls take the dialplan's default"
    if dipper is None and "dipper-0" not in silent:
        yield "no dipper runs: calls go by memory, stale, range or default"
    for one in routers:
        if one["dipper"] != "connected":
            yield f"router-{one['index']} has no dipper: it is {one['dipper']}"
        if one["connections"][0] > one["connections"][1] * FULL:
            used, room = one["connections"]
            yield f"router-{one['index']}: {used} of {room} connections are in use"


def _of_ladders(routers: Sequence[Told]) -> Iterator[str]:
    """Say how far the routers have stepped down: the lowest level of them, and why."""
    ladders = [one["ladder"] for one in routers if "ladder" in one]
    lowest = max(ladders, key=lambda one: one["shown"], default=None)
    if lowest is None or not lowest["shown"]:
        return
    pinned = ", pinned" if lowest["pinned"] else ""
    yield f"brown-out, level {Level(lowest['shown']).word}{pinned}: {lowest['why']}".rstrip(": ")


def _pinned_live(routers: Sequence[Told]) -> Iterator[str]:
    """Say that a person keeps the routers asking, which hurts no call by itself."""
    ladders = [one["ladder"] for one in routers if "ladder" in one]
    held = next((one for one in ladders if one["pinned"] and not one["level"]), None)
    if held is not None:
        yield f"the brown-out ladder is pinned at live: {held['why']}".rstrip(": ")


def _of_tables(told: Sequence[Told], dipper: Told | None) -> Iterator[str]:
    running = sorted({str(one["table"]) for one in told if one["table"]})
    if len(running) > 1:
        who = ", ".join(f"{one['role']}-{one['index']} {one['table']}" for one in told)
        yield f"the processes have different tables ({who}): reload, and see what is refused"
    standing = (dipper or _MISSING).get("tables", {})
    active = standing.get("active", "")
    if active and running and active not in running:
        yield f"version {active} is active, and {running[0]} runs: reload, and see what is refused"
    if standing.get("store"):
        yield str(standing["store"])
    yield from sorted({alarm for one in told for alarm in one.get("alarms", ())})


def _of_limits(routers: Sequence[Told]) -> Iterator[str]:
    """Say which limits stop calls just now: how many accounts', never whose or to which number."""
    recent: dict[tuple[str, str], tuple[int, int]] = {}
    for one in routers:
        for trip in one.get("limits", ()):
            if trip["ago_s"] < TRIPPED_S:
                key = trip["limit"].removeprefix("limits-"), trip["level"]
                accounts, calls = recent.get(key, (0, 0))
                recent[key] = max(accounts, trip["accounts"]), calls + trip["calls"]
    for (row, level), (accounts, calls) in recent.items():
        what = f"limits.csv line {row} ({level}) stops calls"
        yield f"{what}: {calls} so far, of {accounts} account{'' if accounts == 1 else 's'}"


def _hints(dipper: Told | None) -> Iterator[str]:
    copy = (dipper or _MISSING).get("tables", {}).get("copy")
    if copy == "differs":
        yield "the tables' working copy differs from what runs: dialdip table diff active"
    elif copy == "unreadable":
        yield "the tables' working copy cannot be read; what runs does not need it"


def _of_lookups(metrics: Metrics, dipper: Told | None) -> Iterator[str]:
    states = [] if dipper is None else dipper["providers"]
    if dipper is not None and not states:
        yield "no provider is configured: every call goes by prefix or default"
    for state in states:
        yield from _of_provider(metrics, state)
    yield from () if dipper is None else dipper.get("unasked", ())
    yield from _blind(metrics)


def _blind(metrics: Metrics) -> Iterator[str]:
    """Say how many of the calls that need a network had none."""
    needed = {of: n for of, n in metrics.calls.items() if of[2] not in NONE_NEEDED}
    reasons: Counter[str] = Counter()
    for (_, source, reason), count in needed.items():
        if source == Source.DEFAULT:
            reasons[reason] += count
    calls, blind = sum(needed.values()), sum(reasons.values())
    if calls >= ENOUGH and blind > calls * SLOW_SHARE:
        why = reasons.most_common(1)[0][0]
        yield f"{blind} of {calls} calls went out without a network, mostly: {why}"


def _of_provider(metrics: Metrics, state: Told) -> Iterator[str]:
    name = state["provider"]
    times, cause, detail = metrics.failing.get(name, (0, "", ""))
    if cause == "account" or times >= IN_A_ROW:
        yield f"provider {name} fails, {times} in a row, lastly: {cause} {detail}".rstrip()
    if state["breaker"] != "closed":
        why = f" ({state['why']})" if state.get("why") else ""
        yield f"provider {name} is not asked: {state['breaker']}{why}"
    if state.get("trouble"):
        yield f"provider {name}: {state['trouble']}"
    if state.get("probe") in PROBED:
        yield f"provider {name} {PROBED[state['probe']]}"
    left = state.get("budget_left")
    if left is not None and float(left.partition(" ")[0]) <= 0:
        yield f"provider {name}: the money of the day is spent"


def _of_endings(metrics: Metrics, routers: Sequence[Told]) -> Iterator[str]:
    for ending, what in (
        ("failed", "calls failed by a fault of dialdip itself, see the log"),
        ("no-reply", "answers were not confirmed by Asterisk"),
        ("shed", "connections were shed for want of descriptors"),
    ):
        ago = [one["trouble_s"][ending] for one in routers if ending in one["trouble_s"]]
        if ago and min(ago) < RECENT_S:
            yield f"{metrics.endings[ending]} {what}, the last {min(ago):.0f} s ago"


def _of_odds(metrics: Metrics, told: Sequence[Told]) -> Iterator[str]:
    dropped = sum(one["log_dropped"] for one in told)
    if dropped:
        yield f"{dropped} log lines were dropped: the log's reader is too slow"
    if any(one["counts"]["reload_refused"] for one in told):
        yield "a reload was refused: the tables or the configuration on disk have faults"
    yield from _of_stores(metrics, told)
    lost = sum(one["journal"]["dropped"] for one in told if "journal" in one)
    if lost:
        why = {str(one["journal"]["trouble"]) for one in told if "journal" in one} - {""}
        yield f"{lost} decisions are not in the journal: {', '.join(sorted(why)) or 'it recovered'}"


def _of_stores(metrics: Metrics, told: Sequence[Told]) -> Iterator[str]:
    last = {name: ago for one in told for name, ago in one.get("trouble_s", {}).items()}
    for (what, who), count in metrics.oddities.items():
        ago = last.get(f"{what} {who}", 0.0)
        # What was not erased stays a trouble until the process ends: a person has to repeat it.
        if what in STORE_TROUBLES and (ago < RECENT_S or what == "store-not-erased"):
            word = what.removeprefix("store-")
            yield f"the {who} store: {word}, {count} times, the last {ago:.0f} s ago"
