"""The ledger, event by event, as Asterisk 22.10 and 16.28 were heard to tell a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from agi.ami.causes import Causes
from agi.ami.decided import Decided, Hopped
from agi.ami.events import (
    Attempted,
    ChannelSeen,
    DialBegan,
    DialEnded,
    DialMoved,
    Event,
    HungUp,
)
from agi.ami.figures import Attempt, Outcome
from agi.ami.happenings import Began, Ended, Happening, Proved, Security, Timed, Unverified
from agi.ami.ledger import Ledger

START = 1_795_286_128.0
CALLER = "1795286128.0"
DEST = "1795286128.1"
A = Hopped("uk-a", "ported", "PJSIP")
B = Hopped("uk-b", "second", "PJSIP")
FORGED = Security("ami-attempt")


@dataclass
class Told:
    """A ledger, what it told, and the clock; times are seconds since the start."""

    told: list[Happening] = field(default_factory=list)
    most_open: int = 50_000
    now: float = 0.0
    asterisk: str = "pbx1"

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.told.append, Causes(), most_open=self.most_open)
        self.ledger.resynced(self.asterisk, [], START - 10)

    def decided(
        self, *hops: Hopped, id_: str = "f00d-1", caller: str = CALLER, at: float | None = None
    ) -> None:
        made = START + (self.now if at is None else at)
        record = Decided(id_, caller, made, 0.0021, "GB", "23415", hops)
        self.ledger.decided(record, START + self.now)

    def heard(self, *events: Event, asterisk: str = "") -> None:
        for event in events:
            self.now = max(self.now, event.at - START)
            self.ledger.heard(asterisk or self.asterisk, event, START + self.now)

    def tick(self, at: float) -> None:
        self.now = at
        self.ledger.tick(START + at)

    def of(self, kind: type[Happening]) -> list[Happening]:
        return [one for one in self.told if isinstance(one, kind)]

    @property
    def attempts(self) -> list[Attempt]:
        return [one.attempt for one in self.told if isinstance(one, Ended)]

    @property
    def attempt(self) -> Attempt:
        (only,) = self.attempts
        return only

    @property
    def open(self) -> int:
        assert self.ledger.open == len(self.of(Began)) - len(self.of(Ended))
        return self.ledger.open


@pytest.fixture
def call() -> Told:
    return Told()


def begins(
    at: float, dest: str = DEST, channel: str = "PJSIP/ported-00000001", caller: str = CALLER
) -> DialBegan:
    return DialBegan(START + at, caller, dest, channel)


def moves(at: float, status: str = "RINGING", dest: str = DEST) -> DialMoved:
    return DialMoved(START + at, dest, status)


def ends(at: float, status: str = "ANSWER", dest: str = DEST) -> DialEnded:
    return DialEnded(START + at, dest, status)


def hangs(
    at: float, cause: int = 16, dest: str = DEST, channel: str = "PJSIP/ported-00000001"
) -> HungUp:
    return HungUp(START + at, dest, channel, cause)


def leaves(at: float, caller: str = CALLER) -> HungUp:
    return HungUp(START + at, caller, "PJSIP/caller-00000000", 16)


def reports(  # a UserEvent of the dialplan
    at: float,
    status: str = "ANSWER",
    cause: int = 16,
    *,
    endpoint: str = "ported",
    index: int = 1,
    id_: str = "f00d-1",
    caller: str = CALLER,
    asked: float | None = None,
    told: float | None = None,
) -> Attempted:
    return Attempted(
        START + at, caller, id_, endpoint, index, status, cause, asked=asked, told=told
    )


def near(seconds: float) -> Any:
    """Return what equals these seconds: epochs in floats are good for a microsecond."""
    return pytest.approx(seconds, abs=1e-6)


# ---- calls as they were measured ---------------------------------------------------------


def test_an_answered_call_is_one_attempt_with_its_delay_and_its_talk(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0.1), moves(1.6), ends(4.1))
    assert 1 == call.open
    call.heard(reports(64.1), hangs(64.1), leaves(64.1))
    expected = Attempt(
        *("pbx1", "uk-a", "GB", "23415", "f00d-1", 1),
        began=START + 0.1,
        ended=START + 64.1,
        seized=True,
        pdd_s=near(1.5),
        talk_s=near(60.0),
        cause=16,
        outcome=Outcome.ANSWERED,
        marked=False,
    )
    assert expected == call.attempt
    assert 0 == call.open


def test_the_happenings_come_in_their_order(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0.1), moves(1.6), moves(1.9, "PROGRESS"), ends(4.1))
    assert [Began("uk-a", START + 0.1, "GB", "23415"), Proved("uk-a", START + 1.6)] == call.told
    call.heard(hangs(5), reports(5))
    assert isinstance(call.told[-1], Ended)
    assert 3 == len(call.told)


@pytest.mark.parametrize("first", ["report", "hangup", "caller"])
def test_the_last_three_events_come_in_any_order(call: Told, first: str) -> None:
    call.decided(A)
    call.heard(begins(0), ends(1))
    last: dict[str, list[Event]] = {
        "report": [reports(11), hangs(11), leaves(11)],
        "hangup": [hangs(11), reports(11), leaves(11)],
        "caller": [reports(11), leaves(11), hangs(11)],
    }
    call.heard(*last[first])
    assert (Outcome.ANSWERED, 10.0) == (call.attempt.outcome, call.attempt.talk_s)
    call.tick(30)
    assert 1 == len(call.attempts)


@pytest.mark.parametrize(
    ("outcome", "status", "cause"),
    [
        (Outcome.BUSY, "BUSY", 17),
        (Outcome.NO_ANSWER, "NOANSWER", 19),
        (Outcome.NUMBER, "CHANUNAVAIL", 1),
        (Outcome.REJECTED, "CHANUNAVAIL", 21),
        (Outcome.FAILED, "CONGESTION", 34),
    ],
)
def test_an_unanswered_attempt_is_over_with_its_report(
    call: Told, outcome: Outcome, status: str, cause: int
) -> None:
    call.decided(A)
    call.heard(begins(0), ends(0.2, "NOANSWER"), reports(0.2, status, cause))
    assert (outcome, cause, 0.0) == (
        call.attempt.outcome,
        call.attempt.cause,
        call.attempt.talk_s,
    )
    assert 0 == call.open


def test_f50_a_trunk_that_gives_no_sign_until_its_time_is_up_failed(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), ends(2, "NOANSWER"), hangs(2, 0), reports(2, "NOANSWER", 0))
    assert (Outcome.FAILED, None) == (call.attempt.outcome, call.attempt.pdd_s)


def test_a_phone_that_rings_until_its_time_is_up_did_not_fail(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), moves(1), ends(2, "NOANSWER"), reports(2, "NOANSWER", 0))
    assert (Outcome.NO_ANSWER, 1.0) == (call.attempt.outcome, call.attempt.pdd_s)


def test_f50_a_trunk_that_cannot_be_dialled_has_a_report_only(call: Told) -> None:
    call.decided(A, B)
    call.heard(reports(0.1, "CHANUNAVAIL", 3))
    assert (Outcome.FAILED, False, "uk-a") == (
        call.attempt.outcome,
        call.attempt.seized,
        call.attempt.trunk,
    )
    assert [Began("uk-a", START + 0.1, "GB", "23415")] == call.of(Began)
    assert 0 == call.open


def test_failing_over_makes_an_attempt_for_each_trunk(call: Told) -> None:
    call.decided(A, B)
    other = "PJSIP/second-00000002"
    call.heard(begins(0), ends(0.1, "CONGESTION"), reports(0.1, "CONGESTION", 34))
    call.heard(begins(0.1, "1795286128.2", other), hangs(0.1, 34))
    call.heard(ends(3, dest="1795286128.2"), hangs(9, 16, "1795286128.2", other))
    call.heard(reports(9, endpoint="second", index=2), leaves(9))
    assert [("uk-a", 1, Outcome.FAILED), ("uk-b", 2, Outcome.ANSWERED)] == [
        (one.trunk, one.index, one.outcome) for one in call.attempts
    ]


def test_a_caller_who_leaves_while_it_rings_cancelled(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), moves(1), ends(2, "CANCEL"), hangs(2, 0))
    call.heard(reports(2, "CANCEL", 0), leaves(2))
    assert Outcome.CANCELLED is call.attempt.outcome


@pytest.mark.parametrize(
    ("hop", "channel"),
    [
        (Hopped("l", "to-shop", "Local"), "Local/4420@to-shop-00000001;1"),
        (Hopped("l", "a-b", "Local"), "Local/4420@a-b-0000000f;1"),
        (Hopped("i", "peer-1", "IAX2"), "IAX2/peer-1-3421"),
        (Hopped("s", "peer", "SIP"), "SIP/peer-0000002a"),
        (Hopped("d", "g1", "DAHDI"), "DAHDI/i1/4420-5"),
    ],
)
def test_each_technology_names_its_channels_in_its_way(hop: Hopped, channel: str) -> None:
    call = Told()
    call.decided(hop)
    call.heard(begins(0, channel=channel))
    assert 1 == call.open


@pytest.mark.parametrize(
    ("hop", "channel"),
    [
        (Hopped("l", "to-shop", "Local"), "Local/4420@to-shop-00000001;2"),
        (Hopped("l", "to-shop", "Local"), "Local/4420@shop-00000001;1"),
        (Hopped("l", "to-shop", "Local"), "PJSIP/to-shop-00000001"),
        (A, "PJSIP/ported"),
        (A, "PJSIP/ported-2-00000001"),
        (A, "PJSIP/reported-00000001"),
        (A, "SIP/ported-00000001"),
    ],
)
def test_a_channel_of_another_name_is_none_of_ours(hop: Hopped, channel: str) -> None:
    call = Told()
    call.decided(hop)
    call.heard(begins(0, channel=channel))
    assert 0 == call.open


def test_a_local_trunk_counts_once_though_it_dials_on(call: Told) -> None:
    call.decided(Hopped("loop", "to-shop", "Local"))
    near = "Local/4420@to-shop-00000001;1"
    call.heard(begins(0, "1795286128.1", near))
    call.heard(begins(0.1, "1795286128.3", "PJSIP/ported-00000001", caller="1795286128.2"))
    call.heard(moves(1, dest="1795286128.3"), moves(1, dest="1795286128.1"))
    call.heard(ends(2, dest="1795286128.3"), ends(2, dest="1795286128.1"))
    call.heard(reports(9, endpoint="to-shop"), hangs(9, 16, "1795286128.1", near))
    call.heard(hangs(9, 16, "1795286128.3"))
    assert ("loop", 1.0, 7.0) == (call.attempt.trunk, call.attempt.pdd_s, call.attempt.talk_s)


# ---- early, late, and missing ------------------------------------------------------------


def test_events_wait_for_their_decision(call: Told) -> None:
    call.heard(begins(0), moves(0.01), ends(0.02, "BUSY"))
    call.heard(reports(0.02, "BUSY", 17), hangs(0.02, 17), leaves(0.03))
    assert [] == call.told
    call.now = 1.9
    call.decided(A, at=-0.001)
    assert (Outcome.BUSY, False) == (call.attempt.outcome, call.attempt.marked)
    assert call.attempt.pdd_s == near(0.01)


def test_events_wait_two_seconds_and_no_longer(call: Told) -> None:
    call.heard(begins(0), moves(0.5))
    call.tick(1.99)
    call.tick(2.0)
    call.decided(A)
    assert 0 == call.open


def test_a_second_decision_of_the_same_channel_waits_with_its_events(call: Told) -> None:
    """A site may ask again for another number while it has the same caller."""
    call.decided(A)
    call.heard(begins(0), reports(1, "BUSY", 17), hangs(1, 17))
    other = "PJSIP/second-00000002"
    call.heard(begins(1, "1795286128.2", other), moves(1.2, dest="1795286128.2"))
    call.now = 1.3
    call.decided(B, id_="f00d-2")
    call.heard(reports(2, "BUSY", 17, endpoint="second", id_="f00d-2"))
    assert [("f00d-1", "uk-a"), ("f00d-2", "uk-b")] == [
        (one.decision, one.trunk) for one in call.attempts
    ]
    assert call.attempts[1].pdd_s == near(0.2)


def test_a_leg_that_was_taken_for_an_earlier_decision_goes_to_the_one_that_reports_it(
    call: Told,
) -> None:
    """The first decision left its second trunk untried; the second one dials it at once."""
    call.decided(A, B)
    call.heard(begins(0), reports(1, "BUSY", 17), hangs(1, 17))
    other = "PJSIP/second-00000002"
    call.heard(begins(1, "1795286128.2", other), moves(1.5, dest="1795286128.2"))
    call.now = 1.6
    call.decided(B, id_="f00d-2")
    call.heard(reports(2, "BUSY", 17, endpoint="second", id_="f00d-2"))
    last = call.attempts[-1]
    assert ("f00d-2", 1, 0.5) == (last.decision, last.index, last.pdd_s)
    call.tick(60)
    assert 2 == len(call.attempts)


def test_records_that_come_in_the_wrong_order_find_their_own_events(call: Told) -> None:
    call.heard(begins(0), moves(0.1), reports(1, "BUSY", 17), hangs(1, 17))
    call.heard(begins(1, "1795286128.2"), moves(1.5, dest="1795286128.2"))
    call.heard(reports(1.6, "BUSY", 17, id_="f00d-2"))
    call.decided(A, id_="f00d-2", at=1)
    call.decided(A, at=0)
    assert [("f00d-2", near(0.5)), ("f00d-1", near(0.1))] == [
        (one.decision, one.pdd_s) for one in call.attempts
    ]


def test_a_second_decision_that_fails_over_before_its_record_came_is_exact(call: Told) -> None:
    """The earlier decision left two trunks untried, the same that the later one dials."""
    c = Hopped("uk-c", "third", "PJSIP")
    call.decided(A, B, c)
    call.heard(begins(0), reports(1, "BUSY", 17), hangs(1, 17))
    call.heard(begins(1, "1.2", "PJSIP/second-00000002"))
    call.heard(reports(1.01, "CONGESTION", 34, endpoint="second", id_="f00d-2"))
    call.heard(begins(1.01, "1.3", "PJSIP/third-00000003"))
    call.decided(B, c, id_="f00d-2")
    call.heard(reports(2, "BUSY", 17, endpoint="third", index=2, id_="f00d-2"))
    assert [
        ("f00d-1", Outcome.BUSY, True),
        ("f00d-2", Outcome.FAILED, True),
        ("f00d-2", Outcome.BUSY, True),
    ] == [(one.decision, one.outcome, one.seized) for one in call.attempts]


def test_a_report_takes_no_leg_that_began_after_it(call: Told) -> None:
    """The first decision's second trunk could not be dialled; the second decision dials it."""
    call.heard(begins(0), reports(1, "CONGESTION", 34))
    call.heard(reports(1, "CHANUNAVAIL", 3, endpoint="second", index=2))
    call.heard(begins(1.1, "1.2", "PJSIP/second-00000002"))
    call.decided(B, id_="f00d-2", at=1.05)
    call.decided(A, B, at=0)
    assert [("f00d-1", 1, True), ("f00d-1", 2, False)] == [
        (one.decision, one.index, one.seized) for one in call.attempts
    ]
    assert 1 == call.open


