"""The document has every metric, with its kind, its labels and its words; and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agi.web.catalogue import ALL, MOST, Entry, Sort
from agi.web.pages import LIFETIME_S, MAX_CONNECTIONS

DOCUMENT = (Path(__file__).parent.parent.parent / "docs/metrics.md").read_text()

# The contract's, word for word: dashboards and alert rules of others rely on them.
PROMISED = """
dialdip_calls_total{action,source,reason} dialdip_decision_seconds
dialdip_lookup_seconds{provider,outcome} dialdip_lookups_total{provider,outcome}
dialdip_cache_requests_total{tier,result} dialdip_provider_up{provider}
dialdip_breaker_state{provider} dialdip_lookup_cost_total{provider,currency}
dialdip_lookups_avoided_total{why} dialdip_trunk_attempts_total{trunk,outcome}
dialdip_trunk_answered_total{trunk} dialdip_trunk_talk_seconds_total{trunk}
dialdip_trunk_pdd_seconds{trunk} dialdip_trunk_calls{trunk} dialdip_ami_connected{asterisk}
dialdip_security_events_total{kind} dialdip_event_loop_lag_seconds{role}
dialdip_table_info{version} dialdip_ami_gap_seconds_total{asterisk}
"""


def written(entry: Entry) -> str:
    return entry.name + (f"{{{','.join(entry.labels)}}}" if entry.labels else "")


@pytest.mark.parametrize("metric", PROMISED.split())
def test_what_was_promised_is_there(metric: str) -> None:
    assert metric in {written(entry) for entry in ALL}


def test_the_document_has_each_metric_once_and_as_it_is() -> None:
    rows = re.findall(r"^\| `(dialdip_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", DOCUMENT, re.MULTILINE)
    told = [
        (name, kind, tuple(re.findall(r"\w+", labels)), text) for name, kind, labels, text in rows
    ]
    assert [(one.name, str(one.sort), one.labels, one.text) for one in ALL] == told


def test_only_counters_end_in_total() -> None:
    assert [] == [
        one.name for one in ALL if (one.sort is Sort.COUNTER) != one.name.endswith("_total")
    ]


def test_the_bounds_in_the_document_are_those_in_force() -> None:
    assert f"{MOST['trunk']} trunks, {MOST['provider']}\nproviders" in DOCUMENT
    assert f"{MOST['asterisk']} PBXs, {MOST['reason']} reasons and kinds" in DOCUMENT
    assert MOST["reason"] == MOST["kind"]
    assert f"a connection lives {LIFETIME_S:g} s, there are\n{MAX_CONNECTIONS} at most" in DOCUMENT
