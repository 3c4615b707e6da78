"""LANCK against the vendor's page: its samples, its error list, both spellings of fraud."""

import base64
import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.lanck import LanckFraud, LanckHlr
from agi.model import Fraud, Live, Mccmnc, Msisdn, NumberInfo, Outcome, Product

NORWAY = Msisdn("47463562200")
URL = "https://api.example/v1"
# The sample of the vendor's page, "HLR Lookup".
SAMPLE: dict[str, object] = {
    "id": "A82f588e12b54ba1b6bd9a5969d51522",
    "product": "insight.hlr",
    "number": "+47463562200",
    "mccmnc": "242005",
    "network": "Mobile Norway",
    "country": "NO",
    "status": "DELIVERED",
    "createdAt": 1550975149131,
}
NETWORK_05 = Mccmnc("24205")


def hlr(method: str = "POST") -> LanckHlr:
    return LanckHlr(name="lanck", url=URL, username="left", password="r:ight", method=method)


def fraud() -> LanckFraud:
    return LanckFraud(name="lanck", url=URL + "/", username="left", password="r:ight")


def read(body: bytes, status: int = 200, provider: Provider | None = None) -> Answer:
    """Read a whole body about NORWAY."""
    reading = (provider or hlr()).parse(status, [NORWAY])
    assert [] == reading.feed(body)
    (answer,) = reading.close()
    return answer


def one(**changed: object) -> Answer:
    """Read the vendor's sample with some keys changed; None leaves a key out."""
    said = {key: value for key, value in (SAMPLE | changed).items() if value is not None}
    return read(json.dumps(said).encode())


def verdict(**said: object) -> Answer:
    return read(json.dumps(said).encode(), provider=fraud())


def failure(body: bytes, status: int = 200) -> tuple[str, str]:
    with pytest.raises(ProviderFault) as caught:
        read(body, status)
    return caught.value.cause, caught.value.detail


def test_one_account_is_two_providers() -> None:
    lookup: Provider = hlr()
    screen: Provider = fraud()
    assert ("lanck", "lanck", 1) == (lookup.name, lookup.kind, lookup.batch_size)
    assert (Product.NETWORK, Product.FRAUD) == (lookup.product, screen.product)


@pytest.mark.parametrize(
    "terms",
    [
        {"method": "PUT"},
        {"url": "ftp://api.example"},
        {"url": "https://"},
        {"url": "http://x:0/"},
        {"username": "a:b"},
    ],
)
def test_impossible_terms_are_refused(terms: dict[str, str]) -> None:
    known = {"name": "lanck", "url": URL, "username": "left", "password": "right"}
    for kind in (LanckHlr, LanckFraud):
        with pytest.raises(ValueError, match=r"method|url|username"):
            kind(**(known | terms))


@pytest.mark.parametrize("numbers", [[], [NORWAY, Msisdn("4746356220")]])
def test_a_request_holds_exactly_one_number(numbers: list[Msisdn]) -> None:
    for provider in (hlr(), fraud()):
        with pytest.raises(ValueError, match="unpack"):
            provider.request(numbers)


def test_a_lookup_is_a_form_whose_plus_is_escaped() -> None:
    request = hlr().request([NORWAY])
    assert ("POST", f"{URL}/insight/hlr") == (request.method, request.url)
    assert b"number=%2B47463562200" == request.body
    headers = dict(request.headers)
    assert b"left:r:ight" == base64.b64decode(headers["Authorization"].removeprefix("Basic "))
    assert "application/x-www-form-urlencoded" == headers["Content-Type"]
    assert "identity" == headers["Accept-Encoding"]
    assert "Connection" not in headers


def test_a_lookup_by_get_has_its_number_in_the_query() -> None:
    request = hlr("GET").request([NORWAY])
    assert ("GET", b"") == (request.method, request.body)
    parts = urlsplit(request.url)
    assert ("/v1/insight/hlr", [("number", "+47463562200")]) == (parts.path, parse_qsl(parts.query))
    assert "number=%2B47463562200" == parts.query


def test_a8_a_fraud_check_shares_its_connection_with_nothing() -> None:
    request = fraud().request([NORWAY])
    assert f"{URL}/insight/fraudcheck" == request.url
    assert "close" == dict(request.headers)["Connection"]


def test_the_vendors_sample_loses_its_padding() -> None:
    assert Answer(NORWAY, Outcome.OK, NumberInfo(NETWORK_05, Live.LIVE)) == one()


@pytest.mark.parametrize("name", ["47463562200", 47463562200])
def test_the_number_may_come_without_its_plus(name: object) -> None:
    assert Outcome.OK is one(number=name).outcome


@pytest.mark.parametrize("ported", [True, False])
def test_the_clients_ported_is_read(ported: bool) -> None:
    assert Answer(NORWAY, Outcome.OK, NumberInfo(NETWORK_05, Live.LIVE, ported)) == one(
        ported=ported
    )


def test_an_imsi_never_leaves_the_parser() -> None:
    answer = one(imsi="242051234567890", roaming=False)
    assert not re.search("24205123", repr(answer) + repr(answer.info))


