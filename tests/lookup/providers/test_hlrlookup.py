"""hlrlookup.com against the vendor's pages: its sample, its words, and which network counts."""

import json
from collections.abc import Sequence

import pytest

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.hlrlookup import HlrLookup
from agi.model import Line, Live, Mccmnc, Msisdn, NumberInfo, Outcome, Product

ONE = Msisdn("447790606023")
TWO = Msisdn("447788450450")
# The sample of the vendor's page "example-request-and-responses".
SAMPLE: dict[str, object] = {
    "error": "NONE",
    "uuid": "f066f711-4043-4d54-8efc-1111",
    "request_parameters": {
        "telephone_number": "447790606023",
        "save_to_cache": "NO",
        "cache_days_global": 0,
        "cache_days_private": 0,
    },
    "credits_spent": 1,
    "detected_telephone_number": "447790606023",
    "formatted_telephone_number": "",
    "live_status": "LIVE",
    "original_network": "AVAILABLE",
    "original_network_details": {
        "name": "EE Limited (Orange)",
        "mccmnc": "23433",
        "country_name": "United Kingdom",
        "country_iso3": "GBR",
        "area": "United Kingdom",
        "country_prefix": "44",
    },
    "current_network": "AVAILABLE",
    "current_network_details": {
        "name": "Virgin Mobile",
        "mccmnc": "23438",
        "country_name": "United Kingdom",
        "country_iso3": "GBR",
        "country_prefix": "44",
    },
    "is_ported": "YES",
    "timestamp": "2022-09-08T10:56:03Z",
    "telephone_number_type": "MOBILE",
    "sms_email": "",
    "mms_email": "",
}
VIRGIN = NumberInfo(Mccmnc("23438"), Live.LIVE, True, Line.MOBILE)
SAID = Answer(ONE, Outcome.OK, VIRGIN, units=1.0)
UNKNOWN = {"current_network": "NOT_AVAILABLE", "original_network": "NOT_AVAILABLE"}


def account(**terms: object) -> HlrLookup:
    known: dict[str, object] = {
        "name": "hlr",
        "url": "https://api.example/apiv2",
        "username": "key",
        "password": "s3cret",
    }
    return HlrLookup(**(known | terms))  # type: ignore[arg-type] # a test's shorthand


def read(
    said: object, numbers: Sequence[Msisdn] = (ONE,), lookup: str = "hlr"
) -> tuple[list[Answer], int]:
    """Read a whole body; return the answers and the strangers."""
    reading = account(lookup=lookup).parse(200, numbers)
    assert [] == reading.feed(json.dumps(said).encode())
    return reading.close(), reading.strangers


def result(**changed: object) -> dict[str, object]:
    """Return the vendor's sample with some keys changed; None leaves a key out."""
    return {key: value for key, value in (SAMPLE | changed).items() if value is not None}


def one(lookup: str = "hlr", **changed: object) -> Answer:
    (answer,), strangers = read({"results": [result(**changed)]}, lookup=lookup)
    assert 0 == strangers
    return answer


def failure(said: object) -> str:
    with pytest.raises(ProviderFault) as caught:
        read(said)
    assert ONE not in str(caught.value)
    return caught.value.cause


def asked(number: str) -> dict[str, object]:
    return {"telephone_number": number}


def test_the_account_is_a_provider() -> None:
    provider: Provider = account()
    assert ("hlr", "hlrlookup", 80) == (provider.name, provider.kind, provider.batch_size)
    assert Product.NETWORK is provider.product
    assert 5 == account(batch_size=5).batch_size


@pytest.mark.parametrize(
    "terms",
    [{"lookup": "validate"}, {"batch_size": 81}, {"batch_size": -1}, {"url": "api.example"}],
)
def test_impossible_terms_are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"lookup|batch_size|url"):
        account(**terms)


@pytest.mark.parametrize("numbers", [[], [ONE] * 81])
def test_a_request_of_no_number_or_too_many_is_refused(numbers: list[Msisdn]) -> None:
    with pytest.raises(ValueError, match="1 to 80"):
        account().request(numbers)


@pytest.mark.parametrize(("lookup", "path"), [("mnp", "/apiv2/mnp"), ("hlr", "/apiv2/hlr")])
def test_the_request_keeps_the_numbers_out_of_the_vendors_cache(lookup: str, path: str) -> None:
    request = account(lookup=lookup).request([ONE, TWO])
    assert ("POST", f"https://api.example{path}") == (request.method, request.url)
    assert {
        "api_key": "key",
        "api_secret": "s3cret",
        "requests": [
            {"telephone_number": "447790606023", "save_to_cache": "NO"},
            {"telephone_number": "447788450450", "save_to_cache": "NO"},
        ],
    } == json.loads(request.body)
    headers = dict(request.headers)
    assert ("application/json", "identity") == (headers["Content-Type"], headers["Accept-Encoding"])


