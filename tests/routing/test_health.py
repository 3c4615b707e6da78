"""Trunks that fail and recover, minute by minute, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.routing.choose import decide
from agi.routing.health import NEWS_S, Health, Thresholds
from agi.routing.prospect import Prospect
from agi.routing.standing import Standing, State
from agi.settings import Health as Settings
from tests.routing.making import CONTEXT, NOTHING_FOUND, compiled

UP, DEGRADED, DOWN, TRIAL = State.UP, State.DEGRADED, State.DOWN, State.TRIAL


@dataclass
class Desk:
    """One health, and all that it said."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    said: list[tuple[str, State, State, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = Health(self.thresholds, lambda *change: self.said.append(change))

    def samples(self, text: str, at: float = 0.0, trunk: str = "a") -> None:
        """Take a sample for each sign: + is a good one, - a bad one."""
        for sign in text:
            self.health.sample(trunk, sign == "+", at)

    def state(self, at: float = 0.0, trunk: str = "a") -> State:
        return self.of(at, trunk).state

    def of(self, at: float = 0.0, trunk: str = "a") -> Standing:
        return self.health.standings(at)[trunk]


def changes(desk: Desk) -> list[str]:
    return [f"{before}>{after}" for _, before, after, _ in desk.said]


def test_the_thresholds_are_those_of_the_settings() -> None:
    assert Thresholds() == Thresholds(**Settings().model_dump())


def test_a_row_of_five_failures_takes_a_trunk_down_at_once_and_four_do_not() -> None:
    desk = Desk()
    desk.samples("++++++++++----")
    assert UP is desk.state()  # 4 of 14 failed
    desk.samples("-")
    assert (DOWN, "5 failures in a row") == (desk.of().state, desk.of().why)


def test_the_reason_names_what_failed_lastly() -> None:
    """Who reads "5 failures in a row" asks at once: which?"""
    desk = Desk()
    for cause in ("cause 38", "cause 34", "cause 34", "cause 34", "cause 34"):
        desk.health.sample("a", good=False, at=0.0, what=cause)
    assert "5 failures in a row, cause 34" == desk.of().why
    assert TRIAL is desk.state(10.0)
    desk.health.sample("a", good=False, at=11.0, what="not dialled")
    assert "an attempt on trial failed, not dialled" == desk.of(11.0).why
    other = Desk()
    other.samples("+++++++")
    for _ in range(3):
        other.health.sample("a", good=False, at=0.0, what="cause 27")
    assert (DEGRADED, "3 of the last 10 attempts failed, cause 27") == (
        other.of().state,
        other.of().why,
    )


def test_a_trunk_with_few_samples_is_judged_by_rows_only() -> None:
    desk = Desk()
    desk.samples("----+----")  # 8 of 9 failed, and there must be 10
    assert UP is desk.state()


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("+--+--+--", UP),  # 6 of 9 are too few to judge by
        ("+--+--+--+", DOWN),  # 6 of 10
        ("+--+--+-++", DEGRADED),  # 5 of 10
        ("+--+++-+++", DEGRADED),  # 3 of 10
        ("+--+++++++", UP),  # 2 of 10
    ],
)
def test_shares_of_failures_degrade_a_trunk_or_take_it_down(signs: str, expected: State) -> None:
    desk = Desk()
    desk.samples(signs)
    assert expected is desk.state()


def test_a_trunk_that_sends_progress_before_each_failure_is_no_better_for_it() -> None:
    desk = Desk()
    desk.samples("+" * 30)
    quality = desk.of().quality
    for _ in range(4):
        desk.samples("+")
        desk.health.sample("a", good=False, at=0.0, proved=True)
    assert UP is desk.state()
    desk.samples("+")
    desk.health.sample("a", good=False, at=0.0, proved=True)
    assert DOWN is desk.state()
    other = Desk()
    other.samples("+" * 30)
    assert quality == other.of().quality
    other.samples("-----")
    assert desk.of().quality == pytest.approx(other.of().quality, abs=0.02)


