"""One HTTP/1.1 connection of the sandbox: requests read by h11, responses written by hand.

Responses are written by hand because most of them are to be wrong in some way that an HTTP library
would not let out.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import h11
import msgspec

from agi.errors import DialdipError

MAX_BODY: Final = 256 * 1024
"""Bytes of a request's body; 1,000 numbers with encoded commas are 18,000."""

_FORM: Final = b"application/x-www-form-urlencoded"
_MAX_HEAD: Final = 64 * 1024  # a GET with 1,000 numbers has 18,000 bytes
_CHUNK: Final = 65_536


class BadRequest(DialdipError):
    """The client's HTTP cannot be answered but by a status; it does not leave this room."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(str(status))


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``keep_alive`` says whether the client lets the connection live on."""

    method: str
    path: str
    query: str = field(repr=False)
    content_type: bytes
    body: bytes = field(repr=False)
    keep_alive: bool = True
    authorization: str = field(default="", repr=False)

    def json(self) -> object:
        """Return the body's JSON document, None for what is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def form(self) -> dict[str, str]:
        """Return the parameters: the form body of a POST, the query of anything else."""
        if self.method != "POST":
            return dict(parse_qsl(self.query, keep_blank_values=True))
        if not self.content_type.startswith(_FORM):
            return {}
        return dict(parse_qsl(self.body.decode("latin-1"), keep_blank_values=True))


def head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write a status line and headers, blank line included."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def whole(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    """Write a whole response whose length is announced."""
    kind, length = ("Content-Type", content_type), ("Content-Length", str(len(body)))
    return head(status, (kind, length, *headers)) + body


class Wire:
    """The bytes of one connection; everything on it ends within ``patience_s`` seconds."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._patience_s = patience_s
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self.path = "/"
        """What was asked for last."""

    async def request(self) -> Request | None:
        """Wait for the next request; None when the client has gone.

        Raises:
            BadRequest: what came is not HTTP, or is too long.
            TimeoutError: nothing whole came in time.
        """
        self._http = _successor(self._http)
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._read()
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint) from error

    async def _read(self) -> Request | None:
        asked: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._more()
            elif isinstance(event, h11.Request):
                asked = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            elif isinstance(event, h11.EndOfMessage) and asked is not None:
                keep = self._http.their_state is not h11.MUST_CLOSE
                request = _request(asked, bytes(body), keep_alive=keep)
                self.path = request.path
                return request
            else:
                return None

    async def _more(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            self._writer.write(self._http.send(_CONTINUE) or b"")
        self._http.receive_data(await self._reader.read(_CHUNK))

    async def send(self, data: bytes) -> None:
        """Write bytes and wait until the system has taken most of them.

        Raises:
            TimeoutError: the client does not read.
        """
        self._writer.write(data)
        async with asyncio.timeout(self._patience_s):
            await self._writer.drain()

    async def gone(self, seconds: float) -> bool:
        """Wait, and say whether the client went meanwhile; a half-close counts as going."""
        early = 0
        try:
            async with asyncio.timeout(min(seconds, self._patience_s)):
                while data := await self._reader.read(_CHUNK):
                    early += len(data)
                    if early > _MAX_HEAD:
                        return True
                    self._http.receive_data(data)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def reset(self) -> None:
        """Close with RST instead of FIN (SO_LINGER with zero seconds: Linux, socket(7))."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._writer.transport.abort()

    def close(self) -> None:
        """Close after what was written has gone out."""
        self._writer.close()

    def abort(self) -> None:
        """Close at once."""
        self._writer.transport.abort()


_CONTINUE: Final = h11.InformationalResponse(status_code=100, headers=[])


def _successor(http: h11.Connection) -> h11.Connection:
    """Return a parser for the next request, holding what the last one had read too far."""
    data, closed = http.trailing_data
    successor = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
    if data:
        successor.receive_data(data)
    if closed:
        successor.receive_data(b"")
    return successor


def _request(event: h11.Request, body: bytes, *, keep_alive: bool) -> Request:
    path, _, query = event.target.decode("ascii").partition("?")
    headers = dict(event.headers)
    kind = headers.get(b"content-type", b"")
    who = headers.get(b"authorization", b"").decode("latin-1")
    return Request(event.method.decode("ascii"), path, query, kind, body, keep_alive, who)
