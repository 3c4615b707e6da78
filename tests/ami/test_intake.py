"""From the socket to the sink: short slices, bounded, and nothing believed too early."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from agi.ami.events import Event, HungUp
from agi.ami.intake import Intake, Listing, channels, states
from agi.ami.reading import Device
from tests.ami.manager import faults
from tests.ami.recordings import VERSIONS, blocks, stream


@dataclass(slots=True)
class Heeding:
    """Keeps what it is told; ``raises`` makes it fail at events."""

    told: list[Any] = field(default_factory=list)
    raises: bool = False
    passed: asyncio.Event = field(default_factory=asyncio.Event)

    def event(self, event: Event) -> None:
        self.told.append(event)
        self.passed.set()
        if self.raises:
            raise ZeroDivisionError

    def lost(self, at: float) -> None:
        self.told.append(("lost", at))
        self.passed.set()

    def hint(self) -> None:
        self.told.append("hint")

    def alarm(self) -> None:
        self.told.append("alarm")

    @property
    def events(self) -> list[Event]:
        return [item for item in self.told if isinstance(item, Event)]

    def losses(self) -> list[float]:
        return [item[1] for item in self.told if isinstance(item, tuple)]


def intake(heeding: Heeding, **options: Any) -> Intake:
    return Intake(heeding, clock=time.monotonic, wall=lambda: 100.0, **options)


def hangup(number: int) -> bytes:
    """Return a whole Hangup of an invented channel."""
    whole = next(b for b in blocks(stream("22", "answered")) if b.startswith(b"Event: Hangup\r"))
    head, _, tail = whole.partition(b"\r\nUniqueid: ")
    rest = tail.partition(b"\r\n")[2]
    return head + b"\r\nUniqueid: 1.%d\r\n" % number + rest


async def settled(heeding: Heeding, count: int) -> None:
    """Wait until so much was told."""
    while len(heeding.told) < count:
        heeding.passed.clear()
        await asyncio.wait_for(heeding.passed.wait(), 10)


@pytest.mark.parametrize("version", VERSIONS)
def test_events_are_passed_on_in_the_order_of_the_stream(version: str) -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding)
        for block in blocks(stream(version, "refused")):
            taking.put(block)
        await settled(heeding, 9)
        kinds = [type(item).__name__ for item in heeding.told]
        assert ["DialBegan", "DialEnded"] == kinds[:2]
        assert (2, 2, 2, 3) == tuple(
            map(kinds.count, ("DialBegan", "DialEnded", "Attempted", "HungUp"))
        )
        assert (23, 0) == (taking.events, taking.dropped)
        assert 0.0 < taking.lag_s < 5.0

    asyncio.run(run())


def test_an_event_is_held_for_a_moment_and_spoilt_by_an_orphan_behind_it() -> None:
    """Reliability A25: a fake that is whole is betrayed by the genuine event's own tail."""

    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding)
        taking.put(hangup(1))
        taking.put(b"Linkedid: 1795286674.1")
        taking.put(hangup(2))
        await settled(heeding, 3)
        assert "alarm" == heeding.told[0]
        assert [99.95] == pytest.approx(heeding.losses())
        assert ["1.2"] == [e.uniqueid for e in heeding.events if isinstance(e, HungUp)]
        assert 2 == taking.dropped

    asyncio.run(run())


def test_what_was_held_long_enough_is_not_taken_back() -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding)
        taking.put(hangup(1))
        await settled(heeding, 1)
        taking.put(b"Linkedid: 1795286674.1")
        await settled(heeding, 3)
        assert ["HungUp", "str", "tuple"] == [type(item).__name__ for item in heeding.told]

    asyncio.run(run())


def test_f47_too_many_blocks_push_the_oldest_out_and_a_gap_is_told_before_the_next() -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding, most=10)
        for number in range(25):
            taking.put(hangup(number))
        await settled(heeding, 11)
        assert [100.0] == heeding.losses()
        assert ("lost", 100.0) == heeding.told[0]
        kept = [e.uniqueid for e in heeding.events if isinstance(e, HungUp)]
        assert [f"1.{n}" for n in range(15, 25)] == kept
        assert (15, 10) == (taking.dropped, taking.events)

    asyncio.run(run())


def test_f47_too_many_bytes_push_the_oldest_out_too() -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding, most_bytes=5 * len(hangup(1)))
        for number in range(8):
            taking.put(hangup(number))
        await settled(heeding, 6)
        assert (3, 5) == (taking.dropped, len(heeding.events))

    asyncio.run(run())


