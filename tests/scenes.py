"""A made moment of a busy site, for the tests and the picture of whoever shows it.

``made(n)`` is the n-th second of it: counters have grown in proportion, so that rates are known.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from agi.ami.figures import PDD_BOUNDS, Kpi, Outcome, Totals
from agi.ami.seen import AsteriskSeen
from agi.metrics import Latency, Metrics
from agi.routing.standing import Standing, State
from agi.scene import Scene

AT = 1_795_290_454.0  # 2026-11-21 19:47:34 UTC
TABLE = "000042-1a2b3c4d"


def metrics(n: int) -> Metrics:
    """What ``n`` seconds of 100 calls/s count: 80 memory, 12 live, 5 store, 2 range, 1 rejected."""
    found = Metrics()
    found.calls["route", "memory", "ok"] = 80 * n
    found.calls["route", "live", "ok"] = 12 * n
    found.calls["route", "store", "ok"] = 5 * n
    found.calls["route", "range", "timeout"] = 2 * n
    found.calls["reject", "policy", "denied"] = n
    found.endings["committed"] = 100 * n
    for seconds, times in ((0.0004, 80), (0.04, 18), (0.7, 2)):
        repeat(found.decision, seconds, times * n)
    found.lookups["npl", "ok"] = 12 * n
    found.lookups["npl", "number-ok"] = 12 * n
    found.lookups["lanck", "timeout"] = 2 * n
    repeat(found.lookup["npl", "ok"], 0.04, 12 * n)
    repeat(found.lookup["lanck", "timeout"], 0.7, 2 * n)
    repeat(found.lag["router"], 0.0015, 10 * n)
    repeat(found.lag["dipper"], 0.0008, 10 * n)
    found.probes["npl", "ok"] = n // 10
    found.probes["lanck", "missing"] = n // 20
    found.dropped["log"] = 0
    found.dropped["journal"] = 0
    found.oddities["hedged", "npl"] = n // 5
    found.cache["memory", "hit"], found.cache["memory", "miss"] = 80 * n, 20 * n
    found.cache["store", "hit"], found.cache["store", "miss"] = 5 * n, 15 * n
    found.avoided["same-route"] = 3 * n
    found.cost["npl", "EUR"] = Decimal("0.072") * n
    found.saved["EUR"] = Decimal("0.018") * n
    found.refused["misrouted_pattern"] = n // 10
    found.reloads["ok"] = 1
    return found


def repeat(latency: Latency, seconds: float, times: int) -> None:
    """Observe the same duration many times at the cost of one."""
    before = latency.values()
    latency.observe(seconds)
    step = [a - b for a, b in zip(latency.values(), before, strict=True)]
    latency.add([one * (times - 1) for one in step])


def router(n: int, index: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "role": "router",
        "index": index,
        "pid": 100 + index,
        "uptime_s": float(n),
        "fastagi": "127.0.0.1:4573",
        "country": "GB",
        "table": TABLE,
        "connections": [3, 896],
        "remembered": 61_204,
        "dipper": "connected",
        "log_dropped": 0,
        "trouble_s": {},
        "counts": (metrics(n) if index == 0 else Metrics()).snapshot(),
        **changed,
    }


def provider(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "provider": name,
        "kind": "comcetera",
        "breaker": "closed",
        "why": "",
        "trouble": "",
        "p50_ms": 38.0,
        "p95_ms": 71.5,
        "connections": "1 of 4",
        "spent_today": "3.21 EUR",
        "budget_left": "46.79 EUR",
        "probe": "ok",
        **changed,
    }


def dipper(n: int, **changed: Any) -> dict[str, Any]:
    return {
        "role": "dipper",
        "index": 0,
        "pid": 102,
        "uptime_s": float(n),
        "table": TABLE,
        "routers": 2,
        "remembered": 61_204,
        "store": "sqlite",
        "log_dropped": 0,
        "trouble_s": {},
        "providers": [
            provider("npl"),
            provider("lanck", breaker="open", why="timeout", p50_ms=None, p95_ms=None, probe="-"),
        ],
        "unasked": [],
        "counts": Metrics().snapshot(),
        **changed,
    }


def kpi(window_s: int, attempts: int, answered: int, failed: int = 0, **changed: Any) -> Kpi:
    """A window in which whoever was not answered and did not fail was busy."""
    busy = attempts - answered - failed
    values: dict[str, Any] = {
        "window_s": window_s,
        "attempts": attempts,
        "seizures": attempts,
        "answered": answered,
        "effective": attempts - failed,
        "marked": 0,
        "talk_s": answered * 182.0,
        "pdd_s": (1.4, 3.2, 1.7) if attempts > failed else (None, None, None),
        "cps": attempts / window_s,
        "causes": {16: answered, 17: busy, 34: failed},
        "outcomes": {Outcome.ANSWERED: answered, Outcome.BUSY: busy, Outcome.FAILED: failed},
    }
    return Kpi(**{**values, **changed})


def windows(attempts: int, answered: int, failed: int = 0) -> dict[int, Kpi]:
    """Three windows of the same steady traffic, ``attempts`` a minute."""
    return {
        w: kpi(w, *(n * w // 60 for n in (attempts, answered, failed))) for w in (60, 300, 3600)
    }


def totals(n: int, attempts: int, answered: int, failed: int = 0) -> Totals:
    """Counters of a trunk after ``n`` seconds of so many a second."""
    found = Totals()
    busy = attempts - answered - failed
    found.outcomes = {
        Outcome.ANSWERED: answered * n,
        Outcome.BUSY: busy * n,
        Outcome.FAILED: failed * n,
    }
    found.causes = {16: answered * n, 17: busy * n, 34: failed * n}
    found.seizures, found.answered = attempts * n, answered * n
    found.talk_s = answered * n * 182.0
    found.pdd = [0] * (len(PDD_BOUNDS) + 1)
    found.pdd[1], found.pdd[3] = answered * n, busy * n
    found.pdd_sum_s = answered * n * 0.8 + busy * n * 2.5
    return found


STANDING = {
    "uk-a": Standing(State.UP, quality=0.97, calls=112),
    "uk-b": Standing(State.DOWN, quality=0.1, calls=0, why="5 failures in a row, cause 34"),
    "uk-c": Standing(State.DEGRADED, quality=0.62, calls=14, why="7 of the last 20 failed"),
    "de-a": Standing(State.UP, quality=0.95, calls=40),
    "transit": Standing(State.UP, pinned=True, quality=0.9, calls=8, why="test, until 20:00"),
}


def ladder(level: int = 0, level_why: str = "", *, pinned: bool = False) -> dict[str, Any]:
    """What a router says of its rung."""
    return {"level": level, "shown": level, "why": level_why, "pinned": pinned, "until": None}


def made(n: int = 100, **changed: Any) -> Scene:
    """The ``n``-th second: trunk uk-b is down, provider lanck open, PBX pbx2 not heard."""
    rung = {k: v for k, v in changed.items() if k in {"level", "level_why", "pinned"}}
    latency = Latency()
    repeat(latency, 0.003, 95 * n)
    repeat(latency, 0.05, 5 * n)
    scene = Scene(
        at=AT + n,
        version="0.1.0",
        told=[router(n, ladder=ladder(**rung)), router(n, 1, ladder=ladder()), dipper(n)],
        silent={},
        counts=metrics(n),
        totals={
            "uk-a": totals(n, 40, 28, 1),
            "uk-b": totals(n, 10, 0, 10),
            "uk-c": totals(n, 10, 5, 4),
            "de-a": totals(n, 10, 8),
            "transit": totals(n, 4, 3),
        },
        open_calls={"uk-a": 112, "uk-b": 0, "uk-c": 14, "de-a": 40, "transit": 8},
        trunks={
            "uk-a": windows(600, 420, 6),
            "uk-b": windows(60, 0, 60),
            "uk-c": windows(60, 30, 21),
            "de-a": windows(120, 96),
            "transit": windows(24, 18),
        },
        countries={"GB": windows(720, 450, 87), "DE": windows(120, 96)},
        networks={"23415": windows(300, 200, 10), "other": windows(30, 20)},
        standing=STANDING,
        asterisks={
            "pbx1": AsteriskSeen(
                connected=True,
                version="22.10.0",
                gap_s=12.5,
                gaps=1,
                events=1_204 * n,
                dropped=0,
                lag_s=0.004,
            ),
            "pbx2": AsteriskSeen(
                connected=False,
                version="",
                gap_s=31.0,
                gaps=2,
                events=0,
                dropped=0,
                lag_s=0.0,
                trouble="refused",
            ),
        },
        security={"misrouted_pattern": n // 10, "ami-injection": 1},
        theirs=latency,
        ours=latency,
        calls_per_s=100.0,
    )
    return replace(scene, **changed)
