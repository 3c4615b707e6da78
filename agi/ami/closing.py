"""How an attempt that is over is written down."""

from __future__ import annotations

from agi.ami.causes import Causes, seems_seized
from agi.ami.events import Attempted
from agi.ami.figures import Attempt, Outcome
from agi.ami.legs import Call, Leg


def closed(leg: Leg, causes: Causes, now: float, *, marked: bool) -> Attempt:
    """Return the attempt that a leg was.

    Without a report it is answered if the answer was heard, else its end is unknown: an event
    that anybody could forge is not to say that a trunk failed.
    """
    call, report = leg.call, leg.report
    if report is not None:
        silent = leg.whole and leg.sign is None and not marked
        outcome = causes.outcome(report.dialstatus, report.cause, silent=silent)
    else:
        outcome = Outcome.ANSWERED if leg.answered else Outcome.UNKNOWN
    return Attempt(
        *(leg.asterisk, leg.trunk, call.country, call.mccmnc, call.id, leg.index),
        began=leg.began,
        ended=_end(leg, now),
        seized=True,
        pdd_s=leg.pdd_s,
        talk_s=leg.talk_s if outcome is Outcome.ANSWERED else 0.0,
        cause=report.cause if report else leg.cause,
        outcome=outcome,
        marked=marked,
    )


def _end(leg: Leg, now: float) -> float:
    if leg.hung:
        return leg.hung_at
    return leg.report.at if leg.report else now


def only_reported(
    call: Call, event: Attempted, asterisk: str, causes: Causes, *, marked: bool
) -> Attempt:
    """Return the attempt of which nothing but the report was heard."""
    seized = seems_seized(event.dialstatus, event.cause, all_seen=not marked)
    outcome = causes.outcome(event.dialstatus, event.cause, seized=seized)
    trunk = call.ways[event.index - 1].trunk
    return Attempt(
        *(asterisk, trunk, call.country, call.mccmnc, call.id, event.index),
        began=event.at,
        ended=event.at,
        seized=seized,
        pdd_s=None,
        talk_s=None if outcome is Outcome.ANSWERED else 0.0,
        cause=event.cause,
        outcome=outcome,
        marked=marked,
    )


def unheard(call: Call, index: int, asterisk: str) -> Attempt:
    """Return what is known of an attempt that began and ended in a gap: its trunk, not how."""
    return Attempt(
        *(asterisk, call.ways[index - 1].trunk, call.country, call.mccmnc, call.id, index),
        began=call.since,
        ended=call.since,
        seized=False,
        pdd_s=None,
        talk_s=0.0,
        cause=0,
        outcome=Outcome.UNKNOWN,
        marked=True,
    )
