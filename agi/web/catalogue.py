"""Every metric that Prometheus is shown: its kind, its labels, and what it says.

The names and labels are promised to dashboards and alert rules; ``docs/metrics.md`` explains them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Sort(StrEnum):
    """What kind of metric it is, as Prometheus calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric family."""

    name: str
    sort: Sort
    labels: tuple[str, ...]
    text: str


def _entry(sort: Sort, head: str, text: str) -> Entry:
    name, *labels = head.split()
    return Entry(f"dialdip_{name}", sort, tuple(labels), text)


def _counter(head: str, text: str) -> Entry:
    return _entry(Sort.COUNTER, head, text)


def _gauge(head: str, text: str) -> Entry:
    return _entry(Sort.GAUGE, head, text)


def _histogram(head: str, text: str) -> Entry:
    return _entry(Sort.HISTOGRAM, head, text)


CALLS: Final = _counter("calls_total action source reason", "Calls that were answered.")
DECISION: Final = _histogram(
    "decision_seconds", "From the accepted connection to the written answer."
)
ENDINGS: Final = _counter("endings_total ending", "How connections to the FastAGI port ended.")

LOOKUPS: Final = _counter("lookups_total provider outcome", "Requests put to a provider.")
LOOKUP: Final = _histogram("lookup_seconds provider outcome", "How long one request took.")
NUMBERS: Final = _counter(
    "lookup_numbers_total provider outcome", "Numbers that a provider answered for."
)
STRANGERS: Final = _counter(
    "lookup_strangers_total provider", "Answers that cannot be right, dropped."
)
CACHE: Final = _counter("cache_requests_total tier result", "Questions put to a tier of the cache.")
AVOIDED: Final = _counter("lookups_avoided_total why", "Lookups that were not made.")
COST: Final = _counter("lookup_cost_total provider currency", "Money spent on lookups.")
SAVED: Final = _counter(
    "lookup_saved_total currency", "Money not spent, because the network could change nothing."
)
BUDGET: Final = _gauge("budget_left provider currency", "Money left of the day's budget.")
PROVIDER_UP: Final = _gauge("provider_up provider", "1 while it is asked and answers.")
BREAKER: Final = _gauge(
    "breaker_state provider", "0 closed: it is asked; 1 probing; 2 open: it is not asked."
)
PROBES: Final = _counter("probes_total provider result", "Known-answer probes: ok, wrong, missing.")
PROBE_OK: Final = _gauge("probe_ok provider", "1 if the last known-answer probe was right.")

ATTEMPTS: Final = _counter(
    "trunk_attempts_total trunk outcome", "Attempts on a trunk, by how they ended."
)
SEIZURES: Final = _counter(
    "trunk_seizures_total trunk", "Attempts that Asterisk did dial: the denominator of ASR and NER."
)
ANSWERED: Final = _counter("trunk_answered_total trunk", "Attempts that were answered.")
EFFECTIVE: Final = _counter(
    "trunk_effective_total trunk",
    "Attempts that ended by the user's or the number's doing: NER's numerator.",
)
CAUSES: Final = _counter("trunk_causes_total trunk cause", "Attempts by their Q.850 cause.")
MARKED: Final = _counter(
    "trunk_marked_total trunk", "Attempts during a part of which AMI was away."
)
TALK: Final = _counter("trunk_talk_seconds_total trunk", "Talk time of answered attempts.")
PDD: Final = _histogram("trunk_pdd_seconds trunk", "Post-dial delay, to the far end's first sign.")
OPEN: Final = _gauge("trunk_calls trunk", "Attempts under way.")
STATE: Final = _gauge("trunk_state trunk state", "1 for the state that the trunk is in.")
PINNED: Final = _gauge("trunk_pinned trunk", "1 while a person holds the trunk in its state.")

CONNECTED: Final = _gauge("ami_connected asterisk", "1 while its manager interface is heard.")
GAP: Final = _counter("ami_gap_seconds_total asterisk", "Time during which AMI was not heard.")
GAPS: Final = _counter("ami_gaps_total asterisk", "How often AMI was lost.")
EVENTS: Final = _counter("ami_events_total asterisk", "Events that were read.")
DROPPED: Final = _counter("ami_dropped_total asterisk", "Events that were lost for want of room.")
AMI_LAG: Final = _gauge("ami_lag_seconds asterisk", "How late events are read.")
UNVERIFIED: Final = _counter(
    "unverified_attempts_total", "Attempts that the dialplan made without a decision of ours."
)
AGI: Final = _histogram("agi_seconds", "The AGI step, as Asterisk saw it.")
OURS: Final = _histogram("agi_ours_seconds", "Our own time of the calls in dialdip_agi_seconds.")

SECURITY: Final = _counter(
    "security_events_total kind", "What was refused, or not believed, because it looked forged."
)
LEVEL: Final = _gauge("brownout_level", "0 live, 1 cache, 2 range, 3 default: the worst router's.")
LEVEL_PINNED: Final = _gauge("brownout_pinned", "1 while a person holds the level.")
LAG: Final = _histogram("event_loop_lag_seconds role", "How late an event loop was.")
PROCESSES: Final = _gauge("processes role", "Processes that answer.")
CONNECTIONS: Final = _gauge("connections role", "Connections that they hold now.")
TABLE: Final = _gauge("table_info version", "1 for each version of the tables that is in force.")
BUILD: Final = _gauge("build_info version", "1 for the version of the program.")
RELOADS: Final = _counter("reloads_total result", "Reloads of a process.")
LOG_DROPPED: Final = _counter("log_dropped_total", "Log lines lost: the log's reader is too slow.")
JOURNAL_DROPPED: Final = _counter("journal_dropped_total", "Decisions missing in the journal.")
ODDITIES: Final = _counter("oddities_total what who", "What should be rare.")

ALL: Final = tuple(one for one in list(globals().values()) if isinstance(one, Entry))
"""All of them, in the order in which they are shown."""

MOST: Final = MappingProxyType(
    {
        "trunk": 1_000,
        "provider": 32,
        "asterisk": 64,
        "who": 64,
        "version": 16,
        "role": 8,
        "cause": 129,
        "outcome": 32,
        "reason": 128,
        "kind": 128,
        "what": 128,
        "currency": 32,
    }
)
"""So many values of a label are told apart at most; further ones are ``other``."""

MOST_ELSE: Final = 32

PASSING: Final = frozenset({"version"})
"""Labels of what is in force now, and of no counter: values that are gone make room."""
