"""Each alert fires for what it is for, and is silent beside it: ``promtool test rules`` judges."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.grafana import cases_asterisk, cases_lookups, cases_service, cases_trunks
from tests.grafana.cases import HOST, Case
from tests.grafana.judging import judged, series
from tests.grafana.prometheus import RULES, promtool

ALERTS = (RULES / "alerts.yml").read_text()
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
RUNBOOK = Path(__file__).parents[2] / "docs" / "alerts.md"
CASES = [
    *cases_service.CASES,
    *cases_lookups.CASES,
    *cases_trunks.CASES,
    *cases_asterisk.CASES,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.why}")
def test_an_alert_fires_for_what_it_is_for_and_is_silent_beside_it(
    case: Case, tmp_path: Path
) -> None:
    host = {} if case.alert == "DialdipAsrDrop" else {"instance": "a:8080"}
    labels = {"severity": case.severity, "job": "dialdip", **host, **dict(case.labels)}
    runbook = f"docs/alerts.md#{case.alert.lower()}"
    said = {"summary": case.summary, "runbook": runbook}
    expected = [{"exp_labels": labels, "exp_annotations": said}] if case.summary else []
    test = {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}
    judged(tmp_path, {"input_series": series(case.series), "alert_rule_test": [test]}, case.step)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_tested_both_ways(name: str) -> None:
    assert {True, False} == {bool(case.summary) for case in CASES if case.alert == name}


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_says_what_to_do_on_its_page(name: str) -> None:
    assert f"runbook: docs/alerts.md#{name.lower()}\n" in ALERTS
    assert re.search(rf"^### {name}$", RUNBOOK.read_text(), re.MULTILINE)


def test_the_page_has_no_alert_that_is_not_there() -> None:
    found = re.findall(r"^### (Dialdip\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(NAMES) == sorted(found)


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yml")), ids=lambda path: path.name)
def test_promtool_finds_no_fault_in_the_rules(path: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))
    assert 0 == done.returncode, done.stdout + done.stderr


def test_a_wrong_expectation_is_seen(tmp_path: Path) -> None:
    """The test itself: promtool must refuse what is not so."""
    test = {"eval_time": "3m", "alertname": "DialdipDown", "exp_alerts": []}
    with pytest.raises(AssertionError, match="FAILED"):
        judged(
            tmp_path,
            {"input_series": series({f"up{{{HOST}}}": "0x10"}), "alert_rule_test": [test]},
        )
