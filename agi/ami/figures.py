"""The figures of trunks, countries and networks: attempts, ASR, NER, ACD, PDD.

A *seizure* is an attempt that reached the trunk (Asterisk dialled it); ASR is answered calls of
seizures, NER answered calls and those that ended for the user's or the number's sake of seizures
(ITU-T E.425 as secondary sources tell it; the table of causes is the site's), ACD the mean talk
time of answered calls, PDD the time from dialling to the first sign of the far end.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Outcome(StrEnum):
    """How one attempt on one trunk ended: a label of ``dialdip_trunk_attempts_total``."""

    ANSWERED = "answered"
    BUSY = "busy"  # the user is engaged
    NO_ANSWER = "no-answer"  # it rang, nobody came
    REJECTED = "rejected"  # the user or the network refused this call
    NUMBER = "number"  # the number is wrong, incomplete, or nobody's
    CANCELLED = "cancelled"  # the caller left first
    FAILED = "failed"  # the trunk or a network behind it could not
    UNKNOWN = "unknown"  # its end was not seen: AMI was away


EFFECTIVE: Final = frozenset(
    (Outcome.ANSWERED, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.REJECTED, Outcome.NUMBER)
)
"""What counts as success for NER: the trunk did its part."""

PDD_BOUNDS: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
"""Upper bounds of the post-dial delay's histogram, in seconds."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt that is over.

    Epochs and durations in seconds. ``pdd_s`` None: the far end gave no sign. ``talk_s`` is 0 if it
    was not answered, None if it was and its length is not known. ``cause`` is a Q.850 cause.
    ``seized``: Asterisk did dial. ``marked``: AMI was away during a part of it.
    """

    asterisk: str
    trunk: str
    country: str
    mccmnc: str
    decision: str
    index: int
    began: float
    ended: float
    seized: bool
    pdd_s: float | None
    talk_s: float | None
    cause: int
    outcome: Outcome
    marked: bool


class Kpi(msgspec.Struct, frozen=True, gc=False):
    """What happened within one window of time to one trunk, country or network.

    ``effective`` is NER's numerator. ``pdd_s`` are p50, p95 and mean. ``cps`` is attempts a second
    over the window. ``causes`` counts attempts by Q.850 cause, ``outcomes`` by outcome.
    """

    window_s: int
    attempts: int
    seizures: int
    answered: int
    effective: int
    marked: int
    talk_s: float
    pdd_s: tuple[float | None, float | None, float | None]
    cps: float
    causes: dict[int, int]
    outcomes: dict[str, int]

    @property
    def asr(self) -> float | None:
        """Answer-seizure ratio, 0 to 1; None without seizures."""
        return self.answered / self.seizures if self.seizures else None

    @property
    def ner(self) -> float | None:
        """Network effectiveness ratio, 0 to 1; None without seizures."""
        return self.effective / self.seizures if self.seizures else None

    @property
    def acd_s(self) -> float | None:
        """Mean talk time of answered calls in seconds; None without any."""
        return self.talk_s / self.answered if self.answered else None


class Totals(msgspec.Struct, gc=False):
    """What was counted of one trunk since the beginning: the counters that Prometheus reads.

    ``pdd`` has one bucket for each of ``PDD_BOUNDS`` and one beyond; not cumulative.
    """

    outcomes: dict[str, int] = {}
    causes: dict[int, int] = {}
    seizures: int = 0
    answered: int = 0
    marked: int = 0
    talk_s: float = 0.0
    pdd: list[int] = []
    pdd_sum_s: float = 0.0
