"""The Data Soap adapters against the vendor's pages and what published clients read."""

import json
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, HttpRequest, Provider
from agi.lookup.providers.datasoap import (
    DatasoapAsync,
    DatasoapSync,
    Postback,
    SoapReading,
    read_postback,
)
from agi.model import Line, Live, Mccmnc, Msisdn, NumberInfo, Outcome, Product

NUMBER = Msisdn("447976123456")
URL = "https://api.soap.example"
TOKEN = "s3cret-token"
HOOK = "https://pbx.example/hooks/datasoap/hook-s3cret"
JOB = "56effe97-8f3a-4636-9dd0-78bc1faee005"  # the receipt of "Asynchronous API"

# As published clients of the synchronous API read them.
HLR = (
    b'{"DataSoapAPIResponse":{"HLRResult":{"MCC":"234","On":true,"CountryName":"United Kingdom"}}}'
)
LANDLINE = (
    b'{"DataSoapAPIResponse":{"LandlineResult":{"IsActive":true,"CountryName":"United Kingdom"}}}'
)
REFUSED = b'{"DataSoapAPIResponse":{"ErrorCode":"-96"}}'


def sync(type_: str = "hlr", method: str = "POST") -> DatasoapSync:
    return DatasoapSync(name="soap", url=URL, token=TOKEN, type=type_, method=method)


def later(type_: str = "hlr") -> DatasoapAsync:
    return DatasoapAsync(name="soap", url=URL, token=TOKEN, type=type_, postback_url=HOOK)


def finish(reading: SoapReading, body: bytes, size: int) -> list[Answer]:
    said: list[Answer] = []
    for start in range(0, len(body), size):
        said += reading.feed(body[start : start + size])
    return said + reading.close()


def read(body: bytes, type_: str = "hlr", size: int = 1 << 20) -> Answer:
    (answer,) = finish(sync(type_).parse(200, [NUMBER]), body, size)
    return answer


def result(type_: str, said: object) -> Answer:
    body = json.dumps({"DataSoapAPIResponse": {f"{type_}Result": said}}).encode()
    return read(body, type_.lower())


def posted(**said: object) -> Postback:
    postback = read_postback(json.dumps({"Job": JOB, **said}).encode())
    assert postback is not None
    return postback


def header(request: HttpRequest, name: str) -> str:
    return dict(request.headers)[name]


def test_both_accounts_are_providers() -> None:
    accounts: Sequence[Provider] = (sync(), later())
    for account in accounts:
        assert ("soap", "datasoap", 1) == (account.name, account.kind, account.batch_size)


@pytest.mark.parametrize(
    ("type_", "product"),
    [
        ("hlr", Product.NETWORK),
        ("landline", Product.NETWORK),
        ("tps", Product.TPS),
        ("unsubscribe", Product.UNSUBSCRIBE),
    ],
)
def test_the_type_decides_the_product(type_: str, product: Product) -> None:
    assert product == sync(type_).product == later(type_).product


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "email"},
        {"url": "ftp://soap.example"},
        {"url": "https://"},
        {"url": "https://soap.example:0"},
        {"token": ""},
        {"token": "two\r\nlines"},
        {"method": "PUT"},
    ],
)
def test_an_account_that_cannot_work_is_refused(wrong: dict[str, str]) -> None:
    terms = {"name": "soap", "url": URL, "token": TOKEN} | wrong
    with pytest.raises(ValueError, match=r"type|url|token|method"):
        DatasoapSync(**terms)


def test_the_number_is_asked_in_a_form_and_not_in_the_url() -> None:
    request = sync("landline").request([NUMBER])
    assert ("POST", f"{URL}/") == (request.method, request.url)
    form = dict(parse_qsl(request.body.decode()))
    assert {"output": "json", "number": "00447976123456", "type": "Landline"} == form
    assert "application/x-www-form-urlencoded" == header(request, "Content-Type")


def test_get_sends_the_same_as_the_query() -> None:
    request = sync(method="GET").request([NUMBER])
    parts = urlsplit(request.url)
    asked = {"output": "json", "number": "00447976123456", "type": "HLR"}
    assert ("GET", "/", b"") == (request.method, parts.path, request.body)
    assert asked == dict(parse_qsl(parts.query))


def test_the_token_is_in_a_header_and_the_connection_is_not_kept() -> None:
    for request in (sync().request([NUMBER]), later().request([NUMBER])):
        assert f"Token {TOKEN}" == header(request, "Authorization")
        assert "close" == header(request, "Connection")
        assert "identity" == header(request, "Accept-Encoding")


