"""The brown-out ladder against a provider that dies, comes back and flaps; the clock is the test's.

What is expected is arithmetic on the rules as docs/brownout.md tells them: ten seconds, twenty
numbers, four fifths, five seconds; one trial a second, three answers in a row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from agi.brownout.ladder import Change, Ladder, Level, Permit, level_of
from agi.errors import UsageError
from agi.model import Finding, Inquiry, Mccmnc, Msisdn, NumberInfo, Source

EPOCH = 1_795_000_000.0
ANSWERED = Finding(Source.LIVE, "ok", NumberInfo(Mccmnc("23415")), 0.0, None, "npl", "comcetera")
SILENT = Finding(Source.DEFAULT, "timeout")
KEPT = Finding(Source.STORE, "ok", NumberInfo(Mccmnc("23415")), 60.0, None, "npl", "comcetera")
NOBODY = Finding(Source.DEFAULT, "breaker")


def always(now: float) -> Finding:
    del now
    return ANSWERED


def never(now: float) -> Finding:
    del now
    return SILENT


class Street:
    """Calls to numbers that nobody knows, at an even pace, and whoever answers for them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.began = EPOCH
        self.changes: list[tuple[float, Change]] = []
        self.sent: list[tuple[float, Permit]] = []
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.numbers: Iterator[Msisdn] = (Msisdn(str(447_700_000_000 + n)) for n in count())
        self._next_tick = 1.0
        self.ladder = Ladder(
            lambda: self.now,
            lambda: 0.5,
            wall=lambda: self.began + self.now,
            on_change=lambda change: self.changes.append((self.now, change)),
        )

    def lookup(self, answer: Finding, country: str = "GB", number: Msisdn | None = None) -> Permit:
        """One call's lookup, answered in no time."""
        inquiry = Inquiry(number or next(self.numbers), self.now + 0.8, country)
        permit = self.ladder.permit(inquiry)
        if permit is Permit.KEPT:
            answer = NOBODY
        else:
            self.sent.append((self.now, permit))
            self.ladder.told(permit, inquiry, answer)
        self.calls["route", answer.source, answer.reason] += 1
        return permit

    def drive(
        self,
        seconds: float,
        answers: Callable[[float], Finding],
        per_s: int = 10,
        country: str = "GB",
    ) -> None:
        """Let calls come for so long."""
        began, calls = self.now, round(seconds * per_s)
        for index in range(calls):
            self.pass_to(began + index / per_s)
            self.lookup(answers(self.now), country)
        self.pass_to(began + seconds)

    def pass_to(self, instant: float) -> None:
        """Let time pass, a tick each second."""
        while self._next_tick <= instant:
            self.now = self._next_tick
            self.ladder.tick(self.calls)
            self._next_tick += 1.0
        self.now = instant

    def pass_s(self, seconds: float) -> None:
        self.pass_to(self.now + seconds)

    def stands(self) -> Level:
        return self.ladder.level

    def shows(self) -> Level:
        return self.ladder.shown

    def falls(self) -> list[float]:
        return [at for at, change in self.changes if change.after > change.before]

    def rises(self) -> list[float]:
        return [at for at, change in self.changes if change.after < change.before]


def test_while_answers_come_every_lookup_asks() -> None:
    street = Street()
    street.drive(60, always)
    assert (Level.LIVE, [], 600) == (street.ladder.level, street.changes, len(street.sent))


def test_a_provider_that_dies_is_left_alone_once_four_fifths_of_ten_seconds_failed() -> None:
    street = Street()
    street.drive(30, always)
    street.drive(30, never)
    # 8 s of failures are 80 of the 100 lookups of the last 10 s.
    (fell,) = street.falls()
    assert 38.0 == pytest.approx(fell, abs=0.2)
    assert Level.CACHE is street.stands()
    assert re.fullmatch(r"8\d of 10\d lookups failed: timeout", street.changes[0][1].why)


def test_a_dead_provider_gets_one_trial_a_second() -> None:
    street = Street()
    street.drive(30, always)
    street.drive(100, never, per_s=50)
    (fell,) = street.falls()
    sent = [permit for at, permit in street.sent if at > fell]
    assert {Permit.TRIAL} == set(sent)
    assert 130 - fell == pytest.approx(len(sent), abs=2)


