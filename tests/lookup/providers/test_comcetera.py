"""The NPL adapter and its text answers against the vendor's page: sample, grammar, errors."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.providers.npl_text import NplReading
from agi.model import Live, Mccmnc, Msisdn, NumberInfo, Outcome

VODAFONE = Msisdn("447788450450")
ANOTHER = Msisdn("447810701702")
UNKNOWN = Msisdn("447973100100")
ASKED = (VODAFONE, ANOTHER, UNKNOWN)

SAMPLE = b"""QUERYOK
447788450450 23415,447785014185,234158341040126
447810701702 23415,447785014185,234159002945116
447973100100 ERR1
ENDBATCH
"""
NETWORK_15 = NumberInfo(Mccmnc("23415"), Live.LIVE)
SAID = [
    Answer(VODAFONE, Outcome.OK, NETWORK_15),
    Answer(ANOTHER, Outcome.OK, NETWORK_15),
    Answer(UNKNOWN, Outcome.NOT_FOUND, NumberInfo(live=Live.DEAD), "err1"),
]


def account(**terms: object) -> Comcetera:
    known: dict[str, object] = {
        "name": "npl",
        "url": "https://npl.example/npl",
        "username": "bob",
        "password": "s&c,r=t",
    }
    return Comcetera(**(known | terms))  # type: ignore[arg-type] # a test's shorthand


def read(
    body: bytes, numbers: Sequence[Msisdn] = ASKED, size: int = 1 << 20
) -> tuple[list[Answer], str, int]:
    """Feed ``body`` in pieces; return the answers, the cause of the fault, the strangers."""
    reading = account().parse(200, numbers)
    answers: list[Answer] = []
    try:
        for start in range(0, len(body), size):
            answers += reading.feed(body[start : start + size])
        answers += reading.close()
    except ProviderFault as fault:
        return answers, fault.cause, reading.strangers
    return answers, "", reading.strangers


def line(code: str) -> Answer:
    """Read one number's answer in a sound batch."""
    answers, cause, _ = read(f"QUERYOK\n{VODAFONE} {code}\nENDBATCH\n".encode(), [VODAFONE])
    assert not cause
    assert 1 == len(answers)
    return answers[0]


def test_the_account_is_a_provider() -> None:
    provider: Provider = account()
    assert ("npl", "comcetera", 1000) == (provider.name, provider.kind, provider.batch_size)


def test_neither_username_nor_password_is_in_the_repr() -> None:
    assert not re.search("bob|s&c", repr(account()))


def test_the_request_is_a_form_with_comma_separated_numbers() -> None:
    request = account().request([VODAFONE, ANOTHER])
    assert ("POST", "https://npl.example/npl") == (request.method, request.url)
    assert [
        ("user", "bob"),
        ("pass", "s&c,r=t"),
        ("msisdn", "447788450450,447810701702"),
        ("apiver", "2.4"),
    ] == parse_qsl(request.body.decode(), strict_parsing=True)
    headers = dict(request.headers)
    assert "application/x-www-form-urlencoded" == headers["Content-Type"]
    assert "identity" == headers["Accept-Encoding"]
    assert "dialdip" == headers["User-Agent"]


def test_version_2_3_sends_no_apiver() -> None:
    form = dict(parse_qsl(account(api_version="2.3").request([VODAFONE]).body.decode()))
    assert {"user", "pass", "msisdn"} == set(form)


def test_version_3_asks_for_json_instead_of_an_apiver() -> None:
    form = dict(parse_qsl(account(api_version="3").request([VODAFONE]).body.decode()))
    assert ({"user", "pass", "msisdn", "format"}, "json") == (set(form), form["format"])


@pytest.mark.parametrize(
    ("version", "most"), [("2.3", 1000), ("2.4", 1000), ("2.5", 1000), ("3", 100)]
)
def test_a_batch_holds_what_the_version_allows_unless_told_otherwise(
    version: str, most: int
) -> None:
    assert most == account(api_version=version).batch_size
    assert 7 == account(api_version=version, batch_size=7).batch_size


@pytest.mark.parametrize(("economy", "sent"), [(True, "1"), (False, "0"), (None, None)])
def test_economy_is_sent_when_it_is_set(economy: bool | None, sent: str | None) -> None:
    request = account(api_version="2.5", economy=economy).request([VODAFONE])
    assert sent == dict(parse_qsl(request.body.decode())).get("economy")


@pytest.mark.parametrize(
    "terms",
    [
        {"api_version": "3.3"},
        {"batch_size": -1},
        {"batch_size": 1001},
        {"api_version": "3", "batch_size": 101},
        {"api_version": "3", "economy": True},
        {"api_version": "2.4", "economy": True},
        {"url": "ftp://npl.example/npl"},
        {"url": "/npl"},
        {"url": "http://:80/npl"},
        {"url": "http://npl.example:0/npl"},
        {"url": "http://npl.example:99999/npl"},
    ],
)
def test_impossible_terms_are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"api_version|batch_size|url|Port"):
        account(**terms)


