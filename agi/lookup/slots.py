"""An account's connections and its rate, shared by everything that is asked of the account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agi.lookup.limits import TokenBucket

Wake = Callable[[], None]


class Slots:
    """At most ``connections`` requests at once, at the pace of ``bucket``; one event loop only.

    Who is refused is woken when a connection or the pace allows the next request, in the order
    of asking.
    """

    def __init__(
        self, connections: int, bucket: TokenBucket, *, clock: Callable[[], float]
    ) -> None:
        self._connections = connections
        self._bucket = bucket
        self._clock = clock
        self._waiting: dict[Wake, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.busy = 0

    @property
    def connections(self) -> int:
        """The account's limit."""
        return self._connections

    def take(self, wake: Wake) -> bool:
        """Use a connection; when there is none, or not yet, have ``wake`` called later."""
        now = self._clock()
        if self.busy >= self._connections:
            self._waiting[wake] = None
            return False
        if not self._bucket.take(now):
            self._waiting[wake] = None
            self._wake_in(self._bucket.wait_s(now))
            return False
        self.busy += 1
        return True

    def release(self) -> None:
        """Give a connection back."""
        self.busy -= 1
        self._wake()

    def wait_s(self, ahead: int) -> float:
        """Return how long the pace alone makes the request behind ``ahead`` others wait."""
        return self._bucket.wait_s(self._clock(), ahead)

    def close(self) -> None:
        """Wake nobody any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _wake_in(self, seconds: float) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            # A millisecond more: the loop's clock may have steps of one.
            self._timer = loop.call_later(seconds + 0.001, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = tuple(self._waiting), {}
        for wake in waiting:
            wake()