def test_it_asks_again_after_three_answers_in_a_row() -> None:
    street = Street()
    street.drive(30, always)
    street.drive(30, never)
    back = street.now
    street.drive(20, always)
    (rose,) = street.rises()
    # A second at most until the next trial, and then one lookup after the other: 0.1 s each.
    assert rose - back <= 1.3
    assert Level.LIVE is street.stands()
    assert [Permit.TRIAL] * 3 == [permit for at, permit in street.sent if back <= at <= rose]


def test_a_trial_that_the_breaker_refused_leaves_its_turn_to_the_next_lookup() -> None:
    street = Street()
    street.drive(10, never)
    street.pass_s(2)
    refused = Finding(Source.DEFAULT, "breaker")
    assert [Permit.TRIAL] * 5 == [street.lookup(refused) for _ in range(5)]
    assert [Permit.TRIAL] * 3 == [street.lookup(ANSWERED) for _ in range(3)]
    assert Level.LIVE is street.stands()


def test_a_level_that_falls_again_soon_waits_for_five_seconds_without_a_failure() -> None:
    street = Street()
    street.drive(30, always)
    street.drive(10, never)
    street.drive(5, always)
    street.drive(10, never)
    assert (2, 1) == (len(street.falls()), len(street.rises()))
    street.drive(3.9, always)  # the last trial failed at most a second before
    assert Level.CACHE is street.stands()
    street.drive(2.5, always)
    assert Level.LIVE is street.stands()


def test_after_it_rose_the_failures_of_before_are_forgotten() -> None:
    street = Street()
    street.drive(30, always)
    street.drive(8.2, never)
    while not street.rises():
        street.drive(0.1, always)
    street.lookup(SILENT)
    assert Level.LIVE is street.stands()


def test_an_answer_between_failures_is_not_enough_to_ask_again() -> None:
    street = Street()
    street.drive(30, always)
    street.drive(10, never)
    for turn in range(60):
        street.pass_s(1.2)
        assert Permit.TRIAL is street.lookup(ANSWERED if turn % 3 else SILENT)
    assert Level.CACHE is street.stands()


def flapping(up_s: int, down_s: int) -> Street:
    """A provider that died once, and has gone up and down for ten minutes since."""
    street = Street()
    street.drive(30, always)
    street.drive(12, never)
    cycle = up_s + down_s
    street.drive(600, lambda now: ANSWERED if int(now) % cycle < up_s else SILENT, per_s=50)
    return street


@pytest.mark.parametrize(("up_s", "down_s"), [(2, 2), (7, 5), (12, 12), (20, 20)])
def test_a_provider_that_flaps_does_not_make_the_level_flap(up_s: int, down_s: int) -> None:
    # At once, then after 5, 10, 20 and 30 seconds without a failure: ten minutes are 15 to 150
    # turns of the provider.
    assert len(flapping(up_s, down_s).rises()) <= 5


@pytest.mark.parametrize(("up_s", "down_s"), [(7, 5), (12, 12), (20, 20)])
def test_after_flapping_a_provider_that_works_is_asked_again_soon(up_s: int, down_s: int) -> None:
    street = flapping(up_s, down_s)
    back = street.now
    street.drive(60, always, per_s=50)
    assert Level.LIVE is street.stands()
    assert max(street.rises()) - back <= 32


def test_a_calm_minute_makes_the_next_outage_a_new_one() -> None:
    street = Street()
    for _ in range(4):
        street.drive(90, always)
        street.drive(20, never)
        back = street.now
        street.drive(10, always)
        assert street.rises()[-1] - back <= 1.3


def test_a_hiccup_right_after_the_start_is_no_outage() -> None:
    street = Street()
    street.drive(4.5, never, per_s=200)
    assert Level.LIVE is street.stands()
    street.drive(1.0, never, per_s=200)
    assert Level.CACHE is street.stands()


def test_fewer_than_twenty_numbers_tell_nothing() -> None:
    street = Street()
    for _ in range(19):
        street.lookup(SILENT)
        street.pass_s(0.4)
    assert Level.LIVE is street.stands()
    street.lookup(SILENT)
    assert Level.CACHE is street.stands()


def test_one_number_dialled_over_and_over_is_no_outage() -> None:
    street = Street()
    number = next(street.numbers)
    for _ in range(600):
        street.lookup(SILENT, number=number)
        street.pass_s(0.1)
    assert Level.LIVE is street.stands()


def test_one_account_of_two_that_fails_is_no_outage() -> None:
    street = Street()
    street.drive(60, lambda now: SILENT if round(now * 10) % 10 < 7 else ANSWERED)
    assert Level.LIVE is street.stands()