def test_two_trunks_with_one_endpoint_are_told_apart_by_the_report(call: Told) -> None:
    call.decided(A, Hopped("uk-a-00", "ported", "PJSIP"))
    call.heard(begins(0), moves(1))  # the first could not be dialled, and its report was lost
    call.heard(reports(2, "BUSY", 17, index=2))
    assert (2, 1.0) == (call.attempt.index, call.attempt.pdd_s)


def test_the_same_uniqueid_on_two_asterisks_is_two_calls() -> None:
    call = Told()
    call.ledger.resynced("pbx2", [], START - 10)
    call.decided(A, id_="f00d-1")
    call.decided(A, id_="f00d-2")
    call.heard(begins(0), moves(1), asterisk="pbx1")
    call.heard(begins(0), moves(3), asterisk="pbx2")
    call.heard(reports(4, "BUSY", 17, id_="f00d-1"), asterisk="pbx1")
    call.heard(reports(4, "BUSY", 17, id_="f00d-2"), asterisk="pbx2")
    assert [("pbx1", "f00d-1", 1.0), ("pbx2", "f00d-2", 3.0)] == [
        (one.asterisk, one.decision, one.pdd_s) for one in call.attempts
    ]
    assert [] == call.of(Security)


def test_a_missing_hang_up_is_waited_for_five_seconds(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), ends(1), reports(61))
    call.tick(65.9)
    assert [] == call.attempts
    call.tick(66.0)
    assert (Outcome.ANSWERED, None) == (call.attempt.outcome, call.attempt.talk_s)


