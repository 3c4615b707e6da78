"""What happens in the lookup, as counters and as log lines: trouble once, counters always."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from agi.log import Log
from agi.lookup import events
from agi.metrics import Metrics

REPEAT_S: Final = 10.0
"""The same trouble of the same provider is logged at most once in so long; counters have it all."""

_COUNTED: Final[Mapping[type, str]] = MappingProxyType(
    {
        events.Hedged: "hedged",
        events.Retried: "retried",
        events.LateAnswer: "late",
        events.Overdue: "overdue",
    }
)
"""What is only counted, and under which word."""


class Tally:
    """The observer of one process's lookups."""

    def __init__(self, metrics: Metrics, log: Log, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def __call__(self, event: events.LookupEvent) -> None:  # noqa: C901, PLR0912 - one for each
        """Count one event, and log it where a person should know."""
        metrics = self._metrics
        match event:
            case events.LookupDone():
                self._done(event)
            case events.TierAsked(tier, result):
                metrics.cache[tier, result] += 1
            case events.Avoided(_, why):
                metrics.avoided[why] += 1
            case events.Spent(provider, amount, currency):
                metrics.cost[provider, currency] += amount
            case events.Strangers(provider, count):
                metrics.strangers[provider] += count
                self._trouble("answers_for_other_numbers", provider, "strangers")
            case events.Implausible(provider):
                metrics.strangers[provider] += 1
                self._trouble("answer_of_another_country", provider, "implausible")
            case events.Quarantined(provider, seconds):
                metrics.oddities["quarantined", provider] += 1
                self._log("error", "provider_quarantined", provider=provider, seconds=seconds)
            case events.Conflict(provider, other):
                metrics.oddities["conflict", provider] += 1
                self._trouble("providers_disagree", provider, f"with {other}")
            case events.Breaker():
                self._breaker(event)
            case events.Paused(provider, seconds, scope):
                metrics.oddities["paused", provider] += 1
                self._log(
                    "warning", "provider_throttles", provider=provider, seconds=seconds, scope=scope
                )
            case events.BudgetGone(provider):
                metrics.oddities["budget", provider] += 1
                self._log("error", "budget_spent", provider=provider)
            case events.StoreTrouble(store, what, count, detail):
                self._store(store, what, count, detail)
            case events.PostbackRefused(provider, why):
                metrics.oddities[f"postback-{why}", provider] += 1
                self._trouble("postback_refused", provider, why)
            case events.NameTrouble(provider, what):
                metrics.oddities[f"name-{what}", provider] += 1
                self._trouble("provider_name", provider, what)
            case events.Hedged() | events.Retried() | events.LateAnswer() | events.Overdue():
                metrics.oddities[_COUNTED[type(event)], event.provider] += 1
            case events.Probed():
                self._probed(event)
            case events.NumberAnswered(provider, outcome, _):
                metrics.lookups[provider, f"number-{outcome}"] += 1

    def _done(self, event: events.LookupDone) -> None:
        metrics = self._metrics
        metrics.lookups[event.provider, event.outcome] += 1
        metrics.lookup[event.provider, event.outcome].observe(event.seconds)
        if event.outcome == "ok":
            metrics.failing.pop(event.provider, None)
        elif event.outcome != "shed":  # our own doing says nothing of the provider
            times, _, _ = metrics.failing.get(event.provider, (0, "", ""))
            metrics.failing[event.provider] = (times + 1, event.outcome, event.detail)
            self._trouble("lookup_failed", event.provider, event.outcome, event.detail)

    def _probed(self, event: events.Probed) -> None:
        self._metrics.probes[event.provider, event.result] += 1
        if event.result == event.before:
            return
        if event.result == "wrong":
            note = "its probe's network is known, and it names another, or none at all"
            self._log("error", "provider_answers_wrongly", provider=event.provider, note=note)
        elif event.result == "missing":
            self._log("warning", "probe_unanswered", provider=event.provider)
        elif event.before != "none":
            self._log("info", "probe_answered_rightly", provider=event.provider)

    def _store(self, store: str, what: str, count: int, detail: str) -> None:
        self._metrics.oddities[f"store-{what}", store] += count
        self._metrics.last[f"store-{what} {store}"] = self._clock()
        self._trouble("store_trouble", store, what, detail)

    def _breaker(self, event: events.Breaker) -> None:
        self._metrics.oddities[f"breaker-{event.state}", event.provider] += 1
        if event.page:
            self._log(
                "error",
                "provider_refuses_account",
                provider=event.provider,
                note="nothing is looked up there until the account is in order",
            )
        elif event.state == "closed":
            self._log("info", "provider_works_again", provider=event.provider)
        elif event.state == "open":
            self._trouble("provider_not_asked", event.provider, event.why)

    def _trouble(self, event: str, provider: str, what: str, detail: str = "") -> None:
        now = self._clock()
        last = self._told.get((provider, what))
        if last is None or now - last >= REPEAT_S:
            self._told[provider, what] = now
            self._log("warning", event, provider=provider, outcome=what, detail=detail)
