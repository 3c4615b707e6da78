"""Data Soap's two APIs against its pages and its clients: four types, errors, postbacks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agi.model import Live
from agi.sandbox.datasoap import digits_of, is_local
from agi.sandbox.faults import Order, Trouble, parse_order
from agi.sandbox.providers import Sandbox, Vendors
from agi.sandbox.subscribers import Subscriber
from tests.sandbox.raw import Raw, Seen, play_with

ONE = "447976123456"  # the number of the vendor's own example
NUMBERS = {
    ONE: Subscriber(ONE, "23415", ported_from="23410", tps=True),
    "447700900001": Subscriber("447700900001", "23415", live=Live.ABSENT, unsubscribed=True),
    "447700900011": Subscriber("447700900011", error="ERR11"),
    "447700900029": Subscriber("447700900029", error="ERR29"),
    "447700900036": Subscriber("447700900036", error="ERR36"),
}
TOKEN = "Token demo"


async def ask(raw: Raw, number: str, type_: str = "HLR", who: str = TOKEN) -> Seen:
    target = f"/?output=json&number=00{number}&type={type_}"
    return await raw.ask("GET", target, Authorization=who)


async def submit(raw: Raw, url: str, lookup: str = f"00{ONE}", type_: str = "HLR") -> Seen:
    body = {"Lookup": lookup, "Type": type_, "PostbackUrl": url}
    return await raw.ask("POST", "/v1/async", body, Authorization=TOKEN)


def played(scene: Any, **terms: Any) -> None:
    play_with(NUMBERS, scene, **terms)


class Hook:
    """A door for postbacks: keeps what was posted, answers 200."""

    def __init__(self) -> None:
        self.posted: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.url = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /hooks/datasoap/secret?x=1 HTTP/1.1\r\n")
        assert b"\r\nContent-Type: application/json\r\n" in head
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        self.posted.put_nowait(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    door = Hook()
    server = await asyncio.start_server(door.connected, "127.0.0.1", 0)
    door.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/datasoap/secret?x=1"
    try:
        yield door
    finally:
        server.close()


@pytest.mark.parametrize(
    ("number", "type_", "said"),
    [
        (ONE, "HLR", {"HLRResult": {"MCC": "234", "On": True, "CountryName": "United Kingdom"}}),
        (ONE, "Landline", {"LandlineResult": {"IsActive": True, "CountryName": "United Kingdom"}}),
        (ONE, "TPS", {"TPSResult": {"Listed": True}}),
        (ONE, "Unsubscribe", {"UnsubscribeResult": {"Listed": False}}),
        ("447700900001", "unsubscribe", {"UnsubscribeResult": {"Listed": True}}),
        ("447700900099", "TPS", {"TPSResult": {"Listed": False}}),
        (
            "447700900001",
            "HLR",
            {"HLRResult": {"MCC": "234", "On": False, "CountryName": "United Kingdom"}},
        ),
        (
            "447700900029",
            "HLR",
            {"HLRResult": {"MCC": "234", "On": False, "CountryName": "United Kingdom"}},
        ),
        ("447700900099", "HLR", {"ErrorCode": "-3"}),
        ("447700900011", "HLR", {"ErrorCode": "-4"}),
        ("447700900036", "Landline", {"ErrorCode": "-12"}),
        ("393351234567", "HLR", {"ErrorCode": "-96"}),
        (ONE, "MPS", {"ErrorCode": "-97"}),
    ],
)
def test_each_type_has_its_result_and_each_trouble_its_code(
    number: str, type_: str, said: dict[str, Any]
) -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert {"DataSoapAPIResponse": said} == (await ask(raw, number, type_)).json

    played(scene)


def test_parameters_may_come_as_a_form() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        body = "output=json&number=07976123456&type=TPS"
        seen = await raw.ask("POST", "/", body, Authorization=TOKEN)
        assert {"DataSoapAPIResponse": {"TPSResult": {"Listed": True}}} == seen.json

    played(scene)


def test_a_wrong_token_is_a_bare_minus_ninety_nine() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        for who in ("", "Token guess", "Basic demo"):
            assert b"-99" == (await ask(raw, ONE, who=who)).body
        seen = await raw.ask("POST", "/v1/async", {}, Authorization="Token guess")
        assert b"-99" == seen.body
        assert (4, 0) == (sandbox.counters.failed, sandbox.counters.charged)

    played(scene)


def test_no_credit_and_the_tokens_own_limit_are_errors() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        codes = [(await ask(raw, ONE)).json["DataSoapAPIResponse"].get("ErrorCode")]
        codes += [(await ask(raw, ONE)).json["DataSoapAPIResponse"].get("ErrorCode")]
        codes += [(await ask(raw, ONE)).json["DataSoapAPIResponse"].get("ErrorCode")]
        assert [None, "-98", "-97"] == codes

    played(scene, credits_left=1, vendors=Vendors(datasoap_per_second=2), clock=lambda: 100.0)


def test_the_network_is_told_only_when_the_account_shows_it() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        result = (await ask(raw, ONE)).json["DataSoapAPIResponse"]["HLRResult"]
        assert ("234", "15", True) == (result["MCC"], result["MNC"], result["Ported"])

    played(scene, vendors=Vendors(datasoap_mnc=True))


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("fail-credit", {"ErrorCode": "-98"}),
        ("locked", {"ErrorCode": "-98"}),
        ("error-inside", {"ErrorCode": "-97"}),
        ("pending", {"status": "pending"}),
    ],
)
def test_an_error_comes_to_order(order: str, said: dict[str, Any]) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(parse_order(order))
        assert {"DataSoapAPIResponse": said} == (await ask(raw, ONE)).json

    played(scene)


def test_an_answer_about_somebody_else_or_elsewhere_comes_to_order() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(Order(Trouble.WRONG_NUMBER))
        result = (await ask(raw, ONE)).json["DataSoapAPIResponse"]["HLRResult"]
        assert "00447976123457" == result["Lookup"]
        sandbox.desk.order_all(Order(Trouble.NETWORK, word="26201"))
        assert "262" == (await ask(raw, ONE)).json["DataSoapAPIResponse"]["HLRResult"]["MCC"]
        sandbox.desk.order_all(Order(Trouble.FAIL_PASSWORD))
        assert b"-99" == (await ask(raw, ONE)).body

    played(scene)


def test_a_receipt_is_followed_by_its_postback() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        async with hook() as door:
            receipt = (await submit(raw, door.url)).json
            assert ["Job"] == list(receipt)
            assert 36 == len(receipt["Job"])
            assert await door.posted.get() == {
                "Type": "HLR",
                "Lookup": f"00{ONE}",
                "Job": receipt["Job"],
                "Result": {"MCC": "234", "On": True, "CountryName": "United Kingdom"},
            }
            await sandbox.until(lambda counters: counters.posted == 1)
            assert 1 == sandbox.counters.charged

    played(scene)


def test_an_error_of_the_number_stands_beside_the_job() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        async with hook() as door:
            receipt = (await submit(raw, door.url, "07700 900036")).json
            posted = await door.posted.get()
            assert (receipt["Job"], -12) == (posted["Job"], posted["ErrorCode"])

    played(scene)


@pytest.mark.parametrize(
    ("order", "jobs"),
    [
        ("postback-late:30", [True]),
        ("postback-twice", [True, True]),
        ("postback-wrong-job", [False]),
        ("postback-early", [True]),
    ],
)
def test_a_postback_comes_as_ordered(order: str, jobs: list[bool]) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_all(parse_order(order))
        async with hook() as door:
            receipt = (await submit(raw, door.url)).json
            assert (order == "postback-early") == (door.posted.qsize() == 1)
            found = [(await door.posted.get())["Job"] == receipt["Job"] for _ in jobs]
            assert jobs == found
            await sandbox.until(lambda counters: counters.posted == len(jobs))

    played(scene)


def test_a_postback_that_never_comes_leaves_the_receipt() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        async with hook() as door:
            sandbox.desk.order_next(Order(Trouble.POSTBACK_NEVER), 1)
            assert "Job" in (await submit(raw, door.url)).json
            second = (await submit(raw, door.url)).json
            assert second["Job"] == (await door.posted.get())["Job"]
            assert door.posted.empty()

    played(scene)


def test_a_postback_that_nobody_takes_is_counted() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        server = await asyncio.start_server(_no_http, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await submit(raw, url)
        await sandbox.until(lambda counters: counters.lost == 1)
        server.close()
        await submit(raw, url)
        await sandbox.until(lambda counters: counters.lost == 2)

    played(scene)


async def _no_http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 hello\r\n")
    writer.close()


@pytest.mark.parametrize(
    ("lookup", "type_", "url", "code"),
    [
        ("00447976123456", "HLR", "http://203.0.113.1/hook", -97),
        ("00447976123456", "HLR", "https://127.0.0.1/hook", -97),
        ("00447976123456", "Email", "http://127.0.0.1:1/hook", -97),
        ("12", "HLR", "http://127.0.0.1:1/hook", -96),
    ],
)
def test_a_submission_that_cannot_be_is_refused(
    lookup: str, type_: str, url: str, code: int
) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        assert code == (await submit(raw, url, lookup, type_)).json["ErrorCode"]
        assert 0 == sandbox.counters.charged

    played(scene)


def test_only_this_machine_is_called_back() -> None:
    assert is_local("http://127.0.0.1:80/x")
    assert is_local("http://[::1]:80/x")
    assert is_local("http://localhost/x")
    assert not is_local("http://localhost.example.net/x")
    assert not is_local("http://192.0.2.1/x")
    assert not is_local("ftp://127.0.0.1/x")


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("00447976123456", "447976123456"),
        ("0207 856 0422", "442078560422"),
        ("447976123456", "447976123456"),
        ("+44 7976 123456", "447976123456"),
    ],
)
def test_a_number_is_read_in_the_forms_of_the_pages(written: str, digits: str) -> None:
    assert digits == digits_of(written)