@pytest.mark.parametrize("numbers", [[], [VODAFONE, ANOTHER]])
def test_a_request_of_no_number_or_too_many_is_refused(numbers: list[Msisdn]) -> None:
    with pytest.raises(ValueError, match="1 to 1"):
        account(batch_size=1).request(numbers)


@pytest.mark.parametrize("size", [1, 2, 7, 4096])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_vendors_sample_is_read_however_it_is_cut(size: int, end: bytes) -> None:
    assert (SAID, "", 0) == read(SAMPLE.replace(b"\n", end), size=size)


def test_answers_come_as_soon_as_their_line_is_complete() -> None:
    reading = account().parse(200, ASKED)
    assert [] == reading.feed(b"QUERYOK\n447788450450 23415,4477")
    assert SAID[:1] == reading.feed(b"85014185,234158341040126\n4478107")


def test_the_order_of_the_lines_does_not_matter() -> None:
    lines = SAMPLE.splitlines(keepends=True)
    shuffled = b"".join([lines[0], lines[3], lines[2], lines[1], lines[4]])
    assert ([SAID[2], SAID[1], SAID[0]], "", 0) == read(shuffled)


def test_version_2_3_lines_hold_only_the_network() -> None:
    assert Answer(VODAFONE, Outcome.OK, NETWORK_15) == line("23415")


@pytest.mark.parametrize("code", ["23415,447785014185", "23415,,", "23415,447785014185,", "23415,"])
def test_msc_and_imsi_may_be_missing(code: str) -> None:
    assert Answer(VODAFONE, Outcome.OK, NETWORK_15) == line(code)


@pytest.mark.parametrize("code", ["", ",447785014185,", "Cingular Wireless", "AT&T, Inc"])
def test_an_answer_without_a_network_code_still_says_live(code: str) -> None:
    assert Answer(VODAFONE, Outcome.OK, NumberInfo(live=Live.LIVE)) == line(code)


def test_msc_and_imsi_never_leave_the_parser() -> None:
    answers, _, _ = read(SAMPLE)
    assert not re.search("447785014185|2341583", "".join(repr(a.info) + a.code for a in answers))


@pytest.mark.parametrize(
    ("code", "outcome", "live"),
    [
        ("ERR1", Outcome.NOT_FOUND, Live.DEAD),
        ("ERR29", Outcome.ABSENT, Live.ABSENT),
        ("ERR21", Outcome.UNSUPPORTED, None),
        ("ERR11", Outcome.UNSUPPORTED, None),
        ("ERR13", Outcome.UNSUPPORTED, None),
        ("ERR36", Outcome.TEMPORARY, None),
        ("ERR77", Outcome.TEMPORARY, None),
    ],
)
def test_each_error_code_has_its_outcome(code: str, outcome: Outcome, live: Live | None) -> None:
    info = None if live is None else NumberInfo(live=live)
    assert Answer(VODAFONE, outcome, info, code.lower()) == line(code)


@pytest.mark.parametrize("code", ["err1", "ERR", "ERRX", "ERR1x", "12", "2341512345", "00012"])
def test_a_code_that_is_not_understood_is_malformed_for_its_number_only(code: str) -> None:
    assert Answer(VODAFONE, Outcome.MALFORMED) == line(code)


