"""The account that the sandbox plays, seen from outside through raw sockets."""

import asyncio
import time
from typing import Any

import pytest

from agi.sandbox.faults import Order, Trouble
from agi.sandbox.providers import Sandbox
from agi.sandbox.serving import Excess
from agi.sandbox.subscribers import Subscriber
from tests.sandbox.raw import ONE, SOUND, Raw, play, play_with, post


def test_a_form_is_answered_as_the_vendor_shows_and_the_server_closes() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        seen = await raw.npl("447973100100,447810701702,447788450450")
        assert seen.head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length" not in seen.head.lower()
        assert seen.body == (
            b"QUERYOK\n447788450450 23415,447785014185,234158341040126\n"
            b"447810701702 23415,447785014185,234159002945116\n447973100100 ERR1\nENDBATCH\n"
        )
        assert 1 == sandbox.counters.requests
        assert 3 == sandbox.counters.charged
        assert {"447788450450": 1, "447810701702": 1, "447973100100": 1} == dict(
            sandbox.counters.numbers
        )

    play(scene)


def test_a_query_string_is_answered_alike() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        seen = await raw.exchange(
            b"GET /npl?user=demo&pass=demo&msisdn=447788450450 HTTP/1.0\r\n\r\n"
        )
        assert b"QUERYOK\n447788450450 23415\nENDBATCH\n" == seen.body

    play(scene)


def test_a_body_that_is_no_form_holds_no_password() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        request = post().replace(b"application/x-www-form-urlencoded", b"application/json")
        assert b"FAIL Invalid password\n" == (await raw.exchange(request)).body

    play(scene)


@pytest.mark.parametrize(
    ("terms", "fields", "line"),
    [
        ({}, {"user": "eve"}, b"FAIL Invalid password\n"),
        ({}, {"numbers": ""}, b"FAIL No numbers specified\n"),
        ({}, {"numbers": ",".join(map(str, range(10**9, 10**9 + 1001)))}, b"FAIL Request too lo"),
        ({"credits_left": 0}, {}, b"FAIL Insufficient credit\n"),
        ({"locked": True, "crlf": True}, {}, b"ERR ACCOUNT LOCKED - Please arrange payment\r\n"),
    ],
)
def test_a_whole_request_is_refused_by_its_first_line(
    terms: dict[str, Any], fields: dict[str, str], line: bytes
) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        assert (await raw.npl(**fields)).body.startswith(line)
        assert 0 == sandbox.counters.charged
        assert 1 == sandbox.counters.failed

    play(scene, **terms)


def test_credits_run_out() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        bodies = [(await raw.npl()).body for _ in range(3)]
        assert [SOUND, SOUND, b"FAIL Insufficient credit\n"] == bodies
        assert 0 == (await raw.control("GET", ""))[1]["credits"]

    play(scene, credits_left=2)


@pytest.mark.parametrize(
    ("excess", "expected"),
    [
        (Excess.CLOSE, b""),
        (Excess.FAIL, b"FAIL Too many connections\n"),
        (Excess.HTTP, b""),
    ],
)
def test_one_request_too_many_is_refused(excess: Excess, expected: bytes) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.HANG), 1)
        _, holder = await raw.open(post())
        await sandbox.until(lambda counters: counters.busy == 1)
        seen = await raw.npl()
        assert expected == seen.body
        assert (b"503" in seen.head) == (excess is Excess.HTTP)
        assert (1, 2) == (sandbox.counters.refused, sandbox.counters.high_water)
        holder.close()
        await sandbox.until(lambda counters: not counters.busy)
        assert SOUND == (await raw.npl()).body

    play(scene, excess=excess)


def test_as_many_requests_as_the_account_has_connections_run_at_once() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        seen = await asyncio.gather(*(raw.npl() for _ in range(5)))
        assert [SOUND] * 5 == [one.body for one in seen]
        assert (0, 5) == (sandbox.counters.refused, sandbox.counters.high_water)

    play(scene, connections=5, latency_ms=100)


