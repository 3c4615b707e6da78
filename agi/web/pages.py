"""The port for people and Prometheus: ``/healthz``, ``/readyz``, ``/metrics``.

A scraper that hangs, reads slowly or asks for ever disturbs nobody: whoever asks while a scene is
made shares the next one, and a connection has one lifetime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agi.scene import Scene
from agi.sharing import Shared
from agi.web.exposition import OPENMETRICS, Bounds, Exposed, exposition
from agi.web.serving import Serving

LIFETIME_S: Final = 10.0
"""Seconds from a connection's accept to its end: Prometheus's own default of a scrape's timeout."""

MAX_CONNECTIONS: Final = 32

_HEAD: Final = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The server of ``[web] listen``, on the loop that runs.

    Args:
        scene: makes a fresh scene, pulled and kept now; see ``agi.noc.generations``.
        ready: says why no call would be decided now, empty if one would; see ``agi.web.readiness``.
        lifetime_s: how long a connection may live.
        max_connections: so many at once; the oldest gives way to the next.
    """

    def __init__(
        self,
        scene: Callable[[], Awaitable[Scene]],
        ready: Callable[[], Awaitable[str]],
        *,
        lifetime_s: float = LIFETIME_S,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._scene = scene
        self._shown = {
            accept: Shared(partial(self._render, accept)) for accept in ("", OPENMETRICS)
        }
        self._ready = Shared(ready)
        self._bounds = Bounds()
        routes = [
            Route("/healthz", self._alive),
            Route("/readyz", self._decides),
            Route("/metrics", self._metrics),
        ]
        self._serving = Serving(routes, lifetime_s=lifetime_s, max_connections=max_connections)

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen on an address; return it with the port that was taken, if 0 was given.

        Raises:
            OSError: the address cannot be had.
        """
        return await self._serving.start(host, port)

    async def stop(self) -> None:
        """Stop to listen, give requests in progress a second, end every connection."""
        await self._serving.stop()
        for shared in self._shown.values():
            await shared.stop()
        await self._ready.stop()

    async def _alive(self, request: Request) -> Response:
        del request
        return _text("ok\n")

    async def _decides(self, request: Request) -> Response:
        del request
        why = await self._ready()
        if why:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, why, _HEAD)
        return _text("ok\n")

    async def _metrics(self, request: Request) -> Response:
        wanted = OPENMETRICS if OPENMETRICS in request.headers.get("accept", "") else ""
        shown = await self._shown[wanted]()
        return Response(shown.body, headers={**_HEAD, "Content-Type": shown.content_type})

    async def _render(self, accept: str) -> Exposed:
        # Beside the loop: with 500 trunks the text takes a tenth of a second to write.
        return await asyncio.to_thread(exposition, await self._scene(), accept, self._bounds)


def _text(text: str) -> Response:
    return Response(text, headers=_HEAD, media_type="text/plain")
