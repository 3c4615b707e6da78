"""How a trunk stands, as noc tells it and routers heed it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class State(StrEnum):
    """A trunk's health.

    ``down`` is passed over while others are there, ``trial`` gets a few first calls to show itself,
    ``degraded`` fewer than its share.
    """

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    TRIAL = "trial"


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How one trunk stands.

    ``pinned``: a person said so. ``quality`` is 0 to 1 for ``pick=quality``, None while too little
    is known. ``calls`` are those up now, None while AMI does not tell. ``why`` is for people.
    """

    state: State
    pinned: bool = False
    quality: float | None = None
    calls: int | None = None
    why: str = ""
