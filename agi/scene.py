"""All that noc sees at one moment: what metrics, ``status`` and ``top`` are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agi.ami.figures import Kpi, Totals
from agi.ami.seen import AsteriskSeen
from agi.metrics import Latency, Metrics
from agi.routing.standing import Standing


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment. ``at`` is an epoch in seconds.

    ``told`` is what each living process says of itself (see ``agi.report``), ``silent`` those that
    do not answer and whether there is such a process at all. ``counts`` are those of all processes
    that ever ran. ``totals`` go by trunk; ``open_calls`` are attempts under way, by trunk.
    ``trunks``, ``countries`` and ``networks`` hold the figures by window: ``{"uk-a": {60: Kpi}}``.
    ``theirs`` is the AGI step as Asterisk saw it; ``ours`` are our times of those same calls.
    ``level`` is the brown-out ladder's, 0 (live) to 3 (default), the worst of the routers', and
    ``pinned`` says that a person chose it. ``security`` counts by kind, ours and AMI's.
    """

    at: float
    version: str
    told: Sequence[Mapping[str, Any]]
    silent: Mapping[str, bool]
    counts: Metrics
    totals: Mapping[str, Totals] = field(default_factory=dict)
    open_calls: Mapping[str, int] = field(default_factory=dict)
    trunks: Mapping[str, Mapping[int, Kpi]] = field(default_factory=dict)
    countries: Mapping[str, Mapping[int, Kpi]] = field(default_factory=dict)
    networks: Mapping[str, Mapping[int, Kpi]] = field(default_factory=dict)
    standing: Mapping[str, Standing] = field(default_factory=dict)
    asterisks: Mapping[str, AsteriskSeen] = field(default_factory=dict)
    security: Mapping[str, int] = field(default_factory=dict)
    unverified: int = 0
    theirs: Latency = field(default_factory=Latency)
    ours: Latency = field(default_factory=Latency)
    level: int = 0
    level_why: str = ""
    pinned: bool = False
    calls_per_s: float = 0.0
    noc: Mapping[str, Any] = field(default_factory=dict)