def test_a_missing_report_is_waited_for_five_seconds(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), ends(1), hangs(61))
    call.tick(65.9)
    assert 1 == call.open
    call.tick(66.0)
    assert (Outcome.ANSWERED, 60.0) == (call.attempt.outcome, call.attempt.talk_s)


def test_a25_without_a_report_no_trunk_is_said_to_have_failed(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), ends(1, "CONGESTION"), hangs(1, 34))
    call.tick(10)
    assert Outcome.UNKNOWN is call.attempt.outcome


def test_when_the_caller_is_gone_its_decision_is_forgotten(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), reports(1, "BUSY", 17), leaves(1))
    call.tick(5.9)
    assert 1 == call.ledger.kept
    call.tick(6)
    assert 0 == call.ledger.kept


# ---- what is not believed ----------------------------------------------------------------


def test_a25_a_report_of_an_unknown_id_is_a_forgery_after_two_seconds(call: Told) -> None:
    call.decided(A)
    call.heard(reports(0, "CONGESTION", 34, id_="guessed-1"))
    assert [] == call.told
    call.tick(2)
    assert [FORGED] == call.told


@pytest.mark.parametrize(
    "forged",
    [
        reports(0, "CONGESTION", 34, caller="1795286128.9"),
        reports(0, "CONGESTION", 34, endpoint="second"),
        reports(0, "CONGESTION", 34, index=0),
        reports(0, "CONGESTION", 34, index=2),
        reports(0, "CONGESTION", 34, index=-1),
    ],
)
def test_a25_a_report_that_disagrees_with_the_decision_is_a_forgery(
    call: Told, forged: Attempted
) -> None:
    call.decided(A)
    call.heard(begins(0), forged)
    call.tick(3)
    assert [FORGED] == call.told[1:]
    assert 1 == call.open


