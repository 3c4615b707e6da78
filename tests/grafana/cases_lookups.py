"""What is alerted of lookups and money."""

from __future__ import annotations

from tests.grafana.cases import CRITICAL, Case, calls, metric

NPL = (("provider", "npl"),)

CASES = [
    Case(
        "DialdipLookupsFail",
        "a quarter of calls has no network",
        {**calls("memory", "0+30x40"), **calls("default", "0+10x40"), **calls("policy", "0+90x40")},
        "15m",
        "25% of calls on a:8080 go out without a network",
        severity=CRITICAL,
    ),
    Case(
        "DialdipLookupsFail",
        "one in twenty is unknown to everybody, many others are no numbers at all",
        {
            **calls("memory", "0+38x40"),
            **calls("default", "0+2x40"),
            **calls("default", "0+50x40", "invalid-number"),
        },
        "15m",
    ),
    Case(
        "DialdipLookupsFail",
        "a call a minute says nothing",
        calls("default", "0+0.5x60"),
        "20m",
    ),
    Case(
        "DialdipProviderDown",
        "its breaker is open",
        {metric("provider_up", 'provider="npl"'): "1 0x10"},
        "4m",
        "Provider npl is not asked, or answers nothing, on a:8080",
        NPL,
    ),
    Case(
        "DialdipProviderDown",
        "for a minute and a half",
        {metric("provider_up", 'provider="npl"'): "1 0x10"},
        "2m",
    ),
    Case(
        "DialdipProviderFails",
        "half of its answers are time-outs",
        {
            metric("lookups_total", 'provider="npl",outcome="ok"'): "0+5x40",
            metric("lookups_total", 'provider="npl",outcome="timeout"'): "0+5x40",
        },
        "15m",
        "Only 50% of the requests to npl are answered well",
        NPL,
    ),
    Case(
        "DialdipProviderFails",
        "nine of ten are good",
        {
            metric("lookups_total", 'provider="npl",outcome="ok"'): "0+9x40",
            metric("lookups_total", 'provider="npl",outcome="timeout"'): "0+1x40",
        },
        "15m",
    ),
    Case(
        "DialdipProbeWrong",
        "it names another network once",
        {metric("probes_total", 'provider="npl",result="wrong"'): "0 0 1x40"},
        "10m",
        "Provider npl names a wrong network for the number of its probe",
        (*NPL, ("result", "wrong")),
        CRITICAL,
    ),
    Case(
        "DialdipProbeWrong",
        "it is right",
        {
            metric("probes_total", 'provider="npl",result="ok"'): "0+1x40",
            metric("probes_total", 'provider="npl",result="wrong"'): "0x40",
        },
        "10m",
    ),
    Case(
        "DialdipProbeMissing",
        "no answer for half an hour",
        {
            metric("probe_ok", 'provider="npl"'): "1 0x100",
            metric("probes_total", 'provider="npl",result="wrong"'): "0x100",
        },
        "40m",
        "The probe of provider npl had no right answer for half an hour",
        NPL,
    ),
    Case(
        "DialdipProbeMissing",
        "wrong answers have their own alert",
        {
            metric("probe_ok", 'provider="npl"'): "1 0x100",
            metric("probes_total", 'provider="npl",result="wrong"'): "0+1x100",
        },
        "40m",
    ),
    Case(
        "DialdipBudgetSpent",
        "nothing is left",
        {metric("budget_left", 'provider="npl",currency="EUR"'): "1 0x10"},
        "2m",
        "The money of the day is spent at npl: it is not asked until midnight",
        (*NPL, ("currency", "EUR")),
        CRITICAL,
    ),
    Case(
        "DialdipBudgetSpent",
        "some is left",
        {metric("budget_left", 'provider="npl",currency="EUR"'): "0.01x10"},
        "2m",
    ),
    Case(
        "DialdipBudgetEnds",
        "12 an hour are spent, 20 are left",
        {
            metric("lookup_cost_total", 'provider="npl",currency="EUR"'): "0+0.1x200",
            metric("budget_left", 'provider="npl",currency="EUR"'): "20x200",
        },
        "90m",
        "At npl 20 EUR are left: less than two hours at this pace",
        (*NPL, ("currency", "EUR")),
    ),
    Case(
        "DialdipBudgetEnds",
        "12 an hour are spent, 30 are left",
        {
            metric("lookup_cost_total", 'provider="npl",currency="EUR"'): "0+0.1x200",
            metric("budget_left", 'provider="npl",currency="EUR"'): "30x200",
        },
        "90m",
    ),
]
