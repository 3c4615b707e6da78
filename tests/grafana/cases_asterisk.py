"""What is alerted of Asterisk, and of who attacks it."""

from __future__ import annotations

from tests.grafana.cases import ALIVE, CRITICAL, HOST, Case, metric, security

CASES = [
    Case(
        "DialdipAmiNotConnected",
        "the manager interface is away",
        {metric("ami_connected", 'asterisk="pbx1"'): "1 0x10"},
        "3m",
        "Asterisk pbx1 is not heard: its trunks' health and figures stand still",
        (("asterisk", "pbx1"),),
    ),
    Case(
        "DialdipAmiNotConnected",
        "it was back after 30 s",
        {metric("ami_connected", 'asterisk="pbx1"'): "1 0 1x10"},
        "3m",
    ),
    Case(
        "DialdipAmiLate",
        "events are read three seconds late",
        {metric("ami_lag_seconds", 'asterisk="pbx1"'): "3x10"},
        "4m",
        "Events of Asterisk pbx1 are read late, or lost",
        (("asterisk", "pbx1"),),
    ),
    Case(
        "DialdipAmiLate",
        "events are lost",
        {
            metric("ami_lag_seconds", 'asterisk="pbx1"'): "0x20",
            metric("ami_dropped_total", 'asterisk="pbx1"'): "0+3x20",
        },
        "6m",
        "Events of Asterisk pbx1 are read late, or lost",
        (("asterisk", "pbx1"),),
    ),
    Case(
        "DialdipAmiLate",
        "events are read at once",
        {
            metric("ami_lag_seconds", 'asterisk="pbx1"'): "0.01x20",
            metric("ami_dropped_total", 'asterisk="pbx1"'): "5x20",
        },
        "6m",
    ),
    Case(
        "DialdipForgedEvents",
        "one injection",
        {**ALIVE, **security("ami-injection", "0x30 1x10")},
        "16m",
        "Forged manager events (ami-injection) on a:8080: somebody attacks the PBX",
        (("kind", "ami-injection"),),
        CRITICAL,
    ),
    Case(
        "DialdipForgedEvents",
        "the first of its kind",
        {**ALIVE, **security("ami-attempt", "_x30 1x10")},
        "16m",
        "Forged manager events (ami-attempt) on a:8080: somebody attacks the PBX",
        (("kind", "ami-attempt"),),
        CRITICAL,
    ),
    Case(
        "DialdipForgedEvents",
        "what was counted before Prometheus came is over",
        {f"up{{{HOST}}}": "1x6", **security("ami-injection", "4x6")},
        "3m",
    ),
    Case(
        "DialdipForgedEvents",
        "a wrong dialplan is no attack",
        {**ALIVE, **security("misrouted_pattern", "0+9x40")},
        "16m",
    ),
    Case(
        "DialdipRefusals",
        "nine a minute are refused",
        security("misrouted_pattern", "0+4.5x60"),
        "20m",
        "90 calls were refused as misrouted_pattern on a:8080 in ten minutes",
        (("kind", "misrouted_pattern"),),
    ),
    Case("DialdipRefusals", "one in a while", security("bad-number", "0x10 1x10 2x30"), "20m"),
    Case(
        "DialdipUndecidedCalls",
        "calls go out undecided",
        {metric("unverified_attempts_total"): "0+1x60"},
        "20m",
        "20 calls of Asterisk went out by its own default in ten minutes",
        severity=CRITICAL,
    ),
    Case(
        "DialdipUndecidedCalls",
        "two calls during a restart",
        {metric("unverified_attempts_total"): "0x10 2x60"},
        "20m",
    ),
]
