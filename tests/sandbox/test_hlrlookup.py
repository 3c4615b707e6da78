"""hlrlookup's API v2 against its own pages: the sample, the statuses, prices, refusals."""

from typing import Any

import pytest

from agi.model import Line, Live
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.providers import Sandbox, Vendors
from agi.sandbox.subscribers import Subscriber
from tests.sandbox.raw import Raw, Seen, play_with

# The number and the networks of the vendor's own sample: an Orange range, ported to Virgin.
SAMPLE = "447790606023"
NUMBERS = {
    SAMPLE: Subscriber(SAMPLE, "23438", ported_from="23433"),
    "447700900001": Subscriber("447700900001", "23415", live=Live.ABSENT),
    "447700900002": Subscriber("447700900002", "23415", live=Live.DEAD),
    "447700900011": Subscriber("447700900011", error="ERR11"),
    "447700900021": Subscriber("447700900021", error="ERR21"),
    "447700900036": Subscriber("447700900036", error="ERR36"),
    "442079460000": Subscriber("442079460000", "23400", line=Line.LANDLINE),
}


async def ask(
    raw: Raw, *numbers: str, path: str = "hlr", key: str = "demo", **options: Any
) -> Seen:
    requests = [{"telephone_number": number} | options for number in numbers]
    body = {"api_key": key, "api_secret": "demo", "requests": requests}
    return await raw.ask("POST", f"/apiv2/{path}", body)


def played(scene: Any, **terms: Any) -> None:
    play_with(NUMBERS, scene, **terms)


def test_the_vendors_sample_is_answered_as_it_stands_there() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        (row,) = (await ask(raw, SAMPLE, save_to_cache="NO")).json["results"]
        assert 36 == len(row.pop("uuid"))
        assert row == {
            "error": "NONE",
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

    played(scene, wall=lambda: 1662634563.0)


@pytest.mark.parametrize(
    ("number", "path", "live", "network", "ported", "credits_"),
    [
        (SAMPLE, "hlr", "LIVE", "AVAILABLE", "YES", 1),
        (SAMPLE, "mnp", "NOT_APPLICABLE", "AVAILABLE", "YES", 0.5),
        ("447700900001", "hlr", "ABSENT_SUBSCRIBER", "AVAILABLE", "NO", 1),
        ("447700900002", "hlr", "DEAD", "AVAILABLE", "NO", 1),
        ("447700900011", "hlr", "NO_TELESERVICE_PROVISIONED", "NOT_AVAILABLE", "UNKNOWN", 1),
        ("447700900021", "hlr", "NO_COVERAGE", "NOT_AVAILABLE", "UNKNOWN", 0),
        ("447700900099", "hlr", "DEAD", "NOT_AVAILABLE", "UNKNOWN", 1),
        ("447700900099", "mnp", "NOT_APPLICABLE", "NOT_AVAILABLE", "UNKNOWN", 0.5),
        ("12", "hlr", "NOT_APPLICABLE", "NOT_AVAILABLE", "UNKNOWN", 0),
    ],
)
def test_a_number_has_its_liveness_its_network_and_its_price(  # noqa: PLR0917 - a table's row
    number: str, path: str, live: str, network: str, ported: str, credits_: float
) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        (row,) = (await ask(raw, number, path=path)).json["results"]
        assert (live, network) == (row["live_status"], row["current_network"])
        assert (ported, credits_) == (row["is_ported"], row["credits_spent"])
        assert credits_ == sandbox.counters.charged

    played(scene)


def test_results_keep_the_order_and_echo_what_was_written() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        written = ["+44 (7790) 606023", "442079460000", "abc"]
        rows = (await ask(raw, *written)).json["results"]
        assert written == [row["request_parameters"]["telephone_number"] for row in rows]
        assert ["447790606023", "442079460000", ""] == [
            row["detected_telephone_number"] for row in rows
        ]
        assert ["MOBILE", "LANDLINE", "BAD_FORMAT"] == [r["telephone_number_type"] for r in rows]

    played(scene)


def test_a_failed_lookup_is_an_error_of_its_number_alone() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        rows = (await ask(raw, "447700900036", SAMPLE)).json["results"]
        assert ["INTERNAL_ERROR", "NONE"] == [row["error"] for row in rows]

    played(scene)


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"api_key": "eve"}, 401, "UNAUTHORIZED"),
        ({"api_secret": None}, 401, "UNAUTHORIZED"),
        ({"requests": []}, 400, "BAD_REQUEST"),
        ({"requests": [{}]}, 400, "BAD_REQUEST"),
        ({"requests": [{"telephone_number": SAMPLE, "api_version": 2}]}, 400, "BAD_REQUEST"),
        ({"requests": [{"telephone_number": "1", "save_to_cache": 0}]}, 400, "BAD_REQUEST"),
        ({"requests": [{"telephone_number": SAMPLE}] * 80}, 200, None),
        ({"requests": [{"telephone_number": SAMPLE}] * 81}, 400, "BAD_REQUEST"),
    ],
)
def test_a_request_that_is_not_right_is_refused(
    change: dict[str, Any], status: int, error: str | None
) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        asked = {"api_key": "demo", "api_secret": "demo"}
        seen = await raw.ask("POST", "/apiv2/mnp", asked | change)
        assert (status, error) == (seen.status, seen.json.get("error"))

    played(scene)


