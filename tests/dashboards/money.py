"""The dashboard of money: what lookups cost, at whom, what is left, and what was saved."""

from __future__ import annotations

from typing import Final

from tests.dashboards.panels import HOST, RATE, Board, Panel, grown, many, per_s, ratio

COST: Final = "dialdip_lookup_cost_total"
SAVED: Final = "dialdip_lookup_saved_total"
CALLS: Final = per_s("dialdip_calls_total")


BOARD: Final = Board(
    "money",
    "dialdip: Money saved and spent",
    "What lookups cost, at whom, what is left of the day's money, and what was not spent.",
    (
        (
            "In the time shown",
            (
                Panel(
                    "Spent",
                    "Price of the answers that were paid for, by account and its currency.",
                    "short",
                    ((grown(COST, "provider,currency"), "{{provider}} {{currency}}"),),
                    "stat",
                    width=8,
                ),
                Panel(
                    "Not spent: the route is the same",
                    "Price of lookups left out because no network could change the route.",
                    "short",
                    ((grown(SAVED, "currency"), "{{currency}}"),),
                    "stat",
                    width=8,
                ),
                Panel(
                    "Left of the day",
                    "What each account may still spend until midnight; then it is not asked.",
                    "short",
                    (
                        (
                            f"min by (provider, currency) (dialdip_budget_left{{{HOST}}})",
                            "{{provider}} {{currency}}",
                        ),
                    ),
                    "stat",
                    width=8,
                ),
            ),
        ),
        (
            "Over time",
            (
                Panel(
                    "Spent an hour",
                    "The pace of spending, by account and its currency.",
                    "short",
                    (
                        (
                            f"3600 * {per_s(COST, 'provider,currency')}",
                            "{{provider}} {{currency}}",
                        ),
                    ),
                    stack=True,
                ),
                Panel(
                    "Money left over time",
                    "A line that falls to 0 before midnight: raise daily_budget, or ask why.",
                    "short",
                    (
                        (
                            f"min by (provider, currency) (dialdip_budget_left{{{HOST}}})",
                            "{{provider}} {{currency}}",
                        ),
                    ),
                ),
                Panel(
                    "Cost of a thousand calls",
                    "What was spent, divided by all calls decided, remembered ones too.",
                    "short",
                    (
                        (
                            f"1000 * {per_s(COST, 'currency')} / on () group_left () ({CALLS} > 0)",
                            "{{currency}}",
                        ),
                    ),
                ),
                Panel(
                    "Calls that were paid for",
                    "Share of calls with a live lookup. The caches and the tables keep it low.",
                    "percentunit",
                    (
                        (
                            ratio(per_s("dialdip_calls_total", more='source="live"'), CALLS),
                            "paid for",
                        ),
                    ),
                ),
                Panel(
                    "Not spent an hour",
                    "The pace of saving by routes that no network could change.",
                    "short",
                    ((f"3600 * {per_s(SAVED, 'currency')}", "{{currency}}"),),
                ),
                Panel(
                    "Answered for nothing",
                    "Calls whose network was remembered, and questions that were avoided.",
                    "cps",
                    many(
                        (
                            per_s("dialdip_calls_total", more='source=~"memory|store|stale"'),
                            "remembered",
                        ),
                        (f"sum(rate(dialdip_lookups_avoided_total{{{HOST}}}{RATE}))", "avoided"),
                    ),
                ),
            ),
        ),
    ),
)
