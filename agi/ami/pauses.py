"""How long to wait before the next attempt to log in: longer each time, never all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Patience:
    """The listener's times in seconds.

    A PBX that refuses us is left alone for at least ``refused_s``, four times that next time: never
    five times in ten minutes, for which fail2ban's defaults ban a host. A connection that lasted
    ``lasting_s`` was a success. Devices are asked for every ``devices_every_s`` and at a hint, but
    ``devices_apart_s`` apart, and for no more than ``devices_share`` of the time. Channels are
    listed after a loss, every ``relist_s`` all the same, and twice, ``doubt_s`` apart, after
    something that a stranger made unreadable: a list spares calls of the last seconds.
    """

    connect_s: float = 5.0
    login_s: float = 10.0
    answer_s: float = 10.0
    list_s: float = 30.0
    ping_every_s: float = 5.0
    ping_s: float = 5.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    refused_s: float = 30.0
    longest_refused_s: float = 300.0
    lasting_s: float = 30.0
    resync_every_s: float = 1.0
    relist_s: float = 300.0
    doubt_s: float = 10.0
    devices_every_s: float = 30.0
    devices_apart_s: float = 1.0
    devices_share: float = 0.05


PATIENCE: Final = Patience()


class Pauses:
    """The pauses of one listener. ``dice`` gives odds in [0, 1)."""

    def __init__(self, patience: Patience, dice: Callable[[], float]) -> None:
        self._patience = patience
        self._dice = dice
        self._failures = 0
        self._refusals = 0

    def after_failure(self, lasted_s: float) -> float:
        """Return the pause after a connection that was not made, or that ended."""
        self._refusals = 0
        self._failures = 1 if lasted_s >= self._patience.lasting_s else self._failures + 1
        first, longest = self._patience.first_pause_s, self._patience.longest_pause_s
        pause: float = min(longest, first * 2 ** min(self._failures - 1, 30))
        return pause * (0.5 + 0.5 * self._dice())

    def after_refusal(self) -> float:
        """Return the pause after a login that was refused: never less than ``refused_s``."""
        first, longest = self._patience.refused_s, self._patience.longest_refused_s
        pause: float = min(longest, first * 4 ** min(self._refusals, 30))
        self._refusals += 1
        return pause * (1.0 + 0.5 * self._dice())
