"""The dipper's own door, by which providers post answers: ``POST /hooks/datasoap/{secret}``.

It faces strangers, so everything has a limit: bytes of a head and of a body, connections, and one
lifetime for a connection, whatever it does. Nothing of a request is logged, because the URL holds
the secret. Whoever does not know the secret learns nothing: a wrong secret, an unknown job and any
other path get the same 404 (RFC 9457).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from agi.lookup.postback import Verdict
from agi.web.serving import Serving

MAX_BODY: Final = 65_536
"""Bytes of one postback, at most; those that the vendor shows have 200."""

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
        routes = [Route(PATH + "{secret}", self._post, methods=["POST"])]
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

    async def _post(self, request: Request) -> Response:
        given = request.path_params["secret"].encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._secret):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        status = _STATUSES[self._deliver(await _body(request))]
        if status is not HTTPStatus.OK:
            raise HTTPException(status)
        return Response(status_code=status, headers={"Connection": "close"})


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
