"""JSON from strangers, against RFC 8259 and what it leaves to the reader."""

import json
from time import perf_counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import ProviderFault
from agi.lookup.providers.strict_json import (
    MAX_BRACES,
    MAX_DEPTH,
    MAX_OBJECT,
    MAX_OBJECTS,
    ArrayOfObjects,
    decoded,
)


class Shape(msgspec.Struct):
    a: float | str | None = None


def cut(body: bytes, size: int = 1 << 20) -> tuple[list[bytes], bool, bool]:
    """Feed ``body`` in pieces; return the objects, whether the array ended, whether it failed."""
    array = ArrayOfObjects()
    found: list[bytes] = []
    try:
        for start in range(0, len(body), size):
            found.extend(array.feed(body[start : start + size]))
    except ProviderFault as fault:
        assert "malformed" == fault.cause
        return found, array.ended, True
    return found, array.ended, False


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1.5}', 1.5),
        (b' {"a": "\\u00e9", "unknown": [{"a": 1}, {"a": 2}]}\r\n', "\u00e9"),
        (b"{}", None),
    ],
)
def test_a_document_becomes_its_shape(body: bytes, value: object) -> None:
    assert value == decoded(body, Shape).a


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'{"a": 1',
        b'{"a": 1} {"a": 2}',
        b'{"a": 1},',
        b'{"a": 1, "a": 1}',
        b'{"b": {"c": 1, "c": 2}}',
        b'{"a": NaN}',
        b'{"b": Infinity}',
        b'{"a": 1e999}',
        b'{"a": true}',
        b'{"a": [1]}',
        b"{'a': 1}",
        b'{"a": "\xe9"}',
        b'{"b": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\n"}',
        b'{"a": 01}',
        b'{"b": ' + b"9" * 5000 + b"}",
        b'{"b": [' + b"{}," * MAX_BRACES + b"{}]}",
    ],
)
def test_f16_what_is_not_strictly_json_of_this_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderFault) as caught:
        decoded(body, Shape)
    assert "malformed" == caught.value.cause


def test_the_fault_quotes_nothing_of_the_body() -> None:
    with pytest.raises(ProviderFault) as caught:
        decoded(b'{"a": {"447788450450": "s3cret"}}', Shape)
    assert "malformed: not the JSON that was expected" == str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("part", [b"[", b'{"a":', b'{"b":[', b"[{},"])
def test_f16_a_depth_of_100000_is_malformed_and_cheap(part: bytes) -> None:
    begun = perf_counter()
    for body in (part * 100_000, b'{"b":' + part * 100_000):
        with pytest.raises(ProviderFault):
            decoded(body, Shape)
        assert cut(body)[2]
    assert perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("body", "objects"),
    [
        (b"[]", []),
        (b" [ ] \r\n", []),
        (b'[{"a":1},{"b":{"c":[2]}}]', [b'{"a":1}', b'{"b":{"c":[2]}}']),
        (b'\n[ {"a":"}]\\"{"} , {} ]', [b'{"a":"}]\\"{"}', b"{}"]),
        (b'[{"a":"\\\\"}]', [b'{"a":"\\\\"}']),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 4096])
def test_an_array_is_cut_into_its_objects(body: bytes, objects: list[bytes], size: int) -> None:
    assert (objects, True, False) == cut(body, size)


def test_an_object_comes_with_its_last_byte() -> None:
    array = ArrayOfObjects()
    assert [] == list(array.feed(b'[{"a":1'))
    assert [b'{"a":1}'] == list(array.feed(b"}"))
    assert not array.ended


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[[]]",
        b"[1]",
        b'["a"]',
        b"[,{}]",
        b"[{}{}]",
        b"[{},]",
        b"[{},,{}]",
        b"[] []",
        b"[]x",
        b"[{}] {}",
        b"[" + b"{}," * MAX_OBJECTS + b"{}]",
        b'[{"a":"' + b"x" * MAX_OBJECT + b'"}]',
        b'[{"a":"' + b"x" * MAX_OBJECT,
        b'[{"a":' + b"[" * MAX_DEPTH,
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_f16_what_is_no_array_of_objects_or_too_much_is_malformed(body: bytes, size: int) -> None:
    assert cut(body, size)[2]


def test_the_limits_themselves_are_allowed() -> None:
    many = b"[" + b"{}," * (MAX_OBJECTS - 1) + b"{}]"
    assert MAX_OBJECTS == len(cut(many)[0])
    long = b'{"a":"' + b"x" * (MAX_OBJECT - 8) + b'"}'
    assert ([long], True, False) == cut(b"[" + long + b"]", 100)
    deep = b"{" + b'"a":{' * (MAX_DEPTH - 1) + b"}" * MAX_DEPTH
    assert ([deep], True, False) == cut(b"[" + deep + b"]")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=4)


@given(objects=OBJECTS, size=st.integers(1, 30), ascii_only=st.booleans())
def test_any_array_of_objects_comes_out_as_python_reads_it(
    objects: list[dict[str, object]], size: int, ascii_only: bool
) -> None:
    body = json.dumps(objects, ensure_ascii=ascii_only).encode("utf-8", "replace")
    found, ended, failed = cut(body, size)
    assert (json.loads(body), True, False) == ([json.loads(o) for o in found], ended, failed)


@given(body=st.text(alphabet='[]{}",\\a 1', max_size=40), size=st.integers(1, 9))
def test_however_it_is_cut_the_same_comes_out(body: str, size: int) -> None:
    assert cut(body.encode()) == cut(body.encode(), size)