@pytest.mark.parametrize(
    "body",
    [
        {"results": [SAMPLE]},
        {"body": {"results": [SAMPLE]}},
        {"body": {"results": [SAMPLE], "error": None}, "error": "NONE"},
    ],
)
def test_the_vendors_sample_is_read_wrapped_or_not(body: object) -> None:
    assert ([SAID], 0) == read(body)


def test_a8_results_are_told_apart_by_their_number_in_any_order() -> None:
    body = {"results": [result(request_parameters=asked("+447788450450")), SAMPLE]}
    expected = [Answer(TWO, Outcome.OK, VIRGIN, units=1.0), SAID]
    assert (expected, 0) == read(body, (ONE, TWO))


@pytest.mark.parametrize("name", ["447000000001", "0044 7790", ""])
def test_a8_a_result_for_another_number_is_dropped_and_counted(name: str) -> None:
    body = {"results": [result(request_parameters=asked(name)), SAMPLE]}
    silent = Answer(TWO, Outcome.TEMPORARY, units=1.0)
    assert ([SAID, silent], 1) == read(body, (ONE, TWO))


@pytest.mark.parametrize("parameters", [None, {}, asked("")])
def test_a8_the_only_result_that_names_no_number_is_malformed(parameters: object) -> None:
    assert "malformed" == failure({"results": [result(request_parameters=parameters)]})


def test_of_two_results_for_one_number_the_first_stands() -> None:
    assert ([SAID], 0) == read({"results": [SAMPLE, result(live_status="DEAD")]})


def test_a_number_without_a_result_is_temporary() -> None:
    assert ([Answer(ONE, Outcome.TEMPORARY, units=0.5)], 0) == read({"results": []}, lookup="mnp")


@pytest.mark.parametrize(
    ("current", "original", "ported", "network"),
    [
        ("AVAILABLE", "AVAILABLE", "YES", "23438"),
        ("AVAILABLE", "NOT_AVAILABLE", "UNKNOWN", "23438"),
        ("NOT_AVAILABLE", "AVAILABLE", "NO", "23433"),
        (None, "AVAILABLE", "NO", "23433"),
        ("NOT_AVAILABLE", "AVAILABLE", "YES", None),
        ("NOT_AVAILABLE", "AVAILABLE", "UNKNOWN", None),
        ("NOT_AVAILABLE", "AVAILABLE", None, None),
        ("NOT_AVAILABLE", "NOT_AVAILABLE", "NO", None),
        ("PENDING", "AVAILABLE", "UNKNOWN", None),
    ],
)
def test_the_original_network_counts_only_for_a_number_known_not_to_be_ported(
    current: str | None, original: str, ported: str | None, network: str | None
) -> None:
    answer = one(current_network=current, original_network=original, is_ported=ported)
    assert answer.info is not None
    assert network == answer.info.mccmnc


def test_a_current_network_without_a_code_is_not_the_original_one() -> None:
    info = one(current_network_details={"name": "x"}, is_ported="NO").info
    assert NumberInfo(None, Live.LIVE, False, Line.MOBILE) == info


@pytest.mark.parametrize(
    "code", ["US866", "gw&Local/1@ctx", "234", "\u0662\u0663\u0664\u0663\u0668"]
)
def test_a6_a_network_that_is_none_is_malformed_for_its_number(code: str) -> None:
    answer = one(current_network_details={"mccmnc": code})
    assert Answer(ONE, Outcome.MALFORMED, units=1.0) == answer


@pytest.mark.parametrize(("said", "ported"), [("YES", True), ("NO", False), ("UNKNOWN", None)])
def test_ported_is_one_of_three(said: str, ported: bool | None) -> None:
    info = one(is_ported=said).info
    assert info is not None
    assert ported is info.ported


@pytest.mark.parametrize(
    ("status", "live"),
    [
        ("LIVE", Live.LIVE),
        ("DEAD", Live.DEAD),
        ("ABSENT_SUBSCRIBER", Live.ABSENT),
        ("NO_TELESERVICE_PROVISIONED", None),
        ("NOT_AVAILABLE_NETWORK_ONLY", None),
        ("INCONCLUSIVE", None),
        ("PENDING", None),
        (None, None),
    ],
)
def test_with_a_network_every_liveness_is_routable(status: str | None, live: Live | None) -> None:
    answer = one(live_status=status)
    assert Outcome.OK is answer.outcome
    assert NumberInfo(Mccmnc("23438"), live, True, Line.MOBILE) == answer.info