def test_a_submission_names_number_type_and_where_to_post() -> None:
    request = later("tps").request([NUMBER])
    assert ("POST", f"{URL}/v1/async") == (request.method, request.url)
    asked = {"Lookup": "00447976123456", "Type": "TPS", "PostbackUrl": HOOK}
    assert asked == json.loads(request.body)
    assert "application/json" == header(request, "Content-Type")


def test_a_url_may_end_with_a_slash() -> None:
    account = DatasoapAsync(name="soap", url=f"{URL}/", token=TOKEN, postback_url=HOOK)
    assert f"{URL}/v1/async" == account.request([NUMBER]).url


@pytest.mark.parametrize("numbers", [[], [NUMBER, NUMBER]])
def test_a_request_holds_exactly_one_number(numbers: list[Msisdn]) -> None:
    with pytest.raises(ValueError, match="one number"):
        sync().request(numbers)
    with pytest.raises(ValueError, match="one number"):
        later().request(numbers)
    with pytest.raises(ValueError, match="one number"):
        sync().parse(200, numbers)


def test_no_secret_and_no_number_is_in_a_repr() -> None:
    postback = posted(Lookup="00447976123456")
    shown = repr([sync(), later(), sync().request([NUMBER]), later().request([NUMBER]), postback])
    assert not re.search(f"s3cret|{NUMBER[2:]}|56effe97", shown)


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_hlr_answer_tells_liveness_and_an_mcc_alone_is_no_network(size: int) -> None:
    expected = Answer(NUMBER, Outcome.OK, NumberInfo(live=Live.LIVE))
    assert expected == read(HLR, size=size)


def test_a_phone_that_is_off_is_absent() -> None:
    expected = Answer(NUMBER, Outcome.ABSENT, NumberInfo(live=Live.ABSENT))
    assert expected == result("HLR", {"MCC": "234", "On": False})


@pytest.mark.parametrize(
    "more",
    [
        {"MNC": "15"},
        {"MNC": 15},
        {"MCCMNC": "23415"},
        {"MCCMNC": 23415},
        {"NetworkMCCMNC": "234015"},
        {"NetworkMCC": "234", "NetworkMNC": "15"},
    ],
)
def test_a_network_is_taken_when_an_account_gets_one(more: dict[str, object]) -> None:
    for on, live in ((True, Live.LIVE), (False, Live.ABSENT)):
        said: dict[str, object] = {"MCC": 234, "On": on, "Ported": "yes", **more}
        info = NumberInfo(Mccmnc("23415"), live, ported=True)
        assert Answer(NUMBER, Outcome.OK, info) == result("HLR", said)


def test_an_active_landline_is_live_and_a_landline() -> None:
    info = NumberInfo(live=Live.LIVE, line=Line.LANDLINE)
    assert Answer(NUMBER, Outcome.OK, info) == read(LANDLINE, "landline")


def test_an_inactive_landline_stays_routable() -> None:
    expected = Answer(NUMBER, Outcome.ABSENT, NumberInfo(live=Live.ABSENT))
    assert expected == result("Landline", {"IsActive": "false"})


@pytest.mark.parametrize(
    ("type_", "said", "verdict"),
    [
        ("TPS", {"Listed": True}, "listed"),
        ("TPS", {"OnTPS": "true", "CountryName": "United Kingdom"}, "listed"),
        ("TPS", {"Registered": False}, "clear"),
        ("TPS", True, "listed"),
        ("Unsubscribe", {"Unsubscribed": True}, "listed"),
        ("Unsubscribe", {"Result": False, "Listed": None}, "clear"),
    ],
)
def test_a_screen_says_listed_or_clear(type_: str, said: object, verdict: str) -> None:
    assert Answer(NUMBER, Outcome.OK, verdict=verdict) == result(type_, said)


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        ("TPS", {}),
        ("TPS", {"Listed": "perhaps"}),
        ("TPS", {"Listed": 1}),
        ("TPS", {"Listed": True, "Registered": False}),
        ("TPS", None),
        ("Unsubscribe", {"OnTPS": True}),
        ("HLR", None),
        ("HLR", []),
        ("HLR", {}),
        ("HLR", {"MCC": "234"}),
        ("HLR", {"MCC": "GB", "On": True}),
        ("HLR", {"MCC": True, "On": True}),
        ("HLR", {"MCC": "234", "On": "maybe"}),
        ("HLR", {"MCC": "234", "On": 1}),
        ("HLR", {"MCC": "234", "MCCMNC": "24405", "On": True}),
        ("HLR", {"MNC": "15", "On": True}),
        ("HLR", {"MCCMNC": "EE", "On": True}),
        ("Landline", {"On": True}),
    ],
)
def test_what_is_not_understood_is_malformed_and_never_a_guess(type_: str, said: object) -> None:
    assert Answer(NUMBER, Outcome.MALFORMED) == result(type_, said)


