"""One real Asterisk of each version for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.chroots import BUILDS, Build, why_not
from tests.asterisk.pbx import Pbx, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "pbx" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asterisk)


@pytest.fixture(scope="session", params=BUILDS, ids=lambda build: f"asterisk{build.name}")
def pbx(request: pytest.FixtureRequest) -> Iterator[Pbx]:
    """Run the real thing, or say why not; under CI=true a required one must be there."""
    build: Build = request.param
    reason = why_not(build)
    if reason and build.required and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with running(build) as started:
        yield started
