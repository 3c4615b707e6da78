"""One network has one code, whatever zeros a provider adds, loses or cuts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.plmn import Note, canonical, from_imsi, from_parts, is_mcc


@pytest.mark.parametrize(
    ("raw", "mcc", "mnc", "note"),
    [
        ("23415", "234", "15", Note.PLAIN),
        ("242005", "242", "05", Note.UNPADDED),  # Norway, as LANCK writes it
        ("604001", "604", "01", Note.UNPADDED),  # Morocco, as ENUM sellers write it
        ("310260", "310", "260", Note.PLAIN),
        ("311480", "311", "480", Note.PLAIN),
        ("302720", "302", "720", Note.PLAIN),
        ("302610", "302", "610", Note.PLAIN),
        ("732103", "732", "103", Note.PLAIN),
        ("722310", "722", "310", Note.PLAIN),
        ("334020", "334", "020", Note.PLAIN),
        ("338050", "338", "050", Note.PLAIN),
        ("310012", "310", "012", Note.PLAIN),  # the zero is real
        ("405854", "405", "854", Note.PLAIN),  # India has both lengths
        ("40410", "404", "10", Note.PLAIN),
        ("441200", "441", "200", Note.PLAIN),
        ("31026", "310", "26", Note.AMBIGUOUS),  # 310-260 cut, or 310-026 without its zero
        ("33402", "334", "02", Note.AMBIGUOUS),
        ("2133", "213", "03", Note.PADDED),
        ("2021", "202", "01", Note.PADDED),  # some public lists have this for 202-01
        ("3104", "310", "04", Note.AMBIGUOUS),
        ("405025", "405", "025", Note.PLAIN),
        ("405024", "405", "24", Note.UNPADDED),
        ("405047", "405", "047", Note.PLAIN),
        ("405048", "405", "48", Note.UNPADDED),
        ("405750", "405", "750", Note.PLAIN),
        ("405757", "405", "757", Note.UNLISTED),
        ("405799", "405", "799", Note.PLAIN),
        ("405932", "405", "932", Note.PLAIN),
        ("502153", "502", "153", Note.PLAIN),
        ("502012", "502", "12", Note.UNPADDED),
        ("714020", "714", "020", Note.PLAIN),
        ("738002", "738", "002", Note.PLAIN),
        ("750001", "750", "001", Note.PLAIN),
        ("467192", "467", "192", Note.PLAIN),
        ("352110", "352", "110", Note.PLAIN),
        ("376350", "376", "350", Note.PLAIN),
        ("00101", "001", "01", Note.PLAIN),
        ("001001", "001", "001", Note.PLAIN),
        ("90128", "901", "28", Note.PLAIN),
        ("234-15", "234", "15", Note.PLAIN),
        ("234 15", "234", "15", Note.PLAIN),
        ("234/015", "234", "15", Note.UNPADDED),
    ],
)
def test_a_code_has_one_canonical_form(raw: str, mcc: str, mnc: str, note: Note) -> None:
    found = canonical(raw)
    assert found is not None
    assert (mcc + mnc, mcc, mnc, note) == (found.mccmnc, found.mcc, found.mnc, found.note)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "US",
        "866",
        "US866",
        "234",
        "86601",  # no MCC begins with 8
        "10001",
        "90201",
        "2341500",
        "234158341040126",  # an IMSI is personal data, not a code
        "234--15",
        "234_15",
        " 23415",
        "23415\n",
        "-23415",
        "\u0662\u0663\u0664\u0661\u0665",
        "2341\uff15",
        "23.15",
    ],
)
def test_what_is_no_code_is_refused(raw: str) -> None:
    assert canonical(raw) is None


@pytest.mark.parametrize(
    ("mcc", "mnc", "mccmnc", "note"),
    [
        (213, 3, "21303", Note.PADDED),  # TMT's integers: mcc 213, omnc 3
        ("213", "3", "21303", Note.PADDED),
        ("242", "005", "24205", Note.UNPADDED),
        (310, 260, "310260", Note.PLAIN),
        (310, 12, "31012", Note.AMBIGUOUS),
        (405, 25, "40525", Note.AMBIGUOUS),
        ("405", "25", "40525", Note.PLAIN),
        (405, 854, "405854", Note.PLAIN),
        (1, 1, "00101", Note.AMBIGUOUS),  # both lengths of the test network are in use
        (234, 0, "23400", Note.PADDED),
        (234, "15", "23415", Note.PLAIN),
    ],
)
def test_two_fields_make_a_code(mcc: int | str, mnc: int | str, mccmnc: str, note: Note) -> None:
    found = from_parts(mcc, mnc)
    assert found is not None
    assert (mccmnc, note) == (found.mccmnc, found.note)


@pytest.mark.parametrize(
    ("mcc", "mnc"),
    [
        ("US", 866),  # Telnyx's sample of a VoIP number
        (866, 1),
        (234, -1),
        (-234, 15),
        (234, 1000),
        (2341, 5),
        ("23", "415"),
        ("234", ""),
        ("", "15"),
        ("234", "-15"),
        ("234", "0015"),
        (True, 1),
        (234, True),
    ],
)
def test_fields_that_make_no_code_are_refused(mcc: int | str, mnc: int | str) -> None:
    assert from_parts(mcc, mnc) is None


@pytest.mark.parametrize(
    ("imsi", "mccmnc"),
    [
        ("234158341040126", "23415"),
        ("310260123456789", "310260"),
        ("405854123456789", "405854"),
        ("405010123456789", "40501"),
    ],
)
def test_an_imsi_tells_the_length_of_the_mnc(imsi: str, mccmnc: str) -> None:
    found = from_imsi(imsi)
    assert found is not None
    assert mccmnc == found.mccmnc


@pytest.mark.parametrize("imsi", ["", "23415", "2341583410401267", "866158341040126", "23415x0001"])
def test_what_is_no_imsi_is_refused(imsi: str) -> None:
    assert from_imsi(imsi) is None


@pytest.mark.parametrize("text", ["200", "234", "799", "901", "999", "001"])
def test_an_mcc_is_known(text: str) -> None:
    assert is_mcc(text)


@pytest.mark.parametrize("text", ["", "US", "100", "866", "902", "000", "23", "2341", "23\n"])
def test_what_is_no_mcc_is_known_too(text: str) -> None:
    assert not is_mcc(text)


@given(st.from_regex(r"\A[0-9]{3}[-/ ]?[0-9]{1,3}\Z") | st.text(max_size=8))
def test_a_canonical_code_is_its_own_canonical_form(raw: str) -> None:
    once = canonical(raw)
    if once is not None:
        again = canonical(once.mccmnc)
        assert again is not None
        assert (once.mccmnc, once.mcc, once.mnc) == (again.mccmnc, again.mcc, again.mnc)
        assert len(once.mccmnc) in {5, 6}


def test_every_code_of_five_or_six_digits_is_its_own_canonical_form() -> None:
    every = (f"{mcc:03d}{mnc}" for mcc in range(1000) for mnc in ("00", "26", "005", "850"))
    for network in filter(None, map(canonical, every)):
        again = canonical(network.mccmnc)
        assert again is not None
        assert network.mccmnc == again.mccmnc


@given(st.integers() | st.text(max_size=4), st.integers() | st.text(max_size=4))
def test_two_fields_never_raise(mcc: int | str, mnc: int | str) -> None:
    found = from_parts(mcc, mnc)
    assert found is None or is_mcc(found.mcc)


def test_a_provider_answer_costs_microseconds() -> None:
    start = time.process_time()
    for _ in range(10_000):
        canonical("242005")
    assert time.process_time() - start < 0.5
