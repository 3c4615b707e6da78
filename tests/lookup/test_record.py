"""The one byte form of what is kept: what it gives back, and what it does not believe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.provider import Answer
from agi.lookup.record import CLEAR, FORM, LISTED, Said, read, said_of, written
from agi.model import Fraud, Line, Live, Mccmnc, Msisdn, NumberInfo, Outcome

ONE = Msisdn("447788450450")
PLAIN = b"23415,npl,comcetera,,"

infos = st.builds(
    NumberInfo,
    st.none() | st.from_regex(r"[2-7][0-9]{4,5}|90[0-9]{3,4}", fullmatch=True).map(Mccmnc),
    st.none() | st.sampled_from(Live),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(Line),
)


@given(
    info=st.none() | infos,
    provider=st.from_regex(r"[A-Za-z0-9_.-]{0,32}", fullmatch=True),
    kind=st.sampled_from(["comcetera", "lanck", "datasoap", "hlrlookup", "file"]),
    code=st.from_regex(r"(err[0-9]{1,3})?", fullmatch=True),
    verdict=st.sampled_from(["", LISTED, CLEAR, *Fraud]),
)
def test_everything_survives_the_form(
    info: NumberInfo | None, provider: str, kind: str, code: str, verdict: str
) -> None:
    answer = Answer(ONE, Outcome.OK, info, code, verdict)
    said = said_of(answer, provider, kind)
    record = written(said)
    assert len(record) <= 128
    assert said == read(record)


def test_the_form_is_four_bytes_and_a_text() -> None:
    info = NumberInfo(Mccmnc("23415"), Live.LIVE, True, Line.MOBILE)
    said = said_of(Answer(ONE, Outcome.OK, info), "npl", "comcetera")
    assert bytes((1, 1, 2, 1)) + PLAIN == written(said)


def test_the_network_is_kept_apart_from_the_liveness() -> None:
    info = NumberInfo(Mccmnc("23415"), Live.ABSENT, False, Line.MOBILE)
    network = NumberInfo(Mccmnc("23415"), None, False, Line.MOBILE)
    assert Said(info, network, "npl", "comcetera", "", "") == said_of(
        Answer(ONE, Outcome.OK, info), "npl", "comcetera"
    )


def test_equal_records_are_one_object() -> None:
    record = bytes((FORM, 0, 0, 0)) + PLAIN
    assert read(record) is read(bytes(bytearray(record)))


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x01\x00\x00",
        bytes((2, 0, 0, 0)) + PLAIN,
        bytes((0, 0, 0, 0)) + PLAIN,
        bytes((1, 4, 0, 0)) + PLAIN,
        bytes((1, 0, 3, 0)) + PLAIN,
        bytes((1, 0, 0, 9)) + PLAIN,
        bytes((1, 0, 0, 0)) + PLAIN + b"\n",
        bytes((1, 0, 0, 0)) + b"13415,npl,comcetera,,",
        bytes((1, 0, 0, 0)) + b"2341,npl,comcetera,,",
        bytes((1, 0, 0, 0)) + b"2341567,npl,comcetera,,",
        bytes((1, 0, 0, 0)) + "23415,np\u00e9,comcetera,,".encode(),
        bytes((1, 0, 0, 0)) + "\u0662\u0663\u0664\u0661\u0665,npl,comcetera,,".encode(),
        bytes((1, 0, 0, 0)) + b"23415,a b,comcetera,,",
        bytes((1, 0, 0, 0)) + b"23415,npl,Comcetera,,",
        bytes((1, 0, 0, 0)) + b"23415,npl,comcetera,ERR1,",
        bytes((1, 0, 0, 0)) + b"23415,npl,comcetera,,unheard",
        bytes((1, 0, 0, 0)) + b"23415,npl,comcetera,",
        bytes((1, 0, 0, 0)) + b"23415,npl,comcetera,,,",
        bytes((1, 0, 0, 0)) + b"23415," + b"p" * 33 + b",comcetera,,",
        bytes((1, 0, 0, 0)) + PLAIN + b"x" * 200,
        b"23415\r\nSET VARIABLE CARRIER_COMMIT 1",
    ],
)
def test_f33_whatever_is_not_exactly_of_the_form_is_no_record(record: bytes) -> None:
    assert None is read(record)


@given(st.binary(max_size=200))
def test_f33_no_bytes_raise(record: bytes) -> None:
    said = read(record)
    assert said is None or record == written(said)


@given(st.binary(min_size=3, max_size=3), st.binary(max_size=40).map(lambda tail: b"23415," + tail))
def test_f33_near_records_are_read_exactly_or_not_at_all(axes: bytes, text: bytes) -> None:
    record = bytes((FORM,)) + axes + text
    said = read(record)
    assert said is None or record == written(said)