@pytest.mark.parametrize(
    ("status", "outcome", "live", "code"),
    [
        ("LIVE", Outcome.OK, Live.LIVE, ""),
        ("DEAD", Outcome.NOT_FOUND, Live.DEAD, "dead"),
        ("ABSENT_SUBSCRIBER", Outcome.ABSENT, Live.ABSENT, "absent_subscriber"),
        ("NO_COVERAGE", Outcome.UNSUPPORTED, None, "no_coverage"),
        ("NOT_AVAILABLE_NETWORK_ONLY", Outcome.UNSUPPORTED, None, "network_only"),
        ("NOT_AVAIALBLE_NETWORK_ONLY", Outcome.UNSUPPORTED, None, "network_only"),
        ("NO_TELESERVICE_PROVISIONED", Outcome.UNSUPPORTED, None, "no_teleservice"),
        ("INCONCLUSIVE", Outcome.UNSUPPORTED, None, "inconclusive"),
        ("NOT_APPLICABLE", Outcome.UNSUPPORTED, None, "not_applicable"),
    ],
)
def test_without_a_network_the_liveness_is_the_answer(
    status: str, outcome: Outcome, live: Live | None, code: str
) -> None:
    answer = one(live_status=status, **UNKNOWN)
    assert (outcome, code) == (answer.outcome, answer.code)
    assert live is (answer.info.live if answer.info else None)


@pytest.mark.parametrize("status", ["PENDING", "live", ""])
def test_f22_a_status_that_is_no_answer_is_temporary(status: str) -> None:
    answer = one(live_status=status, current_network=None, original_network=None)
    assert Answer(ONE, Outcome.TEMPORARY, units=1.0) == answer


def test_portability_that_knows_nothing_says_so_without_liveness() -> None:
    expected = Answer(ONE, Outcome.UNSUPPORTED, code="not_available", units=0.5)
    assert expected == one("mnp", live_status=None, credits_spent=None, **UNKNOWN)


def test_a_bad_number_is_invalid_and_free() -> None:
    answer = one(telephone_number_type="BAD_FORMAT", credits_spent=0, live_status="DEAD", **UNKNOWN)
    assert Answer(ONE, Outcome.INVALID_NUMBER, code="bad_format", units=0.0) == answer


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("MOBILE", Line.MOBILE),
        ("LANDLINE", Line.LANDLINE),
        ("MOBILE_OR_LANDLINE", Line.MOBILE_OR_LANDLINE),
        ("VOIP", Line.VOIP),
        ("UNKNOWN", None),
        (None, None),
    ],
)
def test_the_kind_of_number_is_the_line(kind: str | None, line: Line | None) -> None:
    info = one(telephone_number_type=kind).info
    assert info is not None
    assert line is info.line


@pytest.mark.parametrize(
    ("said", "units"), [(0, 0.0), (0.5, 0.5), (2, 2.0), ("0.25", 0.25), (100, 100.0)]
)
def test_the_credits_spent_are_the_units(said: object, units: float) -> None:
    assert units == one(credits_spent=said).units


@pytest.mark.parametrize(("lookup", "units"), [("mnp", 0.5), ("hlr", 1.0)])
def test_credits_that_are_not_said_are_the_vendors_price(lookup: str, units: float) -> None:
    assert units == one(lookup, credits_spent=None).units


@pytest.mark.parametrize("said", [-1, 101, 1e-7, "", "1e3", "many", "NaN", 10**30])
def test_credits_that_cannot_be_are_malformed_for_their_number(said: object) -> None:
    assert Answer(ONE, Outcome.MALFORMED, units=1.0) == one(credits_spent=said)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("INTERNAL_ERROR", "internal_error"),
        ("SOMETHING_NEW", "something_new"),
        ("about 447790606023", ""),
        ("X" * 25, ""),
    ],
)
def test_f22_an_error_of_one_number_is_temporary(error: str, code: str) -> None:
    assert Answer(ONE, Outcome.TEMPORARY, code=code, units=1.0) == one(error=error)


@pytest.mark.parametrize("error", [None, "", "NONE"])
def test_no_error_is_written_in_three_ways(error: str | None) -> None:
    assert SAID == one(error=error)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"results": [SAMPLE, result(error="INSUFFICIENT_CREDIT")]}, "account"),
        ({"error": "INSUFFICIENT_CREDIT"}, "account"),
        ({"error": "UNAUTHORIZED", "results": [SAMPLE]}, "account"),
        ({"body": {"error": "UNAUTHORIZED"}}, "account"),
        ({"error": "BAD_REQUEST", "message": "447790606023"}, "bad_request"),
        ({"error": "TOO_MANY_REQUESTS"}, "throttled"),
        ({"error": "for 447790606023"}, "http"),
        ({"status": "pending"}, "malformed"),
        ({}, "malformed"),
        ({"results": {}}, "malformed"),
        ({"results": [[]]}, "malformed"),
        ({"results": [result(credits_spent=True)]}, "malformed"),
        ([SAMPLE], "malformed"),
    ],
)
def test_f22_an_error_in_the_body_fails_the_request(body: object, cause: str) -> None:
    assert cause == failure(body)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (199, "http"),
        (302, "http"),
        (400, "bad_request"),
        (401, "account"),
        (402, "account"),
        (403, "account"),
        (404, "bad_request"),
        (429, "throttled"),
        (500, "http"),
    ],
)
def test_f20_a_status_that_is_not_2xx_fails_the_request(status: int, cause: str) -> None:
    with pytest.raises(ProviderFault) as caught:
        account().parse(status, [ONE])
    assert (cause, str(status)) == (caught.value.cause, caught.value.detail)
