"""The dashboard of calls: how many, from what, how fast, and what is not as it should be."""

from __future__ import annotations

from typing import Final

from tests.dashboards.panels import (
    HOST,
    LEVELS,
    Board,
    Panel,
    grown,
    many,
    per_s,
    quantile,
    ratio,
    stat,
    states,
)

NO_NEED: Final = "skipped|policy|emergency"
WANTED: Final = 'reason!~"invalid-number|nodip"'
DECISION: Final = "dialdip_decision_seconds"
BOARD: Final = Board(
    "calls",
    "dialdip: Calls",
    "How calls are decided: how many, from what, how fast, and what is not as it should be.",
    (
        (
            "Now",
            (
                stat("Calls", "Calls decided a second.", "cps", per_s("dialdip_calls_total")),
                stat(
                    "Decision p99",
                    "Of 100 calls 99 are decided faster, lookups included.",
                    "s",
                    quantile(0.99, DECISION),
                ),
                stat(
                    "Without a network",
                    "Share of calls that wanted a network and had none: by range, or by default.",
                    "percentunit",
                    ratio(
                        per_s("dialdip_calls_total", more=f'source=~"range|default",{WANTED}'),
                        per_s("dialdip_calls_total", more=f'source!~"{NO_NEED}",{WANTED}'),
                    ),
                ),
                stat(
                    "Brown-out",
                    "What calls are decided from: lookups, the cache, ranges, or default.",
                    "none",
                    f"max(dialdip_brownout_level{{{HOST}}})",
                    LEVELS,
                ),
                stat(
                    "Routers",
                    "Router processes that answer.",
                    "none",
                    f'sum(dialdip_processes{{{HOST},role="router"}})',
                ),
                stat(
                    "Asterisks heard",
                    "PBXs whose manager interface is read now; without it trunks show nothing.",
                    "none",
                    f"sum(dialdip_ami_connected{{{HOST}}})",
                ),
            ),
        ),
        (
            "Decisions",
            (
                Panel(
                    "Calls by source",
                    "Where the network of each call came from. Only live ones were paid for.",
                    "cps",
                    ((per_s("dialdip_calls_total", "source"), "{{source}}"),),
                    stack=True,
                ),
                Panel(
                    "Calls by reason, other than ok",
                    "Why a call was decided without what it should have had, or rejected.",
                    "cps",
                    (
                        (
                            per_s("dialdip_calls_total", "action,reason", 'reason!="ok"'),
                            "{{action}}: {{reason}}",
                        ),
                    ),
                    stack=True,
                ),
                Panel(
                    "Time to decide",
                    "From accept to the answer. Remembered numbers are in p50, lookups in p99.",
                    "s",
                    many(*((quantile(q, DECISION), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99))),
                ),
                Panel(
                    "What routing adds to post-dial delay, p95",
                    "The AGI step as Asterisk sees it, beside our own time of the same calls.",
                    "s",
                    many(
                        (quantile(0.95, "dialdip_agi_seconds"), "seen by Asterisk"),
                        (quantile(0.95, "dialdip_agi_ours_seconds"), "ours"),
                    ),
                ),
                Panel(
                    "Decisions by duration",
                    "How many calls took how long. Second band: a provider; third: a time-out.",
                    "s",
                    ((per_s(f"{DECISION}_bucket", "le"), "{{le}}"),),
                    "heatmap",
                ),
                states(
                    "Brown-out level",
                    "What calls were decided from. Chosen by failing lookups, or by a person.",
                    ((f"max by (instance) (dialdip_brownout_level{{{HOST}}})", "{{instance}}"),),
                    LEVELS,
                ),
            ),
        ),
        (
            "The service",
            (
                Panel(
                    "Event loop lag, p99",
                    "How late each role's loop comes to its work. Over 50 ms calls feel it.",
                    "s",
                    ((quantile(0.99, "dialdip_event_loop_lag_seconds", "role"), "{{role}}"),),
                ),
                Panel(
                    "Connections",
                    "Open connections by role: those of calls are the routers'.",
                    "none",
                    (
                        (f"sum by (role) (dialdip_connections{{{HOST}}})", "{{role}}"),
                        (f"sum by (role) (dialdip_processes{{{HOST}}})", "processes: {{role}}"),
                    ),
                ),
                Panel(
                    "Refused, by kind",
                    "Security events: what was no proper call, and what was forged on AMI.",
                    "cps",
                    ((per_s("dialdip_security_events_total", "kind"), "{{kind}}"),),
                ),
                Panel(
                    "Lost records",
                    "Log lines and journal records dropped: their reader or disk is too slow.",
                    "cps",
                    many(
                        (per_s("dialdip_log_dropped_total"), "log lines"),
                        (per_s("dialdip_journal_dropped_total"), "journal records"),
                    ),
                ),
                Panel(
                    "Tables in force",
                    "Each version that is served. Two for long: one process refuses the newer.",
                    "none",
                    ((f"count by (instance, version) (dialdip_table_info{{{HOST}}})", ""),),
                    "table",
                ),
                Panel(
                    "Reloads",
                    "Reloads of tables and configuration within the time shown, by result.",
                    "none",
                    ((grown("dialdip_reloads_total", "result"), "{{result}}"),),
                    "bargauge",
                ),
            ),
        ),
    ),
)
