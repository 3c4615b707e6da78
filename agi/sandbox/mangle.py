"""How an answer's bytes are spoiled as a whole, whatever they say; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from agi.sandbox.exchange import JSON
from agi.sandbox.faults import OTHER_NETWORK, Order, Trouble

_DEPTH: Final = 100_000
_WHOLE: Final = frozenset(
    {
        Trouble.JSON_DEEP,
        Trouble.JSON_DUPLICATE_KEYS,
        Trouble.JSON_LINES,
        Trouble.JSON_NAN,
        Trouble.WRONG_CHARSET,
    }
)
_NETWORK: Final = re.compile(
    rb'"(mccmnc|MCC|status|ErrorCode|IsActive|Listed)":("[^"]*"|true|false)'
)


def _again(body: bytes) -> bytes:
    other = b'"%b"' % OTHER_NETWORK.encode()
    return _NETWORK.sub(rb'"\1":\2,"\1":' + other, body)


def _utf16(body: bytes) -> bytes:
    return body.decode("utf-8", "surrogateescape").encode("utf-16", "replace")


def _cut(body: bytes) -> bytes:
    return body[:-1] if body.startswith(b"[") else body[: len(body) // 2]


_ANY: Final[dict[Trouble, Callable[[bytes], bytes]]] = {
    Trouble.JSON_DEEP: lambda _body: b"[" * _DEPTH + b"]" * _DEPTH,
    Trouble.WRONG_CHARSET: _utf16,
}
_OF_JSON: Final[dict[Trouble, Callable[[bytes], bytes]]] = {
    Trouble.TRUNCATE: _cut,
    Trouble.JSON_LINES: lambda body: body + b"\n" + body,
    Trouble.JSON_NAN: lambda body: _NETWORK.sub(rb'"\1":NaN', body),
    Trouble.JSON_DUPLICATE_KEYS: _again,
}


def mangled(body: bytes, kind: str, order: Order | None) -> bytes:
    """Return the body as ordered; orders that concern JSON leave text alone, but for its depth.

    NaN and a key given twice stand where the network does, or the verdict.
    """
    if order is None:
        return body
    change = _ANY.get(order.trouble) or (_OF_JSON.get(order.trouble) if kind == JSON else None)
    return body if change is None else change(body)


def needs_the_whole(order: Order | None) -> bool:
    """Say whether an order spoils an answer only as a whole, so that it cannot be streamed."""
    return order is not None and order.trouble in _WHOLE
