"""The audit log: what was done to it shows."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime

import msgspec
import pytest

from agi.errors import UsageError
from agi.routing.versions.audit import (
    GENESIS,
    START,
    Act,
    Anchor,
    Entry,
    Who,
    epoch,
    faults,
    in_force,
    is_in,
    read,
    reason,
    sealed,
    stamp,
    unmarked,
    who_is,
)


def chain(*lines: dict[str, object]) -> tuple[list[bytes], list[Anchor]]:
    """Return lines, each sealed to the one before, and the anchor of each."""
    last, written, anchors = START, [], []
    for change in lines:
        told = {
            "at": "2026-01-01T12:00:00.000+00:00",
            "uid": 0,
            "user": "root",
            "action": Act.ACTIVATE,
            "version": f"{last.seq + 1:06d}-00000000",
            "why": "a test",
            "seq": last.seq + 1,
            "previous": last.hash,
        }
        entry = msgspec.convert(told | change, Entry)
        text, digest = sealed(entry)
        last = Anchor(entry.seq, digest)
        written.append(text)
        anchors.append(last)
    return written, anchors


FIVE, ENDS = chain({}, {}, {}, {}, {})


def found(lines: list[bytes], *anchors: Anchor) -> list[tuple[int, str]]:
    told = faults("audit.jsonl", read(b"".join(lines)), anchors or (ENDS[-1],))
    return [(fault.line, fault.what) for fault in told if not fault.warning]


def test_a_line_ends_in_the_sha_256_of_the_rest_of_it() -> None:
    line = FIVE[2].decode()
    told = json.loads(line)
    body = line[: line.index(',"hash":')]
    assert hashlib.sha256(body.encode()).hexdigest() == told["hash"]
    assert json.loads(FIVE[1])["hash"] == told["previous"]
    assert GENESIS == json.loads(FIVE[0])["previous"]


def test_a_log_as_it_was_written_has_no_fault() -> None:
    assert [] == found(FIVE)
    assert [] == found([], START)


@pytest.mark.parametrize("at", range(5))
def test_a36_an_edit_shows(at: int) -> None:
    lines = [*FIVE]
    lines[at] = lines[at].replace(b"a test", b"a jest")
    assert (at + 1, "it was edited: its hash does not fit its contents") in found(lines)


@pytest.mark.parametrize("at", range(5))
def test_a36_an_edit_with_a_hash_made_anew_shows(at: int) -> None:
    entry = msgspec.structs.replace(
        read(b"".join(FIVE)).lines[at].entry, why="another story", user="nobody"
    )
    lines = [*FIVE]
    lines[at] = sealed(entry)[0]
    assert found(lines)


@pytest.mark.parametrize("at", range(5))
def test_a36_a_deletion_shows(at: int) -> None:
    assert found([*FIVE[:at], *FIVE[at + 1 :]])


@pytest.mark.parametrize("at", range(4))
def test_a36_another_order_shows(at: int) -> None:
    lines = [*FIVE]
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    assert found(lines)


@pytest.mark.parametrize("at", range(5))
def test_a36_a_tail_cut_off_shows_by_the_anchor(at: int) -> None:
    what = "entry 5 is missing or another one: the log was cut or edited"
    assert [(0, what)] == found(FIVE[:at])


def test_a36_a_log_forged_whole_shows_by_an_anchor_kept_elsewhere() -> None:
    forged, ends = chain({}, {"why": "nothing to see"}, {})
    assert [] == found(forged, ends[-1])
    what = "entry 2 is missing or another one: the log was cut or edited"
    assert [(0, what)] == found(forged, ends[-1], ENDS[1])


@pytest.mark.parametrize("at", range(0, len(b"".join(FIVE)), 7))
def test_a36_a_flipped_bit_shows_wherever_it_is(at: int) -> None:
    data = bytearray(b"".join(FIVE))
    data[at] ^= 4
    told = list(faults("audit.jsonl", read(bytes(data)), [ENDS[-1]]))
    assert [fault for fault in told if not fault.warning]


def test_a_line_that_is_none_is_named() -> None:
    told = found([FIVE[0], b"{}\n", *FIVE[1:]])
    assert (2, "not a line of this log: it was edited") in told
    assert (1, "not a line of this log: it was edited") in found([b"\xff\xfe{\n", *FIVE])


def test_a_torn_end_and_what_never_took_effect_are_warnings() -> None:
    log = read(b"".join(FIVE) + FIVE[0][:40])
    told = list(faults("audit.jsonl", log, [ENDS[3]]))
    assert [True, True] == [fault.warning for fault in told]
    assert "entry 5 (activate 000005-00000000) never took effect" == told[0].what
    assert "torn" in told[1].what


def test_a_line_of_a_later_program_is_still_sound() -> None:
    """A field that we do not know is hashed like any other."""
    body = FIVE[0][: FIVE[0].index(b',"hash":')] + b',"colour":"green"'
    digest = hashlib.sha256(body).hexdigest()
    line = body + b',"hash":"' + digest.encode() + b'"}\n'
    assert [] == found([line], Anchor(1, digest))


def test_what_never_took_effect_is_not_in_force() -> None:
    lines, ends = chain({}, {}, {"action": Act.ABANDONED, "of": 2}, {}, {})
    log = read(b"".join(lines))
    assert [1, 4] == [entry.seq for entry in in_force(log, ends[3])]
    assert [1, 4, 5] == [entry.seq for entry in in_force(log, None)]
    assert [5] == [entry.seq for entry in unmarked(log, ends[3])]
    assert [4, 5] == [entry.seq for entry in unmarked(log, ends[0])]
    assert is_in(ends[3], log)
    assert not is_in(Anchor(4, ends[2].hash), log)


@pytest.mark.parametrize(
    "why", ["", "  ", "two\nlines", "tab\there", "\x1b[31mred", "x" * 201, "left\u202eright"]
)
def test_a_reason_that_cannot_stand_in_a_log_is_refused(why: str) -> None:
    with pytest.raises(UsageError):
        reason(why)


@pytest.mark.parametrize("why", ["x", "x" * 200, 'Vodafone "B" is down, Fälle häufen sich'])
def test_a_reason_of_a_person_is_kept_as_it_is(why: str) -> None:
    assert why == reason(why)


def test_times_are_written_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    assert "2026-01-01T12:00:00.250+00:00" == stamp(noon + 0.25)
    assert noon + 0.25 == epoch(stamp(noon + 0.25))
    assert 0.0 == epoch("yesterday")


def test_who_is_the_user_and_who_logged_in() -> None:
    assert Who(0, "root") == who_is(0)
    assert Who(4_000_000, "") == who_is(4_000_000)
    assert 0 == who_is(0, os.getpid()).uid
    assert Who(0, "root") == who_is(0, 2**22 + 1)