def test_a_good_sample_that_is_gone_already_cannot_be_taken_back_twice() -> None:
    desk = Desk()
    desk.health.sample("a", good=False, at=0.0, proved=True)
    desk.samples("---")
    assert UP is desk.state()
    desk.samples("-")
    assert DOWN is desk.state()


def test_twelve_of_the_last_twenty_take_it_down_however_good_it_was_before() -> None:
    desk = Desk()
    desk.samples("+" * 500)
    desk.samples("--+" * 5 + "-" + "+-")  # 12 bad within 18
    assert DOWN is desk.state()


def test_a_degraded_trunk_is_up_again_only_when_it_is_well_below_what_degraded_it() -> None:
    desk = Desk()
    desk.samples("+++++++---")
    assert DEGRADED is desk.state()
    desk.samples("+" * 10)  # 3 of 20: 0.15 is not below 0.15
    assert DEGRADED is desk.state()
    desk.samples("+" * 8)  # 2 of 20
    assert UP is desk.state()
    assert ["up>degraded", "degraded>up"] == changes(desk)


def test_a_share_that_wavers_around_a_threshold_changes_nothing() -> None:
    desk = Desk()
    desk.samples("++++-" * 100)  # one of five: between up_share and degraded_share
    assert [] == changes(desk)


def test_a_trunk_that_is_down_is_on_trial_after_a_while_and_five_good_ones_bring_it_up() -> None:
    desk = Desk()
    desk.samples("-----", at=100.0)
    assert [DOWN, TRIAL] == [desk.state(109.9), desk.state(110.0)]
    desk.samples("++++", at=111.0)
    assert TRIAL is desk.state(111.0)
    desk.samples("+", at=112.0)
    assert UP is desk.state(112.0)
    assert ["up>down", "down>trial", "trial>up"] == changes(desk)


def test_a_trial_that_fails_is_followed_by_a_longer_wait_up_to_the_longest() -> None:
    desk = Desk()
    desk.samples("-----", at=0.0)
    assert [DOWN, TRIAL] == [desk.state(9.9), desk.state(10.0)]
    desk.samples("++++-", at=10.0)
    assert [DOWN, TRIAL] == [desk.state(29.9), desk.state(30.0)]
    desk.samples("++++", at=30.0)
    assert TRIAL is desk.state(30.0)  # those of the trial before are forgotten
    desk.samples("-", at=30.0)
    assert [DOWN, TRIAL] == [desk.state(54.9), desk.state(55.0)]
    desk.samples("-", at=55.0)
    assert [DOWN, TRIAL] == [desk.state(79.9), desk.state(80.0)]


def test_a_trunk_that_was_well_for_a_while_waits_the_short_time_again() -> None:
    def waits(up_for: float) -> float:
        desk = Desk()
        desk.samples("-----", at=0.0)
        desk.health.tick(10.0)
        desk.samples("+++++", at=10.0)
        desk.samples("-----", at=10.0 + up_for)
        return next(s for s in range(1, 60) if desk.state(10.0 + up_for + s) is TRIAL)

    assert [20, 20, 10] == [waits(1.0), waits(99.0), waits(100.0)]


def test_attempts_from_before_a_trial_say_nothing_in_it() -> None:
    desk = Desk()
    desk.samples("-----", at=0.0)
    desk.health.tick(10.0)
    desk.health.sample("a", good=False, at=12.0, began=9.0)
    assert TRIAL is desk.state(12.0)
    for _ in range(5):
        desk.health.sample("a", good=True, at=12.0, began=9.9)
    assert TRIAL is desk.state(12.0)
    desk.health.sample("a", good=False, at=12.0, began=10.0)
    assert DOWN is desk.state(12.0)


