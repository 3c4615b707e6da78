"""The dashboard of lookups: providers, how good and how fast, and what caches spare them."""

from __future__ import annotations

from typing import Final

from tests.dashboards.panels import (
    BREAKER,
    UP,
    YES,
    Board,
    Panel,
    grown,
    least,
    many,
    most,
    per_s,
    quantile,
    ratio,
    states,
)

PROVIDER: Final = 'provider=~"$provider"'
CALLS: Final = "dialdip_calls_total"
WANTED: Final = 'source!~"skipped|policy|emergency",reason!~"invalid-number|nodip"'
REMEMBERED: Final = 'source=~"memory|store|stale"'
ASKED: Final = per_s("dialdip_cache_requests_total", "tier")
HITS: Final = per_s("dialdip_cache_requests_total", "tier", 'result="hit"')

BOARD: Final = Board(
    "lookups",
    "dialdip: Lookups",
    "Providers, how good and how fast they are, and what the caches spare them.",
    (
        (
            "Providers",
            (
                states(
                    "Asked or not",
                    "A provider that is down is not asked: breaker, quarantine, or its own pause.",
                    ((least("dialdip_provider_up", "provider", PROVIDER), "{{provider}}"),),
                    UP,
                ),
                states(
                    "Breaker",
                    "Closed is well; open asks nobody but one probe a second.",
                    ((most("dialdip_breaker_state", "provider", PROVIDER), "{{provider}}"),),
                    BREAKER,
                ),
                Panel(
                    "Requests by outcome",
                    "Requests to each provider and what came of them.",
                    "reqps",
                    (
                        (
                            per_s("dialdip_lookups_total", "provider,outcome", PROVIDER),
                            "{{provider}}: {{outcome}}",
                        ),
                    ),
                    stack=True,
                ),
                Panel(
                    "Good answers",
                    "Share of requests that were answered well, by provider.",
                    "percentunit",
                    (
                        (
                            ratio(
                                per_s(
                                    "dialdip_lookups_total", "provider", f'{PROVIDER},outcome="ok"'
                                ),
                                per_s("dialdip_lookups_total", "provider", PROVIDER),
                            ),
                            "{{provider}}",
                        ),
                    ),
                ),
                Panel(
                    "Time to answer",
                    "Of requests that were answered well. The deadline of a call is the limit.",
                    "s",
                    tuple(
                        (
                            quantile(
                                q, "dialdip_lookup_seconds", "provider", f'{PROVIDER},outcome="ok"'
                            ),
                            f"{{{{provider}}}} p{q * 100:g}",
                        )
                        for q in (0.5, 0.95)
                    ),
                ),
                Panel(
                    "Numbers answered, by code",
                    "What providers say of numbers: a known network, or a code of theirs.",
                    "cps",
                    (
                        (
                            per_s("dialdip_lookup_numbers_total", "provider,outcome", PROVIDER),
                            "{{provider}}: {{outcome}}",
                        ),
                    ),
                    stack=True,
                ),
            ),
        ),
        (
            "Known-answer probes",
            (
                states(
                    "Probe",
                    "No: the provider's answer for a number of known network is wrong, or missing.",
                    ((least("dialdip_probe_ok", "provider", PROVIDER), "{{provider}}"),),
                    YES,
                ),
                Panel(
                    "Probes by result",
                    "Probes within the time shown. One wrong answer is worth a call to the vendor.",
                    "none",
                    (
                        (
                            grown("dialdip_probes_total", "provider,result", PROVIDER),
                            "{{provider}}: {{result}}",
                        ),
                    ),
                    "bargauge",
                ),
            ),
        ),
        (
            "What was not asked",
            (
                Panel(
                    "Remembered",
                    "Share of calls that wanted a network and had it from a cache; then tiers of"
                    " the dipper, which sees only what its routers did not remember themselves.",
                    "percentunit",
                    many(
                        (ratio(per_s(CALLS, more=REMEMBERED), per_s(CALLS, more=WANTED)), "calls"),
                        (ratio(f"({HITS} or 0 * {ASKED})", ASKED), "dipper: {{tier}}"),
                    ),
                ),
                Panel(
                    "Cache requests",
                    "Questions to each tier of the dipper, by what came of them.",
                    "reqps",
                    (
                        (
                            per_s("dialdip_cache_requests_total", "tier,result"),
                            "{{tier}}: {{result}}",
                        ),
                    ),
                    stack=True,
                ),
                Panel(
                    "Lookups avoided",
                    "Questions that were not put to a provider, and why.",
                    "cps",
                    ((per_s("dialdip_lookups_avoided_total", "why"), "{{why}}"),),
                    stack=True,
                ),
                Panel(
                    "Oddities",
                    "Hedges, retries, late answers, pauses, conflicts: interesting in numbers.",
                    "cps",
                    ((per_s("dialdip_oddities_total", "what,who"), "{{what}} {{who}}"),),
                ),
            ),
        ),
    ),
    (("provider", "dialdip_provider_up"),),
)
