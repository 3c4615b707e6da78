"""The subscribers' file: what it holds, and where each mistake is reported."""

from pathlib import Path

import phonenumbers
import pytest

from agi.errors import TableError
from agi.model import Fraud, Line, Live
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.subscribers import SAMPLE, Subscriber, parse_subscribers, read_subscribers

HEAD = "msisdn,mccmnc,imsi,msc,error,latency_ms,fault,comment\n"


def faults(text: str) -> list[str]:
    with pytest.raises(TableError) as caught:
        parse_subscribers(text, "s.csv")
    return [str(fault) for fault in caught.value.faults]


def test_a_row_becomes_a_subscriber() -> None:
    text = HEAD + "447788450450,23415,234158341040126,447785014185,,30,slow:5,hello\n"
    expected = Subscriber(
        "447788450450",
        mccmnc="23415",
        imsi="234158341040126",
        msc="447785014185",
        latency_ms=30,
        fault=Order(Trouble.SLOW, 5),
    )
    assert {"447788450450": expected} == parse_subscribers(text, "s.csv")


def test_columns_may_be_few_and_in_any_order() -> None:
    text = "\ufeffmccmnc,msisdn,ported_from\n# a comment, with commas\n\n23415,447788450450,23410\n"
    path_free = parse_subscribers(text.removeprefix("\ufeff"), "s.csv")
    expected = Subscriber("447788450450", mccmnc="23415", ported_from="23410")
    assert {"447788450450": expected} == path_free


def test_the_screens_the_line_and_the_liveness_are_read() -> None:
    text = (
        "msisdn,mccmnc,fraud,tps,unsubscribed,live,line\n"
        "447788450450,23415,not-mobile,yes,no,absent,mobile-or-landline\n"
        "447788450451,23415,,,,,\n"
    )
    first, second = parse_subscribers(text, "s.csv").values()
    assert (Fraud.NOT_MOBILE, True, False) == (first.fraud, first.tps, first.unsubscribed)
    assert (Live.ABSENT, Line.MOBILE_OR_LANDLINE) == (first.live, first.line)
    assert Subscriber("447788450451", "23415") == second


@pytest.mark.parametrize(
    ("column", "cell", "hint"),
    [
        ("fraud", "bad", "write one of passed, not-mobile, suspicious, fraudulent, or empty"),
        ("tps", "1", "tps is not right; write one of yes, no, or empty"),
        ("unsubscribed", "YES", "unsubscribed is not right"),
        ("live", "away", "write one of live, absent, dead, or empty"),
        ("line", "fax", "write one of mobile, landline"),
        ("fault", "down:5", "down concerns the whole port, not one number"),
    ],
)
def test_a_word_that_is_none_is_a_fault_of_its_cell(column: str, cell: str, hint: str) -> None:
    (found,) = faults(f"msisdn,mccmnc,{column}\n447788450450,23415,{cell}\n")
    assert found.startswith("s.csv:2:3: ")
    assert hint in found


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(b"\xef\xbb\xbfmsisdn,error\r\n447973100100,ERR1\r\n")
    assert "ERR1" == read_subscribers(path)["447973100100"].error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["s.csv:1:1: the column msisdn is missing from the header row"]),
        ("msisdn;mccmnc\n", ["s.csv:1:1: the separator is ';'; save the file with commas"]),
        ("msisdn,operator\n", ["s.csv:1:2: unknown or repeated column; known: msisdn,"]),
        ("msisdn,msisdn\n", ["s.csv:1:2: unknown or repeated column"]),
        (HEAD + "1,23415,,,,,,\n", ["s.csv:2:1: msisdn is not right; write 7 to 15 digits"]),
        (HEAD + "+447788450450,23415,,,,,,\n", ["s.csv:2:1: msisdn is not right"]),
        (HEAD + "4.47788E+11,23415,,,,,,\n", ["s.csv:2:1: msisdn is not right"]),
        (HEAD + "447788450450,234,,,,,,\n", ["s.csv:2:2: mccmnc is not right; write 5 or 6"]),
        (HEAD + "447788450450,23415,7,,,,,\n", ["s.csv:2:3: imsi is not right"]),
        (HEAD + "447788450450,,,,err1,,,\n", ["s.csv:2:5: error is not right; write ERR and"]),
        (HEAD + "447788450450,23415,,,,60001,,\n", ["s.csv:2:6: latency_ms is not right"]),
        (HEAD + "447788450450,23415,,,,,hnag,\n", ["s.csv:2:7: no such fault; write one of"]),
        (HEAD + "447788450450,,,,,,,\n", ["s.csv:2:2: a number has a network or an error"]),
        (HEAD + "447788450450,23415,,,ERR1,,,\n", ["s.csv:2:2: a number has a network or an"]),
        (HEAD + "447788450450,23415\n", ["s.csv:2:2: 2 cells under a header of 8"]),
        (HEAD + '447788450450,"23415\n', ["s.csv:2:1: not CSV: unexpected end of data"]),
        (
            HEAD + "447788450450,23415,,,,,,\n447788450450,23415,,,,,,\n",
            ["s.csv:3:1: this number is already listed"],
        ),
        (
            HEAD + "447788450450,2,,,,,,\n447788450450,23415,,,,x,,\n",
            [
                "s.csv:2:2: mccmnc is not right",
                "s.csv:3:1: this number is already listed",
                "s.csv:3:6: latency_ms is not right",
            ],
        ),
    ],
)
def test_every_mistake_is_reported_at_its_place(text: str, expected: list[str]) -> None:
    found = faults(text)
    assert len(expected) == len(found)
    for start, fault in zip(expected, found, strict=True):
        assert fault.startswith(start), fault


def test_a_file_that_is_missing_or_not_utf8_is_a_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"s\.csv: cannot be read: No such file"):
        read_subscribers(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes(b"msisdn,comment\n447788450450,caf\xe9\n")
    with pytest.raises(TableError, match="byte 32 is not UTF-8"):
        read_subscribers(tmp_path / "s.csv")


def test_faults_hold_no_number() -> None:
    assert "3933" not in "".join(faults(HEAD + "393351234567x,2,3,3933x,5,6,7,8\n"))


def test_the_shipped_samples_are_valid_numbers_with_every_listed_code() -> None:
    found = read_subscribers(SAMPLE)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse("+" + n)) for n in found)
    codes = {s.error for s in found.values() if s.error}
    assert {"ERR1", "ERR29", "ERR21", "ERR11", "ERR13", "ERR36"} == codes
    assert "23415" == found["447788450450"].mccmnc == found["447810701702"].mccmnc
    assert "ERR1" == found["447973100100"].error
    ported = [s for s in found.values() if s.ported_from]
    assert ported
    assert all(s.ported_from != s.mccmnc for s in ported)
    troubles = {s.fault.trouble for s in found.values() if s.fault}
    assert {Trouble.HANG, Trouble.RESET, Trouble.TRUNCATE} <= troubles
    assert set(Fraud) <= {s.fraud for s in found.values()}
    assert {Live.LIVE, Live.ABSENT, Live.DEAD} <= {s.live for s in found.values()}
    assert any(s.tps for s in found.values())
    assert any(s.unsubscribed for s in found.values())


def test_a_subscriber_shows_no_number() -> None:
    shown = repr(Subscriber("447788450450", "23415", "447785014185", "234158341040126"))
    assert "Subscriber(mccmnc='23415'" in shown
    assert not {"447788450450", "447785014185", "234158341040126"} & set(shown.split("'"))
