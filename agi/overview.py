"""What ``dialdip top`` shows: one moment of the whole service as JSON values, troubles first.

Counts are those since the beginning; ``lately`` makes of two moments what happened between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from agi.ami.figures import Kpi
from agi.ami.seen import AsteriskSeen
from agi.metrics import Latency
from agi.model import Action
from agi.report import combine
from agi.routing.standing import Standing, State
from agi.scene import Scene

LEVELS: Final = ("live", "cache", "range", "default")
"""The brown-out ladder's levels, as people write them."""

WORST_FIRST: Final = (State.DOWN, State.TRIAL, State.DEGRADED, State.UP)

BUSIEST: Final = 50
"""So many countries and networks are told; who wants all of them reads the metrics."""

LATE_S: Final = 1.0
"""Events that are read so late are a trouble."""

Told = Mapping[str, Any]


def overview(scene: Scene) -> dict[str, Any]:
    """Return one moment as JSON values; ``troubles`` is empty when all is well."""
    told: list[Told] = [*scene.told, *([scene.noc] if "role" in scene.noc else [])]
    status: dict[str, Any] = combine(told, scene.silent)
    return {
        "at": scene.at,
        "version": scene.version,
        "troubles": [*status["troubles"], *_troubles(scene)],
        "hints": [*status["hints"], *_hints(scene)],
        "service": status["service"],
        "brownout": {
            "level": LEVELS[scene.level],
            "why": scene.level_why,
            "pinned": scene.pinned,
        },
        "calls": _calls(scene),
        "providers": [_provider(scene, one) for one in _states(scene.told)],
        "trunks": _trunks(scene),
        "countries": _busiest(scene.countries),
        "networks": _busiest(scene.networks),
        "asterisks": [_asterisk(name, one) for name, one in sorted(scene.asterisks.items())],
        "security": dict(scene.security),
        "unverified": scene.unverified,
        "money": status["money"],
        "processes": status["processes"],
    }


def lately(now: Told, before: Told) -> dict[str, Any]:
    """Return what happened between two moments of ``overview``, in the form of its ``calls``.

    ``seconds`` is the time between them. A service that began anew meanwhile has no past.
    """
    calls, earlier = now["calls"], before["calls"]
    seconds = now["at"] - before["at"]
    if seconds <= 0 or calls["total"] < earlier["total"]:
        return {**calls, "seconds": None}
    total = calls["total"] - earlier["total"]
    decision = _less(calls["decision"], earlier["decision"])
    agi = _less(calls["agi"], earlier["agi"])
    return {
        "seconds": seconds,
        "per_s": round(total / seconds, 2),
        "total": total,
        "rejected": calls["rejected"] - earlier["rejected"],
        "sources": _difference(calls["sources"], earlier["sources"]),
        "decision": decision,
        "agi": agi,
        **_quantiles(decision, agi),
    }


def answered_lately(provider: Told, before: Told | None) -> tuple[int, int]:
    """Return a provider's good answers and all requests between two moments, or ever."""
    if before is None or provider["requests"] < before["requests"]:
        return provider["ok"], provider["requests"]
    return provider["ok"] - before["ok"], provider["requests"] - before["requests"]


# ---- calls -------------------------------------------------------------------------------


def _calls(scene: Scene) -> dict[str, Any]:
    sources: dict[str, int] = {}
    rejected = 0
    for (action, source, _), count in scene.counts.calls.items():
        sources[str(source)] = sources.get(str(source), 0) + count
        rejected += count if action == Action.REJECT else 0
    decision, agi = _histogram(scene.counts.decision), _histogram(scene.theirs)
    return {
        "per_s": round(scene.calls_per_s, 2),
        "total": sum(sources.values()),
        "rejected": rejected,
        "sources": dict(sorted(sources.items(), key=lambda pair: -pair[1])),
        "decision": decision,
        "agi": agi,
        **_quantiles(decision, agi),
    }


def _histogram(latency: Latency) -> dict[str, Any]:
    *counts, total = latency.values()
    return {"bounds_s": list(latency.bounds), "counts": counts, "sum_s": total}


def _quantiles(decision: Told, agi: Told) -> dict[str, object]:
    return {
        "p50_ms": _ms(decision, 0.5),
        "p99_ms": _ms(decision, 0.99),
        "agi_p50_ms": _ms(agi, 0.5),
        "agi_p95_ms": _ms(agi, 0.95),
    }


def _ms(histogram: Told, share: float) -> float | str | None:
    bounds = tuple(histogram["bounds_s"])
    latency = Latency(bounds)
    latency.add([*histogram["counts"], 0.0])
    value = latency.quantile(share)
    if value is None:
        return None
    return f"over {bounds[-1] * 1000:g}" if value == float("inf") else round(value * 1000, 2)


def _less(now: Told, before: Told) -> dict[str, Any]:
    """Return what a histogram counted since ``before``."""
    if now["bounds_s"] != before["bounds_s"]:
        return dict(now)
    pairs = zip(now["counts"], before["counts"], strict=True)
    return {
        "bounds_s": now["bounds_s"],
        "counts": [max(0, a - b) for a, b in pairs],
        "sum_s": max(0.0, now["sum_s"] - before["sum_s"]),
    }


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    found = {name: count - before.get(name, 0) for name, count in now.items()}
    return {name: count for name, count in found.items() if count > 0}


