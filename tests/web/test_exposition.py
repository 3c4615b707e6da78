"""What Prometheus is shown: promtool's word on it, every value by arithmetic, and no bomb."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from agi.ami.figures import PDD_BOUNDS, Totals
from agi.ami.seen import AsteriskSeen
from agi.metrics import SECONDS, Latency, Metrics
from agi.routing.standing import Standing, State
from agi.scene import Scene
from agi.web.catalogue import ALL, MOST
from agi.web.exposition import Bounds, exposition

PROVIDER: dict[str, Any] = {
    "provider": "npl",
    "breaker": "closed",
    "trouble": "",
    "spent_today": "3.21 EUR",
    "budget_left": "46.79 EUR",
    "probe": "ok",
}


def process(role: str, **more: object) -> dict[str, Any]:
    said: dict[str, object] = {"role": role, "index": 0, "table": "000042-1a2b3c4d"}
    return {**said, "connections": [3, 896], "routers": 2, **more}


def scene(counts: Metrics | None = None, **more: Any) -> Scene:
    return Scene(
        at=1.0,
        version="0.5.0",
        told=more.pop("told", ()),
        silent={},
        counts=counts or Metrics(),
        **more,
    )


def shown(one: Scene, bounds: Bounds | None = None) -> dict[str, float]:
    """Read the text as Prometheus's own client library does: ``name{label=value,...}``."""
    text = exposition(one, bounds=bounds).body.decode()
    found = {}
    for family in plain(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found, f"{name} twice"
            found[name] = sample.value
    return found


def busy() -> Scene:
    """A scene in which every metric has a value."""
    counts = Metrics()
    counts.calls["route", "memory", "ok"] = 80
    counts.calls["reject", "policy", "denied"] = 2
    counts.endings["committed"] = 82
    for seconds in (0.0004, 0.0004, 0.09, 3.0):
        counts.decision.observe(seconds)
    counts.lookups["npl", "timeout"] = 2
    counts.lookups["npl", "number-ok"] = 9
    counts.lookup["npl", "timeout"].observe(0.7)
    counts.strangers["npl"] = 1
    counts.cache["memory", "hit"] = 80
    counts.avoided["same-route"] = 4
    counts.oddities["hedged", "npl"] = 5
    counts.cost["npl", "EUR"] = Decimal("0.072")
    counts.saved["EUR"] = Decimal("0.5")
    counts.probes["npl", "wrong"] = 1
    counts.dropped.update(log=3, journal=2)
    counts.reloads["ok"] = 1
    counts.lag["router"].observe(0.015)
    totals = Totals(
        outcomes={"answered": 6, "busy": 1, "failed": 3},
        causes={16: 6, 17: 1, 34: 3},
        seizures=9,
        answered=6,
        marked=1,
        talk_s=300.5,
        pdd=[0, 4, 3, *[0] * 9, 2],
        pdd_sum_s=70.25,
    )
    step = Latency()
    step.observe(0.25)
    return scene(
        counts,
        told=[process("router"), process("dipper", providers=[PROVIDER])],
        totals={"uk-a": totals},
        open_calls={"uk-a": 12},
        standing={"uk-a": Standing(State.DOWN, pinned=True), "uk-b": Standing(State.UP)},
        asterisks={"pbx1": AsteriskSeen(True, "22.10", 12.5, 1, 1204, 7, 0.004)},
        security={"misrouted_pattern": 3},
        unverified=2,
        theirs=step,
        ours=step,
        level=2,
        pinned=True,
        noc=process("noc"),
    )


def test_every_value_is_what_was_counted() -> None:
    found = shown(busy())
    expected = {
        "calls_total{action=route,reason=ok,source=memory}": 80,
        "calls_total{action=reject,reason=denied,source=policy}": 2,
        "endings_total{ending=committed}": 82,
        "decision_seconds_bucket{le=0.0005}": 2,
        "decision_seconds_bucket{le=0.075}": 2,
        "decision_seconds_bucket{le=0.1}": 3,
        "decision_seconds_bucket{le=2.5}": 3,
        "decision_seconds_bucket{le=+Inf}": 4,
        "decision_seconds_count": 4,
        "lookups_total{outcome=timeout,provider=npl}": 2,
        "lookup_seconds_bucket{le=0.65,outcome=timeout,provider=npl}": 0,
        "lookup_seconds_bucket{le=0.8,outcome=timeout,provider=npl}": 1,
        "lookup_numbers_total{outcome=ok,provider=npl}": 9,
        "lookup_strangers_total{provider=npl}": 1,
        "cache_requests_total{result=hit,tier=memory}": 80,
        "lookups_avoided_total{why=same-route}": 4,
        "lookup_cost_total{currency=EUR,provider=npl}": 0.072,
        "lookup_saved_total{currency=EUR}": 0.5,
        "budget_left{currency=EUR,provider=npl}": 46.79,
        "provider_up{provider=npl}": 1,
        "breaker_state{provider=npl}": 0,
        "probes_total{provider=npl,result=wrong}": 1,
        "probes_total{provider=npl,result=missing}": 0,
        "probe_ok{provider=npl}": 1,
        "trunk_attempts_total{outcome=answered,trunk=uk-a}": 6,
        "trunk_attempts_total{outcome=failed,trunk=uk-a}": 3,
        "trunk_attempts_total{outcome=failed,trunk=uk-b}": 0,
        "trunk_seizures_total{trunk=uk-a}": 9,
        "trunk_answered_total{trunk=uk-a}": 6,
        "trunk_effective_total{trunk=uk-a}": 7,
        "trunk_causes_total{cause=34,trunk=uk-a}": 3,
        "trunk_marked_total{trunk=uk-a}": 1,
        "trunk_talk_seconds_total{trunk=uk-a}": 300.5,
        "trunk_pdd_seconds_bucket{le=1.0,trunk=uk-a}": 4,
        "trunk_pdd_seconds_bucket{le=30.0,trunk=uk-a}": 7,
        "trunk_pdd_seconds_bucket{le=+Inf,trunk=uk-a}": 9,
        "trunk_pdd_seconds_sum{trunk=uk-a}": 70.25,
        "trunk_calls{trunk=uk-a}": 12,
        "trunk_calls{trunk=uk-b}": 0,
        "trunk_state{state=down,trunk=uk-a}": 1,
        "trunk_state{state=up,trunk=uk-a}": 0,
        "trunk_pinned{trunk=uk-a}": 1,
        "ami_connected{asterisk=pbx1}": 1,
        "ami_gap_seconds_total{asterisk=pbx1}": 12.5,
        "ami_gaps_total{asterisk=pbx1}": 1,
        "ami_events_total{asterisk=pbx1}": 1204,
        "ami_dropped_total{asterisk=pbx1}": 7,
        "ami_lag_seconds{asterisk=pbx1}": 0.004,
        "unverified_attempts_total": 2,
        "agi_seconds_sum": 0.25,
        "agi_ours_seconds_count": 1,
        "security_events_total{kind=misrouted_pattern}": 3,
        "security_events_total{kind=ami-injection}": 0,
        "brownout_level": 2,
        "brownout_pinned": 1,
        "event_loop_lag_seconds_bucket{le=0.02,role=router}": 1,
        "event_loop_lag_seconds_bucket{le=0.01,role=router}": 0,
        "processes{role=router}": 1,
        "processes{role=noc}": 1,
        "connections{role=router}": 3,
        "connections{role=dipper}": 2,
        "table_info{version=000042-1a2b3c4d}": 1,
        "build_info{version=0.5.0}": 1,
        "reloads_total{result=ok}": 1,
        "reloads_total{result=refused}": 0,
        "log_dropped_total": 3,
        "journal_dropped_total": 2,
        "oddities_total{what=hedged,who=npl}": 5,
    }
    assert expected == {name: found.get(f"dialdip_{name}") for name in expected}
    assert 3.0908 == pytest.approx(found["dialdip_decision_seconds_sum"], abs=1e-5)


def test_the_bounds_are_those_of_the_contract() -> None:
    bounds = [
        name.partition("le=")[2].rstrip("}")
        for name in shown(busy())
        if name.startswith("dialdip_decision_seconds_bucket")
    ]
    assert ["0.0005", "2.5", "+Inf"] == [bounds[0], bounds[-2], bounds[-1]]
    assert len(SECONDS) + 1 == len(bounds)
    assert 13 == len(PDD_BOUNDS) + 1


def test_every_metric_of_the_catalogue_is_shown_once_and_no_other() -> None:
    names = [family.name for family in plain(exposition(busy()).body.decode())]
    assert [entry.name.removesuffix("_total") for entry in ALL] == names


def test_before_anything_was_counted_there_is_nothing_but_zeros() -> None:
    found = shown(scene())
    assert 0 == found["dialdip_log_dropped_total"]
    assert {0.0} == {value for name, value in found.items() if "build_info" not in name}


@pytest.mark.parametrize(
    ("state", "failing", "expected"),
    [
        ({}, None, (1, 0)),
        ({}, (2, "timeout", ""), (1, 0)),
        ({}, (3, "timeout", ""), (0, 0)),
        ({}, (1, "account", ""), (0, 0)),
        ({"breaker": "probing"}, None, (0, 1)),
        ({"breaker": "open"}, None, (0, 2)),
        ({"breaker": "closed quarantined"}, None, (0, 0)),
        ({"breaker": "not read"}, None, (0, 2)),
        ({"trouble": "its name cannot be resolved"}, None, (0, 0)),
    ],
)
def test_a_provider_is_up_while_it_is_asked_and_answers(
    state: dict[str, str], failing: tuple[int, str, str] | None, expected: tuple[int, int]
) -> None:
    counts = Metrics()
    if failing is not None:
        counts.failing["npl"] = failing
    found = shown(scene(counts, told=[process("dipper", providers=[PROVIDER | state])]))
    up, breaker = "dialdip_provider_up{provider=npl}", "dialdip_breaker_state{provider=npl}"
    assert expected == (found[up], found[breaker])


def test_a_provider_without_a_probe_or_a_budget_has_neither() -> None:
    bare = {"provider": "dump", "kind": "file", "breaker": "closed", "trouble": ""}
    found = shown(scene(told=[process("dipper", providers=[bare])]))
    assert [] == [name for name in found if "probe" in name or "budget" in name]


def lint(text: bytes) -> str:
    """Return what promtool finds wrong; it also reads the text by Prometheus's own parser."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    return (done.stdout + done.stderr).decode() or ("" if done.returncode == 0 else "failed")


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not there (Debian's package prometheus)"
)


@needs_promtool
@pytest.mark.parametrize("one", [scene(), busy()], ids=["empty", "busy"])
def test_promtool_finds_nothing_wrong(one: Scene) -> None:
    assert "" == lint(exposition(one).body)


@needs_promtool
def test_promtool_would_have_found_something() -> None:
    assert "no help text" in lint(b"# TYPE dialdip_x gauge\ndialdip_x 1\n")


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    body, kind = exposition(busy(), accept)
    read = openmetrics(body.decode())  # type: ignore[no-untyped-call] # theirs
    families = {family.name: family.type for family in read}
    assert ("counter", "histogram") == (
        families["dialdip_calls"],
        families["dialdip_decision_seconds"],
    )
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert exposition(busy(), "text/html").content_type == exposition(busy()).content_type


# ---- A39 -----------------------------------------------------------------------------------

HOSTILE = [
    'x"} 1\ndialdip_forged_total 1\n#',
    "a\nb",
    "\\",
    "447788450450",
    "+447788450450",
    "Tr\u00e4ger",
    "x" * 65,
    "sip:447788450450@evil",
    "\x00",
]


def hostile(count: int) -> Scene:
    """A scene in which somebody from outside chose every label that may come from outside."""
    names = [*HOSTILE, *(f"trunk-{number}" for number in range(count))]
    counts = Metrics()
    for name in names:
        counts.calls["route", "memory", name] = 2
        counts.refused[name] = 2
        counts.oddities[name, name] = 2
        counts.lookup[name, name].observe(0.001)
        counts.cost[name, name] = Decimal("0.1")
    return scene(
        counts,
        totals={
            name: Totals(
                outcomes={"answered": 2},
                answered=2,
                causes={number: 2},
                pdd=[2, *[0] * 12],
                pdd_sum_s=0.1,
            )
            for number, name in enumerate(names)
        },
        standing=dict.fromkeys(names, Standing(State.UP)),
        asterisks=dict.fromkeys(names, AsteriskSeen(True, "", 0.1, 1, 1, 1, 0.0)),
        security=dict.fromkeys(names, 2),
    )


@needs_promtool
def test_a39_a_bomb_of_labels_is_bounded_and_nothing_that_was_counted_is_lost() -> None:
    many = 2_000
    body = exposition(hostile(many)).body
    assert 3_000_000 > len(body)
    assert "" == lint(body)
    assert b"dialdip_forged" not in body
    assert b"447788450450" not in body
    found = shown(hostile(many))
    number = many + len(HOSTILE)
    for metric in ("trunk_answered", "security_events", "calls"):
        rows = {name: n for name, n in found.items() if name.startswith(f"dialdip_{metric}_total")}
        assert 2 * number == sum(rows.values())
        assert MOST["trunk"] + 3 >= len(rows)
    assert 2 * (number - MOST["trunk"]) == found["dialdip_trunk_answered_total{trunk=other}"]


def test_a39_what_was_shown_once_stays_when_others_come() -> None:
    bounds = Bounds()
    before = shown(hostile(MOST["trunk"]), bounds)
    grown = hostile(MOST["trunk"] + 50)
    ordered = dict(sorted(grown.totals.items(), key=lambda item: item[0], reverse=True))
    after = shown(replace(grown, totals=ordered), bounds)
    counters = [name for name in before if "_total{" in name or "_bucket{" in name]
    assert [] == [name for name in counters if after.get(name, -1.0) < before[name]]


def test_the_versions_in_force_are_told_apart_however_many_there_were_before() -> None:
    bounds = Bounds()
    for number in range(100):
        both = [process("router", table=f"{number + n:06}-1a2b3c4d") for n in range(2)]
        found = shown(scene(told=both), bounds)
        versions = {f"dialdip_table_info{{version={one['table']}}}" for one in both}
        assert versions == {name for name in found if name.startswith("dialdip_table_info")}


def test_five_hundred_trunks_are_told_apart() -> None:
    found = shown(scene(standing={f"trunk-{n}": Standing(State.DOWN) for n in range(500)}))
    assert 1.0 == found["dialdip_trunk_state{state=down,trunk=trunk-499}"]
    assert "dialdip_trunk_state{state=down,trunk=other}" not in found


def test_a_label_that_is_empty_is_not_a_missing_one() -> None:
    counts = Metrics()
    counts.calls["route", "", "ok"] = 1
    assert 1 == shown(scene(counts))["dialdip_calls_total{action=route,reason=ok,source=none}"]


def test_no_metric_has_a_label_for_who_calls_or_is_called() -> None:
    labels = Counter(label for entry in ALL for label in entry.labels)
    assert set() == set(labels) & {"number", "caller", "account", "uniqueid", "id", "rule"}
    assert json.dumps(sorted(labels))  # plain words
