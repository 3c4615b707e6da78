"""The listener at a real Asterisk: what it hears, what it misses, and who lies to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest

from agi.ami.events import Attempted, ChannelSeen, DialBegan, DialEnded, DialMoved, HungUp
from agi.ami.listener import AmiListener
from agi.ami.pauses import PATIENCE, Patience
from tests.ami.manager import Kept, Place
from tests.asterisk import sip
from tests.asterisk.ami import Ami, session, stage
from tests.asterisk.fastagi import commits, serving
from tests.asterisk.pbx import Pbx
from tests.asterisk.relay import Relay, relaying

NUMBER = "447700900123"
QUICK = dataclasses.replace(PATIENCE, first_pause_s=0.05, longest_pause_s=0.2, resync_every_s=0.05)
FAKE_HANGUP = "Event%3A%20Hangup%0D%0AUniqueid%3A%201.1%0D%0A%0D%0A"
# From users and dialled numbers that end a line, an event, or both (reliability A25).
HOSTILE = {
    "an event in the caller": {"caller": f"100%0D%0A%0D%0A{FAKE_HANGUP}"},
    "as many events as fit": {"caller": "100%0D%0A%0D%0A" + FAKE_HANGUP * 20},
    "a header in the caller": {"caller": "100%0D%0AUniqueid%3A%201.1"},
    "an event in the dialled number": {"number": f"{NUMBER}%0D%0A%0D%0A{FAKE_HANGUP}"},
    "an event in both": {
        "caller": f"100%0D%0A%0D%0A{FAKE_HANGUP}",
        "number": f"{NUMBER}%0D%0A%0D%0A{FAKE_HANGUP}",
    },
    "line feeds alone": {"caller": "100%0A%0AEvent%3A%20Hangup%0AUniqueid%3A%201.1%0A%0A"},
}


@contextlib.asynccontextmanager
async def listener(
    pbx: Pbx,
    port: int = 0,
    *,
    patience: Patience = QUICK,
    password: str = "shipped",
    synced: bool = True,
    log: Callable[..., None] = lambda *_, **__: None,
) -> AsyncIterator[tuple[AmiListener, Kept]]:
    """Listen as the user that we ship, through a relay if a port is given."""
    sink = Kept()
    ear = AmiListener(
        Place(port or pbx.ami_port),
        password,
        sink,
        clock=time.monotonic,
        wall=time.time,
        dice=random.Random(5).random,
        log=log,
        patience=patience,
    )
    ear.start()
    try:
        if synced:
            await sink.until("resynced")
        yield ear, sink
    finally:
        await ear.stop()


@contextlib.asynccontextmanager
async def site(pbx: Pbx) -> AsyncIterator[Ami]:
    """Let one answering trunk, and a service that always names it, stand ready."""
    async with (
        serving(commits(("PJSIP", "ported", "4401"))) as server,
        sip.trunk(pbx, "ported"),
        stage(pbx, CARRIER_AGI=server.url) as ami,
    ):
        yield ami


def test_a_call_is_heard_from_the_first_dial_to_the_last_hangup(pbx: Pbx) -> None:
    async def run() -> None:
        async with listener(pbx) as (ear, sink), site(pbx):
            began = time.time()
            assert 200 == (await sip.call(pbx, NUMBER, talk_ms=500)).final
            await sink.until("heard", 6)
            kinds = sorted(type(event).__name__ for event in sink.events)
            names = ["Attempted", "DialBegan", "DialEnded", "DialMoved", "HungUp", "HungUp"]
            assert names == kinds
            dial, moved, end = sink.events[:3]
            assert isinstance(dial, DialBegan)
            assert isinstance(moved, DialMoved)
            assert isinstance(end, DialEnded)
            assert ("RINGING", "ANSWER") == (moved.status, end.status)
            assert dial.dest_channel.startswith("PJSIP/ported-")
            assert {dial.dest_uniqueid} == {moved.dest_uniqueid, end.dest_uniqueid}
            (attempt,) = (e for e in sink.events if isinstance(e, Attempted))
            assert ("ported", 1, "ANSWER") == (attempt.endpoint, attempt.index, attempt.dialstatus)
            assert attempt.uniqueid == dial.uniqueid
            ends = {e.uniqueid: e for e in sink.events if isinstance(e, HungUp)}
            assert {dial.uniqueid, dial.dest_uniqueid} == set(ends)
            # timestampevents = yes: the talk is as long as SIPp's, whenever we read it.
            assert 0.4 <= ends[dial.dest_uniqueid].at - end.at < 2.0
            assert began - 1 < dial.at < began + 10
            seen = ear.seen()
            assert (True, pbx.version, 0, 0) == (
                seen.connected,
                seen.version,
                seen.dropped,
                seen.gaps,
            )

    asyncio.run(run())


def test_with_the_shipped_filters_a_call_costs_six_events(pbx: Pbx) -> None:
    """29 without (measured on 22.10 and 16.28); the regular expressions work on both."""

    async def run() -> None:
        async with relaying(pbx.ami_port) as relay, listener(pbx, relay.port) as (ear, sink):
            await sink.until("reachable")
            async with site(pbx):
                before, bytes_before = ear.seen().events, relay.passed
                await sip.call(pbx, NUMBER)
                await sink.until("heard", 6)
                assert 6 == ear.seen().events - before
                assert 3_000 < relay.passed - bytes_before < 4_000

    asyncio.run(run())


@pytest.mark.parametrize("attack", HOSTILE)
def test_a25_line_ends_in_sip_headers_move_nothing_but_the_security_count(
    pbx: Pbx, attack: str
) -> None:
    given = {"number": NUMBER, "caller": "447700900999"} | HOSTILE[attack]

    async def run() -> None:
        async with listener(pbx) as (ear, sink), site(pbx):
            await sip.call(pbx, given["number"], caller=given["caller"])
            assert 200 == (await sip.call(pbx, NUMBER)).final
            # A number that we refuse ends in a context of ours: its Hangup, the one event that
            # the filters let through, has no text of a stranger in it any more.
            refused = attack == "an event in the dialled number"
            await ended(sink, 3 if refused else 2)
            tried = set() if refused else {("security", "ami-injection", 1)}
            assert tried == set(sink.of("security"))
            # Of the hostile call nothing else, of the honest one after it everything.
            channels = {e.channel for e in sink.events if isinstance(e, HungUp)}
            assert len(channels) == (3 if refused else 2)
            assert all(name.startswith(("PJSIP/caller-", "PJSIP/ported-")) for name in channels)
            assert "1.1" not in {e.uniqueid for e in sink.events if isinstance(e, HungUp)}
            while not (attempts := [e for e in sink.events if isinstance(e, Attempted)]):
                await sink.until("heard", len(sink.events) + 1)
            assert ["ported"] == [attempt.endpoint for attempt in attempts]
            assert (True, 0) == (ear.seen().connected, ear.seen().gaps)
            assert 1 == len(sink.of("lost"))

    asyncio.run(run())


async def ended(sink: Kept, count: int = 2) -> None:
    """Wait until the channels of calls are gone: two of an answered one."""
    while sum(isinstance(e, HungUp) for e in sink.events) < count:
        await sink.until("heard", len(sink.events) + 1)


def test_a25_the_same_calls_do_forge_events_for_who_reads_naively(pbx: Pbx) -> None:
    """The proof that the test above tests something: panoramisk hears of a hangup of 1.1."""

    async def run() -> None:
        async with session(pbx) as naive, site(pbx):
            await sip.call(pbx, NUMBER, caller=HOSTILE["an event in the caller"]["caller"])
            forged = await naive.wait(lambda e: e.name == "Hangup" and "1.1" == e.get("uniqueid"))
            assert forged

    asyncio.run(run())


def test_g19_after_a_cut_the_channels_of_calls_under_way_are_listed(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            relaying(pbx.ami_port) as relay,
            listener(pbx, relay.port) as (ear, sink),
            site(pbx),
        ):
            talking = asyncio.create_task(sip.call(pbx, NUMBER, talk_ms=3_000))
            await sink.until("heard", 3)
            relay.cut()
            await sink.until("resynced", 2)
            (_, _, seen, _) = sink.of("resynced")[1]
            trunks = [c for c in seen if c.channel.startswith("PJSIP/ported-")]
            began = next(e for e in sink.events if isinstance(e, DialBegan))
            assert [(began.dest_uniqueid, began.uniqueid, 6)] == [
                (c.uniqueid, c.linkedid, c.state) for c in trunks if isinstance(c, ChannelSeen)
            ]
            assert 200 == (await talking).final
            await ended(sink)
            now = ear.seen()
            assert (1, True) == (now.gaps, now.connected)
            assert 0.0 < now.gap_s < 5.0

    asyncio.run(run())


def test_f47_a_relay_that_stands_still_is_noticed_and_left(pbx: Pbx) -> None:
    async def run() -> None:
        patience = dataclasses.replace(QUICK, ping_every_s=0.2, ping_s=0.3, answer_s=1.0)
        async with (
            relaying(pbx.ami_port) as relay,
            listener(pbx, relay.port, patience=patience) as (ear, sink),
        ):
            relay.freeze()
            await sink.until("lost", 2)
            assert not ear.seen().connected
            relay.thaw()
            await sink.until("resynced", 2)
            assert ear.seen().connected

    asyncio.run(run())


def test_f47_a_listener_that_is_cut_each_time_it_comes_does_not_storm(pbx: Pbx) -> None:
    async def run() -> None:
        patience = dataclasses.replace(PATIENCE, first_pause_s=0.1)
        async with (
            relaying(pbx.ami_port) as relay,
            listener(pbx, relay.port, patience=patience) as (ear, sink),
        ):
            relay.refuse()
            await sink.until("lost", 2)
            before = relay.connections
            await asyncio.sleep(1.5)  # to count what comes in that time
            # Pauses of 0.05 to 0.1, 0.1 to 0.2, 0.2 to 0.4, 0.4 to 0.8 s: five fit at the most.
            assert 1 <= relay.connections - before <= 5
            relay.accept()
            await sink.until("resynced", 2)
            assert ear.seen().connected

    asyncio.run(run())


def test_f47_a_wrong_password_is_answered_by_a_long_pause_and_one_line(pbx: Pbx) -> None:
    said: list[str] = []

    async def run() -> None:
        patience = dataclasses.replace(QUICK, refused_s=0.2, longest_refused_s=0.2)
        async with (
            relaying(pbx.ami_port) as relay,
            listener(
                pbx,
                relay.port,
                patience=patience,
                password="wrong",
                synced=False,
                log=lambda level, event, **_: said.append(f"{level} {event}"),
            ) as (ear, _),
        ):
            await until(lambda: relay.connections >= 3)
            assert "refused" in ear.seen().trouble

    asyncio.run(run())
    assert ["error ami_refused"] == said


async def until(wanted: Callable[[], bool]) -> None:
    """Wait for what only Asterisk can bring about, and tells nobody."""
    for _ in range(1_000):
        if wanted():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


def test_a_trunk_whose_contact_dies_is_reported_out_of_reach_and_back(pbx: Pbx) -> None:
    """Qualify finds it; DeviceStateList, with write=reporting, tells it on both versions."""
    conf = pbx.home / "etc" / "pjsip.conf"
    original = conf.read_text()
    port = pbx.trunk_ports["back"]
    contact = f"contact = sip:127.0.0.1:{port}\n"
    watched = original.replace(contact, contact + "qualify_frequency = 1\nqualify_timeout = 0.5\n")
    assert watched != original

    async def run() -> None:
        async with stage(pbx) as ami, listener(pbx) as (_, sink):
            await sink.until("reachable")
            assert {"ported": True, "back": True} == pick(sink)
            conf.write_text(watched)
            await ami.action("Command", Command="module reload res_pjsip.so")
            await reached(sink, {"ported": True, "back": False})
            async with sip.trunk(pbx, "back", "uas_options"):
                await reached(sink, {"ported": True, "back": True})

    try:
        asyncio.run(run())
    finally:
        conf.write_text(original)

        async def restore() -> None:
            async with session(pbx) as ami:
                await ami.action("Command", Command="module reload res_pjsip.so")

        asyncio.run(restore())


def pick(sink: Kept) -> dict[str, bool]:
    last = sink.of("reachable")[-1][2]
    return {name: last[name] for name in ("ported", "back")}


async def reached(sink: Kept, expected: dict[str, bool]) -> None:
    while pick(sink) != expected:
        await sink.until("reachable", len(sink.of("reachable")) + 1, within_s=40)


def test_g19_calls_counted_are_calls_placed_over_two_cuts_outside_of_calls(pbx: Pbx) -> None:
    async def place(relay: Relay, sink: Kept) -> None:
        for turn in range(1, 3):
            results = await sip.calls(pbx, [f"44770090{n:04d}" for n in range(20)], rate=20)
            assert [200] * 20 == [status for _, status in results]
            await ended(sink, 40 * turn)
            relay.cut()
            await sink.until("resynced", turn + 1)

    async def run() -> None:
        async with (
            relaying(pbx.ami_port) as relay,
            listener(pbx, relay.port) as (ear, sink),
            site(pbx),
        ):
            await place(relay, sink)
            began = [e for e in sink.events if isinstance(e, DialBegan)]
            attempts = [e for e in sink.events if isinstance(e, Attempted)]
            assert (40, 40) == (len(began), len(attempts))
            assert 40 == len({e.dest_uniqueid for e in began})
            assert (2, 0) == (ear.seen().gaps, ear.seen().dropped)
            assert [[], []] == [call[2] for call in sink.of("resynced")[1:]]

    asyncio.run(run())