def test_countries_for_which_answers_come_are_asked_on() -> None:
    street = Street()
    for turn in range(200):
        street.lookup(SILENT, "GB")
        if turn % 10 == 0:
            street.lookup(ANSWERED, "DE")
        street.pass_s(0.05)
    assert Level.CACHE is street.stands()
    street.lookup(SILENT, "GB")  # a trial may be due
    assert Permit.KEPT is street.lookup(SILENT, "GB")
    assert Permit.ASK is street.lookup(ANSWERED, "DE")


@pytest.mark.parametrize("reason", ["budget", "shed", "no-dipper"])
def test_what_nobody_was_asked_is_shown_and_is_no_outage(reason: str) -> None:
    street = Street()
    street.drive(30, lambda _: Finding(Source.DEFAULT, reason))
    assert (Level.LIVE, 300) == (street.ladder.level, len(street.sent))
    assert Level.DEFAULT is street.shows()
    assert reason in str(street.ladder.state()["why"])
    street.drive(15, always)
    assert (Level.LIVE, "") == (street.ladder.shown, street.ladder.state()["why"])


@pytest.mark.parametrize(
    "finding",
    [
        KEPT,
        Finding(Source.MEMORY, "ok", NumberInfo(Mccmnc("23415")), 9.0),
        Finding(Source.DEFAULT, "no-provider"),
        Finding(Source.LIVE, "ok", NumberInfo(Mccmnc("23415")), 0.0, None, "dump", "file"),
        Finding(Source.DEFAULT, "err1", age_s=60.0),
        Finding(Source.SKIPPED, "same-route"),
    ],
)
def test_a_trial_that_asked_nobody_leaves_its_turn_to_the_next_lookup(finding: Finding) -> None:
    street = Street()
    street.drive(10, never)
    street.pass_s(2)
    assert Permit.TRIAL is street.lookup(finding)
    assert Permit.TRIAL is street.lookup(SILENT)
    assert Permit.KEPT is street.lookup(SILENT)


@pytest.mark.parametrize(
    "finding",
    [
        ANSWERED,
        Finding(Source.DEFAULT, "err1", age_s=0.0),
        Finding(Source.DEFAULT, "ok", age_s=0.0),
        Finding(Source.STALE, "err36", NumberInfo(Mccmnc("23415")), 700_000.0),
        Finding(Source.RANGE, "err1", NumberInfo(Mccmnc("23415")), None, None, "dump", "file"),
    ],
)
def test_whatever_a_provider_answers_proves_that_it_does(finding: Finding) -> None:
    street = Street()
    street.drive(10, never)
    street.drive(10, lambda _: finding)
    assert Level.LIVE is street.stands()


@pytest.mark.parametrize(
    "finding",
    [
        Finding(Source.DEFAULT, "err-other"),
        Finding(Source.DEFAULT, "breaker"),
        Finding(Source.STALE, "timeout", NumberInfo(Mccmnc("23415")), 700_000.0),
        Finding(Source.RANGE, "timeout", NumberInfo(Mccmnc("23415")), None, None, "dump", "file"),
    ],
)
def test_a_substitute_for_an_answer_is_none(finding: Finding) -> None:
    street = Street()
    street.drive(10, lambda _: finding)
    assert Level.CACHE is street.stands()


def test_without_a_call_that_could_try_for_a_minute_the_next_ones_ask() -> None:
    street = Street()
    street.drive(10, never)
    street.pass_s(57)
    assert Level.CACHE is street.stands()
    street.pass_s(5)
    assert Level.LIVE is street.stands()


def test_a_question_for_screens_alone_is_no_trial() -> None:
    street = Street()
    street.drive(10, never)
    street.pass_s(5)
    screens = Inquiry(next(street.numbers), street.now + 0.8, "GB", network=False)
    assert Permit.KEPT is street.ladder.permit(screens)
    assert Permit.TRIAL is street.lookup(SILENT)


# ---- what is shown --------------------------------------------------------------------------


def test_the_level_shown_is_what_most_calls_feel() -> None:
    street = Street()
    street.drive(10, never)
    assert (Level.CACHE, Level.CACHE) == (street.ladder.level, street.ladder.shown)
    street.drive(12, never)  # ten seconds of calls, none of which got a network
    assert (Level.CACHE, Level.DEFAULT) == (street.ladder.level, street.ladder.shown)
    assert "calls had no network of their own" in str(street.ladder.state()["why"])


