"""How an answer leaves the sandbox: framed as it should be, or broken as ordered.

The vendor's page says that the server closes the connection after ENDBATCH (Comcetera NPL API page,
v2.4); it shows no Content-Length. So ``Framing.CLOSE`` is the default; the other two are what a
proxy in between would make of it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from typing import Final

from agi.sandbox.faults import Order, Trouble
from agi.sandbox.wire import Wire, head, whole

BIG: Final = 50_000_000
"""Bytes of an oversize body, and of a gzip bomb when it has gone off."""

_TEXT: Final = ("Content-Type", "text/plain")
_CLOSE: Final = ("Connection", "close")
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>\n"
_HANG_S: Final = 60.0
_DRIP_MS: Final = 100
_STEP: Final = 65_536


class Framing(StrEnum):
    """How the end of a sound answer is marked."""

    CLOSE = "close"
    LENGTH = "length"
    CHUNKED = "chunked"


def framed(body: bytes, framing: Framing) -> bytes:
    """Write a sound response."""
    if framing is Framing.LENGTH:
        return whole(200, "text/plain", body)
    if framing is Framing.CHUNKED:
        start = head(200, (_TEXT, ("Transfer-Encoding", "chunked")))
        return start + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return head(200, (_TEXT, _CLOSE)) + body


Act = Callable[[Wire, bytes, bytes, Order], Awaitable[None]]
"""Takes the connection, the true answer, the answer about somebody else, and the order."""


async def _hang(wire: Wire, _true: bytes, _other: bytes, _order: Order) -> None:
    await wire.gone(_HANG_S)


async def _drip(wire: Wire, true: bytes, _other: bytes, order: Order) -> None:
    pause_s = (order.amount or _DRIP_MS) / 1000
    for byte in framed(true, Framing.CLOSE):
        await wire.send(bytes((byte,)))
        if await wire.gone(pause_s):
            return


async def _close(_wire: Wire, _true: bytes, _other: bytes, _order: Order) -> None:
    """Send nothing; the connection is closed as after any answer."""


async def _reset(wire: Wire, _true: bytes, _other: bytes, _order: Order) -> None:
    wire.reset()


async def _reset_after_headers(wire: Wire, true: bytes, _other: bytes, _order: Order) -> None:
    await wire.send(head(200, (_TEXT, ("Content-Length", str(len(true))))))
    wire.reset()


async def _close_early(wire: Wire, true: bytes, _other: bytes, _order: Order) -> None:
    start = head(200, (_TEXT, ("Content-Length", str(len(true)))))
    await wire.send(start + true[: len(true) // 2])


async def _extra_response(wire: Wire, true: bytes, other: bytes, _order: Order) -> None:
    await wire.send(framed(true, Framing.LENGTH) + framed(other, Framing.LENGTH))


async def _html(wire: Wire, _true: bytes, _other: bytes, _order: Order) -> None:
    await wire.send(whole(200, "text/html", _PAGE, _CLOSE))


async def _empty(wire: Wire, _true: bytes, _other: bytes, _order: Order) -> None:
    await wire.send(framed(b"", Framing.CLOSE))


async def _oversize(wire: Wire, true: bytes, _other: bytes, _order: Order) -> None:
    await _flood(wire, true.partition(b"ENDBATCH")[0], b"440000000000 23499\n")


async def _long_line(wire: Wire, true: bytes, _other: bytes, _order: Order) -> None:
    await _flood(wire, true.partition(b"ENDBATCH")[0].rstrip(), b"0")


async def _flood(wire: Wire, start: bytes, filler: bytes) -> None:
    await wire.send(head(200, (_TEXT, _CLOSE)) + start)
    block = filler * (_STEP // len(filler))
    for _ in range(BIG // len(block)):
        await wire.send(block)


async def _gzip_bomb(wire: Wire, true: bytes, _other: bytes, _order: Order) -> None:
    packed = await asyncio.to_thread(lambda: b"".join(bomb(true)))
    await wire.send(whole(200, "text/plain", packed, ("Content-Encoding", "gzip"), _CLOSE))


def bomb(start: bytes) -> Iterator[bytes]:
    """Pack ``start`` and 50 MB of zeros into one gzip member (RFC 1952)."""
    gzip = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield gzip.compress(start)
    for _ in range(BIG // _STEP):
        yield gzip.compress(bytes(_STEP))
    yield gzip.flush()


async def _many_headers(wire: Wire, true: bytes, _other: bytes, _order: Order) -> None:
    padding = tuple((f"X-Padding-{n}", "x" * 20) for n in range(10_000))
    await wire.send(head(200, (_TEXT, _CLOSE, *padding)) + true)


async def _redirect(wire: Wire, _true: bytes, _other: bytes, _order: Order) -> None:
    """307 keeps method and body (RFC 9110, 15.4.8): who follows sends the password again."""
    await wire.send(whole(307, "text/plain", b"", ("Location", "/npl"), _CLOSE))


async def _status(wire: Wire, _true: bytes, _other: bytes, order: Order) -> None:
    status = int(order.trouble.removeprefix("http-"))
    after = () if order.amount is None else (("Retry-After", str(order.amount)),)
    await wire.send(whole(status, "text/html", _PAGE, *after, _CLOSE))


_ACTS: Final[dict[Trouble, Act]] = {
    Trouble.HANG: _hang,
    Trouble.DRIP: _drip,
    Trouble.CLOSE: _close,
    Trouble.RESET: _reset,
    Trouble.RESET_AFTER_HEADERS: _reset_after_headers,
    Trouble.CLOSE_EARLY: _close_early,
    Trouble.EXTRA_RESPONSE: _extra_response,
    Trouble.HTML: _html,
    Trouble.EMPTY: _empty,
    Trouble.OVERSIZE: _oversize,
    Trouble.LONG_LINE: _long_line,
    Trouble.GZIP_BOMB: _gzip_bomb,
    Trouble.MANY_HEADERS: _many_headers,
    Trouble.REDIRECT: _redirect,
    Trouble.HTTP_403: _status,
    Trouble.HTTP_429: _status,
    Trouble.HTTP_500: _status,
    Trouble.HTTP_503: _status,
}


async def deliver(
    wire: Wire, true: bytes, other: bytes, order: Order | None, framing: Framing
) -> bool:
    """Send one answer, soundly or as ordered; say whether the connection may live on.

    ``other`` is an answer about somebody else, sent where the order is a second response.

    Raises:
        TimeoutError: the client does not read.
        ConnectionError: the client went.
    """
    act = _ACTS.get(order.trouble) if order else None
    if act is None or order is None:
        await wire.send(framed(true, framing))
        return framing is not Framing.CLOSE
    await act(wire, true, other, order)
    return order.trouble is Trouble.EXTRA_RESPONSE
