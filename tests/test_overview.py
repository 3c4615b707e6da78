"""What ``dialdip top`` is told of one moment: figures from arithmetic, troubles worst first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agi.ami.seen import AsteriskSeen
from agi.metrics import Latency, Metrics
from agi.overview import answered_lately, lately, overview
from agi.routing.standing import Standing, State
from tests.scenes import dipper, kpi, made, provider, router

HEARD = AsteriskSeen(
    connected=True, version="22.10.0", gap_s=0, gaps=0, events=1, dropped=0, lag_s=0
)
WELL: dict[str, Any] = {
    "told": [router(100), dipper(100, providers=[provider("npl")])],
    "standing": {"uk-a": Standing(State.UP)},
    "asterisks": {"pbx1": HEARD},
    "security": {},
}


def test_a_service_without_trouble_has_none() -> None:
    found = overview(made(100, **WELL))
    assert [] == found["troubles"]
    assert [] == found["hints"]


def test_a_moment_is_plain_json() -> None:
    found = overview(made(100))
    assert found == msgspec.json.decode(msgspec.json.encode(found))


def test_calls_are_those_of_all_processes_that_ever_ran() -> None:
    calls = overview(made(100))["calls"]
    assert 100.0 == calls["per_s"]
    assert 10_000 == calls["total"]
    assert 100 == calls["rejected"]
    wanted = {"memory": 8000, "live": 1200, "store": 500, "range": 200, "policy": 100}
    assert wanted == calls["sources"]
    assert ["memory", "live"] == list(calls["sources"])[:2]


def test_quantiles_are_upper_bounds_of_their_buckets() -> None:
    """80 % of decisions took 0.4 ms (bucket to 0.5), 2 % took 0.7 s (bucket to 0.8)."""
    calls = overview(made(100))["calls"]
    assert 0.5 == calls["p50_ms"]
    assert 800.0 == calls["p99_ms"]
    assert 3.0 == calls["agi_p95_ms"]


@pytest.mark.parametrize(
    ("latency", "said"), [(Latency(), "over 2500"), (Latency((1.0, 10.0)), "over 10000")]
)
def test_what_is_slower_than_every_bucket_says_so(latency: Latency, said: str) -> None:
    latency.observe(99.0)
    assert said == overview(made(100, theirs=latency))["calls"]["agi_p95_ms"]


def test_without_a_call_there_is_no_figure() -> None:
    calls = overview(made(0, counts=Metrics(), theirs=Latency(), calls_per_s=0.0))["calls"]
    assert 0 == calls["total"]
    assert None is calls["p50_ms"]
    assert {} == calls["sources"]


def test_what_happened_lately_is_the_difference_of_two_moments() -> None:
    found = lately(overview(made(160)), overview(made(100)))
    assert 60.0 == found["seconds"]
    assert 100.0 == found["per_s"]
    assert 6_000 == found["total"]
    assert 60 == found["rejected"]
    assert {"memory": 4800, "live": 720, "store": 300, "range": 120, "policy": 60} == found[
        "sources"
    ]
    assert (0.5, 800.0) == (found["p50_ms"], found["p99_ms"])


def test_what_was_slow_before_is_not_slow_now() -> None:
    now, before = made(100), made(100)
    now.counts.decision.observe(0.0004)
    now.counts.calls["route", "memory", "ok"] += 1
    later = overview(now)
    later["at"] += 1
    found = lately(later, overview(before))
    assert 0.5 == found["p99_ms"]
    assert {"memory": 1} == found["sources"]


@pytest.mark.parametrize("n", [0, 50])
def test_a_service_that_began_anew_has_no_past(n: int) -> None:
    now = {**overview(made(50)), "at": overview(made(100))["at"] + 5 * (n > 0)}
    found = lately(now, overview(made(100)))
    assert None is found["seconds"]
    assert 5_000 == found["total"]


def test_a_provider_has_its_requests_and_not_its_numbers() -> None:
    npl, lanck = overview(made(100))["providers"]
    assert ("npl", "closed", 1200, 1200) == tuple(
        npl[k] for k in ("provider", "breaker", "requests", "ok")
    )
    assert {"ok": 1200} == npl["outcomes"]
    assert ("open", "timeout", 200, 0) == tuple(
        lanck[k] for k in ("breaker", "why", "requests", "ok")
    )
    assert ("38.0", "71.5", "ok", "46.79 EUR") == (
        str(npl["p50_ms"]),
        str(npl["p95_ms"]),
        npl["probe"],
        npl["budget_left"],
    )


def test_a_providers_answers_of_late() -> None:
    now, before = overview(made(160))["providers"][0], overview(made(100))["providers"][0]
    assert (720, 720) == answered_lately(now, before)
    assert (1920, 1920) == answered_lately(now, None)
    assert (1200, 1200) == answered_lately(before, now)


def test_trunks_stand_worst_first_then_busiest() -> None:
    found = [one["trunk"] for one in overview(made(100))["trunks"]]
    assert ["uk-b", "uk-c", "uk-a", "de-a", "transit"] == found


def test_a_trunk_has_its_figures_by_window() -> None:
    """600 tries a minute, 420 answered, 6 failed: ASR 70 %, NER 99 %."""
    found = next(one for one in overview(made(100))["trunks"] if one["trunk"] == "uk-a")
    assert ["60", "300", "3600"] == list(found["windows"])
    minute = found["windows"]["60"]
    assert (600, 0.7, 0.99, 182.0, 3.2) == tuple(
        minute[k] for k in ("attempts", "asr", "ner", "acd_s", "pdd_p95_s")
    )
    assert {"16": 420, "17": 174, "34": 6} == minute["causes"]
    assert 112 == found["calls"]


def test_a_trunk_that_nobody_called_yet_has_no_ratio() -> None:
    scene = made(1, standing={}, open_calls={}, trunks={"new": {60: kpi(60, 0, 0)}})
    (found,) = overview(scene)["trunks"]
    assert "up" == found["state"]
    assert None is found["windows"]["60"]["asr"]
    assert None is found["windows"]["60"]["acd_s"]


def test_only_the_busiest_destinations_are_told() -> None:
    many = {f"{n:05}": {60: kpi(60, n, 0)} for n in range(1, 61)}
    found = overview(made(1, networks=many))["networks"]
    assert 50 == len(found)
    assert "00060" == next(iter(found))


def test_troubles_say_what_is_wrong_and_hints_what_a_person_did() -> None:
    found = overview(made(100, level=1, level_why="37 of 40 lookups failed: timeout"))
    assert [
        "brown-out, level cache: 37 of 40 lookups failed: timeout",
        "provider lanck is not asked: open (timeout)",
        "Asterisk pbx2 is not heard: refused",
        "trunk uk-b is down: 5 failures in a row, cause 34",
        "trunk uk-c is degraded: 7 of the last 20 failed",
    ] == found["troubles"]
    assert [
        "trunk transit is pinned up: test, until 20:00",
        "refused since the beginning: ami-injection 1, misrouted_pattern 10",
    ] == found["hints"]
    assert {
        "level": "cache",
        "why": "37 of 40 lookups failed: timeout",
        "pinned": False,
    } == found["brownout"]


def test_a_pinned_level_says_so() -> None:
    """As ``dialdip status`` does: what routers say of their ladder is said once."""
    low = overview(made(100, level=3, level_why="works", pinned=True))
    assert "brown-out, level default, pinned: works" == low["troubles"][0]
    assert 1 == sum("brown-out" in line for line in low["troubles"] + low["hints"])
    assert {"level": "default", "why": "works", "pinned": True} == low["brownout"]


def test_a_trunk_that_a_person_took_down_is_no_trouble() -> None:
    standing = {"uk-a": Standing(State.DOWN, pinned=True, why="works until 20:00")}
    found = overview(made(100, **{**WELL, "standing": standing}))
    assert [] == found["troubles"]
    assert ["trunk uk-a is pinned down: works until 20:00"] == found["hints"]


def test_events_that_are_read_late_are_a_trouble() -> None:
    late = AsteriskSeen(
        connected=True, version="16.28", gap_s=0, gaps=0, events=1, dropped=0, lag_s=2.25
    )
    found = overview(made(100, **{**WELL, "asterisks": {"pbx1": late}}))
    assert ["Asterisk pbx1: its events are read 2.2 s late"] == found["troubles"]


def test_a_pbx_that_is_heard_and_refuses_something_is_a_trouble() -> None:
    seen = AsteriskSeen(
        connected=True,
        version="16.28",
        gap_s=9,
        gaps=1,
        events=1,
        dropped=0,
        lag_s=0,
        trouble="may not list channels: it needs write = reporting",
    )
    found = overview(made(100, **{**WELL, "asterisks": {"pbx1": seen}}))
    assert ["Asterisk pbx1: may not list channels: it needs write = reporting"] == found["troubles"]


def test_a_trunk_that_the_tables_no_longer_have_is_last_and_says_so() -> None:
    scene = made(1, **{**WELL, "trunks": {"former": {60: kpi(60, 5, 5)}}, "open_calls": {}})
    found = overview(scene)["trunks"]
    assert [("uk-a", True), ("former", False)] == [(o["trunk"], o["in_tables"]) for o in found]


def test_what_noc_reports_of_itself_is_said_once() -> None:
    heard = ["Asterisk pbx2 is not heard: refused", "trunk uk-b is down: 5 failures in a row"]
    noc = {
        **dipper(100, role="noc", table="000042-1a2b3c4d"),
        "troubles": heard,
        "web": "127.0.0.1:8080",
    }
    found = overview(made(100, noc=noc))
    assert heard == found["troubles"][-2:]
    assert 1 == sum("pbx2" in line for line in found["troubles"])
    assert "noc-0" == found["processes"][-1]["process"]
