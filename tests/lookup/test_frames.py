"""Frames of the hop: what was said is understood, and nothing else is."""

from __future__ import annotations

import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.frames import (
    MAX_COUNTS,
    MAX_FRAME,
    Ask,
    Drop,
    Found,
    Frame,
    FrameReader,
    Gossip,
    Hello,
    Ping,
    Pong,
    ProtocolFault,
    Purge,
    asked,
    found,
    gossip,
    write,
)
from agi.model import (
    ErrorRule,
    Finding,
    Fraud,
    Inquiry,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Product,
    Source,
    Verdicts,
)

ONE = Msisdn("447788450450")

numbers = st.from_regex(r"\A[0-9]{1,15}\Z").map(Msisdn)
seconds = st.floats(0, 1e9)
inquiries = st.builds(
    Inquiry,
    number=numbers,
    deadline=seconds,
    country=st.sampled_from(["", "GB", "001"]),
    line=st.none() | st.sampled_from(Line),
    max_age_s=st.none() | seconds,
    network=st.booleans(),
    screens=st.lists(
        st.sampled_from([Product.FRAUD, Product.TPS, Product.UNSUBSCRIBE]), max_size=3
    ).map(tuple),
    unasked=st.sampled_from(["", "breaker", "shed"]),
)
truths = st.none() | st.booleans()
findings = st.builds(
    Finding,
    source=st.sampled_from(Source),
    reason=st.sampled_from(["ok", "err29", "no-provider"]),
    info=st.builds(
        NumberInfo,
        mccmnc=st.none() | st.sampled_from([Mccmnc("23415"), Mccmnc("310410"), Mccmnc("90112")]),
        live=st.none() | st.sampled_from(Live),
        ported=truths,
        line=st.none() | st.sampled_from(Line),
    ),
    age_s=st.none() | seconds,
    rule=st.none(),
    provider=st.from_regex(r"\A[A-Za-z0-9_.-]{0,32}\Z"),
    kind=st.sampled_from(["", "comcetera"]),
    verdicts=st.builds(
        Verdicts,
        fraud=st.none() | st.sampled_from(Fraud),
        tps=truths,
        unsubscribed=truths,
    ),
)
ids = st.integers(0, 2**63 - 1)


def sent(*frames: Frame) -> bytes:
    buffer = bytearray()
    for frame in frames:
        write(buffer, frame)
    return bytes(buffer)


def raw(*fields: object) -> bytes:
    """Frame whatever is given, by the specification and not by the code under test."""
    body = msgspec.msgpack.encode(fields)
    return struct.pack(">I", len(body)) + body


def refusal(data: bytes) -> str:
    with pytest.raises(ProtocolFault) as caught:
        FrameReader().feed(data)
    return caught.value.kind


def test_a_frame_is_its_length_and_a_messagepack_array_with_its_tag() -> None:
    # MessagePack: 92 array of 2, 04 the tag, a2 text of 2, then "44".
    assert b"\x00\x00\x00\x05\x92\x04\xa244" == sent(Drop("44"))
    assert b"\x00\x00\x00\x02\x91\x05" == sent(Ping())


@given(ids, inquiries)
def test_an_inquiry_arrives_as_it_was_asked(number: int, inquiry: Inquiry) -> None:
    (frame,) = FrameReader().feed(sent(asked(number, inquiry)))
    assert isinstance(frame, Ask)
    assert (number, inquiry) == (frame.id, frame.inquiry())


@given(ids, findings)
def test_a_finding_arrives_as_it_was_found(number: int, finding: Finding) -> None:
    (frame,) = FrameReader().feed(sent(found(number, finding)))
    assert isinstance(frame, Found)
    assert (number, finding) == (frame.id, frame.finding())


def test_the_rule_of_a_finding_stays_at_home() -> None:
    rule = ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, False, 3600, "range")
    (frame,) = FrameReader().feed(
        sent(found(1, Finding(Source.LIVE, "err1", rule=rule, kind="comcetera")))
    )
    assert isinstance(frame, Found)
    assert Finding(Source.LIVE, "err1", kind="comcetera") == frame.finding()


