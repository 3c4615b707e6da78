"""Pins: how they are kept, when they end, how long people may want them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from agi import pins
from agi.errors import UsageError
from agi.pins import LevelPin, Pins, TrunkPin
from agi.routing.standing import State
from agi.routing.versions.audit import Act, Who
from agi.routing.versions.store import Store
from tests.routing.kills.tables import ANN, NOON, activate

DOWN = TrunkPin(State.DOWN, NOON + 1_800, "carrier works on it")
CACHE = LevelPin(1, NOON + 600, "the provider's bill")


def test_pins_come_back_as_they_were_kept(tmp_path: Path) -> None:
    held = Pins({"uk-a": DOWN}, CACHE)
    pins.write(tmp_path, held)
    assert held == pins.read(tmp_path, NOON)
    assert 0o600 == stat.S_IMODE((tmp_path / "pins.json").stat().st_mode)


def test_without_a_file_nothing_is_pinned(tmp_path: Path) -> None:
    assert Pins() == pins.read(tmp_path, NOON)


def test_a_pin_ends_when_it_said_it_would(tmp_path: Path) -> None:
    pins.write(tmp_path, Pins({"uk-a": DOWN}, CACHE))
    assert Pins({"uk-a": DOWN}, CACHE) == pins.read(tmp_path, NOON + 599)
    assert Pins({"uk-a": DOWN}) == pins.read(tmp_path, NOON + 600)
    assert Pins() == pins.read(tmp_path, NOON + 1_800)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"trunks": {"a": {"state": "sideways", "until": 1, "why": ""}}}', "\xff"],
)
def test_a_damaged_file_pins_nothing_and_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "pins.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"pins\.json: damaged: no trunk is pinned"):
        pins.read(tmp_path, NOON)


def test_pins_that_cannot_be_kept_leave_those_before(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pins\.json: No such file"):
        pins.write(tmp_path / "nowhere", Pins())
    (tmp_path / "pins.json").mkdir()
    with pytest.raises(UsageError, match="no trunk is pinned"):
        pins.read(tmp_path, NOON)


def test_one_pin_is_changed_and_the_others_stay() -> None:
    both = Pins({"uk-a": DOWN}, CACHE).with_trunk("uk-b", DOWN)
    assert {"uk-a": DOWN, "uk-b": DOWN} == both.trunks
    assert {"uk-b": DOWN} == both.with_trunk("uk-a", None).trunks
    assert CACHE == both.with_trunk("uk-a", None).level
    assert Pins(both.trunks) == both.with_level(None)


def test_routers_are_told_states_ends_and_reasons() -> None:
    why = "carrier works on it"
    assert {
        "standings": {"uk-a": {"state": "down", "pinned": True, "until": NOON + 1_800, "why": why}},
        "ladder": {"level": 1, "until": NOON + 600, "why": "the provider's bill"},
    } == Pins({"uk-a": DOWN}, CACHE).told()
    assert {"standings": {}, "ladder": None} == Pins().told()


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds == pins.seconds_of(text)


@pytest.mark.parametrize(
    "text", ["", "30", "m", "0m", "-1m", "1.5h", "8d", "169h", "30 m", "30M", "9999999s", "\u0663m"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--for: give a number and s, m, h or d, at most 7d"):
        pins.seconds_of(text)


# ---- the audit log -----------------------------------------------------------------------


def test_a_pin_is_a_line_of_the_tables_audit_log_and_moves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, wait_s=0.05)
    version = activate(store, 1).version
    what = "trunk uk-a down until 2026-11-21T19:00:00.000+00:00"
    store.note(Act.PINNED, what, Who(1_000, "noc"), "carrier works on it", NOON + 1)
    line = store.history()[-1]
    assert ("pinned", what, "noc", 1_000, "carrier works on it", "") == (
        *(line.action, line.what, line.user, line.uid, line.why, line.version),
    )
    active = store.active()
    assert active is not None
    assert version == active.version
    assert [] == store.verify()
    activate(store, 2)
    assert version == store.rollback(None, ANN, "back", NOON + 2).version


def test_an_edited_pin_shows_in_the_audit_log(tmp_path: Path) -> None:
    store = Store(tmp_path, wait_s=0.05)
    activate(store, 1)
    store.note(Act.PINNED, "trunk uk-a down", ANN, "why", NOON + 1)
    log = tmp_path / "tables" / "audit.jsonl"
    log.write_text(log.read_text().replace("trunk uk-a down", "trunk uk-b down"))
    assert any("it was edited" in fault.what for fault in store.verify())


def test_a_pin_without_a_reason_is_no_line(tmp_path: Path) -> None:
    store = Store(tmp_path, wait_s=0.05)
    with pytest.raises(UsageError, match="why"):
        store.note(Act.PINNED, "trunk uk-a down", ANN, " ", NOON)
    assert () == store.history()