def test_f22_pending_is_no_answer() -> None:
    assert Answer(NUMBER, Outcome.MALFORMED) == read(
        b'{"DataSoapAPIResponse":{"status":"pending"}}'
    )


def test_an_answer_of_another_type_is_not_ours() -> None:
    assert Answer(NUMBER, Outcome.MALFORMED) == read(HLR, "tps")


CODES = [
    (-2, Outcome.TEMPORARY),
    (-3, Outcome.NOT_FOUND),
    (-4, Outcome.UNSUPPORTED),
    (-5, Outcome.UNSUPPORTED),
    (-6, Outcome.UNSUPPORTED),
    (-7, Outcome.UNSUPPORTED),
    (-8, Outcome.NOT_FOUND),
    (-10, Outcome.TEMPORARY),
    (-11, Outcome.TEMPORARY),
    (-12, Outcome.TEMPORARY),
    (-96, Outcome.INVALID_NUMBER),
    (-97, Outcome.TEMPORARY),
    (-42, Outcome.TEMPORARY),  # two rows of the page have lost their codes
]


@pytest.mark.parametrize(("code", "outcome"), CODES)
@pytest.mark.parametrize("form", ['{"ErrorCode":%d}', '{"ErrorCode":"%d"}', "%d"])
def test_f22_an_error_inside_a_success_is_that_error(
    code: int, outcome: Outcome, form: str
) -> None:
    expected = Answer(NUMBER, outcome, code=str(code))
    text = form % code
    assert expected == read(text.encode())
    assert expected == read(b'{"DataSoapAPIResponse":' + text.encode() + b"}")


def test_an_error_code_may_stand_inside_the_result() -> None:
    expected = Answer(NUMBER, Outcome.UNSUPPORTED, code="-7")
    assert expected == result("HLR", {"ErrorCode": -7})


@pytest.mark.parametrize("code", ["5", '"five"', "true", "[-3]", "-1.5", '"-1e9"'])
def test_an_error_code_that_is_none_fails_the_request(code: str) -> None:
    with pytest.raises(ProviderFault) as caught:
        read(f'{{"ErrorCode":{code}}}'.encode())
    assert "malformed" == caught.value.cause


def test_no_error_may_be_written_as_null_or_0() -> None:
    for code in (None, 0, "0"):
        said = {"DataSoapAPIResponse": {"ErrorCode": code, "HLRResult": {"On": True}}}
        assert Outcome.OK == read(json.dumps(said).encode()).outcome


@pytest.mark.parametrize("body", [b"-99", b"-98", b" -99\r\n", b'"-99"', b'{"ErrorCode":"-98"}'])
def test_the_account_s_codes_fail_the_request(body: bytes) -> None:
    for reading in (sync().parse(200, [NUMBER]), later().parse(200, [NUMBER])):
        with pytest.raises(ProviderFault) as caught:
            finish(reading, body, 3)
        assert "account" == caught.value.cause


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b"\xff\xfe{}",
        HLR[:-1],
        b'{"ErrorCode":-96,"errorcode":-3}',
        b"[" * 100_000,
        b"NaN",
    ],
)
def test_what_is_no_json_fails_the_request(body: bytes) -> None:
    for reading in (sync().parse(200, [NUMBER]), later().parse(200, [NUMBER])):
        with pytest.raises(ProviderFault) as caught:
            finish(reading, body, 4096)
        assert "malformed" == caught.value.cause
        assert None is caught.value.__cause__


@pytest.mark.parametrize(
    ("status", "cause"),
    [(401, "account"), (403, "account"), (429, "throttled"), (500, "http"), (302, "http")],
)
def test_a_status_may_fail_the_request(status: int, cause: str) -> None:
    for account in (sync(), later()):
        with pytest.raises(ProviderFault) as caught:
            account.parse(status, [NUMBER])
        assert cause == caught.value.cause


@pytest.mark.parametrize(
    "echo", ["00447976123456", "447976123456", "+44 7976 123456", "07976 123456", 447976123456, ""]
)
def test_an_echo_of_our_number_is_welcome(echo: object) -> None:
    said = {"DataSoapAPIResponse": {"Number": echo, "HLRResult": {"On": True}}}
    assert Outcome.OK == read(json.dumps(said).encode()).outcome


