"""How late an event loop is: what a call that arrives now would wait before anybody looks at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

EVERY_S: Final = 0.05
"""How often it is measured: twenty times a second, about 10 us of work each."""


class Handle(Protocol):
    """What the loop returns for something that is to be called later."""

    def cancel(self) -> None:
        """Do not call it."""


class Loop(Protocol):
    """The part of an event loop that is needed."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        """Call something after so many seconds."""


class Lag:
    """Tells ``observe`` how many seconds later than wanted the loop came to it, again and again.

    A loop that is blocked for B seconds shows up as something between 0 and B, by chance: the
    longest of many is near the truth. uvloop's timers are whole milliseconds (libuv, uv_timer_t),
    so that 1 ms may be its rounding.
    """

    def __init__(
        self, observe: Callable[[float], None], loop: Loop, clock: Callable[[], float]
    ) -> None:
        self._observe = observe
        self._loop = loop
        self._clock = clock
        self._due = 0.0
        self._handle: Handle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._clock() + EVERY_S
        self._handle = self._loop.call_later(EVERY_S, self._measure)

    def stop(self) -> None:
        """End it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _measure(self) -> None:
        self._observe(max(0.0, self._clock() - self._due))
        self.start()