def test_a25_a_report_through_another_asterisk_is_a_forgery(call: Told) -> None:
    call.ledger.resynced("pbx2", [], START - 10)
    call.decided(A)
    call.heard(begins(0))
    call.heard(reports(0, "CONGESTION", 34), asterisk="pbx2")
    assert [FORGED] == call.told[1:]


def test_a25_events_of_channels_that_nobody_dialled_change_nothing(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0))
    call.heard(ends(1, dest="1795286128.7"), moves(1, dest="1795286128.7"))
    call.heard(hangs(1, 34, DEST, "PJSIP/other-00000001"), hangs(1, 34, "1795286128.7"))
    call.heard(begins(1, "1795286128.7", "PJSIP/second-00000007"))
    call.heard(begins(1, "1795286128.8", caller="1795286128.7"))
    call.tick(60)
    assert [Began("uk-a", START, "GB", "23415")] == call.told


@pytest.mark.parametrize("at", [0, 1.5])
def test_a25_a_forged_hang_up_of_the_caller_changes_nothing(call: Told, at: float) -> None:
    """Uniqueids can be guessed."""
    call.decided(A)
    if at:
        call.heard(begins(0), moves(1))
    call.heard(leaves(at))
    for second in range(2, 40):
        call.tick(second)
    if not at:
        call.heard(begins(40))
    call.heard(reports(50, "BUSY", 17))
    assert (Outcome.BUSY, True, []) == (
        call.attempt.outcome,
        call.attempt.seized,
        call.of(Security),
    )


