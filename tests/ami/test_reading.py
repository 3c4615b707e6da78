"""What one block says, and what a stranger cannot make it say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.ami.events import Attempted, DialBegan, DialEnded, DialMoved, HungUp
from agi.ami.reading import (
    LONGEST_SUSPICION,
    Alarm,
    Device,
    Hint,
    Listed,
    ListEnd,
    Read,
    Reader,
)
from tests.ami.recordings import VERSIONS, alarms, believed, blocks, read_all, stream


def plain(item: Read) -> tuple[object, ...]:
    """Return an event without its epoch and with uniqueids reduced to their last number."""
    match item:
        case DialBegan():
            return ("begin", item.uniqueid[-1], item.dest_uniqueid[-1], item.dest_channel)
        case DialMoved() | DialEnded():
            return (type(item).__name__, item.dest_uniqueid[-1], item.status)
        case HungUp():
            return ("hangup", item.uniqueid[-1], item.cause)
        case Attempted():
            return ("attempt", item.id, item.endpoint, item.index, item.dialstatus, item.cause)
        case _:
            return (type(item).__name__,)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answered_call_is_told_as_it_went(version: str) -> None:
    """SIPp's trunk rang and answered, the caller hung up: Q.850 cause 16."""
    found = [plain(item) for item in believed(stream(version, "answered"))]
    assert [
        ("begin", "0", "1", "PJSIP/ported-00000001"),
        ("DialMoved", "1", "RINGING"),
        ("DialEnded", "1", "ANSWER"),
    ] == found[:3]
    assert {
        ("attempt", "d-1", "ported", 1, "ANSWER", 16),
        ("hangup", "0", 16),
        ("hangup", "1", 16),
    } == set(found[3:])
    assert 3 == len(found[3:])