def test_a_batch_waits_for_its_slowest_number() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        since = time.monotonic()
        assert SOUND == (await raw.npl()).body
        assert 0.15 <= time.monotonic() - since

    play(scene, latency_ms=150)


def test_economy_answers_at_once_what_was_asked_before() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        took = []
        for _ in range(2):
            since = time.monotonic()
            assert SOUND == (await raw.npl(apiver="2.5", economy="1")).body
            took.append(time.monotonic() - since)
        assert took[1] < 0.4 <= took[0]

    play(scene, latency_ms=400)


@pytest.mark.parametrize("keeps", [False, True])
def test_an_abandoned_request_gives_its_slot_back_or_keeps_it(keeps: bool) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        _, writer = await raw.open(post())
        await sandbox.until(lambda counters: counters.busy == 1)
        writer.close()
        await sandbox.until(lambda counters: counters.abandoned == 1)
        sandbox.desk.order_all(Order(Trouble.EMPTY))
        seen = await raw.npl(numbers="447973100100")
        assert keeps == (b"" == seen.head)

    slow = {ONE: Subscriber(ONE, "23415", latency_ms=2_000)}
    play_with(slow, scene, keeps_abandoned=keeps)


def test_a_subscribers_own_fault_needs_no_order() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert b"" == (await raw.npl()).body

    play_with({ONE: Subscriber(ONE, "23415", fault=Order(Trouble.EMPTY))}, scene)


def test_faults_are_ordered_and_counters_read_over_the_same_port() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        status, state = await raw.control("POST", "/fault", {"fault": "empty", "next": 1})
        assert (200, "empty", 1) == (status, state["orders"]["next"], state["orders"]["left"])
        await raw.control("POST", "/fault", {"fault": "html", "number": "447973100100"})
        assert b"" == (await raw.npl()).body
        assert SOUND == (await raw.npl()).body
        assert b"<html>" in (await raw.npl(numbers="447973100100")).body
        assert {ONE: 2, "447973100100": 1} == (await raw.control("GET", "/numbers"))[1]
        state = (await raw.control("GET", ""))[1]
        assert (3, 3, 1) == (state["requests"], state["charged"], state["orders"]["numbers"])
        await raw.control("POST", "/fault", {"fault": "html", "number": ONE})
        await raw.control("POST", "/fault", {"fault": None, "number": ONE})
        assert SOUND == (await raw.npl()).body
        await raw.control("POST", "/fault", {"fault": "hang"})
        await raw.control("POST", "/fault", {"fault": None})
        assert b"ERR1" in (await raw.npl(numbers="447973100100")).body
        await raw.control("POST", "/fault", {"fault": "hang"})
        state = (await raw.control("POST", "/reset"))[1]
        assert (0, 0, None) == (state["requests"], state["charged"], state["orders"]["all"])

    play(scene)


@pytest.mark.parametrize(
    ("path", "document", "status", "hint"),
    [
        ("/fault", {"fault": "hnag"}, 400, "write one of: slow, hang"),
        ("/fault", {"fault": "hang", "next": 0}, 400, ">= 1"),
        ("/fault", {"fault": "hang", "nxt": 1}, 400, "unknown field `nxt`"),
        ("/fault", {"next": 1}, 400, "missing required field `fault`"),
        ("/fault", {"fault": None, "next": 1}, 400, "next needs a fault"),
        ("/fault", {"fault": "hang", "next": 1, "number": "44"}, 400, "give one of next and num"),
        ("/elsewhere", None, 404, "no such control"),
    ],
)
def test_a_wrong_order_is_answered_with_what_would_be_right(
    path: str, document: object, status: int, hint: str
) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        found, answer = await raw.control("POST", path, document)
        assert status == found
        assert hint in answer["detail"]

    play(scene)