def test_a25_a_forged_hang_up_does_not_hide_a_channel_from_a_resync(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.decided(A)
    call.heard(hangs(5, 34, DEST, "PJSIP/other-00000001"))
    call.ledger.resynced("pbx1", [CALLING, seen()], START + 9)
    assert 1 == call.open


def test_a25_a_dialling_forged_for_the_trunks_own_channel_changes_nothing(call: Told) -> None:
    call.heard(begins(0, "6.6", caller=DEST))
    call.heard(begins(0), ends(1), hangs(1.5), reports(1.5))
    call.decided(A, at=-0.01)
    assert (Outcome.ANSWERED, 0.5) == (call.attempt.outcome, call.attempt.talk_s)


def test_a_report_counts_once(call: Told) -> None:
    call.decided(A, B)
    twice = reports(1, "CHANUNAVAIL", 3)
    call.heard(twice, twice)
    call.heard(begins(1, channel="PJSIP/second-00000002"), twice)
    assert 1 == len(call.attempts)
    assert [] == call.of(Security)


def test_an_attempt_that_nobody_decided_is_only_counted(call: Told) -> None:
    call.heard(begins(0), reports(1, id_=""))
    call.tick(9)
    assert [Unverified()] == call.told


def test_other_calls_of_the_pbx_are_none_of_ours(call: Told) -> None:
    call.heard(begins(0), moves(1), ends(1.5), hangs(1.9), leaves(1.9))
    call.heard(begins(0, caller=""), moves(1))
    call.tick(9)
    assert [] == call.told


def test_a_rejected_call_is_not_kept(call: Told) -> None:
    call.decided()
    assert 0 == call.ledger.kept


def test_a25_a_forged_report_delays_a_call_and_changes_nothing_else(call: Told) -> None:
    call.decided(A)
    call.heard(reports(0, "CONGESTION", 34, id_="guessed-1"))
    call.heard(begins(0.1), moves(1), ends(1.5, "BUSY"), reports(1.5, "BUSY", 17))
    assert (Outcome.BUSY, True, near(0.9)) == (
        call.attempt.outcome,
        call.attempt.seized,
        call.attempt.pdd_s,
    )


def test_a25_a_call_behind_a_forged_report_is_open_when_that_is_let_go(call: Told) -> None:
    call.decided(A)
    call.heard(reports(0, "CONGESTION", 34, id_="guessed-1"), begins(0.1), ends(1))
    call.tick(2.5)
    call.tick(3.5)
    assert 1 == call.open
    call.heard(reports(61), hangs(61))
    assert (60.0, near(0.9)) == (call.attempt.talk_s, call.attempt.pdd_s)
    assert [FORGED] == call.of(Security)


# ---- the two clocks ----------------------------------------------------------------------


def test_the_first_report_of_a_decision_tells_how_long_it_took(call: Told) -> None:
    call.decided(A, B)
    asked, told = START + 0.1, START + 0.104
    call.heard(reports(1, "CHANUNAVAIL", 3, asked=asked, told=told))
    call.heard(reports(2, "BUSY", 17, endpoint="second", index=2, asked=asked, told=told))
    (timed,) = call.of(Timed)
    assert isinstance(timed, Timed)
    assert (near(0.004), 0.0021) == (timed.theirs_s, timed.ours_s)


@pytest.mark.parametrize("told", [START, START + 61.2])
def test_a_step_that_ends_before_it_begins_or_takes_a_minute_was_not_measured(
    call: Told, told: float
) -> None:
    call.decided(A)
    call.heard(reports(1, "BUSY", 17, asked=START + 1, told=told))
    assert [] == call.of(Timed)


# ---- gaps --------------------------------------------------------------------------------


def seen(dest: str = DEST, channel: str = "PJSIP/ported-00000001", **other: str) -> ChannelSeen:
    return ChannelSeen(dest, other.get("linkedid", CALLER), channel, 6, 20.0)


CALLING = ChannelSeen(CALLER, CALLER, "PJSIP/caller-00000000", 6, 21.0)


def test_f47_a_call_that_ended_in_a_gap_is_over_when_the_gap_is(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), moves(1))
    call.ledger.lost("pbx1", START + 2)
    call.ledger.resynced("pbx1", [], START + 9)
    assert (Outcome.UNKNOWN, True, 0) == (call.attempt.outcome, call.attempt.marked, call.open)
    assert START + 9 == call.attempt.ended