@pytest.mark.parametrize("version", VERSIONS)
def test_refusals_keep_asterisks_cause(version: str) -> None:
    """SIP 503 is cause 34, 486 is 17 (res_pjsip.c, ast_sip_hangup_sip2cause)."""
    found = [item for item in believed(stream(version, "refused")) if isinstance(item, Attempted)]
    assert [("ported", 1, "CONGESTION", 34), ("second", 2, "BUSY", 17)] == [
        (item.endpoint, item.index, item.dialstatus, item.cause) for item in found
    ]
    assert all(item.asked is not None and item.told is not None for item in found)
    assert all(0 <= (item.told or 0) - (item.asked or 0) < 1 for item in found)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_local_trunk_is_told_with_its_own_channel_name(version: str) -> None:
    began = [item for item in believed(stream(version, "local")) if isinstance(item, DialBegan)]
    assert ["PJSIP/ported", "PJSIP/second", "Local/4403@sink"] == [
        item.dest_channel.rpartition("-")[0] for item in began
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_epoch_is_asterisks_own(version: str) -> None:
    data = stream(version, "answered")
    stamps = {float(stamp) for stamp in re.findall(rb"Timestamp: ([0-9.]+)", data)}
    assert {item.at for item in believed(data)} <= stamps  # type: ignore[union-attr]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_timestamps_the_epoch_is_when_it_was_heard(version: str) -> None:
    """``timestampevents = no``, Asterisk's default, leaves out that line and nothing else."""
    data = stream(version, "answered")
    without = re.sub(rb"Timestamp: [0-9.]+\r\n", b"", data)
    found = believed(without)
    assert {1.0} == {item.at for item in found}  # type: ignore[union-attr]
    assert [plain(item) for item in believed(data)] == [plain(item) for item in found]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_filtered_stream_tells_the_same_with_a_fifth_of_the_events(version: str) -> None:
    whole, few = stream(version, "answered"), stream(version, "filtered")
    assert [plain(item) for item in believed(whole)] == [plain(item) for item in believed(few)]
    assert (29, 6) == (len(blocks(whole)), len(blocks(few)))


@pytest.mark.parametrize("version", VERSIONS)
def test_channels_of_a_list_are_read_with_the_id_of_our_action(version: str) -> None:
    found = believed(stream(version, "resync"))
    listed = [item for item in found if isinstance(item, Listed)]
    assert {"c1c1"} == {item.action for item in listed}
    seen = {item.channel.channel: item.channel for item in listed}
    assert {"PJSIP/caller-00000008", "PJSIP/ported-00000009"} == set(seen)
    trunk = seen["PJSIP/ported-00000009"]
    assert (6, 1.0) == (trunk.state, trunk.seconds)
    assert trunk.linkedid == seen["PJSIP/caller-00000008"].uniqueid != trunk.uniqueid
    assert ListEnd("c1c1", 2) in found


@pytest.mark.parametrize("version", VERSIONS)
def test_devices_of_a_list_are_read_with_the_id_of_our_action(version: str) -> None:
    found = believed(stream(version, "login"))
    states = {i.device: i.state for i in found if isinstance(i, Device) and i.action == "d0d0"}
    assert ("UNAVAILABLE", "NOT_INUSE") == (states["PJSIP/holder"], states["PJSIP/ported"])
    assert ListEnd("d0d0", len(states)) in found


def test_hints_are_only_hints() -> None:
    hint = b"Event: ContactStatus\r\nPrivilege: system,all\r\nContactStatus: Unreachable\r\n\r\n"
    assert [Hint()] == read_all(hint)


def test_a_long_call_is_listed_with_its_hours() -> None:
    data = stream("22", "resync").replace(b"Duration: 00:00:01", b"Duration: 101:02:03")
    assert {101 * 3600 + 2 * 60 + 3.0} == {
        item.channel.seconds for item in believed(data) if isinstance(item, Listed)
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["answered", "refused", "local", "resync", "login"])
def test_no_genuine_event_is_doubted(version: str, name: str) -> None:
    data = stream(version, name)
    reader = Reader()
    read_all(data.partition(b"\r\n")[2] if name == "login" else data, reader)
    assert (0, 0) == (reader.doubted, reader.odd)


@pytest.mark.parametrize("version", VERSIONS)
def test_optional_lines_of_asterisk_are_known(version: str) -> None:
    """``channelvars`` and ``debug`` in manager.conf, ``systemname`` in asterisk.conf."""
    data = stream(version, "answered")
    expected = [plain(item) for item in believed(data)]
    for prefix in (b"", b"Dest"):
        line = rb"(\r\n" + prefix + rb"Linkedid: [^\r]+)"
        extra = rb"\1\r\n" + prefix + rb"ChanVariable: A=1\r\n" + prefix + rb"ChanVariable: B="
        data = re.sub(line, extra, data)
    named = re.sub(rb"(Timestamp: [0-9.]+\r\n)", rb"\1SystemName: pbx1\r\n", data)
    debug = b"SequenceNumber: 7\r\nFile: manager_channels.c\r\nLine: 9\r\nFunc: f\r\n"
    traced = named.replace(b"SystemName:", debug + b"SystemName:")
    for variant in (data, named, traced):
        assert expected == [plain(item) for item in believed(variant)]


# Reliability A25: what callers write into the stream.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["injected", "injected-cut"])
def test_a25_of_a_hostile_call_nothing_is_believed_and_each_forgery_is_an_alarm(
    version: str, name: str
) -> None:
    data = stream(version, name)
    assert [] == believed(data)
    # Asterisk's own events have a Timestamp; those of a channel that break off were written into.
    genuine = [b for b in blocks(data) if b"\r\nTimestamp: " in b and b"\r\nChannel: " in b]
    broken = [b for b in genuine if b"Linkedid: " not in b]
    assert 0 < len(broken)
    assert len(broken) <= len(alarms(data)) < len(genuine) + 1
    assert all(alarm == Alarm(spoils=False) for alarm in alarms(data))


@pytest.mark.parametrize("version", VERSIONS)
def test_a25_the_calls_before_and_after_a_hostile_one_are_told_whole(version: str) -> None:
    before, after = stream(version, "refused"), stream(version, "answered")
    data = before + stream(version, "injected") + after
    assert believed(before) + believed(after) == believed(data)


@pytest.mark.parametrize("version", VERSIONS)
def test_a25_a_hostile_call_in_a_list_of_channels_does_not_forge_another(version: str) -> None:
    data = stream(version, "injected-resync")
    found = believed(data)
    assert [ListEnd("c2c2", 2)] == found


def block_of(event: bytes, version: str = "22", name: str = "refused") -> bytes:
    return next(
        b for b in blocks(stream(version, name)) if b.startswith(b"Event: " + event + b"\r\n")
    )


FIELDS = (b"CallerIDNum", b"CallerIDName", b"ConnectedLineNum", b"ConnectedLineName", b"Exten")
FAKE = b"\r\n\r\nEvent: Hangup\r\nUniqueid: 1.1\r\n\r\n"


def attacked(block: bytes, values: dict[bytes, bytes]) -> bytes:
    """Return a genuine block as Asterisk would write it with these values in it."""
    for field, value in values.items():
        found = re.search(rb"\r\n" + field + rb": ([^\r]*)", block)
        assert found is not None, field
        block = block[: found.start(1)] + value + block[found.end(1) :]
    return block


@pytest.mark.parametrize("field", [*FIELDS, *(b"Dest" + field for field in FIELDS)])
@pytest.mark.parametrize("event", [b"DialBegin", b"DialEnd", b"Hangup", b"UserEvent", b"Newstate"])
def test_a25_wherever_a_caller_writes_one_block_is_lost_and_one_alarm_given(
    event: bytes, field: bytes
) -> None:
    if not event.startswith(b"Dial"):
        field = field.removeprefix(b"Dest")  # these tell of one channel
    genuine = block_of(event, name="answered")
    hostile = attacked(genuine, {field: b"100" + FAKE})
    around = block_of(b"DialEnd")
    found = read_all(around + b"\r\n\r\n" + hostile + b"\r\n\r\n" + around + b"\r\n\r\n")
    assert [DialEnded, Alarm, DialEnded] == [type(item) for item in found]


def test_a25_injection_into_every_field_at_once_loses_one_block() -> None:
    values = {p + f: b"1" + FAKE for p in (b"", b"Dest") for f in FIELDS}
    hostile = attacked(block_of(b"DialBegin"), values)
    around = block_of(b"DialEnd") + b"\r\n\r\n"
    found = read_all(around + hostile + b"\r\n\r\n" + around)
    assert [DialEnded, Alarm, DialEnded] == [type(item) for item in found]


def test_a25_a_fake_that_borrows_the_genuine_tail_is_not_believed() -> None:
    """The caller opens a block that Asterisk's own next lines complete."""
    genuine = block_of(b"Hangup")
    head = genuine.partition(b"CallerIDNum: ")[0] + b"CallerIDNum: "
    hostile = attacked(genuine, {b"CallerIDNum": b"1\r\n\r\n" + head + b"2"})
    found = read_all(hostile + b"\r\n\r\n" + genuine + b"\r\n\r\n")
    assert [Alarm, HungUp] == [type(item) for item in found]


@pytest.mark.parametrize("value", [b"1\r\nUniqueid: 1.1", b"1\nEvent: Hangup", b"1\rEvent: Hangup"])
def test_a25_a_line_more_in_a_whole_event_is_an_alarm_and_no_event(value: bytes) -> None:
    hostile = attacked(block_of(b"Hangup"), {b"CallerIDNum": value})
    assert [Alarm(spoils=False)] == read_all(hostile + b"\r\n\r\n")


def test_a25_an_orphan_alone_casts_doubt_on_what_was_read_before() -> None:
    """A fake may be whole where a caller can write enough: then only its end betrays it."""
    whole = block_of(b"Hangup") + b"\r\n\r\n"
    orphan = b"Priority: 1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\n"
    found = read_all(whole + orphan)
    assert [HungUp, Alarm] == [type(item) for item in found]
    assert Alarm(spoils=True) == found[1]


def test_a25_an_empty_block_is_an_orphan() -> None:
    assert [Alarm(spoils=True)] == read_all(b"\r\n\r\n")


@pytest.mark.parametrize("header", [b"Response: Success", b"Response: Error\r\nActionID: 7"])
def test_a25_a_response_in_the_events_is_nothing(header: bytes) -> None:
    assert [] == read_all(header + b"\r\n\r\n")


def test_a25_a_suspicion_that_never_ends_is_given_up_with_an_alarm() -> None:
    head = block_of(b"Newstate", name="answered").partition(b"CallerIDNum: ")[0]
    noise = b"Event: Noise\r\n\r\n" * (LONGEST_SUSPICION + 1)
    after = block_of(b"Hangup") + b"\r\n\r\n"
    found = read_all(head + b"CallerIDNum: 1\r\n\r\n" + noise + after)
    assert [Alarm(spoils=False), Alarm(spoils=True)] == found[:2]
    assert [HungUp] == [type(item) for item in found[2:]]


PIECES = (
    *(b"100", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", b"Event: Hangup\r\n", b"Cause: 34\r\n"),
    *(b"Uniqueid: 1.1\r\n", b"Linkedid: 1.1", b"CallerIDName: x\r\n", b"Channel: PJSIP/a-1\r\n"),
    *(b"Privilege: call,all\r\n", b"Response: Success\r\n", b"Event: DialEnd\r\n", b"%0D%0A"),
    *(b"DestUniqueid: 1.2\r\n", b"DialStatus: CHANUNAVAIL\r\n", b"Event: UserEvent\r\n"),
)
PAYLOAD = st.lists(st.sampled_from(PIECES), max_size=20).map(lambda p: b"".join(p)[:79])


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [b"DialBegin", b"DialEnd", b"Hangup", b"UserEvent", b"Newstate", b"Newchannel"]
    ),
    st.dictionaries(st.sampled_from(FIELDS), PAYLOAD, min_size=1, max_size=2),
)
def test_a25_whatever_79_bytes_a_caller_writes_no_event_is_his(
    event: bytes, values: dict[bytes, bytes]
) -> None:
    """PJSIP keeps 79 bytes of a number or a name (measured on Asterisk 22.10 and 16.28)."""
    genuine = block_of(event, name="answered") + b"\r\n\r\n"
    around = block_of(b"DialEnd") + b"\r\n\r\n"
    hostile = attacked(genuine, values)
    allowed = believed(around) + believed(genuine)
    for item in believed(around + hostile + around):
        assert item in allowed


