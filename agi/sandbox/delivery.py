"""How an answer leaves the sandbox: framed as it should be, or broken as ordered.

The vendor's page says that the server closes the connection after ENDBATCH (Comcetera NPL API page,
v2.4); it shows no Content-Length. So ``Framing.CLOSE`` is the default of that API; the other two
are what a proxy in between would make of it. The JSON APIs announce their length.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from enum import StrEnum
from typing import Final

from agi.sandbox.exchange import Reply
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.wire import Wire, head, whole

BIG: Final = 50_000_000
"""Bytes of an oversize body, and of a gzip bomb when it has gone off."""

_CLOSE: Final = ("Connection", "close")
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>\n"
_HANG_S: Final = 60.0
_DRIP_MS: Final = 100
_LATE_MS: Final = 100
_STEP: Final = 65_536
_PLACES: Final = {
    "host": "http://sandbox.invalid/",
    "port": "http://127.0.0.1:6379/",
    "file": "file:///etc/hostname",
}


class Framing(StrEnum):
    """How the end of a sound answer is marked."""

    CLOSE = "close"
    LENGTH = "length"
    CHUNKED = "chunked"


def framed(reply: Reply, framing: Framing) -> bytes:
    """Write a sound response."""
    if framing is Framing.LENGTH:
        return whole(reply.status, reply.kind, reply.body, *reply.headers)
    if framing is Framing.CHUNKED:
        return _opened(reply, framing) + chunk(reply.body, framing) + ending(framing)
    return _opened(reply, framing) + reply.body


def _opened(reply: Reply, framing: Framing) -> bytes:
    """Write the head of a response whose length is not announced."""
    kind = ("Content-Type", reply.kind)
    mark = ("Transfer-Encoding", "chunked") if framing is Framing.CHUNKED else _CLOSE
    return head(reply.status, (kind, mark, *reply.headers))


def chunk(data: bytes, framing: Framing) -> bytes:
    """Write a piece of a streamed body."""
    if framing is Framing.CHUNKED and data:
        return b"%x\r\n%b\r\n" % (len(data), data)
    return data


def ending(framing: Framing) -> bytes:
    """Write what marks the end of a streamed body."""
    return b"0\r\n\r\n" if framing is Framing.CHUNKED else b""


def opening(kind: str, framing: Framing) -> bytes:
    """Write the head of a streamed response."""
    return _opened(Reply(b"", kind=kind), framing)


def _other(reply: Reply) -> Reply:
    return Reply(reply.other, kind=reply.kind)


Act = Callable[[Wire, Reply, Order], Awaitable[None]]
"""Takes the connection, the true reply and the order."""


async def _hang(wire: Wire, _reply: Reply, _order: Order) -> None:
    await wire.gone(_HANG_S)


async def _drip(wire: Wire, reply: Reply, order: Order) -> None:
    pause_s = (order.amount or _DRIP_MS) / 1000
    for byte in framed(reply, Framing.CLOSE):
        await wire.send(bytes((byte,)))
        if await wire.gone(pause_s):
            return


async def _close(_wire: Wire, _reply: Reply, _order: Order) -> None:
    """Send nothing; the connection is closed as after any answer."""


async def _reset(wire: Wire, _reply: Reply, _order: Order) -> None:
    wire.reset()


async def _reset_after_headers(wire: Wire, reply: Reply, _order: Order) -> None:
    kind, length = ("Content-Type", reply.kind), ("Content-Length", str(len(reply.body)))
    await wire.send(head(200, (kind, length)))
    wire.reset()


async def _close_early(wire: Wire, reply: Reply, _order: Order) -> None:
    kind, length = ("Content-Type", reply.kind), ("Content-Length", str(len(reply.body)))
    await wire.send(head(200, (kind, length)) + reply.body[: len(reply.body) // 2])


async def _extra_response(wire: Wire, reply: Reply, _order: Order) -> None:
    await wire.send(framed(reply, Framing.LENGTH) + framed(_other(reply), Framing.LENGTH))


async def _extra_late(wire: Wire, reply: Reply, order: Order) -> None:
    """Answer, wait while the connection is idle, and answer once more unasked."""
    await wire.send(framed(reply, Framing.LENGTH))
    if not await wire.gone((order.amount or _LATE_MS) / 1000):
        await wire.send(framed(_other(reply), Framing.LENGTH))


async def _html(wire: Wire, _reply: Reply, _order: Order) -> None:
    await wire.send(whole(200, "text/html", _PAGE, _CLOSE))


async def _empty(wire: Wire, reply: Reply, _order: Order) -> None:
    await wire.send(framed(Reply(b"", kind=reply.kind), Framing.CLOSE))


async def _oversize(wire: Wire, reply: Reply, _order: Order) -> None:
    await _flood(wire, reply, reply.body.partition(b"ENDBATCH")[0], b"440000000000 23499\n")


async def _long_line(wire: Wire, reply: Reply, _order: Order) -> None:
    await _flood(wire, reply, reply.body.partition(b"ENDBATCH")[0].rstrip(), b"0")


async def _flood(wire: Wire, reply: Reply, start: bytes, filler: bytes) -> None:
    await wire.send(opening(reply.kind, Framing.CLOSE) + start)
    block = filler * (_STEP // len(filler))
    for _ in range(BIG // len(block)):
        await wire.send(block)


async def _endless(wire: Wire, reply: Reply, _order: Order) -> None:
    """Send chunks as fast as they are read; the account's patience ends what the client does not.

    The pause lets other requests be answered between the chunks.
    """
    start = reply.body.partition(b"ENDBATCH")[0]
    await wire.send(opening(reply.kind, Framing.CHUNKED) + chunk(start, Framing.CHUNKED))
    while not await wire.gone(0.001):
        await wire.send(chunk(b" " * _STEP, Framing.CHUNKED))


async def _gzip_bomb(wire: Wire, reply: Reply, _order: Order) -> None:
    packed = await asyncio.to_thread(lambda: b"".join(bomb(reply.body)))
    await wire.send(whole(200, reply.kind, packed, ("Content-Encoding", "gzip"), _CLOSE))


def bomb(start: bytes) -> Iterator[bytes]:
    """Pack ``start`` and 50 MB of zeros into one gzip member (RFC 1952)."""
    gzip = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield gzip.compress(start)
    for _ in range(BIG // _STEP):
        yield gzip.compress(bytes(_STEP))
    yield gzip.flush()


async def _many_headers(wire: Wire, reply: Reply, _order: Order) -> None:
    padding = tuple((f"X-Padding-{n}", "x" * 20) for n in range(10_000))
    await wire.send(head(200, (("Content-Type", reply.kind), _CLOSE, *padding)) + reply.body)


async def _redirect(wire: Wire, _reply: Reply, order: Order) -> None:
    """307 keeps method and body (RFC 9110, 15.4.8): who follows sends the password again."""
    place = _PLACES.get(order.word, wire.path)
    await wire.send(whole(307, "text/plain", b"", ("Location", place), _CLOSE))


async def _status(wire: Wire, _reply: Reply, order: Order) -> None:
    status = int(order.trouble.removeprefix("http-"))
    after = retry_after(order, time.time())
    headers = (("Retry-After", after),) if after else ()
    await wire.send(whole(status, "text/html", _PAGE, *headers, _CLOSE))


def retry_after(order: Order, epoch: float) -> str:
    """Return the header's value, empty for none; a date is two minutes ahead (RFC 9110, 10.2.3)."""
    if order.word == "date":
        return formatdate(epoch + 120, usegmt=True)
    if order.word:
        return "soon, I hope"
    return "" if order.amount is None else str(order.amount)


