"""A small HTTP server with a limit on everything, for our doors: uvicorn on the loop that runs.

Bytes of a head, connections, and one lifetime for a connection, whatever it does. Every answer ends
its connection. Errors are problem documents (RFC 9457) that say no more than they must.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD: Final = 16_384


class Serving:
    """A server of these routes.

    Args:
        lifetime_s: how long a connection may live.
        max_connections: so many at once; the oldest gives way to the next.
    """

    def __init__(
        self, routes: Sequence[BaseRoute], *, lifetime_s: float, max_connections: int
    ) -> None:
        self._routes = routes
        self._most = max_connections
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
        app = Starlette(routes=list(self._routes), exception_handlers={HTTPException: _problem})
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
            backlog=self._most,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_graceful_shutdown=1,
        )


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


async def _problem(request: Request, refusal: Exception) -> Response:
    """Answer a refusal as a problem document; with a detail where whoever refused gave one."""
    del request
    if not isinstance(refusal, HTTPException):
        raise refusal
    status = HTTPStatus(refusal.status_code)
    said = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if refusal.detail != status.phrase:
        said["detail"] = refusal.detail
    headers = {**(refusal.headers or {}), "Connection": "close"}
    return Response(json.dumps(said), status, headers, "application/problem+json")
