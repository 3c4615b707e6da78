"""The dipper's own door, by which providers post answers: ``POST /hooks/datasoap/{secret}``.

It faces strangers, so everything has a limit: bytes of a head and of a body, connections, and one
lifetime for a connection, whatever it does. Nothing of a request is logged, because the URL holds
the secret. Whoever does not know the secret learns nothing: a wrong secret, an unknown job and any
other path get the same 404 (RFC 9457).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from agi.lookup.postback import Verdict

MAX_BODY: Final = 65_536
"""Bytes of one postback, at most; those that the vendor shows have 200."""

MAX_HEAD: Final = 16_384
MAX_CONNECTIONS: Final = 128
LIFETIME_S: Final = 5.0
"""Seconds from a connection's accept to its end; a postback takes milliseconds."""

PATH: Final = "/hooks/datasoap/"

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
_STATUSES: Final = {
    Verdict.TAKEN: HTTPStatus.OK,
    Verdict.EARLY: HTTPStatus.OK,
    Verdict.REPEATED: HTTPStatus.OK,  # applied once; an error would make the vendor try again
    Verdict.UNKNOWN: HTTPStatus.NOT_FOUND,
    Verdict.MALFORMED: HTTPStatus.BAD_REQUEST,
}


class Door:
    """The server of the postbacks, on the loop that runs.

    Args:
        secret: the last part of the path, 16 to 128 of ``[A-Za-z0-9_-]``.
        deliver: is given each body that came with the secret; must not wait.
        lifetime_s: how long a connection may live.
        max_connections: so many at once; the oldest gives way to the next.

    Raises:
        ValueError: the secret is too short, or not fit for a path.
    """

    def __init__(
        self,
        secret: str,
        deliver: Callable[[bytes], Verdict],
        *,
        lifetime_s: float = LIFETIME_S,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        if not _SECRET.fullmatch(secret):
            raise ValueError("the secret must have 16 to 128 letters, digits, '-' or '_'")
        self._secret = secret.encode()
        self._deliver = deliver
        limits = {"lifetime_s": lifetime_s, "most": max_connections}
        self._protocol = type("Connection", (_Connection,), limits)
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen on an address; return it with the port that was taken, if 0 was given.

        Raises:
            OSError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        config = self._config()
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        # startup() without serve(): that one takes the process's signals and polls ten times a
        # second, for a Date field and a limit that are not used here.
        await self._server.startup(sockets=[self._socket])
        address = self._socket.getsockname()
        return address[0], address[1]

    async def stop(self) -> None:
        """Stop to listen, give requests in progress a second, end every connection."""
        if self._server is None or self._socket is None:
            return
        server, self._server = self._server, None
        await server.shutdown(sockets=[self._socket])
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    def _config(self) -> uvicorn.Config:
        app = Starlette(
            routes=[Route(PATH + "{secret}", self._post, methods=["POST"])],
            exception_handlers={HTTPException: _problem},
        )
        app.router.redirect_slashes = False
        return uvicorn.Config(
            app,
            http=self._protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_graceful_shutdown=1,
        )

    async def _post(self, request: Request) -> Response:
        given = request.path_params["secret"].encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._secret):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        status = _STATUSES[self._deliver(await _body(request))]
        if status is not HTTPStatus.OK:
            raise HTTPException(status)
        return Response(status_code=status, headers={"Connection": "close"})


class _Connection(H11Protocol):
    """A connection of limited life: uvicorn itself waits for ever for the end of a head."""

    lifetime_s: float
    most: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it too
        if len(self.connections) >= self.most:
            # A dict of the accepted ones would be quicker to ask, and one more thing to keep.
            oldest = min(self.connections, key=lambda each: each.ends.when())  # type: ignore[union-attr] # all are ours
            oldest.transport.abort()
            self.connections.discard(oldest)
        self.ends = self.loop.call_later(self.lifetime_s, transport.abort)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.cancel()
        super().connection_lost(exc)


async def _body(request: Request) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is too long (413), or ended before its end (400).
    """
    if int(request.headers.get("content-length", "0")) > MAX_BODY:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    return bytes(body)


async def _problem(request: Request, refusal: Exception) -> Response:
    """Answer a refusal as a problem document that says no more than the status."""
    del request
    if not isinstance(refusal, HTTPException):
        raise refusal
    status = HTTPStatus(refusal.status_code)
    said = {"type": "about:blank", "title": status.phrase, "status": status.value}
    headers = {**(refusal.headers or {}), "Connection": "close"}
    return Response(json.dumps(said), status, headers, "application/problem+json")