_ACTS: Final[dict[Trouble, Act]] = {
    Trouble.HANG: _hang,
    Trouble.DRIP: _drip,
    Trouble.CLOSE: _close,
    Trouble.RESET: _reset,
    Trouble.RESET_AFTER_HEADERS: _reset_after_headers,
    Trouble.CLOSE_EARLY: _close_early,
    Trouble.EXTRA_RESPONSE: _extra_response,
    Trouble.EXTRA_LATE: _extra_late,
    Trouble.HTML: _html,
    Trouble.EMPTY: _empty,
    Trouble.OVERSIZE: _oversize,
    Trouble.LONG_LINE: _long_line,
    Trouble.ENDLESS: _endless,
    Trouble.GZIP_BOMB: _gzip_bomb,
    Trouble.MANY_HEADERS: _many_headers,
    Trouble.REDIRECT: _redirect,
    Trouble.FLAP: _reset,
    **{trouble: _status for trouble in Trouble if trouble.startswith("http-")},
}
_KEPT: Final = frozenset({Trouble.EXTRA_RESPONSE, Trouble.EXTRA_LATE})


def acted(order: Order | None) -> bool:
    """Say whether an order is carried out here, on the way out."""
    return order is not None and order.trouble in _ACTS


async def deliver(wire: Wire, reply: Reply, order: Order | None, framing: Framing) -> bool:
    """Send one answer, soundly or as ordered; say whether the connection may live on.

    Raises:
        TimeoutError: the client does not read.
        ConnectionError: the client went.
    """
    act = _ACTS.get(order.trouble) if order else None
    if act is None or order is None:
        await wire.send(framed(reply, framing))
        return framing is not Framing.CLOSE
    await act(wire, reply, order)
    return order.trouble in _KEPT
