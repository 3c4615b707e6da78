"""noc's mind: decisions and events go in, how trunks stand comes out; no socket, no clock."""

from __future__ import annotations

from typing import Any

import pytest

from agi.ami.decided import Decided, Hopped
from agi.ami.events import Attempted, ChannelSeen, DialBegan, DialEnded, DialMoved, HungUp
from agi.log import Silence
from agi.noc.mind import Known, Noc
from agi.noc.rates import Rate
from agi.pins import LevelPin, Pins, TrunkPin
from agi.routing.standing import State
from agi.routing.trunk import Trunk
from agi.settings import Config

NOW = 1_795_231_889.0
TABLE = "000001-1a2b3c4d"


class Desk:
    """A noc with a clock that is set, and how often routers were to be told."""

    def __init__(self) -> None:
        self.now = NOW
        self.hurried = 0
        self.jumped = 0.0
        self.noc = Noc(
            Config(),
            wall=lambda: self.now + self.jumped,
            steady=lambda: self.now,
            log=Silence(),
        )
        self.noc.on_change = self.hurry
        self.noc.heard_of = lambda: True
        self.noc.use(Known(TABLE, {name: trunk(name) for name in ("uk-a", "uk-b")}))
        self.noc.lost("pbx1", self.now - 60)
        self.noc.resynced("pbx1", (), self.now - 59)
        self.hurried = 0
        self._calls = 0

    def hurry(self) -> None:
        self.hurried += 1

    def call(self, name: str = "uk-a", *, answer: bool = False, cause: int = 34) -> str:
        """Decide a call and have one attempt of it end; return its uniqueid."""
        self._calls += 1
        unique, dest = f"{self._calls}.1", f"{self._calls}.2"
        ident, channel = f"00000000-{self._calls:06x}", f"PJSIP/{name}-0000000{self._calls % 10}"
        hops = (Hopped(name, name, "PJSIP"),)
        self.noc.decided(Decided(ident, unique, self.now, 0.004, "GB", "23415", hops))
        self.heard(DialBegan(self.now, unique, dest, channel))
        if answer:
            self.heard(DialMoved(self.now, dest, "RINGING"))
            self.heard(DialEnded(self.now, dest, "ANSWER"))
            return unique
        self.heard(DialEnded(self.now, dest, "CONGESTION"))
        self.heard(HungUp(self.now, dest, channel, cause))
        self.heard(
            Attempted(self.now, unique, ident, name, 1, "CONGESTION", cause, NOW, NOW + 0.01)
        )
        return unique

    def heard(self, event: Any) -> None:
        self.noc.heard("pbx1", event)

    def state(self, name: str = "uk-a") -> State:
        return self.noc.standings()[name].state


def trunk(name: str, tech: str = "PJSIP") -> Trunk:
    return Trunk(name, name, tech, 45, enabled=True)


def test_a_trunk_that_fails_five_times_in_a_row_is_down_and_routers_are_told_at_once() -> None:
    desk = Desk()
    for _ in range(4):
        desk.call()
    assert State.UP is desk.state()
    assert 0 == desk.hurried
    desk.call()
    assert State.DOWN is desk.state()
    assert 1 == desk.hurried
    told: Any = desk.noc.word()["standings"]
    assert ("down", "5 failures in a row, cause 34") == (
        told["uk-a"]["state"],
        told["uk-a"]["why"],
    )
    assert "up" == told["uk-b"]["state"]


def test_calls_that_ring_or_are_answered_keep_a_trunk_up() -> None:
    desk = Desk()
    for _ in range(4):
        desk.call()
    desk.call(answer=True)
    for _ in range(4):
        desk.call()
    assert State.UP is desk.state()