def test_samples_of_a_trunk_that_is_down_do_not_bring_it_up() -> None:
    desk = Desk()
    desk.samples("-----+++++++", at=0.0)
    assert DOWN is desk.state(1.0)


# What Asterisk says of a trunk's reachability.


def test_a_trunk_out_of_reach_is_down_at_once_and_on_trial_when_it_is_back() -> None:
    desk = Desk()
    desk.health.reach("a", ok=True, at=0.0)
    desk.health.reach("a", ok=False, at=1.0)
    assert (DOWN, "Asterisk cannot reach it (qualify)") == (desk.of(1.0).state, desk.of(1.0).why)
    assert 0.0 == desk.of(1.0).quality
    for at in range(2, 80):
        desk.health.reach("a", ok=False, at=at)
        assert DOWN is desk.state(at)
    desk.health.reach("a", ok=True, at=80.0)
    assert TRIAL is desk.state(80.0)
    assert ["up>down", "down>trial"] == changes(desk)


def test_a_trunk_that_one_pbx_still_reaches_stays_up() -> None:
    desk = Desk()
    desk.health.reach("a", ok=False, at=0.0, by="pbx1")
    assert DOWN is desk.state(0.0)
    desk.health.reach("a", ok=True, at=0.0, by="pbx2")
    assert TRIAL is desk.state(0.0)
    desk.samples("+++++")
    desk.health.reach("a", ok=False, at=1.0, by="pbx1")
    assert UP is desk.state(1.0)
    desk.health.reach("a", ok=False, at=1.0, by="pbx2")
    assert DOWN is desk.state(1.0)


def test_news_of_reachability_that_nobody_repeats_are_let_go() -> None:
    desk = Desk()
    desk.health.reach("a", ok=False, at=0.0)
    assert [DOWN, TRIAL] == [desk.state(NEWS_S - 1), desk.state(NEWS_S)]


def test_to_be_reached_says_nothing_for_a_trunk_that_fails() -> None:
    desk = Desk()
    desk.samples("-----", at=0.0)
    desk.health.reach("a", ok=True, at=1.0)
    assert DOWN is desk.state(1.0)
    desk.health.reach("a", ok=False, at=2.0)
    assert "Asterisk cannot reach it (qualify)" == desk.of(2.0).why
    assert DOWN is desk.state(40.0)


# Pins.


def test_a_pin_goes_before_everything_until_it_ends() -> None:
    desk = Desk()
    desk.health.pin("a", DOWN, until=100.0, why="maintenance")
    desk.samples("+" * 20, at=1.0)
    assert Standing(DOWN, pinned=True, quality=0.9, why="maintenance") == _tenths(desk.of(99.9))
    assert (UP, False) == (desk.of(100.0).state, desk.of(100.0).pinned)
    desk.health.pin("a", UP, until=300.0, why="it must")
    desk.samples("-" * 20, at=200.0)
    assert (UP, True) == (desk.of(200.0).state, desk.of(200.0).pinned)
    desk.health.unpin("a")
    assert DOWN is desk.state(200.5)
    assert ["up>down", "down>up", "up>down"] == changes(desk)


def _tenths(standing: Standing) -> Standing:
    quality = None if standing.quality is None else int(standing.quality * 10) / 10
    return Standing(standing.state, standing.pinned, quality, standing.calls, standing.why)


def test_without_health_only_pins_count() -> None:
    desk = Desk(Thresholds(enabled=False))
    desk.samples("-" * 50)
    desk.health.reach("a", ok=False, at=0.0)
    assert UP is desk.state(0.0)
    desk.health.pin("a", DOWN, until=10.0, why="x")
    assert [DOWN, UP] == [desk.state(9.0), desk.state(10.0)]


def test_without_health_old_news_of_reachability_spoil_no_quality_for_ever() -> None:
    desk = Desk(Thresholds(enabled=False))
    desk.health.reach("a", ok=False, at=0.0)
    assert [0.0, None] == [desk.of(NEWS_S - 1).quality, desk.of(NEWS_S).quality]


