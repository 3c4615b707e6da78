"""Each recorded figure is what arithmetic says: judged by ``promtool test rules``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.grafana.cases import ON_HOST, answers, calls, decided, lag, metric
from tests.grafana.judging import judged, series
from tests.grafana.prometheus import RULES

RECORDED: list[tuple[str, dict[str, str], str, dict[str, str], float]] = [
    (
        "instance:dialdip_calls:rate5m",
        {**calls("memory", "0+60x40"), **calls("live", "0+30x40")},
        "15m",
        ON_HOST,
        3.0,
    ),
    (
        "instance:dialdip_blind_calls:ratio_rate5m",
        {**calls("memory", "0+60x40"), **calls("range", "0+20x40"), **calls("skipped", "0+9x40")},
        "15m",
        ON_HOST,
        0.25,
    ),
    (
        "instance:dialdip_cache_hits:ratio_rate5m",
        {**calls("memory", "0+60x40"), **calls("store", "0+15x40"), **calls("live", "0+25x40")},
        "15m",
        ON_HOST,
        0.75,
    ),
    (
        "instance:dialdip_decision_seconds:p99_rate5m",
        decided("0+100x40", "0+100x40"),
        "15m",
        ON_HOST,
        0.000495,  # 99 % of the first bucket, which begins at 0
    ),
    (
        "role:dialdip_event_loop_lag_seconds:p99_rate5m",
        lag("0+90x40", "0+100x40"),
        "15m",
        {**ON_HOST, "role": "router"},
        0.095,
    ),
    (
        "provider:dialdip_good_lookups:ratio_rate5m",
        {
            metric("lookups_total", 'provider="npl",outcome="ok"'): "0+8x40",
            metric("lookups_total", 'provider="npl",outcome="http"'): "0+2x40",
        },
        "15m",
        {**ON_HOST, "provider": "npl"},
        0.8,
    ),
    (
        "trunk:dialdip_asr:ratio_rate5m",
        answers("0+10x40", "0+7x40"),
        "15m",
        {"job": "dialdip", "trunk": "uk-a"},
        0.7,
    ),
    (
        "trunk:dialdip_ner:ratio_rate5m",
        {
            **answers("0+10x40", "0+7x40"),
            metric("trunk_effective_total", 'trunk="uk-a"'): "0+9x40",
        },
        "15m",
        {"job": "dialdip", "trunk": "uk-a"},
        0.9,
    ),
    (
        "trunk:dialdip_acd_seconds:mean_rate5m",
        {
            **answers("0+10x40", "0+2x40"),
            metric("trunk_talk_seconds_total", 'trunk="uk-a"'): "0+360x40",
        },
        "15m",
        {"job": "dialdip", "trunk": "uk-a"},
        180.0,
    ),
    (
        "trunk:dialdip_pdd_seconds:p95_rate5m",
        {
            metric("trunk_pdd_seconds_bucket", 'trunk="uk-a",le="2.0"'): "0+9x40",
            metric("trunk_pdd_seconds_bucket", 'trunk="uk-a",le="3.0"'): "0+10x40",
            metric("trunk_pdd_seconds_bucket", 'trunk="uk-a",le="+Inf"'): "0+10x40",
        },
        "15m",
        {"job": "dialdip", "trunk": "uk-a"},
        2.5,
    ),
    (
        "trunk:dialdip_seizures:increase30m",
        answers("0+10x100", "0x100"),
        "45m",
        {"job": "dialdip", "trunk": "uk-a"},
        600.0,
    ),
    (
        "trunk:dialdip_seizures:increase1d",
        answers("0+10x310", "0x310"),
        "1500m",
        {"job": "dialdip", "trunk": "uk-a"},
        2880.0,
    ),
    (
        "trunk:dialdip_asr:ratio_increase30m",
        answers("0+10x100", "0+4x100"),
        "45m",
        {"job": "dialdip", "trunk": "uk-a"},
        0.4,
    ),
    (
        "trunk:dialdip_asr:ratio_increase1d",
        answers("0+100x310", "0+40x298 11920x12"),
        "1520m",
        {"job": "dialdip", "trunk": "uk-a"},
        0.4,
    ),
]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: one[0])
def test_a_recorded_figure_is_what_arithmetic_says(
    recorded: tuple[str, dict[str, str], str, dict[str, str], float], tmp_path: Path
) -> None:
    name, found, at, labels, value = recorded
    shown = ",".join(f'{key}="{one}"' for key, one in labels.items())
    sample = {"labels": f"{name}{{{shown}}}", "value": value}
    # Rounded by the query: promtool compares exactly.
    expression = f'label_replace(round({name}, 0.000001), "__name__", "{name}", "", "")'
    test = {"expr": expression, "eval_time": at, "exp_samples": [sample]}
    step = "5m" if name.endswith("1d") else "30s"
    judged(tmp_path, {"input_series": series(found), "promql_expr_test": [test]}, step)


def test_every_recorded_figure_is_tested() -> None:
    names = re.findall(r"- record: (\S+)", (RULES / "recording.yml").read_text())
    assert sorted(names) == sorted(name for name, *_ in RECORDED)
