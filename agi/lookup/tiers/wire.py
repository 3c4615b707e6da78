"""One connection to a cache server, used by one task: a list of commands in, their replies out.

redis-py's connection does the protocol, TLS and the login; its retries, health checks and greetings
are off, because with them a frozen server kept a caller for 4.7 s in spite of a socket timeout of
50 ms (measured, redis-py 8.1). The one time limit is around the whole exchange, connecting
included, and an exchange that did not end well takes its connection with it: a reply can never
reach another question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError, ResponseError

FAULTS: Final = (RedisError, OSError, TimeoutError, EOFError, ValueError, RecursionError)
"""What an exchange may raise, a server that speaks nonsense included."""

Command = tuple[str | bytes | int, ...]


def word(fault: Exception) -> str:
    """Return the fault's kind: an error reply's first word (``OOM``), else its class."""
    # The library takes the first word out of the text where it has a class of its own.
    first = getattr(fault, "status_code", None)
    if first is None and isinstance(fault, ResponseError):
        first = str(fault).partition(" ")[0]
    if isinstance(first, str) and first.isascii() and first.isalpha() and first.isupper():
        return first[:32]
    return type(fault).__name__


class Wire:
    """Connects when first used. Not for several tasks at once.

    Raises:
        ValueError: ``url`` is not of the form ``redis://``, ``rediss://`` or ``unix://``.
    """

    def __init__(self, url: str, limit_s: float) -> None:
        try:
            options: dict[str, Any] = dict(parse_url(url))
        except (ValueError, TypeError):
            # The library's own words may quote a part of the password.
            raise ValueError("give redis://HOST:PORT/DB, rediss:// or unix:///PATH") from None
        self._make: type[AbstractConnection] = options.pop("connection_class", Connection)
        self._options = options | {
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": limit_s,
            "socket_timeout": None,
            "health_check_interval": 0,
            "driver_info": None,
            "protocol": 2,
        }
        self._limit_s = limit_s
        self._connection: AbstractConnection | None = None

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies, an error reply as a ``ResponseError`` in its place.

        Raises:
            Exception: one of ``FAULTS``; no reply of this exchange is known then.
        """
        async with asyncio.timeout(self._limit_s):
            if self._connection is not None:
                try:
                    return await self._exchange(self._connection, commands)
                except (ConnectionLost, EOFError, OSError):
                    # The server closed a connection that had been idle, or began anew.
                    pass
            connection = self._make(**self._options)
            return await self._exchange(connection, commands)

    async def _exchange(
        self, connection: AbstractConnection, commands: Sequence[Command]
    ) -> list[Any]:
        self._connection = None
        try:
            await connection.connect()  # type: ignore[no-untyped-call] # redis-py has no type here
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed, check_health=False)
            replies = [await _reply(connection) for _ in commands]
            self._connection = connection
        finally:
            if self._connection is None:
                await connection.disconnect(nowait=True)
        return replies

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)
            self._connection = None


async def _reply(connection: AbstractConnection) -> Any:  # noqa: ANN401 - whatever the server says
    try:
        return await connection.read_response()
    except ResponseError as fault:
        return fault
