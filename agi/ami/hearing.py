"""One Asterisk as the ledger hears it: its open legs, what waits, and whether it is heard."""

from __future__ import annotations

from collections.abc import Sequence

from agi.ami.early import Early
from agi.ami.events import ChannelSeen
from agi.ami.legs import Call, Leg
from agi.ami.listed import Listed

_MOST_OVER = 100_000


class Hearing:
    """It is away until its first resync.

    ``went`` and ``back`` are the beginning and the end of its last gap, ``latest`` is when an event
    was taken last; epochs of our clock.
    """

    __slots__ = ("_over", "away", "back", "early", "latest", "legs", "listed", "name", "went")

    def __init__(self, name: str) -> None:
        self.name = name
        self.legs: dict[str, Leg] = {}  # by the dialled channel
        self.early = Early()
        self.listed = Listed()
        self.away = True
        self.went = self.back = self.latest = float("-inf")
        self._over: dict[str, str] = {}  # channels that ended while it was away: names

    def lose(self, at: float) -> None:
        """Begin a gap: legs that are open may end unheard."""
        self.away = True
        self.went = max(at, self.latest)
        self.listed = Listed()
        for leg in self.legs.values():
            leg.fresh = False

    def list_up(self, channels: Sequence[ChannelSeen]) -> None:
        """Keep what a resync found, but for what is known to be over."""
        self.listed = Listed(channels, self._over)
        self._over = {}

    def over(self, uniqueid: str, channel: str) -> None:
        """Take note that a channel is gone."""
        self.listed.ended(uniqueid, channel)
        if self.away and len(self._over) < _MOST_OVER:
            self._over[uniqueid] = channel

    def ended_unheard(self, leg: Leg) -> bool:
        """Say whether a leg that began before the last gap was over after it."""
        return not self.away and leg.opened <= self.went and leg.dest not in self.listed

    def missed(self, call: Call) -> bool:
        """Say whether it was not heard for a part of the call, the decision included."""
        return self.away or self.back >= call.since
