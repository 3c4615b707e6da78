"""What noc is told of a decision: enough to believe Asterisk's events, and no number."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Hopped(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One trunk of a decision: its name in the tables, its endpoint in Asterisk, its technology."""

    trunk: str
    endpoint: str
    tech: str


class Decided(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One call that was answered.

    ``id`` is the decision's and known to nobody but Asterisk and us; ``uniqueid`` is the channel's.
    ``at`` is the wall clock, an epoch in seconds; ``seconds`` from accept to the written answer.
    ``country`` is ISO 3166 alpha-2 or empty, ``mccmnc`` a network or empty. No hops: rejected.
    """

    id: str
    uniqueid: str
    at: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e6)]
    country: str
    mccmnc: str
    hops: tuple[Hopped, ...]
