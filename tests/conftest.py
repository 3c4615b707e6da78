"""Tests that time calls on a machine that others use: where one fails, a second run decides.

A machine that stands still for a fifth of a second fails what is right; what is wrong fails twice.
Both runs are in the summary. Everything else has one run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

TIMED = {"load", "asterisk", "bench", "test_processes.py", "test_overload.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.path.relative_to(HERE).parts[0] in TIMED:
            item.add_marker(pytest.mark.flaky(reruns=1))