# Quality, calls, and which trunks there are.


def test_quality_is_the_mean_of_a_beta_distribution_over_fading_attempts() -> None:
    desk = Desk()
    desk.samples("+" * 9)
    assert None is desk.of().quality
    desk.samples("-")
    good = sum(0.99**age for age in range(1, 10))
    counted = sum(0.99**age for age in range(10))
    assert round((good + 1) / (counted + 2), 4) == desk.of().quality
    desk.samples("+" * 2_000)
    assert 101 / 102 == pytest.approx(desk.of().quality, abs=1e-3)  # 1 / (1 - 0.99) = 100


def test_standings_tell_calls_where_somebody_counts_them() -> None:
    desk = Desk()
    desk.samples("+", trunk="a")
    assert {"a": None} == {n: s.calls for n, s in desk.health.standings(0.0).items()}
    told = desk.health.standings(0.0, {"b": 7})
    assert {"a": 0, "b": 7} == {name: one.calls for name, one in told.items()}


def test_only_the_trunks_of_the_tables_are_kept() -> None:
    desk = Desk()
    desk.samples("-----", trunk="gone")
    desk.samples("-----", trunk="kept")
    desk.health.keep(["kept", "new"])
    told = {name: one.state for name, one in desk.health.standings(0.0).items()}
    assert {"kept": DOWN, "new": UP} == told


def test_the_observer_may_ask_for_standings() -> None:
    seen: list[State] = []

    def asks(trunk: str, before: State, after: State, why: str) -> None:
        del before, after, why
        seen.append(health.standings(10.0, {"other": 1})[trunk].state)

    health = Health(Thresholds(), asks)
    for _ in range(5):
        health.sample("a", good=False, at=0.0)
    health.tick(10.0)
    assert [TRIAL, TRIAL] == seen  # at 10.0 the trial has begun already, and is told of itself


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["good", "bad", "reach", "lost", "tick", "pin", "unpin"]),
            st.floats(0, 30),
        ),
        max_size=200,
    )
)
def test_whatever_happens_a_trunk_that_can_be_reached_is_never_down_for_long(
    events: list[tuple[str, float]],
) -> None:
    desk = Desk()
    health, now, lost, pinned = desk.health, 0.0, False, False
    down_since: float | None = None
    health.keep(["a"])
    for what, after in events:
        now += after
        if what in {"good", "bad"}:
            health.sample("a", what == "good", now)
        elif what in {"reach", "lost"}:
            health.reach("a", what == "reach", now)
            lost = what == "lost"
        elif what == "pin":
            health.pin("a", DOWN, now + 20, "x")
            pinned = True
        elif what == "unpin":
            health.unpin("a")
            pinned = False
        health.tick(now)
        state = desk.of(now)
        pinned = state.pinned
        if state.state is not DOWN or lost or pinned:
            down_since = None
        elif down_since is None:
            down_since = now
        else:
            # The step before was down as well: it cannot have been longer than the longest retry.
            assert now - down_since <= Thresholds().longest_retry_s
    for earlier, later in zip(desk.said, desk.said[1:], strict=False):
        assert earlier[2] is later[1]
        assert later[1] is not later[2]


# The aims, call by call.