def test_a_pbx_whose_clock_is_another_one_delays_no_trial() -> None:
    desk = Desk()
    for ahead in range(5):
        unique, dest, ident = f"{ahead}.1", f"{ahead}.2", f"00000000-{ahead:06x}"
        hops = (Hopped("uk-a", "uk-a", "PJSIP"),)
        channel, theirs = f"PJSIP/uk-a-0000000{ahead}", NOW + 50
        desk.noc.decided(Decided(ident, unique, NOW, 0.004, "GB", "", hops))
        desk.heard(DialBegan(theirs, unique, dest, channel))
        desk.heard(DialEnded(theirs + 0.1, dest, "CONGESTION"))
        desk.heard(HungUp(theirs + 0.1, dest, channel, 34))
        desk.heard(Attempted(theirs + 0.1, unique, ident, "uk-a", 1, "CONGESTION", 34))
    assert State.DOWN is desk.state()
    desk.now = NOW + 10
    desk.noc.tick()
    assert State.TRIAL is desk.state()


def test_the_number_s_fault_is_not_the_trunk_s() -> None:
    desk = Desk()
    for _ in range(20):
        desk.call(cause=1)
    assert State.UP is desk.state()
    assert 20 == desk.noc.kpis.trunks(desk.now)["uk-a"][60].effective


@pytest.mark.parametrize(
    ("waited_s", "sign", "stands"),
    [(12.0, "", State.DOWN), (12.0, "RINGING", State.UP), (8.0, "", State.UP)],
)
def test_callers_who_leave_a_trunk_that_gives_no_sign_for_ten_seconds_tell_against_it(
    waited_s: float, sign: str, stands: State
) -> None:
    """A silent trunk ends by itself after 32 s only (RFC 3261, timer B): callers leave before."""
    desk = Desk()
    for number in range(1, 6):
        unique, dest, ident = f"{number}.1", f"{number}.2", f"00000000-{number:06x}"
        hops = (Hopped("uk-a", "uk-a", "PJSIP"),)
        desk.noc.decided(Decided(ident, unique, desk.now, 0.004, "GB", "23415", hops))
        desk.heard(DialBegan(desk.now, unique, dest, f"PJSIP/uk-a-0000000{number}"))
        if sign:
            desk.heard(DialMoved(desk.now + 1, dest, sign))
        desk.now += waited_s
        desk.heard(DialEnded(desk.now, dest, "CANCEL"))
        desk.heard(HungUp(desk.now, dest, f"PJSIP/uk-a-0000000{number}", 0))
        desk.heard(Attempted(desk.now, unique, ident, "uk-a", 1, "CANCEL", 0, NOW, NOW + 0.01))
    assert stands == desk.state()


def test_a25_events_that_agree_with_no_decision_move_nothing_but_the_security_counter() -> None:
    desk = Desk()
    desk.now += 1
    for number in range(20):
        channel = f"PJSIP/uk-a-000000{number:02}"
        desk.heard(DialBegan(NOW, "9.9", f"9.{number}", channel))
        desk.heard(HungUp(NOW, f"9.{number}", channel, 34))
        desk.heard(Attempted(NOW, "9.9", "forged-000001", "uk-a", 1, "CONGESTION", 34))
    desk.now += 10
    desk.noc.tick()
    assert State.UP is desk.state()
    assert {} == {name: one for name, one in desk.noc.kpis.totals.items() if one.outcomes}
    assert {"ami-attempt": 20} == dict(desk.noc.counted)


def test_an_attempt_of_a_call_that_nobody_decided_is_only_counted() -> None:
    desk = Desk()
    desk.heard(Attempted(NOW, "9.9", "", "uk-a", 1, "CONGESTION", 34))
    desk.now += 10
    desk.noc.tick()
    assert 1 == desk.noc.unverified
    assert {} == dict(desk.noc.counted)


def test_both_sides_of_the_step_are_timed_by_the_same_calls() -> None:
    desk = Desk()
    desk.call()
    assert (1, 1) == (desk.noc.theirs.count, desk.noc.ours.count)
    assert 0.01 == pytest.approx(desk.noc.theirs.total, abs=1e-6)
    assert 0.004 == pytest.approx(desk.noc.ours.total)


