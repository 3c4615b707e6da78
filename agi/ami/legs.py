"""Calls and their legs to trunks while they are under way: what the ledger keeps of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from agi.ami.decided import Hopped
from agi.ami.events import Attempted, ChannelSeen, DialBegan

_KNOWN: Final = 4_096
"""So many ways are shared between calls; a table has at most a few hundred."""


class Way(msgspec.Struct, frozen=True, gc=False):
    """One trunk of a decision, and how a channel to it is named."""

    trunk: str
    endpoint: str
    tech: str

    def leads_to(self, channel: str) -> bool:
        """Say whether Asterisk names a channel to this trunk so.

        ``TECH/endpoint-00000001``; ``Local/number@endpoint-00000001;1`` for Local; for DAHDI any,
        since its channels bear a span's name and not the group's (Asterisk's channel drivers).
        """
        tech, _, rest = channel.partition("/")
        if tech != self.tech:
            return False
        if tech == "DAHDI":
            return True
        name, dash, _ = rest.rpartition("-")
        if tech == "Local":
            return channel.endswith(";1") and name.rpartition("@")[2] == self.endpoint
        return bool(dash) and name == self.endpoint


class Ways:
    """Makes ways of hops, the same one for the same hop: 50,000 calls share a few trunks."""

    def __init__(self) -> None:
        self._known: dict[Hopped, Way] = {}

    def of(self, hops: Iterable[Hopped]) -> tuple[Way, ...]:
        """Return the ways of a decision, in its order."""
        return tuple(self._known.get(hop) or self._new(hop) for hop in hops)

    def _new(self, hop: Hopped) -> Way:
        way = Way(hop.trunk, hop.endpoint, hop.tech)
        if len(self._known) < _KNOWN:
            self._known[hop] = way
        return way


class Call:
    """One decision, as long as something may still be heard of it.

    ``since`` is the epoch at which it was made, or the first one for the same channel. ``done`` has
    a bit for each index of a trunk that was tried. ``asterisk`` is empty until an event agreed with
    it. ``older`` is an earlier decision for the same channel. ``touched`` is when something was
    last heard of it. ``gone``: its caller is said to have hung up.
    """

    __slots__ = (
        *("asterisk", "country", "done", "gone", "id", "leg", "mccmnc", "older"),
        *("ours_s", "since", "timed", "touched", "uniqueid", "ways"),
    )

    def __init__(  # noqa: PLR0913 - a record's values
        self,
        id_: str,
        uniqueid: str,
        *,
        since: float,
        ours_s: float,
        country: str,
        mccmnc: str,
        ways: tuple[Way, ...],
        touched: float,
    ) -> None:
        self.id = id_
        self.uniqueid = uniqueid
        self.since = since
        self.ours_s = ours_s
        self.country = country
        self.mccmnc = mccmnc
        self.ways = ways
        self.touched = touched
        self.asterisk = ""
        self.leg: Leg | None = None
        self.older: Call | None = None
        self.done = 0
        self.timed = False
        self.gone = False

    def tried(self, index: int) -> bool:
        """Say whether this trunk, counted from 1, was tried."""
        return bool(self.done >> index & 1)

    def skipped(self) -> list[int]:
        """Return the trunks, from 1, that must have been tried: the first, and any before a later.

        The dialplan tries them in their order.
        """
        return [
            index for index in range(1, max(2, self.done.bit_length())) if not self.tried(index)
        ]

    def way_to(self, channel: str) -> int:
        """Return the index, from 1, of the first trunk not yet tried that the channel leads to."""
        for index, way in enumerate(self.ways, 1):
            if not self.tried(index) and way.leads_to(channel):
                return index
        return 0


class Leg:
    """One open attempt: a channel to a trunk.

    Epochs in seconds; ``began``, ``sign``, ``answered_at`` and ``hung_at`` by Asterisk's clock,
    ``opened`` by ours. ``whole``: its beginning was heard. ``fresh``: it was opened by an event of
    the present connection. ``marked``: a part of it was not heard, whatever the gaps say.
    """

    __slots__ = (
        *("answered", "answered_at", "asterisk", "began", "call", "channel", "dest", "fresh"),
        *("hung", "hung_at", "index", "marked", "opened", "report", "sign", "trunk", "whole"),
        "cause",
    )

    def __init__(  # noqa: PLR0913 - a record's values
        self,
        call: Call,
        index: int,
        asterisk: str,
        *,
        dest: str,
        channel: str,
        began: float,
        opened: float,
        whole: bool,
    ) -> None:
        self.call = call
        self.index = index
        self.trunk = call.ways[index - 1].trunk
        self.asterisk = asterisk
        self.dest = dest
        self.channel = channel
        self.began = began
        self.opened = opened
        self.whole = whole
        self.fresh = True
        self.marked = not whole
        self.sign: float | None = None
        self.answered = False
        self.answered_at: float | None = None
        self.hung = False
        self.hung_at = 0.0
        self.cause = 0
        self.report: Attempted | None = None

    @classmethod
    def dialled(cls, call: Call, index: int, asterisk: str, event: DialBegan, heard: float) -> Leg:
        """Return a leg whose beginning was heard, at ``heard`` by our clock."""
        return cls(
            *(call, index, asterisk),
            dest=event.dest_uniqueid,
            channel=event.dest_channel,
            began=event.at,
            opened=heard,
            whole=True,
        )

    @classmethod
    def found(cls, call: Call, index: int, asterisk: str, seen: ChannelSeen, now: float) -> Leg:
        """Return a leg that a resync found up; it is marked."""
        return cls(
            *(call, index, asterisk),
            dest=seen.uniqueid,
            channel=seen.channel,
            began=now - seen.seconds,
            opened=now,
            whole=False,
        )

    @property
    def pdd_s(self) -> float | None:
        """The time to the first sign of the far end, in seconds; None if there was none."""
        return None if self.sign is None else max(0.0, self.sign - self.began)

    @property
    def talk_s(self) -> float | None:
        """The time from answer to hang-up, in seconds; None if not both were heard."""
        if self.answered_at is None or not self.hung:
            return None
        return max(0.0, self.hung_at - self.answered_at)

    @property
    def endpoint(self) -> str:
        """What the dialplan calls the trunk."""
        return self.call.ways[self.index - 1].endpoint

    def belongs_to(self, call: Call, index: int) -> None:
        """Put the leg where it belongs: to this trunk of this decision; its old place is free."""
        self.call.done &= ~(1 << self.index)
        if self.call.leg is self:
            self.call.leg = None
        self.call = call
        self.index = index
        call.leg = self
        call.done |= 1 << index
        call.asterisk = self.asterisk
