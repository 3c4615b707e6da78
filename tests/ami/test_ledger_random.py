"""The ledger against the truth: random calls, gaps at any moment, late records, forged events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agi.ami.causes import Causes
from agi.ami.decided import Decided, Hopped
from agi.ami.events import Attempted, ChannelSeen, DialBegan, DialEnded, DialMoved, Event, HungUp
from agi.ami.figures import Attempt, Outcome
from agi.ami.happenings import Began, Ended, Happening, Proved, Security, Unverified
from agi.ami.kpi import Kpis
from agi.ami.ledger import Ledger
from tests.ami.pretending import DOES, TRUNKS, TWIN, Pretended, Truth

PBXS = ("pbx1", "pbx2")
TRACE_S = 0.001

plans = st.lists(
    st.tuples(st.sampled_from([*TRUNKS, TWIN]), st.sampled_from(sorted(DOES))),
    min_size=1,
    max_size=4,
    unique_by=lambda step: step[0],
)
second = st.lists(
    st.tuples(st.sampled_from(TRUNKS), st.sampled_from(sorted(DOES))),
    min_size=1,
    max_size=3,
    unique_by=lambda step: step[0],
)


class Calls(RuleBasedStateMachine):
    """What is played is true; what the ledger makes of it has to be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_795_286_128.0
        self.told: list[Happening] = []
        self.kpis = Kpis()
        self.ledger = Ledger(self.take, Causes())
        self.world = Pretended(self.now, random.Random(1))
        self.calls: list[tuple[str, Iterator[list[Event]]]] = []
        self.records: list[tuple[float, Decided]] = []  # not told yet: until when
        self.heard = dict.fromkeys(PBXS, "yes")  # yes, lost, or listing
        self.lists: dict[str, list[ChannelSeen]] = {}
        self.gaps: dict[str, list[tuple[float, float]]] = {pbx: [] for pbx in PBXS}
        self.since = dict.fromkeys(PBXS, 0.0)
        self.pbx_of: dict[str, str] = {}
        self.told_at: dict[str, float] = {}
        self.security = self.unverified = 0
        self.waiting: list[tuple[float, str]] = []  # forged reports: when they came, and where
        for pbx in PBXS:
            self.ledger.resynced(pbx, [], self.now)
        self.pass_time(1)

    def take(self, happening: Happening) -> None:
        self.told.append(happening)
        self.kpis.took(happening, self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.world.now = self.now

    # ---- what happens --------------------------------------------------------------------

    @rule(pbx=st.sampled_from(PBXS), plan=plans, again=st.none() | second, late=st.floats(0.0, 1.9))
    def a_call_begins(
        self,
        pbx: str,
        plan: list[tuple[Hopped, str]],
        again: list[tuple[Hopped, str]] | None,
        late: float,
    ) -> None:
        if again is not None:  # then no twins: which of them is dialled could not be told
            plan = [step for step in plan if step[0] is not TWIN] or again
        self.calls.append((pbx, self.world.call(pbx, [plan] if again is None else [plan, again])))
        self.go_on(len(self.calls) - 1, late, 99)

    @rule(late=st.floats(0.0, 1.9))
    def a_call_is_rejected(self, late: float) -> None:
        self.world.decide(self.world.new(), ())
        self.note_records(PBXS[0], late)

    @rule(which=st.integers(0, 99), late=st.floats(0.0, 1.9), cut=st.integers(0, 6))
    def a_call_goes_on(self, which: int, late: float, cut: int) -> None:
        """``cut`` below the number of events: the connection breaks after so many."""
        if self.calls:
            self.go_on(which % len(self.calls), late, cut if cut < 3 else 99)

    @rule(which=st.integers(0, 99), late=st.floats(0.0, 1.9), steps=st.integers(2, 12))
    def a_call_goes_on_for_long(self, which: int, late: float, steps: int) -> None:
        for _ in range(steps):
            if self.calls:
                self.go_on(which % len(self.calls), late, 99)

    def go_on(self, which: int, late: float, cut: int) -> None:
        self.pass_time(TRACE_S)
        pbx, call = self.calls[which]
        burst = next(call, None)
        if burst is None:
            self.calls.pop(which)
            return
        self.note_records(pbx, late)
        for number, event in enumerate(burst):
            if number == cut:
                self.lose(pbx)
            if self.heard[pbx] != "lost":
                self.ledger.heard(pbx, event, self.now)

    def note_records(self, pbx: str, late: float) -> None:
        """Let the records come late, but those of one channel in their order."""
        for record in self.world.records:
            self.pbx_of[record.id] = pbx
            earlier = [due for due, one in self.records if one.uniqueid == record.uniqueid]
            self.records.append((max(self.now + late, *earlier, 0.0), record))
        self.world.records.clear()

    @rule(seconds=st.floats(0.01, 40.0))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        for due, record in sorted(self.records, key=lambda one: one[0]):
            if due <= until:
                self.pass_time(max(0.0, due - self.now))
                self.ledger.decided(record, self.now)
                self.told_at[record.id] = self.now
                self.records.remove((due, record))
        self.pass_time(max(0.0, until - self.now))
        self.tick()

    def tick(self) -> None:
        self.ledger.tick(self.now)
        for came, pbx in [one for one in self.waiting if one[0] + 2.0 <= self.now]:
            self.waiting.remove((came, pbx))
            gap_since = any(came <= end for _, end in self.gaps[pbx])
            if self.heard[pbx] != "yes" or gap_since:
                self.unverified += 1
            else:
                self.security += 1

    # ---- gaps ----------------------------------------------------------------------------

    @rule(pbx=st.sampled_from(PBXS))
    def a_connection_breaks(self, pbx: str) -> None:
        self.lose(pbx)

    def lose(self, pbx: str) -> None:
        if self.heard[pbx] == "yes":
            self.since[pbx] = self.now
        self.heard[pbx] = "lost"
        self.ledger.lost(pbx, self.now)

    @rule(pbx=st.sampled_from(PBXS))
    def a_listener_logs_in(self, pbx: str) -> None:
        if self.heard[pbx] == "lost":
            self.heard[pbx] = "listing"
            self.lists[pbx] = list(self.world.up.get(pbx, {}).values())

    @rule(pbx=st.sampled_from(PBXS))
    def the_list_is_complete(self, pbx: str) -> None:
        if self.heard[pbx] == "listing":
            self.pass_time(TRACE_S)
            self.heard[pbx] = "yes"
            self.gaps[pbx].append((self.since[pbx], self.now))
            self.ledger.resynced(pbx, self.lists.pop(pbx), self.now)
            self.pass_time(TRACE_S)

    # ---- what is none of ours ------------------------------------------------------------

    @rule(pbx=st.sampled_from(PBXS), which=st.integers(0, 99), kind=st.integers(0, 8))
    def somebody_forges(self, pbx: str, which: int, kind: int) -> None:
        """Play an event of a stranger, who may know uniqueids and trunks but no id."""
        if self.heard[pbx] == "lost":
            return
        self.pass_time(TRACE_S)
        uniqueid = f"1795286128.{which}"
        dest = f"6.{self.world.new()}"
        # A forged hang-up of the caller and a gap together may make us forget a decision too soon.
        caller = dest if self.gaps[pbx] or self.heard[pbx] != "yes" else uniqueid
        forged: list[Event] = [
            DialMoved(self.now, dest, "RINGING"),
            DialEnded(self.now, dest, "ANSWER"),
            HungUp(self.now, dest, "PJSIP/ported-00000001", 34),
            DialBegan(self.now, dest, uniqueid, "PJSIP/ported-00000001"),
            DialBegan(self.now, uniqueid, dest, "PJSIP/caller-00000001"),
            HungUp(self.now, caller, "PJSIP/ported-00000001", 34),
            Attempted(self.now, uniqueid, "", "ported", 1, "CONGESTION", 34),
            Attempted(self.now, dest, "f00d-ffffff", "ported", 1, "CONGESTION", 34),
            DialEnded(self.now, uniqueid, "CONGESTION"),
        ]
        self.ledger.heard(pbx, forged[kind], self.now)
        if kind == 6:
            self.unverified += 1
        elif kind == 7:
            self.waiting.append((self.now, pbx))

    @rule(which=st.integers(0, 99), kind=st.integers(0, 3))
    def somebody_forges_with_a_known_id(self, which: int, kind: int) -> None:
        open_legs = [
            (pbx, dest, id_)
            for pbx in PBXS
            for dest, id_ in self.world.dialled.get(pbx, {}).items()
            if self.heard[pbx] == "yes"
        ]
        late = {record.id for _, record in self.records}
        open_legs = [leg for leg in open_legs if leg[2] not in late]
        if open_legs:
            pbx, dest, id_ = open_legs[which % len(open_legs)]
            caller = self.world.up[pbx][dest].linkedid
            self.pass_time(TRACE_S)
            forged = [
                Attempted(self.now, "1.1", id_, "ported", 1, "CONGESTION", 34),
                Attempted(self.now, caller, id_, "elsewhere", 1, "CONGESTION", 34),
                Attempted(self.now, caller, id_, "ported", 0, "CONGESTION", 34),
                Attempted(self.now, caller, id_, "ported", 10, "CONGESTION", 34),
            ]
            self.ledger.heard(pbx, forged[kind], self.now)
            self.security += 1

    @rule(pbx=st.sampled_from(PBXS))
    def a_phone_calls_a_phone(self, pbx: str) -> None:
        if self.heard[pbx] != "lost":
            one, other = self.world.new(), self.world.new()
            channel = "PJSIP/ported-00000001"
            self.ledger.heard(pbx, DialBegan(self.now, one, other, channel), self.now)
            self.ledger.heard(pbx, DialEnded(self.now, other, "ANSWER"), self.now)
            self.ledger.heard(pbx, HungUp(self.now, other, channel, 16), self.now)
            self.ledger.heard(pbx, HungUp(self.now, one, "PJSIP/phone-1", 16), self.now)

    # ---- what has to be true -------------------------------------------------------------

    @invariant()
    def every_attempt_ends_once(self) -> None:
        began = sum(isinstance(one, Began) for one in self.told)
        ended = [(one.decision, one.index) for one in self.attempts()]
        assert self.ledger.open == began - len(ended)
        assert len(set(ended)) == len(ended)

    @invariant()
    def the_open_attempts_are_the_true_ones(self) -> None:
        """In no gap, once each decision is known; what hung up may wait for its report."""
        if not self.records:
            for pbx in PBXS:
                if self.heard[pbx] == "yes":
                    legs = self.ledger._pbxs[pbx].legs.values()
                    mine = {leg.dest for leg in legs if not leg.hung}
                    assert set(self.world.dialled.get(pbx, {})) == mine

    @invariant()
    def nobody_is_accused_wrongly(self) -> None:
        assert self.security == sum(isinstance(one, Security) for one in self.told)
        assert self.unverified == sum(isinstance(one, Unverified) for one in self.told)

    def attempts(self) -> list[Attempt]:
        return [one.attempt for one in self.told if isinstance(one, Ended)]

    def teardown(self) -> None:
        for pbx in PBXS:
            self.a_listener_logs_in(pbx)
            self.the_list_is_complete(pbx)
        while self.calls:
            self.go_on(0, 0.0, 99)
        self.time_passes(3.0)
        self.time_passes(6.0)
        self.every_attempt_ends_once()
        self.nobody_is_accused_wrongly()
        self.what_was_heard_whole_is_exact()
        self.figures_are_the_sums()
        assert 0 == self.ledger.open

    def what_was_heard_whole_is_exact(self) -> None:
        """It is told and not marked; and whatever is not marked is exact."""
        told = {(one.decision, one.index): one for one in self.attempts()}
        truths = {(one.decision, one.index): one for one in self.world.truths}
        for key, truth in truths.items():
            if not self.touched(truth):
                assert not told[key].marked
        for key, one in told.items():
            if one.outcome is Outcome.UNKNOWN and not one.seized:
                assert one.asterisk in {"", self.pbx_of[one.decision]}
                assert one.marked
            else:
                assert one.asterisk == self.pbx_of[one.decision]
            if not one.marked:
                assert_same(truths[key], one)

    def touched(self, truth: Truth) -> bool:
        """Say whether a gap fell into the call. A channel that asked twice is one call."""
        assert truth.over is not None
        over = max(truth.over, self.told_at[truth.decision])
        return any(
            begin <= over and end >= truth.first
            for begin, end in self.gaps[self.pbx_of[truth.decision]]
        )

    def figures_are_the_sums(self) -> None:
        """Count the plain way what the figures have counted."""
        totals = self.kpis.totals
        attempts = self.attempts()
        for trunk in {one.trunk for one in attempts}:
            mine = [one for one in attempts if one.trunk == trunk]
            assert Counter(one.outcome for one in mine) == totals[trunk].outcomes
            assert Counter(one.cause for one in mine) == totals[trunk].causes
            assert sum(one.seized for one in mine) == totals[trunk].seizures
            assert sum(one.marked for one in mine) == totals[trunk].marked
            assert sum(one.pdd_s is not None for one in mine) == sum(totals[trunk].pdd)
        proved = Counter(one.trunk for one in self.told if isinstance(one, Proved))
        signs = Counter(one.trunk for one in attempts if one.pdd_s is not None)
        assert signs == proved
        assert {0} >= set(self.kpis.open_calls().values())


def assert_same(truth: Truth, told: Attempt) -> None:
    assert (truth.trunk, truth.outcome, truth.cause) == (told.trunk, told.outcome, told.cause)
    assert truth.seized == told.seized
    assert truth.pdd_s == told.pdd_s
    assert truth.talk_s == told.talk_s


Calls.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCalls = Calls.TestCase


@pytest.mark.parametrize("seed", range(100))
def test_long_histories_are_exact(seed: int) -> None:
    """Of a thousand moves each: no shrinking, but far more calls that meet a gap."""
    dice = random.Random(seed)
    history = Calls()
    for _ in range(1_000):
        move(history, dice)
        if dice.random() < 0.1:
            history.every_attempt_ends_once()
            history.nobody_is_accused_wrongly()
            history.the_open_attempts_are_the_true_ones()
    history.teardown()
    assert history.attempts()


def move(history: Calls, dice: random.Random) -> None:
    """Make one of the machine's moves."""
    pbx, which = dice.choice(PBXS), dice.randrange(100)
    late = dice.choice((0.0, 0.02, 0.02, dice.uniform(0, 1.9)))
    match dice.choices(range(9), (20, 150, 20, 40, 1, 20, 20, 5, 5))[0]:
        case 0:
            again = some(dice, TRUNKS, 3) if dice.random() < 0.3 else None
            history.a_call_begins(pbx, some(dice, (*TRUNKS, TWIN), 4), again, late)
        case 1:
            history.a_call_goes_on(which, late, dice.choice((0, 1, 2, *[9] * 20)))
        case 2:
            history.a_call_goes_on_for_long(which, late, dice.randrange(2, 12))
        case 3:
            history.time_passes(dice.choice((0.01, 0.03, 0.1, 1.0, dice.uniform(0, 9))))
        case 4:
            history.a_connection_breaks(pbx)
        case 5:
            history.a_listener_logs_in(pbx)
        case 6:
            history.the_list_is_complete(pbx)
        case 7:
            history.somebody_forges(pbx, which, dice.randrange(9))
            history.somebody_forges_with_a_known_id(which, dice.randrange(4))
        case 8:
            history.a_phone_calls_a_phone(pbx)


def some(dice: random.Random, trunks: Sequence[Hopped], most: int) -> list[tuple[Hopped, str]]:
    """Return a plan: trunks in some order, and what each does."""
    hops = dice.sample(trunks, dice.randint(1, most))
    return [(hop, dice.choice(sorted(DOES))) for hop in hops]
