"""The sandbox's listening socket: open, refusing, frozen, or flapping between two of these.

A frozen door still listens: the system completes connections until the backlog is full, and nobody
accepts them. So looks a process that was stopped.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Final

from agi.sandbox.faults import Order, Trouble

_BACKLOG: Final = 512

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class State(StrEnum):
    """What happens to who connects."""

    OPEN = "open"
    DOWN = "down"  # refused
    FROZEN = "frozen"  # never accepted


class Door:
    """One address to listen on; ``shut`` is called when connections there are are to end."""

    def __init__(self, connected: Connected, shut: Callable[[], None]) -> None:
        self.state = State.DOWN
        self.thawed = asyncio.Event()
        self._changed = asyncio.Event()
        self._connected = connected
        self._shut = shut
        self._address: tuple[str, int] = ("", 0)
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._plan: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen; return the address, with the port that the system chose if it was 0.

        Raises:
            OSError: the port is taken.
        """
        self._address = (host, port)
        await self.up()
        return self._address

    async def up(self) -> None:
        """Accept connections, whatever the door did before."""
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            self._socket = socket.create_server(self._address, family=family, backlog=_BACKLOG)
            name = self._socket.getsockname()
            self._address = (str(name[0]), int(name[1]))
        if self._server is None:
            # A double of the socket: asyncio closes what it serves, and this one goes on listening.
            self._server = await asyncio.start_server(
                self._connected, sock=self._socket.dup(), backlog=_BACKLOG
            )
        self._become(State.OPEN)

    def freeze(self) -> None:
        """Accept nobody and answer nobody, but keep listening."""
        self._close_server()
        self._become(State.FROZEN)

    def down(self) -> None:
        """Refuse connections, and end those that there are."""
        self._close_server()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._become(State.DOWN)
        self._shut()

    async def until(self, state: State) -> None:
        """Wait until the door is in this state."""
        while self.state is not state:
            self._changed.clear()
            await self._changed.wait()

    def _become(self, state: State) -> None:
        self.state = state
        if state is State.FROZEN:
            self.thawed.clear()
        else:
            self.thawed.set()
        self._changed.set()

    def obey(self, order: Order) -> None:
        """Carry out an order for the whole port; replaces the one before."""
        seconds = float(order.amount or 0)
        if order.trouble is Trouble.FLAP:
            self._follow(self._flap(seconds))
        else:
            leave = self.freeze if order.trouble is Trouble.FREEZE else self.down
            self._follow(self._away(leave, seconds))

    async def calm(self) -> None:
        """Forget such an order and be open."""
        self._cancel()
        await self.up()

    def soothe(self) -> None:
        """Begin to forget such an order, without waiting; nothing to do when there is none."""
        if self._plan is not None and not self._plan.done():
            self._follow(self.up())

    def close(self) -> None:
        """Be gone for good."""
        self._cancel()
        self.down()

    def _follow(self, plan: Coroutine[None, None, None]) -> None:
        self._cancel()
        self._plan = asyncio.get_running_loop().create_task(plan)

    def _cancel(self) -> None:
        if self._plan is not None:
            self._plan.cancel()
            self._plan = None

    async def _away(self, leave: Callable[[], None], seconds: float) -> None:
        leave()
        await asyncio.sleep(seconds)
        await self.up()

    async def _flap(self, seconds: float) -> None:
        while True:
            await self.up()
            await asyncio.sleep(seconds)
            self.down()
            await asyncio.sleep(seconds)

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
