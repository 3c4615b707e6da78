"""The figures: counts by arithmetic, windows against a plain list, limits."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.ami.cells import PDD, pdd_cell
from agi.ami.figures import EFFECTIVE, PDD_BOUNDS, Attempt, Kpi, Outcome, Totals
from agi.ami.happenings import Began, Ended, Proved, Security
from agi.ami.kpi import Figures, Kpis

START = 1_800_000_000.0  # a multiple of every step: 2 s, 10 s and 120 s


def attempt(outcome: Outcome = Outcome.ANSWERED, **other: object) -> Attempt:
    values: dict[str, object] = {
        "asterisk": "pbx1",
        "trunk": "uk-a",
        "country": "GB",
        "mccmnc": "23415",
        "decision": "f00d-1",
        "index": 1,
        "began": START,
        "ended": START + 10,
        "seized": True,
        "pdd_s": None,
        "talk_s": 0.0,
        "cause": 16,
        "outcome": outcome,
        "marked": False,
    }
    return Attempt(**{**values, **other})  # type: ignore[arg-type]  # values of a test


def play(kpis: Kpis, *attempts: Attempt, now: float = START) -> None:
    for one in attempts:
        kpis.took(Began(one.trunk, one.began, one.country, one.mccmnc), now)
        kpis.took(Ended(one), now)


def test_the_figures_of_a_trunk_are_counted() -> None:
    kpis = Kpis()
    play(
        kpis,
        attempt(talk_s=60.5, pdd_s=1.5),
        attempt(talk_s=59.5, pdd_s=2.5),
        attempt(Outcome.BUSY, cause=17),
        attempt(Outcome.FAILED, cause=34, marked=True),
        attempt(Outcome.FAILED, cause=3, seized=False),
    )
    kpi = kpis.trunks(START)["uk-a"][60]
    assert (5, 4, 2, 3, 1) == (
        kpi.attempts,
        kpi.seizures,
        kpi.answered,
        kpi.effective,
        kpi.marked,
    )
    assert (0.5, 0.75, 60.0) == (kpi.asr, kpi.ner, kpi.acd_s)
    assert {16: 2, 17: 1, 34: 1, 3: 1} == kpi.causes
    assert {"answered": 2, "busy": 1, "failed": 2} == kpi.outcomes
    assert 5 / 60 == kpi.cps
    assert 2.0 == kpi.pdd_s[2]


def test_countries_and_networks_are_counted_apart() -> None:
    kpis = Kpis()
    play(kpis, attempt(), attempt(mccmnc="26201", country="DE"), attempt(mccmnc="", country=""))
    assert {"GB": 1, "DE": 1, "unknown": 1} == counted(kpis.countries(START))
    assert {"23415": 1, "26201": 1, "unknown": 1} == counted(kpis.networks(START))
    assert {"uk-a": 3} == counted(kpis.trunks(START))


def counted(figures: Figures, window: int = 3_600) -> dict[str, int]:
    return {name: windows[window].attempts for name, windows in figures.items()}


def test_open_calls_go_by_beginnings_and_ends() -> None:
    kpis = Kpis()
    for _ in range(3):
        kpis.took(Began("uk-a", START, "GB", "23415"), START)
    kpis.took(Ended(attempt()), START + 10)
    assert {"uk-a": 2} == kpis.open_calls()
    assert 3 / 60 == kpis.trunks(START + 10)["uk-a"][60].cps
    assert 1 == kpis.trunks(START + 10)["uk-a"][60].attempts


def test_what_is_no_attempt_is_not_counted() -> None:
    kpis = Kpis()
    kpis.took(Proved("uk-a", START), START)
    kpis.took(Security("ami-attempt"), START)
    assert ({}, {}) == (kpis.trunks(START), kpis.totals)


@pytest.mark.parametrize(("window", "step"), [(60, 2), (300, 10), (3_600, 120)])
def test_a_window_holds_what_happened_in_it_to_within_one_step(window: int, step: int) -> None:
    kpis = Kpis()
    play(kpis, attempt())
    assert 1 == kpis.trunks(START + window - step)["uk-a"][window].attempts
    later = kpis.trunks(START + window)
    assert 0 == (later["uk-a"][window].attempts if later else 0)


def test_a_name_of_which_nothing_happened_for_an_hour_is_not_told() -> None:
    kpis = Kpis()
    play(kpis, attempt())
    assert {} == kpis.trunks(START + 3_600)
    assert {"uk-a": 0} == kpis.open_calls()


def test_time_that_goes_backwards_loses_nothing() -> None:
    kpis = Kpis()
    play(kpis, attempt(), now=START + 100)
    play(kpis, attempt(), now=START + 50)
    assert 2 == kpis.trunks(START + 100)["uk-a"][300].attempts


def test_a_window_agrees_with_itself_after_everything_has_left_it() -> None:
    """Sums that are taken away again leave nothing behind."""
    kpis = Kpis()
    for second in range(500):
        play(kpis, attempt(talk_s=0.1, pdd_s=0.3), now=START + second)
    play(kpis, attempt(talk_s=7.0, pdd_s=2.0), now=START + 1_000)
    kpi = kpis.trunks(START + 1_000)["uk-a"][60]
    assert (1, 7.0, 2.0) == (kpi.attempts, kpi.talk_s, kpi.pdd_s[2])


samples = st.lists(
    st.tuples(
        st.floats(0, 400),
        st.sampled_from(["uk-a", "uk-b"]),
        st.sampled_from(list(Outcome)),
        st.booleans(),
        st.none() | st.floats(0, 130),
    ),
    max_size=40,
)


@given(samples, st.floats(0, 4_000))
@settings(max_examples=80, deadline=None)
def test_the_windows_equal_a_plain_list(
    played: list[tuple[float, str, Outcome, bool, float | None]], beyond: float
) -> None:
    kpis, log = Kpis(), []
    now = START
    for gap, trunk, outcome, seized, pdd_s in played:
        now += gap
        talk_s = gap if outcome is Outcome.ANSWERED else 0.0
        one = attempt(outcome, trunk=trunk, seized=seized, pdd_s=pdd_s, talk_s=talk_s)
        log.append((now, one))
        play(kpis, one, now=now)
    now += beyond
    figures = kpis.trunks(now)
    for trunk in ("uk-a", "uk-b"):
        for window in (60, 300, 3_600):
            step = window // 30
            mine = [
                one
                for at, one in log
                if one.trunk == trunk and at // step > now // step - 30  # the last thirty steps
            ]
            if trunk in figures:
                assert_equal(mine, figures[trunk][window])
            else:
                assert [] == mine


def assert_equal(mine: list[Attempt], kpi: Kpi) -> None:
    seized = [one for one in mine if one.seized]
    assert (len(mine), len(seized)) == (kpi.attempts, kpi.seizures)
    assert Counter(one.outcome.value for one in mine) == kpi.outcomes
    assert sum(one.outcome in EFFECTIVE for one in seized) == kpi.effective
    assert sum(one.talk_s or 0 for one in mine) == pytest.approx(kpi.talk_s, abs=1e-4)
    delays = sorted(one.pdd_s for one in mine if one.pdd_s is not None)
    for share, told in ((0.5, kpi.pdd_s[0]), (0.95, kpi.pdd_s[1])):
        if not delays:
            assert told is None
            continue
        true = min(delays[math.ceil(share * len(delays)) - 1], 119.0)
        assert told is not None
        assert true == pytest.approx(told, abs=0.0101, rel=0.0101)


@given(st.floats(0, 200), st.floats(0, 200))
def test_a_longer_delay_never_falls_into_a_lower_span(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert PDD <= pdd_cell(low) <= pdd_cell(high)


def test_the_spans_of_delays_follow_each_other_without_a_gap() -> None:
    """20 ms up to one second, then 2 % each, up to two minutes."""
    cells = [pdd_cell(ms / 1000) for ms in range(0, 130_000, 5)]
    assert {0, 1} >= {later - earlier for earlier, later in pairwise(cells)}
    assert pdd_cell(0.019) == pdd_cell(0.0) != pdd_cell(0.021)
    assert pdd_cell(1_000.0) == pdd_cell(120.0)


# ---- bounds ------------------------------------------------------------------------------


def test_a39_names_beyond_the_limit_are_counted_together() -> None:
    kpis = Kpis(countries=2, networks=3, trunks=2)
    for number in range(10):
        one = attempt(trunk=f"t{number}", country=f"C{number}", mccmnc=f"2340{number}")
        play(kpis, one)
    assert {"C0": 1, "C1": 1, "other": 8} == counted(kpis.countries(START))
    assert {"23400": 1, "23401": 1, "23402": 1, "other": 7} == counted(kpis.networks(START))
    assert {"t0": 1, "t1": 1, "other": 8} == counted(kpis.trunks(START))
    assert {"t0", "t1", "other"} == set(kpis.totals) == set(kpis.open_calls())
    assert 0 == sum(kpis.open_calls().values())


def test_a39_a_place_that_is_idle_for_an_hour_is_given_away() -> None:
    kpis = Kpis(countries=1)
    play(kpis, attempt(country="GB"))
    play(kpis, attempt(country="DE"), now=START + 3_000)
    play(kpis, attempt(country="FR"), now=START + 3_700)
    assert {"FR": 1, "other": 1} == counted(kpis.countries(START + 3_700))


def test_a39_a_cause_that_is_none_is_counted_as_interworking() -> None:
    kpis = Kpis()
    play(kpis, attempt(cause=99_999), attempt(cause=-1))
    assert {127: 2} == kpis.trunks(START)["uk-a"][60].causes
    assert {127: 2} == kpis.totals["uk-a"].causes


# ---- totals ------------------------------------------------------------------------------


def test_totals_count_from_the_beginning() -> None:
    kpis = Kpis()
    play(kpis, attempt(talk_s=60.0, pdd_s=0.5), attempt(talk_s=None, pdd_s=0.51, marked=True))
    play(kpis, attempt(Outcome.FAILED, cause=34, seized=False), now=START + 90_000)
    totals = kpis.totals["uk-a"]
    assert ({"answered": 2, "failed": 1}, {16: 2, 34: 1}) == (totals.outcomes, totals.causes)
    assert (2, 2, 1, 60.0) == (totals.seizures, totals.answered, totals.marked, totals.talk_s)
    assert [1, 1, *[0] * (len(PDD_BOUNDS) - 1)] == totals.pdd
    assert 1.01 == totals.pdd_sum_s


def test_a_delay_beyond_the_last_bound_has_a_bucket() -> None:
    kpis = Kpis()
    play(kpis, attempt(pdd_s=31.0))
    assert 1 == kpis.totals["uk-a"].pdd[-1]


def test_totals_go_on_from_an_earlier_run() -> None:
    kpis = Kpis()
    play(kpis, attempt(talk_s=60.0, pdd_s=0.5))
    before = Totals(
        outcomes={"answered": 7, "busy": 2},
        causes={16: 7, 17: 2},
        seizures=9,
        answered=7,
        marked=1,
        talk_s=100.0,
        pdd=[1] * (len(PDD_BOUNDS) + 1),
        pdd_sum_s=50.0,
    )
    kpis.restore({"uk-a": before, "uk-z": before})
    totals = kpis.totals["uk-a"]
    assert ({"answered": 8, "busy": 2}, {16: 8, 17: 2}) == (totals.outcomes, totals.causes)
    assert (10, 8, 1, 160.0, 50.5) == (
        *(totals.seizures, totals.answered, totals.marked),
        *(totals.talk_s, totals.pdd_sum_s),
    )
    assert [2, *[1] * len(PDD_BOUNDS)] == totals.pdd
    assert before == kpis.totals["uk-z"]
    assert {"uk-a": 0, "uk-z": 0} == kpis.open_calls()


def test_totals_of_other_buckets_lose_their_delays_only() -> None:
    kpis = Kpis()
    kpis.restore({"uk-a": Totals(outcomes={"busy": 1}, pdd=[1, 2], pdd_sum_s=3.0)})
    totals = kpis.totals["uk-a"]
    assert ({"busy": 1}, 0, 0.0) == (totals.outcomes, sum(totals.pdd), totals.pdd_sum_s)