@dataclass
class Site:
    """Calls over a rule's trunks: they fail as told, and health goes by what came of them."""

    trunks: str
    fails: Callable[[str, float], bool]
    rate: float = 10.0
    seed: int = 1
    first: list[tuple[float, str]] = field(default_factory=list)
    attempts: list[tuple[float, str, bool]] = field(default_factory=list)
    states: list[tuple[float, str, State]] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        dice = Random(self.seed)
        table = compiled(f"default,,,,,,,{self.trunks}\n")
        now = 0.0

        def changed(trunk: str, before: State, after: State, why: str) -> None:
            del before, why
            self.states.append((now, trunk, after))

        health = Health(Thresholds(), changed)
        health.keep(["a", "b", "c", "d"])
        told = health.standings(now)
        for number in range(int(seconds * self.rate)):
            now = number / self.rate
            before = len(self.states)
            if number % max(1, int(self.rate)) == 0:  # noc's push of each second
                told = health.standings(now)
            prospect = Prospect(told)
            made = decide(table, CONTEXT, NOTHING_FOUND, dice.random, "i", prospect=prospect)
            self.first.append((now, made.hops[0].trunk))
            for hop in made.hops:
                bad = self.fails(hop.trunk, now)
                self.attempts.append((now, hop.trunk, bad))
                health.sample(hop.trunk, not bad, now)
                if not bad:
                    break
            if len(self.states) > before:  # and its push upon a change
                told = health.standings(now)

    def when(self, trunk: str, state: State, since: float = 0.0) -> float:
        """Return when a trunk came into a state, the first time since an instant."""
        return next(
            at for at, name, now in self.states if (name, now) == (trunk, state) and at >= since
        )

    def share(self, trunk: str, since: float, until: float) -> float:
        """Return the share of calls that went to a trunk first."""
        calls = [name for at, name in self.first if since <= at < until]
        return calls.count(trunk) / len(calls)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trunks", ["a b", "a > b", "a:9 b:1 c:1 > d", "a > b c"])
@pytest.mark.parametrize("failing", [1.0, 0.9])
def test_f50_a_dead_trunk_is_out_of_first_choice_soon_and_on_trial_soon_after_it_recovers(
    trunks: str, failing: float, seed: int
) -> None:
    dice = Random(f"{seed}-{trunks}")

    def fails(trunk: str, now: float) -> bool:
        return trunk == "a" and 60 <= now < 200 and dice.random() < failing

    site = Site(trunks, fails, seed=seed)
    site.run(400)
    out = site.when("a", DOWN)
    assert out - 60 <= 10
    tried = sum(name == "a" and 60 <= at <= out for at, name, _ in site.attempts)
    assert tried <= 20
    assert site.share("a", out + 0.1, 200) <= 0.02
    states = [state for at, name, state in site.states if name == "a" and at <= 200]
    trial = 200.0 if states[-1] is TRIAL else site.when("a", TRIAL, 200)
    assert trial - 200 <= 30
    back = site.when("a", UP, 200)
    assert back - 200 <= 120
    usual = {"a b": 0.5, "a:9 b:1 c:1 > d": 9 / 11}.get(trunks, 1.0)
    assert usual == pytest.approx(site.share("a", back + 1, 400), abs=0.06)
    assert all(name == "a" for _, name, state in site.states if state is DOWN)


def test_f50_a_trunk_that_stays_dead_does_not_flap_and_costs_few_calls_a_second_try() -> None:
    site = Site("a b", lambda trunk, now: trunk == "a" and now >= 10)
    site.run(600)
    assert UP not in [state for _, _, state in site.states]
    tried = [at for at, name, bad in site.attempts if name == "a" and bad and at > 12]
    assert len(tried) <= 590 / 25 + 3  # one attempt for each trial


def test_f50_when_all_trunks_fail_every_call_still_tries_all_of_them() -> None:
    site = Site("a b > c d", lambda _, now: 30 <= now < 90)
    site.run(200)
    for at, name in site.first:
        assert name in "ab" if at < 30 else name in "abcd"
    late = [sum(1 for when, _, _ in site.attempts if when == at) for at, _ in site.first]
    assert {4} == set(late[300:900])
    assert {"a", "b"} == {name for at, name in site.first if at > 150}


def test_a_trunk_that_fails_now_and_then_as_all_do_is_left_alone() -> None:
    dice = Random(7)
    site = Site("a b", lambda *_: dice.random() < 0.05)
    site.run(1_000)
    assert DOWN not in [state for _, _, state in site.states]