def test_what_is_no_json_or_no_endpoint_is_refused() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert 400 == (await raw.ask("POST", "/apiv2/hlr", b"{")).status
        assert 404 == (await raw.ask("POST", "/apiv2/else", {"api_key": "demo"})).status
        assert 404 == (await raw.ask("GET", "/apiv2/hlr")).status

    played(scene)


def test_the_balance_is_what_was_not_spent() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert 200 == (await ask(raw, SAMPLE, path="mnp")).status
        assert {"Status": "OK", "Credits": 0.5} == (await ask(raw, path="balance")).json
        assert "NONE" == (await ask(raw, SAMPLE, path="mnp")).json["results"][0]["error"]
        row = (await ask(raw, SAMPLE, path="mnp")).json["results"][0]
        assert ("INSUFFICIENT_CREDIT", 0) == (row["error"], row["credits_spent"])

    played(scene, credits_left=1)


def test_a_busy_network_refuses_and_another_answers() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        statuses = [(await ask(raw, SAMPLE)).status for _ in range(3)]
        assert [200, 200, 429] == statuses
        assert 200 == (await ask(raw, "447700900001")).status
        assert 3 == sandbox.counters.charged

    played(scene, vendors=Vendors(hlrlookup_per_second=2), clock=lambda: 100.0)


def test_results_may_stand_under_body() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.BODY_WRAPPER), 1)
        assert "LIVE" == (await ask(raw, SAMPLE)).json["body"]["results"][0]["live_status"]
        assert "results" in (await ask(raw, SAMPLE)).json

    played(scene)

    async def always(_sandbox: Sandbox, raw: Raw) -> None:
        assert ["body"] == list((await ask(raw, SAMPLE)).json)

    played(always, vendors=Vendors(wrapped=True))


@pytest.mark.parametrize(
    ("trouble", "status", "error"),
    [
        (Trouble.FAIL_PASSWORD, 401, "UNAUTHORIZED"),
        (Trouble.LOCKED, 401, "UNAUTHORIZED"),
        (Trouble.ERROR_INSIDE, 200, "INTERNAL_ERROR"),
    ],
)
def test_a_refusal_comes_to_order(trouble: Trouble, status: int, error: str) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(trouble))
        seen = await ask(raw, SAMPLE)
        assert (status, error) == (seen.status, seen.json["error"])

    played(scene)


def test_a_fault_of_one_number_leaves_the_others_sound() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        async def rows(order: Order) -> list[dict[str, Any]]:
            sandbox.desk.order_number(SAMPLE, order, "hlrlookup")
            found: list[dict[str, Any]] = (await ask(raw, "442079460000", SAMPLE)).json["results"]
            assert "442079460000" == found[0]["detected_telephone_number"]
            return found[1:]

        assert "PENDING" == (await rows(Order(Trouble.PENDING)))[0]["live_status"]
        assert "INSUFFICIENT_CREDIT" == (await rows(Order(Trouble.FAIL_CREDIT)))[0]["error"]
        assert [] == await rows(Order(Trouble.MISSING_LINE))
        (row,) = await rows(Order(Trouble.WRONG_NUMBER))
        assert "447790606024" == row["request_parameters"]["telephone_number"]
        networks = [
            row["current_network_details"]["mccmnc"] for row in await rows(Order(Trouble.CONFLICT))
        ]
        assert ["23438", "23499"] == networks

    played(scene)