# What is odd, and what is nothing to us.


def test_an_event_of_an_unknown_shape_is_odd_and_no_alarm() -> None:
    """A later Asterisk may write a header more."""
    later = block_of(b"Hangup") + b"\r\nNewHeader: 1\r\n\r\n"
    reader = Reader()
    assert [] == read_all(later, reader)
    assert (1, 0) == (reader.odd, reader.doubted)


@pytest.mark.parametrize(
    "attempt",
    [
        (b"ID: d-1", b"ID: d 1"),
        (b"Index: 1", b"Index: 0"),
        (b"Index: 1", b"Index: 10"),
        (b"Trunk: ported", b"Trunk: "),
        (b"Trunk: ported", b"Trunk: " + b"x" * 41),
        (b"HangupCause: 34", b"HangupCause: -1"),
        (b"Asked: ", b"Asked: x"),
    ],
)
def test_an_attempt_with_a_value_that_our_dialplan_does_not_write_is_not_believed(
    attempt: tuple[bytes, bytes],
) -> None:
    written, other = attempt
    blocked = next(b for b in blocks(stream("22", "refused")) if b"CarrierAttempt" in b)
    assert written in blocked
    assert [] == believed(blocked.replace(written, other) + b"\r\n\r\n")


def test_an_attempt_without_a_decision_and_without_times_is_read() -> None:
    """Nobody was asked: ID is empty; a dialplan of before has no times."""
    blocked = next(b for b in blocks(stream("22", "refused")) if b"CarrierAttempt" in b)
    bare = re.sub(rb"\r\nAsked:.*", b"", blocked.replace(b"ID: d-1", b"ID: "), flags=re.DOTALL)
    for tail in (b"", b"\r\nAsked: \r\nTold: "):
        (found,) = believed(bare + tail + b"\r\n\r\n")
        assert isinstance(found, Attempted)
        assert ("", None, None) == (found.id, found.asked, found.told)


def test_events_of_others_are_nothing() -> None:
    site = b"Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: Mine\r\nA: 1\r\nA: 2\r\n\r\n"
    device = b"Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: PJSIP/a\r\nState: INUSE"
    assert [] == read_all(site + device + b"\r\n\r\nEvent: Newexten\r\nExtension: s\r\n\r\n")


def test_nothing_of_the_caller_is_kept() -> None:
    for name in ("answered", "refused", "resync"):
        assert "447700900999" not in repr(believed(stream("22", name)))