# ---- providers, trunks, Asterisks --------------------------------------------------------


def _states(told: Sequence[Told]) -> Iterator[Told]:
    for one in told:
        yield from one.get("providers", ())


def _provider(scene: Scene, state: Told) -> dict[str, Any]:
    name = state["provider"]
    requests = {
        outcome: count
        for (provider, outcome), count in scene.counts.lookups.items()
        if provider == name and not outcome.startswith("number-")
    }
    return {
        "provider": name,
        "breaker": state["breaker"],
        "why": state.get("why") or state.get("trouble") or "",
        "requests": sum(requests.values()),
        "ok": requests.get("ok", 0),
        "outcomes": requests,
        "p50_ms": state.get("p50_ms"),
        "p95_ms": state.get("p95_ms"),
        "probe": state.get("probe", "none"),
        "spent_today": state.get("spent_today"),
        "budget_left": state.get("budget_left"),
    }


def _trunks(scene: Scene) -> list[dict[str, Any]]:
    names = {*scene.standing, *scene.trunks, *scene.open_calls}
    found = [_trunk(scene, name) for name in sorted(names)]

    def place(one: Told) -> tuple[bool, int, int]:
        return not one["in_tables"], WORST_FIRST.index(one["state"]), -one["calls"]

    return sorted(found, key=place)


def _trunk(scene: Scene, name: str) -> dict[str, Any]:
    standing = scene.standing.get(name, Standing(State.UP))
    return {
        "trunk": name,
        "in_tables": name in scene.standing,
        "state": str(standing.state),
        "pinned": standing.pinned,
        "why": standing.why,
        "quality": standing.quality,
        "calls": scene.open_calls.get(name, standing.calls or 0),
        "windows": _windows(scene.trunks.get(name, {})),
    }


def _busiest(found: Mapping[str, Mapping[int, Kpi]]) -> dict[str, dict[str, Any]]:
    def attempts(name: str) -> int:
        return max((kpi.attempts for kpi in found[name].values()), default=0)

    names = sorted(found, key=lambda name: (-attempts(name), name))[:BUSIEST]
    return {name: _windows(found[name]) for name in names}


def _windows(kpis: Mapping[int, Kpi]) -> dict[str, dict[str, Any]]:
    return {str(window): _figures(kpi) for window, kpi in sorted(kpis.items())}


def _figures(kpi: Kpi) -> dict[str, Any]:
    p50, p95, mean = kpi.pdd_s
    return {
        "attempts": kpi.attempts,
        "seizures": kpi.seizures,
        "answered": kpi.answered,
        "marked": kpi.marked,
        "asr": _rounded(kpi.asr),
        "ner": _rounded(kpi.ner),
        "acd_s": _rounded(kpi.acd_s),
        "pdd_p50_s": _rounded(p50),
        "pdd_p95_s": _rounded(p95),
        "pdd_mean_s": _rounded(mean),
        "cps": round(kpi.cps, 3),
        "causes": {str(cause): count for cause, count in kpi.causes.items()},
        "outcomes": dict(kpi.outcomes),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _asterisk(name: str, seen: AsteriskSeen) -> dict[str, Any]:
    return {
        "asterisk": name,
        "connected": seen.connected,
        "version": seen.version,
        "trouble": seen.trouble,
        "gap_s": round(seen.gap_s, 1),
        "gaps": seen.gaps,
        "events": seen.events,
        "dropped": seen.dropped,
        "lag_s": round(seen.lag_s, 3),
    }


# ---- what is wrong -----------------------------------------------------------------------


def _troubles(scene: Scene) -> Iterator[str]:
    """Yield what noc would say of itself, where its own report is not part of the scene."""
    if "role" not in scene.noc:
        yield from heard(scene.asterisks, scene.standing)


def heard(asterisks: Mapping[str, AsteriskSeen], standing: Mapping[str, Standing]) -> Iterator[str]:
    """Yield what noc itself knows to be wrong: PBXs that are not heard, trunks that fail."""
    for name, seen in sorted(asterisks.items()):
        if not seen.connected:
            yield f"Asterisk {name} is not heard: {seen.trouble or 'not connected'}"
            continue
        if seen.trouble:
            yield f"Asterisk {name}: {seen.trouble}"
        if seen.lag_s > LATE_S:
            yield f"Asterisk {name}: its events are read {seen.lag_s:.1f} s late"
    for name, one in sorted(standing.items()):
        if one.state in {State.DOWN, State.DEGRADED} and not one.pinned:
            yield f"trunk {name} is {one.state}: {one.why}".rstrip(": ")


def pinned(standing: Mapping[str, Standing]) -> Iterator[str]:
    """Yield which trunks a person holds in a state."""
    for name, one in sorted(standing.items()):
        if one.pinned:
            yield f"trunk {name} is pinned {one.state}: {one.why}".rstrip(": ")


def _hints(scene: Scene) -> Iterator[str]:
    """Say what a person did, and what was refused: it may be meant, or long over."""
    if "role" not in scene.noc:
        yield from pinned(scene.standing)
    refused = ", ".join(f"{kind} {count}" for kind, count in sorted(scene.security.items()))
    if refused:
        yield f"refused since the beginning: {refused}"
