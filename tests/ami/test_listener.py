"""The ear at one PBX: it comes back, asks what it missed, and has not panoramisk's faults."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import re
from collections.abc import Sequence

import pytest

from agi.ami.events import Attempted, ChannelSeen, HungUp
from agi.ami.line import Hung, Line
from agi.errors import LocalProtocolError
from tests.ami.manager import (
    PASSWORD,
    QUICK,
    Manager,
    Place,
    Scene,
    Session,
    faults,
    lines,
    listening,
    usual,
)
from tests.ami.recordings import blocks, stream


def hangups(count: int) -> list[bytes]:
    whole = next(b for b in blocks(stream("22", "answered")) if b.startswith(b"Event: Hangup\r"))
    return [
        re.sub(rb"\r\nUniqueid: [^\r]*", b"\r\nUniqueid: 2.%d" % n, whole) for n in range(count)
    ]


def uniqueids(scene: Scene) -> list[str]:
    return [event.uniqueid for event in scene.sink.events if isinstance(event, HungUp)]


async def lost_again(scene: Scene, times: int) -> None:
    """Wait until the connection was lost and made up for so many times."""
    await scene.sink.until("resynced", times + 1)


# Coming in.


def test_it_logs_in_asks_for_channels_and_devices_and_says_so() -> None:
    async def run() -> None:
        async with listening() as scene:
            sent = scene.session.names()
            assert ["Login", "CoreSettings"] == sent[:2]
            assert {"CoreShowChannels", "DeviceStateList"} == set(sent[2:])
            assert ["lost", "resynced"] == [
                call[0] for call in scene.sink.calls if call[0] in ("lost", "resynced")
            ]
            assert {"uk-a": True} == scene.sink.of("reachable")[0][2]
            seen = scene.listener.seen()
            assert (True, "22.10.1", 0, "") == (
                seen.connected,
                seen.version,
                seen.gaps,
                seen.trouble,
            )
            assert 0 < seen.gap_s < 10
            assert ("info", "ami_connected") in [line[:2] for line in scene.lines]

    asyncio.run(run())


def test_a25_every_action_id_is_new_and_not_to_be_guessed() -> None:
    async def run() -> None:
        async with listening() as scene:
            ids = [action["ActionID"] for action in scene.session.actions]
            assert len(ids) == len(set(ids))
            assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)

    asyncio.run(run())


def test_events_are_heard_with_the_name_of_the_pbx() -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(*blocks(stream("16", "refused")))
            await scene.sink.until("heard", 9)
            assert {"pbx1"} == {call[1] for call in scene.sink.of("heard")}
            attempts = [e for e in scene.sink.events if isinstance(e, Attempted)]
            assert ["ported", "second"] == [attempt.endpoint for attempt in attempts]

    asyncio.run(run())


def test_channels_of_the_resync_are_those_with_the_id_that_we_asked_with() -> None:
    def reply(session: Session, action: dict[str, str]) -> Sequence[bytes] | None:
        if action["Action"] != "CoreShowChannels":
            return usual(session, action)
        ours = action["ActionID"].encode()
        recorded = blocks(stream("22", "resync"))
        listed = [b.replace(b"c1c1", ours) for b in recorded if b"c1c1" in b]
        alien = [
            b.replace(b"c1c1", b"f" * 32) for b in recorded if b"Event: CoreShowChannel\r" in b
        ]
        return [listed[0], *alien, *listed[1:]]

    async def run() -> None:
        async with listening(Manager(reply)) as scene:
            (_, _, found, _) = scene.sink.of("resynced")[0]
            assert ["PJSIP/caller-00000008", "PJSIP/ported-00000009"] == sorted(
                seen.channel for seen in found if isinstance(seen, ChannelSeen)
            )

    asyncio.run(run())


# Going and coming back.


def test_a_lost_connection_is_a_gap_that_ends_with_the_next_list() -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(*hangups(1))
            await scene.sink.until("heard")
            scene.session.writer.transport.abort()
            await lost_again(scene, 1)
            order = [c[0] for c in scene.sink.calls if c[0] in ("lost", "resynced", "heard")]
            assert ["lost", "resynced", "heard", "lost", "resynced"] == order
            seen = scene.listener.seen()
            assert (True, 1) == (seen.connected, seen.gaps)
            assert 2 == len(scene.manager.sessions)

    asyncio.run(run())


def test_a_gap_begins_with_the_last_word_not_with_its_end() -> None:
    """A peer that was dead for a while took the events of that while with it."""

    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(*hangups(1))
            await scene.sink.until("heard")
            heard_by = scene.listener._intake.last_heard
            scene.session.writer.transport.abort()
            await scene.sink.until("lost", 2)
            assert heard_by == scene.sink.of("lost")[1][2]

    asyncio.run(run())


def test_a_listener_that_starts_before_the_pbx_waits_for_it() -> None:
    async def run() -> None:
        manager = Manager()
        await manager.start()
        await manager.stop()
        async with listening(manager, synced=False) as scene:
            assert not scene.listener.seen().connected
            await manager.start()
            await scene.sink.until("resynced")
            assert [("warning", "ami_lost", "Connection refused")] == [
                (level, event, values["why"])
                for level, event, values in scene.lines
                if event == "ami_lost"
            ]

    asyncio.run(run())


def test_a_name_that_does_not_resolve_says_so_in_words() -> None:
    async def run() -> None:
        line = Line(Place(port=1, host="::1%nosuch"), lambda _: None)
        with pytest.raises(Hung, match="Name or service not known"):
            await line.connect(5.0)

    asyncio.run(run())


def test_f47_a_connection_that_is_cut_again_and_again_is_made_anew_with_pauses() -> None:
    async def run() -> None:
        async with listening() as scene:
            for time in range(1, 6):
                scene.session.writer.transport.abort()
                await lost_again(scene, time)
            assert 5 == scene.listener.seen().gaps
            assert 6 == len(scene.manager.sessions)

    asyncio.run(run())


def test_f47_a_wrong_password_is_said_once_and_tried_rarely() -> None:
    async def run() -> None:
        async with listening(password="wrong-one", synced=False) as scene:
            await scene.manager.until(lambda: len(scene.manager.sessions) >= 4)
            refused = [line for line in scene.lines if line[1] == "ami_refused"]
            assert [("error", "ami_refused")] == [line[:2] for line in refused]
            seen = scene.listener.seen()
            assert not seen.connected
            assert "refused" in seen.trouble
            assert [["Login"]] * 3 == [session.names() for session in scene.manager.sessions[:3]]
            assert not scene.sink.of("resynced")
            said = repr(scene.lines) + repr(seen) + repr(scene.listener)
            assert "wrong-one" not in said

    asyncio.run(run())


def test_f47_between_two_refusals_nobody_knocks() -> None:
    async def run() -> None:
        patience = dataclasses.replace(QUICK, refused_s=30, longest_refused_s=30)
        async with listening(password="wrong", synced=False, patience=patience) as scene:
            await scene.manager.until(lambda: bool(scene.manager.sessions))
            await asyncio.sleep(0.3)  # in which QUICK's other pauses would all be over
            assert 1 == len(scene.manager.sessions)

    asyncio.run(run())


def test_f47_a_banner_that_is_late_is_waited_for_and_one_that_never_comes_is_not() -> None:
    def slow(session: Session, action: dict[str, str]) -> Sequence[bytes] | None:
        return None if action["Action"] == "Login" else usual(session, action)

    async def run() -> None:
        async with listening(Manager(slow, banner=b""), synced=False) as scene:
            await scene.manager.until(
                lambda: bool(scene.manager.sessions and scene.session.actions)
            )
            for part in (b"Asterisk Call", b" Manager/11.0.0\r", b"\n"):
                await scene.session.raw(part)
            await scene.session.send(*(usual(scene.session, scene.session.actions[0]) or ()))
            await scene.sink.until("resynced")
        patience = dataclasses.replace(QUICK, login_s=0.05)
        silent = Manager(lambda *_: None, banner=b"")
        async with listening(silent, synced=False, patience=patience) as scene:
            await silent.until(lambda: len(silent.sessions) >= 3)
            assert "not connected: silent" == scene.listener.seen().trouble

    asyncio.run(run())


def test_a_peer_that_is_no_asterisk_is_left_at_once() -> None:
    async def run() -> None:
        web = Manager(banner=b"HTTP/1.1 400 Bad Request\r\n\r\n")
        async with listening(web, synced=False) as scene:
            await web.until(lambda: len(web.sessions) >= 2)
            assert "not connected: alien" == scene.listener.seen().trouble

    asyncio.run(run())


@pytest.mark.parametrize("at", [1, 5, 200, 400, 700])
def test_f47_half_an_event_and_a_cut_are_no_event_and_no_alarm(at: int) -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.raw(hangups(1)[0][:at])
            scene.session.writer.transport.abort()
            await lost_again(scene, 1)
            await scene.session.send(*hangups(1))
            await scene.sink.until("heard")
            assert ["2.0"] == uniqueids(scene)
            assert [] == scene.sink.of("security")

    asyncio.run(run())


def test_f47_an_event_of_a_megabyte_is_let_go_and_counted() -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(b"Event: Huge\r\nA: " + b"x" * 1_000_000, *hangups(1))
            await scene.sink.until("heard")
            assert 1 == scene.listener.seen().dropped

    asyncio.run(run())


def test_f47_a_peer_that_sends_without_end_is_read_without_end() -> None:
    """Asterisk disconnects who does not read: 20,000 events go into us as fast as they come."""

    async def run() -> None:
        async with listening() as scene:
            many = b"".join(block + b"\r\n\r\n" for block in hangups(20_000))
            await asyncio.wait_for(scene.session.raw(many), 20)
            await scene.sink.until("heard", 20_000, 30)
            assert [f"2.{n}" for n in range(20_000)] == uniqueids(scene)
            assert 0 == scene.listener.seen().dropped

    asyncio.run(run())


# What panoramisk 1.4 does, and this does not.


def test_a_sink_that_raises_keeps_its_connection_and_the_rest_of_the_events() -> None:
    async def run() -> None:
        with faults(asyncio.get_running_loop()) as unforeseen:
            async with listening() as scene:
                scene.sink.raising = ZeroDivisionError
                await scene.session.send(*hangups(5))
                await scene.sink.until("heard", 5)
                assert [f"2.{n}" for n in range(5)] == uniqueids(scene)
                assert scene.listener.seen().connected
                assert 1 == len(scene.manager.sessions)
            assert ZeroDivisionError is type(unforeseen[0]["exception"])

    asyncio.run(run())


def test_a_ping_without_an_answer_ends_the_connection() -> None:
    def deaf(session: Session, action: dict[str, str]) -> Sequence[bytes] | None:
        first = session is manager.sessions[0]
        return None if first and action["Action"] == "Ping" else usual(session, action)

    manager = Manager(deaf)
    patience = dataclasses.replace(QUICK, ping_every_s=0.05, ping_s=1.0)

    async def run() -> None:
        async with listening(manager, patience=patience) as scene:
            await lost_again(scene, 1)
            assert "silent" in [values.get("why") for _, _, values in scene.lines]
            await manager.until(lambda: manager.sessions[1].names().count("Ping") >= 3)
            assert scene.listener.seen().connected

    asyncio.run(run())


def test_pings_that_are_answered_leave_nothing_behind() -> None:
    patience = dataclasses.replace(QUICK, ping_every_s=0.001, ping_s=5.0)

    async def run() -> None:
        async with listening(patience=patience) as scene:
            await scene.manager.until(lambda: scene.session.names().count("Ping") >= 50)
            assert scene.listener._line is not None
            assert scene.listener._line.waiting <= 1

    asyncio.run(run())


def test_an_action_without_an_answer_leaves_nothing_behind() -> None:
    async def run() -> None:
        manager = Manager(lambda *_: None)
        await manager.start()
        line = Line(Place(manager.port), lambda _: None)
        await line.connect(2)
        for _ in range(5):
            with pytest.raises(Hung, match="silent"):
                await line.ask("Ping", 0.01)
        assert 0 == line.waiting
        line.close()
        with pytest.raises(Hung, match="closed"):
            await line.ask("Ping", 1)
        await manager.stop()

    asyncio.run(run())


def test_whoever_waits_for_an_answer_hears_of_the_end_at_once() -> None:
    def cuts(session: Session, _: dict[str, str]) -> None:
        session.writer.transport.abort()

    async def run() -> None:
        manager = Manager(cuts)
        await manager.start()
        line = Line(Place(manager.port), lambda _: None)
        await line.connect(2)
        with pytest.raises(Hung, match=r"reset|closed"):
            await line.ask("Ping", 60)
        await manager.stop()

    asyncio.run(run())


def test_before_it_is_connected_nothing_can_be_asked() -> None:
    async def run() -> None:
        line = Line(Place(9), lambda _: None)
        with pytest.raises(Hung, match="closed"):
            await line.ask("Ping", 1)
        assert ("", 0, 0) == (line.version, line.oversize, line.waiting)
        assert "closed" == await line.ended()
        line.close()

    asyncio.run(run())


def test_a_listener_that_was_stopped_while_it_waited_does_not_come_back() -> None:
    patience = dataclasses.replace(QUICK, first_pause_s=0.2, longest_pause_s=0.2)

    async def run() -> None:
        async with listening(patience=patience) as scene:
            scene.session.writer.transport.abort()
            await scene.sink.until("lost", 2)
            await scene.listener.stop()
            await asyncio.sleep(4 * patience.longest_pause_s)  # that it would have come by now
            assert 1 == len(scene.manager.sessions)
            assert not scene.listener.seen().connected

    asyncio.run(run())


def test_a_character_that_two_reads_share_is_whole() -> None:
    """The uniqueid of a channel may be anything printable; a UTF-8 letter stands for it here."""
    (block,) = hangups(1)
    data = block.replace(b"CallerIDName: <unknown>", "CallerIDName: Zoé".encode()) + b"\r\n\r\n"
    at = data.index(b"\xc3") + 1

    async def run() -> None:
        async with listening() as scene:
            await scene.session.raw(data[:at])
            await scene.session.raw(data[at:])
            await scene.sink.until("heard")
            assert ["2.0"] == uniqueids(scene)

    asyncio.run(run())


def test_a_doubled_event_header_does_not_end_the_connection() -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(
                b"Event: Hangup\r\nEvent: Hangup\r\nUniqueid: 1.1", *hangups(1)
            )
            await scene.sink.until("heard")
            assert (["2.0"], 1) == (uniqueids(scene), len(scene.sink.of("security")))
            assert 1 == len(scene.manager.sessions)

    asyncio.run(run())


@pytest.mark.parametrize("event", [b"Shutdown", b"FullyBooted", b"shutdown"])
def test_a25_an_event_that_panoramisk_obeys_is_not_obeyed(event: bytes) -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(b"Event: " + event + b"\r\nPrivilege: system,all", *hangups(1))
            await scene.sink.until("heard")
            assert scene.listener.seen().connected
            assert 1 == len(scene.manager.sessions)

    asyncio.run(run())


def test_a25_a_response_to_no_action_of_ours_is_nobodys() -> None:
    async def run() -> None:
        async with listening() as scene:
            own = scene.session.actions[-1]["ActionID"]
            await scene.session.send(
                lines(Response="Error", ActionID="guessed", Message="x"),
                lines(Response="Error", ActionID=own, Message="an answer twice"),
                b"Response: Success\r\nResponse: Error\r\nActionID: " + own.encode(),
                b"Response: Goodbye",
                b"Response: Success\r\nEvent: Shutdown",
                *hangups(1),
            )
            await scene.sink.until("heard")
            assert scene.listener.seen().connected
            assert 1 == len(scene.manager.sessions)

    asyncio.run(run())


def test_no_task_and_no_timer_is_left_behind() -> None:
    async def run() -> None:
        async with listening() as scene:
            scene.session.writer.transport.abort()
            await lost_again(scene, 1)
        del scene
        gc.collect()
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(run())


# What a stranger may try (A25, A26).


def test_a25_a_hostile_call_moves_nothing_but_the_count_of_security_events() -> None:
    async def run() -> None:
        async with listening() as scene:
            before = [call for call in scene.sink.calls if call[0] != "security"]
            await scene.session.send(*blocks(stream("22", "injected")), *hangups(1))
            await scene.sink.until("heard")
            assert ["2.0"] == uniqueids(scene)
            after = [call for call in scene.sink.calls if call[0] not in ("security", "heard")]
            assert before == after
            counts = scene.sink.of("security")
            assert 20 <= len(counts) <= 25
            assert {("security", "ami-injection", 1)} == set(counts)
            assert 1 == [line[1] for line in scene.lines].count("ami_injection")

    asyncio.run(run())


def test_a25_an_orphan_makes_the_gap_that_it_may_have_torn_and_asks_anew() -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(*hangups(1), b"Linkedid: 1.1")
            await lost_again(scene, 1)
            assert [] == uniqueids(scene)
            assert 1 == scene.listener.seen().gaps
            assert 1 == len(scene.manager.sessions)

    asyncio.run(run())


def test_a26_no_action_carries_anything_but_the_login_and_its_own_id() -> None:
    async def run() -> None:
        async with listening() as scene:
            await scene.session.send(*blocks(stream("22", "injected")), *hangups(1))
            await scene.sink.until("heard")
            for action in scene.session.actions:
                allowed = {"Action", "ActionID"}
                if action["Action"] == "Login":
                    allowed |= {"Username", "Secret", "Events"}
                    assert PASSWORD == action["Secret"]
                assert allowed == set(action)

    asyncio.run(run())


@pytest.mark.parametrize("bad", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b", "\x7f"])
def test_a26_a_control_character_in_any_header_is_refused_and_nothing_is_sent(bad: str) -> None:
    async def run() -> None:
        manager = Manager()
        await manager.start()
        line = Line(Place(manager.port), lambda _: None)
        await line.connect(2)
        for name, headers in (("Ping", {"A": bad}), ("Ping", {bad: "a"}), (bad, {})):
            with pytest.raises(LocalProtocolError) as refused:
                await line.ask(name, 1, headers)
            assert bad not in str(refused.value)
        with pytest.raises(LocalProtocolError):
            await line.ask("Ping", 1, {"A: b": "c"})
        with pytest.raises(LocalProtocolError):
            await line.ask("Ping", 1, action=bad)
        assert {"Response": "Success"}.items() <= (await line.ask("Ping", 1)).items()
        assert ["Ping"] == manager.sessions[0].names()
        line.close()
        await manager.stop()

    asyncio.run(run())


def test_a26_a_password_with_a_line_feed_is_said_and_never_sent() -> None:
    async def run() -> None:
        async with listening(password="a\r\nAction: Originate", synced=False) as scene:
            await scene.manager.until(lambda: len(scene.manager.sessions) >= 2)
            assert [[], []] == [session.names() for session in scene.manager.sessions[:2]]
            assert "refused" in scene.listener.seen().trouble

    asyncio.run(run())


# What the PBX does not allow or does not know.


def denying(*names: str) -> Manager:
    def reply(session: Session, action: dict[str, str]) -> Sequence[bytes] | None:
        if action["Action"] in names:
            own = action["ActionID"]
            return [lines(Response="Error", ActionID=own, Message="Permission denied")]
        return usual(session, action)

    return Manager(reply)


def test_without_the_right_to_list_channels_the_gap_stays_open_and_it_is_said() -> None:
    async def run() -> None:
        async with listening(denying("CoreShowChannels"), synced=False) as scene:
            await scene.sink.until("reachable")
            await scene.session.send(*hangups(1))
            await scene.sink.until("heard")
            seen = scene.listener.seen()
            assert seen.connected
            assert "write = reporting" in seen.trouble
            assert [] == scene.sink.of("resynced")
            first, later = seen.gap_s, scene.listener.seen().gap_s
            assert later > first

    asyncio.run(run())


def test_without_a_list_of_devices_the_rest_works_and_it_is_said_once() -> None:
    """res_manager_devicestate may not be loaded: "Invalid/unknown command"."""
    patience = dataclasses.replace(QUICK, devices_every_s=0.01)

    async def run() -> None:
        manager = denying("DeviceStateList", "CoreSettings")
        async with listening(manager, synced=False, patience=patience) as scene:
            await scene.sink.until("resynced")
            await manager.until(lambda: scene.session.names().count("DeviceStateList") >= 3)
            said = [line[1] for line in scene.lines]
            assert (1, []) == (said.count("ami_devices_denied"), scene.sink.of("reachable"))
            assert "AMI 11.0.0" == scene.listener.seen().version

    asyncio.run(run())


def test_a_hint_is_followed_by_a_question_and_the_answer_counts() -> None:
    """Anybody can write ContactStatus into the stream; the list has an ActionID of ours."""
    state = [b"NOT_INUSE"]

    def reply(session: Session, action: dict[str, str]) -> Sequence[bytes]:
        said = usual(session, action) or ()
        return [block.replace(b"NOT_INUSE", state[0]) for block in said]

    async def run() -> None:
        async with listening(Manager(reply)) as scene:
            state[0] = b"UNAVAILABLE"
            hint = b"Event: ContactStatus\r\nPrivilege: system,all\r\nContactStatus: Reachable"
            await scene.session.send(hint)
            await scene.sink.until("reachable", 2)
            assert [{"uk-a": True}, {"uk-a": False}] == [c[2] for c in scene.sink.of("reachable")]

    asyncio.run(run())


def test_a_list_that_does_not_end_ends_the_connection() -> None:
    def endless(session: Session, action: dict[str, str]) -> Sequence[bytes] | None:
        said = usual(session, action)
        if action["Action"] == "CoreShowChannels" and session is manager.sessions[0]:
            return said[:1] if said else None
        return said

    manager = Manager(endless)

    async def run() -> None:
        patience = dataclasses.replace(QUICK, list_s=0.05)
        async with listening(manager, patience=patience):
            assert len(manager.sessions) >= 2

    asyncio.run(run())


def test_an_event_of_a_later_asterisk_is_named_as_trouble() -> None:
    async def run() -> None:
        async with listening() as scene:
            (whole,) = hangups(1)
            await scene.session.send(whole + b"\r\nNewHeader: 1", whole)
            await scene.sink.until("heard")
            seen = scene.listener.seen()
            assert seen.trouble.startswith("1 events have headers")
            assert 1 == seen.dropped

    asyncio.run(run())


def test_a_fault_of_our_own_is_logged_and_survived() -> None:
    async def run() -> None:
        async with listening() as scene:
            fail = iter((ZeroDivisionError,))

            def dice() -> float:
                for fault in fail:
                    raise fault
                return 0.0

            scene.listener._pauses._dice = dice
            scene.session.writer.transport.abort()
            await lost_again(scene, 1)
            assert ("error", "ami_listener_failed") in [line[:2] for line in scene.lines]

    asyncio.run(run())


def cut(block: bytes) -> bytes:
    """Return an event as Asterisk writes it when a caller's name ends a line and the block."""
    head, name, tail = block.partition(b"\r\nCallerIDName: ")
    return head + name + b"x\r\n\r\nforged\r\n" + tail.partition(b"\r\n")[2]


def test_a25_a_hangup_that_a_stranger_made_unreadable_is_made_up_for_by_a_list() -> None:
    async def run() -> None:
        async with listening(patience=dataclasses.replace(QUICK, doubt_s=0.02)) as scene:
            await scene.session.send(cut(hangups(1)[0]))
            await scene.sink.until("security")
            await scene.sink.until("resynced", 2)
            assert 0 == scene.listener.seen().gaps
            assert 1 == len(scene.sink.of("lost"))

    asyncio.run(run())


def test_now_and_then_channels_are_listed_without_a_reason() -> None:
    async def run() -> None:
        async with listening(patience=dataclasses.replace(QUICK, relist_s=0.02)) as scene:
            await scene.sink.until("resynced", 3)
            assert 0 == scene.listener.seen().gaps

    asyncio.run(run())
