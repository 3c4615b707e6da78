"""A child's side of the life it shares with its parent: readiness, heartbeat, and the parent's end.

A lifeline is one end of a pair of Unix sequenced-packet sockets, so every message is one packet
(unix(7)), and the end of either process is the end of file for the other one.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

BEAT: Final = b"B"
READY: Final = b"R"
REFUSED: Final = b"F"
BEAT_S: Final = 0.25
MAX_PACKET: Final = 4_096

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class Lifeline:
    """What a role gets from its parent; to speak never waits and never fails.

    ``stuck_s`` of user CPU time without a beat, and the kernel ends the process (setitimer(2)): a
    parent kills it long before, so it can only have lost its parent in an endless loop. None: off.
    """

    def __init__(self, sock: socket.socket, *, stuck_s: float | None = None) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._stuck_s = stuck_s

    def ready(self, text: str) -> None:
        """Say once that the role does its work; ``text`` is for whoever started the parent."""
        self._say(READY + text.encode()[: MAX_PACKET - 1])

    def refuse(self, text: str) -> None:
        """Say why the role cannot start; it exits with status 2 then."""
        self._say(REFUSED + text.encode()[: MAX_PACKET - 1])

    def beat(self) -> None:
        """Say that the process is alive."""
        if self._stuck_s is not None:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._stuck_s)
        self._say(BEAT)

    def beat_by(self, loop: asyncio.AbstractEventLoop, on_orphaned: Callable[[], None]) -> None:
        """Beat four times a second by this loop; call ``on_orphaned`` once the parent is gone."""
        self._pulse(loop)
        loop.add_reader(self._sock.fileno(), self._parent_spoke, loop, on_orphaned)

    def _pulse(self, loop: asyncio.AbstractEventLoop) -> None:
        self.beat()
        loop.call_later(BEAT_S, self._pulse, loop)

    def _parent_spoke(
        self, loop: asyncio.AbstractEventLoop, on_orphaned: Callable[[], None]
    ) -> None:
        loop.remove_reader(self._sock.fileno())  # a parent says nothing: this was its end
        on_orphaned()

    def _say(self, packet: bytes) -> None:
        # A parent that is frozen leaves its socket full, one that is gone has closed it.
        with suppress(BlockingIOError, ConnectionError):
            self._sock.send(packet)


def tie_to_parent() -> None:
    """Have the kernel continue this process when its parent ends (PR_SET_PDEATHSIG of prctl(2)).

    A stopped child does not see the end of its lifeline; SIGCONT wakes it, so that it does. A
    running one is not disturbed: it drains.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)
