"""Tests that time calls on a machine that others use: where one fails, a second run decides.

A machine that stands still for a fifth of a second fails what is right; what is wrong fails twice.
Both runs are in the summary. Everything else has one run, and none has a clock: Hypothesis would
fail an example that such a moment made slow.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

HERE = Path(__file__).parent

TIMED = (
    *("load", "asterisk", "bench", "test_processes.py", "test_overload.py"),
    *("fastagi/test_server.py", "lookup/test_link.py", "lookup/test_whole.py"),
    *("lookup/test_against_sandbox.py", "lookup/test_client.py", "test_parent.py"),
    *("ami/test_listener.py", "cli/test_top.py", "grafana/test_prometheus.py"),
    *("test_brownout.py", "noc/test_process.py", "noc/test_pulling.py", "noc/test_pushing.py"),
    *("test_service.py", "web/test_pages.py", "web/test_readiness.py", "web/test_scraping.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(HERE / timed) for timed in TIMED):
            item.add_marker(pytest.mark.flaky(reruns=1))
