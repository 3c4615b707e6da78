"""Whole blocks, however TCP cuts the stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.ami.blocks import Blocks
from tests.ami.recordings import GREETING, VERSIONS, stream


def fed(*parts: bytes, max_block: int = 65_536) -> tuple[list[bytes], Blocks]:
    cut = Blocks(max_block)
    return [block for part in parts for block in cut.feed(part)], cut


def test_the_banner_is_read_and_is_no_block() -> None:
    found, cut = fed(b"Asterisk Call Manager/5.0.4\r\nResponse: Success\r\nPing: Pong\r\n\r\n")
    assert [b"Response: Success\r\nPing: Pong"] == found
    assert ("5.0.4", False) == (cut.version, cut.alien)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["login", "answered", "injected"])
def test_a_recorded_stream_gives_the_same_blocks_cut_at_every_byte(version: str, name: str) -> None:
    data = stream(version, name)
    if name != "login":
        data = GREETING + data
    # The documents' rule: a block ends at an empty line, the banner at the first line's end.
    body = data.partition(b"\r\n")[2]
    expected = body.removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
    for at in range(len(data) + 1):
        found, cut = fed(data[:at], data[at:])
        assert expected == found, at
        assert 0 == cut.oversize


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_that_comes_byte_by_byte_loses_nothing(version: str) -> None:
    data = stream(version, "login")
    whole, _ = fed(data)
    single, _ = fed(*(data[at : at + 1] for at in range(len(data))))
    assert whole == single
    assert 11 == sum(block.startswith(b"Event: DeviceStateChange") for block in single)


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"Event: A", b"x" * 9, b"\r\n\r\n"])),
    st.lists(st.integers(0, 120), max_size=5),
)
def test_any_bytes_give_the_same_blocks_however_they_are_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    data = GREETING + b"".join(pieces)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[start:end] for start, end in itertools.pairwise(places)]
    whole, one = fed(data, max_block=12)
    cut_up, other = fed(*parts, max_block=12)
    assert (whole, one.oversize) == (cut_up, other.oversize)
    assert all(len(block) <= 12 for block in whole)


def test_f47_an_event_of_a_megabyte_is_dropped_and_counted_and_the_next_one_is_heard() -> None:
    huge = b"Event: Huge\r\nBody: " + b"x" * 1_000_000 + b"\r\n\r\n"
    for size in (1, 4_096, 2_000_000):
        stops = range(0, len(huge), size) if size > 1 else (0, 70_000, 999_990, len(huge) - 3)
        parts = [huge[a:b] for a, b in zip(stops, [*list(stops)[1:], len(huge)], strict=True)]
        found, cut = fed(GREETING, *parts, b"Event: Next\r\n\r\n")
        assert ([b"Event: Next"], 1) == (found, cut.oversize)


@pytest.mark.parametrize("length", [64, 65])
def test_a_block_of_just_the_longest_length_is_kept(length: int) -> None:
    block = b"E" * length
    for at in range(length + 5):
        data = block + b"\r\n\r\n"
        found, cut = fed(GREETING, data[:at], data[at:], max_block=64)
        assert (([block], 0) if length == 64 else ([], 1)) == (found, cut.oversize), at


def test_memory_is_bounded_by_the_longest_block() -> None:
    cut = Blocks(1_000)
    cut.feed(GREETING)
    for _ in range(100):
        cut.feed(b"x" * 5_000)
    assert 3 == len(cut._rest)
    assert 1 == cut.oversize


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n", b"A" * 200, b"Asterisk Cell"]
)
def test_whoever_does_not_greet_as_asterisk_does_is_not_read(greeting: bytes) -> None:
    found, cut = fed(greeting, b"Event: Hangup\r\n\r\n")
    assert ([], True) == (found, cut.alien)


def test_a_banner_without_an_end_is_not_waited_for_in_vain() -> None:
    found, cut = fed(b"Asterisk Call Manager/", b"1" * 200)
    assert ([], True) == (found, cut.alien)
