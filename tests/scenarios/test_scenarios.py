"""Every scenario file is a test of its own; its name says what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.playing import play

FILES = sorted(Path(__file__).with_name("files").glob("*.scn"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_scenario(path: Path) -> None:
    play(path)


def test_there_are_at_least_eighty_scenarios() -> None:
    assert len(FILES) >= 80