def test_calls_that_got_their_ranges_network_are_shown_as_range() -> None:
    street = Street()
    street.drive(10, never)
    for _ in range(24):
        street.calls["route", "range", "breaker"] += 9
        street.calls["route", "memory", "ok"] += 1
        street.pass_s(1)
        street.lookup(SILENT)
    assert Level.RANGE is street.shows()
    for _ in range(24):  # half of them know their network again
        street.calls["route", "range", "breaker"] += 5
        street.calls["route", "memory", "ok"] += 5
        street.pass_s(1)
        street.lookup(SILENT)
    assert Level.CACHE is street.shows()


def test_calls_that_need_no_network_count_for_nothing() -> None:
    street = Street()
    street.drive(10, never)
    for _ in range(15):
        street.calls["route", "default", "invalid-number"] += 100
        street.calls["route", "skipped", "nodip"] += 100
        street.calls["route", "emergency", "ok"] += 100
        street.calls["route", "memory", "ok"] += 10
        street.pass_s(1)
    assert Level.CACHE is street.shows()


# ---- pins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [Level.CACHE, Level.RANGE, Level.DEFAULT])
def test_a_pin_asks_nobody_and_ends_by_itself(level: Level) -> None:
    street = Street()
    street.ladder.pin(level, EPOCH + 60, "the vendor migrates")
    street.drive(59, always)
    assert [] == street.sent
    state = street.ladder.state()
    assert (level, True, EPOCH + 60) == (state["level"], state["pinned"], state["until"])
    assert str(state["why"]).startswith("the vendor migrates")
    street.pass_s(1.0)
    assert Level.LIVE is street.stands()
    assert Permit.ASK is street.lookup(ANSWERED)
    assert [
        (0.0, Change(Level.LIVE, level, "the vendor migrates", pinned=True)),
        (60.0, Change(level, Level.LIVE, "", pinned=False)),
    ] == street.changes


def test_a_pin_ends_at_once_for_whoever_asks_even_without_a_tick() -> None:
    street = Street()
    street.ladder.pin(Level.CACHE, EPOCH + 60, "")
    street.now = 60.0
    assert Permit.ASK is street.ladder.permit(Inquiry(Msisdn("447700900000"), 61.0, "GB"))


def test_only_a_pin_below_cache_distrusts_what_is_remembered() -> None:
    street = Street()
    assert street.ladder.held is None
    for level, held in ((Level.CACHE, False), (Level.RANGE, True), (Level.DEFAULT, True)):
        street.ladder.pin(level, EPOCH + 60, "")
        assert held is (street.ladder.held is not None)
    street.pass_s(60)
    assert street.ladder.held is None


def test_a_pin_at_live_asks_however_much_fails() -> None:
    street = Street()
    street.drive(10, never)
    street.ladder.pin(Level.LIVE, EPOCH + 3600, "we want to see it fail")
    street.drive(60, never)
    assert Level.LIVE is street.stands()
    assert 600 == sum(at >= 10 for at, _ in street.sent)


def test_the_same_pin_again_is_no_change() -> None:
    street = Street()
    for _ in range(5):
        street.ladder.pin(Level.CACHE, EPOCH + 60, "why")
    assert 1 == len(street.changes)
    street.ladder.pin(Level.CACHE, EPOCH + 90, "longer")
    assert 2 == len(street.changes)
    for _ in range(5):
        street.ladder.unpin()
    assert 3 == len(street.changes)


def test_a_pin_whose_time_is_over_is_none() -> None:
    street = Street()
    street.ladder.pin(Level.RANGE, EPOCH - 1, "late")
    assert (Level.LIVE, []) == (street.ladder.level, street.changes)


def test_what_calls_are_told_is_a_word_of_the_closed_set() -> None:
    street = Street()
    assert "breaker" == street.ladder.reason
    street.ladder.pin(Level.CACHE, EPOCH + 60, "")
    assert "shed" == street.ladder.reason


def test_after_a_pin_the_ladder_starts_at_live() -> None:
    street = Street()
    street.drive(10, never)
    street.ladder.pin(Level.DEFAULT, EPOCH + 60, "")
    street.ladder.unpin()
    assert Level.LIVE is street.stands()


def test_levels_have_names() -> None:
    assert [Level.LIVE, Level.CACHE, Level.RANGE, Level.DEFAULT] == [
        level_of(word) for word in ("live", "cache", "range", "default")
    ]
    with pytest.raises(UsageError, match="live, cache, range, default"):
        level_of("off")
