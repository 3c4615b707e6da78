"""The form of the cases of alerts, and how their series are named.

Series are in promtool's notation: ``0+5x60`` is 0, 5, 10 ... 300, one sample every 30 s, or every
five minutes where a case is of days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HOST = 'job="dialdip",instance="a:8080"'
ON_HOST = {"job": "dialdip", "instance": "a:8080"}
ALIVE = {f"up{{{HOST}}}": "1x400"}
CRITICAL = "critical"


@dataclass(frozen=True)
class Case:
    """Series over time, and what one alert says at one moment; ``summary`` empty: it is silent."""

    alert: str
    why: str
    series: Mapping[str, str]
    at: str
    summary: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    severity: str = "warning"
    step: str = "30s"


def metric(name: str, labels: str = "") -> str:
    return f"dialdip_{name}{{{HOST}{',' if labels else ''}{labels}}}"


def calls(source: str, values: str, reason: str = "ok") -> dict[str, str]:
    return {metric("calls_total", f'action="route",source="{source}",reason="{reason}"'): values}


def decided(slow: str, all_: str) -> dict[str, str]:
    """Decisions of which some take between 0.8 and 1 s, the others at most 0.5 ms."""
    return {
        metric("decision_seconds_bucket", 'le="0.0005"'): slow,
        metric("decision_seconds_bucket", 'le="0.8"'): slow,
        metric("decision_seconds_bucket", 'le="1"'): all_,
        metric("decision_seconds_bucket", 'le="+Inf"'): all_,
    }


def lag(quick: str, all_: str) -> dict[str, str]:
    return {
        metric("event_loop_lag_seconds_bucket", 'role="router",le="0.05"'): quick,
        metric("event_loop_lag_seconds_bucket", 'role="router",le="0.1"'): all_,
        metric("event_loop_lag_seconds_bucket", 'role="router",le="+Inf"'): all_,
    }


def state(trunk: str, down: str) -> dict[str, str]:
    return {metric("trunk_state", f'trunk="{trunk}",state="down"'): down}


def pinned(trunk: str, values: str) -> dict[str, str]:
    return {metric("trunk_pinned", f'trunk="{trunk}"'): values}


def answers(seizures: str, answered: str) -> dict[str, str]:
    return {
        metric("trunk_seizures_total", 'trunk="uk-a"'): seizures,
        metric("trunk_answered_total", 'trunk="uk-a"'): answered,
    }


def security(kind: str, values: str) -> dict[str, str]:
    return {metric("security_events_total", f'kind="{kind}"'): values}
