"""What is known of one PBX's manager connection at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AsteriskSeen:
    """One PBX: whether it is heard, for how long it was not, what was lost or not understood.

    ``version`` is the Asterisk's, or that of its manager interface if it does not tell.
    ``gap_s`` are all seconds since the start in which events could be missed, ``gaps`` how often
    that began after it was well. ``events`` were read, ``dropped`` of them not believed, not
    understood, or let go because too many waited. ``lag_s`` is the longest time of the last
    seconds from reading an event to passing it on.
    """

    connected: bool
    version: str
    gap_s: float
    gaps: int
    events: int
    dropped: int
    lag_s: float
    trouble: str = ""