def test_instants_and_ages_without_bound_are_bounded_rather_than_refused() -> None:
    (ask,) = FrameReader().feed(sent(asked(1, Inquiry(ONE, math.inf, max_age_s=math.inf))))
    assert isinstance(ask, Ask)
    assert (1e12, 1e12) == (ask.deadline, ask.max_age_s)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_frames_arrive_in_order_however_their_bytes_are_cut(cuts: list[int]) -> None:
    frames: list[Frame] = [
        Hello(1, 42, 7),
        asked(1, Inquiry(ONE, 2.5)),
        Ping(),
        Pong(),
        Purge("npl", 600.0),
    ]
    heard: list[Frame] = []
    data, reader = sent(*frames), FrameReader()
    for cut in cuts:
        heard += reader.feed(data[:cut])
        data = data[cut:]
    assert frames == heard + reader.feed(data)


@pytest.mark.parametrize(
    "fields",
    [
        (4, "+447788450450"),  # a number is digits
        (4, "447788450450\n"),
        (4, "1" * 16),
        (4, ""),
        (4, 447788450450),
        (4, "44", 1),  # one field too many
        (4,),
        (7,),  # no such tag
        ("4", "44"),
        (3, "npl", math.nan),
        (3, "npl", math.inf),
        (3, "npl", -1.0),
        (3, "a b", 1.0),
        (0, -1, 0, 0),
        (1, -1, "44", 1.0),
        (1, 1, "44", math.nan),
        (1, 1, "44", 1.0, "gb"),
        (1, 1, "44", 1.0, "GB", "carrier pigeon"),
        (1, 1, "44", 1.0, "GB", None, None, True, ["network"] * 9),
        (2, 1, "store", "OK"),
        (2, 1, "elsewhere", "ok"),
        (2, 1, "store", "ok", "99999"),
        (2, 1, "store", "ok", "23415", "live", None, None, math.nan),
        (2, 1, "store", "ok", "23415", "live", None, None, 1.0, "npl\n"),
    ],
)
def test_a_value_outside_its_alphabet_is_no_frame(fields: tuple[object, ...]) -> None:
    assert "malformed" == refusal(raw(*fields))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x92\x04", b"\x91\x05\x00", b"\x91" * 60_000, b"\x92\x04\xa2\xff\xfe"],
)
def test_a_body_that_is_no_messagepack_of_ours_is_refused(body: bytes) -> None:
    assert "malformed" == refusal(struct.pack(">I", len(body)) + body)


def test_a_frame_too_large_is_refused_by_its_head_alone() -> None:
    assert [] == FrameReader().feed(struct.pack(">I", MAX_FRAME))
    assert "oversize" == refusal(struct.pack(">I", MAX_FRAME + 1))


@given(st.binary(max_size=200))
def test_whatever_bytes_come_there_is_no_other_fault(data: bytes) -> None:
    for head in (b"", struct.pack(">I", len(data))):
        reader = FrameReader()
        try:
            reader.feed(head + data)
        except ProtocolFault as fault:
            assert fault.kind in {"malformed", "oversize"}


def test_no_number_stands_in_a_repr_or_in_a_fault() -> None:
    assert "7788" not in repr([asked(1, Inquiry(ONE, 1.0)), Drop(ONE)])
    with pytest.raises(ProtocolFault) as caught:
        FrameReader().feed(raw(4, "+447788450450"))
    assert "7788" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_counts_travel_in_frames_that_always_fit() -> None:
    # 1,100 counts of the longest names: 512 + 512 + 76.
    counts = [(f"{index:080d}", 0.1) for index in range(1_100)]
    frames = list(gossip(counts))
    assert [512, 512, 76] == [len(frame.counts) for frame in frames]
    assert all(len(sent(frame)) < MAX_FRAME for frame in frames)
    told = FrameReader().feed(sent(*frames))
    assert counts == [pair for frame in told if isinstance(frame, Gossip) for pair in frame.counts]


@pytest.mark.parametrize(
    "counts",
    [
        [["", 1.0]],
        [["x" * 81, 1.0]],
        [["caf\u00e9", 1.0]],
        [["a\nb", 1.0]],
        [["a", -1.0]],
        [["a", math.inf]],
        [["a", math.nan]],
        [["a"]],
        [["a", 1.0, 2.0]],
        [["a", 1.0]] * (MAX_COUNTS + 1),
    ],
)
def test_counts_that_no_router_makes_are_refused(counts: list[object]) -> None:
    assert "malformed" == refusal(raw(7, counts))


def test_counts_name_numbers_and_are_not_printed() -> None:
    assert "Gossip(1)" == repr(Gossip((("number customer 447788450450", 1.0),)))
