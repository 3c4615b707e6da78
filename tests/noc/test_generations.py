"""Counters over restarts: nothing goes down, nothing is counted twice, and what a kill may lose."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from agi.ami.figures import Totals
from agi.ami.seen import AsteriskSeen
from agi.metrics import Latency, Metrics
from agi.noc.generations import SUPERSEDED_S, Generations
from agi.scene import Scene

CALL = ("route", "memory", "ok")


class Diary:
    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, level: str, event: str, **values: object) -> None:
        del level, values
        self.events.append(event)

    def later(self, level: str, event: str, values: object) -> None:
        del level, values
        self.events.append(event)


@dataclass
class Life:
    """A process as its reports show it."""

    generation: str
    role: str = "router"
    index: int = 0
    age_s: float = 0.0
    metrics: Metrics = field(default_factory=Metrics)

    def call(self, times: int = 1) -> None:
        self.metrics.calls[CALL] += times

    def report(self) -> dict[str, Any]:
        self.age_s += 1.0
        return {
            "role": self.role,
            "index": self.index,
            "generation": self.generation,
            "started": 1.0e9,
            "uptime_s": self.age_s,
            "counts": json.loads(msgspec.json.encode(self.metrics.snapshot())),
        }

    def end(self, state: Path) -> None:
        path = state / "run" / f"{self.role}-{self.index}-{self.generation}.last"
        path.write_bytes(msgspec.json.encode(self.report()))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


def opened(state: Path, diary: Diary | None = None) -> Generations:
    return Generations(state, diary or Diary())


def calls(generations: Generations) -> int:
    return generations.total().calls[CALL]


def saved(generations: Generations) -> None:
    asyncio.run(generations.save())


def test_living_processes_are_added_up_and_heard_of_again_not_twice(state: Path) -> None:
    one, two = Life("a"), Life("b", index=1)
    one.call(3)
    two.call(4)
    generations = opened(state)
    generations.take([one.report(), two.report()], 1.0)
    assert 7 == calls(generations)
    one.call()
    generations.take([one.report(), two.report()], 2.0)
    assert 8 == calls(generations)


def test_a_silent_process_keeps_what_it_said_lastly(state: Path) -> None:
    one = Life("a")
    one.call(3)
    generations = opened(state)
    generations.take([one.report()], 1.0)
    generations.take([], 2.0)
    assert 3 == calls(generations)


def test_a_process_that_is_killed_stays_counted_as_it_was_pulled_lastly(state: Path) -> None:
    one, two = Life("a"), Life("b")
    one.call(5)
    generations = opened(state)
    generations.take([one.report()], 1.0)
    one.call(1)  # nobody hears of it any more
    two.call(2)
    for now in (2.0, 3.0 + SUPERSEDED_S, 4.0 + SUPERSEDED_S):
        generations.take([two.report()], now)
        assert 7 == calls(generations)


def test_what_was_counted_after_the_last_pull_is_in_the_file_that_an_orderly_end_leaves(
    state: Path,
) -> None:
    one, two = Life("a"), Life("b")
    one.call(5)
    generations = opened(state)
    generations.take([one.report()], 1.0)
    one.call(2)
    one.end(state)
    two.call(1)
    generations.take([two.report()], 2.0)
    assert 8 == calls(generations)
    generations.take([two.report()], 3.0)
    assert 8 == calls(generations)
    saved(generations)
    assert [] == list((state / "run").iterdir())
    generations.take([two.report()], 4.0)
    assert 8 == calls(generations)


def test_a_file_that_comes_after_the_successor_was_heard_of_is_not_too_late(state: Path) -> None:
    one, two = Life("a"), Life("b")
    one.call(5)
    generations = opened(state)
    generations.take([one.report()], 1.0)
    generations.take([two.report()], 2.0)
    one.call(1)
    one.end(state)
    generations.take([two.report()], 3.0)
    assert 6 == calls(generations)


def test_an_answer_that_comes_after_its_processes_end_counts_nothing(state: Path) -> None:
    one = Life("a")
    one.call(5)
    late = one.report()
    one.end(state)
    generations = opened(state)
    generations.take([], 1.0)
    generations.take([late], 2.0)
    assert 5 == calls(generations)


def test_an_answer_that_was_overtaken_by_a_later_one_takes_nothing_back(state: Path) -> None:
    one = Life("a")
    early = one.report()
    one.call(5)
    generations = opened(state)
    generations.take([one.report()], 1.0)
    generations.take([early], 2.0)
    assert 5 == calls(generations)


def test_processes_that_came_and_went_while_noc_was_away_are_counted(state: Path) -> None:
    generations = opened(state)
    one = Life("a")
    one.call(5)
    generations.take([one.report()], 1.0)
    saved(generations)
    one.call(1)
    one.end(state)
    for name in ("b", "c"):
        short = Life(name)
        short.call(10)
        short.end(state)
    again = opened(state)
    again.take([], 100.0)
    assert 26 == calls(again)


def test_noc_killed_between_saving_and_deleting_counts_no_file_twice(state: Path) -> None:
    one = Life("a")
    one.call(5)
    one.end(state)
    (path,) = (state / "run").iterdir()
    data = path.read_bytes()
    generations = opened(state)
    generations.take([], 1.0)
    saved(generations)
    path.write_bytes(data)  # as if it had not come to it
    again = opened(state)
    again.take([], 2.0)
    assert 5 == calls(again)
    saved(again)
    assert [] == list((state / "run").iterdir())


def test_a_state_is_that_of_processes_which_answer_only(state: Path) -> None:
    dipper = Life("d", role="dipper")
    dipper.metrics.failing["npl"] = (4, "timeout", "")
    dipper.metrics.reload_refused = True
    generations = opened(state)
    generations.take([dipper.report()], 1.0)
    assert ({"npl": (4, "timeout", "")}, True) == (
        generations.total().failing,
        generations.total().reload_refused,
    )
    generations.take([], 2.0)
    assert ({}, False) == (generations.total().failing, generations.total().reload_refused)
    dipper.end(state)
    generations.take([], 3.0)
    assert ({}, False) == (generations.total().failing, generations.total().reload_refused)


@pytest.mark.parametrize(
    "counts",
    [
        {"calls": [["route", "memory", "ok", "seven"]]},
        {"calls": 3},
        {"cost": [["npl", "EUR", "much"]]},
        {"failing": {"npl": 3}},
        {"lag": []},
    ],
)
def test_counts_of_another_version_that_cannot_be_added_are_left_out_and_said_once(
    state: Path, counts: dict[str, Any]
) -> None:
    diary, good, odd = Diary(), Life("a"), Life("b", index=1)
    good.call(2)
    generations = opened(state, diary)
    for now in (1.0, 2.0):
        generations.take([good.report(), {**odd.report(), "counts": counts}], now)
    assert 2 == calls(generations)
    assert ["counts_not_understood"] == diary.events


def test_a_report_without_a_generation_is_left_out(state: Path) -> None:
    generations = opened(state)
    generations.take([{"role": "router", "index": 0, "counts": {}}], 1.0)
    assert 0 == calls(generations)


def test_a_file_that_is_no_report_is_cleared_away(state: Path) -> None:
    (state / "run" / "router-0-x.last").write_bytes(b'{"role":')
    generations = opened(state)
    generations.take([], 1.0)
    saved(generations)
    assert [] == list((state / "run").iterdir())


def test_counters_that_cannot_be_read_begin_anew_and_are_kept_for_a_person(state: Path) -> None:
    (state / "noc").mkdir()
    path = state / "noc" / "counters.json"
    path.write_bytes(b"{torn")
    diary = Diary()
    generations = opened(state, diary)
    assert ["counters_begin_anew"] == diary.events
    assert 0 == calls(generations)
    assert b"{torn" == path.with_name("counters.json.corrupt").read_bytes()


def test_a_disk_that_cannot_be_written_is_said_once_and_loses_no_file(state: Path) -> None:
    (state / "noc").write_bytes(b"a file where the directory should be")
    diary, one = Diary(), Life("a")
    one.call(3)
    one.end(state)
    generations = opened(state, diary)
    diary.events.clear()  # reading it failed as well
    generations.take([], 1.0)
    saved(generations)
    saved(generations)
    assert ["counters_not_saved"] == diary.events
    assert 1 == len(list((state / "run").iterdir()))
    (state / "noc").unlink()
    saved(generations)
    assert 3 == calls(opened(state))


# ---- what noc counts itself ----------------------------------------------------------------


def listened(events: int, gap_s: float = 0.0) -> dict[str, AsteriskSeen]:
    return {"pbx1": AsteriskSeen(True, "22.10", gap_s, 1, events, 2, 0.01)}


def scene(generations: Generations, **more: Any) -> Scene:
    return generations.carry(
        Scene(at=1.0, version="1", told=(), silent={}, counts=generations.total(), **more)
    )


def test_what_noc_counted_goes_on_after_its_own_restart(state: Path) -> None:
    step = Latency()
    step.observe(0.25)
    one = Life("a")
    one.metrics.refused["misrouted_pattern"] = 1
    seen: dict[str, Any] = {
        "asterisks": listened(10, 1.5),
        "security": {"ami-injection": 2},
        "unverified": 3,
        "theirs": step,
        "ours": step,
        "totals": {"uk-a": Totals(outcomes={"answered": 4}, answered=4, talk_s=60.5)},
    }
    before = opened(state)
    before.take([one.report()], 1.0)
    scene(before, **seen)
    shown = scene(before, **seen)  # shown twice, counted once
    assert {"ami-injection": 2, "misrouted_pattern": 1} == shown.security
    saved(before)
    after = opened(state)
    after.take([one.report()], 2.0)
    assert 60.5 == after.totals["uk-a"].talk_s
    shown = scene(after, **{**seen, "totals": after.totals})
    pbx = shown.asterisks["pbx1"]
    assert (3.0, 2, 20, 4, 0.01) == (pbx.gap_s, pbx.gaps, pbx.events, pbx.dropped, pbx.lag_s)
    assert {"ami-injection": 4, "misrouted_pattern": 1} == shown.security
    assert (6, 2, 0.5) == (shown.unverified, shown.theirs.count, shown.ours.total)


def test_a_pbx_that_is_not_configured_now_is_counted_on_when_it_comes_back(state: Path) -> None:
    first = opened(state)
    scene(first, asterisks=listened(10))
    saved(first)
    second = opened(state)
    assert {} == scene(second).asterisks
    saved(second)
    assert 11 == scene(opened(state), asterisks=listened(1)).asterisks["pbx1"].events


# ---- a random history against a plain reference --------------------------------------------


@dataclass
class History:
    """Processes that live and die at random; ``known`` is the plain reference.

    By generation: what noc knows, what it has on disk, what a file tells, what was done.
    """

    state: Path
    dice: Random
    noc: Generations
    now: float = 1.0
    born: int = 0
    living: dict[int, Life] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set)
    late: list[tuple[float, Life, dict[str, Any]]] = field(default_factory=list)
    known: Counter[str] = field(default_factory=Counter)
    on_disk: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    shown: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def step(self) -> None:
        self.now += self.dice.choice((0.1, 1.0, 40.0))
        index = self.dice.randrange(3)
        life = self.living.get(index)
        what = self.dice.choice(
            ("call", "call", "pull", "pull", "end", "kill", "freeze", "late", "restart", "scrape")
        )
        everywhere = {"pull": self.pull, "scrape": self.scrape, "restart": self.restart}
        if what in everywhere:
            everywhere[what]()
        elif what == "late":
            self.come_late()
        elif life is None:
            self.born += 1
            self.living[index] = Life(f"g{self.born}", index=index)
        else:
            self.happen(what, index, life)

    def happen(self, what: str, index: int, life: Life) -> None:
        if what == "call":
            life.call(self.dice.randrange(1, 4))
            life.metrics.decision.observe(self.dice.random())
            life.metrics.cost["npl", "EUR"] += Decimal("0.0061")
        elif what == "freeze":
            self.frozen ^= {index}
        elif what == "kill" or index in self.frozen:
            self.late.append((self.now, life, life.report()))
            self.gone(index)
        elif what == "end":
            self.late.append((self.now, life, life.report()))
            life.end(self.state)
            self.left[life.generation] = life.metrics.calls[CALL]
            self.gone(index)

    def gone(self, index: int) -> None:
        del self.living[index]
        self.frozen.discard(index)

    def pull(self) -> None:
        told = [life for index, life in self.living.items() if index not in self.frozen]
        self.noc.take([life.report() for life in told], self.now)
        for life in told:
            self.known[life.generation] = life.metrics.calls[CALL]
        self.known |= self.left  # by the greatest

    def come_late(self) -> None:
        """Let a report of the past come: of a process whose end may be known."""
        if not self.late:
            return
        at, life, report = self.late.pop()
        if self.now - at > SUPERSEDED_S / 2:
            return  # a question waits half a second
        self.noc.take([report], self.now)
        heard = sum(row[-1] for row in report["counts"]["calls"])
        self.known |= Counter({life.generation: heard})
        self.known |= self.left

    def scrape(self) -> None:
        self.pull()
        total = self.noc.total()
        saved(self.noc)
        self.on_disk = self.known.copy()
        cost = float(total.cost["npl", "EUR"])
        shown = (float(total.calls[CALL]), total.decision.total, cost)
        assert self.known.total() == shown[0]
        assert all(now >= before for now, before in zip(shown, self.shown, strict=True))
        self.shown = shown

    def restart(self) -> None:
        """Kill noc: what it did not save it hears of again, unless the process is gone."""
        self.noc = opened(self.state)
        self.known = self.on_disk.copy()


@pytest.mark.parametrize("seed", range(40))
def test_no_history_of_processes_lets_a_counter_go_down_or_counts_a_call_twice(
    state: Path, seed: int
) -> None:
    history = History(state, Random(seed), opened(state))
    for _ in range(250):
        history.step()
    history.frozen.clear()
    history.scrape()
    assert history.born > 10


def test_sums_of_durations_do_not_depend_on_the_order_of_adding() -> None:
    """0.1 + 0.2 + 0.3 is another float than 0.3 + 0.2 + 0.1: less by a digit is a restart."""
    parts = []
    for seconds in (0.1, 0.2, 0.3):
        latency = Latency()
        latency.observe(seconds)
        parts.append(latency.values())
    forth, back = Latency(), Latency()
    for values in parts:
        forth.add(values)
    for values in reversed(parts):
        back.add(values)
    assert forth.total == back.total == pytest.approx(0.6, abs=3e-6)
    assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1


def test_nothing_of_a_scene_but_counters_is_changed_by_carrying(state: Path) -> None:
    generations = opened(state)
    shown = scene(generations, level=2, level_why="37 of 40", pinned=True, calls_per_s=7.5)
    plain = Scene(1.0, "1", (), {}, shown.counts, level=2, level_why="37 of 40", pinned=True)
    assert replace(plain, calls_per_s=7.5, theirs=shown.theirs, ours=shown.ours) == shown


def test_what_ended_long_ago_is_kept_as_one_sum(state: Path) -> None:
    generations = opened(state)
    for number in range(20):  # a process that is killed again and again
        life = Life(f"g{number}")
        life.call()
        generations.take([life.report()], number * (SUPERSEDED_S + 1))
    saved(generations)
    kept = json.loads((state / "noc" / "counters.json").read_bytes())
    assert 20 == calls(generations)
    assert ["g18", "g19"] == list(kept["lives"])
    assert [["route", "memory", "ok", 18]] == kept["ended"]["calls"]
