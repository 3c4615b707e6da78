"""Events that came before the decision that they belong to: they wait, not for long.

Asterisk dials a millisecond after it was answered; the decision's record takes some 20 ms. Most
of what waits here belongs to calls that are none of ours.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from agi.ami.events import Attempted, DialBegan, Event, HungUp

MOST: Final = 20_000
"""So many events wait per Asterisk; beyond that the oldest go."""


class Early:
    """The events of one Asterisk that wait, by the channel whose decision is awaited."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._events: dict[str, list[tuple[float, Event]]] = {}
        self._callers: dict[str, str] = {}  # dialled channel: who dials it
        self._reports: dict[str, int] = {}  # caller: how many reports
        self._order: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._order)

    def caller_of(self, dest: str) -> str:
        """Return who dials this channel, if that event waits here, else an empty string."""
        return self._callers.get(dest, "")

    def awaits(self, uniqueid: str) -> bool:
        """Say whether something waits for a decision for this channel."""
        return uniqueid in self._events

    def reports(self, uniqueid: str) -> bool:
        """Say whether the report of a decision for this channel waits, which is still to come."""
        return uniqueid in self._reports

    def keep(self, uniqueid: str, event: Event, due: float) -> None:
        """Let an event wait until ``due``, an epoch."""
        self.put_back(uniqueid, event, due)
        self._order.append((due, uniqueid))

    def put_back(self, uniqueid: str, event: Event, due: float) -> None:
        """Let an event wait on that was taken and found no decision."""
        self._events.setdefault(uniqueid, []).append((due, event))
        if isinstance(event, DialBegan):
            self._callers[event.dest_uniqueid] = uniqueid
        elif isinstance(event, Attempted):
            self._reports[uniqueid] = self._reports.get(uniqueid, 0) + 1

    def take(self, uniqueid: str, decision: str) -> list[tuple[float, Event]]:
        """Return and forget what waits for this decision for this channel, in its order.

        A dialling belongs to the report that follows it; if that is another decision's, it stays.
        """
        waiting = self._events.pop(uniqueid, [])
        if not waiting:
            return []
        others = _of_others(waiting, decision)
        taken = [one for one, other in zip(waiting, others, strict=True) if not other]
        left = [one for one, other in zip(waiting, others, strict=True) if other]
        for _, event in taken:
            self._forget(event)
        if left:
            self._events[uniqueid] = left
        return taken

    def let_go(self, now: float) -> list[tuple[float, Event]]:
        """Return and forget what has waited long enough, or is too much, with its due times."""
        gone: list[tuple[float, Event]] = []
        while self._order and (self._order[0][0] <= now or len(self._order) > self._most):
            due, uniqueid = self._order.popleft()
            waiting = self._events.get(uniqueid)
            while waiting and waiting[0][0] <= due:
                gone.append(waiting.pop(0))
                self._forget(gone[-1][1])
            if not waiting:
                self._events.pop(uniqueid, None)
        return gone

    @property
    def full(self) -> bool:
        """Whether more waits than should."""
        return len(self._order) > self._most

    def _forget(self, event: Event) -> None:
        if isinstance(event, DialBegan):
            self._callers.pop(event.dest_uniqueid, None)
        elif isinstance(event, Attempted):
            self._reports[event.uniqueid] -= 1
            if not self._reports[event.uniqueid]:
                del self._reports[event.uniqueid]


def _of_others(waiting: list[tuple[float, Event]], decision: str) -> list[bool]:
    """Say of each event whether it is known to belong to another decision."""
    reported = decision
    dests: set[str] = set()
    for _, event in reversed(waiting):
        if isinstance(event, Attempted):
            reported = event.id
        elif isinstance(event, DialBegan) and reported != decision:
            dests.add(event.dest_uniqueid)
    return [_is_others(event, decision, dests) for _, event in waiting]


def _is_others(event: Event, decision: str, dests: set[str]) -> bool:
    if isinstance(event, Attempted):
        return event.id != decision
    return (event.uniqueid if isinstance(event, HungUp) else event.dest_uniqueid) in dests
