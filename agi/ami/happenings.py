"""What the ledger tells of calls: the values that figures, health and counters are made of."""

from __future__ import annotations

from typing import Final

import msgspec

from agi.ami.figures import Attempt

FORGED: Final = "ami-attempt"
"""The kind of ``Security`` for a report of an attempt that no decision of ours agrees with."""


class Began(msgspec.Struct, frozen=True, gc=False):
    """An attempt on a trunk began, or is found to be under way; exactly one ``Ended`` follows.

    ``at`` is an epoch in seconds, Asterisk's own where it gives one. ``country`` is ISO 3166
    alpha-2 and ``mccmnc`` a network, each empty if unknown.
    """

    trunk: str
    at: float
    country: str = ""
    mccmnc: str = ""


class Proved(msgspec.Struct, frozen=True, gc=False):
    """A trunk showed that it works: it rang, progressed or answered. At most once an attempt.

    Its ``Ended`` will have ``attempt.pdd_s``, which an attempt without this has not.
    """

    trunk: str
    at: float


class Ended(msgspec.Struct, frozen=True, gc=False):
    """An attempt is over."""

    attempt: Attempt


class Security(msgspec.Struct, frozen=True, gc=False):
    """Somebody may have forged an event. ``kind`` is a label of the security counter."""

    kind: str


class Unverified(msgspec.Struct, frozen=True, gc=False):
    """An attempt of a call that nobody decided, or that was decided before we began to listen."""


class Timed(msgspec.Struct, frozen=True, gc=False):
    """How long a decision took: as Asterisk saw it, and by our own clock; seconds."""

    theirs_s: float
    ours_s: float


Happening = Began | Proved | Ended | Security | Unverified | Timed
"""What the ledger's observer is told."""
