"""One manager connection: panoramisk's Manager for actions and responses, and nothing else of it.

panoramisk 1.4 closes the connection when a callback raises, loses what follows a doubled header,
splits characters at the ends of reads, keeps every unanswered action, connects again at once and
for ever, and never looks whether a ping was answered. So it gets whole blocks, and of these only
the responses to our own actions; events go past it. It never connects again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from socket import gaierror
from typing import Final, Protocol

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from agi.ami.blocks import Blocks
from agi.errors import DialdipError, LocalProtocolError

RESPONSE: Final = b"Response: "


class Account(Protocol):
    """Where a PBX's manager interface is, and as whom we log in; never the password."""

    @property
    def name(self) -> str:
        """Our name of the PBX."""

    @property
    def host(self) -> str:
        """An address, or a name that is resolved at each connection."""

    @property
    def port(self) -> int:
        """The TCP port."""

    @property
    def username(self) -> str:
        """The section of manager.conf."""


class Hung(DialdipError):
    """The connection is of no use any more; ``why`` is a short constant."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class _Wire(AMIProtocol):  # type: ignore[misc]  # panoramisk is not annotated
    """Cuts the stream into blocks and tells responses from events."""

    def __init__(self, take: Callable[[bytes], None], max_block: int) -> None:
        self.blocks = Blocks(max_block)
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._take = take

    def data_received(self, data: bytes) -> None:
        for block in self.blocks.feed(data):
            if block.startswith(RESPONSE):
                self._answered(block)
            else:
                self._take(block)
        if self.blocks.alien:
            self.end("alien")

    def _answered(self, block: bytes) -> None:
        """Give panoramisk the response to an action of ours; any other is a stranger's."""
        lines = block.decode("utf-8", "replace").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        named = {name.lower(): value for name, _, value in pairs}
        if len(named) == len(pairs) and named.get("actionid") in self.responses:
            self.handle_message(Message({name: value for name, _, value in pairs}))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("reset" if exc else "closed")

    def close(self) -> None:
        self.end("closed")

    def end(self, why: str) -> None:
        """Close at once; whoever waits for a response hears of it now."""
        if self.gone.done():
            return
        self.closed = True
        self.gone.set_result(why)
        waiting = {id(action): action for action in self.responses.values()}
        self.responses.clear()
        for action in waiting.values():
            if not action.future.done():
                action.future.set_exception(Hung(why))
        self.transport.abort()


class _Quiet(Manager):  # type: ignore[misc]  # panoramisk is not annotated
    """A Manager that logs nothing, pings nobody and connects when it is told to."""

    def connection_made(self, f: asyncio.Future[object]) -> None:
        if not f.cancelled() and f.exception() is None:
            super().connection_made(f)
            self.pinger.cancel()

    def connection_lost(self, exc: object) -> None:
        del exc


def _silent() -> logging.Logger:
    """Return a logger that writes nothing: panoramisk's lines would hold whole actions."""
    logger = logging.getLogger("panoramisk.dialdip")
    logger.disabled = True
    return logger


class Line:
    """One connection, from its making to its end; never used again after that.

    ``take`` gets each block that is not a response, at once and in order; it must not raise.
    """

    def __init__(
        self, account: Account, take: Callable[[bytes], None], *, max_block: int = 65_536
    ) -> None:
        self._wire: _Wire | None = None
        self._manager = _Quiet(
            host=account.host,
            port=account.port,
            loop=asyncio.get_running_loop(),
            protocol_factory=lambda: _Wire(take, max_block),
            log=_silent(),
        )

    @property
    def version(self) -> str:
        """The version of the manager interface, from the banner."""
        return self._wire.blocks.version if self._wire is not None else ""

    @property
    def oversize(self) -> int:
        """How many blocks were too long."""
        return self._wire.blocks.oversize if self._wire is not None else 0

    @property
    def waiting(self) -> int:
        """How many actions wait for their response."""
        return len(self._wire.responses) if self._wire is not None else 0

    async def connect(self, within_s: float) -> None:
        """Connect.

        Raises:
            Hung: nobody answers there.
        """
        try:
            async with asyncio.timeout(within_s):
                _, self._wire = await self._manager.connect()
        except TimeoutError:
            raise Hung("timeout") from None
        except OSError as error:
            # asyncio's own words hold the address, and not the reason.
            words = os.strerror(error.errno) if error.errno else ""
            if isinstance(error, gaierror):
                words = error.strerror or ""
            raise Hung(words or "no connection") from None

    async def ask(
        self, name: str, within_s: float, headers: Mapping[str, str] | None = None, action: str = ""
    ) -> Mapping[str, str]:
        """Send an action, return the headers of its response, their names as Asterisk writes them.

        ``action`` is its ActionID, one that nobody can guess if none is given.

        Raises:
            Hung: no response came in time, or the connection ended.
            LocalProtocolError: a header holds a control character. Nothing was sent.
        """
        wire = self._wire
        if wire is None:
            raise Hung("closed")
        if wire.gone.done():
            raise Hung(wire.gone.result())
        asked = {"Action": name, "ActionID": action or token(), **(headers or {})}
        _refuse_control(asked)
        future = self._manager.send_action(asked, as_list=False)
        try:
            async with asyncio.timeout(within_s):
                answer = await future
        except TimeoutError:
            raise Hung("silent") from None
        finally:
            wire.responses.pop(asked["ActionID"], None)
        return {str(key): str(value) for key, value in answer.items()}

    async def ended(self) -> str:
        """Wait for the end of the connection; return why."""
        if self._wire is None:
            return "closed"
        return await asyncio.shield(self._wire.gone)

    def close(self, why: str = "closed") -> None:
        """End the connection at once."""
        if self._wire is not None:
            self._wire.end(why)


def token() -> str:
    """Return an ActionID that no stranger can guess: 128 bits."""
    return secrets.token_hex(16)


def _refuse_control(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if any(ord(character) < 32 or ord(character) == 127 for character in name + value):
            raise LocalProtocolError("ami-control-character")
        if ":" in name or not name:
            raise LocalProtocolError("ami-header-name")
