"""What we hear of Asterisk, as values: only the events that tell how a call went.

Names and headers are those of Asterisk's manager events (res/manager docs, measured on 16.28 and
22.10). ``at`` is an epoch in seconds: Asterisk's own, where ``timestampevents = yes`` gives one,
else the moment at which the event was read.
"""

from __future__ import annotations

import msgspec


class DialBegan(msgspec.Struct, frozen=True, gc=False):
    """``DialBegin``: a channel was asked to call; ``uniqueid`` is who dials, empty if nobody."""

    at: float
    uniqueid: str
    dest_uniqueid: str
    dest_channel: str


class DialMoved(msgspec.Struct, frozen=True, gc=False):
    """``DialState``: how far a dialled channel is: RINGING, PROGRESS, PROCEEDING."""

    at: float
    dest_uniqueid: str
    status: str


class DialEnded(msgspec.Struct, frozen=True, gc=False):
    """``DialEnd``: what came of it: ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL."""

    at: float
    dest_uniqueid: str
    status: str


class HungUp(msgspec.Struct, frozen=True, gc=False):
    """``Hangup``: a channel is gone. ``cause`` is a Q.850 cause, 0 if there was none."""

    at: float
    uniqueid: str
    channel: str
    cause: int


class Attempted(msgspec.Struct, frozen=True, gc=False):
    """``UserEvent(CarrierAttempt)`` of our dialplan: one trunk was tried, and what came of it.

    ``id`` is the decision's, empty when nobody decided. ``endpoint`` is the trunk's name in
    Asterisk, ``index`` its place in the decision, from 1. ``asked`` and ``told`` are Asterisk's
    epochs around the AGI step, None where the dialplan has none.
    """

    at: float
    uniqueid: str
    id: str
    endpoint: str
    index: int
    dialstatus: str
    cause: int
    asked: float | None = None
    told: float | None = None


class ChannelSeen(msgspec.Struct, frozen=True, gc=False):
    """``CoreShowChannel``: one channel of a resync.

    ``state`` is Asterisk's number of it: 4 Ring, 5 Ringing, 6 Up. ``seconds`` is its age.
    """

    uniqueid: str
    linkedid: str
    channel: str
    state: int
    seconds: float


Event = DialBegan | DialMoved | DialEnded | HungUp | Attempted
"""What a call's story is made of."""