def test_f47_an_answered_call_that_ended_in_a_gap_was_answered_for_an_unknown_time(
    call: Told,
) -> None:
    call.decided(A)
    call.heard(begins(0), ends(1))
    call.ledger.lost("pbx1", START + 2)
    call.ledger.resynced("pbx1", [], START + 9)
    assert (Outcome.ANSWERED, None, True) == (
        call.attempt.outcome,
        call.attempt.talk_s,
        call.attempt.marked,
    )


def test_f47_a_report_that_came_before_the_gap_tells_how_it_ended(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), reports(2))
    call.ledger.lost("pbx1", START + 2)
    call.ledger.resynced("pbx1", [], START + 3)
    assert (Outcome.ANSWERED, None) == (call.attempt.outcome, call.attempt.talk_s)


def test_f47_a_call_that_goes_on_over_a_gap_is_marked_and_whole(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), moves(1), ends(2))
    call.ledger.lost("pbx1", START + 3)
    call.ledger.resynced("pbx1", [CALLING, seen()], START + 9)
    assert 1 == call.open
    call.heard(hangs(62), reports(62))
    assert (60.0, 1.0, True) == (call.attempt.talk_s, call.attempt.pdd_s, call.attempt.marked)


def test_f47_a_call_that_began_in_a_gap_is_found_and_marked(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.decided(A)
    call.now = 20
    call.ledger.resynced("pbx1", [CALLING, seen()], START + 20)
    assert [Began("uk-a", START, "GB", "23415")] == call.told
    call.heard(hangs(62), reports(62))
    assert (Outcome.ANSWERED, None, None, True) == (
        call.attempt.outcome,
        call.attempt.talk_s,
        call.attempt.pdd_s,
        call.attempt.marked,
    )


def test_f47_a_call_that_is_found_before_its_decision_is_known_is_opened_with_it(
    call: Told,
) -> None:
    """So it is after a restart of ours: the list may come before the routers' records."""
    call.now = 20
    call.ledger.resynced("pbx1", [CALLING, seen()], START + 20)
    assert 0 == call.open
    call.now = 25
    call.decided(A, at=0)
    assert 1 == call.open


def test_f47_a_call_whose_oldest_channel_is_another_one_is_found(call: Told) -> None:
    """A call that was originated is linked by the near half of a Local channel."""
    call.decided(A)
    linked = "1795286127.9"
    listed = [ChannelSeen(CALLER, linked, "Local/1@site-00000001;2", 6, 9.0)]
    call.ledger.resynced("pbx1", [*listed, seen(linkedid=linked)], START + 20)
    assert 1 == call.open


def test_f47_a_channel_that_ended_while_the_list_was_made_is_not_opened(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.decided(A)
    call.heard(hangs(9))
    call.ledger.resynced("pbx1", [CALLING, seen()], START + 9)
    assert 0 == call.open


def test_f47_a_call_that_began_while_the_list_was_made_stays_open(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.now = 8.9
    call.decided(A)
    call.heard(begins(8.9))
    call.ledger.resynced("pbx1", [], START + 9)
    assert 1 == call.open


def test_f47_a_call_that_began_on_an_earlier_connection_does_not(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.now = 7.9
    call.decided(A)
    call.heard(begins(7.9))
    call.ledger.lost("pbx1", START + 8)
    call.ledger.resynced("pbx1", [], START + 9)
    assert 0 == call.open


def test_f47_a_decision_made_in_a_gap_is_marked_and_one_made_after_it_is_not(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.now = 5
    call.decided(A)
    call.ledger.resynced("pbx1", [], START + 6)
    call.now = 7
    call.decided(A, id_="f00d-2", caller="1795286128.5")
    call.heard(begins(7), reports(8, "BUSY", 17))
    call.heard(begins(7, "1795286128.6", caller="1795286128.5"))
    call.heard(reports(8, "BUSY", 17, id_="f00d-2", caller="1795286128.5"))
    assert [True, False] == [one.marked for one in call.attempts]


def test_f47_a_call_that_began_and_ended_in_a_gap_is_told_as_unknown_and_marked(
    call: Told,
) -> None:
    call.ledger.lost("pbx1", START)
    call.now = 2
    call.decided(A, B)
    call.ledger.resynced("pbx1", [], START + 6)
    call.tick(10.9)
    assert [] == call.attempts
    call.tick(11)
    assert [("uk-a", 1, Outcome.UNKNOWN, False, True, "pbx1")] == [
        (one.trunk, one.index, one.outcome, one.seized, one.marked, one.asterisk)
        for one in call.attempts
    ]
    call.tick(60)
    assert (1, 0) == (len(call.attempts), call.open)


def test_f47_a_trunk_that_gave_way_in_a_gap_to_one_that_was_heard_is_told_too(call: Told) -> None:
    call.ledger.lost("pbx1", START)
    call.now = 2
    call.decided(A, B)
    call.ledger.resynced("pbx1", [CALLING, seen(channel="PJSIP/second-00000002")], START + 6)
    call.tick(11)
    call.heard(hangs(20, channel="PJSIP/second-00000002"), reports(20, endpoint="second", index=2))
    assert [(1, Outcome.UNKNOWN), (2, Outcome.ANSWERED)] == [
        (one.index, one.outcome) for one in call.attempts
    ]


def test_f47_whose_call_it_was_is_not_said_where_several_are_heard(call: Told) -> None:
    call.ledger.resynced("pbx2", [], START - 10)
    call.ledger.lost("pbx1", START)
    call.ledger.lost("pbx2", START + 1)
    call.now = 2
    call.decided(A)
    call.ledger.resynced("pbx1", [], START + 6)
    call.tick(20)
    assert [] == call.attempts  # it may be a call of the one that is still away
    call.ledger.resynced("pbx2", [], START + 21)
    call.tick(30)
    assert "" == call.attempt.asterisk


def test_f47_a_call_before_or_after_the_gap_of_which_nothing_is_heard_is_no_attempt(
    call: Told,
) -> None:
    call.decided(A)
    call.ledger.lost("pbx1", START + 4)
    call.ledger.resynced("pbx1", [], START + 5)
    call.now = 6
    call.decided(A, id_="f00d-2", caller="1795286128.5")
    call.tick(60)
    assert [] == call.attempts


def test_f47_a_gap_of_one_asterisk_does_not_mark_the_calls_of_another() -> None:
    call = Told()
    call.ledger.resynced("pbx2", [], START - 10)
    call.decided(A)
    call.heard(begins(0), asterisk="pbx2")
    call.ledger.lost("pbx1", START + 1)
    call.ledger.resynced("pbx1", [], START + 2)
    call.heard(reports(3, "BUSY", 17), asterisk="pbx2")
    assert not call.attempt.marked


def test_f47_in_a_gap_a_refusal_without_its_beginning_was_still_dialled(call: Told) -> None:
    call.decided(A, B)
    call.ledger.lost("pbx1", START)
    call.ledger.resynced("pbx1", [CALLING], START + 1)
    call.heard(reports(1, "CHANUNAVAIL", 1))
    assert (True, Outcome.NUMBER, True) == (
        call.attempt.seized,
        call.attempt.outcome,
        call.attempt.marked,
    )


def test_f47_a_silence_that_was_not_wholly_heard_is_no_failure(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0))
    call.ledger.lost("pbx1", START + 1)
    call.ledger.resynced("pbx1", [CALLING, seen()], START + 2)
    call.heard(reports(9, "NOANSWER", 0))
    assert Outcome.NO_ANSWER is call.attempt.outcome


def test_f47_a_report_of_a_call_older_than_our_hearing_is_no_forgery(call: Told) -> None:
    call.ledger.resynced("pbx1", [CALLING], START)
    call.heard(reports(900, id_="forgotten-1"), leaves(900))
    call.tick(903)
    assert [Unverified()] == call.told


def test_f47_an_asterisk_is_away_until_its_first_resync() -> None:
    told: list[Happening] = []
    ledger = Ledger(told.append, Causes())
    ledger.decided(Decided("f00d-1", CALLER, START, 0.002, "", "", (A,)), START)
    ledger.heard("new", reports(1, "BUSY", 17), START + 1)
    ended = told[-1]
    assert isinstance(ended, Ended)
    assert ended.attempt.marked


def test_f47_what_waited_over_a_gap_in_which_it_ended_is_over(call: Told) -> None:
    call.heard(begins(0))
    call.ledger.lost("pbx1", START + 0.5)
    call.ledger.resynced("pbx1", [CALLING], START + 1)
    call.now = 1.2
    call.decided(A, at=-0.01)
    assert (Outcome.UNKNOWN, True, 0) == (call.attempt.outcome, call.attempt.marked, call.open)


def test_f47_what_waited_over_a_gap_for_the_earlier_of_two_decisions_is_over(
    call: Told,
) -> None:
    call.heard(begins(0))
    call.ledger.lost("pbx1", START + 0.1)
    call.ledger.resynced("pbx1", [CALLING], START + 0.2)
    call.heard(reports(0.3, "BUSY", 17, endpoint="second", id_="f00d-2"))
    call.decided(A, at=-0.01)
    call.decided(B, id_="f00d-2", at=0.25)
    assert 0 == call.open
    assert [("f00d-2", True), ("f00d-1", True)] == [
        (one.decision, one.marked) for one in call.attempts
    ]


def test_f47_what_waited_does_not_end_a_later_leg_that_the_list_shows(call: Told) -> None:
    other = "PJSIP/second-00000002"
    call.heard(begins(0))
    call.ledger.lost("pbx1", START + 0.1)
    call.ledger.resynced("pbx1", [CALLING, seen("1.2", other)], START + 0.2)
    call.now = 0.3
    call.decided(A, B, at=-0.01)
    assert 1 == call.open
    assert ["uk-a"] == [one.trunk for one in call.attempts]


def test_f47_after_a_gap_in_its_first_decision_a_channels_later_ones_are_marked(
    call: Told,
) -> None:
    call.decided(A)
    call.ledger.lost("pbx1", START)
    call.ledger.resynced("pbx1", [CALLING], START + 1)
    call.now = 2
    call.decided(A, id_="f00d-2")
    call.heard(reports(3, "CHANUNAVAIL", 3, id_="f00d-2"))
    assert call.attempt.marked


def test_f47_a_leg_that_is_found_before_its_beginning_is_heard_is_whole(call: Told) -> None:
    call.decided(A)
    call.ledger.resynced("pbx1", [CALLING, seen()], START)
    call.heard(begins(0.5), moves(2), reports(3, "BUSY", 17))
    assert (1.5, True) == (call.attempt.pdd_s, call.attempt.marked)


def test_f47_a_resync_without_a_gap_ends_what_is_not_there(call: Told) -> None:
    """As after events were dropped for want of room."""
    call.decided(A)
    call.heard(begins(0))
    call.ledger.resynced("pbx1", [CALLING], START + 60)
    assert (Outcome.UNKNOWN, True) == (call.attempt.outcome, call.attempt.marked)


def test_a25_a_list_without_a_gap_frees_the_room_of_a_hangup_that_nobody_could_read(
    call: Told,
) -> None:
    call.decided(A)
    call.heard(begins(0), moves(1))
    call.decided(A, id_="f00d-2", caller="1795286128.5")
    call.heard(begins(2, "1795286128.6", caller="1795286128.5"))
    both = [CALLING, seen("1795286128.6", linkedid="1795286128.5")]
    call.ledger.resynced("pbx1", both, START + 60)
    assert 1 == call.open
    call.heard(hangs(70, 17, "1795286128.6"))
    call.heard(reports(70, "BUSY", 17, id_="f00d-2", caller="1795286128.5"))
    assert [(Outcome.UNKNOWN, True), (Outcome.BUSY, False)] == [
        (one.outcome, one.marked) for one in call.attempts
    ]


# ---- bounds ------------------------------------------------------------------------------


def test_at_most_so_many_attempts_are_followed_and_the_oldest_gives_way() -> None:
    call = Told(most_open=10)
    for number in range(12):
        caller, dest = f"1.{number}", f"2.{number}"
        call.decided(A, id_=f"f00d-{number}", caller=caller)
        call.heard(begins(0, dest, caller=caller))
    assert 10 == call.open
    assert ["f00d-0", "f00d-1"] == [one.decision for one in call.attempts]
    assert all(one.marked for one in call.attempts)


def test_twice_as_many_decisions_are_kept_and_those_with_a_leg_stay() -> None:
    call = Told(most_open=10)
    call.decided(A)
    call.heard(begins(0))
    for number in range(40):
        call.decided(A, id_=f"idle-{number}", caller=f"1.{number}")
    assert 20 == call.ledger.kept
    call.heard(reports(1, "BUSY", 17))
    assert Outcome.BUSY is call.attempt.outcome


def test_a_decision_of_which_nothing_is_heard_is_forgotten_after_an_hour(call: Told) -> None:
    call.decided(A)
    call.tick(3_599)
    assert 1 == call.ledger.kept
    call.tick(3_600)
    assert 0 == call.ledger.kept


def test_a_call_of_two_hours_is_not_forgotten(call: Told) -> None:
    call.decided(A)
    call.heard(begins(0), ends(1))
    call.tick(3_601)
    call.tick(7_202)
    call.heard(hangs(7_203), reports(7_203))
    assert 7_202.0 == call.attempt.talk_s


def test_what_waits_for_a_decision_is_bounded(call: Told) -> None:
    for number in range(20_001):
        call.heard(reports(0, id_="guessed", caller=f"1.{number}"))
    assert [FORGED] == call.told
    call.tick(2)
    assert 20_001 == len(call.told)


def test_earlier_decisions_of_a_channel_are_forgotten_one_by_one(call: Told) -> None:
    for number in range(3):
        call.now = number * 10.0
        call.decided(A, id_=f"f00d-{number}")
    call.tick(3_600)
    call.tick(3_610)
    assert 1 == call.ledger.kept
    call.heard(reports(3_611, "BUSY", 17, id_="f00d-2"))
    assert "f00d-2" == call.attempt.decision
