"""What is alerted of the service itself."""

from __future__ import annotations

from tests.grafana.cases import ALIVE, CRITICAL, HOST, Case, calls, decided, lag, metric

CASES = [
    Case(
        "DialdipDown",
        "noc cannot be scraped for a minute",
        {f"up{{{HOST}}}": "1 1 0x10"},
        "3m",
        "dialdip on a:8080 cannot be scraped: noc, or the whole host, is gone",
        severity=CRITICAL,
    ),
    Case("DialdipDown", "it was away for 30 s", {f"up{{{HOST}}}": "1 0 1x10"}, "3m"),
    Case(
        "DialdipNoRouter",
        "no router answers",
        {**ALIVE, metric("processes", 'role="router"'): "2 0x10"},
        "3m",
        "No router answers on a:8080: every call takes the dialplan's default",
        severity=CRITICAL,
    ),
    Case(
        "DialdipNoRouter",
        "nobody says anything of routers",
        {**ALIVE, metric("processes", 'role="dipper"'): "1x10"},
        "3m",
        "No router answers on a:8080: every call takes the dialplan's default",
        severity=CRITICAL,
    ),
    Case(
        "DialdipNoRouter",
        "one of two is enough",
        {**ALIVE, metric("processes", 'role="router"'): "2 1x10"},
        "3m",
    ),
    Case(
        "DialdipNoDipper",
        "nothing is looked up",
        {**ALIVE, metric("processes", 'role="dipper"'): "1 0x10"},
        "3m",
        "No dipper answers on a:8080: nothing is looked up",
        severity=CRITICAL,
    ),
    Case(
        "DialdipNoDipper",
        "it is replaced within seconds",
        {**ALIVE, metric("processes", 'role="dipper"'): "1 0 1x10"},
        "3m",
    ),
    Case(
        "DialdipBrownOut",
        "calls go by the cache",
        {metric("brownout_level"): "0 1x10"},
        "3m",
        "Brown-out on a:8080, level 1 (1 cache, 2 range, 3 default)",
        severity=CRITICAL,
    ),
    Case("DialdipBrownOut", "lookups are live", {metric("brownout_level"): "0x10"}, "3m"),
    Case(
        "DialdipSlowDecisions",
        "one in ten calls waits 0.8 to 1 s: p99 is nine tenths of that bucket",
        {**decided("0+27x40", "0+30x40"), **calls("live", "0+30x40")},
        "15m",
        "One call in a hundred waits over 980ms on a:8080",
    ),
    Case(
        "DialdipSlowDecisions",
        "every call is quick",
        {**decided("0+30x40", "0+30x40"), **calls("memory", "0+30x40")},
        "15m",
    ),
    Case(
        "DialdipSlowDecisions",
        "a handful of calls at night says nothing",
        {**decided("0x40", "0+1x40"), **calls("live", "0+1x40")},
        "15m",
    ),
    Case(
        "DialdipLoopLag",
        "one in ten rounds of a router is 50 to 100 ms late",
        lag("0+90x40", "0+100x40"),
        "15m",
        "The router on a:8080 comes 95ms late",
        (("role", "router"),),
    ),
    Case("DialdipLoopLag", "it is in time", lag("0+100x40", "0+100x40"), "15m"),
    Case(
        "DialdipTablesDiffer",
        "one process refuses the new version",
        {
            metric("table_info", 'version="000001-aaaaaaaa"'): "1x20",
            metric("table_info", 'version="000002-bbbbbbbb"'): "_x5 1x20",
        },
        "8m",
        "2 versions of the tables are in force on a:8080",
    ),
    Case(
        "DialdipTablesDiffer",
        "every process takes it, one after another",
        {
            metric("table_info", 'version="000001-aaaaaaaa"'): "1x3 stale",
            metric("table_info", 'version="000002-bbbbbbbb"'): "_ 1x20",
        },
        "90s",
    ),
    Case(
        "DialdipReloadRefused",
        "a file has faults",
        {metric("reloads_total", 'result="refused"'): "0 0 1x20"},
        "5m",
        "A reload was refused on a:8080: what ran runs on",
        (("result", "refused"),),
    ),
    Case(
        "DialdipReloadRefused",
        "reloads succeed",
        {
            metric("reloads_total", 'result="ok"'): "0 1 2x20",
            metric("reloads_total", 'result="refused"'): "3x20",
        },
        "5m",
    ),
    Case(
        "DialdipLosesRecords",
        "the disk is full",
        {metric("journal_dropped_total"): "0 0 7x20", metric("log_dropped_total"): "0x20"},
        "5m",
        "Records or log lines are lost on a:8080: the disk, or the log's reader",
    ),
    Case(
        "DialdipLosesRecords",
        "nothing is lost",
        {metric("journal_dropped_total"): "7x20", metric("log_dropped_total"): "0x20"},
        "5m",
    ),
]