@pytest.mark.parametrize(
    ("first", "cause"),
    [
        ("FAIL Invalid password", "account"),
        ("FAIL Insufficient credit", "account"),
        ("ERR ACCOUNT LOCKED - Please arrange payment", "account"),
        ("FAIL No numbers specified", "bad_request"),
        ("FAIL Request too long", "bad_request"),
        ("FAIL Something new 447788450450", "bad_request"),
        ("FAIL", "bad_request"),
        ("<!DOCTYPE html>", "malformed"),
        ("ERR1", "malformed"),
        ("FAILURE", "malformed"),
        ("447788450450 23415", "malformed"),
        ("", "malformed"),
        ("ENDBATCH", "malformed"),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_first_line_that_is_not_queryok_fails_the_request(
    first: str, cause: str, end: str
) -> None:
    for size in (1, 4096):
        assert ([], cause, 0) == read((first + end).encode(), size=size)


def test_the_text_of_a_first_line_does_not_reach_the_fault() -> None:
    with pytest.raises(ProviderFault) as caught:
        account().parse(200, ASKED).feed(b"FAIL no such user bob for 447788450450\n")
    assert not re.search("bob|4477", str(caught.value))


@pytest.mark.parametrize(
    ("tail", "complete"), [(b"", 2), (b"447973100100 ERR1", 2), (b"ENDBATC", 2)]
)
def test_without_endbatch_complete_lines_stay_good(tail: bytes, complete: int) -> None:
    lines = SAMPLE.splitlines(keepends=True)
    assert (SAID[:complete], "truncated", 0) == read(b"".join(lines[:3]) + tail)


def test_queryok_alone_is_truncated() -> None:
    assert ([], "truncated", 0) == read(b"QUERYOK")


def test_endbatch_needs_no_line_feed() -> None:
    assert (SAID, "", 0) == read(SAMPLE.removesuffix(b"\n"))


def test_what_follows_endbatch_is_not_looked_at() -> None:
    tail = b"447973100100 23410\nFAIL\n\xff\x00" + b"x" * 5000
    for size in (1, 4096):
        assert (SAID, "", 0) == read(SAMPLE + tail, size=size)


def test_a_number_passed_over_in_silence_is_temporary() -> None:
    answers, cause, _ = read(SAMPLE.replace(b"447810701702 ", b"447810701703 "))
    assert ("", Answer(ANOTHER, Outcome.TEMPORARY)) == (cause, answers[-1])
    assert SAID[0] == answers[0]


def test_numbers_that_were_not_asked_are_dropped_and_counted() -> None:
    assert (SAID[:1], "", 2) == read(SAMPLE, [VODAFONE])


def test_of_two_lines_for_one_number_the_first_stands() -> None:
    body = b"QUERYOK\n447788450450 23415\n447788450450 23410\nENDBATCH\n"
    assert (SAID[:1], "", 0) == read(body, [VODAFONE])


def test_empty_lines_between_answers_are_nothing() -> None:
    assert (SAID, "", 0) == read(SAMPLE.replace(b"\n4479", b"\n\r\n4479"))


@pytest.mark.parametrize(
    "bad",
    [
        b"447810701702 23\x00415\n",
        "447810701702 ２３４１５\n".encode(),  # noqa: RUF001 - digits that str.isdigit() takes
        b"+447810701702 23415\n",
        b"447810701702\n",
        b"447810701702\t23415\n",
        b"4478107017021234 23415\n",
        b"<html>\n",
        b"447810701702 " + b"9" * 500 + b"\n",
        b"9" * 513,
        b"\xff\n",
    ],
)
def test_a_malformed_line_ends_the_reading_and_spares_what_came_before(bad: bytes) -> None:
    body = b"QUERYOK\n447788450450 23415\n" + bad + b"447973100100 ERR1\nENDBATCH\n"
    for size in (1, 4096):
        assert (SAID[:1], "malformed", 0) == read(body, size=size)


def test_a_line_of_512_bytes_is_read() -> None:
    msc_and_imsi = "," + "1" * (512 - len("447788450450 23415,"))
    assert Outcome.OK is line("23415" + msc_and_imsi).outcome


@pytest.mark.parametrize("word", ["PENDING", "pending", "processing", "Queued", "unknown"])
def test_f22_a_word_that_says_not_yet_is_no_answer(word: str) -> None:
    assert (Outcome.TEMPORARY, None) == (line(word).outcome, line(word).info)


@pytest.mark.parametrize("said", ["x,5,U(ctx)&", "x;y", "gw&Local/1@ctx", "${EVAL()}", "A" * 65])
def test_a6_what_is_no_name_of_a_network_is_not_understood(said: str) -> None:
    if said.startswith("x,"):
        said = "x$" + said
    assert (Outcome.MALFORMED, None) == (line(said).outcome, line(said).info)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, "account"),
        (403, "account"),
        (402, "account"),
        (429, "throttled"),
        (500, "http"),
        (302, "http"),
        (199, "http"),
    ],
)
def test_a_status_that_is_not_2xx_fails_the_request(status: int, cause: str) -> None:
    with pytest.raises(ProviderFault) as caught:
        account().parse(status, ASKED)
    assert (cause, str(status)) == (caught.value.cause, caught.value.detail)


PIECES = st.sampled_from(
    [
        b"QUERYOK\n",
        b"QUERYOK\r\n",
        b"ENDBATCH\n",
        b"FAIL Invalid password\n",
        b"ERR ACCOUNT LOCKED\n",
        b"447788450450 23415,1,2\n",
        b"447810701702 ERR29\r\n",
        b"447973100100 ",
        b"15551234567 310260\n",
        b"\n",
        b"\r",
        b"\x00",
        b"ERR",
        b",",
    ]
)
BODIES = st.lists(st.one_of(PIECES, PIECES, st.binary(max_size=20)), max_size=12).map(b"".join)
SOUND_BODIES = BODIES.map(lambda body: b"QUERYOK\n" + body)


@given(body=st.one_of(BODIES, SOUND_BODIES), size=st.integers(1, 40))
def test_any_bytes_give_the_same_however_they_are_cut(body: bytes, size: int) -> None:
    whole, pieces = read(body), read(body, size=size)
    assert whole == pieces
    numbers = [answer.number for answer in whole[0]]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(ASKED)


@given(body=SOUND_BODIES)
def test_whatever_comes_each_number_is_answered_or_the_request_has_failed(body: bytes) -> None:
    answers, cause, _ = read(body)
    assert cause or len(answers) == len(ASKED)


def test_a_fault_found_behind_good_answers_is_raised_by_the_next_call() -> None:
    reading = NplReading(ASKED)
    assert SAID[:1] == reading.feed(b"QUERYOK\n447788450450 23415\n\xff\n")
    with pytest.raises(ProviderFault):
        reading.feed(b"")
    with pytest.raises(ProviderFault):
        reading.close()