def test_calls_up_are_told_only_while_every_pbx_is_heard() -> None:
    desk = Desk()
    desk.call(answer=True)
    assert 1 == desk.noc.standings()["uk-a"].calls
    assert 0 == desk.noc.standings()["uk-b"].calls
    desk.noc.heard_of = lambda: False
    assert desk.noc.standings()["uk-a"].calls is None


def test_an_endpoint_out_of_reach_takes_its_trunk_down_at_once() -> None:
    desk = Desk()
    desk.noc.reachable("pbx1", {"uk-a": False, "uk-b": True, "somebody-elses": False}, NOW)
    assert (State.DOWN, State.UP) == (desk.state("uk-a"), desk.state("uk-b"))
    assert {"uk-a", "uk-b"} == set(desk.noc.standings())
    desk.noc.reachable("pbx1", {"uk-a": True}, NOW + 1)
    assert State.TRIAL is desk.state("uk-a")


def test_a_local_trunk_of_an_endpoint_s_name_is_not_that_endpoint() -> None:
    desk = Desk()
    desk.noc.use(Known(TABLE, {"uk-a": trunk("uk-a", "Local")}))
    desk.noc.reachable("pbx1", {"uk-a": False}, NOW)
    assert State.UP is desk.state("uk-a")


def test_a_gap_leaves_the_calls_that_were_up_to_the_list() -> None:
    desk = Desk()
    unique = desk.call(answer=True)
    desk.noc.lost("pbx1", NOW + 1)
    there = ChannelSeen("1.2", unique, "PJSIP/uk-a-00000001", 6, 10.0)
    desk.noc.resynced("pbx1", [there], NOW + 2)
    assert 1 == desk.noc.standings()["uk-a"].calls
    desk.noc.lost("pbx1", NOW + 3)
    desk.now = NOW + 60
    desk.noc.resynced("pbx1", [], desk.now)
    desk.noc.tick()
    desk.now += 60
    desk.noc.tick()
    assert 0 == desk.noc.standings()["uk-a"].calls


# ---- pins --------------------------------------------------------------------------------


def test_a_pin_goes_before_what_calls_say_until_it_ends() -> None:
    desk = Desk()
    desk.noc.pin(Pins({"uk-a": TrunkPin(State.DOWN, NOW + 60, "works")}, LevelPin(1, NOW + 9, "x")))
    assert 1 <= desk.hurried
    word: Any = desk.noc.word()
    assert ("down", True, NOW + 60, "works") == tuple(
        word["standings"]["uk-a"][key] for key in ("state", "pinned", "until", "why")
    )
    assert {"level": 1, "until": NOW + 9, "why": "x"} == word["ladder"]
    desk.now = NOW + 60
    desk.noc.tick()
    assert State.UP is desk.state()
    word = desk.noc.word()
    assert "until" not in word["standings"]["uk-a"]
    assert word["ladder"] is None


def test_a_pin_that_is_taken_down_gives_the_trunk_back() -> None:
    desk = Desk()
    desk.noc.pin(Pins({"uk-a": TrunkPin(State.DOWN, NOW + 60, "works")}))
    desk.noc.pin(Pins())
    assert State.UP is desk.state()


def test_a_pin_outlives_tables_that_do_not_know_its_trunk() -> None:
    desk = Desk()
    desk.noc.pin(Pins({"uk-a": TrunkPin(State.DOWN, NOW + 60, "works")}))
    desk.noc.use(Known("000002-1a2b3c4d", {"uk-b": trunk("uk-b")}))
    assert {"uk-b"} == set(desk.noc.standings())
    desk.noc.use(Known("000003-1a2b3c4d", {"uk-a": trunk("uk-a")}))
    assert State.DOWN is desk.state()


