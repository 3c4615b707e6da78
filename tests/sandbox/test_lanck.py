"""LANCK's API against its own page: samples, statuses, errors, the limit."""

import base64
from typing import Any

import pytest

from agi.model import Fraud, Line, Live
from agi.sandbox.exchange import Api
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.lanck import padded
from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import Subscriber
from tests.sandbox.raw import Raw, Seen, play_with

# The number, the network and the time of the vendor's own HLR sample.
NORWAY = "47463562200"
NUMBERS = {
    NORWAY: Subscriber(NORWAY, "24205"),
    "447700900001": Subscriber("447700900001", "23415", live=Live.ABSENT),
    "447700900002": Subscriber("447700900002", error="ERR13"),
    "447700900003": Subscriber("447700900003", error="ERR36"),
    "447700900004": Subscriber("447700900004", "23415", ported_from="23410"),
    "447700900005": Subscriber("447700900005", "23415", fraud=Fraud.FRAUDULENT),
    "447700900006": Subscriber("447700900006", "23415", fraud=Fraud.FRAUDULENT),
    "447700900007": Subscriber("447700900007", "23415", fraud=Fraud.SUSPICIOUS),
    "447700900008": Subscriber("447700900008", "23415", live=Live.DEAD),
    "442079460000": Subscriber("442079460000", "23400", line=Line.LANDLINE),
}
HLR, FRAUD = "/v1/insight/hlr", "/v1/insight/fraudcheck"
BASIC = "Basic " + base64.b64encode(b"demo:demo").decode()


async def ask(raw: Raw, number: str, path: str = HLR, who: str = BASIC) -> Seen:
    return await raw.ask("POST", path, f"number=%2B{number}", Authorization=who)


def played(scene: Any, **terms: Any) -> None:
    play_with(NUMBERS, scene, **terms)


def test_the_vendors_hlr_sample_is_answered_as_it_stands_there() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        said = (await ask(raw, NORWAY)).json
        assert said.pop("id").startswith("A")
        assert said == {
            "product": "insight.hlr",
            "number": "+47463562200",
            "mccmnc": "242005",
            "network": "Mobile Norway",
            "country": "NO",
            "status": "DELIVERED",
            "createdAt": 1550975149131,
        }

    played(scene, wall=lambda: 1550975149.131)


@pytest.mark.parametrize("form", ["form", "json", "query"])
def test_a_number_is_read_from_a_form_json_or_a_query(form: str) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        if form == "query":
            seen = await raw.ask("GET", f"{HLR}?number=%2B{NORWAY}", Authorization=BASIC)
        else:
            body = {"number": f"+{NORWAY}"} if form == "json" else f"number=%2B{NORWAY}"
            seen = await raw.ask("POST", HLR, body, Authorization=BASIC)
        assert "242005" == seen.json["mccmnc"]

    played(scene)


@pytest.mark.parametrize(
    ("number", "status", "network"),
    [
        (NORWAY, "DELIVERED", "242005"),
        ("447700900001", "UNDELIVERED", "234015"),
        ("447700900002", "REJECTED", None),
        ("447700900008", "UNDELIVERED", None),
        ("447700900099", "UNDELIVERED", None),
    ],
)
def test_a_status_says_how_far_the_lookup_came(
    number: str, status: str, network: str | None
) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        said = (await ask(raw, number)).json
        assert (status, network) == (said["status"], said.get("mccmnc"))

    played(scene)


def test_a_ported_number_says_so() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert (await ask(raw, "447700900004")).json["ported"] is True

    played(scene)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (NORWAY, {"status": "PASSED", "mobilePrefix": True}),
        ("447700900005", {"status": "FRAUDLENT", "mobilePrefix": True}),
        ("447700900006", {"status": "FRAUDULENT", "mobilePrefix": True}),
        ("447700900007", {"status": "SUSPICIOUS", "mobilePrefix": True}),
        ("442079460000", {"status": "NOT_MOBILE_PREFIX", "mobilePrefix": False}),
    ],
)
def test_a_fraud_check_has_the_vendors_words_both_spellings_included(
    number: str, said: dict[str, Any]
) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert said == (await ask(raw, number, FRAUD)).json

    played(scene)


@pytest.mark.parametrize(
    ("number", "who", "terms", "status", "code"),
    [
        (NORWAY, "", {}, 401, 1),
        (NORWAY, "Basic !!!", {}, 401, 1),
        (NORWAY, "Bearer x", {}, 401, 1),
        (NORWAY, "Basic /////w==", {}, 401, 1),
        (NORWAY, BASIC, {"locked": True}, 400, 2),
        (NORWAY, BASIC, {"credits_left": 0}, 403, 6),
        ("12", BASIC, {}, 400, 11),
        ("447700900003", BASIC, {}, 500, 99),
    ],
)
def test_an_error_has_its_number_and_its_status(
    number: str, who: str, terms: dict[str, Any], status: int, code: int
) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        seen = await ask(raw, number, who=who)
        assert (status, code) == (seen.status, seen.json["errorCode"])
        assert 1 == sandbox.books.apis[Api.LANCK].failed

    played(scene, **terms)


def test_a_request_without_a_number_is_malformed() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        for body in ("", {"number": 47463562200}, {"x": 1}):
            seen = await raw.ask("POST", HLR, body, Authorization=BASIC)
            assert (400, 10) == (seen.status, seen.json["errorCode"])

    played(scene)


def test_the_thirty_first_request_of_a_second_is_one_too_many() -> None:
    now = [100.0]

    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        statuses = [(await ask(raw, NORWAY)).status for _ in range(31)]
        assert [*[200] * 30, 429] == statuses
        seen = await ask(raw, NORWAY, FRAUD)
        assert (429, 4) == (seen.status, seen.json["errorCode"])
        now[0] += 1.001
        assert 200 == (await ask(raw, NORWAY)).status

    played(scene, clock=lambda: now[0])


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (Trouble.FAIL_PASSWORD, 401, 1),
        (Trouble.LOCKED, 400, 2),
        (Trouble.FAIL_CREDIT, 403, 6),
        (Trouble.ERROR_INSIDE, 200, 99),
    ],
)
def test_a_refusal_comes_to_order(trouble: Trouble, status: int, code: int) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(trouble))
        seen = await ask(raw, NORWAY)
        assert (status, code) == (seen.status, seen.json["errorCode"])

    played(scene)


def test_an_answer_may_be_about_another_number_pending_or_of_another_network() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(Trouble.WRONG_NUMBER))
        assert "+47463562201" == (await ask(raw, NORWAY)).json["number"]
        sandbox.desk.order_all(Order(Trouble.PENDING))
        said = (await ask(raw, NORWAY)).json
        assert ("PENDING", None) == (said["status"], said.get("mccmnc"))
        assert "PENDING" == (await ask(raw, NORWAY, FRAUD)).json["status"]
        sandbox.desk.order_all(Order(Trouble.NETWORK, word="26201"))
        assert "262001" == (await ask(raw, NORWAY)).json["mccmnc"]
        sandbox.desk.order_all(Order(Trouble.MISSING_LINE))
        assert {} == (await ask(raw, NORWAY)).json

    played(scene)


def test_a_network_of_six_digits_is_not_padded() -> None:
    assert ["242005", "310260"] == [padded("24205"), padded("310260")]
