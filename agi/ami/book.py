"""The decisions that something may still be heard of: by id, by channel, idle ones forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from agi.ami.legs import Call

IDLE_S: Final = 3_600.0
"""A decision of which nothing is heard for so long is forgotten, unless a leg of it is open."""

_EVICTING: Final = 64


class Book:
    """At most ``most`` decisions, but for those with an open leg."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: OrderedDict[str, Call] = OrderedDict()  # by decision id, idle ones first
        self._newest: dict[str, Call] = {}  # of a channel

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, decision: str) -> Call | None:
        """Return the decision of this id."""
        return self._calls.get(decision)

    def of_channel(self, uniqueid: str) -> Iterator[Call]:
        """Yield the decisions that a channel of this uniqueid got, the newest first."""
        call = self._newest.get(uniqueid)
        while call is not None:
            yield call
            call = call.older

    def since(self, at: float) -> list[Call]:
        """Return the decisions made from ``at`` on."""
        return [call for call in self._calls.values() if call.since >= at]

    def add(self, call: Call, now: float) -> None:
        """Keep a decision; if there are too many, the one that was idle longest goes.

        What was missed of a channel's first decision may be taken for events of a later one, so
        all of them count from the first.
        """
        call.older = self._newest.get(call.uniqueid)
        if call.older is not None:
            call.since = min(call.since, call.older.since)
        self._calls[call.id] = self._newest[call.uniqueid] = call
        if len(self._calls) > self._most:
            self._evict(now)

    def touch(self, call: Call, now: float) -> None:
        """Take note that something was heard of a decision."""
        call.touched = now
        if call.id in self._calls:
            self._calls.move_to_end(call.id)

    def forget(self, call: Call) -> None:
        """Keep a decision no longer."""
        if self._calls.pop(call.id, None) is None:
            return
        if self._newest[call.uniqueid] is not call:
            newer = next(one for one in self.of_channel(call.uniqueid) if one.older is call)
            newer.older = call.older
        elif call.older is not None:
            self._newest[call.uniqueid] = call.older
        else:
            del self._newest[call.uniqueid]

    def forget_idle(self, now: float) -> None:
        """Forget those of which nothing was heard for an hour."""
        while self._calls:
            call = next(iter(self._calls.values()))
            if call.touched > now - IDLE_S:
                return
            if call.leg is None:
                self.forget(call)
            else:
                self.touch(call, now)

    def _evict(self, now: float) -> None:
        """Forget the one that was idle longest; those with an open leg go to the end."""
        for _ in range(_EVICTING):
            call = next(iter(self._calls.values()))
            if call.leg is None:
                self.forget(call)
                return
            self.touch(call, now)