@pytest.mark.parametrize(
    ("status", "mccmnc", "expected"),
    [
        (
            "UNDELIVERED",
            "242005",
            Answer(NORWAY, Outcome.OK, NumberInfo(NETWORK_05, Live.ABSENT)),
        ),
        ("UNDELIVERED", None, Answer(NORWAY, Outcome.NOT_FOUND, code="undelivered")),
        ("UNDELIVERED", "", Answer(NORWAY, Outcome.NOT_FOUND, code="undelivered")),
        ("DELIVERED", None, Answer(NORWAY, Outcome.OK, NumberInfo(live=Live.LIVE))),
        ("REJECTED", None, Answer(NORWAY, Outcome.UNSUPPORTED, code="rejected", units=0)),
        ("REJECTED", "242005", Answer(NORWAY, Outcome.UNSUPPORTED, code="rejected", units=0)),
        ("DELIVERED", "242", Answer(NORWAY, Outcome.MALFORMED)),
        ("DELIVERED", "gw&Local/1@ctx", Answer(NORWAY, Outcome.MALFORMED)),
    ],
)
def test_each_status_has_its_outcome_with_a_network_and_without(
    status: str, mccmnc: str | None, expected: Answer
) -> None:
    assert expected == one(status=status, mccmnc=mccmnc)


@pytest.mark.parametrize("status", ["pending", "PENDING", "SENT", "delivered", "", None])
def test_f22_any_other_status_is_not_an_answer(status: str | None) -> None:
    assert Answer(NORWAY, Outcome.TEMPORARY) == one(status=status)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (1, "account"),
        (2, "account"),
        (4, "throttled"),
        (5, "account"),
        (6, "account"),
        (10, "bad_request"),
        (16, "http"),
        (99, "http"),
        (404, "http"),
        ("1", "account"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 404])
def test_f22_an_error_in_the_body_fails_the_request_whatever_the_status(
    code: object, cause: str, status: int
) -> None:
    body = SAMPLE | {"errorCode": code, "errorReason": "for 47463562200"}
    assert cause == failure(json.dumps(body).encode(), status)[0]


def test_the_text_of_an_error_code_reaches_the_fault_only_if_it_is_a_number() -> None:
    assert ("http", "an unlisted error") == failure(b'{"errorCode":"for 47463562200"}')
    assert ("http", "error 21") == failure(b'{"errorCode":21}', 400)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("provider", [hlr(), fraud()])
def test_a_number_that_is_not_e164_is_invalid(status: int, provider: Provider) -> None:
    body = b'{"errorCode":11,"errorReason":"Invalid number"}'
    expected = Answer(NORWAY, Outcome.INVALID_NUMBER, code="11")
    assert expected == read(body, status, provider)


@pytest.mark.parametrize("zero", [0, "0", ""])
def test_error_code_0_is_none(zero: object) -> None:
    assert Outcome.OK is one(errorCode=zero).outcome


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (199, "http"),
        (302, "http"),
        (401, "account"),
        (402, "account"),
        (403, "account"),
        (429, "throttled"),
        (500, "http"),
    ],
)
def test_f20_a_status_may_fail_the_request_before_its_body(status: int, cause: str) -> None:
    for provider in (hlr(), fraud()):
        with pytest.raises(ProviderFault) as caught:
            provider.parse(status, [NORWAY])
        assert (cause, str(status)) == (caught.value.cause, caught.value.detail)


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", json.dumps(SAMPLE).encode()])
def test_a_client_error_without_a_code_is_the_statuss_failure(body: bytes) -> None:
    assert ("http", "400") == failure(body, 400)


@pytest.mark.parametrize("name", ["+47463562201", "0047463562200", "x", "+1", ""])
def test_a8_an_answer_for_another_number_is_dropped_and_counted(name: str) -> None:
    for provider, said in ((hlr(), SAMPLE), (fraud(), {"status": "PASSED"})):
        reading = provider.parse(200, [NORWAY])
        reading.feed(json.dumps(said | {"number": name}).encode())
        assert [Answer(NORWAY, Outcome.TEMPORARY)] == reading.close()
        assert 1 == reading.strangers


def test_a8_a_lookup_that_names_no_number_is_malformed() -> None:
    nameless = {key: value for key, value in SAMPLE.items() if key != "number"}
    assert "malformed" == failure(json.dumps(nameless).encode())[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("PASSED", Fraud.PASSED),
        ("NOT_MOBILE_PREFIX", Fraud.NOT_MOBILE),
        ("SUSPICIOUS", Fraud.SUSPICIOUS),
        ("FRAUDULENT", Fraud.FRAUDULENT),
        ("FRAUDLENT", Fraud.FRAUDULENT),
    ],
)
@pytest.mark.parametrize("number", [None, "+47463562200"])
def test_each_status_of_a_fraud_check_is_a_verdict(
    status: str, said: Fraud, number: str | None
) -> None:
    answer = verdict(status=status, mobilePrefix=False, number=number)
    assert Answer(NORWAY, Outcome.OK, verdict=said) == answer


@pytest.mark.parametrize("status", ["PENDING", "passed", "", None, "PASSED "])
def test_f22_any_other_word_is_no_verdict(status: str | None) -> None:
    assert Answer(NORWAY, Outcome.TEMPORARY) == verdict(status=status, mobilePrefix=True)


@pytest.mark.parametrize("body", [b'{"status":1}', b'{"number":[1]}', b'{"ported":"yes"}', b"[]"])
def test_f16_values_of_another_type_are_malformed(body: bytes) -> None:
    assert "malformed" == failure(body)[0]
