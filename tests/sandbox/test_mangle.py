"""Bodies that are spoiled as a whole: what each order makes of them."""

import json

import pytest

from agi.sandbox.exchange import JSON, TEXT, encode
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.mangle import mangled, needs_the_whole
from agi.sandbox.providers import Sandbox
from tests.sandbox.raw import ONE, Raw, play

BODY = b'{"number":"+447788450450","mccmnc":"23415","status":"DELIVERED"}'


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (
            Trouble.JSON_NAN,
            b'{"number":"+447788450450","mccmnc":NaN,"status":NaN}',
        ),
        (
            Trouble.JSON_DUPLICATE_KEYS,
            (
                b'{"number":"+447788450450","mccmnc":"23415","mccmnc":"23499",'
                b'"status":"DELIVERED","status":"23499"}'
            ),
        ),
        (Trouble.JSON_LINES, BODY + b"\n" + BODY),
        (Trouble.TRUNCATE, BODY[:32]),
        (Trouble.WRONG_CHARSET, BODY.decode().encode("utf-16")),
        (Trouble.HANG, BODY),
    ],
)
def test_f16_a_json_body_is_spoiled_as_ordered(trouble: Trouble, expected: bytes) -> None:
    assert expected == mangled(BODY, JSON, Order(trouble))


def test_f16_a_verdict_is_spoiled_like_a_network() -> None:
    body = b'{"TPSResult":{"Listed":true}}'
    assert b'{"TPSResult":{"Listed":NaN}}' == mangled(body, JSON, Order(Trouble.JSON_NAN))


def test_f16_a_deep_document_has_a_hundred_thousand_brackets() -> None:
    deep = mangled(BODY, TEXT, Order(Trouble.JSON_DEEP))
    assert (100_000, 200_000) == (deep.count(b"["), len(deep))


def test_text_keeps_what_only_json_can_lose() -> None:
    assert mangled(BODY, TEXT, Order(Trouble.JSON_NAN)) is BODY
    assert mangled(BODY, JSON, None) is BODY


def test_an_array_loses_its_last_bracket_alone() -> None:
    assert b'[{"a":1}' == mangled(b'[{"a":1}]', JSON, Order(Trouble.TRUNCATE))


def test_what_spoils_a_body_as_a_whole_forbids_streaming() -> None:
    assert needs_the_whole(Order(Trouble.JSON_NAN))
    assert not needs_the_whole(Order(Trouble.SLOW, 1))
    assert not needs_the_whole(None)


def test_json_is_written_with_bytes_that_are_not_utf8_when_they_were_ordered() -> None:
    value = {"a": ["x\udcff", 1, True, None, {"b": 'q"\n'}]}
    assert b'{"a":["x\xff",1,true,null,{"b":"q\\"\\n"}]}' == encode(value)
    assert {"a": 'q"'} == json.loads(encode({"a": 'q"'}))


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Trouble.JSON_NAN, b'"mccmnc":NaN'),
        (Trouble.JSON_DUPLICATE_KEYS, b'"mccmnc":"23415","mccmnc":"23499"'),
        (Trouble.JSON_DEEP, b"[" * 100_000),
        (Trouble.JSON_LINES, b"]\n[{"),
        (Trouble.WRONG_CHARSET, '"mccmnc":"23415"'.encode("utf-16-le")),
        (Trouble.HTML, b"<html>"),
        (Trouble.EXTRA_RESPONSE, b'"mccmnc":"23499"'),
    ],
)
def test_f16_a_streamed_array_is_spoiled_on_the_wire(trouble: Trouble, expected: bytes) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(trouble), 1)
        body = f"user=demo&pass=demo&format=json&msisdn={ONE}"
        assert expected in (await raw.ask("POST", "/npl", body)).body

    play(scene, patience_s=2.0)
