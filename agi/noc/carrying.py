"""What noc itself counts, over its own restarts: of trunks, of AMI, of the AGI step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
from msgspec import structs

from agi.ami.figures import Totals
from agi.ami.seen import AsteriskSeen
from agi.metrics import Latency
from agi.scene import Scene


class Listened(msgspec.Struct, frozen=True):
    """What was counted of one PBX; see ``AsteriskSeen``."""

    gap_s: float = 0.0
    gaps: int = 0
    events: int = 0
    dropped: int = 0


class Carried(msgspec.Struct, frozen=True):
    """All that noc counted since the beginning; ``security`` is AMI's only."""

    totals: dict[str, Totals] = {}
    asterisks: dict[str, Listened] = {}
    security: dict[str, int] = {}
    unverified: int = 0
    theirs: list[float] = []
    ours: list[float] = []


def known_of(scene: Scene, before: Carried) -> Carried:
    """Return what a life of noc before this one and this one counted together."""
    asterisks = dict(before.asterisks)
    for name, seen in scene.asterisks.items():
        asterisks[name] = _listened(seen, asterisks.get(name, Listened()))
    return Carried(
        totals={name: _copy(one) for name, one in scene.totals.items()},
        asterisks=asterisks,
        security=dict(Counter(before.security) + Counter(scene.security)),
        unverified=before.unverified + scene.unverified,
        theirs=_sum(before.theirs, scene.theirs).values(),
        ours=_sum(before.ours, scene.ours).values(),
    )


def carried(scene: Scene, known: Carried) -> Scene:
    """Return the scene with the counters of all lives of noc, and all security events.

    What is shown is what is kept, not what was counted while it was being written.
    """
    security: Mapping[str, int] = Counter(known.security) + scene.counts.refused
    return replace(
        scene,
        totals=known.totals,
        asterisks={
            name: _seen(seen, known.asterisks[name]) for name, seen in scene.asterisks.items()
        },
        security=dict(security),
        unverified=known.unverified,
        theirs=_sum(known.theirs),
        ours=_sum(known.ours),
    )


def _copy(totals: Totals) -> Totals:
    return structs.replace(
        totals, outcomes=dict(totals.outcomes), causes=dict(totals.causes), pdd=list(totals.pdd)
    )


def _listened(seen: AsteriskSeen, before: Listened) -> Listened:
    return Listened(
        gap_s=before.gap_s + seen.gap_s,
        gaps=before.gaps + seen.gaps,
        events=before.events + seen.events,
        dropped=before.dropped + seen.dropped,
    )


def _seen(seen: AsteriskSeen, known: Listened) -> AsteriskSeen:
    return replace(
        seen,
        gap_s=known.gap_s,
        gaps=known.gaps,
        events=known.events,
        dropped=known.dropped,
    )


def _sum(values: Sequence[float], more: Latency | None = None) -> Latency:
    whole = Latency()
    whole.add(values)
    if more is not None:
        whole.add(more.values())
    return whole
