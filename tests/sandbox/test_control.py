"""Orders and counters over the port: per API, per number, by percentage; latencies."""

import base64
import time
from typing import Any

import pytest

from agi.sandbox.exchange import Api, Rate
from agi.sandbox.providers import Sandbox
from tests.sandbox.raw import ONE, SOUND, Raw, Seen, http, play

BASIC = "Basic " + base64.b64encode(b"demo:demo").decode()


async def lanck(raw: Raw, number: str = ONE) -> Seen:
    body = f"number=%2B{number}"
    return await raw.ask("POST", "/v1/insight/hlr", body, Authorization=BASIC)


def test_counters_are_kept_for_each_api_and_in_all() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        await raw.npl()
        await lanck(raw)
        await lanck(raw)
        await raw.ask("GET", "/")
        report = (await raw.control("GET", ""))[1]
        assert 4 == report["requests"]
        assert {"npl": 1, "lanck": 2, "datasoap": 1, "hlrlookup": 0} == {
            api: counters["requests"] for api, counters in report["apis"].items()
        }
        assert (1, 1) == (report["failed"], report["apis"]["datasoap"]["failed"])
        assert {ONE: 3} == (await raw.control("GET", "/numbers"))[1]
        assert {ONE: 2} == (await raw.control("GET", "/numbers/lanck"))[1]
        assert 404 == (await raw.control("GET", "/numbers/else"))[0]
        sandbox.reset()
        assert 0 == sandbox.books.apis[Api.LANCK].requests

    play(scene)


def test_an_order_for_one_api_leaves_the_others_sound() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        order = {"fault": "http-500", "api": "lanck"}
        state = (await raw.control("POST", "/fault", order))[1]
        assert "http-500" == state["orders"]["apis"]["lanck"]["all"]
        assert (500, SOUND) == ((await lanck(raw)).status, (await raw.npl()).body)
        await raw.control("POST", "/fault", {"fault": None, "api": "lanck"})
        assert 200 == (await lanck(raw)).status
        await raw.control("POST", "/fault", order | {"number": ONE})
        assert (500, SOUND) == ((await lanck(raw)).status, (await raw.npl()).body)
        await raw.control("POST", "/fault", order | {"number": ONE, "fault": None})
        await raw.control("POST", "/fault", order | {"next": 1})
        assert [500, 200] == [(await lanck(raw)).status for _ in range(2)]

    play(scene)


def test_f21_three_of_ten_requests_fail_when_so_ordered() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        await raw.control("POST", "/fault", {"fault": "http-503", "percent": 30})
        statuses = [(await raw.npl()).status for _ in range(10)]
        assert (3, 7) == (statuses.count(503), statuses.count(200))

    play(scene)


def test_f23_a_latency_is_stepped_up_and_back() -> None:
    async def timed(raw: Raw) -> float:
        since = time.monotonic()
        assert SOUND == (await raw.npl()).body
        return time.monotonic() - since

    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        state = (await raw.control("POST", "/latency", {"ms": 300, "api": "npl"}))[1]
        assert (300, 0) == (state["latency_ms"]["npl"], state["latency_ms"]["lanck"])
        assert 0.3 <= await timed(raw)
        state = (await raw.control("POST", "/latency", {"ms": 200}))[1]
        assert {200} == set(state["latency_ms"].values())
        state = (await raw.control("POST", "/latency", {"ms": None}))[1]
        assert {0} == set(state["latency_ms"].values())
        assert await timed(raw) < 0.2

    play(scene)


@pytest.mark.parametrize(
    ("path", "document", "hint"),
    [
        ("/fault", {"fault": "hang", "api": "experian"}, "experian"),
        ("/fault", {"fault": "hang", "percent": 30, "next": 1}, "give one of"),
        ("/fault", {"fault": None, "percent": 30}, "percent needs a fault"),
        ("/fault", {"fault": "hang", "percent": 101}, "<= 100"),
        ("/latency", {"ms": 60_001}, "<= 60000"),
        ("/latency", {}, "missing required field `ms`"),
    ],
)
def test_a_wrong_order_says_what_would_be_right(
    path: str, document: dict[str, Any], hint: str
) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        status, answer = await raw.control("POST", path, document)
        assert 400 == status
        assert hint in answer["detail"]

    play(scene)


def test_apis_of_json_keep_the_connection_and_stand_beside_npl() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        one = http(
            "POST", "/v1/insight/hlr", f"number=%2B{ONE}", Authorization=BASIC, Connection="x"
        )
        reader, writer = await raw.open(one + one)
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            assert b'"mccmnc":"234015"' in await reader.readexactly(length)
        writer.close()
        assert 2 == sandbox.counters.requests

    play(scene)


def test_the_numbers_of_a_second_are_counted_by_key() -> None:
    now = [10.0]
    rate = Rate(2, lambda: now[0])
    assert [True, True, False] == [rate.admits("a") for _ in range(3)]
    assert rate.admits("b")
    now[0] = 11.0
    assert rate.admits("a")
    assert all(Rate(0, lambda: 0.0).admits() for _ in range(100))