def test_new_tables_keep_what_is_known_of_trunks_that_stay() -> None:
    desk = Desk()
    for _ in range(5):
        desk.call()
    desk.noc.use(Known("000002-1a2b3c4d", {name: trunk(name) for name in ("uk-a", "uk-c")}))
    assert State.DOWN is desk.state("uk-a")
    assert State.UP is desk.state("uk-c")


@pytest.mark.parametrize("seconds", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_keeps_no_trunk_down_and_no_figure_standing_still(
    seconds: float,
) -> None:
    desk = Desk()
    for _ in range(5):
        desk.call()
    desk.jumped = seconds
    desk.now += 10
    desk.noc.tick()
    assert State.TRIAL is desk.state()
    desk.now += 60
    desk.noc.tick()
    assert 0 == desk.noc.kpis.trunks(desk.now)["uk-a"][60].attempts


def test_a_call_decided_after_a_jump_of_the_clock_is_not_marked_for_it() -> None:
    desk = Desk()
    desk.jumped = -3_600.0
    desk.noc.decided(
        Decided("00000000-ffffff", "9.1", NOW - 3_600, 0.004, "GB", "", (_hop("uk-a"),))
    )
    desk.heard(DialBegan(NOW, "9.1", "9.2", "PJSIP/uk-a-00000009"))
    desk.heard(HungUp(NOW, "9.2", "PJSIP/uk-a-00000009", 17))
    desk.heard(Attempted(NOW, "9.1", "00000000-ffffff", "uk-a", 1, "BUSY", 17))
    totals = desk.noc.kpis.totals["uk-a"]
    assert (1, 0) == (totals.outcomes["busy"], totals.marked)


def test_a_pin_ends_by_the_wall_clock_wherever_that_jumps() -> None:
    desk = Desk()
    desk.noc.pin(Pins({"uk-a": TrunkPin(State.DOWN, NOW + 600, "works")}))
    desk.jumped = -3_600.0
    desk.now += 700
    desk.noc.tick()
    assert State.DOWN is desk.state()
    desk.jumped = 0.0
    desk.noc.tick()
    assert State.UP is desk.state()
    assert {} == desk.noc.pins.trunks


def test_calls_over_trunks_that_no_table_knows_leave_no_health_behind() -> None:
    desk = Desk()
    said: list[str] = []
    desk.noc.on_change = lambda: said.append("changed")
    for _ in range(10):
        desk.call("uk-z")
    assert 0 == len(said)
    assert 10 == desk.noc.kpis.totals["uk-z"].seizures
    desk.noc.pin(Pins({"uk-z": TrunkPin(State.DOWN, NOW + 60, "works")}))
    desk.noc.pin(Pins())
    assert {"uk-a", "uk-b"} == set(desk.noc.standings())
    assert {"uk-a", "uk-b"} == set(desk.noc.health.standings(desk.now))


def _hop(name: str) -> Hopped:
    return Hopped(name, name, "PJSIP")


# ---- calls a second ----------------------------------------------------------------------


def test_calls_a_second_are_the_mean_of_the_last_five_whole_seconds() -> None:
    rate = Rate()
    for tenth in range(100):
        rate.count(NOW + tenth / 10, NOW + tenth / 10)
    assert 10.0 == rate.per_second(NOW + 10)
    assert 8.0 == rate.per_second(NOW + 11)
    assert 0.0 == rate.per_second(NOW + 16)


def test_what_is_told_again_after_minutes_is_no_call_of_now() -> None:
    rate = Rate()
    for ago in range(6, 600):
        rate.count(NOW - ago, NOW)
    rate.count(NOW + 60, NOW)
    assert 0.0 == rate.per_second(NOW + 1)


def test_the_rate_keeps_a_few_seconds_only() -> None:
    rate = Rate()
    for second in range(1_000):
        rate.count(NOW + second, NOW + second)
    assert len(rate._counts) <= 11
