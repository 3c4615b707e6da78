"""Which leg a report of the dialplan is about; its id is a secret, so it knows best."""

from __future__ import annotations

from collections.abc import Iterable

from agi.ami.events import Attempted
from agi.ami.legs import Call, Leg


def agrees(call: Call, event: Attempted) -> bool:
    """Say whether a report that names our id tells of the channel and the trunk that are ours."""
    return (
        call.uniqueid == event.uniqueid
        and 1 <= event.index <= len(call.ways)
        and call.ways[event.index - 1].endpoint == event.endpoint
    )


def leg_of(call: Call, asterisk: str, event: Attempted, others: Iterable[Call]) -> Leg | None:
    """Return the open leg that the report is about, put right if it was taken for another's.

    That happens where two trunks of a decision have one endpoint, where a channel asked twice, or
    where channels of two Asterisks have the same uniqueid. ``others`` are the decisions for
    channels of that uniqueid.
    """
    leg = call.leg
    if leg is not None and leg.asterisk == asterisk and leg.endpoint == event.endpoint:
        if leg.report is None and not call.tried(event.index):
            leg.belongs_to(call, event.index)
        return leg if leg.index == event.index else None
    if call.tried(event.index) and (leg is None or leg.index != event.index):
        return None
    for other in others:
        found = other.leg
        if other is not call and found is not None and _fits(found, asterisk, event):
            _exchange(call, event.index, other, found)
            return found
    return None


def _fits(leg: Leg, asterisk: str, event: Attempted) -> bool:
    here = leg.asterisk == asterisk and leg.endpoint == event.endpoint
    return here and leg.report is None and leg.began <= event.at


def _exchange(call: Call, index: int, other: Call, found: Leg) -> None:
    """Give a leg to the call that reports it; what that call took for its own changes places."""
    mine = call.leg
    found.belongs_to(call, index)
    if not other.done:
        other.asterisk = ""
    there = other.way_to(mine.channel) if mine is not None else 0
    if mine is not None and there:
        mine.belongs_to(other, there)
        call.done |= 1 << index
