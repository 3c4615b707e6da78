"""The breaker of a cache server: after a few failures nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_FAILURES: Final = 5
_FIRST_S: Final = 1.0
_MOST_S: Final = 30.0
_SPREAD: Final = 0.2


class Gate:
    """Shut after five failures in a row: for 1 s, doubling to 30 s, each 20 % more or less.

    While it is shut one question at a time is let through when a pause is over. Clock values are
    monotonic seconds, passed in; ``draw`` gives numbers from 0 to 1.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._failures = 0
        self._pause_s = _FIRST_S
        self._until: float | None = None
        self._probing = False

    @property
    def shut(self) -> bool:
        """Say whether the server counts as down."""
        return self._until is not None

    def available(self, now: float) -> bool:
        """Say whether a question would be let through."""
        return self._until is None or (now >= self._until and not self._probing)

    def admit(self, now: float) -> bool:
        """Let a question through, or not; its end must be told by ``passed`` or ``failed``."""
        if not self.available(now):
            return False
        self._probing = self.shut
        return True

    def passed(self) -> None:
        """Take note that the server answered."""
        self._failures = 0
        self._pause_s = _FIRST_S
        self._until = None
        self._probing = False

    def failed(self, now: float) -> bool:
        """Take note that it did not; say whether this shut the gate, which was open before."""
        self._failures += 1
        if not self.shut and self._failures < _FAILURES:
            return False
        if self.shut and not self._probing:
            return False
        was_open = not self.shut
        self._probing = False
        self._until = now + self._pause_s * (1 - _SPREAD + 2 * _SPREAD * self._draw())
        self._pause_s = min(2 * self._pause_s, _MOST_S)
        return was_open