@pytest.mark.parametrize("place", ["outer", "inner"])
def test_an_answer_for_another_number_is_dropped_and_counted(place: str) -> None:
    echo = {"Lookup": "00447976123457"}
    inner = {"On": True} | (echo if place == "inner" else {})
    said = {"HLRResult": inner} | (echo if place == "outer" else {})
    reading = sync().parse(200, [NUMBER])
    answers = finish(reading, json.dumps({"DataSoapAPIResponse": said}).encode(), 10)
    assert [Answer(NUMBER, Outcome.TEMPORARY)] == answers
    assert 1 == reading.strangers


def receipt(body: bytes) -> Answer:
    (answer,) = finish(later().parse(200, [NUMBER]), body, 5)
    return answer


def test_a_receipt_names_the_job() -> None:
    expected = Answer(NUMBER, Outcome.TEMPORARY, job=JOB)
    assert expected == receipt(f'{{"Job":"{JOB}"}}'.encode())
    assert expected == receipt(f'{{"Job":"{JOB.upper()}"}}'.encode())


def test_a_receipt_may_be_a_refusal_of_the_number() -> None:
    expected = Answer(NUMBER, Outcome.INVALID_NUMBER, code="-96")
    assert expected == receipt(b'{"ErrorCode":-96,"ErrorMessage":"InvalidNumber"}')


@pytest.mark.parametrize(
    "body", [b"{}", b'{"Job":""}', b'{"Job":18930}', b'{"Job":"a b"}', b"null"]
)
def test_a_receipt_without_a_job_fails_the_request(body: bytes) -> None:
    with pytest.raises(ProviderFault) as caught:
        receipt(body)
    assert "malformed" == caught.value.cause


def test_a_postback_is_read_for_our_number() -> None:
    postback = posted(Type="HLR", Lookup="00447976123456", Result={"MCC": "234", "On": True})
    assert (JOB, "hlr") == (postback.job, postback.type)
    expected = Answer(NUMBER, Outcome.OK, NumberInfo(live=Live.LIVE))
    assert expected == later().settle(postback, NUMBER)


def test_a_screen_s_postback_says_its_verdict() -> None:
    expected = Answer(NUMBER, Outcome.OK, verdict="clear")
    assert expected == later("tps").settle(posted(Type="TPS", Result={"Listed": False}), NUMBER)


def test_an_error_on_the_postback_is_the_number_s() -> None:
    postback = posted(Type="HLR", ErrorCode=-12, ErrorMessage="-")
    assert Answer(NUMBER, Outcome.TEMPORARY, code="-12") == later().settle(postback, NUMBER)
    inside = posted(Result={"ErrorCode": "-3"})
    assert Answer(NUMBER, Outcome.NOT_FOUND, code="-3") == later().settle(inside, NUMBER)


def test_no_credit_on_the_postback_is_an_answer_about_the_account() -> None:
    expected = Answer(NUMBER, Outcome.ACCOUNT, code="-98")
    assert expected == later().settle(posted(ErrorCode=-98), NUMBER)


def test_a_postback_about_another_number_or_type_is_no_answer() -> None:
    assert None is later().settle(posted(Lookup="00447976123457", Result={"On": True}), NUMBER)
    assert None is later().settle(posted(Type="TPS", Result={"Listed": True}), NUMBER)


def test_a_postback_that_is_not_understood_is_malformed() -> None:
    expected = Answer(NUMBER, Outcome.MALFORMED)
    assert expected == later().settle(posted(Result={"status": "pending"}), NUMBER)
    assert expected == later().settle(posted(), NUMBER)
    assert expected == later().settle(posted(ErrorCode=7), NUMBER)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"-99",
        b'{"Job":1}',
        b'{"Job":"' + b"a" * 65 + b'"}',
        b'{"Job":"56effe97-8f3a","Type":5}',
        b'{"Job":"56effe97-8f3a","job":"56effe97-8f3b"}',
    ],
)
def test_what_names_no_job_is_no_postback(body: bytes) -> None:
    assert None is read_postback(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ErrorCode", "HLRResult", "On", "MCC", "MNC", "Job", "Lookup", "Result", "Type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_one_answer_about_our_number_or_a_fault(said: object) -> None:
    body = json.dumps({"DataSoapAPIResponse": said}).encode()
    for reading in (sync().parse(200, [NUMBER]), later().parse(200, [NUMBER])):
        try:
            (answer,) = finish(reading, body, 1 << 20)
        except ProviderFault as fault:
            assert fault.cause in {"account", "malformed"}
        else:
            assert NUMBER == answer.number
    postback = read_postback(json.dumps({"Job": JOB, "Result": said}).encode())
    assert postback is not None
    settled = later().settle(postback, NUMBER)
    assert settled is None or NUMBER == settled.number
