"""Version 3 of NPL: an array of objects with string values, streamed; pure parts and wire."""

import asyncio
import json
from typing import Any

import pytest

from agi.model import Line, Live
from agi.sandbox import npl
from agi.sandbox.delivery import Framing
from agi.sandbox.faults import HOSTILE, Order, Trouble
from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import Subscriber
from tests.sandbox.raw import ONE, VENDOR, Raw, http, play, play_with

TWO = f"{ONE},447973100100"


async def ask(raw: Raw, numbers: str = ONE) -> Any:
    return (await raw.npl(numbers, format="json")).json


def test_an_object_has_the_keys_that_clients_read_with_strings_for_values() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        known, unknown = sorted(await ask(raw, TWO), key=lambda one: one["msisdn"])
        assert known == {
            "msisdn": "447788450450",
            "mccmnc": "23415",
            "mcc": "234",
            "mnc": "15",
            "operatorname": "Vodafone UK",
            "numbertype": "MOBILE",
            "mobile": "true",
            "validnumber": "true",
            "reachable": "true",
            "errorcode": "0",
        }
        assert ("1", "false", None) == (
            unknown["errorcode"],
            unknown["validnumber"],
            unknown.get("mccmnc"),
        )

    play(scene)


@pytest.mark.parametrize(
    ("person", "code", "reachable"),
    [
        (Subscriber("1", "23415", live=Live.ABSENT), "29", "undetermined"),
        (Subscriber("1", "23415", live=Live.DEAD), "1", "undetermined"),
        (Subscriber("1", error="ERR21"), "21", "undetermined"),
        (Subscriber("1", "23415", line=Line.VOIP), "0", "true"),
    ],
)
def test_an_absent_or_failing_number_has_its_code_and_no_network(
    person: Subscriber, code: str, reachable: str
) -> None:
    (said,) = map(json.loads, npl.objects(["1"], {"1": person}, None, frozenset()))
    assert (code, reachable) == (said["errorcode"], said["reachable"])
    assert (code == "0") == ("mccmnc" in said)
    text = npl.code_of(person, full=False)
    assert text == ("23415" if code == "0" else f"ERR{code}")


def test_a_hundred_numbers_are_answered_and_one_more_is_too_long() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        numbers = [str(10**9 + n) for n in range(101)]
        assert 100 == len(await ask(raw, ",".join(numbers[:100])))
        seen = await raw.npl(",".join(numbers), format="json")
        assert b"FAIL Request too long\n" == seen.body

    play(scene)


@pytest.mark.parametrize("framing", list(Framing))
def test_an_object_leaves_as_soon_as_it_is_ready(framing: Framing) -> None:
    people = VENDOR | {"447700900001": Subscriber("447700900001", "23410", latency_ms=60_000)}

    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        body = f"user=demo&pass=demo&format=json&msisdn=447700900001,{ONE}"
        reader, writer = await raw.open(http("POST", "/npl", body))
        first = await reader.readuntil(b"}")
        assert b"[{" in first
        assert ONE == json.loads(b"{" + first.rpartition(b"{")[2])["msisdn"]
        writer.close()

    play_with(people, scene, framing=framing)


def test_chunks_end_with_the_array() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        seen = await raw.npl(ONE, format="json")
        assert b"Transfer-Encoding: chunked" in seen.head
        assert seen.body.endswith(b"}\r\n1\r\n]\r\n0\r\n\r\n")

    async def closing(sandbox: Sandbox, raw: Raw) -> None:
        await asyncio.wait_for(scene(sandbox, _Closing(*raw._address)), 5)

    play(closing, framing=Framing.CHUNKED)


class _Closing(Raw):
    """Asks for the connection to be closed, so that a read to the end ends."""

    async def npl(self, numbers: str = ONE, **more: str) -> Any:
        fields = {"user": "demo", "pass": "demo", "msisdn": numbers} | more
        body = "&".join(f"{name}={value}" for name, value in fields.items())
        return await self.exchange(http("POST", "/npl", body))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(Trouble.MISSING_LINE), []),
        (Order(Trouble.WRONG_NUMBER), [("447788450451", "23415")]),
        (Order(Trouble.CONFLICT), [(ONE, "23415"), (ONE, "23499")]),
        (Order(Trouble.NETWORK, word="90131"), [(ONE, "90131")]),
        (Order(Trouble.HOSTILE, 0), [(ONE, "gw&Local/1@ctx")]),
        (Order(Trouble.HOSTILE, 6), [(ONE, "23415\x00")]),
        (Order(Trouble.HOSTILE, 9), [(ONE, HOSTILE[9])]),
        (Order(Trouble.PENDING), [(ONE, None)]),
        (Order(Trouble.SLOW, 1), [(ONE, "23415")]),
    ],
)
def test_objects_are_spoiled_as_ordered(order: Order, expected: list[tuple[str, Any]]) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(order)
        assert expected == [(one["msisdn"], one.get("mccmnc")) for one in await ask(raw)]

    play(scene)


def test_a_truncated_array_has_its_objects_and_no_end() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(Trouble.TRUNCATE))
        body = (await raw.npl(TWO, format="json")).body
        assert 2 == len(json.loads(body + b"]"))

    play(scene)


def test_bytes_that_are_not_utf8_come_to_order() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(Trouble.BAD_UTF8))
        assert b'"mccmnc":"23415\xff\xfe"' in (await raw.npl(ONE, format="json")).body

    play(scene)


def test_a_pending_line_is_no_network() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(Trouble.PENDING))
        assert b"QUERYOK\n447788450450 PENDING\nENDBATCH\n" == (await raw.npl()).body

    play(scene)


def test_a_client_that_goes_while_the_array_is_made_is_counted() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        body = f"user=demo&pass=demo&format=json&msisdn={ONE}"
        _, writer = await raw.open(http("POST", "/npl", body))
        await sandbox.until(lambda counters: counters.busy == 1)
        writer.close()
        await sandbox.until(lambda counters: counters.abandoned == 1 and not counters.busy)

    play(scene, latency_ms=60_000)


def test_any_other_number_may_be_on_one_network() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        seen = await raw.npl("447700900123,447973100100,12", apiver="")
        assert b"QUERYOK\n12 ERR1\n447973100100 ERR1\n447700900123 23430\nENDBATCH\n" == seen.body

    play(scene, others="23430")