def test_the_end_of_a_connection_is_told_even_if_its_place_is_pushed_out() -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding, most=2)
        taking.put(hangup(1))
        taking.end()
        for number in range(2, 6):
            taking.put(hangup(number))
        taking.close()
        assert 2 == len(heeding.losses())
        assert [HungUp, HungUp] == [type(e) for e in heeding.events]

    asyncio.run(run())


def test_after_the_end_of_a_connection_its_suspicion_is_over() -> None:
    """What breaks off because the connection did is nobody's forgery of the next one."""

    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding)
        broken = hangup(1).partition(b"CallerIDNum: ")[0] + b"CallerIDNum: 1"
        taking.put(broken)
        taking.end()
        taking.put(hangup(2))
        taking.close()
        assert ["alarm", ("lost", 100.0)] == heeding.told[:2]
        assert 1 == len(heeding.events)
        assert 1 == taking.dropped

    asyncio.run(run())


def test_whoever_fails_at_an_event_loses_that_one_and_no_other() -> None:
    """panoramisk closes the connection when a callback raises, and drops the rest of the read."""

    async def run() -> None:
        heeding = Heeding(raises=True)
        with faults(asyncio.get_running_loop()) as unforeseen:
            taking = intake(heeding)
            for number in range(5):
                taking.put(hangup(number))
            await settled(heeding, 5)
            assert [f"1.{n}" for n in range(5)] == [
                e.uniqueid for e in heeding.events if isinstance(e, HungUp)
            ]
            await asyncio.sleep(0)
            assert 5 == len(unforeseen)

    asyncio.run(run())


def test_reading_gives_way_to_the_loop_within_a_slice() -> None:
    """Reliability G14: whoever else waits for the loop waits for a slice, not for the queue."""

    async def run() -> None:
        heeding = Heeding()
        ticks = itertools.count()
        now = iter(float(tick) / 1000 for tick in ticks)  # each look at the clock is a millisecond
        taking = Intake(heeding, clock=lambda: next(now), wall=lambda: 1.0, slice_s=0.003)
        for number in range(2_000):
            taking.put(hangup(number))
        turns = 0
        while taking.events < 2_000:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 10
        taking.close()
        assert 2_000 == len(heeding.events)

    asyncio.run(run())


def test_a_list_is_given_in_its_place_and_only_to_who_asked() -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding)
        found: list[list[Listing]] = []
        taking.collect("c1c1", lambda listed, _: found.append(listed))
        taking.collect("ffff", lambda listed, _: found.append(listed))
        for block in blocks(stream("22", "resync")):
            taking.put(block)
        taking.forget("ffff")
        taking.close()
        assert [["PJSIP/caller-00000008", "PJSIP/ported-00000009"]] == [
            sorted(seen.channel for seen in channels(listed)) for listed in found
        ]

    asyncio.run(run())


def test_a_list_survives_an_orphan_since_nobody_knows_its_id() -> None:
    async def run() -> None:
        heeding = Heeding()
        taking = intake(heeding)
        found: list[int] = []
        taking.collect("c1c1", lambda listed, _: found.append(len(listed)))
        for block in blocks(stream("22", "resync")):
            taking.put(block)
        taking.put(b"orphan")
        taking.close()
        assert [2] == found

    asyncio.run(run())


def test_a_list_that_the_connection_cut_is_never_given() -> None:
    async def run() -> None:
        taking = intake(Heeding())
        found: list[int] = []
        taking.collect("c1c1", lambda listed, _: found.append(len(listed)))
        taking.end()
        for block in blocks(stream("22", "resync")):
            taking.put(block)
        taking.close()
        assert [] == found

    asyncio.run(run())


def test_states_tell_which_endpoints_can_be_reached() -> None:
    """Asterisk, main/devicestate.c: UNAVAILABLE has no reachable contact, INVALID is no device."""
    said = {
        "PJSIP/uk-a": "NOT_INUSE",
        "PJSIP/uk-b": "UNAVAILABLE",
        "PJSIP/uk-c": "INUSE",
        "PJSIP/gone": "INVALID",
        "PJSIP/new": "UNKNOWN",
        "SIP/uk-b": "RINGING",
        "DAHDI/1": "NOT_INUSE",
        "Custom:lamp": "INUSE",
        "Queue:q_pause_PJSIP/x": "NOT_INUSE",
    }
    listed: list[Listing] = [Device("a", device, state) for device, state in said.items()]
    assert {"uk-a": True, "uk-b": True, "uk-c": True} == states(listed)
    assert {"uk-b": False} == states([Device("a", "PJSIP/uk-b", "UNAVAILABLE")])
