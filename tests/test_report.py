"""What ``dialdip status`` finds wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agi import config
from agi.metrics import Metrics
from agi.report import report
from tests.service import Site


def troubles(
    tmp_path: Path, metrics: Metrics, *, provider: bool = True, **changed: Any
) -> list[str]:
    site = Site(tmp_path, extra="" if provider else "enabled = false").write()
    told = report(
        metrics,
        **{
            "loaded": config.load(site.path, {}),
            "fastagi": "127.0.0.1:4573",
            "country": "GB",
            "table": "000001-1a2b3c4d",
            "connections": (0, 896),
            "remembered": 0,
            "log_dropped": 0,
            "uptime_s": 1.0,
            "now": 1_000.0,
            **changed,
        },
    )
    found = told["troubles"]
    assert isinstance(found, list)
    return found


def test_nothing_wrong_is_nothing_said(tmp_path: Path) -> None:
    assert [] == troubles(tmp_path, Metrics())


def test_without_a_provider_every_call_is_blind(tmp_path: Path) -> None:
    assert ["no provider is configured: every call goes by prefix or default"] == troubles(
        tmp_path, Metrics(), provider=False
    )


@pytest.mark.parametrize(("good", "bad", "said"), [(18, 2, 0), (17, 3, 1), (3, 3, 0)])
def test_too_many_calls_without_a_network_are_said_with_their_commonest_reason(
    tmp_path: Path, good: int, bad: int, said: int
) -> None:
    """More than a tenth of at least twenty calls."""
    metrics = Metrics()
    metrics.calls["route", "memory", "ok"] = good
    metrics.calls["route", "default", "timeout"] = bad - 1
    metrics.calls["reject", "default", "err1"] = 1
    found = troubles(tmp_path, metrics)
    assert said == len(found)
    if said:
        assert "3 of 20 calls went out without a network, mostly: timeout" == found[0]


@pytest.mark.parametrize(
    ("ending", "says"),
    [("failed", "2 calls failed by a fault of dialdip itself"), ("no-reply", "2 answers were not")],
)
def test_calls_that_went_wrong_are_said(tmp_path: Path, ending: str, says: str) -> None:
    metrics = Metrics()
    metrics.endings[ending] = 2
    metrics.last[ending] = 999.0
    (found,) = troubles(tmp_path, metrics)
    assert found.startswith(says)
    assert found.endswith(", the last 1 s ago")
    metrics.last[ending] = 600.0
    assert [] == troubles(tmp_path, metrics)


def test_a_refused_reload_a_full_port_and_lost_lines_are_said(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.reload_refused = True
    found = troubles(tmp_path, metrics, connections=(890, 896), log_dropped=7)
    assert 3 == len(found)
    assert "reload was refused" in found[0]
    assert "890 of 896 connections are in use" == found[1]
    assert found[2].startswith("7 log lines were dropped")


@pytest.mark.parametrize(
    ("times", "cause", "detail", "said"),
    [
        (1, "timeout", "", None),
        (3, "timeout", "", "provider npl fails, 3 in a row, lastly: timeout"),
        (1, "account", "account locked",
         "provider npl fails, 1 in a row, lastly: account account locked"),
    ],
)  # fmt: skip
def test_a_provider_that_fails_is_said_and_an_account_at_once(
    tmp_path: Path, times: int, cause: str, detail: str, said: str | None
) -> None:
    metrics = Metrics()
    metrics.failing["npl"] = (times, cause, detail)
    assert [said] * (said is not None) == troubles(tmp_path, metrics)


def test_a_provider_slower_than_every_bucket_is_told_so(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.lookup["npl"].observe(3.0)
    metrics.lookups["npl", "timeout"] = 1
    told = report(
        metrics,
        loaded=config.load(Site(tmp_path).write().path, {}),
        fastagi="",
        country="GB",
        table="",
        connections=(0, 1),
        remembered=0,
        log_dropped=0,
        uptime_s=0,
        now=0,
    )
    expected = {
        "provider": "npl", "asked": 1, "p50_ms": "over 2500", "p99_ms": "over 2500",
        "answers": "timeout=1", "strangers": 0,
    }  # fmt: skip
    assert [expected] == told["providers"]
